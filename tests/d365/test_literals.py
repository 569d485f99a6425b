"""OData literals, filters and key URLs."""

from datetime import UTC, date, datetime
from decimal import Decimal
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.d365.literals import (
    CHAIN,
    KeyValue,
    all_of,
    any_of,
    any_value,
    at_least,
    at_most,
    chains,
    contains,
    encoded,
    eq,
    is_member,
    is_yes,
    key_path,
    literal,
)
from sync.errors import Bug


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("US-101", "'US-101'"),
        ("O'Brien's", "'O''Brien''s'"),
        ("", "''"),
        (" 1001", "' 1001'"),
        (7, "7"),
        (Decimal("1.50"), "1.50"),
        (Decimal("1E+1"), "10"),
        (date(2026, 3, 2), "2026-03-02T12:00:00Z"),
        (datetime(2026, 3, 2, 8, 5, tzinfo=UTC), "2026-03-02T08:05:00.000000Z"),
    ],
)
def test_literals(value: KeyValue, text: str) -> None:
    assert literal(value) == text


def test_a_boolean_is_a_bug() -> None:
    with pytest.raises(Bug):
        literal(True)


def test_conditions() -> None:
    assert eq("A", "x") == "A eq 'x'"
    assert is_yes("IsActive") == "IsActive eq Microsoft.Dynamics.DataEntities.NoYes'Yes'"
    assert is_member("T", "LedgerJournalType", "Payment") == "T eq Microsoft.Dynamics.DataEntities.LedgerJournalType'Payment'"
    assert contains("Description", "AVX 1") == "Description eq '*AVX 1*'"
    assert at_least("D", date(2026, 3, 2)) == "D ge 2026-03-02T12:00:00Z"
    assert at_most("N", 5) == "N le 5"


def test_conditions_together() -> None:
    one, two, none = eq("A", "1"), eq("B", "2"), all_of()
    assert all_of(one, none, two) == "A eq '1' and B eq '2'"
    assert all_of(one, any_of(one, two)) == "A eq '1' and (A eq '1' or B eq '2')"
    assert any_of(one) == one
    for empty in ((), (one, none)):
        with pytest.raises(Bug):
            any_of(*empty)


def test_key_urls_double_quotes_then_percent_encode() -> None:
    path = key_path("VendorInvoiceHeaders", {"dataAreaId": "usmf", "HeaderReference": "O'Neil/1 &é"})
    assert path == "VendorInvoiceHeaders(dataAreaId=%27usmf%27,HeaderReference=%27O%27%27Neil%2F1%20%26%C3%A9%27)"
    numbered = key_path("Lines", {"LineNumber": Decimal(1), "Day": date(2026, 3, 2)})
    assert unquote(numbered) == "Lines(LineNumber=1,Day=2026-03-02T12:00:00Z)"


@given(st.lists(st.text(min_size=1, max_size=60), max_size=90), st.integers(200, 3_000))
def test_every_value_stands_in_exactly_one_short_chain(values: list[str], room: int) -> None:
    made = list(chains("F", values, room=room))
    assert [value for chain in made for value in chain] == list(dict.fromkeys(values))
    for chain in made:
        assert 1 <= len(chain) <= CHAIN
        assert len(encoded(any_value("F", chain))) <= room + len(encoded("()")) or len(chain) == 1


def test_chains_of_twenty() -> None:
    values = [str(number) for number in range(45)] * 2
    assert [len(chain) for chain in chains("F", values, room=5_000)] == [20, 20, 5]
    assert any_value("F", ["a", "b'"]) == "(F eq 'a' or F eq 'b''')"

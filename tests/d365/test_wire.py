"""JSON in and out: exact numbers, no floats."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.d365.wire import Json, read_json, read_row, write_json
from sync.errors import Bug, FixData

numbers = st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**12), max_value=10**12)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(documents)
def test_what_is_written_reads_back_exactly(document: Json) -> None:
    assert read_json(write_json(document)) == document


@pytest.mark.parametrize(
    ("value", "text"),
    [(Decimal("0.10"), b"0.10"), (Decimal("1E+3"), b"1000"), (Decimal("-12345678901234.56"), b"-12345678901234.56"), ("é", '"é"'.encode())],
)
def test_amounts_are_plain_numbers(value: Json, text: bytes) -> None:
    assert write_json({"a": value}) == b'{"a":' + text + b"}"


def test_an_amount_keeps_every_digit() -> None:
    assert read_row(b'{"a": 0.1000000000000000055511151231257827}')["a"] == Decimal("0.1000000000000000055511151231257827")


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity")])
def test_what_json_cannot_say_is_a_bug(value: Decimal) -> None:
    with pytest.raises(Bug):
        write_json([value])


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"\xff\xfe", b"[NaN]", b"[Infinity]", b"[" * 100_000, b"9" * 5_000])
def test_what_is_no_json_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_json(body)


@pytest.mark.parametrize("body", [b"[]", b"1", b"null", b'"text"'])
def test_a_row_is_an_object(body: bytes) -> None:
    with pytest.raises(ValueError, match="not an object"):
        read_row(body)


def test_half_a_character_is_the_records_fault() -> None:
    with pytest.raises(FixData, match="half a character"):
        write_json({"InvoiceDescription": "\ud800"})

"""Dimension strings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.d365.dimensions import DELIMITERS, DimensionFormats, escape, read_formats, split
from sync.d365.wire import Json
from sync.errors import FixConfiguration, FixData
from tests.d365.support import options_of, tables

LEDGER = ("MainAccount", "BusinessUnit", "CostCenter", "Department")
FORMATS = DimensionFormats(LEDGER, LEDGER[1:], "-")
segments = st.text(alphabet=st.sampled_from("ab1-._|~\\ ") | st.characters(codec="utf-8"), max_size=8)


@given(st.lists(segments, min_size=1, max_size=6), st.sampled_from(sorted(DELIMITERS.values())))
def test_split_undoes_join_for_every_delimiter(values: list[str], delimiter: str) -> None:
    text = delimiter.join(escape(value, delimiter) for value in values)
    assert split(text, delimiter) == tuple(values)


@given(st.dictionaries(st.sampled_from(LEDGER[1:]), segments), segments, st.sampled_from(sorted(DELIMITERS.values())))
def test_parse_undoes_both_strings(values: dict[str, str], account: str, delimiter: str) -> None:
    formats = DimensionFormats(LEDGER, LEDGER[1:], delimiter)
    expected = tuple(values.get(name, "") for name in LEDGER[1:])
    assert formats.parse(formats.ledger_string(account, values)) == (account, *expected)
    assert formats.parse(formats.default_string(values)) == expected


@pytest.mark.parametrize(
    ("value", "delimiter", "text"),
    [
        ("US-108", "-", r"US\-108"),
        ("US-108", "--", "US-108"),
        ("US--108", "--", r"US\--108"),
        ("US-", "--", r"US\-"),
        ("a.b", "-", "a.b"),
        ("a|b", "||", "a|b"),
        ("a~b", "~", r"a\~b"),
        ("C:\\x", "-", "C:\\x"),
        ("end\\", "-", "end\\\\"),
        ("", "-", ""),
    ],
)
def test_only_what_would_be_misread_is_escaped(value: str, delimiter: str, text: str) -> None:
    assert escape(value, delimiter) == text


def test_the_contracts_example() -> None:
    values = {"BusinessUnit": "001", "CostCenter": "007", "Department": "022"}
    assert FORMATS.ledger_string("600150", values) == "600150-001-007-022"
    assert FORMATS.default_string(values) == "001-007-022"


def test_blanks_keep_their_place() -> None:
    assert FORMATS.default_string({"BusinessUnit": "001"}) == "001--"
    assert FORMATS.ledger_string("600150", {}) == "600150---"
    assert FORMATS.default_string({}) == "--"


def test_accounts_are_escaped() -> None:
    assert FORMATS.escape_account("US-108") == r"US\-108"


def test_a_dimension_that_is_not_in_the_format_is_reported_and_not_dropped() -> None:
    with pytest.raises(FixData) as caught:
        FORMATS.ledger_string("600150", {"Project": "P1", "Fund": "F1", "BusinessUnit": "001"})
    assert [(cause.code, cause.subject) for cause in caught.value.causes] == [
        ("dimension-not-in-format", "dimension Fund"),
        ("dimension-not-in-format", "dimension Project"),
    ]
    with pytest.raises(FixData):
        FORMATS.default_string({"Project": "P1"})
    assert FORMATS.default_string({"Project": ""}) == "--"
    assert FORMATS.missing(["BusinessUnit", "Project"]) == ("Project",)


# --- read from D365 -------------------------------------------------------------------------------------------------------------------


def row(kind: str, names: str, active: str = "Yes", name: str = "F") -> dict[str, Json]:
    return {
        "DimensionFormatName": name,
        "DimensionFormatType": f"DataEntity{kind}DimensionFormat",
        "FinancialDimensionFormat": names,
        "IsActive": active,
    }


def parameters(*delimiters: str) -> list[dict[str, Json]]:
    return [{"Key": 0, "DimensionSegmentDelimiter": delimiter} for delimiter in delimiters]


BOTH = [row("Default", "BusinessUnit||CostCenter"), row("Ledger", "MainAccount||BusinessUnit||CostCenter"), row("Budget", "X")]


def test_formats_and_delimiter_come_from_d365() -> None:
    it = tables(
        {"DimensionIntegrationFormats": [*BOTH, row("Ledger", "MainAccount", "No", "Old")], "DimensionParameters": parameters("DoubleBar")}
    )
    assert read_formats(it.client) == DimensionFormats(("MainAccount", "BusinessUnit", "CostCenter"), ("BusinessUnit", "CostCenter"), "||")
    assert options_of(it.sent[0])["$filter"] == "IsActive eq Microsoft.Dynamics.DataEntities.NoYes'Yes'"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Hyphen", "1-2"),
        ("Period", "1.2"),
        ("Underscore", "1_2"),
        ("Bar", "1|2"),
        ("DoubleHyphen", "1--2"),
        ("DoublePeriod", "1..2"),
        ("DoubleUnderscore", "1__2"),
        ("DoubleBar", "1||2"),
        ("Tilde", "1~2"),
        ("DoubleTilde", "1~~2"),
    ],
)
def test_every_delimiter_of_d365_is_known(name: str, text: str) -> None:
    mark = text.strip("12")
    formats = [row("Default", f"BusinessUnit{mark}CostCenter"), row("Ledger", f"MainAccount{mark}BusinessUnit{mark}CostCenter")]
    it = tables({"DimensionIntegrationFormats": formats, "DimensionParameters": parameters(name)})
    assert read_formats(it.client).default_string({"BusinessUnit": "1", "CostCenter": "2"}) == text


@pytest.mark.parametrize(
    ("formats", "delimiters", "words"),
    [
        ([], ["Hyphen"], "found: none"),
        (BOTH[:1], ["Hyphen"], "LedgerDimensionFormat; found: none"),
        ([*BOTH, row("Default", "X", name="Second")], ["DoubleBar"], "found: F, Second"),
        ([BOTH[0], row("Ledger", "BusinessUnit")], ["Hyphen"], "lacks MainAccount"),
        (BOTH, [], "DimensionSegmentDelimiter"),
        (BOTH, ["Slash"], "Slash"),
        (BOTH, ["Bar", "Hyphen"], "Bar, Hyphen"),
    ],
)
def test_a_set_up_that_cannot_work_is_named(formats: list[dict[str, Json]], delimiters: list[str], words: str) -> None:
    it = tables({"DimensionIntegrationFormats": formats, "DimensionParameters": parameters(*delimiters)})
    with pytest.raises(FixConfiguration, match=words):
        read_formats(it.client)

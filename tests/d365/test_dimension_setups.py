"""Dimension set-ups that are rare but possible: what is read of them, and how a person is told what is wrong."""

import pytest

from sync.d365.dimensions import DELIMITERS, DimensionFormats, escape, read_formats, split
from sync.errors import FixConfiguration
from tests.d365.support import options_of, set_of, tables
from tests.d365.test_dimensions import BOTH, parameters


@pytest.mark.parametrize("delimiter", sorted(DELIMITERS.values()))
@pytest.mark.parametrize("value", ["{}", "{0}{0}", "a{}b", "\\{}", "a\\{}b", "\\\\{}", "\\\\", "a\\\\b", "a\\", "a\\b", "{}\\"])
def test_a_value_with_escapes_and_delimiters_comes_back_between_others(value: str, delimiter: str) -> None:
    values = ("x", value.format(delimiter), "y")
    assert split(delimiter.join(escape(each, delimiter) for each in values), delimiter) == values


def test_a_dimension_of_one_format_only_is_missing() -> None:
    formats = DimensionFormats(("MainAccount", "Site", "Team"), ("Site", "Fund"), "-")
    assert formats.missing(["Site", "Team", "Fund"]) == ("Team", "Fund")


def test_the_delimiter_s_table_is_asked_for_that_column_alone() -> None:
    """A column that is not read cannot fail the read."""
    it = tables({"DimensionIntegrationFormats": BOTH, "DimensionParameters": parameters("DoubleBar")})
    read_formats(it.client)
    [asked] = [request for request in it.sent if set_of(request) == "DimensionParameters"]
    assert "DimensionSegmentDelimiter" in options_of(asked)["$select"].split(",")


def test_several_delimiters_are_named_in_order() -> None:
    names = ["Tilde", "Period", "Hyphen", "Bar", "Underscore"]
    it = tables({"DimensionIntegrationFormats": BOTH, "DimensionParameters": parameters(*names)})
    with pytest.raises(FixConfiguration, match="Bar, Hyphen, Period, Tilde, Underscore"):
        read_formats(it.client)

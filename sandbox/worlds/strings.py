"""Dimension strings as the contract writes them (contracts/d365-fo.md §7), for formats with the delimiter Hyphen."""

from collections.abc import Iterable, Mapping, Sequence

MAIN_ACCOUNT = "MainAccount"


def escaped(value: str) -> str:
    """A value inside a string: the delimiter gets a backslash."""
    return value.replace("-", "\\-")


def display_value(order: Sequence[str], values: Mapping[str, str]) -> str:
    """The string of a format: every segment in its place, blank where there is no value."""
    return "-".join(escaped(values.get(name, "")) for name in order)


def shared_values(lines: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The dimension values on which all lines agree; a blank on one line is a difference."""
    rows = list(lines)
    return {name: value for name, value in rows[0].items() if all(row.get(name, "") == value for row in rows)} if rows else {}


def same_string(stored: str, wanted: str) -> bool:
    """Whether two strings mean the same values; a string of blanks alone may also be stored empty."""
    return stored == wanted or (not stored.strip("-") and not wanted.strip("-"))

"""Reading the properties of a row: a missing one reads as empty."""

from collections.abc import Mapping
from datetime import datetime

from sync.storage.model import Value


def text_in(values: Mapping[str, Value], name: str) -> str:
    """A text property; nothing when it is missing."""
    return str(values.get(name, ""))


def number_in(values: Mapping[str, Value], name: str) -> int:
    """A number property; 0 when it is missing."""
    value = values.get(name, 0)
    assert isinstance(value, int), f"{name} is no whole number"
    return value


def moment_in(values: Mapping[str, Value], name: str) -> datetime | None:
    """A time property; None when it is missing."""
    value = values.get(name)
    assert value is None or isinstance(value, datetime), f"{name} is no time"
    return value

"""What a verb returns as plain JSON: one form for `--json` and for the HTTP functions."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import TypeAlias

from sync.errors import Bug
from sync.values import money_text, utc_text

Plain: TypeAlias = "bool | int | str | list[Plain] | dict[str, Plain] | None"


def as_plain(value: object) -> Plain:
    """Dataclasses as objects, amounts and dates as text, times as UTC text. Bug when something has no plain form: a float has none."""
    if isinstance(value, Enum):
        return as_plain(value.value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (Decimal, date)):
        return _text(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: as_plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): as_plain(item) for name, item in value.items()}
    if isinstance(value, Sequence):
        return [as_plain(item) for item in value]
    raise Bug(f"A {type(value).__name__} has no plain form.")


def _text(value: Decimal | date) -> str:
    if isinstance(value, Decimal):
        return money_text(value)
    return utc_text(value) if isinstance(value, datetime) else value.isoformat()

"""NCRONTAB, the schedules of timer triggers: second minute hour day month day-of-week, in UTC.

Each field is `*` or a list of numbers, names (months, week days), ranges `1-5` and steps `*/5`, `10-30/5`. A moment must match all six.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final

MONTHS: Final = {
    "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12,
}  # fmt: skip
WEEKDAYS: Final = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}
LONGEST_WAIT: Final = timedelta(days=366 * 8 + 1)
"""29 February comes back after eight years at the latest."""


@dataclass(frozen=True)
class Field:
    """One of the six fields: its name, the numbers it may hold, the names it may use instead."""

    name: str
    first: int
    last: int
    names: dict[str, int]


FIELDS: Final = (
    Field("second", 0, 59, {}),
    Field("minute", 0, 59, {}),
    Field("hour", 0, 23, {}),
    Field("day", 1, 31, {}),
    Field("month", 1, 12, MONTHS),
    Field("day of week", 0, 6, WEEKDAYS),
)


@dataclass(frozen=True)
class Schedule:
    """A parsed schedule. Sunday is 0."""

    text: str
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]

    def next_after(self, moment: datetime) -> datetime:
        """The first matching moment after `moment` (both UTC, whole seconds). ValueError when there is none, as on 30 February."""
        day = moment.astimezone(UTC).date()
        last = day + LONGEST_WAIT
        while day <= last:
            if day.day in self.days and day.month in self.months and day.isoweekday() % 7 in self.weekdays:
                for at in self._times():
                    candidate = datetime.combine(day, at, tzinfo=UTC)
                    if candidate > moment:
                        return candidate
            day += timedelta(days=1)
        raise ValueError(f"the schedule {self.text!r} never comes")

    def _times(self) -> Iterator[time]:
        return (time(hour, minute, second) for hour in self.hours for minute in self.minutes for second in self.seconds)


def parse(text: str) -> Schedule:
    """The schedule from its text. ValueError names the field that is wrong."""
    parts = text.split()
    if len(parts) != len(FIELDS):
        raise ValueError(f"the schedule {text!r} has {len(parts)} fields; it needs six: second minute hour day month day-of-week")
    try:
        return Schedule(text, *(_numbers(part, field) for part, field in zip(parts, FIELDS, strict=True)))
    except ValueError as error:
        raise ValueError(f"the schedule {text!r} is not valid: {error}") from None


def _numbers(part: str, field: Field) -> tuple[int, ...]:
    return tuple(sorted({number for item in part.split(",") for number in _item(item, field)}))


def _item(item: str, field: Field) -> range:
    span, slash, step_text = item.partition("/")
    step = _number(step_text, field) if slash else 1
    if step < 1:
        raise ValueError(f"{field.name}: a step must be at least 1")
    first_text, dash, last_text = span.partition("-")
    if span == "*":
        first, last = field.first, field.last
    else:
        first = _number(first_text, field)
        # `5/15` means from 5 on, every 15.
        last = _number(last_text, field) if dash else (field.last if slash else first)
    if not field.first <= first <= last <= field.last:
        raise ValueError(f"{field.name}: {item!r} is not within {field.first}-{field.last}")
    return range(first, last + 1, step)


def _number(text: str, field: Field) -> int:
    named = field.names.get(text.lower()[:3]) if text.isalpha() else None
    if named is not None:
        return named
    if not text.isdecimal():
        raise ValueError(f"{field.name}: {text!r} is no number")
    return int(text)

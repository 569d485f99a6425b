"""Reads one JSON row field by field, tolerant in form, strict in meaning, collecting all problems (contracts/avidxchange.md §1)."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Final, TypeVar

from sync.avid.jsontext import Json, Row, as_list, json_text
from sync.avid.models import BadRow

ModelT = TypeVar("ModelT")
NUMBER: Final = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{0,10})?")
STAMP: Final = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(?:\.(\d{1,12}))?\s?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII | re.IGNORECASE)
HALF_CHARACTER: Final = re.compile("[\ud800-\udfff]")
"""A surrogate without its other half: JSON can escape it, nothing can store it."""
UNSET_YEAR: Final = 1900
"""Days up to this year stand for "no day" in both systems (0001-01-01, 1900-01-01)."""
FLAGS: Final = {"true": True, "false": False, "1": True, "0": False}


class RowProblems(ValueError):
    """What is wrong with a row: (field, sentence) pairs in the order of the reading."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(sentence for _, sentence in problems))
        self.problems = problems


class RowReader:
    """One row. A field is a name of the profile, a dot goes into an object. After the reading `done` raises what was collected."""

    def __init__(self, row: Row, problems: list[tuple[str, str]] | None = None, place: str = "") -> None:
        self._row = row
        self._problems: list[tuple[str, str]] = [] if problems is None else problems
        self._place = place

    def text(self, name: str) -> str:
        """Text or number as text, digit for digit; empty when absent."""
        return self._text(name, self.value(name))

    def needed(self, name: str) -> str:
        """Text that must not be blank."""
        text = self.text(name)
        if not text.strip():
            self.wrong(name, "is missing")
        return text

    def amount(self, name: str) -> Decimal:
        """An amount that must be there, exact."""
        amount = self.optional_amount(name)
        if amount is None:
            self.wrong(name, "is missing")
        return Decimal(0) if amount is None else amount

    def optional_amount(self, name: str) -> Decimal | None:
        """An amount, exact; None when absent."""
        value = self.value(name)
        text = self._text(name, value).strip()
        if not text:
            return None
        if isinstance(value, bool) or not NUMBER.fullmatch(text):
            self.wrong(name, "is no amount")
            return Decimal(0)
        return Decimal(text)

    def whole(self, name: str) -> int | None:
        """A whole number; None when absent."""
        amount = self.optional_amount(name)
        if amount is not None and amount != int(amount):
            self.wrong(name, "is no whole number")
        return None if amount is None else int(amount)

    def flag(self, name: str, *, absent: bool) -> bool:
        """True or false in its usual forms; `absent` when it is not there."""
        value = self.value(name)
        text = ("true" if value else "false") if isinstance(value, bool) else self._text(name, value).strip().lower()
        if text and text not in FLAGS:
            self.wrong(name, "is neither true nor false")
        return FLAGS.get(text, absent)

    def day(self, name: str) -> date | None:
        """The day of a date or time stamp, as written there; None when absent or unset."""
        moment = self._stamp(name)
        return None if moment is None else moment.date()

    def moment(self, name: str) -> datetime | None:
        """A time stamp with T or blank; without a zone it is UTC. None when absent or unset."""
        moment = self._stamp(name)
        try:
            return None if moment is None else moment.astimezone(UTC)
        except OverflowError:
            self.wrong(name, "is no time")
            return None

    def rows(self, name: str) -> list["RowReader"]:
        """The objects of an array, of one object, or none."""
        readers = []
        for number, value in enumerate(as_list(self.value(name)), 1):
            place = f"{self._place}{name}[{number}]."
            if isinstance(value, dict):
                readers.append(RowReader(value, self._problems, place))
            else:
                self._problems.append((place.removesuffix("."), f"{place.removesuffix('.')} is no object"))
        return readers

    def texts(self, name: str) -> tuple[str, ...]:
        """The texts of an array of texts or numbers, blank ones left out."""
        return tuple(text for value in as_list(self.value(name)) if (text := self._text(name, value)).strip())

    def inner(self, name: str) -> "RowReader":
        """The object under a name; an empty one when it is absent."""
        value = self.value(name)
        if value is not None and not isinstance(value, dict):
            self.wrong(name, "is no object")
        return RowReader(value if isinstance(value, dict) else {}, self._problems, f"{self._place}{name}.")

    def canonical(self) -> str:
        """The whole row as canonical JSON."""
        return json_text(self._row)

    def wrong(self, name: str, sentence_end: str) -> None:
        """Note a problem of a field; the sentence begins with the field's name."""
        self._problems.append((f"{self._place}{name}", f"{self._place}{name} {sentence_end}"))

    def done(self) -> None:
        """Raises RowProblems when anything was wrong."""
        if self._problems:
            raise RowProblems(self._problems)

    def value(self, name: str) -> Json:
        """The value as it came; None when absent."""
        value: Json = self._row
        for part in name.split("."):
            if value is None:
                return None
            if not isinstance(value, dict):
                self.wrong(name, "is not where it should be: the value around it is no object")
                return None
            value = value.get(part)
        return value

    def _text(self, name: str, value: Json) -> str:
        if value is None:
            return ""
        if isinstance(value, (dict, list)):
            self.wrong(name, "is neither text nor number")
            return ""
        text = json_text(value) if isinstance(value, bool) else _digits(value) if isinstance(value, Decimal) else str(value)
        if not text.isascii() and HALF_CHARACTER.search(text):
            self.wrong(name, "holds half a character")
            return ""
        return text

    def _stamp(self, name: str) -> datetime | None:
        text = self.text(name).strip()
        if not text:
            return None
        try:
            moment = _moment(text)
        except ValueError:
            self.wrong(name, "is no date or time")
            return None
        return None if moment.year <= UNSET_YEAR else moment


def read_row(resource: str, value: Json, id_field: str, build: Callable[[RowReader], ModelT]) -> ModelT | BadRow:
    """The model that `build` makes of a row, or the row with what is wrong with it."""
    if not isinstance(value, dict):
        return BadRow(resource, "", "", f"A row of {resource} is no object", json_text(value))
    reader = RowReader(value)
    try:
        model = build(reader)
        reader.done()
    except RowProblems as error:
        return BadRow(resource, RowReader(value).text(id_field), error.problems[0][0], str(error), json_text(value))
    return model


def _digits(value: Decimal) -> str:
    """The number's digits; an exponent stays an exponent, so that no text grows without end."""
    text = str(value)
    return f"{value:f}" if "E" in text and -20 <= value.adjusted() <= 20 else text


def _moment(text: str) -> datetime:
    match = STAMP.fullmatch(text)
    if match is None:
        raise ValueError(text)
    day, minutes, seconds, fraction, zone = match.groups()
    micro = (fraction or "")[:6].ljust(6, "0")
    moment = datetime.fromisoformat(f"{day}T{minutes or '00:00'}{seconds or ':00'}.{micro}")
    if zone is None or zone.upper() == "Z":
        return moment.replace(tzinfo=UTC)
    sign = -1 if zone[0] == "-" else 1
    offset = sign * timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    return moment.replace(tzinfo=timezone(offset))

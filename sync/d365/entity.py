"""One row of an entity set, typed: the base of `rows.py`, its field types, and reading that survives bad rows.

Unset text is "", unset dates are None, flags are Yes or No, amounts are exact (contracts/d365-fo.md §2).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, ClassVar, Final, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from sync.causes import Cause
from sync.d365.wire import JsonRow
from sync.errors import FixData
from sync.values import EMPTY_DATE, day_of, money, utc_moment

MAX_DIGITS: Final = 30


def _text(value: object) -> object:
    return "" if value is None else value


def _day(value: object) -> object:
    if value is None:
        return None
    return day_of(value) if isinstance(value, str) else value


def _moment(value: object) -> object:
    if not isinstance(value, str):
        return value
    moment = utc_moment(value) if value else None
    return None if moment is None or moment.date() == EMPTY_DATE else moment


def _amount(value: object) -> Decimal:
    if isinstance(value, (str, int, Decimal)) and not isinstance(value, bool):
        amount = money(value)
        if abs(amount.adjusted()) > MAX_DIGITS:
            raise ValueError("the amount has too many digits")
        return amount
    raise ValueError("not an amount")


def _line_number(value: object) -> object:
    """1.0 and 1 are one line number, and read the same as text."""
    number = _amount(value)
    return Decimal(int(number)) if number == int(number) else number


def _flag(value: object) -> object:
    if value in {None, "", "No"}:
        return False
    if value == "Yes":
        return True
    if isinstance(value, bool):
        return value
    raise ValueError("neither Yes nor No")


Text = Annotated[str, BeforeValidator(_text)]
Day = Annotated[date | None, BeforeValidator(_day)]
Moment = Annotated[datetime | None, BeforeValidator(_moment)]
Amount = Annotated[Decimal, BeforeValidator(_amount)]
LineNumber = Annotated[Decimal, BeforeValidator(_line_number)]
Flag = Annotated[bool, BeforeValidator(_flag)]


class Entity(BaseModel):
    """One row. `SET` is the entity set, `KEYS` are our names of the fields that name the row to a person, `SELECT` is for $select."""

    model_config = ConfigDict(frozen=True, extra="ignore", validate_by_name=True, validate_by_alias=True)

    SET: ClassVar[str]
    KEYS: ClassVar[tuple[str, ...]]
    SELECT: ClassVar[tuple[str, ...]]

    @classmethod
    def __pydantic_init_subclass__(cls, **options: object) -> None:
        super().__pydantic_init_subclass__(**options)
        cls.SELECT = tuple(info.alias or name for name, info in cls.model_fields.items())


E = TypeVar("E", bound=Entity)


@dataclass(frozen=True)
class BadRow:
    """A row that does not validate: where it is and what is wrong, without its content."""

    set_name: str
    key: str
    field: str
    sentence: str


def typed(model: type[E], row: JsonRow) -> E:
    """The typed row. FixData names set, key and every field that is wrong."""
    try:
        return model.model_validate(row)
    except ValidationError as error:
        key = _key(model, row)
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        causes = tuple(_cause(model, key, str(item["loc"][0]), item["msg"]) for item in problems)
    raise FixData(causes)


def read_rows(model: type[E], rows: Iterable[JsonRow], on_bad: Callable[[BadRow], None]) -> Iterator[E]:
    """The typed rows. One that does not validate goes to `on_bad`, and the crawl goes on."""
    for row in rows:
        try:
            parsed = typed(model, row)
        except FixData as error:
            on_bad(BadRow(model.SET, _key(model, row), error.causes[0].field, error.sentence))
        else:
            yield parsed


def _key(model: type[Entity], row: JsonRow) -> str:
    names = (model.model_fields[name].alias or name for name in model.KEYS)
    return ", ".join(f"{name}={row.get(name, '?')}" for name in names)


def _cause(model: type[Entity], key: str, field: str, message: str) -> Cause:
    sentence = f"{model.SET} ({key}): {field}: {message.removeprefix('Value error, ')}"
    return Cause("field-invalid", f"{model.SET} {key}", sentence, field)

"""What the environment knows of its entity sets: keys, fields, enums, the empty value of each type, and what a written value becomes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path

Value = str | int | bool | Decimal | None
"""A stored value as it travels: dates are texts in UTC, enums are member names, amounts are Decimal."""

Given = Value | date | datetime
"""What a builder of a world may hand over; days become noon UTC."""

NAMESPACE = "Microsoft.Dynamics.DataEntities"
EMPTY_DATE = "1900-01-01T12:00:00Z"
EMPTY_DATE_TIME = "1900-01-01T00:00:00Z"
OPEN_END = "2154-12-31T23:59:59Z"

WRITABLE_SETS = frozenset(
    {
        "VendorInvoiceHeaders",
        "VendorInvoiceLines",
        "VendorInvoiceDocumentAttachments",
        "VendorPaymentJournalHeaders",
        "VendorPaymentJournalLines",
        "VendorPaymentJournalLineSettledInvoices",
    }
)
"""The sets a connector has business in. A write to any other set is done (where the set allows it) and remembered as forbidden."""


class BadValue(ValueError):
    """A value that does not fit the type of its field."""


@dataclass(frozen=True)
class EntitySet:
    """One entity set. `fields` maps names to Edm types or enum names; `defaults` holds the empty value of every field;
    `navigation` maps navigation properties to sets, with `[]` behind the name for a collection.
    """

    name: str
    entity_type: str
    aot_entity: str
    keys: tuple[str, ...]
    required: tuple[str, ...]
    fields: Mapping[str, str]
    defaults: Mapping[str, Value]
    navigation: Mapping[str, str]

    @property
    def has_company(self) -> bool:
        """Whether rows belong to one company by `dataAreaId`."""
        return "dataAreaId" in self.fields

    @property
    def read_only(self) -> bool:
        """Bi sets and purchase orders cannot be written (contracts/d365-fo.md §1)."""
        return self.name.endswith("BiEntities") or self.name.startswith("PurchaseOrder")

    @property
    def unique_key(self) -> bool:
        """Attachments share the key of their header: several per header are kept (contracts/d365-fo.md §5)."""
        return self.name != "VendorInvoiceDocumentAttachments"


@cache
def entity_sets() -> Mapping[str, EntitySet]:
    """All entity sets by name."""
    return {name: _entity_set(name, definition) for name, definition in _file()["entitySets"].items()}


@cache
def enums() -> Mapping[str, tuple[str, ...]]:
    """Enum members by enum name, in the order of their values."""
    return {name: tuple(members) for name, members in _file()["enums"].items()}


def is_day(field: str) -> bool:
    """Whether a date field holds a day (noon UTC) rather than a point in time."""
    return not (field.endswith("DateTime") or "Valid" in field or field == "CreatedOn")


def convert(entity_set: EntitySet, field: str, value: Given) -> Value:
    """The stored form of a value for a field. Raises BadValue when the type does not fit, KeyError for an unknown field."""
    kind = entity_set.fields[field]
    if value is None:
        return None
    if kind == "Edm.DateTimeOffset":
        return _moment(field, value)
    if kind == "Edm.Decimal":
        return _decimal(field, value)
    if kind in ("Edm.Int32", "Edm.Int64"):
        return _integer(field, value)
    if kind == "Edm.Boolean":
        return _checked(field, value, isinstance(value, bool), "a boolean")
    if kind in enums():
        return _checked(field, value, value in enums()[kind], f"a member of {NAMESPACE}.{kind}")
    return _checked(field, value, isinstance(value, str), "a string")


def noon(day: date) -> str:
    """A day as D365 writes it: noon UTC."""
    return f"{day.isoformat()}T12:00:00Z"


def stamp(moment: datetime) -> str:
    """A point in time in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_moment(text: str) -> datetime:
    """The UTC time of a date or date-time text. Raises BadValue when it is none."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadValue(f"'{text}' is not a date") from error
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def day_of(text: str) -> date:
    """The day of a stored date."""
    return date.fromisoformat(text[:10])


def local_day(text: str, hours: int) -> str:
    """What a date becomes when a client sends a time that is not noon: the day in the user's time zone (contracts/d365-fo.md §2)."""
    return noon((parse_moment(text) + timedelta(hours=hours)).date())


def fold(value: Value) -> Value:
    """The form in which D365 compares: texts without case."""
    return value.casefold() if isinstance(value, str) else value


def _checked(field: str, value: Given, fits: bool, wanted: str) -> Value:
    if not fits or isinstance(value, date):
        raise BadValue(f"Cannot convert the value of property '{field}' to {wanted}.")
    return value


def _moment(field: str, value: Given) -> str:
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, date):
        return noon(value)
    if not isinstance(value, str):
        raise BadValue(f"Cannot convert the value of property '{field}' to a date.")
    return stamp(parse_moment(value))


def _decimal(field: str, value: Given) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise BadValue(f"Cannot convert the value of property '{field}' to the type 'Edm.Decimal'.")
    return Decimal(value)


def _integer(field: str, value: Given) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadValue(f"Cannot convert the value of property '{field}' to an integer.")
    return value


def _empty(field: str, kind: str) -> Value:
    if kind == "Edm.DateTimeOffset":
        return OPEN_END if field.endswith("ValidTo") else EMPTY_DATE if is_day(field) else EMPTY_DATE_TIME
    if kind in enums():
        return enums()[kind][0]
    numbers: Mapping[str, Value] = {"Edm.Decimal": Decimal(0), "Edm.Int32": 0, "Edm.Int64": 0, "Edm.Boolean": False}
    return "00000000-0000-0000-0000-000000000000" if kind == "Edm.Guid" else numbers.get(kind, "")


def _entity_set(name: str, definition: Mapping[str, object]) -> EntitySet:
    fields = definition["fields"]
    keys, required, navigation = definition["keys"], definition["required"], definition["navigation"]
    if not isinstance(fields, dict) or not isinstance(keys, list) or not isinstance(required, list) or not isinstance(navigation, dict):
        raise TypeError(f"entities.json: the set {name} needs fields, keys, required and navigation")
    defaults = {field: _empty(field, kind) for field, kind in fields.items()}
    aot = str(definition.get("aotEntity") or definition["entityType"])
    return EntitySet(name, str(definition["entityType"]), aot, tuple(keys), tuple(required), fields, defaults, navigation)


@cache
def _file() -> Mapping[str, Mapping[str, dict[str, object]]]:
    text = Path(__file__).with_name("entities.json").read_text(encoding="utf-8")
    loaded: Mapping[str, Mapping[str, dict[str, object]]] = json.loads(text)
    return loaded

"""Whether rows that came from AvidXchange have the names that the profile gives to their fields."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sync.avid.jsontext import Json
from sync.avid.profile import Profile
from sync.avid.samples import rows_in

Step = tuple[str, str]
"""A section of `fields` and its entry whose name leads to the rows inside."""


@dataclass(frozen=True)
class Level:
    """Rows at one depth of a resource: the steps that lead to them, the section and entries that are read there, and the needed ones."""

    section: str
    needed: tuple[str, ...]
    others: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Miss:
    """An entry whose name no row has. `names` are those that the rows have there and the profile does not know, in their order."""

    entry: str
    name: str
    needed: bool
    names: tuple[str, ...]


LINES: Final[tuple[Step, ...]] = (("invoice", "distributions"),)
CODES: Final[tuple[Step, ...]] = (*LINES, ("distribution", "codes"))
ADDRESS: Final = ("line1", "line2", "line3", "line4", "city", "state", "postal_code", "country")
REMITTANCE: Final = (("number", "gross", "net"), ("external_id", "day", "discount", "customer_account_number"))
LEVELS: Final[dict[str, tuple[Level, ...]]] = {
    "accounting_system": (Level("accounting_system", ("id",), ("name",)),),
    "code_group": (Level("code_group", ("name", "is_required"), ("id",)),),
    "code": (Level("code", ("value", "is_active"), ("accounting_system", "group", "description")),),
    "vendor": (
        Level(
            "vendor",
            ("external_id", "name", "is_active"),
            (
                *("accounting_system", "doing_business_as", "account_no", "is_1099", "email", "phone", "terms"),
                *("address", "remit_to", "last_changed"),
            ),
        ),
        Level("address", (), ADDRESS, (("vendor", "address"),)),
        Level("address", (), ADDRESS, (("vendor", "remit_to"),)),
    ),
    "batch": (Level("batch", ("guid", "date_closed", "links"), ("name", "invoice_count", "total")),),
    "invoice": (
        Level(
            "invoice",
            ("id", "number", "vendor_id", "invoice_date", "gross", "distributions"),
            (
                *("due_date", "posting_date", "currency", "po_number", "memo", "terms", "image_url"),
                *("vendor_name", "account_no", "last_changed"),
            ),
        ),
        Level("distribution", ("amount", "codes"), ("description",), LINES),
        Level("distribution", ("code_value", "code_groups"), (), CODES),
        Level("distribution", ("code_group_name",), (), (*CODES, ("distribution", "code_groups"))),
    ),
    "payment": (
        Level(
            "payment",
            ("id", "amount", "status", "method", "payee_id", "payment_date", "bank_client_ids"),
            (
                *("batch_id", "accounting_system", "currency", "check_number", "avidpay_check_number", "ach_trace_number"),
                *("card_last_four", "cleared_date", "last_modified", "payee_name", "external_payment_ids", "exceptions", "remittances"),
            ),
        ),
        Level("payment", ("exception_id",), ("exception_description",), (("payment", "exceptions"),)),
        Level("payment", ("external_payment_id",), (), (("payment", "external_payment_ids"),)),
        Level("remittance", *REMITTANCE, (("payment", "remittances"),)),
    ),
    "remittance": (Level("remittance", *REMITTANCE),),
}
"""By resource. What is needed: without it every document would be parked or taken for something else (contracts/avidxchange.md §3)."""


def misses(resource: str, rows: Sequence[Json], profile: Profile) -> Iterator[Miss]:
    """The entries that do not fit, level by level, needed ones first. One that is not needed counts only where unknown names stand."""
    for level in LEVELS[resource]:
        inner = list(rows)
        for section, entry in level.steps:
            inner = rows_in(inner, _name(profile, section, entry))
        if inner:
            yield from _misses_at(level, inner, profile)


def _misses_at(level: Level, rows: Sequence[Json], profile: Profile) -> Iterator[Miss]:
    known = [_name(profile, level.section, entry).split(".") for entry in (*level.needed, *level.others)]
    for entry in (*level.needed, *level.others):
        name, needed = _name(profile, level.section, entry), entry in level.needed
        missing = _missing(rows, name)
        if missing is None:
            continue
        depth, around = missing
        listed = {parts[depth] for parts in known if parts[:depth] == name.split(".")[:depth] and depth < len(parts)}
        unknown = tuple(found for found in around if found not in listed)
        if needed or unknown:
            yield Miss(f"fields.{level.section}.{entry}", name, needed, unknown)


def _missing(rows: Sequence[Json], name: str) -> tuple[int, tuple[str, ...]] | None:
    """Which part of a name no row has, and the names that stand in its place; None when it is there, or when nothing tells."""
    inner = list(rows)
    for depth, part in enumerate(name.split(".")):
        around = _names(inner)
        if not around:
            return None
        if part not in around:
            return depth, around
        inner = rows_in(inner, part)
    return None


def _names(rows: Sequence[Json]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for row in rows if isinstance(row, dict) for name in row))


def _name(profile: Profile, section: str, entry: str) -> str:
    return str(getattr(getattr(profile.fields, section), entry))

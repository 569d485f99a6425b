"""POST, PATCH and DELETE of one row: types, companies, required fields, the rules of the set, and the record of what took effect."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sandbox.d365 import invoices, journals
from sandbox.d365.drafts import Draft
from sandbox.d365.errors import (
    Refusal,
    bad_query,
    duplicate,
    field_refused,
    not_found_value,
    nothing_to_update,
    odata_error,
    unknown_property,
)
from sandbox.d365.query import key_of
from sandbox.d365.schema import WRITABLE_SETS, BadValue, EntitySet, Value, convert, is_day, local_day
from sandbox.d365.table import Row, Table
from sandbox.d365.world import D365World, Write
from sandbox.web import Response

Body = Mapping[str, Value]
RowRule = Callable[[Draft, Row], None]


def _nothing(draft: Draft, row: Row) -> None:
    """A set without a rule at this point."""
    del draft, row


@dataclass(frozen=True)
class Rules:
    """What a set does with a write: before a new row is stored, after it, before a change and before a deletion."""

    create: Callable[[Draft], None]
    stored: RowRule = _nothing
    change: RowRule = _nothing
    delete: RowRule = _nothing


def _plain(draft: Draft) -> None:
    draft.require(*(name for name in draft.entity_set.required if name not in ("dataAreaId", "LegalEntityId")))


PLAIN = Rules(_plain)
RULES: Mapping[str, Rules] = {
    "VendorInvoiceHeaders": Rules(invoices.create_header, change=invoices.change_header, delete=invoices.delete_header),
    "VendorInvoiceLines": Rules(invoices.create_line, change=invoices.change_line, delete=invoices.change_line),
    "VendorInvoiceDocumentAttachments": Rules(invoices.create_attachment),
    "VendorPaymentJournalHeaders": Rules(journals.create_header, change=journals.change_header, delete=journals.delete_header),
    "VendorPaymentJournalLines": Rules(journals.create_line, journals.line_stored, journals.change_line, journals.delete_line),
    "VendorPaymentJournalLineSettledInvoices": Rules(
        journals.create_settlement, journals.settlement_stored, journals.change_settlement, journals.change_settlement
    ),
}


def create(world: D365World, table: Table, body: Body) -> Row:
    """A new row by POST. Returns it as stored (or as it would have been, where it is lost silently). Raises Refusal."""
    entity_set = table.entity_set
    _refuse_read_only(entity_set)
    values = _typed(world, entity_set, body)
    company = _company(world, entity_set, values)
    draft = Draft(world, entity_set, company, values, frozenset(values))
    rules = RULES.get(entity_set.name, PLAIN)
    with world.all_or_nothing():
        rules.create(draft)
        if draft.lost:
            return Row(0, entity_set.defaults, draft.values)
        row = _store(world, table, draft)
        rules.stored(draft, row)
        _remember(world, "POST", row, entity_set, body)
    return row


def change(world: D365World, table: Table, key: Body, body: Body, cross_company: bool, if_match: str = "") -> Row:
    """Changed fields by PATCH. Returns the row. Raises Refusal."""
    entity_set = table.entity_set
    _refuse_read_only(entity_set)
    row = _at_hand(world, table, key, cross_company, if_match)
    values = {name: value for name, value in _typed(world, entity_set, body).items() if name not in entity_set.keys}
    draft = Draft(world, entity_set, _company_of(entity_set, row), values, frozenset(values))
    with world.all_or_nothing():
        RULES.get(entity_set.name, PLAIN).change(draft, row)
        world.change_row(entity_set.name, row, draft.values)
        _remember(world, "PATCH", row, entity_set, body)
    return row


def delete(world: D365World, table: Table, key: Body, cross_company: bool, if_match: str = "") -> None:
    """A row taken away by DELETE. Raises Refusal."""
    entity_set = table.entity_set
    _refuse_read_only(entity_set)
    row = _at_hand(world, table, key, cross_company, if_match)
    draft = Draft(world, entity_set, _company_of(entity_set, row), {})
    with world.all_or_nothing():
        RULES.get(entity_set.name, PLAIN).delete(draft, row)
        world.remove_row(entity_set.name, row)
        _remember(world, "DELETE", row, entity_set, {})


def _typed(world: D365World, entity_set: EntitySet, body: Body) -> dict[str, Value]:
    """The body in stored form, in the order in which it was sent. A null is not a value: the field keeps or gets its empty one."""
    values: dict[str, Value] = {}
    for name, value in body.items():
        if name.startswith("@odata."):
            continue
        if name not in entity_set.fields:
            raise unknown_property(entity_set, name)
        if value is None:
            continue
        try:
            values[name] = convert(entity_set, name, value)
        except BadValue as error:
            raise bad_query(str(error)) from error
        values[name] = _fitting(world, entity_set, name, values[name])
    return values


def _fitting(world: D365World, entity_set: EntitySet, name: str, value: Value) -> Value:
    """A day as the user's time zone reads it; a text as long as its field. Raises Refusal for a text that is too long, by switch."""
    switches = world.switches
    if not isinstance(value, str):
        return value
    if entity_set.fields[name] == "Edm.DateTimeOffset" and is_day(name):
        return local_day(value, switches.user_time_zone_hours)
    longest = switches.text_lengths.get(name, len(value))
    if len(value) > longest and switches.too_long == "refuse":
        raise field_refused(entity_set, name, f"The text is longer than the {longest} characters of the field.")
    return value[:longest]


def _company(world: D365World, entity_set: EntitySet, values: dict[str, Value]) -> str:
    if not entity_set.has_company:
        return str(values.get("JournalLineCompany") or world.default_company).lower()
    company = str(values.get("dataAreaId") or world.default_company).lower()
    if world.rows("LegalEntities") and not world.find("LegalEntities", LegalEntityId=company):
        raise not_found_value(entity_set, "dataAreaId", company, "Companies")
    values["dataAreaId"] = company
    return company


def _company_of(entity_set: EntitySet, row: Row) -> str:
    return row.text("dataAreaId") if entity_set.has_company else ""


def _store(world: D365World, table: Table, draft: Draft) -> Row:
    try:
        return world.add(table.entity_set.name, **draft.values)
    except KeyError as error:
        key = {name: draft.values.get(name) for name in table.entity_set.keys}
        raise duplicate(table.entity_set, key) from error


def _at_hand(world: D365World, table: Table, key: Body, cross_company: bool, if_match: str) -> Row:
    row = table.get(table.key_of(key))
    if row is None:
        raise nothing_to_update()
    if not cross_company and table.entity_set.has_company and row["dataAreaId"] != world.default_company:
        raise nothing_to_update()
    stale = world.switches.stale_if_match
    if if_match not in ("", "*", row.etag) and stale != 204:
        raise odata_error(stale, "The record has been changed since it was read (If-Match).")
    return row


def _refuse_read_only(entity_set: EntitySet) -> None:
    if entity_set.read_only:
        raise Refusal(Response(405), f"{entity_set.name} is read-only")


def _remember(world: D365World, method: str, row: Row, entity_set: EntitySet, body: Body) -> None:
    write = Write(world.now(), entity_set.name, method, key_of(entity_set, row), dict(body))
    world.writes.append(write)
    if entity_set.name not in WRITABLE_SETS:
        world.forbidden_writes.append(write)

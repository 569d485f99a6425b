"""The refusals of D365 in its own shapes (contracts/d365-fo.md §9)."""

import re
from collections.abc import Mapping
from typing import Literal

from sandbox.d365.schema import NAMESPACE, EntitySet
from sandbox.web import Response, json_response

CONFLICT = (
    "An update conflict occurred due to another user process deleting the record or changing one or more fields in the record."
    " Select the record again."
)
TABLES: Mapping[str, tuple[str, str]] = {
    "VendorInvoiceHeaders": ("Vendor invoice header", "VendInvoiceInfoTable"),
    "VendorInvoiceLines": ("Vendor invoice line", "VendInvoiceInfoLine"),
    "VendorInvoiceDocumentAttachments": ("Document references", "DocuRef"),
    "VendorPaymentJournalHeaders": ("Ledger journal table", "LedgerJournalTable"),
    "VendorPaymentJournalLines": ("Journal lines", "LedgerJournalTrans"),
    "VendorPaymentJournalLineSettledInvoices": ("Marked transactions", "SpecTrans"),
}


class Refusal(Exception):
    """An answer other than success."""

    def __init__(self, response: Response, text: str = "") -> None:
        super().__init__(text or f"status {response.status}")
        self.response = response


def odata_error(status: int, text: str, kind: str = "Microsoft.Dynamics.Platform.Integration.Services.OData.ODataException") -> Refusal:
    """The usual error body: the text that counts is in `error.innererror.message`."""
    inner = {"message": text, "type": kind, "stacktrace": "   at Microsoft.Dynamics.Platform.Integration.Services.OData"}
    return Refusal(json_response(status, {"error": {"code": "", "message": "An error has occurred.", "innererror": inner}}), text)


def infolog(entity_set: EntitySet, *texts: str) -> Refusal:
    """A refused write in Infolog form, with the AOT name of the entity."""
    log = "; ".join(f"Error: {text}" for text in texts)
    text = f"Write failed for table row of type '{entity_set.aot_entity}'. Infolog: {log.removesuffix('.')}."
    return odata_error(400, text, "Microsoft.Dynamics.Platform.Integration.Services.OData.Update.ODataUpdateException")


def not_found_value(entity_set: EntitySet, field: str, value: object, related: str) -> Refusal:
    """A foreign key without its row."""
    text = f"The value '{value}' in field '{label(field)}' is not found in the related table '{related}'."
    return field_refused(entity_set, field, text)


def field_refused(entity_set: EntitySet, field: str, text: str) -> Refusal:
    """A field that its own check refuses; the last clause names `Entity.Field`."""
    return infolog(entity_set, f"{text}; validateField failed on field '{entity_set.aot_entity}.{field}'")


def mandatory(entity_set: EntitySet, field: str) -> Refusal:
    """A field that must be given. D365 says it in two ways: here of a key in the one, of any other field in the other."""
    if field in entity_set.keys:
        return field_refused(entity_set, field, f"{label(field)} is mandatory and must consequently be specified.")
    return field_refused(entity_set, field, f"Field '{label(field)}' must be filled in.")


def duplicate(entity_set: EntitySet, key: Mapping[str, object]) -> Refusal:
    """A key that is taken."""
    name, table = table_of(entity_set)
    values = ", ".join(f"{label(field)}: {value}" for field, value in key.items() if field != "dataAreaId")
    return infolog(entity_set, f"Cannot create a record in {name} ({table}). {values}.\nThe record already exists")


def conflict(entity_set: EntitySet) -> Refusal:
    """A concurrent change, or a record that a user has open."""
    name, table = table_of(entity_set)
    return infolog(entity_set, f"Cannot edit a record in {name} ({table}).\n{CONFLICT}")


def unknown_property(entity_set: EntitySet, name: str) -> Refusal:
    """A property in a body that the type does not have."""
    text = f"The property '{name}' does not exist on type '{NAMESPACE}.{entity_set.entity_type}'."
    return odata_error(400, f"{text} Make sure to only use property names that are defined by the type.", "Microsoft.OData.ODataException")


def nothing_to_update() -> Refusal:
    """PATCH or DELETE of a row that is not there, or is in another company without cross-company: 400, not 404."""
    return odata_error(400, "No resources were found when selecting for update.", "System.InvalidOperationException")


def bad_query(text: str) -> Refusal:
    """A query that the service does not understand."""
    return odata_error(400, text, "Microsoft.OData.ODataException")


def no_such_set(url: str) -> Refusal:
    """An entity set that does not exist: another shape of body."""
    return Refusal(json_response(404, {"Message": f"No HTTP resource was found that matches the request URI '{url}'."}), "no such set")


def no_such_row(body: Literal["empty", "odata", "html"]) -> Response:
    """A key without a row; what such a 404 holds is unknown (contracts/d365-fo.md §12)."""
    if body == "odata":
        return odata_error(404, "Resource not found for the key.", "Microsoft.OData.ODataException").response
    return page(404, "404 - File or directory not found.") if body == "html" else Response(404)


def page(status: int, title: str) -> Response:
    """An answer of the web server in front of the service: HTML, whatever the client wants to read."""
    html = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h2>{title}</h2></body></html>"
    return Response(status, {"content-type": "text/html"}, html.encode())


def in_language(response: Response, language: Literal["en", "de"]) -> Response:
    """A refusal with its labels in the language of the client's user; the names in its last clause stay (contracts/d365-fo.md §9)."""
    if language == "en":
        return response
    return Response(response.status, response.headers, _LABELS.sub(lambda found: _german(found[0]), response.body))


_LABELS = re.compile(rb"(?<=[fF]ield ')[^'.]+(?=')|(?<=Error: )[^'.:;]+(?= is mandatory)")
_GERMAN: Mapping[str, str] = {
    "Invoice account": "Rechnungskonto",
    "Invoice number": "Rechnungsnummer",
    "Header reference": "Kopfreferenz",
    "Terms of payment": "Zahlungsbedingungen",
    "Currency": "Waehrung",
}


def _german(label: bytes) -> bytes:
    return _GERMAN.get(label.decode(), f"Feld {label.decode()}").encode()


def table_of(entity_set: EntitySet) -> tuple[str, str]:
    """(label, AOT table) of a set."""
    return TABLES.get(entity_set.name, (entity_set.entity_type, entity_set.entity_type))


def label(field: str) -> str:
    """The label of a field: its words, as an English user reads them."""
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in field).strip()
    return words[:1].upper() + words[1:]

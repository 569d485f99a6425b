"""The rules of pending vendor invoices: header, lines and attachments (contracts/d365-fo.md §5)."""

import base64
import binascii
from datetime import timedelta
from decimal import Decimal

from sandbox.d365.drafts import Draft
from sandbox.d365.errors import conflict, duplicate, field_refused, infolog, mandatory, not_found_value
from sandbox.d365.schema import EMPTY_DATE, Value, day_of, noon
from sandbox.d365.table import Row
from sandbox.d365.world import D365World

HEADERS = "VendorInvoiceHeaders"
LINES = "VendorInvoiceLines"
ITEM_TAX_GROUP = "FULL"
"""What a line gets as item tax group when the client does not send one and the vendor has a tax group."""


def create_header(draft: Draft) -> None:
    """A new header: numbered by the server, checked against vendor, terms, method and currency, the rest from the vendor."""
    world = draft.world
    draft.require("InvoiceAccount", "InvoiceNumber")
    if world.switches.own_header_reference == "ignore" or not draft.text("HeaderReference"):
        draft.values["HeaderReference"] = f"VIH{world.next_number('pending invoice', draft.company):07d}"
    account = draft.related("InvoiceAccount", "VendorsV3", "VendorAccountNumber", "Vendors")
    draft.default("VendorAccount", draft.text("InvoiceAccount"))
    vendor = draft.related("VendorAccount", "VendorsV3", "VendorAccountNumber", "Vendors") or account
    if vendor is not None:
        _refuse_blocked(draft, vendor)
        _from_vendor(draft, vendor)
    draft.values["VendorInvoiceReviewStatus"] = "Draft"
    draft.related("MethodOfPayment", "VendorPaymentMethods", "Name", "Methods of payment - vendors")
    draft.related("Currency", "Currencies", "CurrencyCode", "Currencies")
    _dates(draft)
    _purchase_order(draft, "PurchaseOrderNumber", draft.text("InvoiceAccount"), draft.text("VendorAccount"))
    draft.check_dimensions("DimensionDisplayValue")
    _refuse_duplicate(draft)


def create_line(draft: Draft) -> None:
    """A new line of a pending invoice; what is not sent comes from the header and, for sales tax, from the vendor."""
    world = draft.world
    draft.require("HeaderReference")
    header = draft.related("HeaderReference", HEADERS, "HeaderReference", "Vendor invoice header")
    if header is None:
        raise mandatory(draft.entity_set, "HeaderReference")
    _refuse_closed(draft, header)
    if "InvoiceLineNumber" not in draft.sent:
        draft.values["InvoiceLineNumber"] = Decimal(len(_lines(world, header)) + 1)
    for name, source in (("InvoiceAccount", "InvoiceAccount"), ("VendorAccount", "VendorAccount"), ("Currency", "Currency")):
        draft.default(name, header[source])
    draft.check_dimensions("MainAccountDisplayValue", "DimensionDisplayValue")
    _purchase_order_line(draft, header)
    _refuse_without_category(draft)
    _line_amounts(draft)
    _sales_tax(draft, header)


def create_attachment(draft: Draft) -> None:
    """A new attachment of a header; the contents are base64."""
    world = draft.world
    draft.require("HeaderReference")
    header = draft.related("HeaderReference", HEADERS, "HeaderReference", "Vendor invoice header")
    try:
        base64.b64decode(draft.text("FileContents"), validate=True)
    except binascii.Error as error:
        raise field_refused(draft.entity_set, "FileContents", "Cannot convert the contents from base64") from error
    key = {"dataAreaId": draft.company, "HeaderReference": draft.values["HeaderReference"]}
    if header is not None and world.switches.several_attachments == "refuse" and world.get(draft.entity_set.name, **key):
        raise duplicate(draft.entity_set, key)


def change_header(draft: Draft, row: Row) -> None:
    """Changes of a header: refused while a user has it open or once it has left Draft."""
    _refuse_closed(draft, row)
    draft.related("TermsOfPayment", "PaymentTerms", "Name", "Terms of payment")
    draft.related("MethodOfPayment", "VendorPaymentMethods", "Name", "Methods of payment - vendors")
    draft.check_dimensions("DimensionDisplayValue")


def change_line(draft: Draft, row: Row) -> None:
    """Changes of a line, checked as when it was made."""
    header = draft.world.one(HEADERS, dataAreaId=row["dataAreaId"], HeaderReference=row["HeaderReference"])
    _refuse_closed(draft, header)
    draft.check_dimensions("MainAccountDisplayValue", "DimensionDisplayValue")


def delete_header(draft: Draft, row: Row) -> None:
    """Deleting a header takes its lines and attachments with it."""
    _refuse_closed(draft, row)
    for set_name in (LINES, "VendorInvoiceDocumentAttachments"):
        for child in draft.world.find(set_name, dataAreaId=row["dataAreaId"], HeaderReference=row["HeaderReference"]):
            draft.world.remove_row(set_name, child)


def _lines(world: D365World, header: Row) -> list[Row]:
    return world.find(LINES, dataAreaId=header["dataAreaId"], HeaderReference=header["HeaderReference"])


def _refuse_blocked(draft: Draft, vendor: Row) -> None:
    release = vendor.text("VendorHoldReleaseDate")
    released = release != EMPTY_DATE and day_of(release) <= draft.world.now().date()
    if vendor["OnHoldStatus"] in ("All", "Invoice") and not released:
        text = f"Vendor account {vendor['VendorAccountNumber']} is on hold for {vendor['OnHoldStatus']}."
        raise field_refused(draft.entity_set, "InvoiceAccount", text)


def _from_vendor(draft: Draft, vendor: Row) -> None:
    draft.default("Currency", vendor["CurrencyCode"])
    draft.default("MethodOfPayment", vendor["DefaultVendorPaymentMethodName"])
    draft.default("VendorName", vendor["VendorOrganizationName"])
    if "TermsOfPayment" not in draft.sent:
        draft.values = {"TermsOfPayment": vendor["DefaultPaymentTermsName"], **draft.values}


def _dates(draft: Draft) -> None:
    """Missing dates are today; terms entered after a due date calculate it anew, so the order of the body counts."""
    today = noon(draft.world.now().date())
    draft.default("InvoiceDate", today)
    draft.default("Date", today)
    terms = draft.related("TermsOfPayment", "PaymentTerms", "Name", "Terms of payment")
    days = terms["NumberOfDays"] if terms is not None else 0
    names = list(draft.values)
    due_last = "DueDate" in draft.sent and names.index("DueDate") > names.index("TermsOfPayment")
    if not due_last and isinstance(days, int):
        draft.values["DueDate"] = noon(day_of(draft.text("InvoiceDate")) + timedelta(days=days))


def _refuse_duplicate(draft: Draft) -> None:
    if draft.world.switches.duplicate_invoice != "reject":
        return
    number, account = draft.text("InvoiceNumber"), draft.text("InvoiceAccount")
    pending = draft.world.find(HEADERS, dataAreaId=draft.company, InvoiceAccount=account, InvoiceNumber=number)
    if pending or draft.world.find("VendInvoiceJourBiEntities", dataAreaId=draft.company, InvoiceAccount=account, InvoiceId=number):
        raise field_refused(draft.entity_set, "InvoiceNumber", f"Invoice number {number} already exists for vendor {account}.")


def _refuse_closed(draft: Draft, header: Row) -> None:
    opened = (header.text("dataAreaId"), header.text("HeaderReference")) in draft.world.locked_headers
    if opened or header["VendorInvoiceReviewStatus"] != "Draft":
        raise conflict(draft.entity_set)


def _purchase_order(draft: Draft, field: str, *accounts: str) -> Row | None:
    """A purchase order that a field names must be there and be of one of these vendors."""
    order = draft.related(field, "PurchaseOrderHeadersV2", "PurchaseOrderNumber", "Purchase orders")
    names = {order.text(name).casefold() for name in ("OrderVendorAccountNumber", "InvoiceVendorAccountNumber")} if order else set()
    if order is not None and not names & {account.casefold() for account in accounts}:
        raise field_refused(
            draft.entity_set, field, f"Purchase order {draft.text(field)} belongs to vendor {order['OrderVendorAccountNumber']}."
        )
    if order is not None and order["PurchaseOrderStatus"] == "Canceled":
        raise field_refused(draft.entity_set, field, f"Purchase order {draft.text(field)} has been canceled.")
    return order


def _purchase_order_line(draft: Draft, header: Row) -> None:
    """A line that names a purchase order must name one of its lines as well (contracts/d365-fo.md §5)."""
    order = _purchase_order(draft, "PurchaseOrder", header.text("InvoiceAccount"), header.text("VendorAccount"))
    if order is None:
        return
    draft.require("PurchLineNumber")
    number = draft.values["PurchLineNumber"]
    key = {"dataAreaId": draft.company, "PurchaseOrderNumber": order["PurchaseOrderNumber"], "LineNumber": number}
    if draft.world.get("PurchaseOrderLinesV2", **key) is None:
        raise not_found_value(draft.entity_set, "PurchLineNumber", number, "Purchase order lines")


def _refuse_without_category(draft: Draft) -> None:
    bare = not any(draft.text(name) for name in ("ProcurementCategoryName", "ItemNumber", "PurchaseOrder"))
    if bare and draft.world.switches.account_only_lines == "refuse":
        raise mandatory(draft.entity_set, "ProcurementCategoryName")


def _line_amounts(draft: Draft) -> None:
    """Quantity times price, unless an amount was sent; an amount of another sign than the quantity is refused."""
    quantity, price, amount = (_number(draft.values.get(name)) for name in ("ReceiveNow", "UnitPrice", "Amount"))
    if "Amount" not in draft.sent:
        amount = quantity * price
        draft.values["Amount"] = amount
    elif quantity * amount < 0 and draft.world.switches.line_signs == "match":
        raise infolog(draft.entity_set, f"The quantity {quantity} and the amount {amount} must have the same sign")
    draft.values["NetAmount"] = amount


def _sales_tax(draft: Draft, header: Row) -> None:
    """A tax group that is not sent comes from the vendor: the trap of the contract."""
    vendor = draft.world.get("VendorsV3", dataAreaId=draft.company, VendorAccountNumber=header["VendorAccount"])
    group: Value = vendor["SalesTaxGroupCode"] if vendor is not None else ""
    draft.default("SalesTaxGroup", group)
    draft.default("ItemSalesTax", ITEM_TAX_GROUP if group else "")


def _number(value: Value) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(0)

"""The rules of vendor payment journals: headers, lines and what a line settles (contracts/d365-fo.md §6)."""

from decimal import Decimal

from sandbox.d365 import dimensions, posting
from sandbox.d365.drafts import Draft
from sandbox.d365.errors import duplicate, field_refused, infolog, mandatory, not_found_value
from sandbox.d365.schema import noon
from sandbox.d365.table import Row
from sandbox.d365.world import D365World

HEADERS = "VendorPaymentJournalHeaders"
LINES = "VendorPaymentJournalLines"
SETTLED = "VendorPaymentJournalLineSettledInvoices"
LINE_DIMENSIONS = ("DefaultDimensionsForAccountDisplayValue", "DefaultDimensionsForOffsetAccountDisplayValue")


def create_header(draft: Draft) -> None:
    """A new journal: its name must be a vendor payment journal of the company; the server gives the batch number."""
    draft.require("JournalName")
    name = draft.related("JournalName", "JournalNames", "Name", "Journal names")
    if name is not None and name["Type"] != "Payment":
        raise field_refused(draft.entity_set, "JournalName", f"The journal type {name['Type']} of {name['Name']} is not vendor payment.")
    draft.values["JournalBatchNumber"] = f"{draft.world.next_number('journal', draft.company):05d}"
    draft.values["IsPosted"] = "No"
    draft.default("Description", name["Description"] if name is not None else "")


def create_line(draft: Draft) -> None:
    """A new line of an unposted journal; its number is the client's, its voucher the server's."""
    draft.require("JournalBatchNumber", "LineNumber", "CurrencyCode")
    journal = draft.related("JournalBatchNumber", HEADERS, "JournalBatchNumber", "Journal headers")
    if journal is None:
        raise mandatory(draft.entity_set, "JournalBatchNumber")
    _refuse_posted(draft, journal)
    _line_number(draft)
    _check_accounts(draft)
    draft.related("CurrencyCode", "Currencies", "CurrencyCode", "Currencies")
    draft.related("PaymentMethodName", "VendorPaymentMethods", "Name", "Methods of payment - vendors")
    if draft.world.switches.mandatory_payment_fields == "insert":
        draft.require(*posting.missing_payment_fields(draft.world, draft.company, draft.values))
    draft.check_dimensions(*LINE_DIMENSIONS)
    _refuse_negative(draft)
    draft.values["Voucher"] = f"APPM{draft.world.next_number('payment voucher', draft.company):07d}"
    draft.default("Company", draft.company.upper())
    draft.default("OffsetCompany", draft.company.upper())
    draft.default("TransactionDate", noon(draft.world.now().date()))
    _check_mark(draft)


def line_stored(draft: Draft, row: Row) -> None:
    """A line with MarkedInvoice settles that invoice whole."""
    if not row["MarkedInvoice"]:
        return
    company = row.text("MarkedInvoiceCompany") or draft.company
    invoice = _invoice_by_number(draft.world, company, _vendor_of(row), row.text("MarkedInvoice"))
    if invoice is None:
        return
    left = posting.remaining(invoice)
    draft.world.add(
        SETTLED,
        JournalLineCompany=draft.company.upper(),
        JournalBatchNumber=row["JournalBatchNumber"],
        JournalLineNumber=row["LineNumber"],
        InvoiceNumber=invoice["Invoice"],
        InvoiceCompany=company.upper(),
        InvoiceDueDate=invoice["DueDate"],
        SettlementAmountInInvoiceCurrency=_signed(draft.world, invoice, left),
        invoiceAccount=invoice["AccountNum"],
        AccountDisplayValue=row["AccountDisplayValue"],
    )


def create_settlement(draft: Draft) -> None:
    """A new settlement row: the line must be there, the invoice posted, open, not marked elsewhere, and the amount within what is open."""
    world, values = draft.world, draft.values
    if world.switches.child_settlements == "refuse":
        raise infolog(draft.entity_set, "Marking of transactions is not allowed here")
    draft.require(*draft.entity_set.required)
    line = _line_of(draft)
    draft.values["JournalLineCompany"] = draft.text("JournalLineCompany").upper()
    vendor = _vendor_of(line)
    invoice = _invoice_by_number(world, draft.text("InvoiceCompany"), vendor, draft.text("InvoiceNumber"), draft.text("InvoiceDueDate"))
    if invoice is None:
        raise not_found_value(draft.entity_set, "InvoiceNumber", values["InvoiceNumber"], "Vendor open transactions")
    if not posting.is_open(invoice):
        raise field_refused(draft.entity_set, "InvoiceNumber", f"Invoice {values['InvoiceNumber']} is closed: it has been settled already.")
    _refuse_marked(draft, invoice, line)
    _check_amount(draft, invoice)
    draft.default("invoiceAccount", vendor)
    draft.default("AccountDisplayValue", line["AccountDisplayValue"])
    if world.switches.silent_settlements > 0:
        world.switches.silent_settlements -= 1
        draft.lost = True


def settlement_stored(draft: Draft, row: Row) -> None:
    """The line shows the one invoice that it settles, or a star for several."""
    line = _line_of(draft)
    count = len(posting.settled_rows(draft.world, line))
    mark = row["InvoiceNumber"] if count == 1 else "*"
    marked = {"MarkedInvoice": mark, "MarkedInvoiceCompany": row["InvoiceCompany"], "SettleVoucher": "SelectedTransact"}
    draft.world.change_row(LINES, line, marked)


def change_header(draft: Draft, row: Row) -> None:
    """A posted journal does not change."""
    _refuse_posted(draft, row)


def change_line(draft: Draft, row: Row) -> None:
    """Changes of a line, checked as when it was made."""
    _refuse_posted(draft, _journal_of(draft.world, row.text("dataAreaId"), row.text("JournalBatchNumber")))
    draft.check_dimensions(*LINE_DIMENSIONS)


def change_settlement(draft: Draft, row: Row) -> None:
    """Changes of a settlement row of an unposted journal."""
    _refuse_posted(draft, _journal_of(draft.world, row.text("JournalLineCompany"), row.text("JournalBatchNumber")))


def delete_header(draft: Draft, row: Row) -> None:
    """Deleting a journal takes its lines with it."""
    _refuse_posted(draft, row)
    for line in draft.world.find(LINES, dataAreaId=row["dataAreaId"], JournalBatchNumber=row["JournalBatchNumber"]):
        delete_line(draft, line)
        draft.world.remove_row(LINES, line)


def delete_line(draft: Draft, row: Row) -> None:
    """Deleting a line takes its settlement rows with it."""
    _refuse_posted(draft, _journal_of(draft.world, row.text("dataAreaId"), row.text("JournalBatchNumber")))
    for settled in posting.settled_rows(draft.world, row):
        draft.world.remove_row(SETTLED, settled)


def _line_number(draft: Draft) -> None:
    lines = draft.world.find(LINES, dataAreaId=draft.company, JournalBatchNumber=draft.text("JournalBatchNumber"))
    taken = {line.amount("LineNumber") for line in lines}
    if draft.values["LineNumber"] not in taken:
        return
    if draft.world.switches.repeated_line_number == "refuse":
        key = {name: draft.values[name] for name in ("JournalBatchNumber", "LineNumber")}
        raise duplicate(draft.entity_set, key)
    draft.values["LineNumber"] = max(taken) + 1


def _check_accounts(draft: Draft) -> None:
    draft.default("AccountType", "Vend")
    if draft.values["AccountType"] != "Vend":
        text = f"The account type {draft.values['AccountType']} is not allowed in this journal."
        raise field_refused(draft.entity_set, "AccountType", text)
    draft.require("AccountDisplayValue")
    number = dimensions.account_number(draft.world, draft.text("AccountDisplayValue"))
    vendor = draft.world.get("VendorsV3", dataAreaId=draft.company, VendorAccountNumber=number)
    if vendor is None:
        raise not_found_value(draft.entity_set, "AccountDisplayValue", draft.text("AccountDisplayValue"), "Vendors")
    draft.default("VendorName", vendor["VendorOrganizationName"])
    offset = dimensions.account_number(draft.world, draft.text("OffsetAccountDisplayValue"))
    bank = draft.values.get("OffsetAccountType") == "Bank"
    if bank and draft.world.get("BankAccounts", dataAreaId=draft.company, BankAccountId=offset) is None:
        raise not_found_value(draft.entity_set, "OffsetAccountDisplayValue", draft.text("OffsetAccountDisplayValue"), "Bank accounts")


def _refuse_negative(draft: Draft) -> None:
    for name in ("DebitAmount", "CreditAmount"):
        value = draft.values.get(name)
        if isinstance(value, Decimal) and value < 0:
            raise field_refused(draft.entity_set, name, f"The value {value} must not be negative.")


def _check_mark(draft: Draft) -> None:
    """MarkedInvoice of a new line: kept, lost by switch, or refused when the invoice is not there or marked elsewhere."""
    number = draft.text("MarkedInvoice")
    if not number:
        return
    if draft.world.switches.silent_marks > 0:
        draft.world.switches.silent_marks -= 1
        draft.values["MarkedInvoice"] = ""
        return
    vendor = dimensions.account_number(draft.world, draft.text("AccountDisplayValue"))
    invoice = _invoice_by_number(draft.world, draft.text("MarkedInvoiceCompany") or draft.company, vendor, number)
    if invoice is None or not posting.is_open(invoice):
        raise not_found_value(draft.entity_set, "MarkedInvoice", number, "Vendor open transactions")
    _refuse_marked(draft, invoice, None)


def _refuse_posted(draft: Draft, journal: Row) -> None:
    if journal["IsPosted"] == "Yes":
        raise infolog(draft.entity_set, f"Journal {journal['JournalBatchNumber']} has been posted and cannot be changed")


def _refuse_marked(draft: Draft, invoice: Row, own: Row | None) -> None:
    """An invoice is marked by one line of an unposted journal at most; stale marks survive."""
    world = draft.world
    key = (invoice.text("dataAreaId"), invoice.text("AccountNum"), invoice.text("Invoice"))
    holder = world.stale_marks.get(key, "")
    named = {"InvoiceNumber": invoice["Invoice"], "InvoiceCompany": invoice["dataAreaId"], "invoiceAccount": invoice["AccountNum"]}
    for row in world.find(SETTLED, **named):
        journal = _journal_of(world, row.text("JournalLineCompany"), row.text("JournalBatchNumber"))
        same = own is not None and (row["JournalBatchNumber"], row["JournalLineNumber"]) == (own["JournalBatchNumber"], own["LineNumber"])
        if journal["IsPosted"] == "No" and not same and row["InvoiceDueDate"] == invoice["DueDate"]:
            holder = f"journal {row['JournalBatchNumber']}, line {row['JournalLineNumber']}"
    if holder:
        raise infolog(draft.entity_set, f"This transaction has been marked for settlement by {holder}")


def _check_amount(draft: Draft, invoice: Row) -> None:
    """The amount has the sign and the meaning (gross, net) of this environment and fits into what is open."""
    switches, field = draft.world.switches, "SettlementAmountInInvoiceCurrency"
    left, stated = posting.remaining(invoice), draft.values.get(field)
    if "CashDiscountToTakeInInvoiceCurrency" not in draft.sent:
        draft.values["CashDiscountToTakeInInvoiceCurrency"] = (left * switches.own_cash_discount_rate).quantize(posting.CENT)
    discount = draft.values["CashDiscountToTakeInInvoiceCurrency"]
    if not isinstance(stated, Decimal) or not isinstance(discount, Decimal):
        raise mandatory(draft.entity_set, field)
    if stated != _signed(draft.world, invoice, abs(stated)):
        raise field_refused(draft.entity_set, field, f"The amount {stated} to settle has the wrong sign.")
    gross = abs(stated) + (abs(discount) if switches.settlement_amount == "net" else 0)
    if gross > left:
        raise field_refused(draft.entity_set, field, f"The amount {gross} to settle is more than the open amount {left}.")


def _signed(world: D365World, invoice: Row, size: Decimal) -> Decimal:
    """The sign that this environment wants of a settlement amount."""
    as_invoice = size if invoice.amount("AmountCur") >= 0 else -size
    return as_invoice if world.switches.settlement_sign == "as_invoice" else -as_invoice


def _invoice_by_number(world: D365World, company: str, vendor: str, number: str, due: str = "") -> Row | None:
    """The vendor's transaction with exactly this number (blanks included), open ones first."""
    found = world.find("VendTransBiEntities", dataAreaId=company, AccountNum=vendor, Invoice=number)
    exact = [row for row in found if row["Invoice"] == number and due in ("", row["DueDate"])]
    return next((row for row in exact if posting.is_open(row)), exact[0] if exact else None)


def _line_of(draft: Draft) -> Row:
    values = draft.values
    fields = {"dataAreaId": draft.text("JournalLineCompany"), "JournalBatchNumber": values["JournalBatchNumber"]}
    line = draft.world.get(LINES, **fields, LineNumber=values["JournalLineNumber"])
    if line is None:
        raise not_found_value(draft.entity_set, "JournalLineNumber", values["JournalLineNumber"], "Journal lines")
    _refuse_posted(draft, _journal_of(draft.world, line.text("dataAreaId"), line.text("JournalBatchNumber")))
    return line


def _journal_of(world: D365World, company: str, batch: str) -> Row:
    return world.one(HEADERS, dataAreaId=company, JournalBatchNumber=batch)


def _vendor_of(line: Row) -> str:
    return posting.plain_account(line.text("AccountDisplayValue"))

"""Reading a written invoice back: silence is not success (design §3.5, contracts/d365-fo.md §5)."""

from decimal import Decimal

from sync.causes import Cause
from sync.d365.rows import PendingInvoice, PendingInvoiceLine
from sync.stages.invoices.plan import InvoicePlan, PlannedLine
from sync.values import fold, money_text


def differences(plan: InvoicePlan, header: PendingInvoice, lines: list[PendingInvoiceLine]) -> tuple[Cause, ...]:
    """What D365 stored otherwise than was sent, one cause per field."""
    found = [*_header(plan, header)]
    stored = {line.number: line for line in lines}
    if len(lines) != len(plan.lines):
        found.append(("lines", str(len(plan.lines)), str(len(lines))))
    for planned in plan.lines:
        line = stored.get(Decimal(planned.number))
        if line is None:
            found.append((f"line {planned.number}", "written", "missing"))
        else:
            found += [(f"line {planned.number}: {field}", sent, kept) for field, sent, kept in _line(planned, line)]
    return tuple(_cause(plan, field, sent, kept) for field, sent, kept in found)


Difference = tuple[str, str, str]


def _header(plan: InvoicePlan, header: PendingInvoice) -> list[Difference]:
    """Fields that we left to D365's defaults are not compared."""
    pairs = [
        ("InvoiceAccount", fold(plan.invoice_account), fold(header.invoice_account)),
        ("VendorAccount", fold(plan.vendor), fold(header.vendor_account)),
        ("InvoiceNumber", plan.number, header.number),
        ("InvoiceDate", str(plan.invoice_day), str(header.day)),
        ("Date", str(plan.posting_day), str(header.posting_day)),
        ("Currency", plan.currency, header.currency),
        ("ImportedAmount", money_text(plan.amount), money_text(header.imported_amount)),
        ("Comment", plan.comment, header.comment),
    ]
    chosen = [
        ("DueDate", str(plan.due_day or ""), str(header.due_day)),
        ("TermsOfPayment", plan.terms, header.payment_terms),
        ("MethodOfPayment", plan.method, header.payment_method),
        ("InvoiceDescription", plan.description, header.description),
        ("DocumentNumber", plan.document_number, header.document_number),
        ("DimensionDisplayValue", plan.header_dimensions, header.dimensions),
    ]
    return _differing(pairs + [pair for pair in chosen if pair[1]])


def _line(planned: PlannedLine, line: PendingInvoiceLine) -> list[Difference]:
    pairs = [
        ("Amount", money_text(planned.amount), money_text(line.amount)),
        ("ReceiveNow", "-1" if planned.amount < 0 else "1", str(line.quantity.normalize())),
        ("UnitPrice", money_text(abs(planned.amount)), money_text(line.unit_price)),
        ("LineDescription", planned.description, line.description),
        ("MainAccountDisplayValue", planned.account_string, line.main_account),
        ("DimensionDisplayValue", planned.dimension_string, line.dimensions),
        ("SalesTaxGroup", planned.tax_group, line.sales_tax_group),
        ("ItemSalesTax", planned.item_tax_group, line.item_sales_tax),
    ]
    return _differing(pairs)


def _differing(pairs: list[Difference]) -> list[Difference]:
    return [pair for pair in pairs if pair[1] != pair[2]]


def _cause(plan: InvoicePlan, field: str, sent: str, kept: str) -> Cause:
    sentence = f"Invoice {plan.number} of {plan.invoice_account}, {field}: sent {sent or '(blank)'}, D365 holds {kept or '(blank)'}."
    return Cause("written-differs", f"invoice {plan.number} of {plan.invoice_account}", sentence, field)

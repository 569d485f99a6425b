"""What D365 itself does when a person or a batch job posts: pending documents turn into transactions and payments settle invoices."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from sandbox.d365.schema import EMPTY_DATE, Value, noon, stamp
from sandbox.d365.table import Row

if TYPE_CHECKING:
    from sandbox.d365.world import D365World

CENT = Decimal("0.01")
DEMANDS = {
    "ValidateCheckNumberIsMandatory": "CheckNumber",
    "ValidatePaymentReferenceIsMandatory": "PaymentReference",
    "ValidatePaymentIdIsMandatory": "PaymentId",
}
"""What a method of payment can demand, and the field of the journal line that has to hold it."""


def remaining(transaction: Row) -> Decimal:
    """What is open of a vendor transaction, without sign (contracts/d365-fo.md §6)."""
    return abs(transaction.amount("AmountCur")) - abs(transaction.amount("SettleAmountCur"))


def is_open(transaction: Row) -> bool:
    """Whether a vendor transaction is not closed."""
    return transaction["Closed"] == EMPTY_DATE


def invoice_amount(world: D365World, company: str, header_reference: str) -> tuple[Decimal, Decimal]:
    """(total with tax, tax) of a pending invoice as D365 calculates it."""
    lines = world.find("VendorInvoiceLines", dataAreaId=company, HeaderReference=header_reference)
    taxed = sum((line.amount("Amount") for line in lines if line["SalesTaxGroup"] and line["ItemSalesTax"]), Decimal(0))
    tax = (taxed * world.switches.sales_tax_rate).quantize(CENT)
    return sum((line.amount("Amount") for line in lines), Decimal(0)) + tax, tax


def post_invoice(world: D365World, company: str, header_reference: str) -> Row:
    """Post one pending invoice. Returns its vendor transaction; raises LookupError when it is not there, ValueError without lines."""
    header = world.one("VendorInvoiceHeaders", dataAreaId=company, HeaderReference=header_reference)
    lines = world.find("VendorInvoiceLines", dataAreaId=company, HeaderReference=header_reference)
    if not lines:
        raise ValueError(f"Pending invoice {header_reference} of {company} has no lines; D365 does not post it.")
    total, tax = invoice_amount(world, company, header_reference)
    voucher = f"APIN{world.next_number('invoice voucher', company):07d}"
    _add_posted_invoice(world, header, voucher, total, tax)
    transaction = _add_invoice_transaction(world, header, voucher, total)
    remove_invoice(world, header)
    return transaction


def remove_invoice(world: D365World, header: Row) -> None:
    """Take a pending invoice away with its lines and attachments."""
    company, reference = header.text("dataAreaId"), header.text("HeaderReference")
    for set_name in ("VendorInvoiceLines", "VendorInvoiceDocumentAttachments"):
        for row in world.find(set_name, dataAreaId=company, HeaderReference=reference):
            world.remove_row(set_name, row)
    world.remove_row("VendorInvoiceHeaders", header)


def post_journal(world: D365World, company: str, batch: str) -> list[Row]:
    """Post one payment journal. Returns the payments' vendor transactions; raises LookupError, or ValueError when it is posted or empty."""
    header = world.one("VendorPaymentJournalHeaders", dataAreaId=company, JournalBatchNumber=batch)
    lines = world.find("VendorPaymentJournalLines", dataAreaId=company, JournalBatchNumber=batch)
    if header["IsPosted"] == "Yes" or not lines:
        raise ValueError(f"Journal {batch} of {company} is posted already or has no lines.")
    for line in lines:
        missing = missing_payment_fields(world, company, line)
        if missing:
            raise ValueError(
                f"Line {line['LineNumber']} of journal {batch} lacks {', '.join(missing)}, which its method of payment demands."
            )
    transactions = [_post_line(world, line) for line in lines]
    world.change_row("VendorPaymentJournalHeaders", header, {"IsPosted": "Yes"})
    return transactions


def missing_payment_fields(world: D365World, company: str, line: Mapping[str, Value]) -> list[str]:
    """The fields that the method of payment of a journal line demands and that are empty."""
    method = world.get("VendorPaymentMethods", dataAreaId=company, Name=line.get("PaymentMethodName") or "")
    return [] if method is None else [field for flag, field in DEMANDS.items() if method[flag] == "Yes" and not line.get(field)]


def settled_rows(world: D365World, line: Row) -> list[Row]:
    """The settlement rows of a payment journal line."""
    return world.find(
        "VendorPaymentJournalLineSettledInvoices",
        JournalLineCompany=line.text("dataAreaId"),
        JournalBatchNumber=line.text("JournalBatchNumber"),
        JournalLineNumber=line.amount("LineNumber"),
    )


def _add_posted_invoice(world: D365World, header: Row, voucher: str, total: Decimal, tax: Decimal) -> None:
    now = stamp(world.now())
    world.add(
        "VendInvoiceJourBiEntities",
        dataAreaId=header["dataAreaId"],
        SysDataAreaId=header["dataAreaId"],
        SourceKey=world.next_record_id(),
        InvoiceAccount=header["InvoiceAccount"],
        OrderAccount=header["VendorAccount"],
        InvoiceId=header["InvoiceNumber"],
        InvoiceDate=header["InvoiceDate"],
        DocumentDate=header["InvoiceDate"],
        DueDate=header["DueDate"],
        DocumentNum=header["DocumentNumber"],
        Description=header["InvoiceDescription"],
        CurrencyCode=header["Currency"],
        InvoiceAmount=total,
        InvoiceAmountMST=total,
        SumTax=tax,
        ImportedAmount=header["ImportedAmount"],
        ImportedSalesTax=header["ImportedSalesTax"],
        Payment=header["TermsOfPayment"],
        LedgerVoucher=voucher,
        CreatedOn=now,
        SysModifiedDateTime=now,
    )


def _add_invoice_transaction(world: D365World, header: Row, voucher: str, total: Decimal) -> Row:
    now = stamp(world.now())
    return world.add(
        "VendTransBiEntities",
        dataAreaId=header["dataAreaId"],
        SysDataAreaId=header["dataAreaId"],
        SourceKey=world.next_record_id(),
        AccountNum=header["InvoiceAccount"],
        Invoice=header["InvoiceNumber"],
        AmountCur=-total,
        AmountMST=-total,
        CurrencyCode=header["Currency"],
        TransDate=header["Date"],
        DocumentDate=header["InvoiceDate"],
        DueDate=header["DueDate"],
        DocumentNum=header["DocumentNumber"],
        Txt=header["InvoiceDescription"],
        PaymMode=header["MethodOfPayment"],
        PaymTermId=header["TermsOfPayment"],
        TransType="Purch",
        Approved="Yes",
        Voucher=voucher,
        CreatedOn=now,
        SysModifiedDateTime=now,
    )


def _post_line(world: D365World, line: Row) -> Row:
    payment = _add_payment_transaction(world, line)
    rows = settled_rows(world, line)
    for row in rows:
        _settle(world, line, row, payment)
        if world.switches.settled_rows_after_posting == "remove":
            world.remove_row("VendorPaymentJournalLineSettledInvoices", row)
    world.change_row("VendorPaymentJournalLines", line, {"MarkedInvoice": "", "MarkedInvoiceCompany": ""})
    return payment


def _add_payment_transaction(world: D365World, line: Row) -> Row:
    now, paid = stamp(world.now()), line.amount("DebitAmount") - line.amount("CreditAmount")
    return world.add(
        "VendTransBiEntities",
        dataAreaId=line["dataAreaId"],
        SysDataAreaId=line["dataAreaId"],
        SourceKey=world.next_record_id(),
        AccountNum=plain_account(line.text("AccountDisplayValue")),
        AmountCur=paid,
        AmountMST=paid,
        CurrencyCode=line["CurrencyCode"],
        TransDate=line["TransactionDate"],
        DocumentDate=line["TransactionDate"],
        DueDate=line["TransactionDate"],
        Txt=line["TransactionText"],
        PaymId=line["PaymentId"],
        PaymReference=line["PaymentReference"],
        PaymMode=line["PaymentMethodName"],
        CompanyBankAccountId=plain_account(line.text("OffsetAccountDisplayValue")),
        JournalNum=line["JournalBatchNumber"],
        Voucher=line["Voucher"],
        TransType="Payment",
        Approved="Yes",
        CreatedOn=now,
        SysModifiedDateTime=now,
    )


def _settle(world: D365World, line: Row, row: Row, payment: Row) -> None:
    """One settlement row closes its invoice as far as it goes: the invoice by gross, the payment by net of the discount."""
    invoice = invoice_of(world, row, plain_account(line.text("AccountDisplayValue")))
    if invoice is None:
        raise ValueError(f"Invoice {row['InvoiceNumber']!r} that line {line['LineNumber']} settles is not open.")
    stated, discount = abs(row.amount("SettlementAmountInInvoiceCurrency")), abs(row.amount("CashDiscountToTakeInInvoiceCurrency"))
    gross = stated if world.switches.settlement_amount == "gross" else stated + discount
    sign = -1 if invoice.amount("AmountCur") < 0 else 1
    _take(world, invoice, sign * gross, line)
    _take(world, payment, -sign * (gross - discount), line)
    _add_settlement(world, line, invoice, payment, sign * gross, discount)


def _take(world: D365World, transaction: Row, settled: Decimal, line: Row) -> None:
    changes = {
        "SettleAmountCur": transaction.amount("SettleAmountCur") + settled,
        "LastSettleVoucher": line["Voucher"],
        "LastSettleDate": line["TransactionDate"],
        "LastSettleCompany": line["dataAreaId"],
        "SysModifiedDateTime": stamp(world.now()),
    }
    world.change_row("VendTransBiEntities", transaction, changes)
    if remaining(transaction) == 0:
        world.change_row("VendTransBiEntities", transaction, {"Closed": noon(world.now().date())})


def _add_settlement(world: D365World, line: Row, invoice: Row, payment: Row, settled: Decimal, discount: Decimal) -> None:
    world.add(
        "VendSettlementBiEntities",
        dataAreaId=line["dataAreaId"],
        SysDataAreaId=line["dataAreaId"],
        SourceKey=world.next_record_id(),
        AccountNum=invoice["AccountNum"],
        TransRecId=invoice["SourceKey"],
        OffsetRecid=payment["SourceKey"],
        OffsetTransVoucher=payment["Voucher"],
        TransDate=line["TransactionDate"],
        DueDate=invoice["DueDate"],
        SettleAmountCur=settled,
        UtilizedCashDisc=discount,
        TransType="Payment",
        CreatedOn=stamp(world.now()),
    )


def invoice_of(world: D365World, settlement: Row, vendor: str) -> Row | None:
    """The open transaction that a settlement row names: the exact number, blanks included, and the due date (contracts/d365-fo.md §6)."""
    company, number = settlement.text("InvoiceCompany"), settlement["InvoiceNumber"]
    found = world.find("VendTransBiEntities", dataAreaId=company, AccountNum=vendor, Invoice=number)
    exact = (row for row in found if row["Invoice"] == number and row["DueDate"] == settlement["InvoiceDueDate"])
    return next((row for row in exact if is_open(row)), None)


def plain_account(display_value: str) -> str:
    """An account number without the escapes of the delimiter: `US\\-108` is `US-108` (contracts/d365-fo.md §7)."""
    return display_value.replace("\\", "")

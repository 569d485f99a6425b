"""What people entered or posted in D365 before the connector came: pending invoices by hand, and posted history."""

from datetime import date
from decimal import Decimal

from sandbox.d365.table import Row
from sandbox.worlds.drafts import Draft
from sandbox.worlds.firm import Firm
from sandbox.worlds.firm_setup import JOURNAL
from sandbox.worlds.firm_vendors import Vendor
from sandbox.worlds.payment_drafts import PaymentDraft


def add_pending_by_hand(firm: Firm, draft: Draft, gross: Decimal) -> None:
    """A pending invoice with the draft's vendor, number and date, and this amount on one line; as by hand, nothing imported."""
    area, expected = draft.company.area, draft.expected()
    reference = f"HAND-{firm.d365.next_number('by hand', area):06d}"
    firm.d365.add(
        "VendorInvoiceHeaders",
        dataAreaId=area,
        HeaderReference=reference,
        InvoiceAccount=expected.invoice_account,
        VendorAccount=expected.vendor_account,
        VendorName=draft.vendor.name,
        InvoiceNumber=expected.number,
        InvoiceDate=expected.dated,
        Date=expected.dated,
        DueDate=expected.due,
        Currency=expected.currency,
        InvoiceDescription="Entered by hand",
    )
    firm.d365.add(
        "VendorInvoiceLines",
        dataAreaId=area,
        HeaderReference=reference,
        InvoiceLineNumber=1,
        InvoiceAccount=expected.invoice_account,
        VendorAccount=expected.vendor_account,
        LineDescription="Entered by hand",
        ReceiveNow=1 if gross >= 0 else -1,
        UnitPrice=abs(gross),
        Amount=gross,
        MainAccountDisplayValue=expected.lines[0].ledger,
        DimensionDisplayValue=expected.lines[0].default,
    )


def add_posted(firm: Firm, vendor: Vendor, number: str, gross: Decimal, dated: date, due: date) -> Row:
    """A posted invoice (or, with a negative amount, credit), open. Returns its vendor transaction."""
    area, world = vendor.company.area, firm.d365
    voucher = f"OLD{world.next_number('old voucher', area):07d}"
    common = {"dataAreaId": area, "SysDataAreaId": area, "CurrencyCode": vendor.company.currency}
    world.add(
        "VendInvoiceJourBiEntities",
        SourceKey=world.next_record_id(),
        InvoiceAccount=vendor.billed_to,
        OrderAccount=vendor.account,
        InvoiceId=number,
        InvoiceDate=dated,
        DocumentDate=dated,
        DueDate=due,
        InvoiceAmount=gross,
        InvoiceAmountMST=gross,
        LedgerVoucher=voucher,
        **common,
    )
    return add_transaction(firm, vendor, number, gross, dated, due, voucher)


def add_transaction(firm: Firm, vendor: Vendor, number: str, gross: Decimal, dated: date, due: date, voucher: str) -> Row:
    """The vendor transaction of a posted invoice: invoices are negative, credits positive."""
    return firm.d365.add(
        "VendTransBiEntities",
        dataAreaId=vendor.company.area,
        SysDataAreaId=vendor.company.area,
        SourceKey=firm.d365.next_record_id(),
        AccountNum=vendor.billed_to,
        Invoice=number,
        AmountCur=-gross,
        AmountMST=-gross,
        CurrencyCode=vendor.company.currency,
        TransDate=dated,
        DocumentDate=dated,
        DueDate=due,
        TransType="Purch",
        Approved="Yes",
        Voucher=voucher,
    )


def add_journal_by_hand(firm: Firm, draft: PaymentDraft, amount: Decimal, payment_id: str, *, marks: bool = False) -> None:
    """An unposted payment journal that a person made, with one line; with `marks` it marks the draft's first invoice."""
    area, batch = draft.company.area, f"HAND{firm.d365.next_number('journal by hand', draft.company.area):04d}"
    journal = {"dataAreaId": area, "JournalBatchNumber": batch}
    firm.d365.add("VendorPaymentJournalHeaders", JournalName=JOURNAL, Description="Entered by hand", **journal)
    firm.d365.add(
        "VendorPaymentJournalLines",
        LineNumber=1,
        AccountType="Vend",
        AccountDisplayValue=draft.vendor.billed_to,
        CurrencyCode=draft.company.currency,
        DebitAmount=amount,
        PaymentId=payment_id,
        **journal,
    )
    if marks:
        firm.d365.add(
            "VendorPaymentJournalLineSettledInvoices",
            JournalLineCompany=draft.company.id,
            JournalBatchNumber=batch,
            JournalLineNumber=1,
            InvoiceNumber=draft.paid[0].settlement.number,
            InvoiceCompany=draft.company.id,
            InvoiceDueDate=draft.paid[0].settlement.due,
            invoiceAccount=draft.vendor.billed_to,
        )

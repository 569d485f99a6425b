"""Vendor payment journals in D365: the journal, its lines, what they settle (contracts/d365-fo.md §6)."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from sync.causes import Cause
from sync.connections.document import Policies, SettlementAmount, SettlementSign
from sync.d365.client import D365Client
from sync.d365.entity import typed
from sync.d365.errors import AlreadyThere
from sync.d365.literals import Filter, all_of, any_of, contains, eq
from sync.d365.rows import JournalHeader, JournalLine, PendingInvoice, SettledInvoice, VendorTransaction
from sync.d365.wire import Json
from sync.engine.delivery import Foreign, Found, Nothing, Sight
from sync.errors import FixData
from sync.ledger.model import Record
from sync.stages.payments.plan import PaymentPlan, PlannedSettlement
from sync.values import fold, money_text, noon

HEADERS: Final = JournalHeader.SET
LINES: Final = JournalLine.SET
SETTLED: Final = SettledInvoice.SET
TRANSACTIONS: Final = VendorTransaction.SET
PENDING: Final = PendingInvoice.SET
JOURNAL: Final = "journal"
LINE: Final = "line"
NUMBER_TAKEN: Final = "conflict"


class PaymentTarget:
    """The D365 side of payments."""

    def __init__(self, d365: D365Client, policies: Policies) -> None:
        self._d365 = d365
        self._policies = policies

    # --- reading -----------------------------------------------------------------------------------------------------------------

    def transactions(self, number: str) -> list[VendorTransaction]:
        """The vendor transactions with this invoice number in every company."""
        rows = self._d365.rows(TRANSACTIONS, where=eq("Invoice", number), select=VendorTransaction.SELECT)
        return [item for row in rows if fold((item := typed(VendorTransaction, row)).invoice) == fold(number)]

    def paid(self, company: str, payment_id: str) -> list[VendorTransaction]:
        """The vendor transactions that a posted payment with this PaymentId made."""
        rows = self._d365.rows(TRANSACTIONS, where=eq("PaymId", payment_id), select=VendorTransaction.SELECT, company=company)
        return [item for row in rows if (item := typed(VendorTransaction, row)).payment_id == payment_id]

    def pending(self, number: str) -> list[PendingInvoice]:
        """The unposted invoices with this number in every company."""
        rows = self._d365.rows(PENDING, where=eq("InvoiceNumber", number), select=PendingInvoice.SELECT)
        return [item for row in rows if fold((item := typed(PendingInvoice, row)).number) == fold(number)]

    def journals(self, company: str, marker: str) -> list[JournalHeader]:
        """The journals whose description carries the marker."""
        rows = self._d365.rows(HEADERS, where=contains("Description", marker), select=JournalHeader.SELECT, company=company)
        return [item for row in rows if marker in (item := typed(JournalHeader, row)).description]

    def journal(self, company: str, number: str) -> JournalHeader | None:
        """The journal with this number."""
        row = self._d365.get(HEADERS, {"dataAreaId": company, "JournalBatchNumber": number}, select=JournalHeader.SELECT)
        return None if row is None else typed(JournalHeader, row)

    def lines(self, company: str, journal: str, number: int, payment_id: str) -> list[JournalLine]:
        """The lines that could be this payment: at its place, or with its PaymentId anywhere in the company."""
        at_its_place = all_of(eq("JournalBatchNumber", journal), eq("LineNumber", number))
        where = any_of(Filter(f"({at_its_place})"), eq("PaymentId", payment_id)) if journal else eq("PaymentId", payment_id)
        rows = self._d365.rows(LINES, where=where, select=JournalLine.SELECT, company=company)
        return [typed(JournalLine, row) for row in rows]

    def lines_of(self, company: str, payment_ids: Sequence[str]) -> list[JournalLine]:
        """The journal lines with one of these PaymentIds; some twenty a request."""
        rows = self._d365.by_keys(LINES, "PaymentId", sorted(set(payment_ids)), select=JournalLine.SELECT, company=company)
        return [typed(JournalLine, row) for row in rows]

    def is_taken(self, company: str, journal: str, number: int) -> bool:
        """Whether the journal has a line with this number."""
        where = all_of(eq("JournalBatchNumber", journal), eq("LineNumber", number))
        rows = self._d365.rows(LINES, where=where, select=("dataAreaId", "JournalBatchNumber", "LineNumber"), company=company)
        return any(True for _ in rows)

    def stated(self, item: PlannedSettlement) -> tuple[Decimal, Decimal]:
        """(amount, discount) of a settlement as this environment reads them."""
        return stated_amounts(item, self._policies)

    def settled(self, company: str, journal: str, number: int) -> list[SettledInvoice]:
        """What a journal line settles of its own company's invoices. The child rows are the truth.

        JournalLineCompany is not always dataAreaId, so it is not asked for; but journals of several companies can have one number.
        """
        where = all_of(eq("JournalBatchNumber", journal), eq("JournalLineNumber", number))
        rows = [typed(SettledInvoice, row) for row in self._d365.rows(SETTLED, where=where, select=SettledInvoice.SELECT)]
        return [row for row in rows if fold(row.invoice_company) == fold(company)]

    def marks(self, invoice_number: str) -> list[SettledInvoice]:
        """Every mark on invoices with this number."""
        rows = self._d365.rows(SETTLED, where=eq("InvoiceNumber", invoice_number), select=SettledInvoice.SELECT)
        return [typed(SettledInvoice, row) for row in rows]

    # --- writing -----------------------------------------------------------------------------------------------------------------

    def create_journal(self, company: str, journal_name: str, description: str) -> str:
        """Write a journal header; returns the number D365 gave it."""
        row = self._d365.create(HEADERS, {"dataAreaId": company, "JournalName": journal_name, "Description": description})
        return typed(JournalHeader, row).number

    def create_line(self, plan: PaymentPlan, journal: str, number: int) -> int:
        """Write one journal line. Returns its number: D365 may have given another one where ours was taken meanwhile."""
        try:
            row = self._d365.create(LINES, line_body(plan, journal, number))
        except AlreadyThere as error:
            raise FixData((_taken(plan, journal, number),), detail=error.detail) from error
        return int(typed(JournalLine, row).number)

    def create_settlement(self, plan: PaymentPlan, journal: str, number: int, item: PlannedSettlement) -> None:
        """Write one settlement row."""
        subject = f"payment {plan.payment_id}, invoice {item.number}"
        try:
            self._d365.create(SETTLED, settlement_body(plan, journal, number, item, self.stated(item)))
        except AlreadyThere as error:
            raise FixData((Cause("refused", subject, f"D365 refused {subject}: {error.sentence}"),), detail=error.detail) from error


def _taken(plan: PaymentPlan, journal: str, number: int) -> Cause:
    sentence = f"Payment {plan.payment_id}: line {number} of journal {journal} was taken by another entry meanwhile; it takes the next one."
    return Cause(NUMBER_TAKEN, f"journal {journal}", sentence)


def stated_amounts(item: PlannedSettlement, policies: Policies) -> tuple[Decimal, Decimal]:
    """(amount, discount) of a settlement: the amount gross or net, both signed as payment or as invoice (contracts/d365-fo.md §6)."""
    amount = item.gross if policies.settlement_amount is SettlementAmount.GROSS else item.net
    return (amount, item.discount) if policies.settlement_sign is SettlementSign.AS_PAYMENT else (-amount, -item.discount)


def line_body(plan: PaymentPlan, journal: str, number: int) -> Mapping[str, Json]:
    """The journal line as it is sent. Both dimension fields carry the same default string, each switchable (contracts/d365-fo.md §6)."""
    marked = {"MarkedInvoice": plan.marked_invoice, "MarkedInvoiceCompany": plan.company, "SettleVoucher": "SelectedTransact"}
    optional: dict[str, Json] = {
        **(marked if plan.marked_invoice else {}),
        "CheckNumber": plan.check_number,
        "PaymentReference": plan.reference,
        "DefaultDimensionsForAccountDisplayValue": plan.account_dimensions,
        "DefaultDimensionsForOffsetAccountDisplayValue": plan.offset_dimensions,
    }
    return {
        "dataAreaId": plan.company,
        "JournalBatchNumber": journal,
        "LineNumber": number,
        "AccountType": "Vend",
        "AccountDisplayValue": plan.account_display,
        "Company": plan.company,
        "OffsetAccountType": "Bank",
        "OffsetAccountDisplayValue": plan.bank_account,
        "OffsetCompany": plan.company,
        "CurrencyCode": plan.currency,
        "DebitAmount": plan.amount,
        "PaymentId": plan.payment_id,
        "PaymentMethodName": plan.method,
        "TransactionDate": noon(plan.day),
        "TransactionText": plan.text,
        **{name: value for name, value in optional.items() if value},
    }


def settlement_body(
    plan: PaymentPlan, journal: str, number: int, item: PlannedSettlement, stated: tuple[Decimal, Decimal]
) -> Mapping[str, Json]:
    """A settlement row as it is sent, always with an explicit discount, or D365 takes its own. `stated` is amount and discount."""
    amount, discount = stated
    return {
        "JournalLineCompany": plan.company,
        "JournalBatchNumber": journal,
        "JournalLineNumber": number,
        "InvoiceNumber": item.number,
        "InvoiceCompany": plan.company,
        "InvoiceDueDate": noon(item.due_day),
        "SettlementAmountInInvoiceCurrency": amount,
        "CashDiscountToTakeInInvoiceCurrency": discount,
        "invoiceAccount": item.invoice_account,
    }


class LinePiece:
    """The journal line, at the number that the claim fixed."""

    name = "line"

    def __init__(self, target: PaymentTarget, plan: PaymentPlan) -> None:
        self._target = target
        self._plan = plan

    def look(self, record: Record) -> Sight:
        """By its place and by PaymentId, unposted; then by PaymentId among the posted. Another's line at its place is nothing of ours."""
        journal, number = record.progress.get(JOURNAL, ""), int(record.progress.get(LINE, "0"))
        lines = self._target.lines(self._plan.company, journal, number, self._plan.payment_id)
        ours = [line for line in lines if line.payment_id == self._plan.payment_id]
        if ours:
            return self._with_our_id(ours[0], record)
        posted = self._target.paid(self._plan.company, self._plan.payment_id)
        if posted:
            return self._posted(posted[0], record)
        return Nothing()

    def _with_our_id(self, line: JournalLine, record: Record) -> Sight:
        if record.progress.get(JOURNAL) == line.journal and record.sent_at is not None:
            return Found({JOURNAL: line.journal, LINE: str(line.number)})
        shown = f"journal {line.journal}, line {line.number}"
        return Foreign(shown, () if self._agrees(line.debit) else (self._conflict(shown, money_text(line.debit)),))

    def _posted(self, row: VendorTransaction, record: Record) -> Sight:
        if record.sent_at is not None and self._agrees(row.amount):
            return Found({"posted": row.voucher or "posted"})
        shown = f"voucher {row.voucher}"
        return Foreign(shown, () if self._agrees(row.amount) else (self._conflict(shown, money_text(row.amount)),))

    def _agrees(self, amount: object) -> bool:
        return amount == self._plan.amount

    def _conflict(self, shown: str, amount: str) -> Cause:
        sentence = f"Payment {self._plan.payment_id} is {money_text(self._plan.amount)} in AvidXchange; D365 holds {amount} in {shown}."
        return Cause("conflict", f"payment {self._plan.payment_id}", sentence)

    def send(self, record: Record) -> Mapping[str, str]:
        """Write the line."""
        number = self._target.create_line(self._plan, record.progress[JOURNAL], int(record.progress[LINE]))
        return {LINE: str(number)}

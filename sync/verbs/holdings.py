"""What D365 holds of payments with a PaymentId: lines of journals that are not posted, and the transactions that posting made."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sync.connections.document import Company
from sync.d365.client import D365Client
from sync.d365.entity import typed
from sync.d365.literals import all_of, at_least, at_most, eq
from sync.d365.rows import JournalHeader, JournalLine, VendorTransaction
from sync.values import fold, money_text


@dataclass(frozen=True)
class Holding:
    """One payment as D365 holds it. `day` is its TransactionDate; `in_our_journal`: under the journal name that only the connector uses."""

    payment_id: str
    company: str
    currency: str
    day: date | None
    amount: Decimal
    is_posted: bool
    in_our_journal: bool
    place: str

    @property
    def shown(self) -> str:
        """As a person reads it."""
        return f"{money_text(self.amount)} {self.currency} of payment {self.payment_id} in {self.place} of {self.company}"


def read_holdings(d365: D365Client, company: Company, first: date, last: date) -> list[Holding]:
    """All of one company with a TransactionDate in these days. A posted line is told by its transaction, so nothing counts twice."""
    headers = _Headers(d365, company)
    days = all_of(at_least("TransactionDate", first), at_most("TransactionDate", last))
    rows = d365.rows(JournalLine.SET, where=days, select=JournalLine.SELECT, company=company.id)
    lines = (line for line in (typed(JournalLine, row) for row in rows) if line.payment_id and not headers.is_posted(line.journal))
    days = all_of(at_least("TransDate", first), at_most("TransDate", last))
    rows = d365.rows(VendorTransaction.SET, where=days, select=VendorTransaction.SELECT, company=company.id)
    posted = (item for item in (typed(VendorTransaction, row) for row in rows) if item.payment_id)
    return [_of_line(line, company, headers) for line in lines] + [_of_transaction(item, company, headers) for item in posted]


class _Headers:
    """The journals of one company: those of our journal name are read at once, another one when a line names it."""

    def __init__(self, d365: D365Client, company: Company) -> None:
        self._d365 = d365
        self._company = company
        rows = d365.rows(
            JournalHeader.SET, where=eq("JournalName", company.payment_journal), select=JournalHeader.SELECT, company=company.id
        )
        self._known = {header.number: header for header in (typed(JournalHeader, row) for row in rows)}

    def is_posted(self, number: str) -> bool:
        """Whether the journal is posted."""
        if number not in self._known:
            keys = {"dataAreaId": self._company.id, "JournalBatchNumber": number}
            row = self._d365.get(JournalHeader.SET, keys, select=JournalHeader.SELECT)
            if row is None:
                return False
            self._known[number] = typed(JournalHeader, row)
        return self._known[number].is_posted

    def is_ours(self, number: str) -> bool:
        """Whether the journal has the name that the connector writes under."""
        header = self._known.get(number)
        return header is not None and fold(header.name) == fold(self._company.payment_journal)


def _of_line(line: JournalLine, company: Company, headers: _Headers) -> Holding:
    return Holding(
        payment_id=line.payment_id,
        company=company.id,
        currency=line.currency,
        day=line.day,
        amount=line.debit - line.credit,
        is_posted=False,
        in_our_journal=headers.is_ours(line.journal),
        place=f"journal {line.journal}, line {line.number}",
    )


def _of_transaction(row: VendorTransaction, company: Company, headers: _Headers) -> Holding:
    return Holding(
        payment_id=row.payment_id,
        company=company.id,
        currency=row.currency,
        day=row.day,
        amount=row.amount,
        is_posted=True,
        in_our_journal=headers.is_ours(row.journal),
        place=f"voucher {row.voucher}",
    )

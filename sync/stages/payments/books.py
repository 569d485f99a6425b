"""What the checks of one payment ask of D365 and of the ledger, read once per examination."""

from collections.abc import Sequence
from functools import cache

from sync.connections.document import Company
from sync.d365.reference import CompanyReference
from sync.d365.rows import PendingInvoice, VendorTransaction
from sync.engine.model import Slice
from sync.ledger.model import Place
from sync.stages.invoices.plan import InvoicePlan, invoice_alias
from sync.stages.payments.checks import Coding
from sync.stages.payments.target import PaymentTarget
from sync.values import fold

INVOICES = "invoices"


class Books:
    """See `sync.stages.payments.checks.PaymentBooks`."""

    def __init__(self, slice_: Slice, target: PaymentTarget) -> None:
        self.connection = slice_.connection
        self.names = slice_.systems.avid.profile.fields
        self._slice = slice_
        self._target = target
        self._transactions = cache(target.transactions)
        self._pending = cache(target.pending)
        self._marks = cache(target.marks)

    def reference(self, company: Company) -> CompanyReference:
        """The reference data of a company."""
        return self._slice.systems.reference(company)

    def open_items(self, vendor: str, number: str) -> Sequence[VendorTransaction]:
        """The transactions of the invoice in every company, of the account."""
        return [row for row in self._transactions(number) if fold(row.account) == fold(vendor)]

    def pending(self, company: Company, invoice_account: str, number: str) -> bool:
        """Whether the invoice waits unposted."""
        return any(self._is(row, company, invoice_account) for row in self._pending(number))

    def _is(self, row: PendingInvoice, company: Company, invoice_account: str) -> bool:
        return row.company.lower() == company.id and fold(row.invoice_account) == fold(invoice_account)

    def companies_of(self, vendor: str, number: str) -> frozenset[str]:
        """The mapped companies in which the vendor's invoice account has this invoice, posted or pending."""
        holders = {(row.company.lower(), fold(row.account)) for row in self._transactions(number)}
        holders |= {(row.company.lower(), fold(row.invoice_account)) for row in self._pending(number)}
        return frozenset(company.id for company in self.connection.companies if self._account(company, vendor, holders))

    def _account(self, company: Company, vendor: str, holders: set[tuple[str, str]]) -> bool:
        accounts = {account for held_by, account in holders if held_by == company.id}
        if not accounts:
            return False
        found = self.reference(company).vendor(vendor)
        return found is not None and fold(found.invoice_account) in accounts

    def marked_by(self, company: Company, invoice_account: str, number: str) -> str:
        """The unposted journal that marks the invoice; D365 lets only one."""
        for mark in self._marks(number):
            if (
                mark.invoice_company.lower() == company.id
                and fold(mark.invoice_account) == fold(invoice_account)
                and mark.invoice == number
            ):
                header = self._target.journal(mark.company.lower() or company.id, mark.journal)
                if header is not None and not header.is_posted:
                    return mark.journal
        return ""

    def codings(self, company: Company, invoice_account: str, number: str) -> Sequence[Coding]:
        """The coding of the invoice as this connector wrote it, line by line."""
        place = Place(self.connection.id, INVOICES, company.id)
        key = self._slice.ledger.holder(place, invoice_alias(company.id, invoice_account, number))
        record = self._slice.ledger.get(place, key) if key else None
        if record is None or not record.plan:
            return []
        plan = InvoicePlan.model_validate_json(self._slice.ledger.text(record.plan))
        return [(line.amount, line.values) for line in plan.lines]

"""What the sandbox's AvidXchange holds, in the field's own words. Money is Decimal, times are timezone-aware UTC."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

STATUS_IDS = {
    "Pending Approval": 1,
    "Held": 2,
    "Processing": 3,
    "Debit Requested": 4,
    "Funds Received": 5,
    "Sent to Check Printer": 6,
    "Issued to Supplier": 7,
    "ACH Credit Issued": 8,
    "VCC Processing": 9,
    "Cleared": 10,
    "Error": 11,
    "Void": 12,
    "Void Requested": 13,
    "Voided": 14,
}
"""Status.Description -> Status.Id. The descriptions are the contract's; the ids are the sandbox's own."""

METHOD_IDS = {
    "Check": 1,
    "AvidPay Check": 2,
    "AvidPay Direct": 3,
    "ACH": 4,
    "Virtual Credit Card": 5,
    "VCC": 6,
    "e-Payment": 7,
}
"""PaymentMethod.Description -> PaymentMethod.Id; ids as above."""

UNLISTED_ID = 99
"""The id of a status or method that the contract does not name."""


@dataclass(frozen=True)
class Code:
    """One enterprise code on a distribution: the code group it belongs to, its value and text."""

    group: str
    value: str
    description: str = ""


@dataclass(frozen=True)
class Distribution:
    """One coded line of an invoice; a credit's lines are negative."""

    amount: Decimal
    description: str
    codes: tuple[Code, ...]

    def value(self, group: str) -> str:
        """The value coded for a group, or an empty text."""
        return next((code.value for code in self.codes if code.group == group), "")


@dataclass(frozen=True)
class Invoice:
    """One approved invoice. `number` is an int where AvidXchange shows a JSON number, None where it is missing."""

    id: int
    number: str | int | None
    invoice_date: date | None
    due_date: date | None
    gross: Decimal
    vendor_id: str
    vendor_name: str
    distributions: tuple[Distribution, ...]
    last_changed: datetime
    account_no: str = "none"
    terms: str = ""
    po_number: str = ""
    memo: str = ""
    image_url: str = ""
    posting_date: date | None = None
    currency: str | None = "USD"


@dataclass
class Batch:
    """An invoice batch. `date_closed` is None while it is open (or reopened): an open batch is not listed."""

    guid: str
    name: str
    accounting_system: int
    date_closed: datetime | None
    invoices: list[Invoice]

    @property
    def total(self) -> Decimal:
        """The sum of its invoices' gross amounts."""
        return sum((invoice.gross for invoice in self.invoices), Decimal(0))


@dataclass(frozen=True)
class Remittance:
    """One invoice that a payment pays: gross less discount is net. `external_id` names the invoice by its AvidXchange Id where known."""

    number: str
    external_id: str
    date: date
    gross: Decimal
    discount: Decimal
    net: Decimal
    customer_account_number: str = ""


@dataclass(frozen=True)
class Payment:
    """One payment. `remittances_listed` False: this payment alone leaves its remittances out of the list answer."""

    id: int
    batch_id: int
    amount: Decimal
    status: str
    method: str
    payee_id: str
    payee_name: str
    last_modified: datetime
    remittances: tuple[Remittance, ...]
    bank_client_ids: tuple[str, ...] = ()
    accounting_system: int | None = None
    check_number: str = ""
    avidpay_check_number: str = ""
    payment_date: date | None = None
    cleared_date: date | None = None
    ach_trace_number: str = ""
    card_last_four: str = ""
    currency: str | None = "USD"
    external_payment_ids: tuple[str, ...] = ()
    exceptions: tuple[tuple[int, str], ...] = ()
    remittances_listed: bool = True


@dataclass(frozen=True)
class Acknowledgement:
    """One accepted export history: what the caller said, when it came, and what the batch held at that moment."""

    at: datetime
    batch_guid: str
    start: datetime
    end: datetime
    date_closed: datetime
    invoice_ids: tuple[int, ...]

"""What AvidXchange holds, in our words (contracts/avidxchange.md §3).

Amounts are exact `Decimal`, ids and numbers are text as received, days are `date`, moments aware UTC. A text that is absent is empty,
a day or a moment that is absent is None. `sync/avid/rows.py` reads them from JSON rows and writes them.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from sync.values import canonical


class PaymentState(StrEnum):
    """Where a payment stands. Only `settled`, or `issued` by policy, is ever written to D365."""

    PENDING = "pending"
    IN_FLIGHT = "in_flight"
    ISSUED = "issued"
    SETTLED = "settled"
    ERROR = "error"
    VOIDED = "voided"
    UNKNOWN = "unknown"

    @property
    def final(self) -> bool:
        """Whether no further move is expected."""
        return self in {PaymentState.SETTLED, PaymentState.VOIDED}


class PaymentKind(StrEnum):
    """How a payment goes out; the values are the keys of `companies.payment_methods` in the connection document."""

    CHECK = "check"
    ACH = "ach"
    VIRTUAL_CARD = "virtual_card"
    INTERNAL = "internal"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be read. `field` is AvidXchange's name of the first field at fault, `raw` the row's text; `id` may be empty."""

    resource: str
    id: str
    field: str
    sentence: str
    raw: str = dataclasses.field(repr=False)


@dataclass(frozen=True)
class AccountingSystem:
    """One set of books."""

    id: str
    name: str


@dataclass(frozen=True)
class Address:
    """An address; every part may be empty."""

    line1: str = ""
    line2: str = ""
    line3: str = ""
    line4: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""
    country: str = ""


@dataclass(frozen=True)
class AvidVendor:
    """A vendor of one accounting system, keyed by `accounting_system` and `external_id` (the D365 vendor account).

    Equal when everything that we send is equal. `tax_id` is sent only when it is not empty and is never read back.
    """

    accounting_system: str
    external_id: str
    name: str
    is_active: bool
    doing_business_as: str = ""
    account_no: str = ""
    is_1099: bool = False
    email: str = ""
    phone: str = ""
    terms: str = ""
    address: Address = Address()
    remit_to: Address = Address()
    tax_id: str = dataclasses.field(default="", repr=False, compare=False)
    last_changed: datetime | None = dataclasses.field(default=None, compare=False)


@dataclass(frozen=True)
class CodeGroup:
    """A group of codes: the GL accounts, or the values of one dimension."""

    id: str
    name: str
    is_required: bool


@dataclass(frozen=True)
class Code:
    """One code of one group: a main account or a dimension value."""

    accounting_system: str
    group: str
    value: str
    description: str
    is_active: bool


@dataclass(frozen=True)
class ClosedBatch:
    """A closed batch of approved invoices. `details_link` is as received: `AvidClient.batch_invoices` checks its host."""

    guid: str
    name: str
    accounting_system: str
    invoice_count: int | None
    total: Decimal | None
    date_closed: datetime | None
    details_link: str


@dataclass(frozen=True)
class Coding:
    """The value of one code group on a distribution."""

    group: str
    value: str


@dataclass(frozen=True)
class Distribution:
    """One line of an invoice."""

    amount: Decimal
    description: str
    codings: tuple[Coding, ...]

    def values_of(self, group: str) -> tuple[str, ...]:
        """All values coded for a group, in order; more than one is an error of the invoice, none means not coded."""
        return tuple(coding.value for coding in self.codings if coding.group == group)


@dataclass(frozen=True)
class AvidInvoice:
    """An approved invoice. A negative `gross` is a vendor credit. `text` is the row as received; `parse_invoice` reads it again."""

    id: str
    number: str
    vendor_id: str
    """The D365 vendor account: what stands before the `|` of `vendor|remitAddress`."""
    remit_to: str
    """What stands after the `|`, else empty."""
    vendor_name: str
    account_no: str
    invoice_date: date | None
    due_date: date | None
    posting_date: date | None
    gross: Decimal
    currency: str
    po_number: str
    memo: str
    terms: str
    image_url: str
    distributions: tuple[Distribution, ...]
    last_changed: datetime | None
    text: str = dataclasses.field(repr=False, compare=False)

    @property
    def substance(self) -> str:
        """Canonical text of what would be written: equal for 12.5 and "12.50", blind to time stamps and to signed image addresses."""
        return _substance(self, without=("text", "last_changed", "image_url"))


@dataclass(frozen=True)
class Remittance:
    """One paid invoice of a payment. Gross - discount = net, and the sum of net is the payment's amount, when all is well."""

    number: str
    external_id: str
    day: date | None
    gross: Decimal
    discount: Decimal
    net: Decimal
    customer_account_number: str


@dataclass(frozen=True)
class PaymentException:
    """Why a payment is in error."""

    id: str
    description: str


@dataclass(frozen=True)
class AvidPayment:
    """A payment of AvidPay. `remittances` is empty when the row had none: `AvidClient.with_remittances` fetches them."""

    id: str
    batch_id: str
    accounting_system: str
    amount: Decimal
    currency: str
    status: str
    state: PaymentState
    method: str
    kind: PaymentKind
    check_number: str
    avidpay_check_number: str
    ach_trace_number: str
    card_last_four: str
    payment_date: date | None
    cleared_date: date | None
    last_modified: datetime | None
    payee_id: str
    payee_name: str
    bank_client_ids: tuple[str, ...]
    external_payment_ids: tuple[str, ...]
    exceptions: tuple[PaymentException, ...]
    clears_by_itself: bool
    """In error, and every reason is one that AvidXchange clears without us."""
    remittances: tuple[Remittance, ...]
    text: str = dataclasses.field(repr=False, compare=False)

    @property
    def substance(self) -> str:
        """Canonical text of the payment without its time stamp."""
        return _substance(self, without=("text", "last_modified"))


def _substance(document: AvidInvoice | AvidPayment, *, without: tuple[str, ...]) -> str:
    return canonical({item.name: _plain(getattr(document, item.name)) for item in fields(document) if item.name not in without})


def _plain(value: object) -> object:
    """Dataclasses as mappings, amounts without their trailing zeros, the rest as it is."""
    if isinstance(value, Decimal):
        return value.normalize() if value else Decimal(0)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, (Coding, Distribution, Remittance, PaymentException)):
        members: Mapping[str, object] = {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
        return members
    return value

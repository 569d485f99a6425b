"""What a world holds besides the two systems: the customer's facts, and the truth of what must become of every document."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, NotRequired, TypedDict

from sandbox.avid import AvidWorld
from sandbox.avid.wire import Row
from sandbox.d365.schema import Value
from sandbox.d365.table import Row as D365Row
from sandbox.d365.world import D365World


@dataclass(frozen=True)
class Fate:
    """What must become of a document. `leave`: nothing is to be written or mended (pending, voided, before the start date).

    `why` of a parked one is its cause, `several` when they are in `reported`: what else a person must read of a document of any fate.
    """

    action: Literal["write", "adopt", "park", "leave"]
    why: str = ""
    reported: tuple[str, ...] = ()

    @property
    def causes(self) -> frozenset[str]:
        """All causes that the list of failures must show of it."""
        own = {self.why} if self.action == "park" and self.why != "several" else set[str]()
        return frozenset(own | {*self.reported})

    def __str__(self) -> str:
        """`write`, `adopt`, `park:<why>` or `leave:<why>`."""
        return f"{self.action}:{self.why}" if self.why else self.action


WRITE = Fate("write")


@dataclass(frozen=True)
class ExpectedLine:
    """One line of a pending invoice: the signed amount and its two dimension strings."""

    amount: Decimal
    ledger: str
    default: str


@dataclass(frozen=True)
class ExpectedInvoice:
    """One AvidXchange invoice as D365 must hold it. `values` are the dimension values of each line, without the
    main account; `posted_on` is the posting date."""

    accounting_system: int
    id: int
    company: str
    vendor_account: str
    invoice_account: str
    number: str
    dated: date | None
    posted_on: date | None
    due: date | None
    currency: str
    gross: Decimal
    header: str
    lines: tuple[ExpectedLine, ...]
    values: tuple[Mapping[str, str], ...]
    fate: Fate


@dataclass(frozen=True)
class Settlement:
    """One invoice that a payment line settles. Credits have negative amounts. `due` is the due date of the vendor transaction."""

    number: str
    due: date
    gross: Decimal
    discount: Decimal

    @property
    def net(self) -> Decimal:
        """Gross less discount."""
        return self.gross - self.discount


@dataclass(frozen=True)
class ExpectedPayment:
    """One AvidXchange payment as the one journal line it must become. `pays` names the invoices that have to be posted in D365 first."""

    id: int
    company: str
    account: str
    amount: Decimal
    currency: str
    method: str
    bank: str
    check_number: str
    reference: str
    dated: date | None
    settlements: tuple[Settlement, ...]
    dimensions: str
    fate: Fate
    pays: tuple[tuple[int, int], ...] = ()


@dataclass
class Expected:
    """The truth of all documents: invoices by (accounting system, AvidXchange Id), payments by PaymentId."""

    invoices: dict[tuple[int, int], ExpectedInvoice] = field(default_factory=dict)
    payments: dict[int, ExpectedPayment] = field(default_factory=dict)


class MethodFacts(TypedDict):
    """What one AvidXchange payment method is in D365 for one company."""

    d365_method: str
    bank_account: str
    policy: str


class CompanyFacts(TypedDict):
    """One legal entity and its accounting system."""

    id: str
    accounting_system: int
    currency: str
    payment_journal: str
    invoice_payment_method: str
    payment_methods: dict[str, MethodFacts]
    bank_client_ids: list[str]
    first_open_day: NotRequired[date]


class ConnectionFacts(TypedDict):
    """What the customer would supply. The values of the secrets stand here in clear: they are made up."""

    id: str
    name: str
    tenant: str
    environment_url: str
    client_id: str
    client_secret: str
    avid_host: str
    company_token: str
    user_token: str
    companies: list[CompanyFacts]
    code_groups: dict[str, str]
    null_placeholder: str
    ledger_format: list[str]
    start_from: date
    image_hosts: NotRequired[list[str]]
    policies: NotRequired[dict[str, str]]
    sales_tax_code_group: NotRequired[str]


@dataclass(frozen=True)
class Beginning:
    """How things stood before the connector first ran: what both sides already had must not be touched."""

    vendors: Mapping[tuple[int, str], Row]
    codes: Mapping[tuple[int, str, str], Row]
    headers: Mapping[tuple[str, str], Mapping[str, Value]]
    posted: frozenset[int]
    lines: frozenset[tuple[str, str, str]] = frozenset()
    """Payment journal lines entered by hand: company, journal, line number."""


@dataclass
class World:
    """Both systems of one customer and the truth about them. `day` is the world's first day; documents carry dates relative to it."""

    seed: int
    day: datetime
    d365: D365World
    avid: AvidWorld
    connection: ConnectionFacts
    expected: Expected
    beginning: Beginning
    cases: bool = False
    """Whether it has a case of every cause that a document can be parked or reported for."""

    def company(self, company_id: str) -> CompanyFacts:
        """The facts of a company by its id, without case."""
        return next(company for company in self.connection["companies"] if company["id"].lower() == company_id.lower())


def beginning_of(d365: D365World, avid: AvidWorld) -> Beginning:
    """A picture of what is there now."""
    headers = {(row.text("dataAreaId"), row.text("HeaderReference")): dict(row.stored) for row in d365.rows("VendorInvoiceHeaders")}
    posted = frozenset(_number(row["SourceKey"]) for row in d365.rows("VendInvoiceJourBiEntities"))
    lines = frozenset(line_key(row) for row in d365.rows("VendorPaymentJournalLines"))
    return Beginning(dict(avid.vendors), dict(avid.codes), headers, posted, lines)


def line_key(row: D365Row) -> tuple[str, str, str]:
    """What tells a payment journal line from all others."""
    return row.text("dataAreaId"), row.text("JournalBatchNumber"), str(row["LineNumber"])


def _number(value: Value) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is not a record id")
    return value

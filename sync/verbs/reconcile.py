"""`reconcile`: what AvidXchange paid against what D365 holds, per company, currency and day, to the cent (design §5).

Both systems are asked; the ledger only says which payments are parked, unknown or resolved. The day is the TransactionDate.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from sync.app import App
from sync.avid.client import AvidClient
from sync.avid.models import AvidPayment, BadRow, PaymentState
from sync.connections.document import Company, Connection, Policy
from sync.ledger.model import Place, Record, State
from sync.values import money_text
from sync.verbs.finding import the_connection
from sync.verbs.holdings import Holding, read_holdings

PAYMENTS: Final = "payments"
UNCLEAR: Final = "-"
"""The company of a payment whose company nobody can tell."""
READ_BEFORE: Final = timedelta(days=30)
"""Payments are listed by when they were modified, which can be before the day they carry."""
COLUMNS: Final[Mapping[State, str]] = {
    State.FOUND: "parked",
    State.RETRYING: "parked",
    State.PARKED: "parked",
    State.CLAIMED: "unknown",
    State.UNKNOWN: "unknown",
    State.RESOLVED: "resolved",
}
"""Where a paid payment stands that D365 does not hold, by the state of its record."""


@dataclass(frozen=True)
class Balance:
    """One company, currency and day (None: a payment without a date).

    Paid by AvidXchange under the customer's policy = written + posted in D365 + parked + unknown + resolved by a person + `difference`.
    """

    company: str
    currency: str
    day: date | None
    paid: Decimal
    written: Decimal
    posted: Decimal
    parked: Decimal
    unknown: Decimal
    resolved: Decimal
    difference: Decimal


@dataclass(frozen=True)
class Reconciliation:
    """All balances, and a sentence for each payment that does not agree. `agrees`: nothing differs, nothing is parked or unknown."""

    connection: str
    first: date
    last: date
    agrees: bool
    payments: int
    balances: tuple[Balance, ...]
    notes: tuple[str, ...]


@dataclass
class _Sums:
    """The columns of one balance while it is added up."""

    columns: dict[str, Decimal] = field(default_factory=dict)

    def add(self, column: str, amount: Decimal) -> None:
        """Add to a column."""
        self.columns[column] = self.columns.get(column, Decimal(0)) + amount

    def balance(self, company: str, currency: str, day: date | None) -> Balance:
        """The sums as they stand."""
        named = {name: self.columns.get(name, Decimal(0)) for name in ("paid", "written", "posted", "parked", "unknown", "resolved")}
        difference = named["paid"] - sum((amount for name, amount in named.items() if name != "paid"), Decimal(0))
        return Balance(company, currency, day, **named, difference=difference)


def reconcile(
    app: App, connection_id: str, first: date | None = None, last: date | None = None, shown: Callable[[str], None] = lambda _: None
) -> Reconciliation:
    """From `first` (default, and at the earliest, start_from) to `last` (default today). Reads both systems; writes nothing."""
    connection = the_connection(app, connection_id)
    start, today = connection.start_from.payments, app.ports.clock.now().date()
    first, last = max(first or start, start), last or today
    systems = app.systems(connection)
    shown("reading the ledger")
    records = {record.source_id: record for record in app.ledger.records(Place(connection.id, PAYMENTS))}
    shown("reading AvidXchange's payments")
    work = _Work(connection, records, first, last)
    work.read_payments(systems.avid, today)
    for company in connection.companies:
        shown(f"reading D365's journals of {company.id}")
        work.holdings += read_holdings(systems.d365, company, first, last)
    return work.result()


class _Work:
    """The three sides of one reconciliation."""

    def __init__(self, connection: Connection, records: Mapping[str, Record], first: date, last: date) -> None:
        self._connection = connection
        self._records = records
        self._first = first
        self._last = last
        self._payments: dict[str, AvidPayment] = {}
        self._cells: dict[tuple[str, str, date | None], _Sums] = {}
        self._notes: list[str] = []
        self.holdings: list[Holding] = []

    def read_payments(self, avid: AvidClient, today: date) -> None:
        """What moved since a month before, and whatever the ledger dates in these days besides."""
        for payment in avid.payments(self._first - READ_BEFORE, today):
            self._take(payment)
        missing = [key for key, record in self._records.items() if key not in self._payments and self._is_inside(_noted_day(record))]
        for payment in avid.payments_by_id(missing):
            self._take(payment)

    def _take(self, payment: AvidPayment | BadRow) -> None:
        if isinstance(payment, BadRow):
            self._notes.append(f"A payment of AvidXchange cannot be read ({payment.id or 'no id'}): {payment.sentence}.")
        else:
            self._payments[payment.id] = payment

    def result(self) -> Reconciliation:
        """Add up both sides and name what does not agree."""
        held = self._add_holdings()
        counted = sum(self._add_paid(payment, held.get(payment.id, [])) for payment in self._payments.values())
        balances = [
            sums.balance(*cell) for cell, sums in sorted(self._cells.items(), key=lambda item: (*item[0][:2], item[0][2] or date.min))
        ]
        agrees = not self._notes and not any(balance.difference or balance.parked or balance.unknown for balance in balances)
        return Reconciliation(self._connection.id, self._first, self._last, agrees, counted, tuple(balances), tuple(self._notes))

    def _add_holdings(self) -> dict[str, list[Holding]]:
        """D365's side: payments of AvidXchange, and whatever else is in the journals that only we write to."""
        held: dict[str, list[Holding]] = {}
        for holding in self.holdings:
            known = holding.payment_id in self._payments or holding.payment_id in self._records
            if not known and not holding.in_our_journal:
                continue
            if not known:
                self._notes.append(f"{holding.shown} is unknown to AvidXchange.")
            held.setdefault(holding.payment_id, []).append(holding)
            self._cell(holding.company, holding.currency, holding.day).add("posted" if holding.is_posted else "written", holding.amount)
        return held

    def _add_paid(self, payment: AvidPayment, held: Sequence[Holding]) -> bool:
        """AvidXchange's side of one payment; whether it counts as paid in these days."""
        record = self._records.get(payment.id)
        company = self._company(payment, record, held)
        day = _noted_day(record) or payment.payment_date or payment.cleared_date
        if not self._is_inside(day):
            return False
        if not self._is_paid(payment, company):
            if held:
                self._notes.append(f"Payment {payment.id} is {payment.status!r} in AvidXchange; D365 holds {_texts(held)}.")
            return False
        cell = self._cell(company, payment.currency, day)
        cell.add("paid", payment.amount)
        if not held and record is not None and record.state in COLUMNS:
            cell.add(COLUMNS[record.state], payment.amount)
        self._notes += self._differences(payment, record, held)
        return True

    def _differences(self, payment: AvidPayment, record: Record | None, held: Sequence[Holding]) -> Iterator[str]:
        name = f"Payment {payment.id} of {money_text(payment.amount)} {payment.currency}"
        if held and sum((holding.amount for holding in held), Decimal(0)) != payment.amount:
            yield f"{name}: D365 holds {_texts(held)}."
        elif held and record is not None and record.state in COLUMNS:
            yield f"{name} is {record.state}, though D365 holds {_texts(held)}."
        elif not held and record is None:
            yield f"{name} is not in the ledger yet: the next run of payments finds it."
        elif not held and record is not None and record.state not in COLUMNS:
            yield f"{name} is {record.state} in the ledger; D365 does not hold it in these days."

    def _is_paid(self, payment: AvidPayment, company: str) -> bool:
        """Settled, or issued where the customer's policy writes on issue."""
        if payment.state is not PaymentState.ISSUED:
            return payment.state is PaymentState.SETTLED
        methods = next((item.payment_methods for item in self._connection.companies if item.id == company), {})
        return any(kind == payment.kind.value and method.policy is Policy.ON_ISSUE for kind, method in methods.items())

    def _company(self, payment: AvidPayment, record: Record | None, held: Sequence[Holding]) -> str:
        """As claimed, else where D365 holds it, else as its accounting system or bank account say."""
        claimed = "" if record is None else record.facts.get("company", "")
        named = [company.id for company in self._connection.companies if _names(payment, company)]
        return claimed or next((holding.company for holding in held), "") or (named[0] if len(named) == 1 else UNCLEAR)

    def _is_inside(self, day: date | None) -> bool:
        return day is None or self._first <= day <= self._last

    def _cell(self, company: str, currency: str, day: date | None) -> _Sums:
        return self._cells.setdefault((company, currency, day), _Sums())


def _names(payment: AvidPayment, company: Company) -> bool:
    return payment.accounting_system == company.accounting_system or bool({*payment.bank_client_ids} & {*company.bank_client_ids})


def _noted_day(record: Record | None) -> date | None:
    text = "" if record is None else record.facts.get("day", "")
    return date.fromisoformat(text) if text else None


def _texts(held: Sequence[Holding]) -> str:
    return " and ".join(holding.shown for holding in held)

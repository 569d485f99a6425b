"""What `ping` asks of AvidXchange (contracts/avidxchange.md §3, §5): sign-in, every list, what it can do, first documents, policies."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import partial
from typing import Final, get_args

from sync.avid.client import AvidClient
from sync.avid.models import BadRow, PaymentState
from sync.avid.models import PaymentKind as PaymentMethodKind
from sync.avid.rows import read_accounting_system
from sync.connections.document import Company, Connection, PaymentKind
from sync.errors import FixConfiguration, SyncError
from sync.ledger.model import Failure
from sync.verbs.lines import Line, guarded, look, not_ok, ok
from sync.verbs.ping_capabilities import CapabilityChecks
from sync.verbs.ping_rows import RowChecks

KINDS: Final[tuple[str, ...]] = get_args(PaymentKind)


def _nothing(error: SyncError) -> Iterator[Line]:
    """Whoever cannot sign in is not asked to try again and again: that can lock an account."""
    yield not_ok("AvidXchange sign-in", error.sentence)
    yield look("AvidXchange", "Nothing else of AvidXchange could be checked, because its accounting systems cannot be read.")


class AvidChecks:
    """The checks of one customer's AvidXchange. Reads only. `today` is the last day asked for; `drift` as in `CapabilityChecks`."""

    def __init__(self, connection: Connection, avid: AvidClient, today: date, drift: Callable[[Company], list[Failure]]) -> None:
        self._connection = connection
        self._avid = avid
        self._today = today
        self._drift = drift
        self._rows = RowChecks(connection, avid, today)

    def lines(self) -> Iterator[Line]:
        """All of them; a failed one is a line, and the others go on."""
        yield from self._asked()
        yield from self._policies()

    def _asked(self) -> Iterator[Line]:
        """What only AvidXchange can answer."""
        try:
            sample = self._avid.samples.accounting_systems()
        except FixConfiguration as error:
            if not error.field.startswith("avidxchange.profile."):
                yield from _nothing(error)
                return
            yield not_ok("accounting systems", error.sentence)
            yield from self._of_companies(self._connection.companies)
            return
        except SyncError as error:
            yield from _nothing(error)
            return
        yield ok("AvidXchange sign-in", f"{self._connection.avidxchange.host} answers; it has {len(sample.rows)} accounting systems.")
        yield from self._rows.accounting_systems(sample)
        found = [read_accounting_system(row, self._avid.profile) for row in sample.rows]
        systems = {system.id: system.name for system in found if not isinstance(system, BadRow)}
        if systems:
            yield from self._systems(systems)
        yield from self._of_companies([each for each in self._connection.companies if each.accounting_system in systems or not systems])

    def _of_companies(self, companies: Sequence[Company]) -> Iterator[Line]:
        """What is asked of each; then the payments, which are the connection's."""
        for company in companies:
            yield from guarded("code groups", partial(self._code_groups, company))
            yield from self._rows.of_company(company)
        payments = self._rows.payments()
        yield from payments.lines
        yield from CapabilityChecks(self._connection, self._avid, self._rows, self._drift, payments.sample).lines()
        for company in companies:
            yield from guarded("start_from", partial(self._invoices, company))
        yield from guarded("start_from", self._payments)

    def _systems(self, systems: dict[str, str]) -> Iterator[Line]:
        part, mapped = "accounting systems", {company.accounting_system: company for company in self._connection.companies}
        for number, company in mapped.items():
            if number in systems:
                yield ok(part, f"Company {company.id} is the accounting system {number} ({systems[number]}).")
            else:
                known = ", ".join(sorted(systems)) or "none"
                remedy = "Correct companies.accounting_system."
                yield not_ok(part, f"Accounting system {number} of company {company.id} does not exist (there are: {known}).", remedy)
        for number in sorted(systems.keys() - mapped.keys()):
            yield look(part, f"Accounting system {number} ({systems[number]}) belongs to no company: nothing of it is moved.")

    def _code_groups(self, company: Company) -> Iterator[Line]:
        part, connection = "code groups", self._connection
        groups = {group.name: group for group in self._avid.code_groups(company.accounting_system)}
        fitting: list[str] = []
        for dimension, name in connection.code_groups.items():
            if name in groups:
                fitting.append(name)
                continue
            known = ", ".join(sorted(groups)) or "none"
            sentence = f"Company {company.id}: the code group {name} of {dimension} does not exist (there are: {known})."
            yield not_ok(part, sentence, f"Correct code_groups.{dimension}, or create it in AvidXchange.")
        if fitting:
            yield ok(part, f"Company {company.id} has the mapped code groups {', '.join(fitting)}.")
        tax = connection.sales_tax_code_group
        if tax and tax not in groups:
            yield not_ok(part, f"Company {company.id}: the code group {tax} does not exist.", "Correct sales_tax_code_group.")
        known_groups = {*connection.code_groups.values(), *connection.ignored_code_groups, tax}
        for name, group in groups.items():
            if name in known_groups:
                continue
            if group.is_required:
                sentence = f"Company {company.id}: the code group {name} is required on invoices and not mapped."
                yield not_ok(part, sentence, f"Map its D365 dimension in code_groups to {name!r}, or name it in ignored_code_groups.")
            else:
                yield look(part, f"Company {company.id}: the code group {name} is not mapped; its codes never reach D365.")

    def _policies(self) -> Iterator[Line]:
        part = "policies"
        for company in self._connection.companies:
            said: list[str] = []
            for kind, method in company.payment_methods.items():
                if "policy" in method.model_fields_set:
                    said.append(f"{kind} {method.policy.value}")
                else:
                    yield look(
                        part,
                        f"Company {company.id}: {kind} has no policy of its own, so {method.policy.value} holds.",
                        f"Ask AvidXchange whether {kind} payments ever read Cleared, then set companies.payment_methods.{kind}.policy.",
                    )
            if said:
                yield ok(part, f"Company {company.id} says when payments are written: {', '.join(said)}.")
            missing = [kind for kind in KINDS if kind not in company.payment_methods]
            if missing:
                sentence = f"Company {company.id} maps no {', '.join(missing)}: such payments are parked."
                yield look(part, sentence, "Add them under companies.payment_methods if you pay by them.")

    def _invoices(self, company: Company) -> Iterator[Line]:
        first, batches, invoices, unreadable = self._connection.start_from.invoices, 0, 0, 0
        for batch in self._avid.closed_batches(company.accounting_system, first, self._today):
            if isinstance(batch, BadRow):
                unreadable += 1
            elif batch.date_closed is not None and batch.date_closed.date() >= first:
                batches += 1
                invoices += sum(1 for _ in self._avid.batch_invoices(batch)) if batch.invoice_count is None else batch.invoice_count
        yield ok("start_from", f"Company {company.id}: {invoices} invoices in {batches} batches closed since {first} are let in.")
        if unreadable:
            yield look("start_from", f"Company {company.id}: {unreadable} closed batches cannot be read; they will be parked.")

    def _payments(self) -> Iterator[Line]:
        first = self._connection.start_from.payments
        states: Counter[str] = Counter()
        unknown: set[str] = set()
        for payment in self._avid.payments(first, self._today):
            if isinstance(payment, BadRow):
                states["unreadable"] += 1
            elif (payment.payment_date or payment.cleared_date or first) >= first:
                states[payment.state.value] += 1
                unknown |= {f"payment_statuses.{payment.status}"} if payment.state is PaymentState.UNKNOWN else set()
                unknown |= {f"payment_methods.{payment.method}"} if payment.kind is PaymentMethodKind.UNKNOWN else set()
        shown = ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "none"
        yield ok("start_from", f"{states.total()} payments since {first} are let in: {shown}.")
        if unknown:
            sentence = "Some payments have a status or a method that is not known: they are parked."
            yield look("start_from", sentence, f"Say under avidxchange.profile what these mean: {', '.join(sorted(unknown))}.")

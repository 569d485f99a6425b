"""What `ping` asks of AvidXchange (contracts/avidxchange.md §3, §5): sign-in, systems, code groups, policies, first documents."""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from functools import partial
from typing import Final, get_args

from sync.avid.client import AvidClient
from sync.avid.models import BadRow, PaymentState
from sync.connections.document import Company, Connection, PaymentKind
from sync.errors import SyncError
from sync.verbs.lines import Line, guarded, look, not_ok, ok

KINDS: Final[tuple[str, ...]] = get_args(PaymentKind)


class AvidChecks:
    """The checks of one customer's AvidXchange. Reads only. `today` is the last day asked for."""

    def __init__(self, connection: Connection, avid: AvidClient, today: date) -> None:
        self._connection = connection
        self._avid = avid
        self._today = today

    def lines(self) -> Iterator[Line]:
        """All of them; a failed one is a line, and the others go on."""
        yield from self._asked()
        yield from self._policies()

    def _asked(self) -> Iterator[Line]:
        """What only AvidXchange can answer."""
        try:
            systems = {system.id: system.name for system in self._avid.accounting_systems()}
        except SyncError as error:
            yield not_ok("AvidXchange sign-in", error.sentence)
            yield look("AvidXchange", "Nothing else of AvidXchange could be checked, because its accounting systems cannot be read.")
            return
        yield ok("AvidXchange sign-in", f"{self._connection.avidxchange.host} answers; it has {len(systems)} accounting systems.")
        yield from self._systems(systems)
        for company in self._connection.companies:
            if company.accounting_system in systems:
                yield from guarded("code groups", partial(self._code_groups, company))
        for company in self._connection.companies:
            if company.accounting_system in systems:
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
                yield not_ok(part, sentence, "Map it in code_groups, or name it in ignored_code_groups.")
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
        for payment in self._avid.payments(first, self._today):
            if isinstance(payment, BadRow):
                states["unreadable"] += 1
            elif (payment.payment_date or payment.cleared_date or first) >= first:
                states[payment.state.value] += 1
        shown = ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "none"
        yield ok("start_from", f"{states.total()} payments since {first} are let in: {shown}.")
        if states[PaymentState.UNKNOWN]:
            yield look("start_from", f"{states[PaymentState.UNKNOWN]} payments have a status that is not known: they are parked.")

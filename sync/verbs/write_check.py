"""`ping --write-check`: one pending invoice of a cent, written, read back and deleted, to learn what an environment accepts.

Only that one unposted document is touched. It is looked for by its number after every unclear answer, and never sent again while it may be
on its way (contracts/d365-fo.md §5, §9, §12).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from sync.app import App
from sync.connections.document import Connection
from sync.d365.client import D365Client
from sync.d365.errors import AlreadyThere, RowMissing
from sync.d365.literals import KeyValue
from sync.d365.rows import PendingInvoice, PendingInvoiceLine
from sync.errors import FixConfiguration, FixData, SyncError
from sync.stages.invoices.plan import InvoicePlan
from sync.stages.invoices.readback import differences
from sync.stages.invoices.target import DRAFT, HEADERS, LINES, InvoiceTarget, header_body
from sync.values import fold, money_text
from sync.verbs.lines import Line, Verdict, look, not_ok, ok
from sync.verbs.write_check_plan import plan_of

PART: Final = "write check"
LOOKS_AFTER: Final = (0.0, 5.0, 15.0, 45.0)
"""Seconds before each look for what an unclear answer may have left: a write can take effect late (contracts/d365-fo.md §9)."""
DELETIONS: Final = 3
SECONDS_BETWEEN_DELETIONS: Final = 5.0
PENDING_PAGE: Final = "Delete it by hand: Accounts payable, Invoices, Pending vendor invoices."
LINE: Final = "line 1: "
TOPICS: Final[tuple[tuple[str, frozenset[str], str], ...]] = (
    (
        "The dimension strings are stored as they were sent",
        frozenset({f"{LINE}MainAccountDisplayValue", f"{LINE}DimensionDisplayValue", "DimensionDisplayValue"}),
        "Check the active formats and the account structure: without it every invoice is parked.",
    ),
    (
        "Amount, unit price and a quantity of 1 for a positive amount are stored as they were sent",
        frozenset({f"{LINE}Amount", f"{LINE}UnitPrice", f"{LINE}ReceiveNow", "ImportedAmount"}),
        "Without it every invoice is parked.",
    ),
    (
        "The tax groups stay blank",
        frozenset({f"{LINE}SalesTaxGroup", f"{LINE}ItemSalesTax"}),
        "Look for a default that adds them: D365 would add tax on top of gross amounts.",
    ),
    ("The Comment is stored whole", frozenset({"Comment"}), "Our documents are found again by what stands first in it."),
)
"""What is said when none of the fields differs, the fields as `differences` names them, and what to do when one does."""

T = TypeVar("T")


@dataclass(frozen=True)
class Order:
    """What a person wants checked: company and vendor ("": the first one), and how they are asked before anything is written."""

    company: str
    vendor: str
    confirm: Callable[[str], None]


def write_check(app: App, connection: Connection, d365: D365Client, order: Order) -> Iterator[Line]:
    """Choose, ask, write, read back, delete. What `order.confirm` raises ends it before anything is written.

    FixConfiguration when there is nothing that it could be written with.
    """
    plan = plan_of(app, connection, d365, order.company, order.vendor)
    line = plan.lines[0]
    shown = f"pending invoice {plan.number} of {money_text(plan.amount)} {plan.currency} for vendor {plan.vendor} in company {plan.company}"
    coded = f"account string {line.account_string}, dimension string {line.dimension_string or '(blank)'}"
    order.confirm(f"Write the {shown} ({coded}) to {connection.d365.environment_url}, read it back and delete it again?")
    yield ok(PART, f"Now the {shown} is written ({coded}), read back and deleted. Should this be interrupted, look for it and delete it.")
    company = connection.company(plan.company)
    category = {"category": company.procurement_category, "category_hierarchy": company.procurement_hierarchy}
    yield from _Trial(app, d365, plan, plan.model_copy(update=category)).lines()


@dataclass
class _Trial:
    """One write check under way. `with_category` is the same document with the company's procurement category."""

    app: App
    d365: D365Client
    plan: InvoicePlan
    with_category: InvoicePlan
    found: list[Line] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._target = InvoiceTarget(self.d365)

    def lines(self) -> list[Line]:
        """Everything that was learned, the deletion last. Nothing is said in between, so nothing can keep the deletion from happening."""
        header = self._header()
        if header is None:
            return self.found
        try:
            if self._line(header.reference):
                self._read_back(header.reference)
        except SyncError as error:
            self.found.append(not_ok(PART, f"What was written cannot be read back: {error.sentence}"))
        finally:
            self.found.append(self._deleted(header.reference))
        return self.found

    # --- writing -----------------------------------------------------------------------------------------------------------------

    def _header(self) -> PendingInvoice | None:
        """The header, written with a HeaderReference of ours; without one when that is refused. None when it is not there."""
        ours = self.plan.number
        if self._headers() or self._target.posted(self.plan.company, self.plan.invoice_account, ours):
            raise FixConfiguration(f"D365 holds an invoice {ours} already: nothing was written.", field=ours)
        header, refused = self._sent("the header", lambda: self._create({"HeaderReference": ours}), self._headers_or_none)
        if header is None and refused:
            self.found.append(look(PART, f"D365 refuses the header with a HeaderReference of ours: {refused}"))
            header, refused = self._sent("the header", lambda: self._create({}), self._headers_or_none)
        if header is None:
            if refused:
                self.found.append(not_ok(PART, f"D365 refuses the header: {refused}", "Mend what it names, or name another --vendor."))
            return None
        whose = "the one that was sent" if fold(header.reference) == fold(ours) else "its own, whatever is sent"
        self.found.append(ok(PART, f"D365 takes the header; its HeaderReference {header.reference} is {whose}."))
        return header

    def _create(self, extra: dict[str, str]) -> None:
        self.d365.create(HEADERS, {**header_body(self.plan), **extra})

    def _line(self, reference: str) -> bool:
        """The line, written with an account only; with the category of the connection document when that is refused."""

        def there() -> list[PendingInvoiceLine] | None:
            return self._target.lines(self.plan.company, reference) or None

        written, refused = self._sent("the line", lambda: self._create_line(self.plan, reference), there)
        if written:
            left_out = ", so that of the connection document was left out" if self.with_category.category else ""
            self.found.append(ok(PART, f"D365 takes a line with only an account; no procurement category is needed{left_out}."))
            return True
        category = f"{self.with_category.category} of {self.with_category.category_hierarchy}"
        if refused and self.with_category.category:
            self.found.append(look(PART, f"D365 refuses a line with only an account: {refused}"))
            written, refused = self._sent("the line", lambda: self._create_line(self.with_category, reference), there)
            if written:
                self.found.append(ok(PART, f"D365 takes a line with the procurement category {category}."))
        if refused:
            remedy = "Mend what it names. A combination that the account structure does not allow says nothing of real invoices."
            self.found.append(not_ok(PART, f"D365 refuses the line: {refused}", remedy))
        return bool(written)

    def _create_line(self, plan: InvoicePlan, reference: str) -> None:
        self._target.create_lines(plan, reference, plan.lines)

    def _sent(self, what: str, send: Callable[[], None], there: Callable[[], "T | None"]) -> tuple["T | None", str]:
        """(what is there now, the refusal when it surely is not). Sent once. Whatever the answer was, what D365 holds decides."""
        refused, unclear, may_come = "", "", True
        try:
            send()
        except (FixData, AlreadyThere) as error:
            refused, may_come = error.sentence, False
        except FixConfiguration as error:
            unclear, may_come = error.sentence, False
        except SyncError as error:
            unclear = error.sentence
        try:
            found = self._seen(there, may_come=may_come)
        except SyncError as error:
            found, refused, unclear = None, "", f"{unclear or refused} It cannot be looked up: {error.sentence}".strip()
        if found is not None and (unclear or refused):
            self.found.append(look(PART, f"D365 stored {what} although it answered otherwise: {unclear or refused}"))
        elif found is None and not refused:
            self.found.append(self._lost(what, unclear or "D365 answered that it is stored."))
        return found, "" if found is not None else refused

    def _lost(self, what: str, why: str) -> Line:
        plan = self.plan
        remedy = (
            f"In some minutes, look for invoice {plan.number} of vendor {plan.invoice_account} in company {plan.company}, and delete it."
        )
        return not_ok(PART, f"D365 does not show {what}, and it is not sent again: {why}", remedy)

    def _seen(self, there: Callable[[], "T | None"], *, may_come: bool) -> "T | None":
        """What is there; looked for several times while it may still come. The last error when no look succeeds."""
        failed: SyncError | None = None
        for seconds in LOOKS_AFTER:
            self.app.ports.sleep(seconds)
            try:
                found = there()
            except SyncError as error:
                failed = error
                continue
            failed = None
            if found is not None or not may_come:
                return found
        if failed is not None:
            raise failed
        return None

    def _headers(self) -> list[PendingInvoice]:
        return self._target.pending(self.plan.company, self.plan.invoice_account, self.plan.number)

    def _headers_or_none(self) -> PendingInvoice | None:
        return next(iter(self._headers()), None)

    # --- reading back ------------------------------------------------------------------------------------------------------------

    def _read_back(self, reference: str) -> None:
        header = self._target.header(self.plan.company, reference)
        if header is None:
            self.found.append(not_ok(PART, f"The header {reference} cannot be found again."))
            return
        lines = self._target.lines(self.plan.company, reference)
        differing = {cause.field: cause.sentence for cause in differences(self.plan, header, lines)}
        for sentence, fields, remedy in TOPICS:
            wrong = [said for name, said in differing.items() if name in fields]
            self.found += [not_ok(PART, said, remedy) for said in wrong] or [ok(PART, f"{sentence}.")]
        others = {name: said for name, said in differing.items() if not any(name in fields for _, fields, _ in TOPICS)}
        self.found += [not_ok(PART, said, "Without it every invoice is parked.") for said in others.values()]

    # --- deleting ----------------------------------------------------------------------------------------------------------------

    def _deleted(self, reference: str) -> Line:
        """Line and header are deleted and surely gone; or it is said loudly what is left."""
        why = ""
        for attempt in range(DELETIONS):
            if attempt:
                self.app.ports.sleep(SECONDS_BETWEEN_DELETIONS)
            try:
                why = self._delete(reference)
            except SyncError as error:
                why = error.sentence
            if not why:
                return ok(PART, f"Line and header of {self.plan.number} are deleted again, and gone.")
        plan = self.plan
        left = f"PENDING INVOICE {plan.number} (HeaderReference {reference}) OF VENDOR {plan.invoice_account} IN COMPANY {plan.company}"
        return Line(PART, Verdict.NOT_OK, f"{left} IS STILL IN D365: {why}", PENDING_PAGE)

    def _delete(self, reference: str) -> str:
        """Delete what is still there; why it is not gone, or "". Only a draft with our number is touched."""
        plan, key = self.plan, {"dataAreaId": self.plan.company, "HeaderReference": reference}
        header, refused = self._target.header(plan.company, reference), ""
        if header is not None:
            if header.review_status != DRAFT or fold(header.number) != fold(plan.number):
                return f"it is no draft of this check any more (invoice {header.number}, status {header.review_status or 'blank'})."
            refused = self._gone(reference, key)
        if self._target.posted(plan.company, plan.invoice_account, plan.number):
            return "it has been posted."
        if self._headers() or self._target.lines(plan.company, reference):
            return refused or "D365 answered that it is deleted, and still shows it."
        return ""

    def _gone(self, reference: str, key: Mapping[str, KeyValue]) -> str:
        """Delete the lines, then the header; the last refusal, or ""."""
        keys = [(LINES, {**key, "InvoiceLineNumber": line.number}) for line in self._target.lines(self.plan.company, reference)]
        refused = ""
        for set_name, whole in (*keys, (HEADERS, key)):
            try:
                self.d365.delete(set_name, whole)
            except RowMissing:
                continue
            except SyncError as error:
                refused = error.sentence
        return refused

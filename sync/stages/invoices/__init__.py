"""Approved invoices of AvidXchange become pending vendor invoices of D365 (contracts/avidxchange.md §3, contracts/d365-fo.md §5)."""

from collections.abc import Iterator, Sequence
from typing import Final

from sync.avid.rows import parse_invoice
from sync.causes import Cause
from sync.connections.document import Company
from sync.d365.entity import typed
from sync.d365.literals import eq
from sync.d365.rows import PurchaseOrder
from sync.d365.wire import GIVEN_BY_D365, write_json
from sync.engine.attempt import done_mark
from sync.engine.deliver import Deliver
from sync.engine.delivery import Discovery, Extra, Noticed, Piece, Posted, Refusal, Reservation, Verdict
from sync.engine.model import Slice
from sync.ledger.model import NewRecord, Place, Record, State
from sync.stages.invoices.checks import Books, InvoiceCheck
from sync.stages.invoices.discovery import Reading, place_of
from sync.stages.invoices.images import ATTACHMENT, AttachmentPiece, Images
from sync.stages.invoices.plan import InvoicePlan
from sync.stages.invoices.readback import differences
from sync.stages.invoices.target import HEADER_REFERENCE, HEADERS, LINES, HeaderPiece, InvoiceTarget, LinesPiece, header_body, line_body
from sync.values import fold, money, money_text

NAME: Final = "invoices"
AFTER: Final = ("vendors", "gl_accounts", "dimensions")


class Invoices:
    """The declaration, opened for one slice."""

    def __init__(self, slice_: Slice) -> None:
        self._slice = slice_
        self._started = slice_.ports.clock.now()
        self._target = InvoiceTarget(slice_.systems.d365)
        self._images = Images(slice_)
        self._readings = [Reading(slice_, company) for company in slice_.connection.companies]
        self._books: dict[str, Books] = {}

    def _books_of(self, company: Company) -> Books:
        if company.id not in self._books:
            systems = self._slice.systems
            self._books[company.id] = Books(
                connection=self._slice.connection,
                company=company,
                reference=systems.reference(company),
                required_groups=Books.required(systems.avid.code_groups(company.accounting_system)),
                purchase_order=lambda number: self._purchase_order(company, number),
                names=systems.avid.profile.fields,
            )
        return self._books[company.id]

    def _purchase_order(self, company: Company, number: str) -> PurchaseOrder | None:
        where = eq("PurchaseOrderNumber", number)
        rows = self._slice.systems.d365.rows(PurchaseOrder.SET, where=where, select=PurchaseOrder.SELECT, company=company.id)
        orders = [order for row in rows if fold((order := typed(PurchaseOrder, row)).number) == fold(number)]
        return orders[0] if orders else None

    # --- what the engine asks ----------------------------------------------------------------------------------------------------

    def places(self) -> Sequence[Place]:
        """One place per company."""
        return [place_of(self._slice, company) for company in self._slice.connection.companies]

    def discover(self) -> Iterator[Discovery]:
        """Closed batches, company by company."""
        for reading in self._readings:
            yield from reading.discoveries()

    def discovered(self) -> None:
        """Everything that was closed before this slice began is durable."""
        for reading in self._readings:
            reading.move_watermark(self._started)

    def is_outdated(self, record: Record) -> bool:
        """Its batch was closed again with another version of it, or without it."""
        return any(record.key in reading.outdated for reading in self._readings)

    def group(self, record: Record) -> str:
        """Invoices do not wait for each other; those of one vendor and number do, in whatever case they are written."""
        return fold(f"{record.facts.get('vendor', '')}|{record.facts.get('number', '')}")

    def prepare(self, records: Sequence[Record]) -> None:
        """Vendors by the dozen; and the reference data before several threads ask for it at once."""
        for company, of_company in _by_company(records).items():
            reference = self._books_of(self._slice.connection.company(company)).reference
            reference.prefetch_vendors(record.facts["vendor"] for record in of_company if record.facts.get("vendor"))
            reference.warm(self._slice.connection.dimensions)

    def examine(self, record: Record, text: str) -> Verdict:
        """All checks of contracts/avidxchange.md §3 before D365."""
        invoice = parse_invoice(text, self._slice.systems.avid.profile)
        books = self._books_of(self._slice.connection.company(record.place.company))
        return InvoiceCheck(books, invoice, record.key).verdict()

    def reserve(self, record: Record, plan: str) -> Reservation:
        """Nothing beside the record."""
        return Reservation()

    def pieces(self, plan: str) -> Sequence[Piece]:
        """Header, then lines, now that the number is known."""
        invoice = InvoicePlan.model_validate_json(plan)
        header = HeaderPiece(self._target, invoice)
        return [header, LinesPiece(self._target, invoice, header)]

    def bodies(self, plan: str) -> Sequence[str]:
        """The header, then every line."""
        invoice = InvoicePlan.model_validate_json(plan)
        lines = [(LINES, line_body(invoice, GIVEN_BY_D365, line)) for line in invoice.lines]
        return [f"POST {name} {write_json(body).decode()}" for name, body in [(HEADERS, header_body(invoice)), *lines]]

    def refused(self, record: Record, piece: str, causes: tuple[Cause, ...]) -> Refusal:
        """A header of ours whose lines are refused for good is deleted while it is a Draft (design §3.6)."""
        reference = record.progress.get(HEADER_REFERENCE, "")
        if piece == HeaderPiece.name or self._target.delete_draft(record.place.company, reference):
            return Refusal(State.PARKED, causes, again=self._formats_changed(record, causes))
        left = Cause(
            "written-differs", record.label, f"{record.label}: the header {reference} in D365 has not all its lines; delete it by hand."
        )
        return Refusal(State.PARKED, (*causes, left), dict(record.progress))

    def _formats_changed(self, record: Record, causes: tuple[Cause, ...]) -> bool:
        """Whether D365 complained about segments because its dimension formats are others by now: then the next run plans anew."""
        complained = any(cause.code == "dimension-segments" for cause in causes)
        return complained and self._books_of(self._slice.connection.company(record.place.company)).reference.formats_changed()

    def verify(self, record: Record, plan: str) -> tuple[Cause, ...]:
        """Compare with the plan; an invoice that is posted meanwhile is compared by `watch`."""
        invoice = InvoicePlan.model_validate_json(plan)
        if record.progress.get("posted"):
            return ()
        reference = record.progress[HEADER_REFERENCE]
        header = self._target.header(invoice.company, reference)
        if header is None:
            return self._gone(invoice, reference)
        return differences(invoice, header, self._target.lines(invoice.company, reference))

    def _gone(self, invoice: InvoicePlan, reference: str) -> tuple[Cause, ...]:
        if self._target.posted(invoice.company, invoice.invoice_account, invoice.number):
            return ()
        sentence = f"Invoice {invoice.number} of {invoice.invoice_account}: its pending invoice {reference} cannot be read back."
        return (Cause("written-differs", f"invoice {invoice.number} of {invoice.invoice_account}", sentence),)

    def extras(self, record: Record) -> Sequence[Extra]:
        """The image, where the customer allows its host."""
        wanted = record.facts.get("image") and record.progress.get(HEADER_REFERENCE) and self._images.wanted
        if not wanted or record.progress.get(done_mark(AttachmentPiece.name)):
            return ()
        plan = InvoicePlan.model_validate_json(self._slice.ledger.text(record.plan))
        return [Extra(AttachmentPiece(self._images, self._target, plan), ATTACHMENT, frozenset({ATTACHMENT}))]

    def watch(self, records: Sequence[Record]) -> Iterator[Posted | Noticed]:
        """Posted is only ever a D365 fact. The posted amount must be the invoice's. What is neither pending nor posted was deleted.

        The pending ones are asked for first: an invoice that is posted in between is found among the posted.
        """
        for company, of_company in _by_company(records).items():
            references = [reference for record in of_company if (reference := record.progress.get(HEADER_REFERENCE))]
            pending = self._target.still_pending(company, references)
            found = self._target.posted_among(company, [record.facts["number"] for record in of_company])
            posted = {(fold(item.invoice_account), fold(item.number)): item for item in found}
            for record in of_company:
                item = posted.get((fold(record.facts["invoice_account"]), fold(record.facts["number"])))
                if item is not None:
                    yield Posted(record, f"Posted in D365, voucher {item.voucher or '(none)'}.", _amount_differs(record, item.amount))
                elif record.progress.get(HEADER_REFERENCE):
                    yield _there_or_gone(record, pending)

    def changed(self, record: Record, document: NewRecord) -> tuple[Cause, ...]:
        """Every change of substance after the write is for a person; `version` covers substance only."""
        shown = [f"{name} {old} → {new}" for name, new in document.facts.items() if (old := record.facts.get(name, "")) != new]
        what = ", ".join(shown) or "its lines or texts"
        sentence = f"{record.label} changed in AvidXchange after it was {record.state} in D365 ({what}); nothing was touched."
        return (Cause("changed-after-write", record.label, sentence),)

    def close(self) -> None:
        """Acknowledge what is complete."""
        for reading in self._readings:
            reading.acknowledge()


def _by_company(records: Sequence[Record]) -> dict[str, list[Record]]:
    grouped: dict[str, list[Record]] = {}
    for record in records:
        grouped.setdefault(record.place.company, []).append(record)
    return grouped


def _there_or_gone(record: Record, pending: frozenset[str]) -> Noticed:
    """An exception for a person when the header is gone; it goes by itself should the header be seen again."""
    others = tuple(cause for cause in record.causes if cause.code != "written-gone")
    reference = record.progress[HEADER_REFERENCE]
    if fold(reference) in pending:
        return Noticed(record, f"The pending invoice {reference} is there.", others)
    sentence = f"{record.label}: its pending invoice {reference} is neither pending nor posted in D365 any more; it is not written again."
    return Noticed(record, sentence, (*others, Cause("written-gone", record.label, sentence, "HeaderReference")))


def _amount_differs(record: Record, amount: object) -> tuple[Cause, ...]:
    if money(record.facts["amount"]) == amount:
        return ()
    sentence = f"{record.label}: written with {record.facts['amount']}, posted with {money_text(money(str(amount)))}."
    return (Cause("written-differs", record.label, sentence, "InvoiceAmount"),)


def stage() -> Deliver:
    """The stage."""
    return Deliver(NAME, AFTER, Invoices)

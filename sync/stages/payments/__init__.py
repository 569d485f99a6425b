"""Settled payments of AvidXchange become vendor payment journal lines of D365 (contracts/avidxchange.md §3, contracts/d365-fo.md §6)."""

from collections.abc import Iterator, Sequence
from typing import Final

from sync.avid.models import BadRow
from sync.avid.rows import parse_payment
from sync.causes import Cause
from sync.d365.wire import GIVEN_BY_D365, write_json
from sync.engine.deliver import Deliver
from sync.engine.delivery import Discovery, Extra, Newer, Noticed, Park, Piece, Posted, Ready, Refusal, Reservation, Verdict
from sync.engine.extras import REFUSED, on_request, was_tried
from sync.engine.model import Slice
from sync.errors import FixData
from sync.ledger.model import NewRecord, Place, Record, State
from sync.stages.payments.books import Books
from sync.stages.payments.checks import PaymentCheck
from sync.stages.payments.discovery import PaymentReading, payment_document, unreadable
from sync.stages.payments.journals import JournalBook
from sync.stages.payments.moves import causes_of_moves
from sync.stages.payments.plan import PaymentPlan
from sync.stages.payments.readback import differences
from sync.stages.payments.settlements import MARKED_ELSEWHERE, LateSettlements, SettlementsPiece
from sync.stages.payments.target import (
    JOURNAL,
    LINE,
    LINES,
    NUMBER_TAKEN,
    SETTLED,
    LinePiece,
    PaymentTarget,
    line_body,
    settlement_body,
)
from sync.stages.payments.watch import Watch, by_company
from sync.values import digest

NAME: Final = "payments"
AFTER: Final = ("vendors",)


class Payments:
    """The declaration, opened for one slice."""

    def __init__(self, slice_: Slice) -> None:
        self._slice = slice_
        self._started = slice_.ports.clock.now()
        self._place = Place(slice_.connection.id, slice_.stage)
        self._target = PaymentTarget(slice_.systems.d365, slice_.connection.policies)
        self._reading = PaymentReading(slice_, self._place)
        self._journals = JournalBook(slice_, self._place, self._target)

    def places(self) -> Sequence[Place]:
        """One place for the connection: the company is an attribute, frozen at the claim."""
        return [self._place]

    def discover(self) -> Iterator[Discovery]:
        """What moved in AvidXchange."""
        return self._reading.discoveries()

    def discovered(self) -> None:
        """Everything that moved before this slice began is durable."""
        self._reading.move_watermark(self._started)

    def is_outdated(self, record: Record) -> bool:
        """Never: every examination reads the payment anew."""
        return False

    def group(self, record: Record) -> str:
        """Lines of one journal go one after another: payments of one bank account and method stay together."""
        return record.facts.get("bank", "")

    def prepare(self, records: Sequence[Record]) -> None:
        """Every payment is read right before it is written; nothing is read ahead."""

    def examine(self, record: Record, text: str) -> Verdict:
        """All checks, on the payment as it stands in AvidXchange right now (contracts/avidxchange.md §3: re-read right before writing)."""
        known = parse_payment(text, self._slice.systems.avid.profile)
        now = self._slice.ports.clock.now()
        current = next(iter(self._slice.systems.avid.payments_by_id([known.id])), None)
        if current is None:
            sentence = f"AvidXchange lists payment {known.id} no longer, so it is not written."
            return Park((Cause("payment-status", f"payment {known.id}", sentence, self._slice.systems.avid.profile.fields.payment.id),))
        if isinstance(current, BadRow):
            return Park((unreadable(current),))
        if digest(current.substance) != record.version:
            return Newer(payment_document(current, now))
        complete = self._slice.systems.avid.with_remittances(current)
        if isinstance(complete, BadRow):
            return Park((unreadable(complete),))
        verdict = PaymentCheck(Books(self._slice, self._target), complete, now, record.created_at).verdict()
        if isinstance(verdict, Ready) and verdict.facts["mixed"]:
            self._slice.report.count("dimensions_mixed")
        return verdict

    def reserve(self, record: Record, plan: str) -> Reservation:
        """Journal and line number, fixed before the line is sent."""
        if "done:line" in record.progress:
            return Reservation()
        return self._journals.reserve(record, PaymentPlan.model_validate_json(plan))

    def pieces(self, plan: str) -> Sequence[Piece]:
        """The line, then what it settles; a line with a MarkedInvoice says so itself."""
        payment = PaymentPlan.model_validate_json(plan)
        line = LinePiece(self._target, payment)
        return [line] if payment.marked_invoice else [line, SettlementsPiece(self._target, payment)]

    def bodies(self, plan: str) -> Sequence[str]:
        """The journal line, then what it settles."""
        payment = PaymentPlan.model_validate_json(plan)
        settlements = [] if payment.marked_invoice else payment.settlements
        rows = [(SETTLED, settlement_body(payment, GIVEN_BY_D365, 0, item, self._target.stated(item))) for item in settlements]
        return [f"POST {name} {write_json(body).decode()}" for name, body in [(LINES, line_body(payment, GIVEN_BY_D365, 0)), *rows]]

    def refused(self, record: Record, piece: str, causes: tuple[Cause, ...]) -> Refusal:
        """A refused line leaves nothing. A line whose settlements are refused stays: nothing written is ever deleted by us."""
        if piece == LinePiece.name:
            taken = any(cause.code == NUMBER_TAKEN for cause in causes)
            return Refusal(State.RETRYING if taken else State.PARKED, causes, again=self._formats_changed(record, causes))
        left = Cause("written-differs", record.label, f"{record.label}: its journal line is written, but it settles not all its invoices.")
        marked = any(cause.code == MARKED_ELSEWHERE for cause in causes)
        later = {} if marked else on_request(LateSettlements.name)
        return Refusal(State.WRITTEN, (*causes, left), {**record.progress, **later})

    def _formats_changed(self, record: Record, causes: tuple[Cause, ...]) -> bool:
        """Whether D365 complained about segments because its dimension formats are others by now: then the next run plans anew."""
        company = self._slice.connection.company(record.facts["company"])
        complained = any(cause.code == "dimension-segments" for cause in causes)
        return complained and self._slice.systems.reference(company).formats_changed()

    def verify(self, record: Record, plan: str) -> tuple[Cause, ...]:
        """Compare with the plan; a settlement row that D365 left away in silence is written once more."""
        if record.progress.get("posted"):
            return ()
        payment = PaymentPlan.model_validate_json(plan)
        refused = self._repair(record, payment)
        journal, number = record.progress[JOURNAL], int(record.progress[LINE])
        lines = self._target.lines(payment.company, journal, number, payment.payment_id)
        line = next((item for item in lines if item.journal == journal and item.number == number), None)
        found = differences(payment, line, self._target.settled(payment.company, journal, number), self._target.stated)
        return (*refused, *found, *_on_hold(payment))

    def _repair(self, record: Record, payment: PaymentPlan) -> tuple[Cause, ...]:
        """Write once more what D365 left away in silence. What it refuses now is reported."""
        settlements = SettlementsPiece(self._target, payment)
        if not settlements.missing(record):
            return ()
        try:
            settlements.send(record)
        except FixData as error:
            return error.causes
        self._slice.report.count("repaired")
        return ()

    def extras(self, record: Record) -> Sequence[Extra]:
        """The settlements of a line that another journal's mark kept away: they follow when the mark is gone. Refused ones: on request.

        Once they were tried they are open until they are done, whatever has come between.
        """
        late = {cause.code for cause in record.causes} & {MARKED_ELSEWHERE, REFUSED}
        if not late and not was_tried(record.progress, LateSettlements.name):
            return ()
        payment = PaymentPlan.model_validate_json(self._slice.ledger.text(record.plan))
        return [Extra(LateSettlements(self._target, payment), MARKED_ELSEWHERE, frozenset({MARKED_ELSEWHERE, REFUSED, "written-differs"}))]

    def watch(self, records: Sequence[Record]) -> Iterator[Posted | Noticed]:
        """A payment is posted when its journal is. One whose line or journal is gone without that was deleted by a person."""
        for company, of_company in by_company(records).items():
            yield from Watch(self._target, company, of_company).seen()

    def changed(self, record: Record, document: NewRecord) -> tuple[Cause, ...]:
        """Any later move of a written payment but its settlement is for a person, saying whether its journal is posted."""
        profile = self._slice.systems.avid.profile
        return causes_of_moves(record, document, parse_payment(document.text, profile), profile)

    def close(self) -> None:
        """Nothing is acknowledged for payments."""


def _on_hold(payment: PaymentPlan) -> tuple[Cause, ...]:
    if not payment.held:
        return ()
    sentence = f"Payment {payment.payment_id} was made to {payment.invoice_account}, on hold ({payment.held}) in D365; it is recorded."
    return (Cause("vendor-payment-hold", f"vendor {payment.invoice_account}", sentence),)


def stage() -> Deliver:
    """The stage."""
    return Deliver(NAME, AFTER, Payments)

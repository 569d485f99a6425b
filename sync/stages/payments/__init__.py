"""Settled payments of AvidXchange become vendor payment journal lines of D365 (contracts/avidxchange.md §3, contracts/d365-fo.md §6)."""

from collections.abc import Iterator, Sequence
from typing import Final

from sync.avid.models import BadRow, PaymentState
from sync.avid.rows import parse_payment
from sync.causes import Cause
from sync.engine.deliver import Deliver
from sync.engine.delivery import Discovery, Newer, Park, Piece, Posted, Refusal, Reservation, Verdict
from sync.engine.model import Slice
from sync.ledger.model import NewRecord, Place, Record, State
from sync.stages.payments.books import Books
from sync.stages.payments.checks import PaymentCheck
from sync.stages.payments.discovery import PaymentReading, payment_document
from sync.stages.payments.journals import JournalBook
from sync.stages.payments.plan import PaymentPlan
from sync.stages.payments.readback import differences
from sync.stages.payments.target import JOURNAL, LINE, LinePiece, PaymentTarget, SettlementsPiece
from sync.values import digest

NAME: Final = "payments"
AFTER: Final = ("vendors",)
MOVED_BACK: Final = frozenset({PaymentState.VOIDED, PaymentState.ERROR, PaymentState.UNKNOWN, PaymentState.PENDING, PaymentState.IN_FLIGHT})


class Payments:
    """The declaration, opened for one slice."""

    def __init__(self, slice_: Slice) -> None:
        self._slice = slice_
        self._started = slice_.ports.clock.now()
        self._place = Place(slice_.connection.id, slice_.stage)
        self._target = PaymentTarget(slice_.systems.d365, slice_.connection.policies.settlement_amount)
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
            return Park((Cause("payment-status", f"payment {known.id}", sentence, "PaymentId"),))
        if isinstance(current, BadRow):
            return Park((Cause("field-invalid", f"payment {known.id}", current.sentence, current.field),))
        if digest(current.substance) != record.version:
            return Newer(payment_document(current, now))
        complete = self._slice.systems.avid.with_remittances(current)
        if isinstance(complete, BadRow):
            return Park((Cause("field-invalid", f"payment {known.id}", complete.sentence, complete.field),))
        return PaymentCheck(Books(self._slice, self._target), complete, now).verdict()

    def reserve(self, record: Record, plan: str) -> Reservation:
        """Journal and line number, fixed before the line is sent."""
        if "done:line" in record.progress:
            return Reservation()
        return self._journals.reserve(record, PaymentPlan.model_validate_json(plan))

    def pieces(self, plan: str) -> Sequence[Piece]:
        """The line, then what it settles."""
        payment = PaymentPlan.model_validate_json(plan)
        return [LinePiece(self._target, payment), SettlementsPiece(self._target, payment)]

    def refused(self, record: Record, piece: str, causes: tuple[Cause, ...]) -> Refusal:
        """A refused line leaves nothing. A line whose settlements are refused stays: nothing written is ever deleted by us."""
        if piece == LinePiece.name:
            return Refusal(State.PARKED, causes)
        left = Cause("written-differs", record.label, f"{record.label}: its journal line is written, but it settles not all its invoices.")
        return Refusal(State.WRITTEN, (*causes, left), dict(record.progress))

    def verify(self, record: Record, plan: str) -> tuple[Cause, ...]:
        """Compare with the plan; a settlement row that D365 left away in silence is written once more."""
        if record.progress.get("posted"):
            return ()
        payment = PaymentPlan.model_validate_json(plan)
        settlements = SettlementsPiece(self._target, payment)
        if settlements.missing(record):
            settlements.send(record)
            self._slice.report.count("repaired")
        journal, number = record.progress[JOURNAL], int(record.progress[LINE])
        lines = self._target.lines(payment.company, journal, number, payment.payment_id)
        line = next((item for item in lines if item.journal == journal and item.number == number), None)
        return differences(payment, line, self._target.settled(journal, number))

    def watch(self, records: Sequence[Record]) -> Iterator[Posted]:
        """A payment is posted when its journal is."""
        journals: dict[tuple[str, str], bool] = {}
        for record in records:
            if record.progress.get("posted") or self._is_posted(journals, record.facts["company"], record.progress[JOURNAL]):
                yield Posted(record, f"Posted in D365 with journal {record.progress.get(JOURNAL) or '(unknown)'}.")

    def _is_posted(self, journals: dict[tuple[str, str], bool], company: str, journal: str) -> bool:
        if (company, journal) not in journals:
            header = self._target.journal(company, journal)
            journals[company, journal] = header is not None and header.is_posted
        return journals[company, journal]

    def changed(self, record: Record, document: NewRecord) -> tuple[Cause, ...]:
        """Any later move of a written payment but its settlement is for a person, saying whether its journal is posted."""
        payment = parse_payment(document.text, self._slice.systems.avid.profile)
        old, new = record.facts, document.facts
        moved = [f"{name} {old.get(name, '')} → {new.get(name, '')}" for name in ("amount", "method") if old.get(name) != new.get(name)]
        if payment.state in MOVED_BACK:
            moved.append(f"status → {payment.status}")
        if not moved:
            return ()
        posted = "posted" if record.state is State.POSTED else "not posted"
        journal = record.progress.get(JOURNAL, "")
        sentence = f"{record.label} moved in AvidXchange after it was written ({', '.join(moved)}); its journal {journal} is {posted}."
        return (Cause("payment-reversed", record.label, sentence),)

    def close(self) -> None:
        """Nothing is acknowledged for payments."""


def stage() -> Deliver:
    """The stage."""
    return Deliver(NAME, AFTER, Payments)

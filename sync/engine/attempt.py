"""One attempt at one record: examine → look → claim → write → verify (design §1, Deliver; invariants 2 to 5).

The look comes right before the claim, and the claim carries the ETag that the record had before the look: whoever acted in between makes
the claim fail. The claim and `sent_at` are one durable step before each piece is sent; a record found in it by another worker is `unknown`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, Unpack

from sync.causes import Cause
from sync.engine.delivery import Delivery, Foreign, Found, Leave, Newer, Nothing, Park, Piece, Ready, Refusal, Sight
from sync.engine.model import Slice
from sync.errors import Blocked, FixConfiguration, FixData, OutcomeUnknown, SignInAgain, StorageConflict, SyncError, Throttled, TryLater
from sync.ledger.model import NewRecord, Record, State, Step
from sync.ledger.store import Changes
from sync.storage.model import Change
from sync.values import job_id

ON_REQUEST: Final = datetime(9999, 12, 31, tzinfo=UTC)
"""The due time of a record that only a replay or a new version tries again: what a target refused for good has no timed retry."""
SENDING: Final = "sending"
IN_TARGET: Final = frozenset({State.WRITTEN, State.POSTED, State.ADOPTED})
FIRST_BACK_OFF_SECONDS: Final = 30.0
LONGEST_BACK_OFF_SECONDS: Final = 3_600.0


def _reason(error: SyncError) -> dict[str, str]:
    """What lies behind an error's sentence, for the audit trail. It holds no secret, see `sync.errors`."""
    return {"reason": error.detail} if error.detail else {}


def done_mark(piece: str) -> str:
    """The key under which a record's progress remembers a finished piece."""
    return f"done:{piece}"


class Attempt:
    """The work on one record in one slice. `record` is always the last durable version."""

    def __init__(self, slice_: Slice, delivery: Delivery, record: Record, owner: str) -> None:
        self._slice = slice_
        self._delivery = delivery
        self.record = record
        self._owner = owner
        self._ready: Ready | None = None
        self._progress: dict[str, str] = dict(record.progress)

    def run(self) -> None:
        """Take the record as far as it goes now. Raises TryLater, FixConfiguration and StorageConflict for the stage to handle."""
        match self.record.state:
            case State.CLAIMED if self.record.owner != self._owner:
                self._move(Step("unknown", "Its writer ended without storing an outcome."), state=State.UNKNOWN, due=self._now())
                self._settle()
            case State.UNKNOWN:
                self._settle()
            case _ if self._has_begun():
                self._advance(self._slice.ledger.text(self.record.plan))
            case State.FOUND | State.PARKED | State.RETRYING:
                self._fresh()
            case _:
                pass

    def put_off(self, error: TryLater) -> None:
        """A system did not answer for this record: it stays what it is, and comes again later. Raises StorageConflict, TryLater."""
        due = self._now() + timedelta(seconds=self._delay(error))
        self._move(Step("put off", error.sentence, _reason(error)), due=due, attempts=self.record.attempts + 1)
        self._count("put_off")
        self._slice.retry_later(self.record, due)

    # --- examine -----------------------------------------------------------------------------------------------------------------

    def _fresh(self) -> None:
        verdict = self._delivery.examine(self.record, self._slice.ledger.text(self.record.payload))
        if isinstance(verdict, Newer):
            self._take_over(verdict.document)
            verdict = self._delivery.examine(self.record, verdict.document.text)
        match verdict:
            case Ready():
                self._ready = verdict
                self._advance(verdict.plan)
            case Park(causes):
                self._park(causes)
            case Leave(sentence):
                self._move(Step("left", sentence), state=State.OUT_OF_SCOPE, due=None, causes=())
                self._count("out_of_scope")
            case Newer():
                raise TryLater(f"{self.record.label} keeps changing in its source.")

    def _take_over(self, document: NewRecord) -> None:
        payload = self._slice.ledger.keep(document.text)
        connection = self._slice.connection.id
        self._move(
            Step("changed", "The source holds a newer version."),
            version=document.version,
            job=job_id(connection, self._slice.stage, document.key, document.version),
            payload=payload,
            facts=document.facts,
            label=document.label,
        )

    def _park(self, causes: tuple[Cause, ...], *, due: datetime | None = None) -> None:
        ordered = tuple(sorted(set(causes)))
        self._count("parked")
        if self.record.state is State.PARKED and self.record.causes == ordered:
            return
        note = "; ".join(cause.sentence for cause in ordered)
        self._move(
            Step("parked", note),
            state=State.PARKED,
            causes=ordered,
            due=due or self._now(),
            owner="",
            sent_at=None,
            alias="",
            progress={},
        )

    # --- look, claim, write ------------------------------------------------------------------------------------------------------

    def _has_begun(self) -> bool:
        return any(key.startswith("done:") for key in self.record.progress)

    def _advance(self, plan: str) -> None:
        """Every piece in order: found ones are remembered, missing ones are written."""
        for piece in self._delivery.pieces(plan):
            if done_mark(piece.name) in self._progress:
                continue
            seen = piece.look(self._view)
            if not self._accept(piece, self._write(piece, plan) if isinstance(seen, Nothing) else seen):
                return
        self._finish(plan)

    def _accept(self, piece: Piece, sight: Sight | None) -> bool:
        """Whether to go on with the next piece. None: the record was moved and is not to be worked on any more."""
        match sight:
            case Found(progress):
                self._remember(piece, progress)
                return True
            case Foreign():
                self._foreign(sight)
        return False

    def _remember(self, piece: Piece, progress: Mapping[str, str]) -> None:
        self._progress |= progress
        self._progress[done_mark(piece.name)] = "1"
        self._progress.pop(SENDING, None)

    def _foreign(self, sight: Foreign) -> None:
        if sight.causes:
            self._park(sight.causes)
            return
        changes = Changes(state=State.ADOPTED, due=None, causes=(), owner="", progress={"adopted": sight.reference})
        if self._claim(Step("adopted", f"{sight.reference} was in D365 already, was not written by us, and agrees."), changes):
            self._count("adopted")

    def _write(self, piece: Piece, plan: str) -> Sight | None:
        """Intent, then effect. A refused sign-in is renewed by the client: look again, then send once more."""
        for last in (False, True):
            if not self._intend(piece, plan):
                return None
            try:
                return self._send(piece)
            except SignInAgain as error:
                if last:
                    self._retry(TryLater(error.sentence))
                    raise FixConfiguration(error.sentence, detail=error.detail) from error
            sight = piece.look(self._view)
            if not isinstance(sight, Nothing):
                return sight
        return None

    def _intend(self, piece: Piece, plan: str) -> bool:
        """The claim: keys, plan, owner, the piece that is about to be sent and when, durable before it is sent."""
        step = Step("sending", f"About to write: {piece.name}.", {"piece": piece.name})
        try:
            reservation = self._delivery.reserve(self._view, plan)
        except Blocked as error:
            self._retry(error)
            return False
        self._progress |= reservation.progress
        self._progress[SENDING] = piece.name
        changes = Changes(
            state=State.CLAIMED, owner=self._owner, sent_at=self._now(), looks=0, due=self._now(), causes=(), progress=dict(self._progress)
        )
        return self._claim(step, changes, reservation.extra)

    def _claim(self, step: Step, changes: Changes, extra: Sequence[Change] = ()) -> bool:
        """Move with the plan and the second natural key, when they are not durable yet. False: another record holds the key."""
        try:
            self._move(step, extra=extra, **(changes | self._claimed_keys()))
        except StorageConflict as error:
            if not error.exists:
                raise
            self._park_twin(error)
            return False
        return True

    def _claimed_keys(self) -> Changes:
        if self._ready is None:
            return Changes()
        ready = self._ready
        return Changes(
            plan=self._slice.ledger.keep(ready.plan),
            alias=ready.alias,
            facts={**self.record.facts, **ready.facts},
            label=ready.label or self.record.label,
        )

    def _park_twin(self, error: StorageConflict) -> None:
        """Another record holds the same natural key: both are named (contracts/avidxchange.md §3, Invoices 9)."""
        assert self._ready is not None
        holder = self._slice.ledger.holder(self.record.place, self._ready.alias)
        twin = self._slice.ledger.get(self.record.place, holder) if holder else None
        if twin is None or twin.key == self.record.key:
            raise error
        self._progress.clear()
        where = "is in D365" if twin.state in IN_TARGET else "comes first"
        sentence = (
            f"{self.record.label} (AvidXchange id {self.record.source_id}) has the vendor and number of the one with the id "
            f"{twin.source_id}, which {where}."
        )
        self._park((Cause("duplicate-number", f"id {twin.source_id}", sentence),))

    def _send(self, piece: Piece) -> Sight | None:
        self._assert_still_fresh()
        try:
            return Found(piece.send(self.record))
        except OutcomeUnknown as error:
            self._move(Step("unknown", error.sentence, _reason(error)), state=State.UNKNOWN, due=self._now())
            return self._look_after_doubt(piece)
        except FixData as error:
            sight = piece.look(self._view)
            if isinstance(sight, Nothing):
                self._refused(piece, error.causes)
                return None
            return sight
        except FixConfiguration as error:
            self._retry(TryLater(error.sentence))
            raise
        except TryLater as error:
            self._retry(error)
            if isinstance(error, Throttled):
                raise
            return None

    def _assert_still_fresh(self) -> None:
        """A worker that slept between its claim and its send must not write: another may have looked and decided since."""
        sent_at = self.record.sent_at
        freshness = timedelta(seconds=self._slice.connection.policies.write_seconds)
        if sent_at is None or self._now() - sent_at > freshness:
            raise TryLater(f"{self.record.label} was claimed too long ago to be written now.")

    def _refused(self, piece: Piece, causes: tuple[Cause, ...]) -> None:
        refusal = self._delivery.refused(self._view, piece.name, causes)
        self._progress = dict(refusal.progress)
        if refusal.state is State.PARKED and not refusal.progress:
            self._park(refusal.causes, due=None if refusal.again else ON_REQUEST)
        else:
            self._leave_part(refusal)

    def _leave_part(self, refusal: Refusal) -> None:
        self._move(
            Step("refused", "; ".join(cause.sentence for cause in refusal.causes)),
            state=refusal.state,
            causes=refusal.causes,
            progress=dict(refusal.progress),
            due=ON_REQUEST if refusal.state is State.PARKED else self._now(),
            owner="",
            sent_at=None,
        )
        self._count(refusal.state.value)

    # --- doubt -------------------------------------------------------------------------------------------------------------------

    def _look_after_doubt(self, piece: Piece) -> Sight | None:
        sight = piece.look(self._view)
        if not isinstance(sight, Nothing):
            return sight
        self._wait()
        return None

    def _settle(self) -> None:
        """Only a look decides: found is done; not found counts when the settle time has passed, on two looks (invariant 4)."""
        plan = self._slice.ledger.text(self.record.plan)
        in_flight = self.record.progress.get(SENDING, "")
        for piece in self._delivery.pieces(plan):
            if done_mark(piece.name) in self._progress:
                continue
            sight = piece.look(self._view)
            if isinstance(sight, Nothing):
                if piece.name == in_flight and not self._believe_absence():
                    return
                self._start_over(plan)
                return
            if not self._accept(piece, sight):
                return
        self._finish(plan)

    def _believe_absence(self) -> bool:
        sent_at = self.record.sent_at
        assert sent_at is not None
        if self._now() < sent_at + self._settle_time:
            self._wait()
            return False
        if self.record.looks + 1 < 2:
            self._move(
                Step("looked", "Not found; the next look decides."),
                looks=self.record.looks + 1,
                due=self._now() + self._settle_time / 4,
            )
            self._count("unknown")
            return False
        return True

    def _wait(self) -> None:
        sent_at = self.record.sent_at
        assert sent_at is not None
        due = sent_at + self._settle_time
        self._count("unknown")
        if self.record.due != due:
            self._move(Step("looked", "Not found yet; a write can take effect late."), due=due, causes=(self._doubt(),))
            self._slice.retry_later(self.record, due)

    def _doubt(self) -> Cause:
        """While the outcome is unknown the record is in the failures list: it must be seen even if no look ever decides."""
        sentence = f"{self.record.label} was sent to D365 without a clear answer; it is looked up until it is found or surely absent."
        return Cause("outcome-unknown", self.record.label, sentence)

    def _start_over(self, plan: str) -> None:
        """Surely not there: what exists already is completed by the old plan, else the document is examined anew.

        One that changed in its source meanwhile waits for the next run, which takes the change first.
        """
        self._progress.pop(SENDING, None)
        self._move(
            Step("absent", "Surely not in D365."),
            state=State.RETRYING,
            progress=dict(self._progress),
            owner="",
            sent_at=None,
            looks=0,
            due=self._now(),
            causes=(),
        )
        if self._has_begun():
            self._advance(plan)
        elif not self._delivery.is_outdated(self.record):
            self._fresh()

    # --- outcome -----------------------------------------------------------------------------------------------------------------

    def _finish(self, plan: str) -> None:
        differences = self._delivery.verify(self._view, plan)
        note = "Written and read back." if not differences else "Written, but: " + "; ".join(cause.sentence for cause in differences)
        changes = Changes(
            state=State.WRITTEN,
            causes=tuple(sorted(set(differences))),
            progress=dict(self._progress),
            owner="",
            sent_at=None,
            attempts=0,
            due=self._now(),
        )
        if self._claim(Step("written", note, dict(self._progress)), changes):
            self._count("written")

    def _retry(self, error: TryLater) -> None:
        due = self._now() + timedelta(seconds=self._delay(error))
        self._move(
            Step("retrying", error.sentence, _reason(error)),
            state=State.RETRYING,
            due=due,
            attempts=self.record.attempts + 1,
            owner="",
            progress={key: value for key, value in self._progress.items() if key != SENDING},
        )
        self._count("retrying")
        self._slice.retry_later(self.record, due)

    def _delay(self, error: TryLater) -> float:
        if isinstance(error, Throttled):
            return max(0.0, (error.not_before - self._now()).total_seconds())
        if error.delay is not None:
            return error.delay
        longest = min(LONGEST_BACK_OFF_SECONDS, FIRST_BACK_OFF_SECONDS * 2.0**self.record.attempts)
        return longest * (0.5 + self._slice.ports.randomness.fraction() / 2)

    # --- small things ------------------------------------------------------------------------------------------------------------

    @property
    def _settle_time(self) -> timedelta:
        return timedelta(minutes=self._slice.connection.policies.unknown_settle_minutes)

    def _now(self) -> datetime:
        return self._slice.ports.clock.now()

    @property
    def _view(self) -> Record:
        """The record with what was found since it was last stored."""
        return replace(self.record, progress=dict(self._progress))

    def _count(self, name: str) -> None:
        self._slice.report.count(name)

    def _move(self, step: Step, *, extra: Sequence[Change] = (), **changes: Unpack[Changes]) -> None:
        self.record = self._slice.ledger.move(self.record, step, run=self._slice.run, extra=extra, **changes)

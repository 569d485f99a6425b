"""Writes beside a written document (its image, a settlement that was refused): tried again until they are done, holding up nothing.

The rules of every write hold here too: intent before effect, a look before every sending, and a write in doubt counts as absent only after
the settle time, on two looks (design §3.3, §3.4).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from sync.causes import Cause
from sync.engine.attempt import ON_REQUEST, done_mark
from sync.engine.delivery import Delivery, Extra, Nothing
from sync.engine.model import Slice
from sync.errors import FixData, OutcomeUnknown, StorageConflict, SyncError, Throttled
from sync.ledger.model import Record, State, Step
from sync.values import utc_moment, utc_text

FIRST_DELAY: Final = timedelta(minutes=15)
LONGEST_DELAY: Final = timedelta(days=1)
MOST_DOUBLINGS: Final = 10
REFUSED: Final = "refused"
NEXT: Final = "next:"
TRIES: Final = "tries:"


def on_request(piece: str) -> dict[str, str]:
    """The mark, in a record's progress, of an extra that only a replay tries again."""
    return {f"{NEXT}{piece}": utc_text(ON_REQUEST)}


def was_tried(progress: Mapping[str, str], piece: str) -> bool:
    """Whether an extra was tried and is not done."""
    return f"{TRIES}{piece}" in progress


def due_now(progress: Mapping[str, str]) -> dict[str, str]:
    """The progress of a record all of whose extras are to be tried at once."""
    return {name: value for name, value in progress.items() if not name.startswith(NEXT)}


class Extras:
    """The extras of one slice's written records."""

    def __init__(self, slice_: Slice, delivery: Delivery) -> None:
        self._slice = slice_
        self._delivery = delivery

    def tend(self, record: Record) -> None:
        """Try every extra of the record that is due, one after another. Raises Throttled, StorageConflict; else its trouble is a cause."""
        for extra in self._delivery.extras(record) if record.state is State.WRITTEN else ():
            if not record.progress.get(done_mark(extra.piece.name)) and self._is_due(record, extra):
                record = self._attempt(record, extra)

    def _is_due(self, record: Record, extra: Extra) -> bool:
        due = record.progress.get(_next(extra))
        return not due or utc_moment(due) <= self._now()

    def _attempt(self, record: Record, extra: Extra) -> Record:
        piece, found = extra.piece, {}
        try:
            if isinstance(piece.look(record), Nothing):
                if record.progress.get(_sent(extra)) and not self._surely_absent(record, extra):
                    return self._look_again(record, extra)
                step = Step("sending", f"About to write: {piece.name}.", {"piece": piece.name})
                record = self._move(record, step, {_sent(extra): utc_text(self._now()), _looks(extra): ""})
                found = dict(piece.send(record))
        except (Throttled, StorageConflict):
            raise
        except OutcomeUnknown as error:
            return self._put_off(record, extra, (self._cause(record, extra, error),), record.progress.get(_sent(extra), ""))
        except FixData as error:
            return self._put_off(record, extra, error.causes, "")
        except SyncError as error:
            return self._put_off(record, extra, (self._cause(record, extra, error),), "")
        return self._done(record, extra, found)

    def _surely_absent(self, record: Record, extra: Extra) -> bool:
        sent = utc_moment(record.progress[_sent(extra)])
        return self._now() >= sent + self._settle and bool(record.progress.get(_looks(extra)))

    def _look_again(self, record: Record, extra: Extra) -> Record:
        """Not found yet: before the settle time that says nothing, after it the next look decides."""
        settled = utc_moment(record.progress[_sent(extra)]) + self._settle
        counts = self._now() >= settled
        due = self._now() + self._settle / 4 if counts else settled
        note = "Not found; the next look decides." if counts else "Not found yet; a write can take effect late."
        return self._move(record, Step("looked", note), {_next(extra): utc_text(due), _looks(extra): "1" if counts else ""})

    def _done(self, record: Record, extra: Extra, found: Mapping[str, str]) -> Record:
        self._slice.report.count(f"{extra.piece.name}_done")
        causes = tuple(cause for cause in record.causes if cause.code not in extra.clears)
        marks = {done_mark(extra.piece.name): "1", _sent(extra): "", _next(extra): "", _looks(extra): "", _tries(extra): ""}
        return self._move(record, Step("completed", f"In the target: {extra.piece.name}."), {**marks, **found}, causes)

    def _put_off(self, record: Record, extra: Extra, causes: tuple[Cause, ...], sent: str) -> Record:
        """Shown with its causes and tried again later, each time after twice as long; what was refused for good, on request only."""
        self._slice.report.count(f"{extra.piece.name}_open")
        tries = int(record.progress.get(_tries(extra)) or "0")
        later = utc_text(self._now() + min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(tries, MOST_DOUBLINGS)))
        refused = any(cause.code == REFUSED for cause in causes)
        due = on_request(extra.piece.name)[_next(extra)] if refused else later
        replaced = {extra.code, REFUSED, *(cause.code for cause in causes)}
        others = (cause for cause in record.causes if cause.code not in extra.clears & replaced)
        marks = {_sent(extra): sent, _next(extra): due, _tries(extra): str(tries + 1)}
        note = "; ".join(cause.sentence for cause in causes)
        return self._move(record, Step("put off", note), marks, tuple(sorted({*others, *causes})))

    def _cause(self, record: Record, extra: Extra, error: SyncError) -> Cause:
        return Cause(extra.code, record.label, f"{record.label}, {extra.piece.name}: {error.sentence}")

    def _move(self, record: Record, step: Step, marks: Mapping[str, str], causes: tuple[Cause, ...] | None = None) -> Record:
        """An empty mark is taken away."""
        progress = {name: value for name, value in {**record.progress, **marks}.items() if value}
        kept = record.causes if causes is None else causes
        return self._slice.ledger.move(record, step, run=self._slice.run, progress=progress, causes=kept)

    @property
    def _settle(self) -> timedelta:
        return timedelta(minutes=self._slice.connection.policies.unknown_settle_minutes)

    def _now(self) -> datetime:
        return self._slice.ports.clock.now()


def _sent(extra: Extra) -> str:
    return f"sent:{extra.piece.name}"


def _next(extra: Extra) -> str:
    return f"{NEXT}{extra.piece.name}"


def _looks(extra: Extra) -> str:
    return f"looks:{extra.piece.name}"


def _tries(extra: Extra) -> str:
    return f"{TRIES}{extra.piece.name}"

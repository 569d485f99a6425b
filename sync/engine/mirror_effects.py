"""The two sides of a mirror's work that others can see: what goes to AvidXchange and what stands in the ledger.

`Effects` does it, `Rehearsal` shows it. Neither knows the crawl or its memory.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Generic, Protocol, TypeVar

from sync.causes import Cause
from sync.engine.mirroring import Flow
from sync.engine.model import Slice
from sync.errors import OutcomeUnknown, SyncError, TryLater
from sync.ledger.model import NewRecord, Place, Record, State, Step
from sync.ledger.store import LogEntry
from sync.outcomes import ItemResult
from sync.values import canonical, job_id

T = TypeVar("T")

RETRY_PARKED: Final = timedelta(days=1)
"""A parked row is looked at again when it changes; unchanged, only after this long (or when an operator replays it)."""
WAVE: Final = 4
"""Batches per worker between two beats of the lease."""
SENT: Final = Step("sent", "Sent to AvidXchange.")
FOUND: Final = Step(SENT.name, "Read back from AvidXchange: it is there as it was to be sent.")
DEACTIVATED: Final = Step("deactivated", "Gone from D365, or left out by the connection document: deactivated in AvidXchange.")


@dataclass(frozen=True)
class Sending(Generic[T]):
    """One item to send. `key` is its key digest, `version` the hash of its body."""

    key: str
    label: str
    source_id: str
    version: str
    item: T


@dataclass(frozen=True)
class Parking:
    """One row for the list that a person sees. `version` changes when it is to be looked at anew; `text` is its document."""

    key: str
    label: str
    source_id: str
    version: str
    text: str
    causes: tuple[Cause, ...]


def later(error: SyncError) -> SyncError:
    """The error that ends the run: a write without a clear answer is looked for when the run goes on."""
    return TryLater(error.sentence, detail=error.detail) if isinstance(error, OutcomeUnknown) else error


def refusal(flow: Flow[T], sending: Sending[T], result: ItemResult) -> Parking:
    """A row that AvidXchange refused (contracts/avidxchange.md §4: park that item with its messages)."""
    sentence = f"AvidXchange refused {sending.label}: {' '.join(result.messages)}"
    cause = Cause("refused", sending.label, sentence)
    text = canonical(flow.body(flow.public(sending.item)))
    return Parking(sending.key, sending.label, sending.source_id, sending.version, text, (cause,))


class Hands(Protocol[T]):
    """What the crawl lets happen."""

    def send(self, flow: Flow[T], sendings: Sequence[Sending[T]], step: Step) -> list[ItemResult | SyncError]:
        """Send all in batches, side by side; what became of each. Audited before it counts as sent."""
        ...

    def found(self, sendings: Sequence[Sending[T]]) -> None:
        """Audit what AvidXchange turned out to hold as it was to be sent."""
        ...

    def park(self, parkings: Sequence[Parking]) -> None:
        """Put rows into the list, or change what stands there; nothing is written when nothing changed."""
        ...

    def close(self, key: str, state: State, note: str) -> None:
        """Take a row off the list; one that is not on it is fine."""
        ...


class Effects(Generic[T]):
    """The real hands of one place."""

    def __init__(self, slice_: Slice, place: Place) -> None:
        self._slice = slice_
        self._place = place

    def send(self, flow: Flow[T], sendings: Sequence[Sending[T]], step: Step) -> list[ItemResult | SyncError]:
        """See `Hands.send`."""
        batches = [sendings[start : start + flow.batch] for start in range(0, len(sendings), flow.batch)]
        width = self._slice.connection.policies.concurrency
        results: list[ItemResult | SyncError] = []
        for start in range(0, len(batches), WAVE * width):
            wave = batches[start : start + WAVE * width]
            for outcome in self._slice.ports.executor.map(lambda batch: self._send_batch(flow, batch, step), wave, width=width):
                results += outcome
            self._slice.beat()
        return results

    def _send_batch(self, flow: Flow[T], batch: Sequence[Sending[T]], step: Step) -> Sequence[ItemResult | SyncError]:
        try:
            results = flow.send([sending.item for sending in batch])
            taken = [self._entry(sending, step) for sending, result in zip(batch, results, strict=True) if result.ok]
            self._slice.ledger.log(self._place, taken, self._slice.run)
        except SyncError as error:
            return [error] * len(batch)
        return results

    def found(self, sendings: Sequence[Sending[T]]) -> None:
        """See `Hands.found`."""
        if sendings:
            self._slice.ledger.log(self._place, [self._entry(sending, FOUND) for sending in sendings], self._slice.run)

    def _entry(self, sending: Sending[T], step: Step) -> LogEntry:
        return LogEntry(sending.key, sending.label, self._job(sending.key, sending.version), State.WRITTEN, step, sending.version)

    def park(self, parkings: Sequence[Parking]) -> None:
        """See `Hands.park`."""
        if not parkings:
            return
        now = self._slice.ports.clock.now()
        due = now + RETRY_PARKED
        news = [
            NewRecord(row.key, row.label, row.source_id, row.version, row.text, {}, state=State.PARKED, due=due, causes=row.causes)
            for row in parkings
        ]
        step = Step("parked", "Cannot be taken over by AvidXchange as it is.")
        records = self._slice.ledger.note(self._place, news, self._slice.run, step)
        for record, row in zip(records, parkings, strict=True):
            stands = record.state is State.PARKED and (record.version, record.causes) == (row.version, row.causes)
            if not stands or record.due is None or record.due <= now:
                self._park_again(record, row)

    def _park_again(self, record: Record, row: Parking) -> None:
        self._slice.ledger.move(
            record,
            Step("parked", "; ".join(cause.sentence for cause in row.causes)),
            run=self._slice.run,
            state=State.PARKED,
            version=row.version,
            job=self._job(row.key, row.version),
            payload=self._slice.ledger.keep(row.text),
            label=row.label,
            causes=row.causes,
            due=self._slice.ports.clock.now() + RETRY_PARKED,
        )

    def close(self, key: str, state: State, note: str) -> None:
        """See `Hands.close`."""
        record = self._slice.ledger.get(self._place, key)
        if record is not None and record.state is State.PARKED:
            self._slice.ledger.move(record, Step("closed", note), run=self._slice.run, state=state, causes=(), due=None)

    def _job(self, key: str, version: str) -> str:
        return job_id(self._slice.connection.id, self._slice.stage, key, version)


class Rehearsal(Generic[T]):
    """The hands of a dry run: everything is shown, nothing is written. What differs is shown for the first rows only."""

    DIFFERENCES: Final = 1_000

    def __init__(self, slice_: Slice) -> None:
        self._slice = slice_
        self._pending: dict[str, tuple[int, Mapping[str, object]]] = {}

    def send(self, flow: Flow[T], sendings: Sequence[Sending[T]], step: Step) -> list[ItemResult | SyncError]:
        """Show each body."""
        for sending in sendings:
            body = flow.body(flow.public(sending.item))
            if len(self._pending) < self.DIFFERENCES:
                self._pending[sending.key] = (len(self._slice.report.shown), body)
            self._slice.report.shown.append(f"would send {sending.label} ({step.name}): {canonical(body)}")
        return [ItemResult(ok=True)] * len(sendings)

    def found(self, sendings: Sequence[Sending[T]]) -> None:
        """Nothing to show: nothing would be sent."""

    def park(self, parkings: Sequence[Parking]) -> None:
        """Show each with its causes."""
        for row in parkings:
            self._slice.report.shown.append(f"would park {row.label}: " + "; ".join(cause.sentence for cause in row.causes))

    def close(self, key: str, state: State, note: str) -> None:
        """Nothing to show: the row itself is."""

    def compare(self, existing: Iterator[tuple[str, Mapping[str, object]]]) -> None:
        """Add to the shown bodies what AvidXchange holds instead, given its (key digest, body) pairs."""
        for key, held in existing:
            if key in self._pending:
                line, body = self._pending.pop(key)
                changes = {name: [held.get(name), body.get(name)] for name in sorted({*held, *body}) if held.get(name) != body.get(name)}
                self._slice.report.shown[line] += f"; it differs in (now, then): {canonical(changes)}"

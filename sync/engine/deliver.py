"""The deliver engine: discover → work on what is due → watch what is written → acknowledge (design §1).

A record's trouble stays with the record: one that a system never answers for is put off, and the others go on. Trouble of a whole system
(busy, no answer for several in a row, refused sign-in, wrong setting) ends the slice: what is durable stays durable, and the runner decides
when the stage goes on.
"""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final

from sync.causes import Cause
from sync.engine.attempt import Attempt
from sync.engine.delivery import Delivery, Discovery, Foreign, Found, Leave, Newer, Noticed, Park, Posted, Ready
from sync.engine.extras import Extras
from sync.engine.model import End, Slice
from sync.errors import Bug, FixData, StorageConflict, SyncError, Throttled, TryLater
from sync.ledger.model import NewRecord, Place, Record, State, Step, Work
from sync.values import job_id

WAVE: Final = 4
"""Groups per worker between two looks at the clock and the lease."""
EXTRAS_WIDTH: Final = 2
"""Extras at a time: an image is held in memory several times over."""
WATCHED: Final = 200
"""Written records whose posting is asked for together."""
NOT_YET_WRITTEN: Final = frozenset({State.FOUND, State.PARKED, State.RETRYING, State.WITHDRAWN, State.OUT_OF_SCOPE})
IN_DOUBT: Final = frozenset({State.CLAIMED, State.UNKNOWN})
IN_VAIN: Final = 3
"""After so many records in a row without an answer the trouble is the system's."""
MOVED: Final = Step("moved", "In another batch of its source now.")

log = logging.getLogger(__name__)


class Deliver:
    """A deliver stage: its name, what must have run before it, and how its declaration is opened for a slice."""

    def __init__(self, name: str, after: tuple[str, ...], opened: Callable[[Slice], Delivery]) -> None:
        self.name = name
        self.after = after
        self._opened = opened

    def work(self, slice_: Slice) -> End:
        """See `sync.engine.model.Stage`."""
        work = _SliceWork(slice_, self._opened(slice_))
        if slice_.dry_run:
            work.rehearse()
            return End.DONE
        return work.run()


class _SliceWork:
    """One slice of a deliver stage."""

    def __init__(self, slice_: Slice, delivery: Delivery) -> None:
        self._slice = slice_
        self._delivery = delivery
        self._extras = Extras(slice_, delivery)
        self._begun = False
        self._left_over = False
        self._in_vain = 0
        """Records, one after another, for which a system did not answer."""
        self._tried: set[str] = set()
        """Keys of the works at hand that were taken up, or whose record is gone."""

    def run(self) -> End:
        """All phases, until done or out of time."""
        for discovery in self._delivery.discover():
            self._note(discovery)
            self._slice.beat()
            if self._slice.out_of_time:
                return End.MORE
        self._delivery.discovered()
        for place in self._delivery.places():
            if self._work_place(place) is End.MORE:
                return End.MORE
        self._delivery.close()
        return End.DONE

    # --- discovery ---------------------------------------------------------------------------------------------------------------

    def _note(self, discovery: Discovery) -> None:
        """All documents durable before anything that depends on it: the batch's row, the watermark."""
        self._slice.report.count("read", len(discovery.documents))
        step = Step("found", "Found in the source.")
        records = self._slice.ledger.note(discovery.place, discovery.documents, self._slice.run, step) if discovery.documents else []
        pairs = zip(records, discovery.documents, strict=True)
        put_off = {record.key for record, document in pairs if not self._is_taken_over(record, document)}
        if discovery.noted is not None:
            discovery.noted(records, put_off)

    def _is_taken_over(self, record: Record, document: NewRecord) -> bool:
        """Whether the ledger holds what the source says; False: the record is in doubt, and its change has to wait."""
        if record.version == document.version and record.state is not State.WITHDRAWN:
            if record.batch != document.batch:
                self._slice.ledger.move(record, MOVED, run=self._slice.run, batch=document.batch)
            return True
        if record.in_doubt:
            self._slice.report.count("changed_in_doubt")
            return False
        if record.state in NOT_YET_WRITTEN and not record.progress:
            take_version(self._slice, record, document)
        else:
            self._report_change(record, document)
        return True

    def _report_change(self, record: Record, document: NewRecord) -> None:
        """Written, and changed since: touch nothing, tell a person (contracts/avidxchange.md §3, Invoices 6)."""
        causes = self._delivery.changed(record, document)
        merged = joined(record.causes, causes)
        note = "; ".join(cause.sentence for cause in causes) or "Changed in the source in a way that does not matter here."
        step, version, batch = Step("changed", note), document.version, document.batch
        self._slice.ledger.move(record, step, run=self._slice.run, version=version, batch=batch, causes=merged)
        self._slice.report.count("changed_after_write" if causes else "changed")

    # --- work --------------------------------------------------------------------------------------------------------------------

    def _work_place(self, place: Place) -> End:
        now = self._slice.ports.clock.now()
        due = list(self._slice.ledger.due(place, now))
        urgent = [work for work in due if work.state not in (State.PARKED, State.WRITTEN)]
        parked = self._rotated(place, [work for work in due if work.state is State.PARKED])
        written = [work for work in due if work.state is State.WRITTEN]
        if not self._attempt_all(place, urgent) or self._watch(place, written) is End.MORE:
            return End.MORE
        self._attempt_all(place, parked)
        return End.DONE

    def _rotated(self, place: Place, parked: list[Work]) -> list[Work]:
        """Parked records are examined again at every run; a run that ends early hands the rest to the next."""
        progress = self._slice.progress.progress(place.connection, place.stage, place.company)
        first = json.loads(progress.checkpoint or "{}").get("parked_from", "")
        ordered = sorted(parked, key=lambda work: work.key)
        return [work for work in ordered if work.key >= first] + [work for work in ordered if work.key < first]

    def _remember_parked(self, place: Place, work: Work) -> None:
        """The first that this run did not come to."""
        progress = self._slice.progress.progress(place.connection, place.stage, place.company)
        checkpoint = {**json.loads(progress.checkpoint or "{}"), "parked_from": work.key}
        self._slice.progress.save(replace(progress, checkpoint=json.dumps(checkpoint)))

    def _attempt_all(self, place: Place, works: Sequence[Work]) -> bool:
        """Whether all were worked on before the time was up. If not, the first parked one that was left is where the next run begins."""
        owner = self._slice.ports.ids.new()
        width = self._slice.connection.policies.concurrency
        self._tried = set()
        for wave in _cut(works, WAVE * width):
            if self._slice.out_of_time or self._left_over:
                break
            self._slice.beat()
            groups = self._groups(place, wave)
            self._tried |= {work.key for work in wave} - {record.key for group in groups for record in group}
            worked = self._slice.ports.executor.map(lambda group: self._attempt_group(group, owner), groups, width=width)
            self._tend([record for group in worked for record in group])
        left = next((work for work in works if work.key not in self._tried), None)
        if left is not None and left.state is State.PARKED:
            self._remember_parked(place, left)
        return left is None

    def _groups(self, place: Place, wave: Sequence[Work]) -> list[list[Record]]:
        """The groups in the order of the wave, so that a run that ends early leaves what comes last."""
        records = self._read(place, wave)
        self._delivery.prepare(records)
        ordered = sorted(records, key=lambda record: (self._delivery.group(record), record.created_at, *_in_the_source(record)))
        groups = [list(group) for _, group in groupby(ordered, key=self._delivery.group)]
        place_in_wave = {record.key: number for number, record in enumerate(records)}
        return sorted(groups, key=lambda group: min(place_in_wave[record.key] for record in group))

    def _read(self, place: Place, works: Sequence[Work]) -> list[Record]:
        width = self._slice.connection.policies.concurrency
        found = self._slice.ports.executor.map(lambda work: self._slice.ledger.get(place, work.key), works, width=width)
        return [record for record in found if record is not None]

    def _attempt_group(self, group: Sequence[Record], owner: str) -> list[Record]:
        """The records as they stand afterwards."""
        worked: list[Record] = []
        for record in group:
            if not self._may_begin():
                break
            self._tried.add(record.key)
            attempt = Attempt(self._slice, self._delivery, record, owner)
            try:
                attempt.run()
            except StorageConflict as error:
                self._beaten(record, error)
            except FixData as error:
                self._park_unreadable(attempt.record, error.causes)
            except Bug as error:
                self._park_for_us(attempt.record, error.sentence)
            except SyncError as error:
                if not isinstance(error, TryLater) or not self._is_of_one_record(error):
                    raise
                self._put_off(attempt, error)
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
                log.exception("an error of our own", extra={"record": record.key, "run": self._slice.run})
                self._park_for_us(attempt.record, f"{type(error).__name__}: {error}")
            else:
                self._in_vain = 0
                worked.append(attempt.record)
        return worked

    def _is_of_one_record(self, error: TryLater) -> bool:
        """Whether a request that fails may fail for this record alone: others are tried before the whole system is given up for now."""
        self._in_vain += 1
        return not isinstance(error, Throttled) and self._in_vain < IN_VAIN and not self._slice.out_of_time

    def _put_off(self, attempt: Attempt, error: TryLater) -> None:
        try:
            attempt.put_off(error)
        except StorageConflict as conflict:
            self._beaten(attempt.record, conflict)

    def _beaten(self, record: Record, error: StorageConflict) -> None:
        log.info("another worker was faster: %s", error.sentence, extra={"record": record.key, "run": self._slice.run})

    def _may_begin(self) -> bool:
        """Whether another record is worked on. One is in every slice, however long its examination took to prepare."""
        self._left_over = self._left_over or (self._begun and self._slice.out_of_time)
        self._begun = True
        return not self._left_over

    def _park_for_us(self, record: Record, sentence: str) -> None:
        self._slice.report.count("errors")
        cause = Cause("internal-error", "the connector", f"{record.label}: the connector met an error of its own: {sentence}")
        self._park_unreadable(record, (cause,))

    def _park_unreadable(self, record: Record, causes: tuple[Cause, ...]) -> None:
        """Something around the record cannot be read: one that was not sent is parked; one that was stays, so that only a look decides."""
        self._slice.report.count("parked")
        if record.state in IN_DOUBT or record.progress or record.causes == causes:
            return
        step = Step("parked", "; ".join(cause.sentence for cause in causes))
        self._slice.ledger.move(record, step, run=self._slice.run, state=State.PARKED, causes=causes, due=self._slice.ports.clock.now())

    # --- after the write ---------------------------------------------------------------------------------------------------------

    def _watch(self, place: Place, works: Sequence[Work]) -> End:
        for chunk in _cut(works, WATCHED):
            if self._slice.out_of_time:
                return End.MORE
            self._slice.beat()
            records = {record.key: record for record in self._read(place, chunk)}
            for seen in self._delivery.watch([*records.values()]):
                records[seen.record.key] = self._posted(seen) if isinstance(seen, Posted) else self._noticed(seen)
            self._tend([*records.values()])
        return End.DONE

    def _posted(self, seen: Posted) -> Record:
        self._slice.report.count("posted")
        causes = joined(seen.record.causes, seen.causes)
        step = Step("posted", seen.note)
        return self._slice.ledger.move(seen.record, step, run=self._slice.run, state=State.POSTED, due=None, causes=causes)

    def _noticed(self, seen: Noticed) -> Record:
        """Said once, not at every run."""
        causes = tuple(sorted(set(seen.causes)))
        if causes == seen.record.causes:
            return seen.record
        self._slice.report.count("noticed")
        return self._slice.ledger.move(seen.record, Step("noticed", seen.note), run=self._slice.run, causes=causes)

    def _tend(self, records: Sequence[Record]) -> None:
        """What is to be written beside the written ones."""
        written = [record for record in records if record.state is State.WRITTEN]
        self._slice.ports.executor.map(self._tend_one, written, width=EXTRAS_WIDTH)

    def _tend_one(self, record: Record) -> None:
        if self._slice.out_of_time:
            return
        try:
            self._extras.tend(record)
        except StorageConflict as error:
            self._beaten(record, error)

    # --- dry run -----------------------------------------------------------------------------------------------------------------

    def rehearse(self) -> None:
        """Examine what is open and what would be found, show the exact bodies, write nothing anywhere."""
        seen: set[str] = set()
        for discovery in self._delivery.discover():
            for document in discovery.documents:
                known = self._slice.ledger.get(discovery.place, document.key)
                if known is None or known.state in NOT_YET_WRITTEN:
                    seen.add(document.key)
                    self._show(known or _unsaved(self._slice, discovery.place, document), document.text)
        for place in self._delivery.places():
            for work in self._slice.ledger.open_work(place):
                record = self._slice.ledger.get(place, work.key) if work.key not in seen else None
                if record is not None and record.state in NOT_YET_WRITTEN:
                    self._show(record, self._slice.ledger.text(record.payload))

    def _show(self, record: Record, text: str) -> None:
        self._slice.report.count("read")
        match self._delivery.examine(record, text):
            case Ready(plan):
                self._show_plan(record, plan)
            case Park(causes):
                self._would("park", f"{record.label}: " + "; ".join(cause.sentence for cause in causes))
            case Leave(sentence):
                self._would("leave", f"{record.label}: {sentence}")
            case Newer():
                self._slice.report.shown.append(f"{record.label} has changed in its source")

    def _show_plan(self, record: Record, plan: str) -> None:
        """The exact bodies, unless the target holds the document already."""
        sight = self._delivery.pieces(plan)[0].look(record)
        if isinstance(sight, Foreign):
            sentences = "; ".join(cause.sentence for cause in sight.causes)
            self._would("park" if sight.causes else "adopt", f"{record.label}: {sentences or sight.reference}")
        elif isinstance(sight, Found):
            self._slice.report.shown.append(f"{record.label} is in the target already")
        else:
            self._would("write", "\n  ".join([f"{record.label}:", *self._delivery.bodies(plan)]))

    def _would(self, what: str, shown: str) -> None:
        self._slice.report.count(f"would_{what}")
        self._slice.report.shown.append(f"would {what} {shown}")


def joined(open_causes: Sequence[Cause], new: Sequence[Cause]) -> tuple[Cause, ...]:
    """The open causes with the new ones; what is said anew of the same thing takes the place of what was said before."""
    said = {(cause.code, cause.subject, cause.field) for cause in new}
    return tuple(sorted({*new, *(cause for cause in open_causes if (cause.code, cause.subject, cause.field) not in said)}))


def take_version(slice_: Slice, record: Record, document: NewRecord) -> Record:
    """The source's new version counts for a document that was not written yet; it is examined anew."""
    return slice_.ledger.move(
        record,
        Step("changed", "The source holds a new version; it was not written yet, so the new one counts."),
        run=slice_.run,
        state=document.state,
        version=document.version,
        job=job_id(slice_.connection.id, slice_.stage, document.key, document.version),
        payload=slice_.ledger.keep(document.text),
        facts=document.facts,
        label=document.label,
        batch=document.batch,
        causes=document.causes,
        due=document.due or slice_.ports.clock.now(),
    )


def _unsaved(slice_: Slice, place: Place, document: NewRecord) -> Record:
    return Record(
        place=place,
        key=document.key,
        label=document.label,
        source_id=document.source_id,
        state=document.state,
        version=document.version,
        job=job_id(slice_.connection.id, slice_.stage, document.key, document.version),
        payload="",
        facts=document.facts,
        batch=document.batch,
    )


def _cut(works: Sequence[Work], size: int) -> Iterator[Sequence[Work]]:
    for start in range(0, len(works), size):
        yield works[start : start + size]


def _in_the_source(record: Record) -> tuple[int, str]:
    """Ids of the source count upwards: of two documents found together, the one that came first there is the original."""
    return len(record.source_id), record.source_id

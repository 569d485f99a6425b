"""The crawl of one company: page by page, one page in memory; what differs is sent, what does not fit is parked.

A slice ends at a page boundary, of D365's pages or of AvidXchange's, with the memory saved. A crash between two saves sends some rows
again, which changes nothing: an upsert may be repeated. What was sent without a clear answer is looked for first.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Generic, TypeVar

from sync.connections.document import Company
from sync.engine import memory as memories
from sync.engine.memory import Crawl, Entry, Flag, Memory, Rebuild
from sync.engine.mirror_drift import read_back
from sync.engine.mirror_effects import SENT, Effects, Parking, Rehearsal, Sending, later, refusal
from sync.engine.mirror_gone import Clearance
from sync.engine.mirror_ground import Ground, place_of, same_spelling, same_to_see
from sync.engine.mirroring import Flow, Page, Target, Unfit
from sync.engine.model import End, Slice
from sync.errors import OutcomeUnknown, StorageConflict, SyncError, TryLater
from sync.ledger.model import State
from sync.outcomes import ItemResult
from sync.values import digest, utc_moment, utc_text

T = TypeVar("T")

PAGES_PER_SAVE: Final = 10
STALE: Final = timedelta(hours=6)
"""A crawl or a rebuilding that was put down for longer than this starts anew: its cursor may lead nowhere by then."""
NEW: Final = Entry(memories.NO_HASH, 0, Flag.NONE)

log = logging.getLogger(__name__)


@dataclass
class _Sorted(Generic[T]):
    """What is to be done about the rows of one page. `before` has what was known of each row."""

    before: dict[str, Entry]
    sendings: list[Sending[T]]
    parkings: list[Parking]


class CompanyCrawl(Generic[T]):
    """One company of a mirror stage, for one slice."""

    def __init__(self, slice_: Slice, company: Company, flow: Flow[T]) -> None:
        self._slice = slice_
        self._rehearsal: Rehearsal[T] | None = Rehearsal(slice_) if slice_.dry_run else None
        self._ground = Ground(slice_, company, flow, self._rehearsal or Effects(slice_, place_of(slice_, company)))

    def work(self) -> End:
        """Go on with the crawl, or start one. Whatever ends it early, what was sent is remembered."""
        ground = self._ground
        ground.due = frozenset(work.key for work in self._slice.ledger.due(ground.place, self._slice.ports.clock.now()))
        memory = ground.memory = self._remembered()
        try:
            if memory.rebuild is not None and not self._rebuilt(memory.rebuild):
                return self._put_down()
            return self._crawl(memory.crawl or self._begin())
        except StorageConflict:
            raise
        except SyncError as error:
            if not isinstance(error, TryLater):
                memory.crawl = None
                memory.rebuild = memory.rebuild and Rebuild(self._now)
            ground.save()
            raise

    @property
    def _now(self) -> str:
        return utc_text(self._slice.ports.clock.now())

    def _put_down(self) -> End:
        self._ground.save()
        return End.MORE

    def _remembered(self) -> Memory:
        """The memory as stored; one to be rebuilt when there is none that can be used."""
        memory, etag = memories.load(self._slice.ports.blobs, self._ground.place)
        system = self._ground.company.accounting_system
        if memory is None or memory.system != system or (memory.rebuild is not None and self._is_stale(memory.rebuild.started)):
            return Memory(system, Rebuild(self._now), etag=etag)
        if self._slice.dry_run or (memory.crawl is not None and self._is_stale(memory.crawl.started)):
            memory.crawl = None
        return memory

    def _is_stale(self, started: str) -> bool:
        return self._slice.ports.clock.now() - utc_moment(started) > STALE

    def _rebuilt(self, rebuild: Rebuild) -> bool:
        """From what AvidXchange holds and the ledger has parked; whether it is whole.

        Saved before anything is sent: a crash cannot blur what is ours.
        """
        ground, memory = self._ground, self._ground.memory
        for page in ground.held(rebuild.listing):
            for target in page.rows:
                memory.put(ground.key(target.key), Entry(ground.version(target), 0, Flag.FOUND))
            rebuild.listing = page.cursor
            if page.cursor and ground.must_stop:
                return False
        for record in self._slice.ledger.records(ground.place):
            if record.state is State.PARKED and record.key not in {ground.guard_key, ground.drift_key}:
                there = memory.get(record.key) or NEW
                memory.put(record.key, Entry(record.version, 0, _spelling(there, record.version).flags | Flag.PARKED))
        memory.rebuild = None
        ground.save()
        return True

    def _begin(self) -> Crawl:
        return self._ground.memory.begin(started=self._now, expected=self._ground.flow.count())

    def _crawl(self, crawl: Crawl) -> End:
        for number, page in enumerate(self._pages(crawl), 1):
            self._take(page, crawl)
            crawl.read, crawl.cursor, crawl.ended = crawl.read + page.read, page.cursor, not page.cursor
            self._slice.report.count("read", page.read)
            self._slice.beat()
            if self._ground.must_stop:
                return self._put_down()
            if number % PAGES_PER_SAVE == 0:
                self._ground.save()
        return self._finish(crawl)

    def _pages(self, crawl: Crawl) -> Iterator[Page[T]]:
        return iter(()) if crawl.ended else self._ground.flow.pages(crawl.cursor)

    def _take(self, page: Page[T], crawl: Crawl) -> None:
        """Send what differs on the page, park what does not fit. Its rows count as seen only when all of it is done."""
        memory = self._ground.memory
        sorted_ = _Sorted[T]({}, [], [])
        for row in page.rows:
            key = self._ground.key(row.key)
            before = memory.get(key)
            if key in sorted_.before or (before is not None and before.seen == crawl.number):
                crawl.drifting = True
            sorted_.before[key] = before or NEW
            if isinstance(row, Unfit):
                self._sort_unfit(row, key, sorted_)
            else:
                self._sort(row, key, sorted_)
        self._intend(sorted_, crawl)
        self._send(sorted_)
        self._park(sorted_.parkings)
        for key, before in sorted_.before.items():
            memory.put(key, replace(memory.get(key) or before, seen=crawl.number))

    def _sort_unfit(self, row: Unfit, key: str, sorted_: _Sorted[T]) -> None:
        version = digest(row.text, *(f"{cause.code} {cause.sentence}" for cause in row.causes))
        if self._stands_parked(key, sorted_.before[key], version):
            self._ground.count("parked")
        else:
            sorted_.parkings.append(Parking(key, row.label, row.key[-1], version, row.text, row.causes))

    def _sort(self, row: Target[T], key: str, sorted_: _Sorted[T]) -> None:
        version = self._ground.version(row)
        before = sorted_.before[key] = _spelling(sorted_.before[key], version)
        if Flag.FOUND in before.flags and before.seen == 0:
            self._ground.count("matched")
        if self._stands_parked(key, before, version):
            self._ground.count("parked")
        elif self._is_kept(row, before, version):
            self._keep(key, version, sorted_)
        elif before.hash != version or before.flags & (Flag.PARKED | Flag.UNCLEAR):
            sorted_.sendings.append(Sending(key, row.label, row.key[-1], version, row.item))
        else:
            self._ground.count("unchanged")
            self._fine(key, before)

    def _is_kept(self, row: Target[T], before: Entry, version: str) -> bool:
        """It is there, differs, and AvidXchange would take over nothing of what differs."""
        there = before.flags & (Flag.OURS | Flag.FOUND) and not before.flags & (Flag.PARKED | Flag.INACTIVE | Flag.SPELLED)
        return bool(there) and before.hash != version and same_to_see(before.hash, version) and self._ground.is_partial(row)

    def _keep(self, key: str, version: str, sorted_: _Sorted[T]) -> None:
        self._ground.count("not_taken_over")
        before = sorted_.before[key]
        kept = sorted_.before[key] = Entry(version, before.seen, before.flags | Flag.KEPT)
        self._ground.memory.put(key, kept)
        self._fine(key, before)

    def _stands_parked(self, key: str, before: Entry, version: str) -> bool:
        """Refused or unmappable as before, and not due: nobody needs to hear of it again."""
        return Flag.PARKED in before.flags and before.hash == version and key not in self._ground.due

    def _fine(self, key: str, before: Entry) -> None:
        """The row is as it should be: it leaves the list if it was on it."""
        if Flag.PARKED in before.flags or key in self._ground.due:
            self._ground.hands.close(key, State.WRITTEN, "Taken over by AvidXchange.")

    def _intend(self, sorted_: _Sorted[T], crawl: Crawl) -> None:
        """What AvidXchange does not have yet is durably ours before it is sent: who dies after that leaves nothing behind that nobody
        deactivates when it is gone from D365. It counts as seen in the crawl before, as that of the next slice may have passed it already.
        """
        memory = self._ground.memory
        new = {sending.key: sorted_.before[sending.key] for sending in sorted_.sendings}
        new = {key: before for key, before in new.items() if not before.flags & (Flag.OURS | Flag.FOUND)}
        for key, before in new.items():
            memory.put(key, replace(before, seen=max(before.seen, crawl.number - 1), flags=before.flags | Flag.OURS | Flag.UNCLEAR))
        if new:
            self._ground.save()

    def _send(self, sorted_: _Sorted[T]) -> None:
        """Send and remember what was taken over; what was refused joins the parkings. Raises the first failure when the rest is done."""
        ground = self._ground
        self._respell(sorted_)
        self._look(sorted_)
        failures: list[SyncError] = []
        known: dict[str, tuple[Sending[T], ItemResult]] = {}
        for sending, result in zip(sorted_.sendings, ground.hands.send(ground.flow, sorted_.sendings, SENT), strict=True):
            before = sorted_.before[sending.key]
            if isinstance(result, OutcomeUnknown):
                there = ground.memory.get(sending.key) or before
                ground.memory.put(sending.key, replace(there, flags=there.flags | Flag.OURS | Flag.UNCLEAR))
            elif not isinstance(result, SyncError) and result.ok:
                self._is_taken(sending, before)
            else:
                self._is_not_sent(sending.key, before)
            if isinstance(result, SyncError):
                failures.append(later(result))
            elif result.is_known:
                known[sending.key] = sending, result
            elif not result.ok:
                sorted_.parkings.append(refusal(ground.flow, sending, result))
        self._judge(known, sorted_)
        if failures:
            self._park(sorted_.parkings)
            raise failures[0]

    def _is_not_sent(self, key: str, before: Entry) -> None:
        """It surely is not there by us: what was intended counts no more."""
        if before == NEW:
            self._ground.memory.drop(key)
        else:
            self._ground.memory.put(key, before)

    def _is_taken(self, sending: Sending[T], before: Entry) -> None:
        self._ground.count("sent")
        flags = (before.flags & (Flag.FOUND | Flag.SPELLED)) | Flag.OURS
        self._ground.memory.put(sending.key, Entry(sending.version, before.seen, flags))
        self._fine(sending.key, before)

    def _look(self, sorted_: _Sorted[T]) -> None:
        """What was sent without a clear answer is sent again only when AvidXchange shows it otherwise (contracts/avidxchange.md §4)."""
        unclear = [sending for sending in sorted_.sendings if Flag.UNCLEAR in sorted_.before[sending.key].flags]
        there = self._ground.held_as({sending.key: sending.version for sending in unclear})
        found = [sending for sending in unclear if sending.key in there]
        self._ground.hands.found(found)
        for sending in found:
            self._is_taken(sending, sorted_.before[sending.key])
        sorted_.sendings[:] = [sending for sending in sorted_.sendings if sending.key not in there]

    def _judge(self, known: Mapping[str, tuple[Sending[T], ItemResult]], sorted_: _Sorted[T]) -> None:
        """What was refused because it is there already is done when it is there as it was sent, else refused. Nobody sent it but before."""
        there = self._ground.held_as({key: sending.version for key, (sending, _) in known.items()})
        for key, (sending, result) in known.items():
            before = sorted_.before[key]
            if key in there:
                self._ground.count("matched")
                self._ground.memory.put(key, Entry(sending.version, before.seen, before.flags & ~(Flag.PARKED | Flag.UNCLEAR) | Flag.FOUND))
                self._fine(key, before)
            else:
                sorted_.parkings.append(refusal(self._ground.flow, sending, result))

    def _respell(self, sorted_: _Sorted[T]) -> None:
        """What AvidXchange has under another spelling of the key keeps that spelling, which is looked up: this is rare."""
        ground = self._ground
        wanted = {sending.key: sending for sending in sorted_.sendings if Flag.SPELLED in sorted_.before[sending.key].flags}
        for target in self._ground.rows_held() if wanted else ():
            sending = wanted.get(ground.key(target.key))
            if sending is None:
                continue
            before = sorted_.before[sending.key]
            respelled = replace(target, item=ground.flow.respelled(sending.item, target.key))
            wanted[sending.key] = replace(sending, item=respelled.item)
            if ground.version(respelled) == before.hash and Flag.PARKED not in before.flags:
                del wanted[sending.key]
                sorted_.sendings.remove(sending)
                ground.count("unchanged")
                ground.memory.put(sending.key, replace(before, hash=sending.version))
        sorted_.sendings[:] = [wanted.get(sending.key, sending) for sending in sorted_.sendings]

    def _park(self, parkings: list[Parking]) -> None:
        self._ground.hands.park(parkings)
        self._ground.count("parked", len(parkings))
        for row in parkings:
            before = self._ground.memory.get(row.key) or NEW
            self._ground.memory.put(row.key, Entry(row.version, before.seen, before.flags | Flag.PARKED))

    def _finish(self, crawl: Crawl) -> End:
        """Whole: D365 said the same number before and after, that many rows came, and none came twice. Only then absence means anything."""
        ground = self._ground
        crawl.whole = crawl.whole or (not crawl.drifting and crawl.expected == crawl.read == ground.flow.count())
        if not crawl.whole:
            ground.count("incomplete")
            log.info("%s of %s moved during the crawl: it counts for no deletions", self._slice.stage, ground.company.id)
        elif not (self._cleared(crawl) and read_back(ground, crawl)):
            return self._put_down()
        else:
            ground.memory.complete = crawl.number
            self._complete()
        ground.memory.crawl = None
        ground.save()
        if self._rehearsal is not None:
            flow = ground.flow
            self._rehearsal.compare((ground.key(target.key), flow.body(flow.public(target.item))) for target in self._ground.rows_held())
        return End.DONE

    def _cleared(self, crawl: Crawl) -> bool:
        """Whether what is gone was cleared up. The reading back lists anew."""
        if not crawl.cleared and Clearance(self._ground, crawl).run():
            crawl.cleared, crawl.listing = True, ""
        return crawl.cleared

    def _complete(self) -> None:
        if not self._slice.dry_run:
            progress = self._slice.progress.progress(self._slice.connection.id, self._slice.stage, self._ground.company.id)
            self._slice.progress.save(replace(progress, completed_at=self._slice.ports.clock.now()))


def _spelling(before: Entry, version: str) -> Entry:
    """What was found in AvidXchange, marked when its key is written differently there."""
    found = Flag.FOUND in before.flags and before.seen == 0
    return replace(before, flags=before.flags | Flag.SPELLED) if found and not same_spelling(before.hash, version) else before

"""What becomes of rows that D365 has no more: only ours are deactivated, only after two whole crawls without them, and never too many.

D365 leaves no trace of a deletion (contracts/d365-fo.md §3), so absence is all there is to go by.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Generic, TypeVar

from sync.causes import Cause
from sync.engine.memory import Crawl, Entry, Flag
from sync.engine.mirror_effects import DEACTIVATED, SENT, Parking, Sending, later, refusal
from sync.engine.mirror_ground import Ground
from sync.engine.mirroring import Target
from sync.errors import SyncError
from sync.ledger.model import State
from sync.outcomes import ItemResult
from sync.values import digest

T = TypeVar("T")

DOUBTS_PER_CRAWL: Final = 500
"""Gone rows of unknown origin that the ledger is asked about in one crawl; the others wait for the next."""
GONE: Final = "Gone from D365."

log = logging.getLogger(__name__)


class Clearance(Generic[T]):
    """Clears up after a whole crawl of one company. A slice can end in the middle of it: what is still to be done is found again."""

    def __init__(self, ground: Ground[T], crawl: Crawl) -> None:
        self._ground = ground
        self._crawl = crawl
        self._resumed = bool(crawl.listing)

    def run(self) -> bool:
        """Withdraw what was parked and never sent, deactivate what is ours; whether all is done. Raises when AvidXchange cannot be reached.

        What the ledger is asked about is asked at the start only: a row that joins later may be on a page that was passed already.
        """
        ground = self._ground
        for key in ground.due - {ground.guard_key, ground.drift_key}:
            if ground.memory.get(key) is None:
                ground.hands.close(key, State.WITHDRAWN, GONE)
        ours: dict[str, Entry] = {}
        doubts = DOUBTS_PER_CRAWL if self._resumed else 0
        for key, entry in ground.memory.seen_before(ground.memory.complete):
            if _is_doubtful(entry):
                doubts += 1
            known = self._settled(key, entry) if _is_doubtful(entry) and doubts <= DOUBTS_PER_CRAWL else entry
            if Flag.OURS not in known.flags:
                self._withdraw(key, known)
            elif Flag.INACTIVE not in known.flags or key in ground.due:
                ours[key] = known
        within = self._within_guard(len(ours))
        return not ours or not within or self._deactivate(ours)

    def _settled(self, key: str, entry: Entry) -> Entry:
        """Whether a row that was found in AvidXchange is ours after all: the ledger knows what we sent."""
        steps = self._ground.slice_.ledger.history(self._ground.place, key)
        ours = any(row.step.name == SENT.name for row in steps)
        settled = replace(entry, flags=(entry.flags & ~Flag.FOUND) | (Flag.OURS if ours else Flag.NONE))
        self._ground.memory.put(key, settled)
        return settled

    def _withdraw(self, key: str, entry: Entry) -> None:
        """Parked, never sent, gone: nothing is left to mend."""
        if Flag.PARKED in entry.flags:
            self._ground.hands.close(key, State.WITHDRAWN, GONE)
            self._ground.memory.drop(key)
            self._ground.count("withdrawn")

    def _within_guard(self, going: int) -> bool:
        """Whether so many may go (design §1: more than 5% and 10 rows may not). If not, a person is told, once."""
        ground = self._ground
        policies = ground.slice_.connection.policies
        rows = ground.memory.count(without=Flag.INACTIVE)
        if going <= policies.deactivation_guard_rows or going * 100 <= rows * policies.deactivation_guard_percent:
            ground.hands.close(ground.guard_key, State.WRITTEN, "Not too many rows are gone any more.")
            return True
        stage, company = ground.slice_.stage, ground.company.id
        sentence = (
            f"{going} of {rows} rows of {stage} in {company} are gone from D365: nothing was deactivated in AvidXchange. "
            "If they are really gone, raise policies.deactivation_guard_percent or policies.deactivation_guard_rows for one run."
        )
        log.warning("%s", sentence, extra={"run": ground.slice_.run})
        subject = f"{stage} of {company}"
        cause = Cause("too-many-gone", subject, sentence, "policies.deactivation_guard_percent")
        label = f"deactivation of {subject}"
        ground.hands.park([Parking(ground.guard_key, label, "", digest(sentence), sentence, (cause,))])
        ground.count("held_back", going)
        return False

    def _deactivate(self, gone: Mapping[str, Entry]) -> bool:
        """The memory holds digests only: the rows themselves are looked up in what AvidXchange holds. Whether all are done."""
        ground, left = self._ground, {*gone}
        found: dict[str, Target[T]] = {}
        for page in ground.held(self._crawl.listing):
            for target in page.rows:
                key = ground.key(target.key)
                if key in left:
                    found[key] = target
                    left.remove(key)
            stop = bool(page.cursor and left) and ground.must_stop
            if stop or len(found) >= ground.flow.batch:
                self._clear(found, gone)
                found, self._crawl.listing = {}, page.cursor
            if stop:
                return False
            if not left:
                break
        self._clear(found, gone)
        for key in left:
            # One that was refused before and became due in a later slice may be on a page before this slice's first.
            if not (self._resumed and Flag.INACTIVE in gone[key].flags):
                ground.memory.drop(key)
                ground.hands.close(key, State.WITHDRAWN, GONE)
        return True

    def _clear(self, found: Mapping[str, Target[T]], gone: Mapping[str, Entry]) -> None:
        ground = self._ground
        sendings: list[Sending[T]] = []
        for key, target in found.items():
            inactive = replace(target, item=ground.flow.inactive(target.item))
            sending = Sending(key, target.label, target.key[-1], ground.version(inactive), inactive.item)
            if sending.version == ground.version(target):
                self._is_inactive(sending, gone[key])
            else:
                sendings.append(sending)
        self._send(sendings, gone)

    def _send(self, sendings: list[Sending[T]], gone: Mapping[str, Entry]) -> None:
        ground = self._ground
        failures: list[SyncError] = []
        for sending, result in zip(sendings, ground.hands.send(ground.flow, sendings, DEACTIVATED), strict=True):
            if isinstance(result, SyncError):
                failures.append(later(result))
            elif result.ok:
                ground.count("deactivated")
                self._is_inactive(sending, gone[sending.key])
            else:
                self._is_refused(sending, gone[sending.key], result)
        if failures:
            raise failures[0]

    def _is_inactive(self, sending: Sending[T], before: Entry) -> None:
        flags = (before.flags | Flag.INACTIVE) & ~Flag.PARKED
        self._ground.memory.put(sending.key, Entry(sending.version, before.seen, flags))
        if Flag.PARKED in before.flags or sending.key in self._ground.due:
            self._ground.hands.close(sending.key, State.WITHDRAWN, GONE)

    def _is_refused(self, sending: Sending[T], before: Entry, result: ItemResult) -> None:
        """Not tried again at every crawl: it counts as inactive until its record is due."""
        self._ground.hands.park([refusal(self._ground.flow, sending, result)])
        self._ground.count("parked")
        self._ground.memory.put(sending.key, Entry(sending.version, before.seen, before.flags | Flag.INACTIVE | Flag.PARKED))


def _is_doubtful(entry: Entry) -> bool:
    return Flag.FOUND in entry.flags and Flag.OURS not in entry.flags

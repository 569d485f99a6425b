"""Retention: audit steps older than a day are taken away, oldest first, without a gap in what can be verified. Records are never touched.

A day goes only when its seal fits. First a line in the log of seals says what stays of the day (steps of records that are not at rest, or
whose chain is not whole); then its steps go, record by record, each in one transaction with the row that stands for what is gone
(`sync/ledger/retained.py`). So at any moment every chain holds, and whoever takes away more than the log allows is found out. A run that
broke off is gone on with by the next one: what is left of the day is still in the index.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby, islice
from typing import Final

from sync.ledger import rows
from sync.ledger.audit import AuditKeys, Head, place_name
from sync.ledger.chains import chain_of, head_row
from sync.ledger.day_index import Entry, by_record, index_rows, next_day
from sync.ledger.model import Place
from sync.ledger.proof import Proof
from sync.ledger.retained import FIRST, removed_row, stands_for_removed
from sync.ledger.seal_lines import Kept, SealHead, SealLine
from sync.ledger.seal_log import SealChain
from sync.ledger.seals import BEGINNING, ONE_DAY, Seals
from sync.ports import Ports
from sync.storage.columns import number_in, text_in
from sync.storage.model import Change, Delete, Replace, Row
from sync.storage.names import LEDGER

STEPS: Final = 48
"""Steps that go in one transaction: two rows each, and the row that stands for them."""
TOGETHER: Final = 64
"""Records between two looks at the clock."""
WIDTH: Final = 8


@dataclass
class Removal:
    """What one run did: steps that are gone, and in sentences what it had to leave alone."""

    steps: int = 0
    left: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Oldest:
    """The steps of one record on one day, with the row that its chain begins with, ready to go."""

    place: Place
    key: str
    start_etag: str
    steps: Sequence[Row]


class Retention:
    """Takes away old steps. Raises TryLater when storage is busy, StorageConflict when another housekeeper is at it."""

    def __init__(self, ports: Ports, keys: AuditKeys, seals: Seals, proof: Proof) -> None:
        self._ports = ports
        self._keys = keys
        self._seals = seals
        self._proof = proof

    def remove(self, connection: str, places: Sequence[Place], before: date, until: datetime) -> Removal:
        """Remove the steps of all days before `before`; it stops at the time `until` and goes on when it is called again."""
        removal, day = Removal(), self._next(places, BEGINNING, before)
        if day is None:
            return removal
        seals = self._seals.chain(connection)
        places = seals.places(places)
        if seals.problems or seals.head is None:
            why = seals.problems[0] if seals.problems else "nothing is sealed yet."
            return Removal(left=[f"Old audit steps of {connection} are left alone: {why}"])
        head = seals.head
        while day is not None and self._ports.clock.now() < until:
            head = self._day(places, day, seals, head, removal, until)
            day = self._next(places, day + ONE_DAY, before)
        return removal

    def _next(self, places: Sequence[Place], first: date, before: date) -> date | None:
        days = [next_day(self._ports.tables, place, first, before - ONE_DAY) for place in places]
        return min((day for day in days if day is not None), default=None)

    def _day(self, places: Sequence[Place], day: date, seals: SealChain, head: SealHead, removal: Removal, until: datetime) -> SealHead:
        why = self._why_not(places, day, seals)
        if why:
            removal.left.append(f"Audit steps of {day} of {seals.connection} are left alone: {why}")
            return head
        line = seals.of(day)
        assert line is not None
        keep = self._staying(places, day) if line.kept is None else self._still_staying(places, line.kept)
        if keep != line.kept:
            head = self._seals.retire(head, SealLine(seals.connection, 0, "", day.isoformat(), "", {}, keep))
        for place in places:
            removal.steps += self._remove_all(place, day, {(kept.place, kept.key) for kept in keep}, until)
        return head

    def _why_not(self, places: Sequence[Place], day: date, seals: SealChain) -> str:
        """Why the day must not go: it is not sealed, or it is not what was sealed. Empty when it may."""
        if seals.of(day) not in seals.lines:
            return "the day is not sealed."
        problems = (problem for place in places for problem in self._proof.seal(place, day, seals))
        return next((problem.sentence for problem in problems), "")

    def _staying(self, places: Sequence[Place], day: date) -> tuple[Kept, ...]:
        """The steps of the day that must stay."""
        kept: list[Kept] = []
        for place in places:
            records = by_record(index_rows(self._ports.tables, place, day))
            while some := [*islice(records, TOGETHER)]:
                kept += self._stuck(place, some)
        return tuple(sorted(kept))

    def _still_staying(self, places: Sequence[Place], kept: Sequence[Kept]) -> tuple[Kept, ...]:
        """Those of the steps that stayed which still must. The others are not asked again: the log says already that they go."""
        still: list[Kept] = []
        for place in places:
            mine = (step for step in kept if step.place == place_name(place))
            grouped = groupby(mine, lambda step: step.key)
            still += self._stuck(place, [(key, [Entry(key, step.seq, step.mac) for step in steps]) for key, steps in grouped])
        return tuple(sorted(still))

    def _stuck(self, place: Place, records: Sequence[tuple[str, Sequence[Entry]]]) -> list[Kept]:
        """The steps of the records that must stay."""
        oldest = self._ports.executor.map(lambda item: self._oldest(place, *item), records, width=WIDTH)
        staying = (entries for (_, entries), found in zip(records, oldest, strict=True) if found is None)
        return [Kept(place_name(place), entry.key, entry.seq, entry.mac) for entries in staying for entry in entries]

    def _oldest(self, place: Place, key: str, entries: Sequence[Entry]) -> _Oldest | None:
        """The steps, when they are the oldest of the record, nothing is wrong with them and the record is at rest; else None."""
        last = entries[-1]
        if not self._rests(place, key):
            return None
        first, end = rows.audit_key(key, FIRST), rows.audit_key(key, last.seq + 1)
        found = [*self._ports.tables.scan(LEDGER, place.partition, first, end)]
        chain = chain_of(self._keys, place, key, found)
        if chain.problems(self._keys, Head(last.seq, last.mac)):
            return None
        if [(step.seq, step.mac) for step in chain.steps] != [(entry.seq, entry.mac) for entry in entries]:
            return None
        return _Oldest(place, key, found[0].etag, [row for row in found if not stands_for_removed(row)])

    def _rests(self, place: Place, key: str) -> bool:
        """Whether nobody works on the record and it is in no list: what has no record rests, what has no head does not."""
        row = head_row(self._ports.tables, place, key)
        return row is not None and "Due" not in row.values and not text_in(row.values, "Causes")

    def _remove_all(self, place: Place, day: date, kept: set[tuple[str, str]], until: datetime) -> int:
        records = by_record(index_rows(self._ports.tables, place, day))
        going = (item for item in records if (place_name(place), item[0]) not in kept)
        steps = 0
        while (some := [*islice(going, TOGETHER)]) and self._ports.clock.now() < until:
            steps += sum(self._ports.executor.map(lambda item: self._remove(place, *item), some, width=WIDTH))
        return steps

    def _remove(self, place: Place, key: str, entries: Sequence[Entry]) -> int:
        oldest = self._oldest(place, key, entries)
        if oldest is None:
            return 0  # somebody works on it again since the line was written
        etag = oldest.start_etag
        for start in range(0, len(oldest.steps), STEPS):
            etag = self._commit(oldest, oldest.steps[start : start + STEPS], etag)
        return len(oldest.steps)

    def _commit(self, oldest: _Oldest, steps: Sequence[Row], etag: str) -> str:
        """One transaction; returns the etag of the row that stands for what is gone."""
        head = rows.head_of(steps[-1])
        stands = removed_row(self._keys, oldest.place, oldest.key, head, self._ports.clock.now(), etag)
        changes: list[Change] = [Replace(stands)]
        changes += [Delete(row.key) for row in steps if row.key != stands.key]
        changes += [Delete(_day_key(oldest.key, row)) for row in steps]
        return self._ports.tables.commit(LEDGER, oldest.place.partition, changes)[stands.key]


def _day_key(key: str, row: Row) -> str:
    at = row.values["At"]
    assert isinstance(at, datetime)
    return rows.day_key(at, key, number_in(row.values, "Seq"))

"""The ledger: what became of every source record, kept so that no crash, repeat or race can lose or double one.

Every change of a record is one transaction of its row, its audit step and its index rows, under the etag the record was read with: of
two workers one wins, the other gets StorageConflict and reads again (design §3).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final, Unpack

from sync.errors import StorageConflict
from sync.ledger import changes as building
from sync.ledger import rows, texts
from sync.ledger.audit import AuditKeys
from sync.ledger.chains import head_in, head_row, read_chain, step_rows
from sync.ledger.changes import Changes
from sync.ledger.log import LogEntry, StepLog
from sync.ledger.model import AT_REST, AuditRow, Failure, NewRecord, Place, Record, State, Step, Work
from sync.ledger.retained import FIRST, removed_of, stands_for_removed
from sync.ports import Ports
from sync.storage.columns import moment_in, number_in, text_in
from sync.storage.limits import MAX_CHANGES, MAX_COMMIT_BYTES, weight
from sync.storage.model import Change, Delete, Row
from sync.storage.names import LEDGER
from sync.values import job_id

__all__ = ["Changes", "Ledger", "LogEntry"]

READ_WIDTH: Final = 8
INSERT_ATTEMPTS: Final = 3


@dataclass(frozen=True)
class _Draft:
    """A record that is to be inserted."""

    record: Record
    changes: Sequence[Change]
    weight: int


class Ledger:
    """All methods raise TryLater when storage is busy for long; writes raise StorageConflict when another worker was faster."""

    def __init__(self, ports: Ports, keys: AuditKeys) -> None:
        self._ports = ports
        self._tables = ports.tables
        self._keys = keys
        self._log = StepLog(ports, keys)

    def get(self, place: Place, key: str) -> Record | None:
        """The record, or None."""
        row = self._tables.get(LEDGER, place.partition, rows.record_key(key))
        return None if row is None else self._record(place, row)

    def holder(self, place: Place, alias: str) -> str | None:
        """The key of the record that holds the alias, or None."""
        row = self._tables.get(LEDGER, place.partition, rows.alias_key(alias))
        return None if row is None else text_in(row.values, "Key")

    def note(self, place: Place, new: Sequence[NewRecord], run: str, step: Step) -> list[Record]:
        """The records of `new`, in its order: missing ones are inserted, with `step` as their first; existing ones stay as they are.

        As many as fit go in one transaction, so after a crash some may be there and others not: note them again. Without a due time
        a record is due now, unless its state is at rest.
        """
        unique = {item.key: item for item in new}
        found = self._ports.executor.map(lambda key: self.get(place, key), [*unique], width=READ_WIDTH)
        known = {record.key: record for record in found if record is not None}
        missing = [item for item in unique.values() if item.key not in known]
        for group in _packed(self._draft(place, item, run, step, None) for item in missing):
            known |= self._insert(place, group, {key: unique[key] for key in group}, run, step)
        return [known[item.key] for item in new]

    def move(self, record: Record, step: Step, *, run: str, extra: Sequence[Change] = (), **changes: Unpack[Changes]) -> Record:
        """The record changed and one step further, in one transaction with `extra` (changes in the same partition).

        A new `version` gives a new job by itself. StorageConflict: the record was changed by another since it was read, or
        (`exists`) its new alias is held by another record. Bug: the change breaks a rule of the state (`sync/ledger/changes.py`).
        """
        at = self._ports.clock.now()
        changed = replace(record, **changes)
        if "version" in changes and "job" not in changes:
            changed = replace(changed, job=job_id(record.place.connection, record.place.stage, record.key, changed.version))
        building.check(changed)
        now, steps = building.stepped(self._keys, changed, step, run, at)
        failures = building.failure_changes(record, now, self._since(record, now), at)
        every = [*building.transition(record, now, steps, self._causes_pointer(now), failures), *extra]
        try:
            etags = self._tables.commit(LEDGER, record.place.partition, every)
        except StorageConflict as conflict:
            raise self._told_apart(record, now, conflict) from conflict
        return replace(now, etag=etags[rows.record_key(record.key)])

    def log(self, place: Place, entries: Sequence[LogEntry], run: str) -> None:
        """Append steps of things that have no record (mirrors), each chained to the last step of its key."""
        self._log.add(place, entries, run)

    def keep(self, text: str) -> str:
        """A pointer to the text, which is durable when this returns."""
        return texts.keep(self._ports.blobs, text)

    def text(self, pointer: str) -> str:
        """The text of a pointer. Bug when it is gone or was changed."""
        return texts.read(self._ports.blobs, pointer)

    def due(self, place: Place, now: datetime) -> Iterator[Work]:
        """Open work that is due at `now`, the longest due first."""
        return self._work(place, f"w:{rows.work_stamp(now)};")

    def open_work(self, place: Place) -> Iterator[Work]:
        """All open work, by due time."""
        return self._work(place, rows.after("w:"))

    def _work(self, place: Place, last: str) -> Iterator[Work]:
        return (rows.work_of(row) for row in self._tables.scan(LEDGER, place.partition, "w:", last))

    def failures(self, place: Place) -> Iterator[Failure]:
        """Open causes, those of one rank, code and subject together, root causes first; at most 40 of one record."""
        return (rows.failure_of(place, row) for row in self._tables.scan(LEDGER, place.partition, "f:", rows.after("f:")))

    def history(self, place: Place, key: str) -> list[AuditRow]:
        """The steps of one record, from the first that retention left."""
        return [rows.link_of(place, key, row).row for row in step_rows(self._tables, place, key) if not stands_for_removed(row)]

    def day(self, place: Place, day: date) -> Iterator[tuple[str, int]]:
        """The steps of one day (UTC) as (key, number), by key."""
        prefix = rows.day_prefix(day)
        found = self._tables.scan(LEDGER, place.partition, prefix, rows.after(prefix))
        return ((text_in(row.values, "Key"), number_in(row.values, "Seq")) for row in found)

    def verify(self, place: Place, key: str) -> list[str]:
        """What is wrong with a record's chain, in sentences; [] when it holds."""
        chain = read_chain(self._tables, self._keys, place, key)
        return chain.problems(self._keys, head_in(head_row(self._tables, place, key)))

    def removed(self, place: Place, key: str) -> int:
        """How many of the record's first steps retention removed."""
        row = self._tables.get(LEDGER, place.partition, rows.audit_key(key, FIRST))
        return 0 if row is None or not stands_for_removed(row) else removed_of(self._keys, place, key, row).head.seq

    def records(self, place: Place) -> Iterator[Record]:
        """All records, by key, streamed."""
        return (self._record(place, row) for row in self._tables.scan(LEDGER, place.partition, "r:", rows.after("r:")))

    def members(self, place: Place, batch: str) -> Iterator[str]:
        """The keys of the records of a batch."""
        prefix = rows.batch_prefix(batch)
        return (text_in(row.values, "Key") for row in self._tables.scan(LEDGER, place.partition, prefix, rows.after(prefix)))

    def _record(self, place: Place, row: Row) -> Record:
        pointer = text_in(row.values, "Causes")
        return rows.record_of(place, row, rows.causes_of(self.text(pointer)) if pointer else ())

    def _causes_pointer(self, record: Record) -> str:
        return self.keep(rows.causes_text(record.causes)) if record.causes else ""

    def _draft(self, place: Place, new: NewRecord, run: str, step: Step, head: Row | None) -> _Draft:
        """The changes of a new record, its long texts durable; `head` is the head row of a chain that it takes over."""
        at = self._ports.clock.now()
        open_state = new.state not in AT_REST and new.state is not State.WRITTEN
        chain = None if head is None else rows.head_of(head)
        record = Record(
            place=place,
            key=new.key,
            label=new.label,
            source_id=new.source_id,
            state=new.state,
            version=new.version,
            job=job_id(place.connection, place.stage, new.key, new.version),
            payload=self.keep(new.text),
            facts=new.facts,
            batch=new.batch,
            due=new.due or (at if open_state else None),
            causes=new.causes,
            seq=chain.seq if chain else 0,
            mac=chain.mac if chain else "",
            created_at=at,
        )
        building.check(record)
        record, steps = building.stepped(self._keys, record, step, run, at)
        changes = building.insertion(record, steps, self._causes_pointer(record))
        if head is not None:
            changes.append(Delete(head.key, head.etag))
        return _Draft(record, changes, sum(weight(change) for change in changes))

    def _commit(self, place: Place, drafts: Sequence[_Draft]) -> dict[str, Record]:
        etags = self._tables.commit(LEDGER, place.partition, [change for draft in drafts for change in draft.changes])
        return {draft.record.key: replace(draft.record, etag=etags[rows.record_key(draft.record.key)]) for draft in drafts}

    def _insert(self, place: Place, group: dict[str, _Draft], new: dict[str, NewRecord], run: str, step: Step) -> dict[str, Record]:
        try:
            return self._commit(place, [*group.values()])
        except StorageConflict:
            return {key: self._insert_alone(place, item, run, step) for key, item in new.items()}

    def _insert_alone(self, place: Place, new: NewRecord, run: str, step: Step) -> Record:
        """After a conflict: the record that another worker noted, or ours, on top of the steps that were logged before it."""
        head: Row | None = None
        for attempt in range(1, INSERT_ATTEMPTS + 1):
            try:
                return self._commit(place, [self._draft(place, new, run, step, head)])[new.key]
            except StorageConflict:
                found = self.get(place, new.key)
                if found is not None:
                    return found
                if attempt == INSERT_ATTEMPTS:
                    raise
                head = self._tables.get(LEDGER, place.partition, rows.head_key(new.key))
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _since(self, before: Record, now: Record) -> dict[str, datetime]:
        found: dict[str, datetime] = {}
        for key in building.rewritten_failures(before, now):
            row = self._tables.get(LEDGER, before.place.partition, key)
            since = None if row is None else moment_in(row.values, "Since")
            if since is not None:
                found[key] = since
        return found

    def _told_apart(self, before: Record, now: Record, conflict: StorageConflict) -> StorageConflict:
        """The conflict with `exists` set exactly when the new alias is held by another record."""
        if now.alias and now.alias != before.alias and conflict.exists:
            holder = self.holder(now.place, now.alias)
            if holder not in {None, now.key}:
                sentence = f"The second key of {now.label} is held by another record."
                return StorageConflict(sentence, exists=True, detail=f"held by {holder}; {conflict.detail}")
        return StorageConflict(f"{now.label} was changed by another worker.", detail=conflict.detail)


def _packed(drafts: Iterator[_Draft]) -> Iterator[dict[str, _Draft]]:
    """Drafts by key, as many together as one transaction takes."""
    group: dict[str, _Draft] = {}
    count = size = 0
    for draft in drafts:
        if group and (count + len(draft.changes) > MAX_CHANGES or size + draft.weight > MAX_COMMIT_BYTES):
            yield group
            group, count, size = {}, 0, 0
        group[draft.record.key] = draft
        count += len(draft.changes)
        size += draft.weight
    if group:
        yield group

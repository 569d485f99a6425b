"""Steps of things that have no record: a mirror keeps no row per vendor, but each vendor's sends are a chain all the same.

The chain's head lies in a small row of its own. When a record of the same key exists (a parked vendor), the chain is the record's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sync.errors import StorageConflict
from sync.ledger import rows
from sync.ledger.audit import AuditKeys, Head, chained
from sync.ledger.changes import fitting
from sync.ledger.model import AuditRow, Place, State, Step
from sync.ports import Ports
from sync.storage.model import Change, Insert, Replace, Row
from sync.storage.names import LEDGER

ENTRIES: Final = 33
"""Three rows each: the step, its day entry, the head."""
ATTEMPTS: Final = 5
READ_WIDTH: Final = 8


@dataclass(frozen=True)
class LogEntry:
    """One step of a thing without a record. `key` is its key digest, `label` what a person reads."""

    key: str
    label: str
    job: str
    state: State
    step: Step
    version: str


@dataclass(frozen=True)
class StepLog:
    """Appends entries to chains."""

    ports: Ports
    keys: AuditKeys

    def add(self, place: Place, entries: Sequence[LogEntry], run: str) -> None:
        """Append one step per entry, up to 33 in a transaction. StorageConflict when others keep changing the same chains."""
        for group in _groups(entries):
            self._add_group(place, group, run)

    def _add_group(self, place: Place, group: Sequence[LogEntry], run: str) -> None:
        # Most keys have no chain yet when most is logged (the first load), so the heads are read only after a conflict.
        heads: list[Row | None] = [None] * len(group)
        for attempt in range(1, ATTEMPTS + 1):
            changes = [change for entry, head in zip(group, heads, strict=True) for change in self._step(place, entry, head, run)]
            try:
                self.ports.tables.commit(LEDGER, place.partition, changes)
            except StorageConflict:
                if attempt == ATTEMPTS:
                    raise
                heads = self.ports.executor.map(lambda entry: self._head(place, entry.key), group, width=READ_WIDTH)
            else:
                return

    def _head(self, place: Place, key: str) -> Row | None:
        """The row that holds the chain's head: a head row, which is the usual case here, or a record. There are never both."""
        head = self.ports.tables.get(LEDGER, place.partition, rows.head_key(key))
        return head or self.ports.tables.get(LEDGER, place.partition, rows.record_key(key))

    def _step(self, place: Place, entry: LogEntry, there: Row | None, run: str) -> list[Change]:
        at = self.ports.clock.now()
        bare = AuditRow(place, entry.key, 0, at, run, entry.job, entry.state, fitting(entry.label, entry.step), mac="")
        link = chained(self.keys, Head() if there is None else rows.head_of(there), bare)
        head = Head(link.row.seq, link.row.mac)
        steps: list[Change] = [Insert(row) for row in rows.audit_rows(link)]
        if there is not None and there.key == rows.record_key(entry.key):
            return [Replace(rows.with_head(there, head, at)), *steps]
        values = {"Label": entry.label, "Version": entry.version, "State": entry.state.value}
        row = rows.with_head(Row(place.partition, rows.head_key(entry.key), values, there.etag if there else ""), head, at)
        return [Replace(row) if there else Insert(row), *steps]


def _groups(entries: Sequence[LogEntry]) -> Iterator[list[LogEntry]]:
    """The entries in order, at most 33 together and none twice of one key."""
    group: dict[str, LogEntry] = {}
    for entry in entries:
        if len(group) == ENTRIES or entry.key in group:
            yield [*group.values()]
            group = {}
        group[entry.key] = entry
    if group:
        yield [*group.values()]

"""Storage that persists: transient failures are tried again, and a retried write recognises what its own earlier attempt did.

A write that broke off may have landed. Tried again it then meets itself: 409 or 412. So every row of a commit carries the commit's
`Stamp`; when a conflict follows an unclear attempt, the rows are read back, and the same stamp means that the conflict was with
ourselves (design §3, invariant 4).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Final, Protocol, TypeVar

from sync.errors import Bug, StorageConflict, TryLater
from sync.ports import Ids, Randomness, Sleep
from sync.storage.limits import in_order
from sync.storage.model import Blob, Blobs, Change, Delete, Queues, Row, Tables

T = TypeVar("T")

ATTEMPTS: Final = 6
FIRST_SECONDS: Final = 0.2
LONGEST_SECONDS: Final = 10.0
STAMP: Final = "Stamp"


def back_off(attempt: int, asked: float | None, fraction: float) -> float:
    """Seconds to wait after the failed attempt `attempt` (from 1): doubling, half of it by chance, never less than the service asked."""
    step = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** (attempt - 1))
    return max(step * (0.5 + fraction / 2), asked or 0.0)


@dataclass(frozen=True)
class Persistence:
    """How calls are repeated."""

    sleep: Sleep
    randomness: Randomness
    ids: Ids

    def call(self, work: Callable[[bool], T]) -> T:
        """work(unclear) until it does not raise TryLater, at most 6 times; `unclear` says that an attempt before may have landed.

        A wait longer than 10 s that the service asks for is left to the caller: its TryLater goes up at once.
        """
        for attempt in range(1, ATTEMPTS):
            try:
                return work(attempt > 1)
            except TryLater as error:
                if error.delay is not None and error.delay > LONGEST_SECONDS:
                    raise
                self.sleep(back_off(attempt, error.delay, self.randomness.fraction()))
        return work(True)

    def stream(self, start: Callable[[str], Iterator[T]], name: Callable[[T], str]) -> Iterator[T]:
        """The items of start(""), in order of their names; after a failure on from the last one's name: start(name), the last left out.

        The attempts count anew with every item that comes.
        """
        source, last, failed = start(""), "", 0
        while True:
            try:
                item = next(source, None)
            except TryLater as error:
                failed += 1
                if failed == ATTEMPTS or (error.delay is not None and error.delay > LONGEST_SECONDS):
                    raise
                self.sleep(back_off(failed, error.delay, self.randomness.fraction()))
                source = start(last)
                continue
            if item is None:
                return
            if last and in_order(name(item)) <= in_order(last):
                continue
            last, failed = name(item), 0
            yield item


class PatientTables:
    """`Tables` over `Tables`."""

    def __init__(self, raw: Tables, persistence: Persistence) -> None:
        self._raw = raw
        self._persistence = persistence

    def get(self, table: str, partition: str, key: str) -> Row | None:
        """The row, or None."""
        row = self._persistence.call(lambda _: self._raw.get(table, partition, key))
        return None if row is None else _bare(row)

    def scan(self, table: str, partition: str, first: str = "", last: str = "\uffff", *, limit: int | None = None) -> Iterator[Row]:
        """See `Tables.scan`. A failure in the middle goes on after the last row that came."""

        def start(after: str) -> Iterator[Row]:
            # The row `after` itself comes once more, and is left out.
            more = None if limit is None else limit + bool(after)
            return self._raw.scan(table, partition, after or first, last, limit=more)

        rows = self._persistence.stream(start, lambda row: row.key)
        return (_bare(row) for row in islice(rows, limit))

    def commit(self, table: str, partition: str, changes: Sequence[Change]) -> Mapping[str, str]:
        """See `Tables.commit`. StorageConflict only for a conflict with another: what an earlier attempt of this call wrote is success."""
        stamp = self._persistence.ids.new()
        stamped = [_stamped(change, stamp) for change in changes]

        def attempt(unclear: bool) -> Mapping[str, str]:
            try:
                return self._raw.commit(table, partition, stamped)
            except StorageConflict:
                etags = self._ours(table, partition, stamped, stamp) if unclear else None
                if etags is None:
                    raise
                return etags

        return self._persistence.call(attempt)

    def time(self, table: str) -> datetime:
        """See `Tables.time`."""
        return self._persistence.call(lambda _: self._raw.time(table))

    def _ours(self, table: str, partition: str, changes: Sequence[Change], stamp: str) -> Mapping[str, str] | None:
        """The etags when every written row still carries our stamp; None when one does not, or when nothing was written but deletions."""
        etags: dict[str, str] = {}
        for change in changes:
            if isinstance(change, Delete):
                continue
            row = self._raw.get(table, partition, change.row.key)
            if row is None or row.values.get(STAMP) != stamp:
                return None
            etags[row.key] = row.etag
        return etags or None


def _stamped(change: Change, stamp: str) -> Change:
    if isinstance(change, Delete):
        return change
    if STAMP in change.row.values:
        raise Bug(f"The row {change.row.key!r} has a property {STAMP}; the name is taken.")
    return replace(change, row=replace(change.row, values={**change.row.values, STAMP: stamp}))


def _bare(row: Row) -> Row:
    return replace(row, values={name: value for name, value in row.values.items() if name != STAMP})


class PatientQueues:
    """`Queues` over `Queues`. A message put twice is harmless by design: every message only says where to look."""

    def __init__(self, raw: Queues, persistence: Persistence) -> None:
        self._raw = raw
        self._persistence = persistence

    def put(self, queue: str, body: str, *, delay: float = 0) -> None:
        """See `Queues.put`."""
        self._persistence.call(lambda _: self._raw.put(queue, body, delay=delay))


class PatientBlobs:
    """`Blobs` over `Blobs`. What an unclear attempt wrote is recognised by its content."""

    def __init__(self, raw: Blobs, persistence: Persistence) -> None:
        self._raw = raw
        self._persistence = persistence

    def read(self, container: str, name: str) -> Blob | None:
        """The blob, or None."""
        return self._persistence.call(lambda _: self._raw.read(container, name))

    def write(self, container: str, name: str, data: bytes, *, etag: str | None = None) -> str:
        """See `Blobs.write`."""

        def attempt(unclear: bool) -> str:
            try:
                return self._raw.write(container, name, data, etag=etag)
            except StorageConflict:
                there = self._raw.read(container, name) if unclear else None
                if there is None or there.data != data:
                    raise
                return there.etag

        return self._persistence.call(attempt)

    def append(self, container: str, name: str, data: bytes) -> None:
        """See `Blobs.append`. After an unclear attempt the block is looked for at the blob's end before it is sent again."""

        def attempt(unclear: bool) -> None:
            there = self._raw.read(container, name) if unclear else None
            if there is None or not there.data.endswith(data):
                self._raw.append(container, name, data)

        self._persistence.call(attempt)

    def names(self, container: str, prefix: str) -> Iterator[str]:
        """See `Blobs.names`."""
        return self._persistence.stream(lambda _: self._raw.names(container, prefix), lambda name: name)

    def delete(self, container: str, name: str) -> None:
        """Delete the blob; a missing one is fine."""
        self._persistence.call(lambda _: self._raw.delete(container, name))


class Opened(Protocol):
    """The three services of one account, each call one attempt."""

    @property
    def tables(self) -> Tables:
        """The tables."""
        ...

    @property
    def queues(self) -> Queues:
        """The queues."""
        ...

    @property
    def blobs(self) -> Blobs:
        """The blobs."""
        ...


@dataclass(frozen=True)
class Patient:
    """The three services, persisting: what `sync.ports.Ports` takes."""

    tables: PatientTables
    queues: PatientQueues
    blobs: PatientBlobs


def patient(raw: Opened, sleep: Sleep, randomness: Randomness, ids: Ids) -> Patient:
    """Make the services persist."""
    persistence = Persistence(sleep, randomness, ids)
    return Patient(PatientTables(raw.tables, persistence), PatientQueues(raw.queues, persistence), PatientBlobs(raw.blobs, persistence))

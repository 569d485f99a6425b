"""Storage inside the process: the semantics of Azure's tables, queues and blobs without a network, threads or a clock of its own.

Deterministic. Two hooks are called at every operation, so that a simulator can let another worker go first, or break an operation:
an error raised by `before` means that nothing happened, one raised by `after` that it happened and the answer was lost.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from sync.errors import Bug, FixConfiguration, StorageConflict
from sync.ports import Clock
from sync.storage.limits import check_append, check_commit, check_etag, check_message, in_order
from sync.storage.model import Blob, Change, Delete, Insert, Replace, Row, Upsert, Value

PAGE = 1000


@dataclass(frozen=True)
class Operation:
    """What is about to happen, or happened: `tables` `commit` of `ledger`, partition or name `key`.

    `partition` is a table's, `changes` are those of a commit, `body` that of the message that is put, received, updated or deleted.
    """

    service: str
    verb: str
    target: str
    key: str = ""
    partition: str = ""
    changes: Sequence[Change] = ()
    body: str = ""


Hook = Callable[[Operation], None]


def nothing(_: Operation) -> None:
    """The hook that does nothing."""


class LocalStorage:
    """One storage account. Empty at first: `sync.storage.names.ensure` makes what the product needs."""

    def __init__(self, clock: Clock, *, before: Hook = nothing, after: Hook = nothing) -> None:
        self.before = before
        self.after = after
        self.clock = clock
        self.tables = LocalTables(self)
        self.queues = LocalQueues(self)
        self.blobs = LocalBlobs(self)
        self._versions = 0

    def next_etag(self) -> str:
        """An etag never given before."""
        self._versions += 1
        return f'W/"{self._versions}"'


@dataclass
class Partition:
    """Rows by key, and their keys in order."""

    rows: dict[str, Row] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)

    def put(self, row: Row) -> None:
        """Insert or overwrite."""
        if row.key not in self.rows:
            insort(self.keys, row.key, key=in_order)
        self.rows[row.key] = row

    def drop(self, key: str) -> None:
        """Remove; a missing one is fine."""
        if self.rows.pop(key, None) is not None:
            del self.keys[bisect_left(self.keys, in_order(key), key=in_order)]

    def page(self, first: str, last: str) -> list[Row]:
        """At most a page of rows with first <= key < last."""
        start = bisect_left(self.keys, in_order(first), key=in_order)
        end = bisect_left(self.keys, in_order(last), key=in_order)
        return [self.rows[key] for key in self.keys[start : min(end, start + PAGE)]]


class LocalTables:
    """See `sync.storage.model.Tables`."""

    def __init__(self, storage: LocalStorage) -> None:
        self._storage = storage
        self._tables: dict[str, dict[str, Partition]] = {}

    def create(self, name: str) -> None:
        """Make the table; one that exists is fine."""
        self._tables.setdefault(name, {})

    def get(self, table: str, partition: str, key: str) -> Row | None:
        """The row, or None."""
        operation = Operation("tables", "get", table, key, partition)
        self._storage.before(operation)
        row = self._partition(table, partition).rows.get(key)
        self._storage.after(operation)
        return row

    def scan(self, table: str, partition: str, first: str = "", last: str = "\uffff", *, limit: int | None = None) -> Iterator[Row]:
        """Rows with first <= key < last; each page sees the table as it is when it is asked for."""
        left, start = limit, first
        while left is None or left > 0:
            operation = Operation("tables", "scan", table, start, partition)
            self._storage.before(operation)
            page = self._partition(table, partition).page(start, last)[:left]
            self._storage.after(operation)
            yield from page
            if len(page) < PAGE:
                return
            start = page[-1].key + "\x00"
            left = None if left is None else left - len(page)

    def commit(self, table: str, partition: str, changes: Sequence[Change]) -> Mapping[str, str]:
        """All changes or none."""
        check_commit(table, partition, changes)
        operation = Operation("tables", "commit", table, _key(changes[0]), partition, changes)
        self._storage.before(operation)
        there = self._partition(table, partition)
        for change in changes:
            _check(table, change, there.rows)
        etags: dict[str, str] = {}
        for change in changes:
            if isinstance(change, Delete):
                there.drop(change.key)
            else:
                etags[change.row.key] = self._storage.next_etag()
                there.put(Row(partition, change.row.key, _stored(change.row.values), etags[change.row.key]))
        self._storage.after(operation)
        return etags

    def time(self, table: str) -> datetime:
        """The time of the storage's clock, in whole seconds."""
        operation = Operation("tables", "time", table)
        self._storage.before(operation)
        self._known(table)
        self._storage.after(operation)
        return self._storage.clock.now().replace(microsecond=0)

    def partitions(self, table: str) -> list[str]:
        """The names of the partitions that were ever used, for a look from outside."""
        return sorted(self._tables[table])

    def peek(self, table: str, partition: str, key: str) -> Row | None:
        """The row, or None, for a look from outside: no hook is called."""
        return self._partition(table, partition).rows.get(key)

    def peek_all(self, table: str) -> Iterator[Row]:
        """Every row of a table, for a look from outside."""
        return (row for partition in self._tables[table].values() for row in partition.rows.values())

    def _partition(self, table: str, partition: str) -> Partition:
        return self._known(table).setdefault(partition, Partition())

    def _known(self, table: str) -> dict[str, Partition]:
        if table not in self._tables:
            raise FixConfiguration(f"There is no table {table}: deploy the infrastructure, or run the local set-up.")
        return self._tables[table]


def _key(change: Change) -> str:
    return change.key if isinstance(change, Delete) else change.row.key


def _stored(values: Mapping[str, Value]) -> dict[str, Value]:
    return {name: value.astimezone(UTC) if isinstance(value, datetime) else value for name, value in values.items()}


def _check(table: str, change: Change, rows: Mapping[str, Row]) -> None:
    there = rows.get(_key(change))
    match change:
        case Upsert():
            return
        case Insert():
            if there is not None:
                raise StorageConflict(f"Changed by another worker (table {table}).", exists=True, detail=there.key)
        case Replace(row):
            if not row.etag:
                raise Bug(f"The row {row.key!r} is to be replaced without the etag it was read with.")
            _same_version(table, there, row.etag)
        case Delete(_, etag):
            if etag:
                _same_version(table, there, etag)


def _same_version(table: str, there: Row | None, etag: str) -> None:
    if there is None or there.etag != etag:
        raise StorageConflict(f"Changed by another worker (table {table}).", detail=there.key if there else "gone")


@dataclass(frozen=True)
class Message:
    """A message as received. `receipt` is good until it becomes visible again."""

    id: int
    body: str
    visible_at: datetime
    inserted_at: datetime
    dequeue_count: int = 0
    receipt: int = 0


Choose = Callable[[Sequence[Message]], Message]


def first(visible: Sequence[Message]) -> Message:
    """What a queue gives out without disorder."""
    return visible[0]


class LocalQueues:
    """See `sync.storage.model.Queues`; receiving, deleting and updating are there for a runner."""

    def __init__(self, storage: LocalStorage) -> None:
        self._storage = storage
        self._queues: dict[str, dict[int, Message]] = {}
        self._ids = 0

    def create(self, name: str) -> None:
        """Make the queue; one that exists is fine."""
        self._queues.setdefault(name, {})

    def put(self, queue: str, body: str, *, delay: float = 0) -> None:
        """Put a message, visible after `delay` seconds."""
        check_message(queue, body, delay)
        operation = Operation("queues", "put", queue, body=body)
        self._storage.before(operation)
        now = self._storage.clock.now()
        self._ids += 1
        self._queue(queue)[self._ids] = Message(self._ids, body, now + timedelta(seconds=delay), now)
        self._storage.after(operation)

    def receive(self, queue: str, visibility: float, choose: Choose = first) -> Message | None:
        """A visible message, hidden for `visibility` seconds; None when none is visible. `choose` sees them, visible for longest first."""
        if not self.visible(queue):
            return None
        operation = Operation("queues", "receive", queue, body=choose(self.visible(queue)).body)
        self._storage.before(operation)
        visible = self.visible(queue)
        if not visible:
            return None
        chosen = choose(visible)
        later = self._storage.clock.now() + timedelta(seconds=visibility)
        taken = replace(chosen, visible_at=later, dequeue_count=chosen.dequeue_count + 1, receipt=chosen.receipt + 1)
        self._queue(queue)[taken.id] = taken
        self._storage.after(operation)
        return taken

    def update(self, queue: str, message: Message, visibility: float) -> Message:
        """Hide the message for `visibility` seconds from now. StorageConflict when another received it since."""
        operation = Operation("queues", "update", queue, body=message.body)
        self._storage.before(operation)
        self._held(queue, message)
        later = self._storage.clock.now() + timedelta(seconds=visibility)
        kept = replace(message, visible_at=later, receipt=message.receipt + 1)
        self._queue(queue)[message.id] = kept
        self._storage.after(operation)
        return kept

    def delete(self, queue: str, message: Message) -> None:
        """Delete the message. StorageConflict when another received it since, or it is gone."""
        operation = Operation("queues", "delete", queue, body=message.body)
        self._storage.before(operation)
        self._held(queue, message)
        del self._queue(queue)[message.id]
        self._storage.after(operation)

    def visible(self, queue: str) -> list[Message]:
        """The messages that could be received now, visible for longest first."""
        now = self._storage.clock.now()
        there = [message for message in self._queue(queue).values() if message.visible_at <= now]
        return sorted(there, key=lambda message: (message.visible_at, message.id))

    def messages(self, queue: str) -> list[Message]:
        """All messages, visible or not, oldest first."""
        return [*self._queue(queue).values()]

    def _held(self, queue: str, message: Message) -> None:
        there = self._queue(queue).get(message.id)
        if there is None or there.receipt != message.receipt:
            raise StorageConflict(f"Received by another worker (queue {queue}).")

    def _queue(self, queue: str) -> dict[int, Message]:
        if queue not in self._queues:
            raise FixConfiguration(f"There is no queue {queue}: deploy the infrastructure, or run the local set-up.")
        return self._queues[queue]


class LocalBlobs:
    """See `sync.storage.model.Blobs`."""

    def __init__(self, storage: LocalStorage) -> None:
        self._storage = storage
        self._containers: dict[str, dict[str, Blob]] = {}
        self._logs: set[tuple[str, str]] = set()
        """The blobs that are appended to; the others are written whole."""

    def create(self, name: str) -> None:
        """Make the container; one that exists is fine."""
        self._containers.setdefault(name, {})

    def read(self, container: str, name: str) -> Blob | None:
        """The blob, or None."""
        operation = Operation("blobs", "read", container, name)
        self._storage.before(operation)
        blob = self._container(container).get(name)
        self._storage.after(operation)
        return blob

    def write(self, container: str, name: str, data: bytes, *, etag: str | None = None) -> str:
        """Write the whole blob under the condition that `etag` says."""
        check_etag(f"The blob {container}/{name}", etag)
        operation = Operation("blobs", "write", container, name)
        self._storage.before(operation)
        blobs = self._container(container)
        there = blobs.get(name)
        if etag is not None and (there.etag if there else "") != etag:
            raise StorageConflict(f"Changed by another worker (container {container}).", exists=etag == "", detail=name)
        blobs[name] = Blob(data, self._storage.next_etag())
        self._logs.discard((container, name))
        self._storage.after(operation)
        return blobs[name].etag

    def append(self, container: str, name: str, data: bytes) -> None:
        """Append, creating the blob."""
        check_append(container, name, data)
        operation = Operation("blobs", "append", container, name)
        self._storage.before(operation)
        blobs = self._container(container)
        there = blobs.get(name, Blob(b""))
        if name in blobs and (container, name) not in self._logs:
            raise Bug(f"Storage does not allow this (container {container}): InvalidBlobType.")
        self._logs.add((container, name))
        blobs[name] = Blob(there.data + data, self._storage.next_etag())
        self._storage.after(operation)

    def peek_all(self, container: str) -> Iterator[Blob]:
        """Every blob of a container, for a look from outside: no hook is called."""
        return iter(self._container(container).values())

    def names(self, container: str, prefix: str) -> Iterator[str]:
        """The names that start with `prefix`, in order."""
        operation = Operation("blobs", "names", container, prefix)
        self._storage.before(operation)
        yield from sorted(name for name in self._container(container) if name.startswith(prefix))
        self._storage.after(operation)

    def delete(self, container: str, name: str) -> None:
        """Delete the blob; a missing one is fine."""
        operation = Operation("blobs", "delete", container, name)
        self._storage.before(operation)
        self._container(container).pop(name, None)
        self._storage.after(operation)

    def _container(self, container: str) -> dict[str, Blob]:
        if container not in self._containers:
            raise FixConfiguration(f"There is no container {container}: deploy the infrastructure, or run the local set-up.")
        return self._containers[container]

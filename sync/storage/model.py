"""What the connector asks of storage: tables with transactions per partition, queues, and blobs with ETags.

The protocols are narrower than the Azure SDK's on purpose: what is not here cannot be used by accident. Limits that callers must
respect: 100 changes and 4 MiB a commit, 64 KiB a property, 1 MiB a row, 48 KiB a message (design §2).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

Value = str | int | bool | datetime | bytes
"""What a property may hold. No float: money is text (design §2, Tables). int is 64 bits."""


@dataclass(frozen=True)
class Row:
    """One table row. `etag` is empty on a row that was not read or written yet."""

    partition: str
    key: str
    values: Mapping[str, Value]
    etag: str = ""


@dataclass(frozen=True)
class Insert:
    """Add the row; a row with this key must not exist."""

    row: Row


@dataclass(frozen=True)
class Replace:
    """Replace the row as a whole; it must still have `row.etag`."""

    row: Row


@dataclass(frozen=True)
class Upsert:
    """Write the row as a whole, whatever was there. Only for rows that carry no decision (indexes, latest values)."""

    row: Row


@dataclass(frozen=True)
class Delete:
    """Remove the row `key`. With an etag it must still have it; without, a missing row is fine."""

    key: str
    etag: str = ""


Change = Insert | Replace | Upsert | Delete


class Tables(Protocol):
    """Table storage. Raises StorageConflict (409, 412) and TryLater (the store is busy or unreachable, after retries)."""

    def get(self, table: str, partition: str, key: str) -> Row | None:
        """The row, or None."""
        ...

    def scan(self, table: str, partition: str, first: str = "", last: str = "\uffff", *, limit: int | None = None) -> Iterator[Row]:
        """Rows with first <= key < last, in key order, streamed."""
        ...

    def commit(self, table: str, partition: str, changes: Sequence[Change]) -> Mapping[str, str]:
        """All changes or none (1-100, one per key, one partition). Returns the new etags by row key (deleted keys are absent)."""
        ...

    def time(self, table: str) -> datetime:
        """The time by the clock of the service that holds the table, UTC, to the second."""
        ...


class Queues(Protocol):
    """Storage queues, sending only: receiving is the platform's."""

    def put(self, queue: str, body: str, *, delay: float = 0) -> None:
        """Put a message that never expires; visible after `delay` seconds (at most 7 days). `body` is JSON text, at most 48 KiB."""
        ...


@dataclass(frozen=True)
class Blob:
    """A blob's content and version."""

    data: bytes
    etag: str = field(default="")


class Blobs(Protocol):
    """Blob storage. Raises StorageConflict and TryLater as tables do."""

    def read(self, container: str, name: str) -> Blob | None:
        """The blob, or None."""
        ...

    def write(self, container: str, name: str, data: bytes, *, etag: str | None = None) -> str:
        """Write the whole blob; returns the etag. etag None: whatever is there; "": only when there is none; else over that version."""
        ...

    def append(self, container: str, name: str, data: bytes) -> None:
        """Append to an append blob (at most 4 MiB), creating it."""
        ...

    def names(self, container: str, prefix: str) -> Iterator[str]:
        """The names that start with `prefix`, in order."""
        ...

    def delete(self, container: str, name: str) -> None:
        """Delete the blob; a missing one is fine."""
        ...

"""The stored connection documents: one row each in the table `connections`, checked before it is stored and when it is read."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sync.connections.document import Connection, parse_connection
from sync.errors import FixConfiguration
from sync.storage.columns import number_in, text_in
from sync.storage.limits import REFUSED_IN_KEYS
from sync.storage.model import Delete, Insert, Replace, Row, Tables, Upsert, Value
from sync.storage.names import CONNECTIONS

PARTITION: Final = "connections"
PART: Final = 15_000
"""Characters of the document in one property (which takes 32,768 UTF-16 units; a character is at most two)."""


@dataclass(frozen=True)
class Stored:
    """A document as stored. `connection` is None when it is not valid (any more), and `error` says why."""

    id: str
    text: str
    etag: str
    connection: Connection | None
    error: str = ""


class ConnectionStore:
    """Raises TryLater when storage is busy."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def read(self, connection_id: str) -> Stored | None:
        """The document as stored, valid or not; None when there is none."""
        if REFUSED_IN_KEYS.search(connection_id):
            return None
        row = self._tables.get(CONNECTIONS, PARTITION, connection_id)
        return None if row is None else _stored(row)

    def get(self, connection_id: str) -> Connection | None:
        """The connection; None when there is none. FixConfiguration when its document is not valid."""
        stored = self.read(connection_id)
        if stored is not None and stored.connection is None:
            raise FixConfiguration(f"Connection {connection_id}: {stored.error}", field=connection_id)
        return None if stored is None else stored.connection

    def list(self) -> Iterator[Stored]:
        """All documents by id; a broken one is listed with its error, so that the others go on."""
        return (_stored(row) for row in self._tables.scan(CONNECTIONS, PARTITION))

    def put(self, text: str, *, etag: str | None = None) -> Stored:
        """Store a document under its id. etag None: whatever is there; "": only when there is none; else only over that version.

        Raises FixConfiguration (the document is not valid) and StorageConflict (another was stored in between).
        """
        connection = parse_connection(text)
        return self._write(connection.id, text, etag)

    def set_paused(self, connection_id: str, paused: bool) -> Stored:
        """Pause or resume. FixConfiguration when there is no such connection, StorageConflict when it was changed in this moment."""
        stored = self.read(connection_id)
        if stored is None:
            raise FixConfiguration(f"There is no connection {connection_id}: see `connections list`.", field="id")
        try:
            document = json.loads(stored.text)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise FixConfiguration(f"The document of {connection_id} is no JSON object: store it again, or remove it.", field=connection_id)
        text = json.dumps({**document, "paused": paused}, ensure_ascii=False, indent=2)
        return self._write(connection_id, text, stored.etag)

    def remove(self, connection_id: str) -> None:
        """Remove the document; a missing one is fine. The ledger of the connection stays."""
        if self.read(connection_id) is not None:
            self._tables.commit(CONNECTIONS, PARTITION, [Delete(connection_id)])

    def _write(self, connection_id: str, text: str, etag: str | None) -> Stored:
        parts = [text[start : start + PART] for start in range(0, len(text), PART)]
        values: dict[str, Value] = {"Parts": len(parts), **{f"Document{number}": part for number, part in enumerate(parts)}}
        row = Row(PARTITION, connection_id, values, etag or "")
        change = Upsert(row) if etag is None else Replace(row) if etag else Insert(row)
        etags = self._tables.commit(CONNECTIONS, PARTITION, [change])
        return _stored(Row(PARTITION, connection_id, values, etags[connection_id]))


def _stored(row: Row) -> Stored:
    text = "".join(text_in(row.values, f"Document{number}") for number in range(number_in(row.values, "Parts")))
    try:
        connection = parse_connection(text)
        if connection.id != row.key:
            raise FixConfiguration(f"id: the document says {connection.id}, it is stored as {row.key}", field="id")
    except FixConfiguration as error:
        return Stored(row.key, text, row.etag, None, error.sentence)
    return Stored(row.key, text, row.etag, connection)

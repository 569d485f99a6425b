"""One record's chain as it lies in the ledger: what retention left in place of old steps, the steps that are there, and the head."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from sync.ledger import rows
from sync.ledger.audit import AuditKeys, Head, Link, broken
from sync.ledger.model import AuditRow, Place
from sync.ledger.retained import Removed, removed_of, stands_for_removed
from sync.storage.model import Row, Tables
from sync.storage.names import LEDGER

READING_ERRORS: Final = (ValueError, AssertionError, TypeError)
"""What a row raises whose properties are not what was stored."""


@dataclass(frozen=True)
class Chain:
    """The chain of one key. `unreadable` says in sentences which of its rows are no steps any more."""

    removed: Removed | None
    links: tuple[Link, ...]
    unreadable: tuple[str, ...]

    @property
    def steps(self) -> list[AuditRow]:
        """The steps that are there, from the first."""
        return [link.row for link in self.links]

    def problems(self, keys: AuditKeys, head: Head | None) -> list[str]:
        """What is wrong with it, in sentences; [] when it holds and ends at `head`, the head that its record names."""
        found = list(self.unreadable)
        if self.removed is not None and not self.removed.genuine:
            found.append("What stands for the steps that retention removed was changed: its code does not fit.")
        start = Head() if self.removed is None else self.removed.head
        return found + broken(keys, self.links, head, start)


def chain_of(keys: AuditKeys, place: Place, key: str, found: Iterable[Row]) -> Chain:
    """The chain from its rows in the order of their keys."""
    removed: Removed | None = None
    links: list[Link] = []
    unreadable: list[str] = []
    for row in found:
        if stands_for_removed(row):
            removed = removed_of(keys, place, key, row)
            continue
        try:
            links.append(rows.link_of(place, key, row))
        except READING_ERRORS as error:
            unreadable.append(f"The step in row {row.key} cannot be read: {error}.")
    return Chain(removed, tuple(links), tuple(unreadable))


def step_rows(tables: Tables, place: Place, key: str) -> Iterator[Row]:
    """The rows of a chain, in order."""
    prefix = f"a:{key}:"
    return tables.scan(LEDGER, place.partition, prefix, rows.after(prefix))


def read_chain(tables: Tables, keys: AuditKeys, place: Place, key: str) -> Chain:
    """The chain of a key."""
    return chain_of(keys, place, key, step_rows(tables, place, key))


def head_row(tables: Tables, place: Place, key: str) -> Row | None:
    """The row that names the head of the chain: the record's own, or one that has no record."""
    found = tables.get(LEDGER, place.partition, rows.record_key(key))
    return found or tables.get(LEDGER, place.partition, rows.head_key(key))


def head_in(row: Row | None) -> Head | None:
    """The head that the row names. One that cannot be read names a step that no chain has."""
    if row is None:
        return None
    try:
        return rows.head_of(row)
    except READING_ERRORS:
        return Head(-1, "")

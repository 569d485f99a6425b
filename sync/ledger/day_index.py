"""The index of steps by day (UTC): which steps each record took on a day, and the digest that a seal is made over."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Final

from sync.errors import Bug
from sync.ledger import rows
from sync.ledger.model import Place
from sync.storage.columns import text_in
from sync.storage.model import Row, Tables
from sync.storage.names import LEDGER
from sync.values import canonical

DAY: Final = slice(2, 10)
"""Where a row's key holds its day."""


@dataclass(frozen=True)
class Entry:
    """One step in the index. What cannot be read of a row that was changed is empty, or -1."""

    key: str
    seq: int
    mac: str


def entry_of(row: Row) -> Entry:
    """The step of a row of the index."""
    seq = row.values.get("Seq")
    return Entry(text_in(row.values, "Key"), seq if isinstance(seq, int) else -1, text_in(row.values, "Mac"))


def index_rows(tables: Tables, place: Place, day: date) -> Iterator[Row]:
    """The rows of one day, by key."""
    prefix = rows.day_prefix(day)
    return tables.scan(LEDGER, place.partition, prefix, rows.after(prefix))


def by_record(found: Iterable[Row]) -> Iterator[tuple[str, list[Entry]]]:
    """The steps of a day, record by record."""
    for key, entries in groupby(map(entry_of, found), lambda entry: entry.key):
        yield key, [*entries]


def digest_of(found: Iterable[Row]) -> tuple[int, str]:
    """How many rows there are, and what stands for them all: every property that a step's index row has."""
    content = hashlib.sha256()
    count = 0
    for row in found:
        content.update(canonical([row.key, *(repr(row.values.get(name)) for name in ("Key", "Seq", "Mac"))]).encode())
        count += 1
    return count, content.hexdigest()


def next_day(tables: Tables, place: Place, first: date, last: date) -> date | None:
    """The first day from `first` through `last` that has a step; None when there is none. Bug when a row names no day."""
    if first > last:
        return None
    end = rows.after(rows.day_prefix(last))
    found = next(tables.scan(LEDGER, place.partition, rows.day_prefix(first), end, limit=1), None)
    return None if found is None else day_in(found)


def day_in(row: Row) -> date:
    """The day of a row of the index. Bug when it names none."""
    try:
        return date.fromisoformat(row.key[DAY])
    except ValueError:
        raise Bug(f"The row {row.key!r} of the index by day in {row.partition} names no day: it is none of ours.") from None

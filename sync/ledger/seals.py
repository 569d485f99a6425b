"""The daily seal: a line that says which steps each place of a connection had on a day.

It shows what a chain alone cannot: a record that is gone with all its steps, or a tail that was cut off together with the record's head.

Days are sealed in order from the last one on, however long nobody came to it. A day without a step needs no line. Lines are chained
(`sync/ledger/seal_lines.py`), and the log of the app names each one, so that the storage is not the only witness.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from sync.errors import Bug
from sync.ledger.audit import AuditKeys, place_name
from sync.ledger.day_index import digest_of, index_rows, next_day
from sync.ledger.model import Place
from sync.ledger.seal_lines import SealHead, SealLine, Steps
from sync.ledger.seal_log import SealChain, SealLog
from sync.ports import Ports
from sync.storage.model import Tables

BEGINNING: Final = date(1970, 1, 1)
ONE_DAY: Final = timedelta(days=1)
MOST_DAYS: Final = 31
"""Days with steps that one call seals; the next call goes on."""


@dataclass(frozen=True)
class _Reach:
    """What is to be sealed of a connection: the steps of its places, through `last`."""

    connection: str
    places: Sequence[Place]
    last: date


class Seals:
    """Seals days of a connection. Raises TryLater when storage is busy, StorageConflict when another housekeeper was faster."""

    def __init__(self, ports: Ports, keys: AuditKeys) -> None:
        self._tables = ports.tables
        self._log = SealLog(ports, keys)

    def seal(self, connection: str, places: Sequence[Place], last: date) -> Iterator[SealLine]:
        """Seal every day through `last` that has steps and is not sealed, at most 31 a call; the caller knows that `last` is over.

        Gives each line once the log holds it and the head names it. After the clock went back, days that were sealed too early are sealed
        again once they are over. Bug when the row that names the last seal was changed.
        """
        head, there = self._log.head(connection)
        if there and head is None:
            raise Bug(f"The row that names the last seal of {connection} was changed, so nothing is sealed: ask who wrote to the storage.")
        if head is None or head.through < last:
            yield from self._catch_up(_Reach(connection, places, last), head)
        elif head.through > last:
            self._log.move(connection, head, last)

    def chain(self, connection: str) -> SealChain:
        """All seals of the connection, and what is wrong with them."""
        return self._log.chain(connection)

    def retire(self, head: SealHead, line: SealLine) -> SealHead:
        """Add a line that says what retention leaves of a day that is sealed."""
        return self._log.add(line.connection, head, line, through=head.through)[0]

    def _catch_up(self, reach: _Reach, head: SealHead | None) -> Iterator[SealLine]:
        for _ in range(MOST_DAYS):
            day = self._next(reach, BEGINNING if head is None else head.through + ONE_DAY)
            if day is None:
                if head is not None:
                    self._log.move(reach.connection, head, reach.last)
                return
            steps = steps_of(self._tables, reach.places, day)
            if head is not None and day <= head.latest and self._holds(reach.connection, day, steps):
                head = self._log.move(reach.connection, head, day)
            else:
                bare = SealLine(reach.connection, 0, "", day.isoformat(), "", steps)
                head, made = self._log.add(reach.connection, head, bare, through=day)
                yield made

    def _next(self, reach: _Reach, first: date) -> date | None:
        days = [next_day(self._tables, place, first, reach.last) for place in reach.places]
        return min((day for day in days if day is not None), default=None)

    def _holds(self, connection: str, day: date, steps: dict[str, Steps]) -> bool:
        """Whether the day was sealed before, and needs no new line: its steps are the same, or retention has passed."""
        line = self._log.chain(connection).of(day)
        return line is not None and (line.kept is not None or dict(line.sealed) == steps)


def steps_of(tables: Tables, places: Sequence[Place], day: date) -> dict[str, Steps]:
    """What a seal says of a day: for each place that has steps how many, and their digest."""
    found = {place_name(place): digest_of(index_rows(tables, place, day)) for place in places}
    return {name: steps for name, steps in found.items() if steps[0]}

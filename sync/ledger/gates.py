"""The gate of a target host: the time before which nobody sends to it. A durable row, so every instance obeys (design §3, invariant 7)."""

from datetime import datetime, timedelta
from typing import Final

from sync.errors import StorageConflict, TryLater
from sync.ports import Ports
from sync.storage.columns import moment_in
from sync.storage.model import Insert, Replace, Row
from sync.storage.names import GATES

FRESH: Final = timedelta(seconds=1)
ATTEMPTS: Final = 20
ROW_KEY: Final = "gate"
NOT_BEFORE: Final = "NotBefore"


class Gates:
    """One row per host in the table `gates`. Raises TryLater when storage is busy."""

    def __init__(self, ports: Ports) -> None:
        self._tables = ports.tables
        self._clock = ports.clock
        self._copies: dict[str, tuple[datetime, datetime | None]] = {}

    def not_before(self, host: str) -> datetime | None:
        """The time before which no request to the host may begin, from a copy at most 1 s old; None when it was never closed."""
        now = self._clock.now()
        copy = self._copies.get(host)
        if copy is None or abs(now - copy[0]) > FRESH:
            # The age counts from before the read: what is written while it runs may not be in it.
            copy = (now, _time(self._tables.get(GATES, host, ROW_KEY)))
            self._copies[host] = copy
        return copy[1]

    def close(self, host: str, not_before: datetime) -> None:
        """Close the host until then, durable when this returns. It only ever moves later, and is never shortened, however far it is."""
        for _ in range(ATTEMPTS):
            now = self._clock.now()
            row = self._tables.get(GATES, host, ROW_KEY)
            there = _time(row)
            if there is not None and there >= not_before:
                self._copies[host] = (now, there)
                return
            try:
                self._write(host, not_before, row)
            except StorageConflict:
                continue
            self._copies[host] = (now, not_before)
            return
        raise TryLater(f"The gate of {host} is being changed by many at once.")

    def _write(self, host: str, not_before: datetime, there: Row | None) -> None:
        row = Row(host, ROW_KEY, {NOT_BEFORE: not_before}, there.etag if there else "")
        self._tables.commit(GATES, host, [Replace(row) if there else Insert(row)])


def _time(row: Row | None) -> datetime | None:
    return None if row is None else moment_in(row.values, NOT_BEFORE)

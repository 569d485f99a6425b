"""The lease of a stage: one runner at a time, and one message that waits. An optimisation only; safety is in the claims (design §2)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sync.errors import StorageConflict, TryLater
from sync.ports import Ports
from sync.storage.columns import moment_in, number_in, text_in
from sync.storage.model import Insert, Replace, Row, Value
from sync.storage.names import RUNS

LOOKS: Final = 3
"""How often a lease is looked at that others move in between."""


class LeaseLost(TryLater):
    """Another runner took the stage over: end at once, without a further write."""


@dataclass(frozen=True)
class Lease:
    """A stage held until a time. `fence` grows with every taking, so a late writer can be told from the holder."""

    connection: str
    stage: str
    token: str
    seconds: float
    until: datetime
    fence: int
    etag: str


class Leases:
    """Rows of the table `runs`. Raises TryLater when storage is busy."""

    def __init__(self, ports: Ports) -> None:
        self._tables = ports.tables
        self._clock = ports.clock

    def take(self, connection: str, stage: str, token: str, seconds: float, *, from_waiting: bool = False) -> Lease | None:
        """The lease for `seconds` from now, when it is free, run out, or held under the same token; None when another holds it.

        `from_waiting`: a lease that is only kept for a message that waits is taken over too.
        """
        for _ in range(LOOKS):
            row = self._tables.get(RUNS, connection, _key(stage))
            now = self._clock.now()
            if row is not None and _held_by_another(row, token, now) and not (from_waiting and row.values.get("Waiting")):
                return None
            fence = 1 if row is None else number_in(row.values, "Fence") + 1
            lease = Lease(connection, stage, token, seconds, now + timedelta(seconds=seconds), fence, "" if row is None else row.etag)
            try:
                return self._write(lease)
            except StorageConflict:
                continue  # who moved it in this moment may have kept it for us: a message can be received before its lease waits for it
        return None

    def renew(self, lease: Lease) -> Lease:
        """The lease for its seconds from now. LeaseLost when another took it since, or it was taken anew under the same token."""
        try:
            return self._write(_until(lease, self._clock.now() + timedelta(seconds=lease.seconds)))
        except StorageConflict as conflict:
            raise LeaseLost(f"Another runner took over {lease.stage} of {lease.connection}.", detail=conflict.detail) from conflict

    def keep_waiting(self, lease: Lease, seconds: float) -> None:
        """Hold the stage for `seconds` from now for a message that was put on the queue. One that is worked on already is left alone."""
        held = _until(lease, self._clock.now() + timedelta(seconds=seconds))
        try:
            self._tables.commit(RUNS, lease.connection, [Replace(_row(held, token=lease.token, waiting=True))])
        except StorageConflict:
            return

    def release(self, lease: Lease) -> None:
        """Free the stage. A lease that was lost is left to its new holder."""
        freed = _until(lease, self._clock.now())
        try:
            self._tables.commit(RUNS, lease.connection, [Replace(_row(freed, token=""))])
        except StorageConflict:
            return

    def held_until(self, connection: str, stage: str) -> datetime | None:
        """Until when the stage is held, a past time when its holder died; None when it is free."""
        row = self._tables.get(RUNS, connection, _key(stage))
        return moment_in(row.values, "Until") if row is not None and text_in(row.values, "Token") else None

    def _write(self, lease: Lease) -> Lease:
        row = _row(lease, token=lease.token)
        etags = self._tables.commit(RUNS, lease.connection, [Replace(row) if row.etag else Insert(row)])
        return Lease(lease.connection, lease.stage, lease.token, lease.seconds, lease.until, lease.fence, etags[row.key])


def _until(lease: Lease, until: datetime) -> Lease:
    return Lease(lease.connection, lease.stage, lease.token, lease.seconds, until, lease.fence, lease.etag)


def _held_by_another(row: Row, token: str, now: datetime) -> bool:
    holder, until = text_in(row.values, "Token"), moment_in(row.values, "Until")
    return bool(holder) and holder != token and until is not None and until > now


def _key(stage: str) -> str:
    return f"lease|{stage}"


def _row(lease: Lease, *, token: str, waiting: bool = False) -> Row:
    values: dict[str, Value] = {"Token": token, "Until": lease.until, "Fence": lease.fence, "Waiting": waiting}
    return Row(lease.connection, _key(lease.stage), values, lease.etag)

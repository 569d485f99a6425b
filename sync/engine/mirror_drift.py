"""Reading back: AvidXchange may answer that it took something over and keep the old (contracts/avidxchange.md §3, Vendors)."""

import logging
from datetime import timedelta
from typing import Final, TypeVar

from sync.engine.memory import Flag
from sync.engine.mirror_ground import Ground
from sync.values import utc_moment, utc_text

T = TypeVar("T")

EVERY: Final = timedelta(days=1)
"""All rows are read back once in this time: AvidXchange has no other way to ask, and a listing of all vendors is a thousand requests."""
ROWS_PER_BEAT: Final = 1_000
NAMED: Final = 20

log = logging.getLogger(__name__)


def read_back(ground: Ground[T]) -> None:
    """Count as `drift`, and name in the log, what we sent and AvidXchange shows otherwise. Sending it again would change nothing."""
    now = ground.slice_.ports.clock.now()
    if ground.slice_.dry_run or (ground.memory.read_back and now - utc_moment(ground.memory.read_back) < EVERY):
        return
    drifted: list[str] = []
    for number, target in enumerate(ground.flow.existing(), 1):
        entry = ground.memory.get(ground.key(target.key))
        ours = entry is not None and Flag.OURS in entry.flags and not entry.flags & (Flag.PARKED | Flag.SPELLED)
        if entry is not None and ours and entry.hash != ground.version(target):
            drifted.append(target.label)
        if number % ROWS_PER_BEAT == 0:
            ground.slice_.beat()
    ground.memory.read_back = utc_text(now)
    if drifted:
        ground.count("drift", len(drifted))
        log.warning("%d rows were not taken over as sent: %s", len(drifted), ", ".join(drifted[:NAMED]), extra={"run": ground.slice_.run})

"""Workers decide by their clocks when a lease has run out, a claim is settled, a gate is open: a worker whose clock is wrong must not work.

What all workers share is the storage account, so its time is what they are measured by.
"""

from datetime import timedelta
from typing import Final

from sync.errors import FixConfiguration
from sync.ports import Ports
from sync.storage.names import RUNS

TOLERANCE: Final = timedelta(seconds=30)
"""Far below the settle time and the lease; far above what synchronised machines differ by."""
ROUNDED: Final = timedelta(seconds=1)
"""Storage tells its time in whole seconds."""


def check_clock(ports: Ports) -> None:
    """FixConfiguration when the clock differs from storage's by more than half a minute."""
    asked = ports.clock.now()
    theirs = ports.tables.time(RUNS)
    answered = ports.clock.now()
    ahead, behind = asked - theirs - ROUNDED, theirs - answered
    if max(ahead, behind) > TOLERANCE:
        off = f"{ahead.total_seconds():.0f} seconds ahead of" if ahead > behind else f"{behind.total_seconds():.0f} seconds behind"
        sentence = f"The clock of this worker is {off} storage's, so it does nothing: let its machine synchronise its time."
        raise FixConfiguration(sentence, field="clock")

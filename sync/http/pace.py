"""The courtesy cap: at most so many requests to a host in any five minutes, spread evenly (contracts/d365-fo.md §10).

Waiting for one's turn is the caller's, through the sleep port: nothing blocks here.
"""

import threading
from datetime import datetime, timedelta
from typing import Final

WINDOW: Final = timedelta(minutes=5)
BURST_SHARE: Final = 10
"""A tenth of the cap may go at once; the rest is spread over the window, so that no window ever sees more than the cap."""


class Pace:
    """The turns of all hosts. One instance serves the whole process; it is safe to use from several threads."""

    def __init__(self) -> None:
        self._due: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def take(self, host: str, cap: int, now: datetime) -> float:
        """0 when a request may go now, which counts it; else the seconds after which to ask again. `cap` is per five minutes."""
        burst = max(1, cap // BURST_SHARE)
        step = WINDOW / max(1, cap - burst)
        with self._lock:
            due = max(self._due.get(host, now), now)
            early = due - (burst - 1) * step - now
            if early > timedelta():
                return early.total_seconds()
            self._due[host] = due + step
            return 0.0

"""The app of `function_app.py` in a process whose clock is wrong: what the local runner loads with `--module sandbox.chaos.wrong_clock`.

Wrong, by CHAOS_CLOCK_SECONDS, is the clock of the connector's seams (`sync.ports.Clock`): leases, settle times, gates, due times, audit
rows. The machine's clock stays right, and with it what libraries read by themselves: TLS, the storage SDKs' signatures, tokens.
"""

import os
from datetime import datetime, timedelta
from functools import cache

from function_app import app
from sandbox.chaos.plan import CLOCK_SETTING
from sync.app import App, open_app
from sync.system import SystemClock
from sync.triggers import process

__all__ = ["app"]


class WrongClock:
    """The machine's clock, wrong by a fixed time."""

    def __init__(self, wrong_by: timedelta) -> None:
        self._right = SystemClock()
        self._wrong_by = wrong_by

    def now(self) -> datetime:
        """See `sync.ports.Clock`."""
        return self._right.now() + self._wrong_by


@cache
def _opened() -> App:
    return open_app(os.environ, WrongClock(timedelta(seconds=float(os.environ[CLOCK_SETTING]))))


process.opened = _opened

"""The timer triggers: when each is due, and the call of one. A timer never runs twice at the same time, and has no retry."""

import json
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from azure.functions.meta import Datum

from sandbox.runner.functions import Function
from sandbox.runner.invocations import Invocations
from sandbox.runner.ncrontab import Schedule

LONGEST_PAUSE: Final = 1.0
"""Seconds between two looks at the clock: a clock that is set or a machine that slept is noticed."""


@dataclass
class Timer:
    """One timer trigger."""

    function: Function
    schedule: Schedule
    next_at: datetime
    last_at: datetime | None = None
    running: Future[object] | None = None

    def fire(self, invocations: Invocations, now: datetime, *, past_due: bool = False) -> Future[object]:
        """Start it now."""
        self.next_at = self.schedule.next_after(now)
        status = {"Last": (self.last_at or now).isoformat(), "Next": self.next_at.isoformat(), "LastUpdated": now.isoformat()}
        request = Datum(json.dumps({"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": past_due}), "json")
        self.last_at = now
        self.running = invocations.submit(self.function.name, lambda: self.function.invoke(request, {}))
        return self.running


def utc_now() -> datetime:
    """The time, in whole seconds, as schedules count it."""
    return datetime.now(UTC).replace(microsecond=0)


def keep_time(timers: list[Timer], invocations: Invocations, stop: threading.Event) -> None:
    """Fire each timer on its schedule until `stop` is set. A time that comes while it still runs is left out."""
    while not stop.is_set():
        now = utc_now()
        for timer in timers:
            if timer.next_at <= now:
                if timer.running is None or timer.running.done():
                    timer.fire(invocations, now, past_due=now - timer.next_at > timedelta(minutes=1))
                else:
                    timer.next_at = timer.schedule.next_after(now)
        stop.wait(LONGEST_PAUSE)

"""How each kind of event is done to a running place. Each returns when it is over, and says what it saw."""

import time
from collections.abc import Callable, Mapping
from typing import Final

from sandbox.chaos.crew import Crew
from sandbox.chaos.plan import CLOCK_SETTING, Event, Kind
from sandbox.faults import Fault
from sandbox.place import Place

REFUSED: Final = "The clock of this worker"
LONGEST_START: Final = 240.0
"""Seconds in which a worker has surely started and done something."""
Happening = Callable[[Place, Crew, Event], str]


def wait_for_requests(place: Place, count: int, longest: float, *, since: int | None = None) -> None:
    """Until so many requests more than `since` (None: than now) have reached the systems, or for so many seconds."""
    seen, end = (len(place.network.exchanges) if since is None else since) + count, time.monotonic() + longest
    while len(place.network.exchanges) < seen and time.monotonic() < end:
        time.sleep(0.02)


def _kill(_: Place, crew: Crew, event: Event) -> str:
    crew.kill(crew.one(event.who))
    crew.start()
    return ""


def _freeze(place: Place, crew: Crew, event: Event) -> str:
    worker, before = crew.one(event.who), len(place.network.exchanges)
    worker.freeze()
    time.sleep(event.seconds)
    wait_for_requests(place, 1, LONGEST_START, since=before)
    worker.thaw()
    return f"{len(place.network.exchanges) - before} requests of others meanwhile"


def _crowd(_: Place, crew: Crew, event: Event) -> str:
    del event
    crew.start()
    return ""


def _down(place: Place, _: Crew, event: Event) -> str:
    place.sandbox.go_down()
    time.sleep(event.seconds)
    place.sandbox.go_up()
    return ""


def _cut(place: Place, _: Crew, event: Event) -> str:
    place.sandbox.cut()
    time.sleep(event.seconds)
    place.sandbox.mend()
    return ""


def _clock(_: Place, crew: Crew, event: Event) -> str:
    worker = crew.start("--module", "sandbox.chaos.wrong_clock", "--fire-now", **{CLOCK_SETTING: str(event.clock)})
    end = time.monotonic() + LONGEST_START
    while REFUSED not in worker.said() and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(event.seconds)
    refusals = worker.said().count(f"failed: FixConfiguration: {REFUSED}")
    crew.kill(worker)
    return f"it refused to work {refusals} times"


def _storage(place: Place, _: Crew, event: Event) -> str:
    place.forwarder.faults.add(*(Fault(fault.kind, fault.service, after=fault.after) for fault in event.faults))
    return ""


HAPPENINGS: Final[Mapping[Kind, Happening]] = {
    "kill": _kill,
    "freeze": _freeze,
    "crowd": _crowd,
    "restart": _down,
    "outage": _down,
    "cut": _cut,
    "clock": _clock,
    "storage": _storage,
}

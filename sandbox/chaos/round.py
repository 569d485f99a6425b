"""One round: a customer's world, a crew over it, a plan that is done to it, and what became of both systems' truths."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sandbox.chaos.crew import VISIBILITY, Crew
from sandbox.chaos.happenings import HAPPENINGS, LONGEST_START, wait_for_requests
from sandbox.chaos.plan import Event
from sandbox.outside import add_customer, agree, broken_trails, failures, unsettled, writes, written_twice
from sandbox.place import Place, utc_now
from sandbox.worlds.property_firm import PropertyFirmSize, build_property_firm
from sandbox.worlds.truth import compare

SIZE: Final = PropertyFirmSize(vendors=60, accounts=40, buildings=18, invoices=72, payments=48)
POLICIES: Final = {"unknown_settle_minutes": 0.2, "d365_read_timeout_seconds": 4}
"""Doubt about a write is settled within seconds."""
SETTINGS: Final = {"SYNC_LEASE_SECONDS": "10", "SYNC_SLICE_SECONDS": "2"}
"""Short leases and slices, so that work goes from worker to worker."""
TICK_SECONDS: Final = 5
IDLE_SECONDS: Final = 8.0
"""An event that waits for requests does not wait longer when none come."""
LONGEST_CALM: Final = 600.0
"""Seconds within which all must be well once nothing more is done to it."""


@dataclass
class Outcome:
    """What a round did and how it ended. `problems` is empty when everything is as promised."""

    seed: int
    done: list[tuple[Event, str]] = field(default_factory=list)
    requests: int = 0
    storage_faults: int = 0
    calm_seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    notes: dict[str, int] = field(default_factory=dict)


def play(seed: int, plan: Sequence[Event], logs: Path, *, size: PropertyFirmSize = SIZE, say: Callable[[str], None] = print) -> Outcome:
    """The whole round. What the workers say goes to files in the folder `logs`."""
    outcome = Outcome(seed)
    with Place(every_seconds=TICK_SECONDS, forwarded=True) as place:
        place.environment |= SETTINGS
        add_customer(place, build_property_firm(seed, utc_now(), size=size, now=utc_now), **POLICIES)
        begun = time.monotonic()
        with Crew(place, logs, 2) as crew:
            wait_for_requests(place, 1, LONGEST_START)
            for event in plan:
                wait_for_requests(place, event.after, IDLE_SECONDS)
                saw = HAPPENINGS[event.kind](place, crew, event)
                outcome.done.append((event, saw))
                say(f"  at {time.monotonic() - begun:5.1f} s: {event}" + (f" ({saw})" if saw else ""))
            if not crew.end():
                outcome.problems.append("A worker did not end well.")
        say(f"  at {time.monotonic() - begun:5.1f} s: left alone")
        _judge(place, outcome, logs / "calm.log")
        say(f"  at {time.monotonic() - begun:5.1f} s: judged")
    return outcome


def _judge(place: Place, outcome: Outcome, log: Path) -> None:
    """Nothing is done to it any more: it comes to rest, agrees, and a further cycle writes nothing."""
    outcome.storage_faults = len(place.forwarder.faults.fired)
    place.forwarder.faults.clear()
    begun = time.monotonic()
    while not _cycle(place, log, outcome) and time.monotonic() - begun < LONGEST_CALM:
        pass
    outcome.calm_seconds = time.monotonic() - begun
    written = writes(place)
    _cycle(place, log, outcome)
    if writes(place) != written:
        outcome.problems.append(f"A further cycle sent {writes(place) - written} writes.")
    outcome.problems += _what_is_wrong(place)
    outcome.requests = len(place.network.exchanges)
    outcome.notes = _notes(place)


def _cycle(place: Place, log: Path, outcome: Outcome) -> bool:
    """All timers once and every message; whether nothing is open then."""
    ended = place.start_runner("--until-idle", "--visibility", str(VISIBILITY), log=log).wait(LONGEST_CALM)
    if ended != 0:
        outcome.problems.append(f"A calm run ended with {ended}.")
    return not unsettled(place) and agree(place)


def _what_is_wrong(place: Place) -> list[str]:
    problems = [f"in doubt: {record}" for record in unsettled(place)] + broken_trails(place)
    problems += [f"asked of a host that nobody plays: {method} {host}" for method, host in place.network.refused]
    for world in place.worlds.values():
        problems += [f"the truths differ: {difference}" for difference in compare(world).differences] + written_twice(world)
    return problems


def _notes(place: Place) -> dict[str, int]:
    """How much there was of what, for the table."""
    [world] = place.worlds.values()
    causes = [failure.cause.code for failure in failures(place)]
    return {
        "invoices": len(world.d365.rows("VendorInvoiceHeaders")),
        "payment lines": len(world.d365.rows("VendorPaymentJournalLines")),
        "poison messages": causes.count("poison"),
    }

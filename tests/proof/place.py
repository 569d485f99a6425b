"""What the proofs with real processes share: a customer in a place, runs to their end, and waiting for conditions."""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sandbox.avid import AvidSwitches
from sandbox.outside import add_customer, agree, failures, ports_of, progress, unsettled, writes
from sandbox.place import Place, utc_now
from sandbox.worlds.model import World
from sandbox.worlds.property_firm import PropertyFirmSize, build_property_firm
from sandbox.worlds.truth import compare

__all__ = ["add_customer", "agree", "failures", "ports_of", "progress", "unsettled", "writes"]

MIDDLING: Final = PropertyFirmSize(vendors=45, accounts=40, buildings=18, invoices=24, payments=16)
SOON: Final = {"unknown_settle_minutes": 0.2, "d365_read_timeout_seconds": 4}
"""Policies under which doubt about a write is settled within seconds."""
LONGEST_RUN: Final = 600.0
"""Seconds after which a run that should have ended has hung, and what was waited for will not come: pauses between tries double."""


def firm(seed: int = 7, size: PropertyFirmSize = MIDDLING, avid: AvidSwitches | None = None) -> World:
    """The property firm as of now, in real time."""
    return build_property_firm(seed, utc_now(), size=size, now=utc_now, avid_switches=avid)


def start_logged(place: Place, log: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """The app under the local runner, one line per invocation; all that it says goes to the end of a file."""
    return place.start_runner(*arguments, log=log)


def run_until_idle(place: Place) -> None:
    """One cycle: all timers, then every message, until nothing is left to do."""
    assert place.start_runner("--until-idle", "--visibility", "5").wait(LONGEST_RUN) == 0


def run_until_settled(place: Place) -> None:
    """Cycles until nothing is unknown or claimed any more and the truths agree, or the bound is reached."""
    end = time.monotonic() + LONGEST_RUN
    run_until_idle(place)
    while (unsettled(place) or not agree(place)) and time.monotonic() < end:
        run_until_idle(place)


def assert_truths_agree(place: Place) -> None:
    """The two truths of every customer agree, nothing is in doubt, and no request went to a host that nobody plays."""
    for world in place.worlds.values():
        comparison = compare(world)
        assert comparison.agrees, comparison.differences
    assert unsettled(place) == []
    assert place.network.refused == []


def wait_until(condition: Callable[[], bool], what: str, seconds: float = LONGEST_RUN) -> None:
    """Look again and again until the condition holds; an AssertionError that names it after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {seconds:.0f} seconds: {what}"
        time.sleep(0.1)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end as the platform does, and wait for its end."""
    process.send_signal(signal.SIGTERM)
    process.wait(LONGEST_RUN)

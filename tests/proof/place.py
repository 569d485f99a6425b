"""What the proofs with real processes share: a customer in a place, its ledger, runs to their end, and waiting for conditions."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sandbox.place import ROOT, Place, utc_now
from sandbox.simulator.seams import PlainAuditKeys
from sandbox.worlds.connection import connection_document
from sandbox.worlds.model import World
from sandbox.worlds.property_firm import PropertyFirmSize, build_property_firm
from sandbox.worlds.truth import compare
from sync.connections.store import ConnectionStore
from sync.engine.cases import places
from sync.http.transport import RequestsTransport
from sync.ledger.model import Failure, State
from sync.ledger.runs import Progress, RunStore
from sync.ledger.store import Ledger
from sync.ports import Ports
from sync.storage.azure import open_storage
from sync.storage.patient import patient
from sync.system import SystemClock, SystemIds, SystemRandomness, ThreadExecutor, system_sleep

MIDDLING: Final = PropertyFirmSize(vendors=45, accounts=40, buildings=18, invoices=24, payments=16)
SOON: Final = {"unknown_settle_minutes": 0.2, "d365_read_timeout_seconds": 4}
"""Policies under which doubt about a write is settled within seconds."""
IN_DOUBT: Final = frozenset({State.FOUND, State.RETRYING, State.CLAIMED, State.UNKNOWN})
LONGEST_RUN: Final = 240.0
"""Seconds after which a run that should have ended has hung."""


def firm(seed: int = 7, size: PropertyFirmSize = MIDDLING) -> World:
    """The property firm as of now, in real time."""
    return build_property_firm(seed, utc_now(), size=size, now=utc_now)


def add_customer(place: Place, world: World, **policies: object) -> None:
    """Mount the customer's systems and store its connection document."""
    place.mount(world)
    ports = ports_of(place)
    ConnectionStore(ports.tables).put(json.dumps(connection_document(world.connection, **policies), default=str))


def ports_of(place: Place) -> Ports:
    """The storage of the place, for a look from outside."""
    randomness, ids = SystemRandomness(), SystemIds()
    raw = open_storage(connection_string=place.environment["AzureWebJobsStorage"])
    storage = patient(raw, system_sleep, randomness, ids)
    return Ports(
        clock=SystemClock(),
        sleep=system_sleep,
        ids=ids,
        randomness=randomness,
        executor=ThreadExecutor(),
        transport=RequestsTransport(),
        tables=storage.tables,
        queues=storage.queues,
        blobs=storage.blobs,
    )


def unsettled(place: Place) -> list[str]:
    """The records whose outcome is still open, as `state key`."""
    ports = ports_of(place)
    ledger = Ledger(ports, PlainAuditKeys())
    connections = [stored.connection for stored in ConnectionStore(ports.tables).list() if stored.connection is not None]
    return [
        f"{work.state} {work.key}"
        for connection in connections
        for where in places(connection)
        for work in ledger.open_work(where)
        if work.state in IN_DOUBT
    ]


def failures(place: Place) -> list[Failure]:
    """Every open cause of every customer."""
    ports = ports_of(place)
    ledger = Ledger(ports, PlainAuditKeys())
    connections = [stored.connection for stored in ConnectionStore(ports.tables).list() if stored.connection is not None]
    return [failure for connection in connections for where in places(connection) for failure in ledger.failures(where)]


def progress(place: Place, connection: str) -> list[Progress]:
    """What every stage of a customer has reached."""
    return list(RunStore(ports_of(place)).every_progress(connection))


def start_logged(place: Place, log: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """The app under the local runner, as `Place.start_runner`, one line per invocation; all that it says goes to the end of a file."""
    command = [sys.executable, "-m", "sandbox.runner", "--root", str(ROOT), "--verbose", *arguments]
    with log.open("ab") as file:
        return subprocess.Popen(command, env=place.environment, cwd=ROOT, stdout=file, stderr=file)


def run_until_idle(place: Place) -> None:
    """One cycle: all timers, then every message, until nothing is left to do."""
    assert place.start_runner("--until-idle", "--visibility", "5").wait(LONGEST_RUN) == 0


def run_until_settled(place: Place) -> None:
    """Cycles until nothing is unknown or claimed any more and the truths agree, or the bound is reached."""
    end = time.monotonic() + LONGEST_RUN
    run_until_idle(place)
    while (unsettled(place) or not agree(place)) and time.monotonic() < end:
        run_until_idle(place)


def agree(place: Place) -> bool:
    """Whether the two truths of every customer agree."""
    return all(compare(world).agrees for world in place.worlds.values())


def assert_truths_agree(place: Place) -> None:
    """The two truths of every customer agree, nothing is in doubt, and no request went to a host that nobody plays."""
    for world in place.worlds.values():
        comparison = compare(world)
        assert comparison.agrees, comparison.differences
    assert unsettled(place) == []
    assert place.network.refused == []


def writes(place: Place) -> int:
    """Requests with an effect on D365 or AvidXchange; signing in is none."""
    return place.network.writes() - place.network.writes(path="/oauth2/v2.0/token")


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 120.0) -> None:
    """Look again and again until the condition holds; an AssertionError that names it after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {seconds:.0f} seconds: {what}"
        time.sleep(0.1)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end as the platform does, and wait for its end."""
    process.send_signal(signal.SIGTERM)
    process.wait(LONGEST_RUN)

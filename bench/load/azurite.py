"""The same on Azurite: the app under the local runner in a process of its own, with the real SDKs, HTTP over TLS and real time.

Memory is the most that the whole process held resident (VmHWM), above a process that has only imported the app: what up to four slices
at once and the caches of libraries add. Read from /proc, so this part runs on Linux.
"""

import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.load.table import MEGABYTE, Line
from sandbox.place import ROOT, Place, utc_now
from sandbox.worlds.connection import connection_document
from sandbox.worlds.model import World
from sandbox.worlds.property_firm import PropertyFirmSize, build_property_firm
from sandbox.worlds.truth import compare
from sync.connections.document import parse_connection
from sync.connections.store import ConnectionStore
from sync.engine.cases import places
from sync.storage.azure import open_storage
from sync.storage.names import LEDGER
from sync.values import canonical

IMPORTS: Final = "import sandbox.runner.__main__, sync.triggers, function_app; print(open('/proc/self/status').read())"
POLL_SECONDS: Final = 0.2
VENDORS: Final = 10_000
"""The full size of this part."""


@dataclass(frozen=True)
class OnAzurite:
    """What two cycles showed."""

    rows: int
    requests: int
    again: int
    """Writes of the second cycle, signing in aside."""
    bytes_above: int
    """Of resident memory, above the imports."""
    seconds: float
    differences: list[str]


def measure(vendors: int) -> Line:
    """The firm with so many vendors, a larger chart and more invoices: one cycle, then another."""
    with Place() as place:
        seen = _cycles(place, PropertyFirmSize(vendors=vendors, accounts=100, buildings=100, invoices=60, payments=40))
    truths = "agree" if not seen.differences else f"DIFFER: {seen.differences[0]}"
    told = (
        f"{seen.rows:,} ledger rows, {seen.requests:,} requests; the process took at most {seen.bytes_above / MEGABYTE:.0f} MB above "
        f"its imports; again: {seen.again} writes; the truths {truths} ({seen.seconds:.0f} s here)"
    )
    well = not seen.again and not seen.differences and seen.bytes_above < 4 * 150 * MEGABYTE
    figures = {"rows": seen.rows, "requests": seen.requests, "writes_again": seen.again, "bytes_above_imports": seen.bytes_above}
    load = f"Azurite, the app in its own process: {vendors:,} vendors, all five stages"
    return Line(load, told, well, {**figures, "differences": len(seen.differences)}, vendors / VENDORS)


def _cycles(place: Place, size: PropertyFirmSize) -> OnAzurite:
    world = build_property_firm(7, utc_now(), size=size, now=utc_now)
    place.mount(world)
    storage = open_storage(connection_string=place.environment["AzureWebJobsStorage"])
    document = connection_document(world.connection)
    ConnectionStore(storage.tables).put(canonical(document))
    begun, bare = time.perf_counter(), _imports(place)
    most = _cycle(place)
    requests, before = len(place.network.exchanges), _writes(place)
    most = max(most, _cycle(place))
    where = places(parse_connection(canonical(document)))
    rows = sum(1 for one in where for _ in storage.tables.scan(LEDGER, one.partition))
    seconds = time.perf_counter() - begun
    return OnAzurite(rows, requests, _writes(place) - before, most - bare, seconds, _differences(world))


def _differences(world: World) -> list[str]:
    return list(compare(world).differences)


def _writes(place: Place) -> int:
    return place.network.writes() - place.network.writes(path="/oauth2/v2.0/token")


def _imports(place: Place) -> int:
    """Resident bytes of a process that only imported the app."""
    done = subprocess.run([sys.executable, "-c", IMPORTS], env=place.environment, cwd=ROOT, capture_output=True, text=True, check=True)
    return _resident(done.stdout)


def _cycle(place: Place) -> int:
    """All timers once, then every message; the most resident bytes of the process."""
    process, most = place.start_runner("--until-idle"), 0
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        most = max(most, _resident(status.read_text(encoding="utf-8")))
        time.sleep(POLL_SECONDS)
    assert process.returncode == 0, f"the runner ended with {process.returncode}"
    return most


def _resident(status: str) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return 0 if found is None else int(found[1]) * 1024

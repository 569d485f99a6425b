"""How long our crawl of the vendors takes, as a ratio to the least that any client must do: fetch every page and parse its JSON.

    python3 dev.py bench [--rows 20000] [--page 5000] [--rounds 5]

Both read the same pages from the same server over TLS on this machine, in turns, so that what else the machine does hits both.
The server makes each page once and then sends it from memory.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median

import requests

from sandbox import hosts
from sandbox.d365 import D365
from sandbox.d365.world import D365World
from sandbox.entra import Entra
from sandbox.network import Network
from sandbox.place import utc_now
from sandbox.storage import LocalStorage
from sandbox.tls import Sandbox
from sandbox.web import Request, Response, System
from sync.connections.document import D365Settings
from sync.d365.auth import EntraAuthorizer
from sync.d365.client import D365Client
from sync.d365.entity import BadRow, read_rows
from sync.d365.rows import Vendor
from sync.http.client import HttpClient
from sync.http.transport import RequestsTransport
from sync.ledger.gates import Gates
from sync.ports import Ports
from sync.storage.names import ensure
from sync.system import SystemClock, SystemIds, SystemRandomness, ThreadExecutor, system_sleep

HOST = "bench.operations.dynamics.com"
URL = f"https://{HOST}"
SETTINGS = D365Settings.model_validate(
    {"environment_url": URL, "tenant": "bench.example", "client_id": "bench", "sign_in": {"method": "client_secret", "secret": "d365"}}
)


@dataclass
class Remembering:
    """A system whose answers to GET are made once."""

    system: System
    answers: dict[tuple[str, str], Response] = field(default_factory=dict)

    def handle(self, request: Request) -> Response:
        """The answer, from memory where there is one."""
        key = (request.target, request.headers.get("prefer", ""))
        if key not in self.answers:
            self.answers[key] = self.system.handle(request)
        return self.answers[key]


class OneSecret:
    """The client secret of the bench (`sync.secrets.Secrets`)."""

    def get(self, name: str) -> str:
        """The same for every name."""
        return "bench-secret"

    def forget(self, name: str) -> None:
        """There is nothing to forget."""


class NoIdentity:
    """The bench signs in with a secret (`sync.d365.auth_proofs.AppIdentity`)."""

    def token(self, audience: str) -> str:
        """Is not asked for."""
        raise NotImplementedError(audience)


def make_ports() -> Ports:
    """The real seams, with storage in memory."""
    clock = SystemClock()
    storage = LocalStorage(clock)
    ensure(storage)
    return Ports(
        clock=clock,
        sleep=system_sleep,
        ids=SystemIds(),
        randomness=SystemRandomness(),
        executor=ThreadExecutor(),
        transport=RequestsTransport(),
        tables=storage.tables,
        queues=storage.queues,
        blobs=storage.blobs,
    )


def make_systems(rows: int) -> dict[str, System]:
    """Entra ID, and an environment with that many vendors in one company."""
    entra = Entra(utc_now)
    entra.register_app(SETTINGS.tenant, SETTINGS.client_id, "bench-secret")
    world = D365World(URL, SETTINGS.tenant, SETTINGS.client_id, utc_now)
    for number in range(rows):
        world.add(
            Vendor.SET,
            dataAreaId="usmf",
            VendorAccountNumber=f"V{number:06}",
            VendorOrganizationName=f"Vendor number {number} of the bench",
            AddressStreet=f"{number} Long Street",
            AddressCity="Springfield",
            VendorGroupId="10",
        )
    return {hosts.LOGIN: entra, HOST: Remembering(D365(world, entra))}


def never_bad(row: BadRow) -> None:
    """Every row of the bench can be read."""
    raise AssertionError(row.sentence)


def ours(client: D365Client, page: int) -> int:
    """How many typed vendors our crawl gives."""
    rows = client.rows(Vendor.SET, select=Vendor.SELECT, company="usmf", page_size=page)
    return sum(1 for _ in read_rows(Vendor, rows, never_bad))


def plain(session: requests.Session, headers: Mapping[str, str], page: int) -> int:
    """How many rows a bare loop over the pages finds."""
    url = f"{URL}/data/VendorsV3?cross-company=true&$filter=dataAreaId%20eq%20%27usmf%27&$select={','.join(Vendor.SELECT)}"
    count = 0
    while url:
        answer = session.get(url, headers={**headers, "Prefer": f"odata.maxpagesize={page}"}, timeout=120)
        answer.raise_for_status()
        document = json.loads(answer.content)
        count += len(document["value"])
        url = document.get("@odata.nextLink", "")
    return count


def timed(work: Callable[[], int], rows: int) -> float:
    """Seconds that the work took. AssertionError when it did not find every row."""
    begun = time.perf_counter()
    found = work()
    seconds = time.perf_counter() - begun
    if found != rows:
        raise AssertionError(f"{found} rows instead of {rows}")
    return seconds


def main(arguments: list[str]) -> int:
    """Prints the figures; 0 when every row was found in every round."""
    parser = argparse.ArgumentParser(prog="python3 dev.py bench", description="Our crawl against a bare loop.")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--page", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args(arguments)
    with Sandbox(Network(utc_now, make_systems(chosen.rows))) as sandbox, requests.Session() as session:
        os.environ.update(sandbox.environment())
        ports = make_ports()
        gates = Gates(ports)
        authorizer = EntraAuthorizer(ports, gates, OneSecret(), NoIdentity(), SETTINGS)
        client = D365Client(HttpClient(HOST, "D365", ports, gates, authorizer), URL)

        def run_ours() -> int:
            return ours(client, chosen.page)

        def run_plain() -> int:
            return plain(session, authorizer.headers(), chosen.page)

        timed(run_ours, chosen.rows), timed(run_plain, chosen.rows)
        pairs = [(timed(run_plain, chosen.rows), timed(run_ours, chosen.rows)) for _ in range(chosen.rounds)]
    bare, full = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
    ratios = sorted(full / bare for bare, full in pairs)
    print(f"{chosen.rows:,} vendors in pages of {chosen.page:,}, {chosen.rounds} rounds in turns, medians:")
    print(f"  bare loop (requests, json)             {bare:8.3f} s  {chosen.rows / bare:10,.0f} rows/s")
    print(f"  our crawl (D365Client.rows, read_rows) {full:8.3f} s  {chosen.rows / full:10,.0f} rows/s")
    print(f"  ratio {median(ratios):.2f} (from {ratios[0]:.2f} to {ratios[-1]:.2f})")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

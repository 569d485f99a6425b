"""The connector's seams filled without a machine: virtual time, one thread, seeded chance, and the sandbox's network in-process."""

import json
import random
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TypeVar
from urllib.parse import urlsplit

from sandbox import hosts
from sandbox.avid import AvidSystem
from sandbox.d365 import D365
from sandbox.entra import Entra
from sandbox.faults import ConnectionFault
from sandbox.network import Network
from sandbox.storage import LocalStorage
from sandbox.web import Request, System
from sandbox.worlds import World
from sandbox.worlds.model import ConnectionFacts
from sync.app import App
from sync.connections.document import Connection, parse_connection
from sync.engine.model import End, Report, Slice, Stage
from sync.errors import FixConfiguration
from sync.http.wire import HttpRequest, HttpResponse, NotSent, Transport, Unclear
from sync.ports import Ports
from sync.settings import Settings
from sync.storage.names import ensure

T = TypeVar("T")
R = TypeVar("R")

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


class VirtualClock:
    """Time that moves only when it is told to, or when somebody sleeps."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start

    def now(self) -> datetime:
        """The virtual time, UTC."""
        return self._now

    def advance(self, **duration: float) -> None:
        """Move on by `timedelta(**duration)`."""
        self._now += timedelta(**duration)

    def sleep(self, seconds: float) -> None:
        """Move on by that many seconds."""
        self._now += timedelta(seconds=seconds)


class InlineExecutor:
    """No threads: one item after another, in order."""

    def map(self, work: Callable[[T], R], items: Iterable[T], *, width: int) -> list[R]:
        """See `sync.ports.Executor`."""
        assert width > 0
        results: list[R] = []
        failures: list[Exception] = []
        for item in items:
            try:
                results.append(work(item))
            except Exception as error:  # noqa: BLE001 - every item is worked on even when one fails, whatever the failure
                failures.append(error)
        if failures:
            raise failures[0]
        return results


class SeededIds:
    """Ids that are the same in every run of a seed."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def new(self) -> str:
        """32 hexadecimal characters."""
        return f"{self._random.getrandbits(128):032x}"


class SeededRandomness:
    """Chance that is the same in every run of a seed."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def fraction(self) -> float:
        """A number in [0, 1)."""
        return self._random.random()


class NetworkTransport:
    """Carries the connector's requests into a sandbox network. `before` is called with each request that is about to go out."""

    def __init__(self, network: Network, before: Callable[[HttpRequest], None] | None = None) -> None:
        self.network = network
        self.before = before

    def send(self, request: HttpRequest) -> HttpResponse:
        """See `sync.http.wire.Transport`."""
        if self.before is not None:
            self.before(request)
        parts = urlsplit(request.url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            self.network.connect(parts.netloc)
            response = self.network.dispatch(Request(request.method, parts.netloc, target, headers, request.body))
        except ConnectionFault as fault:
            raise (NotSent if fault.kind == "refused" else Unclear)(str(fault)) from fault
        if len(response.body) > request.max_bytes:
            raise Unclear(f"the answer is longer than {request.max_bytes} bytes")
        return HttpResponse(response.status, {name.lower(): value for name, value in response.headers.items()}, response.body)


class PlainSecrets:
    """Secrets from a mapping (`sync.secrets.Secrets`)."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = dict(values)
        self.forgotten: list[str] = []

    def get(self, name: str) -> str:
        """The value; FixConfiguration when there is none."""
        if name not in self.values:
            raise FixConfiguration(f"The secret {name} does not exist.", field=name)
        return self.values[name]

    def forget(self, name: str) -> None:
        """Remember that somebody asked."""
        self.forgotten.append(name)


class PlainIdentity:
    """The app's own identity: a fixed text for every audience, or what `make` says."""

    def __init__(self, make: Callable[[str], str] = lambda audience: f"identity for {audience}") -> None:
        self._make = make

    def token(self, audience: str) -> str:
        """See `sync.d365.auth_proofs.AppIdentity`."""
        return self._make(audience)


class PlainAuditKeys:
    """One fixed key for the audit chain."""

    def current(self) -> tuple[str, bytes]:
        """Id and key."""
        return "k1", bytes(range(32))

    def of(self, key_id: str) -> bytes:
        """The key of an id."""
        assert key_id == "k1"
        return bytes(range(32))


def make_ports(clock: VirtualClock, transport: Transport, storage: LocalStorage, *, seed: int = 0) -> Ports:
    """All seams for one worker. Workers that share a world share the clock, the transport and the storage, each with its own seed."""
    return Ports(
        clock=clock,
        sleep=clock.sleep,
        ids=SeededIds(seed),
        randomness=SeededRandomness(seed),
        executor=InlineExecutor(),
        transport=transport,
        tables=storage.tables,
        queues=storage.queues,
        blobs=storage.blobs,
    )


def connection_of(facts: ConnectionFacts, policies: Mapping[str, object]) -> Connection:
    """The connection document of a world's customer. Secrets are named `client-secret`, `company-token` and `user-token`."""
    companies = [{**company, "accounting_system": str(company["accounting_system"])} for company in facts["companies"]]
    document = {
        "id": facts["id"],
        "name": facts["name"],
        "d365": {
            "environment_url": facts["environment_url"],
            "tenant": facts["tenant"],
            "client_id": facts["client_id"],
            "sign_in": {"method": "client_secret", "secret": "client-secret"},
        },
        "avidxchange": {"host": facts["avid_host"], "auth": {"company_token": "company-token", "user_token": "user-token"}},
        "companies": companies,
        "code_groups": facts["code_groups"],
        "null_placeholder": facts["null_placeholder"],
        "start_from": {stage: facts["start_from"].isoformat() for stage in ("invoices", "payments")},
        "policies": dict(policies),
    }
    return parse_connection(json.dumps(document))


class Bench:
    """A sandbox world, the connector's parts around it, and one stage at a time. `world` is made with this clock's `now`."""

    def __init__(self, clock: VirtualClock, world: World, *, seed: int = 0, policies: Mapping[str, object] = MappingProxyType({})) -> None:
        facts = world.connection
        self.clock = clock
        self.world = world
        self.connection = connection_of(facts, policies)
        entra = Entra(clock.now)
        entra.register_app(facts["tenant"], facts["client_id"], facts["client_secret"])
        systems: dict[str, System] = {
            hosts.LOGIN: entra,
            world.d365.host: D365(world.d365, entra),
            facts["avid_host"]: AvidSystem(world.avid),
        }
        self.network = Network(clock.now, systems)
        self.storage = LocalStorage(clock)
        ensure(self.storage)
        self.ports = make_ports(clock, NetworkTransport(self.network), self.storage, seed=seed)
        secrets = {
            "client-secret": facts["client_secret"],
            "company-token": facts["company_token"],
            "user-token": facts["user_token"],
        }
        settings = Settings(storage_connection="local", key_vault_url="https://test.vault.azure.net", audit_key_secret="audit")
        self.app = App(self.ports, settings, PlainSecrets(secrets), PlainAuditKeys(), PlainIdentity(), stages=())

    def slice(self, stage: str, *, minutes: float = 60, dry_run: bool = False) -> Slice:
        """A slice of a stage that may work for so many virtual minutes."""
        return Slice(
            connection=self.connection,
            stage=stage,
            run=self.ports.ids.new(),
            ports=self.ports,
            ledger=self.app.ledger,
            progress=self.app.runs,
            systems=self.app.systems(self.connection),
            deadline=self.clock.now() + timedelta(minutes=minutes),
            beat=lambda: None,
            report=Report(),
            dry_run=dry_run,
        )

    def run(self, stage: Stage, *, dry_run: bool = False) -> Report:
        """Work through a stage, slice by slice, until it is done. Returns the counts of all slices together."""
        total = Report()
        for _ in range(1_000):
            part = self.slice(stage.name, dry_run=dry_run)
            end = stage.work(part)
            for name, number in part.report.counts.items():
                total.count(name, number)
            total.shown += part.report.shown
            if end is End.DONE:
                return total
        raise AssertionError(f"{stage.name} is not done after 1,000 slices")

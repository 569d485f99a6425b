"""The connector's seams filled without a machine: virtual time, one thread, seeded chance, and the sandbox's network in-process."""

import random
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import urlsplit

from sandbox.faults import ConnectionFault
from sandbox.network import Network
from sandbox.storage import LocalStorage
from sandbox.web import Request
from sync.errors import FixConfiguration
from sync.http.wire import HttpRequest, HttpResponse, NotSent, TooLarge, Transport, Unclear
from sync.ports import Ports

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
            request.may_begin()
            response = self.network.dispatch(Request(request.method, parts.netloc, target, headers, request.body))
        except ConnectionFault as fault:
            raise (NotSent if fault.kind == "refused" else Unclear)(str(fault)) from fault
        if len(response.body) > request.max_bytes:
            raise TooLarge(f"the answer is longer than {request.max_bytes} bytes")
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

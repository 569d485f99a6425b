"""Two hundred connections due at once: fair shares, and one bad connection among them, in virtual time and with the host's own rules."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from statistics import median
from typing import Final

from bench.load.customers import SMALL, deploy_customers, environment_of, name_of
from bench.load.hosting import Host, Latency, Played, completions
from bench.load.virtual import SharedTime
from sandbox import hosts
from sandbox.faults import Fault, busy, gateway
from sandbox.runner.host import QueueRules
from sandbox.simulator.deployment import Deployment
from sandbox.web import Response
from sandbox.worlds.property_firm import PropertyFirmSize
from sync.connections.document import STAGES
from sync.http.wire import HttpRequest
from sync.storage.model import Row, Upsert, Value
from sync.storage.names import CONNECTIONS

BAD: Final = 0
"""The number of the connection that is unlike the others."""
FOR_EVER: Final = 10**9
NEVER: Final = 10**6
"""Seconds, longer than any client waits."""
LARGE: Final = PropertyFirmSize(vendors=9_000, accounts=40, buildings=18, invoices=6, payments=4)
MANY_INVOICES: Final = PropertyFirmSize(vendors=30, accounts=40, buildings=18, invoices=400, payments=4)


def near(request: HttpRequest) -> float:
    """Seconds until a healthy system answers."""
    if hosts.LOGIN in request.url:
        return 0.1
    return 0.3 if ".operations.dynamics.com/" in request.url else 0.2


def _to_bad(request: HttpRequest) -> bool:
    return f"//{environment_of(BAD)}/" in request.url


def _d365_after(seconds: float) -> Latency:
    return lambda request: seconds if _to_bad(request) else near(request)


def _avid_after(seconds: float) -> Latency:
    token = f"{name_of(BAD)}-company"
    return lambda request: seconds if request.headers.get("CompanyToken") == token else near(request)


def _faults(*faults: Fault) -> Callable[[Deployment], None]:
    return lambda made: made.network.faults.add(*faults)


def _break_document(made: Deployment) -> None:
    values: dict[str, Value] = {"Parts": 1, "Document0": '{"id": "broken"}'}
    made.storage.tables.commit(CONNECTIONS, CONNECTIONS, [Upsert(Row(CONNECTIONS, name_of(BAD), values))])


@dataclass(frozen=True)
class Trouble:
    """What is bad about one connection."""

    latency: Latency = near
    prepare: Callable[[Deployment], None] = lambda _: None
    size: PropertyFirmSize = SMALL


_HOST: Final = environment_of(BAD)
TROUBLES: Final[Mapping[str, Trouble]] = {
    "its D365 answers after 10 s": Trouble(latency=_d365_after(10)),
    "its D365 never answers": Trouble(latency=_d365_after(NEVER)),
    "its D365 answers 401": Trouble(prepare=_faults(Fault("status", _HOST, times=FOR_EVER, reply=Response(401)))),
    "its D365 answers 500": Trouble(prepare=_faults(gateway(500, _HOST, times=FOR_EVER))),
    "its D365 answers 429, Retry-After 1 h": Trouble(prepare=_faults(busy("3600", _HOST, times=FOR_EVER))),
    "its D365 answers 503 to every write": Trouble(
        prepare=_faults(gateway(503, _HOST, method="POST", path="^/data", times=FOR_EVER)), size=MANY_INVOICES
    ),
    "its document is broken": Trouble(prepare=_break_document),
    "it has 3,000 vendors, the others 10, and full slices": Trouble(latency=_avid_after(20), size=LARGE),
}


@dataclass(frozen=True)
class Shares:
    """What one playing showed of the healthy connections. Minutes are virtual."""

    connections: int
    done: Mapping[str, float]
    """Minutes until every stage of a connection went through once."""
    played: list[Played] = field(repr=False)
    most_waiting: int
    """Messages on the queues at a tick, before it puts its own."""
    most_waiting_of_one: int
    requests: int

    @property
    def median(self) -> float:
        """The middle one's minutes."""
        return median(self.done.values())

    @property
    def last(self) -> float:
        """The last one's minutes."""
        return max(self.done.values())

    @property
    def longest_slice(self) -> float:
        """Seconds that a slice of any connection held its place."""
        return max(slice_.seconds for slice_ in self.played)

    @property
    def widest_gap(self) -> int:
        """By how many slices one healthy connection was ever ahead of another."""
        counts = Counter(dict.fromkeys(self.done, 0))
        widest = 0
        for slice_ in sorted((one for one in self.played if one.worked and one.connection in counts), key=lambda one: one.started):
            counts[slice_.connection] += 1
            widest = max(widest, counts[slice_.connection] - min(counts.values()))
        return widest


def play(
    connections: int,
    trouble: Trouble | None = None,
    *,
    instances: int = 2,
    rules: QueueRules | None = None,
    minutes: float = 240,
    at_least: float = 0,
) -> Shares:
    """Every stage of every connection is due at once, on instances with the host's rules, until the healthy ones went through.

    With a trouble the first connection is bad and is not counted. `minutes` ends it in any case, `at_least` goes on until then.
    """
    time = SharedTime()
    bad = {} if trouble is None else {BAD: trouble.size}
    made = deploy_customers(time, connections, sizes=bad)
    if trouble is not None:
        trouble.prepare(made)
    host = Host(made, time, near if trouble is None else trouble.latency, instances=instances)
    host.rules = rules or host.rules
    start = time.now()
    healthy = {name_of(number) for number in range(connections)} - ({name_of(BAD)} if trouble else set())
    through = _Through(host, healthy)
    host.open()
    time.run(start + timedelta(minutes=minutes), lambda: through.all() and time.now() >= start + timedelta(minutes=at_least))
    done = {name: end for name, end in completions(host.played, start).items() if name in healthy}
    totals = [sum(waiting.values()) for waiting in host.waiting]
    ones = [max(waiting.values(), default=0) for waiting in host.waiting]
    return Shares(connections, done, host.played, max(totals), max(ones), len(made.network.exchanges))


class _Through:
    """Whether all of some connections went through every stage; looks at each slice once."""

    def __init__(self, host: Host, names: set[str]) -> None:
        self._host = host
        self._left = {(name, stage) for name in names for stage in STAGES}
        self._seen = 0

    def all(self) -> bool:
        """After an event."""
        for slice_ in self._host.played[self._seen :]:
            if slice_.outcome.startswith("done"):
                self._left.discard((slice_.connection, slice_.stage))
        self._seen = len(self._host.played)
        return not self._left

"""One side is away for two hours while the other goes on: what the connector asks meanwhile, and how soon everything is worked off."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from bench.load.customers import AVID_HOST, deploy_customers
from bench.load.fairness import FOR_EVER, near
from bench.load.hosting import EVERY, Host
from bench.load.virtual import SharedTime
from sandbox.faults import Fault, busy, gateway
from sandbox.simulator.deployment import Deployment
from sandbox.worlds.cycle import third_cycle
from sandbox.worlds.property_firm import PropertyFirmSize
from sandbox.worlds.truth import compare
from sync.storage.names import POISON_QUEUES

SIZE: Final = PropertyFirmSize(vendors=45, accounts=40, buildings=18, invoices=24, payments=20)
BEGINS: Final = timedelta(minutes=40)
LASTS: Final = timedelta(hours=2)
PATIENCE: Final = timedelta(hours=4)
"""How long after the end of the outage the playing goes on at most."""

SIDES: Final[Mapping[str, tuple[str, str]]] = {"D365": ("", "^/data"), "AvidXchange": (AVID_HOST, "^/")}
"""The host ("" for any) and the beginning of the path that the requests to a side have in common."""
KINDS: Final[Mapping[str, Fault]] = {
    "connection refused": Fault("refuse_connection", times=FOR_EVER),
    "503": gateway(503, times=FOR_EVER),
    "429, Retry-After 60 s": busy("60", times=FOR_EVER),
    "429 without a time": busy(None, times=FOR_EVER),
    "503 to writes only": gateway(503, method="POST", times=FOR_EVER),
}


@dataclass(frozen=True)
class Recovery:
    """What one outage showed. `minutes` None: not everything was worked off while it was watched."""

    requests: int
    """That were sent to the side while it was away, of all connections."""
    refused: int
    """Of them, those that met the fault."""
    most_waiting_of_one: int
    """Messages of one connection at a tick, all five stages and all records together."""
    minutes: float | None
    """From the end of the outage until the queues were empty and the truths of both sides agreed."""
    poison: int
    longest_slice: float
    differences: Sequence[str]


def play(side: str, kind: str, connections: int = 4) -> Recovery:
    """Customers at work; then a side is away, and meanwhile invoices are approved, payments settle, vendors change; then it is back."""
    time = SharedTime()
    made = deploy_customers(time, connections, size=SIZE, companies=3)
    host = Host(made, time, near)
    watch = _Watch(made, host, time.now() + BEGINS + LASTS)
    fault = replace(KINDS[kind], host=SIDES[side][0], path=SIDES[side][1])
    time.at(time.now() + BEGINS, lambda: made.network.faults.add(fault))
    time.at(time.now() + BEGINS + LASTS / 2, lambda: _move_on(made))
    time.at(watch.ends, watch.end)
    host.open()
    time.run(watch.ends + PATIENCE, lambda: watch.over)
    return watch.told(time.now())


def _move_on(made: Deployment) -> None:
    for world in made.worlds.values():
        third_cycle(world)


class _Watch:
    """Looks at everything between two ticks once the outage is over."""

    def __init__(self, made: Deployment, host: Host, ends: datetime) -> None:
        self._made = made
        self._host = host
        self.ends = ends
        self.over = False
        self._met = 0

    def end(self) -> None:
        """The side is back."""
        self._met = len(self._made.network.faults.fired)
        self._made.network.faults.clear()
        self._look()

    def _look(self) -> None:
        self.over = self._host.idle and not self._differences()
        self._host.time.at(self._host.time.now() + EVERY / 5, self._look)

    def _differences(self) -> list[str]:
        return [difference for world in self._made.worlds.values() for difference in compare(world).differences]

    def told(self, now: datetime) -> Recovery:
        """What was seen."""
        network, queues = self._made.network, self._made.storage.queues
        sent = [one for one in network.between(self.ends - LASTS, self.ends) if one.fault]
        return Recovery(
            requests=len(sent),
            refused=self._met,
            most_waiting_of_one=max(max(waiting.values(), default=0) for waiting in self._host.waiting),
            minutes=(now - self.ends).total_seconds() / 60 if self.over else None,
            poison=sum(len(queues.messages(queue)) for queue in POISON_QUEUES),
            longest_slice=max(slice_.seconds for slice_ in self._host.played),
            differences=self._differences(),
        )

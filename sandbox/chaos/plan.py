"""What will be done to a deployment, as data: from a seed, the same seed always the same."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final, Literal

from sandbox.faults import Kind as FaultKind

Kind = Literal["kill", "freeze", "crowd", "restart", "outage", "cut", "clock", "storage"]
KINDS: Final[tuple[Kind, ...]] = ("kill", "freeze", "crowd", "restart", "outage", "cut", "clock", "storage")
MEANINGS: Final[dict[Kind, str]] = {
    "kill": "a worker is killed with SIGKILL, and another starts",
    "freeze": "a worker stands still (SIGSTOP) until its lease and its messages are another's, then goes on (SIGCONT)",
    "crowd": "one more worker starts and stays",
    "restart": "the systems restart: open connections are reset, new ones refused for a moment",
    "outage": "the systems are down: connections are refused",
    "cut": "the network is cut: open connections are reset, new ones do not come about",
    "clock": "a worker whose clock is wrong joins",
    "storage": "storage breaks some requests off, before or after their effect, or answers busy",
}
CLOCKS: Final = (-86_400, -7_200, -120, 120, 3_600, 10_800, 172_800)
"""By how many seconds a clock is wrong."""
SECONDS: Final[dict[Kind, tuple[float, float]]] = {
    "kill": (0, 0),
    "freeze": (12, 16),
    "crowd": (0, 0),
    "restart": (0.2, 1),
    "outage": (1, 5),
    "cut": (1, 5),
    "clock": (1, 3),
    "storage": (0, 0),
}
"""How long it lasts, from and to; a wrong clock from when it is noticed.

A freeze outlasts the lease (10 s) and a message's visibility (5 s).
"""
CLOCK_SETTING: Final = "CHAOS_CLOCK_SECONDS"
"""What tells a worker by how much its clock is wrong."""
STORAGE_FAULTS: Final[tuple[FaultKind, ...]] = ("drop_request", "drop_reply", "cut_reply", "status", "status_after_effect")
SERVICES: Final = ("table", "table", "queue", "blob")


@dataclass(frozen=True)
class StorageFault:
    """One request to a service, the one after so many, is spoilt."""

    kind: FaultKind
    service: str
    after: int


@dataclass(frozen=True)
class Event:
    """`after`: how many requests the systems see since the event before. `who`: which worker, counted round. `seconds`: how long."""

    kind: Kind
    after: int
    who: int
    seconds: float
    clock: int = 0
    faults: tuple[StorageFault, ...] = ()

    def __str__(self) -> str:
        parts: list[str] = [self.kind]
        parts += [f"{self.seconds:.1f} s"] if self.seconds else []
        parts += [f"{self.clock:+d} s"] if self.clock else []
        parts += [f"{len(self.faults)} requests"] if self.faults else []
        return ", ".join(parts)


def events(seed: int, count: int) -> tuple[Event, ...]:
    """So many events; every kind comes once before any comes again."""
    rng = Random(seed)
    kinds = _dealt(rng)
    return tuple(_event(rng, next(kinds)) for _ in range(count))


def _dealt(rng: Random) -> Iterator[Kind]:
    while True:
        kinds: list[Kind] = [*KINDS]
        rng.shuffle(kinds)
        yield from kinds


def _event(rng: Random, kind: Kind) -> Event:
    return Event(
        kind=kind,
        after=rng.randint(5, 80),
        who=rng.randrange(100),
        seconds=round(rng.uniform(*SECONDS[kind]), 1),
        clock=rng.choice(CLOCKS) if kind == "clock" else 0,
        faults=tuple(_storage_fault(rng) for _ in range(rng.randint(3, 12))) if kind == "storage" else (),
    )


def _storage_fault(rng: Random) -> StorageFault:
    return StorageFault(rng.choice(STORAGE_FAULTS), rng.choice(SERVICES), rng.randrange(40))

"""The seams between the connector and the machine it runs on. One composition root fills them (`sync/app.py`)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from sync.http.wire import Transport
from sync.storage.model import Blobs, Queues, Tables

T = TypeVar("T")
R = TypeVar("R")


class Clock(Protocol):
    """Where every time comes from."""

    def now(self) -> datetime:
        """The time, timezone-aware, in UTC."""
        ...


class Sleep(Protocol):
    """Waiting."""

    def __call__(self, seconds: float) -> None:
        """Return after that many seconds."""
        ...


class Ids(Protocol):
    """Unique names for runs, owners and tokens."""

    def new(self) -> str:
        """32 lower-case hexadecimal characters, never given before."""
        ...


class Randomness(Protocol):
    """Chance, for jitter only."""

    def fraction(self) -> float:
        """A number in [0, 1)."""
        ...


class Executor(Protocol):
    """Concurrency."""

    def map(self, work: Callable[[T], R], items: Iterable[T], *, width: int) -> list[R]:
        """work(item) for all items, at most `width` at a time; results in the order of the items.

        Every item is worked on even when one fails; then the first failure (in item order) is raised.
        """
        ...


@dataclass(frozen=True)
class Ports:
    """All seams together."""

    clock: Clock
    sleep: Sleep
    ids: Ids
    randomness: Randomness
    executor: Executor
    transport: Transport
    tables: Tables
    queues: Queues
    blobs: Blobs

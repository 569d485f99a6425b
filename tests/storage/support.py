"""What the storage and ledger tests plug into the ports: nothing above the ledger, so that they stand by themselves."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from sync.http.wire import HttpRequest, HttpResponse, NotSent
from sync.ports import Ports
from sync.storage.model import Blobs, Queues, Tables

T = TypeVar("T")
R = TypeVar("R")

START = datetime(2026, 3, 5, 8, 30, 0, 123456, tzinfo=UTC)


class HandClock:
    """A clock that a test moves, and a sleep that moves it and is remembered."""

    def __init__(self) -> None:
        self.time = START
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.time

    def forward(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.forward(seconds)


class CountedIds:
    """1, 2, 3, as 32 hexadecimal characters."""

    def __init__(self) -> None:
        self._given = 0

    def new(self) -> str:
        self._given += 1
        return f"{self._given:032x}"


class OneAtATime:
    """An executor that works through the items in order; these tests have no work that fails."""

    def map(self, work: Callable[[T], R], items: Iterable[T], *, width: int) -> list[R]:
        return [work(item) for item in items]


class NoChance:
    """Always the middle."""

    def fraction(self) -> float:
        return 0.5


class NoTransport:
    """Nothing in these tests speaks HTTP."""

    def send(self, request: HttpRequest) -> HttpResponse:
        raise NotSent(request.url)


def ports_over(tables: Tables, queues: Queues, blobs: Blobs, clock: HandClock) -> Ports:
    """Ports of a test on the given storage."""
    return Ports(clock, clock.sleep, CountedIds(), NoChance(), OneAtATime(), NoTransport(), tables, queues, blobs)

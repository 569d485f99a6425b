"""The real clock, sleep, ids, randomness and threads: the one file of the product that may touch them."""

import random
import time
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The time in UTC."""
        return datetime.now(UTC)


class SystemIds:
    """Random unique ids."""

    def new(self) -> str:
        """32 hexadecimal characters."""
        return uuid.uuid4().hex


class SystemRandomness:
    """Chance that needs no secrecy."""

    def __init__(self) -> None:
        self._random = random.SystemRandom()

    def fraction(self) -> float:
        """A number in [0, 1)."""
        return self._random.random()


class ThreadExecutor:
    """A pool per call: a slice ends with no thread left behind."""

    def map(self, work: Callable[[T], R], items: Iterable[T], *, width: int) -> list[R]:
        """See `sync.ports.Executor`."""
        with ThreadPoolExecutor(max_workers=width) as pool:
            futures = [pool.submit(work, item) for item in items]
        return [future.result() for future in futures]


def system_sleep(seconds: float) -> None:
    """Sleep for real."""
    time.sleep(seconds)

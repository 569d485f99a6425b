"""Runs invocations on a pool of threads, as the Python worker does, and counts them."""

import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Invocations:
    """The worker's thread pool."""

    def __init__(self, *, threads: int | None, verbose: bool) -> None:
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="function")
        self._verbose = verbose
        self._changed = threading.Condition()
        self.started = 0
        self.ended = 0
        """How many began and ended since the start."""

    def submit(self, name: str, work: Callable[[], T]) -> Future[T]:
        """Run `work` for the function `name` when a thread is free; the future holds what it returns or raises."""
        with self._changed:
            self.started += 1
        return self._pool.submit(self._run, name, work)

    def _run(self, name: str, work: Callable[[], T]) -> T:
        begun = time.monotonic()
        try:
            result = work()
        except BaseException as error:
            self._say(f"{name} failed: {type(error).__name__}: {error}", begun, always=True)
            traceback.print_exc(file=sys.stderr)
            raise
        else:
            self._say(f"{name} ok", begun)
            return result
        finally:
            with self._changed:
                self.ended += 1
                self._changed.notify_all()

    @property
    def in_flight(self) -> int:
        """How many run or wait for a thread."""
        with self._changed:
            return self.started - self.ended

    def wait(self, seen: int, seconds: float) -> None:
        """Until `ended` is no longer `seen`, at most `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: self.ended != seen, seconds)

    def close(self) -> None:
        """Take nothing new and wait for what runs."""
        self._pool.shutdown(wait=True)

    def _say(self, text: str, begun: float, *, always: bool = False) -> None:
        if self._verbose or always:
            print(f"{text} ({(time.monotonic() - begun) * 1000:.0f} ms)", file=sys.stderr, flush=True)

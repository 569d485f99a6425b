"""Workers that take turns: each runs in a thread of its own, but only one at a time, and a seed decides whose step is next."""

import threading
from collections.abc import Callable, Sequence
from random import Random


class Killed(BaseException):
    """The worker's process died at this step: nothing of it runs any more, not even its handlers of errors."""


class Turns:
    """`step()` is a point at which another worker may go on; the storage and the network call it. `kill_at` dies there (counted from 1)."""

    def __init__(self, seed: int, *, kill_at: int = 0) -> None:
        self._random = Random(seed)
        self._kill_at = kill_at
        self._given_back = threading.Semaphore(0)
        self._current: _Turn | None = None
        self.trace: list[int] = []
        """Which worker took each step: equal seeds give equal traces."""

    def step(self) -> None:
        """Give the turn back and wait for the next one. Outside of `run` it does nothing."""
        turn = self._current
        if turn is None:
            return
        if len(self.trace) == self._kill_at:
            raise Killed
        self._given_back.release()
        turn.granted.acquire()

    def run(self, works: Sequence[Callable[[], None]]) -> list[BaseException]:
        """Run all to their end; returns what they died of."""
        turns = [_Turn(number, work) for number, work in enumerate(works)]
        for turn in turns:
            turn.start(self._given_back)
        alive = list(turns)
        while alive:
            self._current = self._random.choice(alive)
            self.trace.append(self._current.number)
            self._current.granted.release()
            self._given_back.acquire()
            alive = [turn for turn in alive if not turn.ended]
        self._current = None
        return [turn.died_of for turn in turns if turn.died_of is not None]


class _Turn:
    """One worker."""

    def __init__(self, number: int, work: Callable[[], None]) -> None:
        self.number = number
        self.granted = threading.Semaphore(0)
        self.ended = False
        self.died_of: BaseException | None = None
        self._work = work

    def start(self, given_back: threading.Semaphore) -> None:
        """Wait for the first turn in a thread."""
        threading.Thread(target=self._run, args=(given_back,), daemon=True).start()

    def _run(self, given_back: threading.Semaphore) -> None:
        self.granted.acquire()
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - whatever a worker dies of belongs to the test
            self.died_of = error
        finally:
            self.ended = True
            given_back.release()

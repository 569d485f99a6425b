"""Virtual time for many at once: who sleeps gives way to whoever is due first, one runs at a time, and equal runs take equal turns."""

import heapq
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import TypeVar

from sandbox.simulator.seams import START, InlineExecutor, VirtualClock

T = TypeVar("T")
R = TypeVar("R")


class Stopped(BaseException):
    """The time that was to be played is over: whoever still sleeps ends here."""


class SharedTime(VirtualClock):
    """A clock whose sleepers are threads that take turns. Events of one moment come in the order in which they were asked for.

    Outside of `run`, sleeping moves the time as it does in `VirtualClock`.
    """

    def __init__(self, start: datetime = START) -> None:
        super().__init__(start)
        self._agenda: list[tuple[datetime, int, Callable[[], None]]] = []
        self._order = count()
        self._running: _Task | None = None
        self._tasks: set[_Task] = set()
        self._over = False

    def at(self, moment: datetime, event: Callable[[], None]) -> None:
        """Call `event` at that time, or now when it has passed."""
        heapq.heappush(self._agenda, (max(moment, self._now), next(self._order), event))

    def start(self, work: Callable[[], None]) -> None:
        """Let `work` run in a thread of its own from now on; it may sleep."""
        self.at(self._now, _Task(self, work).turn)

    def sleep(self, seconds: float) -> None:
        """Sleep; others run meanwhile."""
        task, wake = self._running, self._now + timedelta(seconds=seconds)
        if task is None or not self._agenda or wake < self._agenda[0][0]:
            self._now = wake  # nobody else is due before
            return
        self.at(wake, task.turn)
        task.give_way()
        if self._over:
            raise Stopped

    def run(self, until: datetime, enough: Callable[[], bool] = lambda: False) -> None:
        """Play events until that time, or until `enough` says so after an event. Then every sleeper is stopped: there is no going on."""
        self.at(until, self._end)
        while not self._over and not enough():
            self._now, _, event = heapq.heappop(self._agenda)
            event()
        self._end()
        for task in [*self._tasks]:
            task.turn()

    def _end(self) -> None:
        self._over = True

    def together(self, works: Sequence[Callable[[], None]]) -> None:
        """Run all side by side and come back when all have ended. One after another outside of `run`."""
        task = self._running
        if task is None:
            for work in works:
                work()
            return
        left = len(works)

        def one(work: Callable[[], None]) -> None:
            nonlocal left
            work()
            left -= 1
            if left == 0:
                self.at(self._now, task.turn)

        for work in works:
            self.start(partial(one, work))
        task.give_way()
        if self._over:
            raise Stopped

    def give_turn(self, task: "_Task") -> None:
        """Let a task run until it sleeps or ends."""
        self._tasks.add(task)
        self._running = task
        task.go_on()
        self._running = None
        if task.error is not None:
            raise task.error

    def ended(self, task: "_Task") -> None:
        """The task has no more turns."""
        self._tasks.discard(task)


class _Task:
    """One thread and its turns."""

    def __init__(self, time: SharedTime, work: Callable[[], None]) -> None:
        self._time = time
        self._work = work
        self._mine = threading.Semaphore(0)
        self._given_back = threading.Semaphore(0)
        self._thread: threading.Thread | None = None
        self.error: BaseException | None = None

    def turn(self) -> None:
        """The event of the agenda."""
        self._time.give_turn(self)

    def go_on(self) -> None:
        """Called from outside: run until the next sleep."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        else:
            self._mine.release()
        self._given_back.acquire()

    def give_way(self) -> None:
        """Called from inside: wait for the next turn."""
        self._given_back.release()
        self._mine.acquire()

    def _run(self) -> None:
        try:
            self._work()
        except Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - whatever ends the work belongs to who plays the time
            self.error = error
        finally:
            self._time.ended(self)
            self._given_back.release()


class SharedExecutor:
    """Items side by side in shared virtual time, at most `width` at once (`sync.ports.Executor`)."""

    def __init__(self, time: SharedTime) -> None:
        self._time = time

    def map(self, work: Callable[[T], R], items: Iterable[T], *, width: int) -> list[R]:
        """See `sync.ports.Executor`."""
        waiting = list(enumerate(items))
        if len(waiting) < 2 or width < 2:
            return InlineExecutor().map(work, [item for _, item in waiting], width=width)
        waiting.reverse()
        results: dict[int, R] = {}
        failures: dict[int, Exception] = {}

        def lane() -> None:
            while waiting:
                number, item = waiting.pop()
                try:
                    results[number] = work(item)
                except Exception as error:  # noqa: BLE001 - every item is worked on even when one fails, whatever the failure
                    failures[number] = error

        self._time.together([lane] * min(width, len(waiting)))
        if failures:
            raise failures[min(failures)]
        return [results[number] for number in sorted(results)]

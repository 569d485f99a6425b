"""Several processes in one: each piece of work is a task in a thread, only one runs at a time, and a seed decides whose step is next.

A task gives others the turn at every point (`Crew.point`), when it sleeps, and when it waits for tasks of its own. So every order of
steps that real machines could show can be played, and the same seed plays it again.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final, TypeVar

from sandbox.simulator.seams import InlineExecutor, VirtualClock

T = TypeVar("T")
R = TypeVar("R")

MOST_CHILDREN: Final = 3
"""Tasks that one call of the executor makes at most."""


class Killed(BaseException):
    """The process died at this step: nothing of it runs any more, not even its handlers of errors."""


@dataclass(eq=False)
class Process:
    """One instance of the app. Its clock can be wrong (`skew`), it can hang until a time, and it can die."""

    number: int
    skew: timedelta = timedelta()
    frozen_until: datetime | None = None
    dead: bool = False

    def is_frozen(self, now: datetime) -> bool:
        """Whether it hangs now."""
        return self.frozen_until is not None and now < self.frozen_until


def closed_gate() -> threading.Lock:
    """A gate that one thread waits at (`acquire`) until another opens it (`release`): a bare lock is the quickest there is."""
    gate = threading.Lock()
    gate.acquire()
    return gate


class Task:
    """One invocation of a function, or a part of one. `stage` says whose work it is, "" for none."""

    def __init__(self, number: int, process: Process, stage: str, work: Callable[[], None]) -> None:
        self.number = number
        self.process = process
        self.stage = stage
        self.granted = closed_gate()
        self.wake: datetime | None = None
        self.waits_for: Sequence[Task] = ()
        self.ended = False
        self.died_of: BaseException | None = None
        self._work = work

    def is_ready(self, now: datetime) -> bool:
        """Whether it can take a step. What has died must still run, to end."""
        if self.process.dead:
            return all(task.ended for task in self.waits_for)
        awake = self.wake is None or self.wake <= now
        return awake and not self.process.is_frozen(now) and all(task.ended for task in self.waits_for)

    def begin(self, given_back: threading.Lock) -> None:
        """Wait for the first turn in a thread."""
        threading.Thread(target=self._run, args=(given_back,), daemon=True).start()

    def _run(self, given_back: threading.Lock) -> None:
        self.granted.acquire()
        try:
            if not self.process.dead:
                self._work()
        except BaseException as error:  # noqa: BLE001 - whatever a task dies of is looked at by who started it
            self.died_of = error
        finally:
            self.ended = True
            given_back.release()


class Crew:
    """All tasks. `linger` is the chance that a task goes on at a point without giving the turn away."""

    def __init__(self, chance: Random, clock: VirtualClock, linger: float) -> None:
        self.current: Task | None = None
        self.steps = 0
        self._chance = chance
        self._clock = clock
        self._linger = linger
        self._tasks: list[Task] = []
        self._given_back = closed_gate()
        self._count = 0

    def start(self, process: Process, stage: str, work: Callable[[], None]) -> Task:
        """A new task; it runs when it is its turn."""
        self._count += 1
        task = Task(self._count, process, stage, work)
        self._tasks.append(task)
        task.begin(self._given_back)
        return task

    def turn(self) -> bool:
        """Let one task go on to its next point; whether there was one that could."""
        now = self._clock.now()
        ready = [task for task in self._tasks if task.is_ready(now)]
        if not ready:
            return False
        chosen = self._chance.choice(ready)
        chosen.wake = None
        self.current = chosen
        chosen.granted.release()
        self._given_back.acquire()
        self.current = None
        if chosen.ended:
            self._tasks.remove(chosen)
        return True

    def point(self) -> None:
        """Another task may go on here. Killed when the process has died. Outside of a task it does nothing."""
        task = self.current
        if task is None:
            return
        self.steps += 1
        if task.process.dead:
            raise Killed
        if task.process.is_frozen(self._clock.now()) or self._chance.random() >= self._linger:
            self._give_the_turn_away(task)

    def sleep(self, seconds: float) -> None:
        """Go on after that many seconds; others run meanwhile."""
        task = self.current
        if task is None:
            self._clock.advance(seconds=seconds)
            return
        task.wake = self._clock.now() + timedelta(seconds=seconds)
        self._give_the_turn_away(task)

    def wait_for(self, tasks: Sequence[Task]) -> None:
        """Go on when all of them have ended."""
        task = self.current
        assert task is not None
        task.waits_for = tasks
        self._give_the_turn_away(task)
        task.waits_for = ()

    def next_wake(self) -> datetime | None:
        """When the next task wakes up or the next process stops hanging; None when none does."""
        now = self._clock.now()
        times = (max(task.wake or now, task.process.frozen_until or now) for task in self._tasks)
        return min((time for time in times if time > now), default=None)

    def close(self) -> None:
        """End every task that is left, as if its process died."""
        while self._tasks:
            for task in self._tasks:
                task.process.dead = True
            self.turn()

    def _give_the_turn_away(self, task: Task) -> None:
        self._given_back.release()
        task.granted.acquire()
        if task.process.dead:
            raise Killed


class CrewExecutor:
    """Concurrency inside a process: the items of a call are worked on by tasks that take turns (`sync.ports.Executor`)."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._inline = InlineExecutor()

    def map(self, work: Callable[[T], R], items: Iterable[T], *, width: int) -> list[R]:
        """See `sync.ports.Executor`."""
        todo, task = list(items), self._crew.current
        workers = min(width, len(todo), MOST_CHILDREN)
        if task is None or workers < 2:
            return self._inline.map(work, todo, width=width)
        done: dict[int, R] = {}
        failed: dict[int, Exception] = {}
        numbers = iter(range(len(todo)))

        def pull() -> None:
            for number in numbers:
                try:
                    done[number] = work(todo[number])
                except Exception as error:  # noqa: BLE001 - every item is worked on even when one fails, whatever the failure
                    failed[number] = error

        self._crew.wait_for([self._crew.start(task.process, task.stage, pull) for _ in range(workers)])
        if failed:
            raise failed[min(failed)]
        return [done[number] for number in range(len(todo))]

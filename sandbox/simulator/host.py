"""The Functions host in virtual time: timers, queues by host.json's rules, and instances of the app that come and go.

The functions are those of `function_app.py`, called with real trigger objects. The rules are those of `sandbox/runner/queues.py`, which
plays the same host in real time.
"""

import json
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Final

from azure.functions.meta import Datum

from sandbox.runner.functions import QUEUE, TIMER, Function, load_functions
from sandbox.runner.host import QueueRules, read_rules
from sandbox.simulator.acts import stage_of
from sandbox.simulator.crew import Crew, Killed, Process, Task
from sandbox.simulator.seams import VirtualClock
from sandbox.storage import LocalQueues, Message
from sync.errors import StorageConflict, TryLater

ROOT: Final = Path(__file__).resolve().parents[2]
VISIBILITY: Final = timedelta(minutes=10)
RENEWAL: Final = VISIBILITY / 2
POISON: Final = "-poison"

log = logging.getLogger(__name__)


@cache
def functions() -> tuple[Function, ...]:
    """The functions of the app, indexed once."""
    return tuple(load_functions(ROOT))


@cache
def listeners() -> dict[str, Function]:
    """The functions that queues trigger, by their queues."""
    return {function.text("queueName"): function for function in functions() if function.kind == QUEUE}


@cache
def rules() -> QueueRules:
    """What host.json says of queues."""
    return read_rules(ROOT / "host.json").queues


@dataclass(eq=False)
class Held:
    """A message that a process has received and works on. `receipt` is its newest form."""

    function: Function
    queue: str
    receipt: Message
    task: Task
    lost: bool = False


@dataclass
class Disorder:
    """What a fault makes of the next message that is given out."""

    pick_last: bool = False
    twice: bool = False


@dataclass
class Host:
    """All instances, and what they hold. `queues` is the storage of the app; `opened` makes an app for a process that starts."""

    crew: Crew
    clock: VirtualClock
    queues: LocalQueues
    chance: Random
    started: Callable[[Process], None]
    eager: float = 1.0
    """The chance that a process looks into a queue at any one moment: hosts poll, so messages gather and other steps come between."""
    processes: list[Process] = field(default_factory=list)
    disorder: Callable[[Sequence[Message], Process], Disorder] = lambda _visible, _process: Disorder()
    failed: list[str] = field(default_factory=list)
    """What functions raised, in words."""
    _held: list[Held] = field(default_factory=list)
    _timers: list[Task] = field(default_factory=list)
    _restarts: list[datetime] = field(default_factory=list)
    _count: int = 0
    _receiving: Process | None = None

    # --- instances ---------------------------------------------------------------------------------------------------------------

    def start_process(self) -> Process:
        """One more instance."""
        self._count += 1
        process = Process(self._count)
        self.processes.append(process)
        self.started(process)
        return process

    def kill(self, process: Process, restart_after: float) -> None:
        """The instance dies at once; the platform starts another one after so many seconds."""
        process.dead = True
        self._restarts.append(self.clock.now() + timedelta(seconds=restart_after))

    def next_event(self) -> datetime | None:
        """When the next message becomes visible, the next instance starts, or a held message must be renewed; None when nothing comes."""
        times = [message.visible_at for name in listeners() for message in self.queues.messages(name)]
        return min((time for time in [*times, *self._restarts] if time > self.clock.now()), default=None)

    # --- triggers ----------------------------------------------------------------------------------------------------------------

    def fire_timers(self, *, housekeeping: bool) -> None:
        """Every timer once, on any instance that is alive."""
        for function in functions():
            if function.kind == TIMER and (housekeeping or function.name != "housekeeping"):
                self._timers.append(self._start(self._anyone(), function, _timer_datum(), {}, function.name.removeprefix("tick_")))

    def serve(self) -> None:
        """Start what can be started, and give back what has ended. Call it before every turn."""
        self._restart()
        self._collect()
        self._renew()
        for queue, function in listeners().items():
            if self.queues.visible(queue):
                for process in self._alive():
                    if self.chance.random() < self.eager:
                        self._receive(process, queue, function)

    @property
    def process(self) -> Process | None:
        """The process that acts in this moment; None for a look from outside of all."""
        return self._receiving if self.crew.current is None else self.crew.current.process

    @property
    def stage(self) -> str:
        """The stage that it works for."""
        return "" if self.crew.current is None else self.crew.current.stage

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs and no message is visible."""
        return not (self._held or self._timers or self._visible())

    @property
    def can_serve(self) -> bool:
        """Whether a message is visible and some process takes it without that time passes."""
        return self._visible() and any(not self._holds(process) for process in self._alive())

    def _visible(self) -> bool:
        return any(self.queues.visible(name) for name in listeners())

    def _holds(self, process: Process) -> bool:
        return any(held.task.process is process for held in self._held)

    @property
    def waiting(self) -> list[Message]:
        """Every message there is, hidden ones too."""
        return [message for name in listeners() for message in self.queues.messages(name)]

    # --- inside ------------------------------------------------------------------------------------------------------------------

    def _alive(self) -> list[Process]:
        now = self.clock.now()
        return [process for process in self.processes if not process.dead and not process.is_frozen(now)]

    def _anyone(self) -> Process:
        return self.chance.choice(self._alive() or [self.start_process()])

    def _restart(self) -> None:
        now = self.clock.now()
        for moment in [moment for moment in self._restarts if moment <= now]:
            self._restarts.remove(moment)
            self.start_process()

    def _receive(self, process: Process, queue: str, function: Function) -> None:
        """A batch, when the process holds no more than the threshold."""
        holds = sum(held.task.process is process and held.queue == queue for held in self._held)
        if holds > rules().new_batch_threshold:
            return
        for _ in range(rules().batch_size):
            visible = self.queues.visible(queue)
            if not visible:
                return
            disorder = self.disorder(visible, process)
            message = self._received(process, queue, -1 if disorder.pick_last else 0)
            if message is None:
                return
            self._work_on(process, function, queue, message)
            if disorder.twice:
                self._work_on(self._anyone(), function, queue, message)

    def _received(self, process: Process, queue: str, place: int) -> Message | None:
        """The message at this place of the visible ones; None when the storage gave none, or the process died of it."""
        self._receiving = process
        try:
            return self.queues.receive(queue, VISIBILITY.total_seconds(), lambda visible: visible[place])
        except (TryLater, Killed):
            return None
        finally:
            self._receiving = None

    def _work_on(self, process: Process, function: Function, queue: str, message: Message) -> None:
        if not queue.endswith(POISON) and message.dequeue_count > rules().max_dequeue_count:
            self._to_poison(queue, message)
            return
        metadata = {"DequeueCount": Datum(json.dumps(message.dequeue_count), "json"), "Id": Datum(json.dumps(str(message.id)), "json")}
        held = Held(function, queue, message, self._start_held(process, function, queue, message, metadata))
        self._held.append(held)

    def _start_held(self, process: Process, function: Function, queue: str, message: Message, metadata: dict[str, Datum]) -> Task:
        def work() -> None:
            function.invoke(Datum(message.body, "string"), metadata)
            self._delete(queue, self._newest(queue, message))

        return self.crew.start(process, stage_of(message.body), work)

    def _start(self, process: Process, function: Function, datum: Datum, metadata: dict[str, Datum], stage: str) -> Task:
        return self.crew.start(process, stage, lambda: _ignore(function.invoke(datum, metadata)))

    def _newest(self, queue: str, message: Message) -> Message:
        """The message with the receipt of its last renewal by this host."""
        mine = [held for held in self._held if held.queue == queue and held.receipt.id == message.id and held.task is self.crew.current]
        return mine[0].receipt if mine else message

    def _delete(self, queue: str, message: Message) -> None:
        with suppress(StorageConflict, TryLater):
            self.queues.delete(queue, message)

    def _collect(self) -> None:
        self._timers = [task for task in self._timers if not self._ended(task, "timer")]
        for held in [held for held in self._held if held.task.ended]:
            self._held.remove(held)
            if held.task.died_of is not None and not isinstance(held.task.died_of, Killed):
                self._ended(held.task, held.function.name)
                self._give_back(held)

    def _ended(self, task: Task, name: str) -> bool:
        if task.ended and task.died_of is not None and not isinstance(task.died_of, Killed):
            self.failed.append(f"{name}: {type(task.died_of).__name__}: {task.died_of}")
        return task.ended

    def _give_back(self, held: Held) -> None:
        """A failed invocation: again after host.json's time, or to the poison queue."""
        with suppress(StorageConflict, TryLater):
            if held.queue.endswith(POISON):
                return
            if held.receipt.dequeue_count >= rules().max_dequeue_count:
                self._to_poison(held.queue, held.receipt)
            else:
                self.queues.update(held.queue, held.receipt, rules().visibility_timeout.total_seconds())

    def _to_poison(self, queue: str, message: Message) -> None:
        with suppress(StorageConflict, TryLater):
            self.queues.put(queue + POISON, message.body)
            self.queues.delete(queue, message)

    def _renew(self) -> None:
        """Keep hidden what is worked on; a process that hangs or is dead renews nothing."""
        now = self.clock.now()
        for held in self._held:
            process = held.task.process
            if held.lost or process.dead or process.is_frozen(now) or held.receipt.visible_at - now > RENEWAL:
                continue
            try:
                held.receipt = self.queues.update(held.queue, held.receipt, VISIBILITY.total_seconds())
            except StorageConflict:
                held.lost = True
            except TryLater:
                continue


def _ignore(_: object) -> None:
    """Functions return nothing that matters here."""


def _timer_datum() -> Datum:
    return Datum(json.dumps({"IsPastDue": False, "Schedule": {}, "ScheduleStatus": {}}), "json")

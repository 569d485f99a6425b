"""The outside as one process of a simulation sees it: its clock, its requests, and every operation on the storage it shares."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from random import Random
from typing import Final, Protocol, TypeVar

from sandbox.faults import Fault
from sandbox.network import Network
from sandbox.simulator.acts import Act, request_act, storage_act
from sandbox.simulator.crew import Crew, Process
from sandbox.simulator.matrix import Action, Answer, Cell, Kill, late
from sandbox.simulator.seams import NetworkTransport, PlainSecrets, VirtualClock
from sandbox.simulator.story import Story
from sandbox.simulator.strikes import Strikes, action_of
from sandbox.simulator.watch import Violation, Watch
from sandbox.storage import Operation
from sync.http.wire import HttpRequest, HttpResponse, NotSent, Unclear

T = TypeVar("T")

REQUEST_SECONDS: Final = (0.05, 0.4)
SILENT: Final = frozenset({"drop_request", "drop_reply", "late_effect"})
"""Faults after which the client waits in vain until its time is over."""


class ProcessClock:
    """The clock of one process: right, or wrong by its skew."""

    def __init__(self, clock: VirtualClock, process: Process) -> None:
        self._clock = clock
        self._process = process

    def now(self) -> datetime:
        """The time as the process has it."""
        return self._clock.now() + self._process.skew


class CachedSecrets(PlainSecrets):
    """Secrets that one process reads once, and again only when somebody asks for it: as Key Vault's within its minutes."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__({})
        self._vault = values

    def get(self, name: str) -> str:
        """The cached value."""
        if name not in self.values:
            self.values[name] = PlainSecrets(self._vault).get(name)
        return self.values[name]

    def forget(self, name: str) -> None:
        """Read it again at the next `get`."""
        super().forget(name)
        self.values.pop(name, None)


class Acting(Protocol):
    """Who acts in this moment."""

    @property
    def process(self) -> Process | None:
        """The process; None for a look from outside of all."""
        ...

    @property
    def stage(self) -> str:
        """The stage it works for, "" for none."""
        ...


@dataclass
class Outside:
    """Everything between the processes and the world. `violation` is the first thing that was wrong."""

    acting: Acting
    clock: VirtualClock
    crew: Crew
    network: Network
    chance: Random
    story: Story
    strikes: Strikes
    watch: Watch
    d365_host: str
    violation: Violation | None = None
    _struck: dict[int, list[Cell]] = field(default_factory=dict)

    # --- storage -----------------------------------------------------------------------------------------------------------------

    def before_storage(self, operation: Operation) -> None:
        """A hook of `sandbox.storage`. What strikes the operation is kept for `after_storage`, which gets the same object."""
        process = self.acting.process
        if process is not None:
            self._struck[id(operation)] = self._begins(storage_act(operation, self.acting.stage), process)

    def after_storage(self, operation: Operation) -> None:
        """The other hook."""
        if operation.verb == "commit":
            self._checked(lambda: self.watch.after_commit(operation))
        process = self.acting.process
        if process is not None:
            self.strikes.after(self._struck.pop(id(operation)), process)

    # --- requests ----------------------------------------------------------------------------------------------------------------

    def exchange(self, request: HttpRequest, process: Process) -> HttpResponse:
        """One request of a process, with all that strikes it."""
        began = self.clock.now()  # a process that hangs from here on has begun its request all the same
        struck = self._begins(request_act(request, self.acting.stage, self.d365_host), process)
        request.may_begin()
        key = self._checked(lambda: self.watch.before_request(request, process, self._task, began))
        self.clock.advance(seconds=self.chance.uniform(*REQUEST_SECONDS))
        silent = self._plan(struck)
        try:
            response = NetworkTransport(self.network).send(request)
        except (NotSent, Unclear) as error:
            sent = isinstance(error, Unclear)
            self._checked(lambda: self.watch.after_request(key, None, sent=sent))
            self.strikes.after(struck, process)
            if silent:
                self.crew.sleep(request.read_seconds)
            raise
        self._checked(lambda: self.watch.after_request(key, response.status, sent=True))
        self.strikes.after(struck, process)
        self._asked_to_wait(request, response, began)
        return response

    def _plan(self, struck: list[Cell]) -> bool:
        """Tell the network what it does to this request; whether the client hears nothing at all."""
        faults = [fault for cell in struck if (fault := _on_the_network(action_of(cell), self.clock.now())) is not None]
        self.network.faults.add(*faults[:1])
        return any(fault.kind in SILENT for fault in faults[:1])

    def _asked_to_wait(self, request: HttpRequest, response: HttpResponse, began: datetime) -> None:
        """Read here and not by the product, which may read it wrongly."""
        said = response.headers.get("retry-after", "") if response.status == 429 else ""
        if said:
            until = began + timedelta(seconds=int(said)) if said.isdecimal() else parsedate_to_datetime(said)
            self.watch.asked_to_wait(request.url.split("/")[2].lower(), until, self._task)

    @property
    def _task(self) -> int:
        return self.crew.current.number if self.crew.current is not None else 0

    # --- both --------------------------------------------------------------------------------------------------------------------

    def _begins(self, act: Act, process: Process) -> list[Cell]:
        """A step begins: others may go first, then what strikes before it, strikes."""
        self.crew.point()
        self.story.tell(self.clock.now(), process.number, f"{act.stage or '-':11} {act.text}")
        return self.strikes.before(act, process)

    def _checked(self, check: Callable[[], T]) -> T:
        try:
            return check()
        except Violation as violation:
            self.violation = self.violation or violation
            raise


def _on_the_network(action: Action, now: datetime) -> Fault | None:
    """What the network does to a request at which this strikes."""
    if isinstance(action, Answer):
        return action.made(now)
    return late(now) if isinstance(action, Kill) and action.late else None


class ProcessTransport:
    """The transport of one process (`sync.http.wire.Transport`)."""

    def __init__(self, outside: Outside, process: Process) -> None:
        self._outside = outside
        self._process = process

    def send(self, request: HttpRequest) -> HttpResponse:
        """See `sync.http.wire.Transport`."""
        return self._outside.exchange(request, self._process)

"""The Functions host in virtual time: instances with so many places per queue, timers, and a record of every slice."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from bench.load.virtual import SharedExecutor, SharedTime
from sandbox.runner.host import POISON, QueueRules, read_rules
from sandbox.simulator.deployment import Deployment, handle, settings
from sandbox.simulator.seams import NetworkTransport, PlainAuditKeys, PlainIdentity, make_ports
from sandbox.storage import Message
from sync.app import App
from sync.connections.document import STAGES
from sync.engine import retries, runner, schedule
from sync.http.wire import HttpRequest, HttpResponse, Unclear
from sync.messages import StageRun, connection_of, decode
from sync.settings import Settings
from sync.storage.names import STAGE_RUNS, WORKING_QUEUES

ROOT: Final = Path(__file__).parents[2]
EVERY: Final = timedelta(minutes=5)
"""The timers' default (`sync.settings.TIMERS`)."""
FIRST_PAUSE: Final = 0.1
RENEWED: Final = 24 * 3_600.0
"""A message stays hidden for as long as its function runs: the host renews it."""
FUNCTION_TIMEOUT: Final = 600.0
"""Seconds after which the host ends a function and its whole worker process (host.json, functionTimeout)."""
Latency = Callable[[HttpRequest], float]
"""Seconds until the answer to a request comes."""


@dataclass(frozen=True)
class Played:
    """One invocation of the trigger of `stage-runs`."""

    connection: str
    stage: str
    put: datetime
    started: datetime
    ended: datetime
    outcome: str
    """What `run_stage` returned, or the name of the exception that it raised."""

    @property
    def worked(self) -> bool:
        """Whether it was a slice of work, not a message that was dropped."""
        return not self.outcome.startswith("dropped")

    @property
    def seconds(self) -> float:
        """How long it held its place."""
        return (self.ended - self.started).total_seconds()


class DistantNetwork(NetworkTransport):
    """The sandbox's network at a distance: an answer takes time, and one that takes longer than the client waits never comes."""

    def __init__(self, deployment: Deployment, time: SharedTime, latency: Latency) -> None:
        super().__init__(deployment.network)
        self._time = time
        self._latency = latency

    def send(self, request: HttpRequest) -> HttpResponse:
        """See `sync.http.wire.Transport`."""
        seconds = self._latency(request)
        self._time.sleep(min(seconds, request.read_seconds))
        if seconds > request.read_seconds:
            raise Unclear("timed out")
        return super().send(request)


@dataclass
class Host:
    """So many instances of the app, each with the queue rules of host.json (or others), over one deployment."""

    deployment: Deployment
    time: SharedTime
    latency: Latency
    instances: int = 2
    rules: QueueRules = field(default_factory=lambda: read_rules(ROOT / "host.json").queues)
    settings: Settings = field(default_factory=settings)
    played: list[Played] = field(default_factory=list)
    waiting: list[Counter[str]] = field(default_factory=list)
    """At each tick, before it: how many messages each connection has in all queues, hidden ones too."""
    apps: list[App] = field(default_factory=list)
    _listeners: list["_Listener"] = field(default_factory=list)

    def open(self) -> None:
        """Start the instances; timers tick from now on."""
        for number in range(self.instances):
            app = self._app(number)
            self.apps.append(app)
            self._listeners += [_Listener(self, app, queue) for queue in (*WORKING_QUEUES, *(f"{name}{POISON}" for name in WORKING_QUEUES))]
        for listener in self._listeners:
            self.time.at(self.time.now(), listener.look)
        self.time.at(self.time.now(), self._tick)

    def _app(self, number: int) -> App:
        made = self.deployment
        transport = DistantNetwork(made, self.time, self.latency)
        ports = make_ports(self.time, transport, made.storage, seed=7_919 * (number + 1))
        return App(replace(ports, executor=SharedExecutor(self.time)), self.settings, made.secrets, PlainAuditKeys(), PlainIdentity())

    def _tick(self) -> None:
        self.waiting.append(self.messages())
        for stage in STAGES:
            schedule.tick(self.apps[0], stage)
        self.time.at(self.time.now() + EVERY, self._tick)

    def messages(self) -> Counter[str]:
        """How many messages each connection has in the working queues, hidden ones too."""
        queues = self.deployment.storage.queues
        return Counter(connection_of(message.body) for queue in WORKING_QUEUES for message in queues.messages(queue))

    @property
    def working(self) -> int:
        """How many invocations are under way."""
        return sum(listener.under_way for listener in self._listeners)

    @property
    def idle(self) -> bool:
        """Nothing is under way and no message is left, hidden or not."""
        return self.working == 0 and not self.messages()


class _Listener:
    """One queue trigger of one instance (the host's rules are told in `sandbox/runner/queues.py`)."""

    def __init__(self, host: Host, app: App, queue: str) -> None:
        self._host = host
        self._app = app
        self._queue = queue
        self._pause = FIRST_PAUSE
        self._looks_at: datetime | None = None
        self.under_way = 0

    def look(self) -> None:
        """Receive batches while there is room."""
        self._looks_at = None
        queues, rules = self._host.deployment.storage.queues, self._host.rules
        while self.under_way <= rules.new_batch_threshold:
            received = [message for _ in range(rules.batch_size) if (message := queues.receive(self._queue, RENEWED)) is not None]
            for message in received:
                self.under_way += 1
                self._host.time.start(partial(self._process, message))
            if not received:
                self._look_later()
                return
            self._pause = FIRST_PAUSE

    def _look_later(self) -> None:
        """A queue that was found empty is asked less and less often, as the host does it."""
        now = self._host.time.now()
        if self._looks_at is not None and self._looks_at > now:
            return
        self._looks_at = now + timedelta(seconds=self._pause)
        self._pause = min(self._pause * 2, self._host.rules.max_polling_interval.total_seconds())
        self._host.time.at(self._looks_at, self.look)

    def _process(self, message: Message) -> None:
        try:
            self._invoke(message)
        except Exception:  # noqa: BLE001 - the host catches whatever a function raises
            self._failed(message)
        else:
            self._host.deployment.storage.queues.delete(self._queue, message)
        finally:
            self.under_way -= 1
            if self._looks_at is None:
                self._host.time.at(self._host.time.now(), self.look)

    def _invoke(self, message: Message) -> None:
        if self._queue.endswith(POISON):
            retries.keep_poison(self._app, self._queue.removesuffix(POISON), message.body)
        elif self._queue != STAGE_RUNS:
            handle(self._app, self._queue, message)
        else:
            self._run_stage(message)

    def _run_stage(self, message: Message) -> None:
        body, begun = decode(StageRun, message.body), self._host.time.now()
        played = Played(body.connection, body.stage, message.inserted_at, begun, begun, "")
        try:
            played = replace(played, outcome=runner.run_stage(self._app, body))
        except Exception as error:
            played = replace(played, outcome=type(error).__name__)
            raise
        finally:
            self._host.played.append(replace(played, ended=self._host.time.now()))

    def _failed(self, message: Message) -> None:
        queues, rules = self._host.deployment.storage.queues, self._host.rules
        if message.dequeue_count >= rules.max_dequeue_count and not self._queue.endswith(POISON):
            queues.put(f"{self._queue}{POISON}", message.body)
            queues.delete(self._queue, message)
        else:
            queues.update(self._queue, message, rules.visibility_timeout.total_seconds())


def completions(played: Sequence[Played], start: datetime) -> dict[str, float]:
    """Minutes from `start` until every stage of a connection went through once, for the connections where all did."""
    firsts: dict[str, dict[str, datetime]] = {}
    for slice_ in played:
        if slice_.outcome.startswith("done"):
            firsts.setdefault(slice_.connection, {}).setdefault(slice_.stage, slice_.ended)
    return {name: (max(ends.values()) - start).total_seconds() / 60 for name, ends in firsts.items() if len(ends) == len(STAGES)}

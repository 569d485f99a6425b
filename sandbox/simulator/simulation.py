"""One simulation: the product's own functions over played systems and storage in virtual time, with faults at their boundaries.

It goes on as long as the scenario says; then everything that is broken is mended, time passes, and a person replays what is parked. At the
end both systems must agree to the cent, and a further cycle must write nothing.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from random import Random
from typing import Final

from sandbox.simulator import life
from sandbox.simulator.crew import Crew, CrewExecutor, Process
from sandbox.simulator.deployment import deploy, settings
from sandbox.simulator.host import Host
from sandbox.simulator.matrix import Fired
from sandbox.simulator.outside import CachedSecrets, Outside, ProcessClock, ProcessTransport
from sandbox.simulator.scenario import Scenario
from sandbox.simulator.seams import PlainAuditKeys, PlainIdentity, SeededIds, SeededRandomness, VirtualClock
from sandbox.simulator.story import Story
from sandbox.simulator.strikes import Strikes
from sandbox.simulator.watch import Violation, Watch
from sandbox.worlds.truth import compare
from sync import triggers
from sync.app import App
from sync.engine.cases import NO_CONNECTION, case_places, places
from sync.ledger.model import BLOCKS_BATCH, Place, State
from sync.messages import Replay, Selection, encode
from sync.ports import Ports
from sync.storage.columns import text_in
from sync.storage.names import CONTAINERS, REPLAYS, TABLES
from sync.storage.patient import patient
from sync.values import job_id

MOST_STEPS: Final = 400_000
"""A simulation that takes more steps than this does not come to rest."""
HEALING_TICKS: Final = 14
"""Ticks after the last fault in which everything must be well again. They are an hour apart, longer than any interval of a scenario."""
HEALING_MINUTES: Final = 61
OVERTIME: Final = timedelta(hours=2)
"""So long after the end of a part the last work of it may come to rest."""
OUTPUT: Final = logging.getLogger("sync")


class Output(logging.Handler):
    """What the product logs, as text."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line, with the trace of an error."""
        self.lines.append(self.format(record))


class Simulation:
    """See the module. `run` raises Violation; `fired` tells which faults struck."""

    def __init__(self, scenario: Scenario, *, tell: bool = False) -> None:
        self.scenario = scenario
        self.story = Story(told=tell)
        self.clock = VirtualClock()
        self._chance = Random(scenario.seed)
        self.deployment = deploy(self.clock)
        self.world = scenario.build(self.clock.now)
        self.deployment.add(self.world, **scenario.policies)
        self.deployment.amend(self.world, lambda document: document.update(schedules=scenario.schedules))
        storage = self.deployment.storage
        self.crew = Crew(self._chance, self.clock, scenario.linger)
        self.host = Host(self.crew, self.clock, storage.queues, self._chance, self._open, scenario.eager)
        self.strikes = Strikes(scenario.faults, self.world, self.clock, self.crew, self.host, self._chance, self.story)
        self.host.disorder = self.strikes.disorder
        self.watch = Watch(self.clock.now, self.world, storage.tables, self._secrets(), self._clocks_are_right)
        self._outside = Outside(
            self.host,
            self.clock,
            self.crew,
            self.deployment.network,
            self._chance,
            self.story,
            self.strikes,
            self.watch,
            self.world.d365.host,
        )
        storage.before, storage.after = self._outside.before_storage, self._outside.after_storage
        self._apps: dict[int, App] = {}
        self._output = Output()

    @property
    def fired(self) -> Fired:
        """Which faults struck."""
        return self.strikes.fired

    # --- the course of it --------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Everything, once. Raises Violation."""
        with self._hosting():
            for _ in range(self.scenario.processes):
                self.host.start_process()
            self._live()
            self._heal()
            self._assert_all_is_well()

    @contextmanager
    def _hosting(self) -> Iterator[None]:
        """The functions of this process are those of the simulation's processes, and what they log is kept."""
        opened, level, propagate = triggers.process.opened, OUTPUT.level, OUTPUT.propagate
        triggers.process.opened = self._app
        OUTPUT.addHandler(self._output)
        OUTPUT.setLevel(logging.INFO)
        OUTPUT.propagate = False
        try:
            yield
        finally:
            self.crew.close()
            triggers.process.opened = opened
            OUTPUT.removeHandler(self._output)
            OUTPUT.setLevel(level)
            OUTPUT.propagate = propagate

    def _live(self) -> None:
        events = iter(self.scenario.events)
        for number in range(self.scenario.ticks):
            self.host.fire_timers(housekeeping=number % 3 == 2)
            self._until(self.scenario.minutes)
            for name in (next(events, ""), next(events, "")):
                self._let_happen(name)

    def _let_happen(self, name: str) -> None:
        said = life.EVENTS[name](self.world, self._chance) if name else ""
        if said:
            self.story.tell(self.clock.now(), 0, said)
            self.deployment.secrets.values[f"{self.world.connection['id']}-avid-company-token"] = self.world.avid.company_token
            self.watch.secrets.update(self._secrets())

    def _until(self, minutes: float) -> None:
        """Let everything run for so long, from event to event."""
        end = self.clock.now() + timedelta(minutes=minutes)
        while self.clock.now() < end or not self.host.is_idle:
            self.host.serve()
            if self.clock.now() > end + OVERTIME and self.host.is_idle:
                return  # a message that fails again and again, as with a wrong clock, must not hold up the rest
            if self.crew.turn():
                self._look_at_it()
            elif not self.host.can_serve:
                self._pass_time(end)

    def _pass_time(self, end: datetime) -> None:
        """Nothing can go on now: to the next event, or the end."""
        coming = [time for time in (self.crew.next_wake(), self.host.next_event()) if time is not None]
        following = min(coming, default=end)
        if self.clock.now() < end:
            following = min(following, end)
        self.clock.advance(seconds=max(0.001, (following - self.clock.now()).total_seconds()))

    def _look_at_it(self) -> None:
        if self._outside.violation is not None:
            raise self._outside.violation
        if self.crew.steps > MOST_STEPS:
            raise Violation("endless", f"It does not come to rest in {MOST_STEPS:,} steps.")

    def _heal(self) -> None:
        """No further fault strikes; time passes; then a person replays what is parked."""
        self.strikes.end()
        self.deployment.network.faults.clear()
        self.story.tell(self.clock.now(), 0, "From here on nothing goes wrong any more.")
        self._rest(lambda: not self._in_doubt())
        self._replay_everything()
        self._until(1)
        if not self._is_well():
            self._rest(self._is_well)

    def _rest(self, done: Callable[[], bool]) -> None:
        for _ in range(HEALING_TICKS):
            self.host.fire_timers(housekeeping=False)
            self._until(HEALING_MINUTES)
            self.deployment.network.settle()
            if done() and not self.host.waiting:
                return

    def _is_well(self) -> bool:
        return not self._in_doubt() and compare(self.world).agrees

    def _in_doubt(self) -> list[str]:
        rows = self.watch.records.values()
        return [str(row.values["Label"]) for row in rows if State(str(row.values["State"])) in BLOCKS_BATCH]

    def _replay_everything(self) -> None:
        name = self.world.connection["id"]
        for state in State:
            message = Replay(
                connection=name,
                selection=Selection(state=state),
                reason="all is mended",
                requested_by="the simulator",
                job=job_id(name, "-", "replay", str(state)),
            )
            self.deployment.storage.queues.put(REPLAYS, encode(message))

    # --- the end -----------------------------------------------------------------------------------------------------------------

    def _assert_all_is_well(self) -> None:
        comparison, doubtful = compare(self.world), self._in_doubt()
        if not comparison.agrees:
            raise Violation("lost", "; ".join(comparison.differences[:5]))
        if doubtful:
            raise Violation("doubt", f"Still in doubt: {', '.join(doubtful[:5])}.")
        if self.deployment.network.refused:
            raise Violation("host", f"A request went to {self.deployment.network.refused[0]}.")
        self._assert_chains_hold()
        self.watch.outputs_hold_no_secret(self._outputs())
        self._assert_nothing_more_is_written()

    def _assert_nothing_more_is_written(self) -> None:
        """A row that is gone from D365 is cleared up after two crawls, so a first further cycle may still write to AvidXchange."""
        first, second = self._cycle_writes(), self._cycle_writes()
        if first[self.world.d365.host] or any(second.values()):
            raise Violation("duplicate", f"Further cycles wrote: {first}, then {second}.")

    def _cycle_writes(self) -> dict[str, int]:
        """The writes of one more cycle, by host."""
        network, hosts = self.deployment.network, (self.world.d365.host, self.world.avid.host)
        before = {host: network.writes(host) for host in hosts}
        self.host.fire_timers(housekeeping=True)
        self._until(HEALING_MINUTES)
        return {host: network.writes(host) - count for host, count in before.items()}

    def _assert_chains_hold(self) -> None:
        by_partition = {place.partition: place for place in self._places()}
        ledger = self._any_app().ledger
        for (partition, key), row in self.watch.records.items():
            problems = ledger.verify(by_partition[partition], key.removeprefix("r:"))
            if problems:
                raise Violation("audit", f"{text_in(row.values, 'Label')}: {problems[0]}")

    def _places(self) -> list[Place]:
        stored = [item.connection for item in self._any_app().connections.list()]
        return [*(place for item in stored if item is not None for place in places(item)), *case_places(NO_CONNECTION)]

    def _outputs(self) -> str:
        storage = self.deployment.storage
        rows = [str(dict(row.values)) for table in TABLES for row in storage.tables.peek_all(table)]
        blobs = [blob.data.decode(errors="replace") for container in CONTAINERS for blob in storage.blobs.peek_all(container)]
        return "\n".join([*rows, *blobs, *(message.body for message in self.host.waiting), *self._output.lines, *self.host.failed])

    # --- processes ---------------------------------------------------------------------------------------------------------------

    def _open(self, process: Process) -> None:
        """An app for a process that starts: its own composition root over the shared storage and network."""
        self.story.tell(self.clock.now(), process.number, "starts")
        seed = self.scenario.seed * 1_000_003 + process.number
        ids, randomness = SeededIds(seed), SeededRandomness(seed)
        storage = patient(self.deployment.storage, self.crew.sleep, randomness, ids)
        ports = Ports(
            clock=ProcessClock(self.clock, process),
            sleep=self.crew.sleep,
            ids=ids,
            randomness=randomness,
            executor=CrewExecutor(self.crew),
            transport=ProcessTransport(self._outside, process),
            tables=storage.tables,
            queues=storage.queues,
            blobs=storage.blobs,
        )
        secrets = CachedSecrets(self.deployment.secrets.values)
        self._apps[process.number] = App(ports, settings(), secrets, PlainAuditKeys(), PlainIdentity())

    def _app(self) -> App:
        """The app of the process whose function asks."""
        process = self.host.process
        assert process is not None
        return self._apps[process.number]

    def _any_app(self) -> App:
        return self._apps[max(self._apps)]

    def _clocks_are_right(self) -> bool:
        return not any(process.skew for process in self.host.processes)

    def _secrets(self) -> dict[str, frozenset[str]]:
        facts, avid = self.world.connection, self.world.avid
        return {
            facts["client_secret"]: frozenset({"login.microsoftonline.com"}),
            avid.company_token: frozenset({avid.host}),
            avid.user_token: frozenset({avid.host}),
        }

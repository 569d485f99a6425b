"""`run`: one stage or all, now. The app does the work through its own triggers; a dry run works here, and writes nothing (design §5)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from sync.app import App
from sync.connections.document import Connection
from sync.engine.cases import RUNS
from sync.engine.model import Report, Slice
from sync.engine.runner import WAITING, missing_before
from sync.engine.schedule import new_run
from sync.errors import FixConfiguration, SyncError
from sync.ledger.model import AT_REST, Place
from sync.ledger.runs import Run
from sync.messages import encode
from sync.storage.names import STAGE_RUNS
from sync.values import digest
from sync.verbs.finding import the_connection

POLL_SECONDS: Final = 2.0
DRY_RUN_TIME: Final = timedelta(days=1)


@dataclass(frozen=True)
class StageOutcome:
    """What became of one stage. `done`: it went through to its end. `note` says what a person should know when it did not."""

    stage: str
    done: bool = False
    run: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class RunResult:
    """What `run` asked for and saw. Not `waited`: only the messages were put."""

    connection: str
    waited: bool
    stages: tuple[StageOutcome, ...]

    @property
    def well(self) -> bool:
        """Everything that was waited for is done."""
        return not self.waited or all(outcome.done for outcome in self.stages)


@dataclass(frozen=True)
class Rehearsal:
    """What one stage would do. `shown` holds the exact bodies and differences, one text each; `error` is what ended it early."""

    stage: str
    counts: Mapping[str, int]
    shown: tuple[str, ...]
    error: str = ""


@dataclass(frozen=True)
class RehearsalResult:
    """What a dry run found."""

    connection: str
    stages: tuple[Rehearsal, ...]

    @property
    def well(self) -> bool:
        """No stage ended early."""
        return not any(stage.error for stage in self.stages)


@dataclass
class _Watched:
    """A stage whose run is waited for. `before` is the run that was its latest when this one was asked for."""

    stage: str
    before: Run | None
    joined: bool
    """Another worker is running it: that run is watched, ours would be dropped."""
    seen: Run | None = None


def run(
    app: App, connection_id: str, stage: str = "all", *, wait: float | None = 120, shown: Callable[[str], None] = lambda _: None
) -> RunResult:
    """Put forced messages on `stage-runs` and wait until the runs ended. `wait`: seconds without a sign of life; None: do not wait.

    FixConfiguration when the connection or the stage is paused, or waits for a stage that is not run with it.
    """
    connection = the_connection(app, connection_id)
    watched = [_watched(app, connection, name) for name in _runnable(app, connection, stage)]
    for one in watched:
        app.ports.queues.put(STAGE_RUNS, encode(new_run(app, connection.id, one.stage, forced=True)))
    if wait is None:
        return RunResult(connection.id, waited=False, stages=tuple(StageOutcome(one.stage) for one in watched))
    _Watch(app, connection, watched, shown).until_ended(timedelta(seconds=wait))
    return RunResult(connection.id, waited=True, stages=tuple(_outcome(app, connection, one, wait) for one in watched))


def _runnable(app: App, connection: Connection, stage: str) -> list[str]:
    names = [item.name for item in app.stages] if stage == "all" else [app.stage(stage).name]
    resume = f"Resume it: python -m sync resume {connection.id}"
    if connection.paused:
        raise FixConfiguration(f"The connection {connection.id} is paused. {resume}", field="paused")
    going = [name for name in names if not connection.schedules.of(name).paused]
    if not going:
        raise FixConfiguration(f"{stage} of {connection.id} is paused. {resume} --stage {names[0]}", field="schedules")
    for name in going:
        missing = [other for other in missing_before(app, connection, app.stage(name)) if other not in going]
        if missing:
            raise FixConfiguration(f"{name} waits for {', '.join(missing)} to complete once: run that first.", field="stage")
    return going


def _watched(app: App, connection: Connection, stage: str) -> _Watched:
    before = _latest(app, connection, stage)
    under_way = before is not None and before.finished_at is None and _is_held(app, connection, stage)
    return _Watched(stage, before, under_way)


def _latest(app: App, connection: Connection, stage: str) -> Run | None:
    return next(iter(app.runs.latest(connection.id, stage, 1)), None)


def _is_held(app: App, connection: Connection, stage: str) -> bool:
    until = app.leases.held_until(connection.id, stage)
    return until is not None and until > app.ports.clock.now()


class _Watch:
    """Watching runs in the run history until all ended, or until nothing has moved for some time."""

    def __init__(self, app: App, connection: Connection, watched: Sequence[_Watched], shown: Callable[[str], None]) -> None:
        self._app = app
        self._connection = connection
        self._watched = watched
        self._shown = shown

    def until_ended(self, patience: timedelta) -> None:
        """Poll. A stage that holds its lease is alive, however long a slice takes."""
        clock, quiet_since = self._app.ports.clock, self._app.ports.clock.now()
        while pending := [one for one in self._watched if not self._ended(one)]:
            moved = [self._moved(one) for one in pending]
            if any(moved) or any(self._is_alive(one) for one in pending):
                quiet_since = clock.now()
            elif clock.now() - quiet_since >= patience:
                return
            if not any(moved):
                self._app.ports.sleep(POLL_SECONDS)

    def _ended(self, one: _Watched) -> bool:
        return one.seen is not None and is_over(self._app, self._connection, one.seen)

    def _moved(self, one: _Watched) -> bool:
        """Whether there is something new of the stage. It is shown."""
        latest = _latest(self._app, self._connection, one.stage)
        is_older = latest is None or (one.before is not None and latest.id == one.before.id and not one.joined)
        if latest is None or is_older or latest == one.seen:
            return False
        one.seen = latest
        self._shown(_progress(latest))
        return True

    def _is_alive(self, one: _Watched) -> bool:
        """Whether a worker has the run in hand."""
        return one.seen is not None and one.seen.finished_at is None and _is_held(self._app, self._connection, one.stage)


def is_over(app: App, connection: Connection, run_: Run) -> bool:
    """Whether the run goes on no more by itself: it went well, or a person has to mend something (a case is open)."""
    if run_.finished_at is None:
        return False
    case = app.ledger.get(Place(connection.id, RUNS), digest(run_.stage)) if run_.error else None
    return not run_.error or (case is not None and case.state not in AT_REST)


def _progress(run_: Run) -> str:
    if run_.finished_at is None:
        return f"{run_.stage}: running"
    return f"{run_.stage}: {run_.error or 'done'}"


def _outcome(app: App, connection: Connection, one: _Watched, wait: float) -> StageOutcome:
    seen = one.seen
    if seen is None:
        waits = app.runs.progress(connection.id, one.stage).last_error
        reason = (
            waits
            if waits.startswith(WAITING)
            else f"Nothing picked it up in {wait:.0f} s: no function app seems to be working on the queue {STAGE_RUNS}."
        )
        return StageOutcome(one.stage, note=reason)
    outcome = StageOutcome(one.stage, run=seen.id, counts=seen.counts)
    if seen.finished_at is None:
        return replace(outcome, note=f"It has been quiet for {wait:.0f} s. If its worker died, the schedule starts it again.")
    if not seen.error:
        return replace(outcome, done=True, note="It was running already; that run was followed." if one.joined else "")
    return replace(outcome, note=seen.error if is_over(app, connection, seen) else f"{seen.error} It goes on by itself.")


def rehearse(app: App, connection_id: str, stage: str = "all", shown: Callable[[str], None] = lambda _: None) -> RehearsalResult:
    """A dry run, here and now: what would be sent, with its differences, and what would be parked. Writes to neither system nor storage."""
    connection = the_connection(app, connection_id)
    names = [item.name for item in app.stages] if stage == "all" else [app.stage(stage).name]
    results = []
    for name in names:
        shown(f"{name}: reading both systems")
        results.append(_rehearse(app, connection, name))
    return RehearsalResult(connection.id, tuple(results))


def _rehearse(app: App, connection: Connection, name: str) -> Rehearsal:
    report = Report()
    slice_ = _dry_slice(app, connection, name, app.ports.clock.now() + DRY_RUN_TIME, report)
    error = ""
    try:
        app.stage(name).work(slice_)
    except SyncError as failure:
        error = failure.sentence
    return Rehearsal(name, dict(report.counts), tuple(report.shown), error)


def _dry_slice(app: App, connection: Connection, stage: str, deadline: datetime, report: Report) -> Slice:
    return Slice(
        connection=connection,
        stage=stage,
        run=app.ports.ids.new(),
        ports=app.ports,
        ledger=app.ledger,
        progress=app.runs,
        systems=app.systems(connection),
        deadline=deadline,
        beat=lambda: None,
        report=report,
        dry_run=True,
    )

"""`status`: per connection and stage the last run, the lag, the counts and the backlog (design §5). The HTTP function answers the same."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sync.app import App
from sync.connections.document import Connection
from sync.connections.store import Stored
from sync.engine.cases import case_places, places
from sync.ledger.model import Place, State
from sync.verbs.finding import stored_connection

WIDTH: Final = 8
EXCEPTION_STATES: Final = frozenset({State.WRITTEN, State.POSTED, State.ADOPTED, State.RESOLVED})
"""An open cause of a record in one of these is an exception: it is in D365 or closed, and a person has to see something about it."""
IN_HAND: Final = frozenset({State.FOUND, State.RETRYING})
IN_DOUBT: Final = frozenset({State.CLAIMED, State.UNKNOWN})


@dataclass(frozen=True)
class Backlog:
    """Records of a stage that are not at their end. `written`: in D365, not posted yet; `exceptions`: in D365, with a cause."""

    waiting: int = 0
    parked: int = 0
    unknown: int = 0
    written: int = 0
    exceptions: int = 0


@dataclass(frozen=True)
class StageStatus:
    """One stage. `lag_seconds` is the time since it last went through; None when it never did. `counts` are those of the last run."""

    stage: str
    paused: bool
    running: bool
    started: datetime | None
    finished: datetime | None
    completed: datetime | None
    lag_seconds: int | None
    error: str
    counts: Mapping[str, int]
    backlog: Backlog
    totals: Mapping[str, int] = field(default_factory=dict)
    """Records by state, all of them; only when they were asked for."""


@dataclass(frozen=True)
class ConnectionStatus:
    """One connection. `error` is what is wrong with its document; then it has no stages. `cases` are troubles of no record."""

    id: str
    name: str
    paused: bool
    error: str
    cases: int
    stages: tuple[StageStatus, ...]


@dataclass(frozen=True)
class Status:
    """All that were asked for, at a time (UTC)."""

    at: datetime
    connections: tuple[ConnectionStatus, ...]


def status(app: App, connection_id: str | None = None, *, totals: bool = False) -> Status:
    """Of one connection or of all. `totals` counts every record by its state, which reads them all. FixConfiguration when it is unknown."""
    chosen = [*app.connections.list()] if connection_id is None else [stored_connection(app, connection_id)]
    return Status(app.ports.clock.now(), tuple(_connection(app, stored, totals=totals) for stored in chosen))


def _connection(app: App, stored: Stored, *, totals: bool) -> ConnectionStatus:
    cases = sum(1 for place in case_places(stored.id) for _ in app.ledger.open_work(place))
    connection = stored.connection
    if connection is None:
        return ConnectionStatus(stored.id, "", paused=False, error=stored.error, cases=cases, stages=())
    stages = tuple(_stage(app, connection, stage.name, totals=totals) for stage in app.stages)
    return ConnectionStatus(stored.id, connection.name, connection.paused, "", cases, stages)


def _stage(app: App, connection: Connection, stage: str, *, totals: bool) -> StageStatus:
    progress, now = app.runs.progress(connection.id, stage), app.ports.clock.now()
    own = [place for place in places(connection) if place.stage == stage]
    states = sum(app.ports.executor.map(lambda place: _open(app, place), own, width=WIDTH), Counter[State]())
    exceptions = sum(app.ports.executor.map(lambda place: _exceptions(app, place), own, width=WIDTH))
    latest = next(iter(app.runs.latest(connection.id, stage, 1)), None)
    held_until = app.leases.held_until(connection.id, stage)
    return StageStatus(
        stage=stage,
        paused=connection.schedules.of(stage).paused,
        running=latest is not None and latest.finished_at is None and held_until is not None and held_until > now,
        started=progress.last_started,
        finished=progress.last_finished,
        completed=progress.completed_at,
        lag_seconds=None if progress.completed_at is None else int((now - progress.completed_at).total_seconds()),
        error=progress.last_error,
        counts=dict(progress.counts),
        backlog=Backlog(
            waiting=sum(states[state] for state in IN_HAND),
            parked=states[State.PARKED],
            unknown=sum(states[state] for state in IN_DOUBT),
            written=states[State.WRITTEN],
            exceptions=exceptions,
        ),
        totals=_totals(app, own) if totals else {},
    )


def _open(app: App, place: Place) -> Counter[State]:
    return Counter(work.state for work in app.ledger.open_work(place))


def _exceptions(app: App, place: Place) -> int:
    return len({failure.key for failure in app.ledger.failures(place) if failure.state in EXCEPTION_STATES})


def _totals(app: App, own: Sequence[Place]) -> dict[str, int]:
    counted = Counter(record.state for place in own for record in app.ledger.records(place))
    return {state.value: counted[state] for state in State if counted[state]}

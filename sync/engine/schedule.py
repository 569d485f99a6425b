"""Which connections are due at a tick of a stage's timer (design §2, Timers)."""

from datetime import datetime, timedelta
from typing import Final

from sync.connections.document import Connection, QuietHours
from sync.connections.store import Stored
from sync.engine.cases import open_broken_connection
from sync.engine.deployment import Deployment
from sync.errors import SyncError, TryLater
from sync.ledger.leases import Lease
from sync.ledger.model import NO_COMPANY
from sync.ledger.runs import Progress
from sync.logs import bound
from sync.messages import StageRun, encode
from sync.storage.names import STAGE_RUNS
from sync.values import job_id

SLACK: Final = timedelta(minutes=1)
"""A tick that comes this early counts: a run starts some seconds after its tick, so that ticks exactly an interval apart would miss."""
LONGEST_WAIT: Final = 1_800.0
"""Seconds for which a message is believed to wait on the queue. After that a tick may add another, should it have been lost."""


def reason_to_wait(connection: Connection, stage: str, progress: Progress, now: datetime) -> str:
    """Why the stage of the connection is not due, in a sentence; "" when it is. `progress` is that of the stage as a whole."""
    resting = reason_to_rest(connection, stage, now)
    every = connection.schedules.of(stage).every_minutes
    if resting or progress.last_started is None or every == 0:
        return resting
    interval = timedelta(minutes=every)
    due_at = progress.last_started + interval - min(SLACK, interval / 2)
    return "" if now >= due_at else f"Not due before {due_at:%Y-%m-%d %H:%M} UTC."


def reason_to_rest(connection: Connection, stage: str, now: datetime) -> str:
    """Why nothing of the stage starts by the schedule, however long ago it ran, in a sentence; "" when it may."""
    if connection.paused:
        return "The connection is paused."
    if connection.schedules.of(stage).paused:
        return "The stage is paused."
    quiet = connection.schedules.quiet_hours
    if quiet is not None and is_quiet(quiet, now):
        return f"Quiet hours until {quiet.until_hour}:00 UTC."
    return ""


def is_quiet(quiet: QuietHours, now: datetime) -> bool:
    """Whether `now` (UTC) lies in the quiet hours; they may run over midnight. The same hour twice means none."""
    if quiet.from_hour <= quiet.until_hour:
        return quiet.from_hour <= now.hour < quiet.until_hour
    return now.hour >= quiet.from_hour or now.hour < quiet.until_hour


def tick(app: Deployment, stage: str) -> list[str]:
    """One message of `stage-runs` per connection that is due; returns their ids. One connection's trouble leaves the others alone."""
    started = []
    for stored in app.connections.list():
        try:
            if _tick_one(app, stage, stored):
                started.append(stored.id)
        except SyncError as error:
            bound(__name__, connection=stored.id, stage=stage).error("The tick failed; the next one tries again: %s", error.sentence)
    return started


def _tick_one(app: Deployment, stage: str, stored: Stored) -> bool:
    if stored.connection is None:
        bound(__name__, connection=stored.id, stage=stage).error("The connection document is not valid: %s", stored.error)
        open_broken_connection(app.ledger, stored.id, stored.error, now=app.ports.clock.now())
        return False
    progress = app.runs.progress(stored.id, stage, NO_COMPANY)
    if reason_to_wait(stored.connection, stage, progress, app.ports.clock.now()):
        return False
    return start_run(app, stored.id, stage)


def start_run(app: Deployment, connection: str, stage: str, *, forced: bool = False) -> bool:
    """Put the first message of a new run, unless a run of the stage waits or is worked on: one connection never fills the queue."""
    message = new_run(app, connection, stage, forced=forced)
    lease = app.leases.take(connection, stage, message.token, app.settings.lease_seconds)
    if lease is None:
        return False
    put_and_wait(app, lease, message)
    return True


def put_and_wait(app: Deployment, lease: Lease, message: StageRun, *, delay: float = 0.0) -> None:
    """Put a message, visible after `delay` seconds, and keep its lease: while it waits, nobody adds another.

    The message is durable first. When the lease cannot be kept after that, the worst is a second message, which is dropped.
    """
    app.ports.queues.put(STAGE_RUNS, encode(message), delay=delay)
    try:
        app.leases.keep_waiting(lease, delay + LONGEST_WAIT)
    except TryLater as error:
        bound(__name__, connection=message.connection, stage=message.stage).info("The lease was not kept: %s", error.sentence)


def new_run(app: Deployment, connection: str, stage: str, *, forced: bool = False) -> StageRun:
    """The first message of a new run. `forced`: whether it is due does not matter (a pause does)."""
    run = app.ports.ids.new()
    return StageRun(
        connection=connection,
        stage=stage,
        run=run,
        token=app.ports.ids.new(),
        forced=forced,
        job=job_id(connection, stage, "stage-run", run),
    )

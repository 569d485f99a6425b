"""What the housekeeping timer does: seal yesterday's audit rows, report runs whose worker died, and stages that are overdue."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sync.connections.document import Connection
from sync.engine.cases import NO_CONNECTION, case_places, places
from sync.engine.deployment import Deployment
from sync.engine.schedule import reason_to_rest
from sync.errors import SyncError
from sync.ledger.model import Place
from sync.logs import bound

DAY_ENDS: Final = timedelta(days=1, hours=1)
"""A day is sealed once it is surely over for every worker: an hour after its end (`sync/ledger/seals.py`)."""
OVERDUE_INTERVALS: Final = 3
SHORTEST_OVERDUE: Final = timedelta(hours=1)


def keep_house(app: Deployment) -> dict[str, list[str]]:
    """Do all of it for every connection. Returns what was found, by its kind, in sentences for the log."""
    found: dict[str, list[str]] = {"dead": [], "overdue": []}
    to_seal = [*case_places(NO_CONNECTION)]
    for stored in app.connections.list():
        if stored.connection is not None:
            to_seal += places(stored.connection)
            found["dead"] += dead_runs(app, stored.connection)
            found["overdue"] += overdue_stages(app, stored.connection)
    found["unsealed"] = seal_places(app, to_seal)
    for kind, sentences in found.items():
        for sentence in sentences:
            bound(__name__).warning("%s: %s", kind, sentence)
    return found


def seal_places(app: Deployment, to_seal: Sequence[Place]) -> list[str]:
    """Seal the last day that is over, for each place; returns a sentence when that failed.

    It ends at the first failure: that is the vault's or the storage's, so it would fail for every place; the next time tries again.
    """
    day = (app.ports.clock.now() - DAY_ENDS).date()
    for place in to_seal:
        try:
            app.seals.seal_day(place, day)
        except SyncError as error:
            return [f"{day.isoformat()} could not be sealed from {place.partition} on: {error.sentence}"]
    return []


def dead_runs(app: Deployment, connection: Connection) -> list[str]:
    """Runs that have begun, have not ended, and hold no lease any more: their worker died. The schedule starts the stage again."""
    now, dead = app.ports.clock.now(), []
    for stage in app.stages:
        latest = next(iter(app.runs.latest(connection.id, stage.name, 1)), None)
        if latest is None or latest.finished_at is not None:
            continue
        held_until = app.leases.held_until(connection.id, stage.name)
        if held_until is None or held_until < now:
            dead.append(f"{stage.name} of {connection.id}: the run {latest.id} of {latest.started_at:%Y-%m-%d %H:%M} UTC broke off.")
    return dead


def overdue_stages(app: Deployment, connection: Connection) -> list[str]:
    """Stages that are due and did not go through for three of their intervals (and an hour)."""
    now, overdue = app.ports.clock.now(), []
    for stage in app.stages:
        progress = app.runs.progress(connection.id, stage.name)
        interval = timedelta(minutes=connection.schedules.of(stage.name).every_minutes)
        allowed = max(interval * OVERDUE_INTERVALS, SHORTEST_OVERDUE)
        late = progress.completed_at is not None and now - progress.completed_at > allowed
        if late and not reason_to_rest(connection, stage.name, now):
            why = f" Last error: {progress.last_error}" if progress.last_error else ""
            overdue.append(f"{stage.name} of {connection.id} went through last at {progress.completed_at:%Y-%m-%d %H:%M} UTC.{why}")
    return overdue

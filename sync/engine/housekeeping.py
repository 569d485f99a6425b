"""What the housekeeping timer does: seal audit steps, remove old ones, report runs whose worker died, and stages that are overdue."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final, TypeAlias

from sync.connections.document import Connection
from sync.engine.cases import NO_CONNECTION, case_places, places
from sync.engine.deployment import Deployment
from sync.engine.schedule import reason_to_rest
from sync.errors import Bug, StorageConflict, SyncError
from sync.ledger.model import Place
from sync.logs import bound

DAY_ENDS: Final = timedelta(days=1, hours=1)
"""A day is sealed once it is surely over for every worker: an hour after its end (`sync/ledger/seals.py`)."""
REMOVING_TIME: Final = timedelta(minutes=3)
"""How long one call removes old steps; the next one goes on. The host ends a function after ten minutes."""
OVERDUE_INTERVALS: Final = 3
SHORTEST_OVERDUE: Final = timedelta(hours=1)

Trail: TypeAlias = tuple[str, Sequence[Place]]
"""A connection's id and its places: their audit trail is sealed and shortened as one."""


def keep_house(app: Deployment) -> dict[str, list[str]]:
    """Do all of it for every connection. Returns what was found, by its kind, in sentences for the log."""
    found: dict[str, list[str]] = {"dead": [], "overdue": []}
    trails: list[Trail] = [(NO_CONNECTION, case_places(NO_CONNECTION))]
    for stored in app.connections.list():
        if stored.connection is not None:
            trails.append((stored.id, places(stored.connection)))
            found["dead"] += dead_runs(app, stored.connection)
            found["overdue"] += overdue_stages(app, stored.connection)
    found["unsealed"] = _for_each(trails, lambda trail: seal(app, trail))
    found["kept"] = remove_old(app, trails)
    for kind, sentences in found.items():
        for sentence in sentences:
            bound(__name__).warning("%s: %s", kind, sentence)
    return found


def seal(app: Deployment, trail: Trail) -> list[str]:
    """Seal every day that is over. The log of the app names each seal, so that it can be compared with what the storage holds later."""
    connection, where = trail
    for line in app.seals.seal(connection, where, (app.ports.clock.now() - DAY_ENDS).date()):
        bound(__name__, connection=connection).info("Sealed %s: seal %d, code %s", line.day, line.number, line.mac)
    return []


def remove_old(app: Deployment, trails: Sequence[Trail]) -> list[str]:
    """Remove audit steps that are older than the setting says, for a few minutes. Each hour begins with another connection."""
    if not app.settings.audit_retention_days:
        return []
    now = app.ports.clock.now()
    before, until = (now - timedelta(days=app.settings.audit_retention_days)).date(), now + REMOVING_TIME
    first = int(now.timestamp()) // 3_600 % len(trails)

    def remove(trail: Trail) -> list[str]:
        removal = app.retention.remove(*trail, before, until)
        if removal.steps:
            bound(__name__, connection=trail[0]).info("Removed %d audit steps from before %s", removal.steps, before)
        return removal.left

    return _for_each([*trails[first:], *trails[:first]], remove)


def _for_each(trails: Sequence[Trail], work: Callable[[Trail], list[str]]) -> list[str]:
    """The sentences of all. It ends at a failure of vault or storage, which would be everybody's: the next time tries again."""
    sentences: list[str] = []
    for trail in trails:
        try:
            sentences += work(trail)
        except StorageConflict:
            continue  # another housekeeper is at it
        except Bug as error:
            sentences.append(error.sentence)
        except SyncError as error:
            return [*sentences, f"It stopped at {trail[0]}: {error.sentence}"]
    return sentences


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

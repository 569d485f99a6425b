"""What the messages of `record-retries`, `replays` and the poison queues do (design §2, Retries and replays).

None of it writes to a target: records are marked due, then a stage run is asked for.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from sync.causes import Cause
from sync.connections.document import Connection
from sync.engine.cases import NO_CONNECTION, POISON, open_case, places
from sync.engine.deployment import Deployment
from sync.engine.extras import due_now
from sync.engine.schedule import new_run
from sync.errors import StorageConflict
from sync.ledger.model import AT_REST, Place, Record, State, Step
from sync.logs import bound
from sync.messages import RecordRetry, Replay, Selection, connection_of, encode
from sync.storage.names import REPLAYS, STAGE_RUNS

REPLAY_TIME: Final = timedelta(minutes=3)
"""A replay of many records goes on in a new message after this time."""


def retry_record(app: Deployment, message: RecordRetry) -> str:
    """Ask for a run of the stage of a record whose due time has come. Returns what was done, in a few words."""
    log = bound(__name__, connection=message.connection, stage=message.stage, job=message.job)
    outcome = _retry_record(app, message)
    log.info("Retry of %s: %s", message.key, outcome)
    return outcome


def _retry_record(app: Deployment, message: RecordRetry) -> str:
    record = app.ledger.get(Place(message.connection, message.stage, message.company), message.key)
    if record is None or record.job != message.job:
        return "nothing to do: the record is not there in this version"
    if record.state in AT_REST:
        return f"nothing to do: the record is {record.state}"
    if record.due is None or record.due > app.ports.clock.now():
        return "nothing to do: the record has another due time by now, and a message of its own"
    _ask_for_run(app, message.connection, message.stage)
    return "due"


def replay(app: Deployment, message: Replay) -> str:
    """Make all selected records due now, and ask for a run of each stage that has some. Returns what was done, in a few words."""
    connection = app.connections.get(message.connection)
    if connection is None:
        return f"nothing to do: there is no connection {message.connection}"
    step = Step("replay", f"{message.requested_by} asked to try again: {message.reason}", {"job": message.job})
    until = app.ports.clock.now() + REPLAY_TIME
    stages: dict[str, int] = {}
    rest: Replay | None = None
    for number, record in selected(app, connection, message):
        if app.ports.clock.now() >= until:
            rest = message.model_copy(update={"place": number, "after": record.key})
        if _make_due(app, record, step, run=message.job, now=app.ports.clock.now()):
            stages[record.place.stage] = stages.get(record.place.stage, 0) + 1
        if rest is not None:
            app.ports.queues.put(REPLAYS, encode(rest))
            break
    for stage in stages:
        _ask_for_run(app, connection.id, stage)
    outcome = ", ".join(f"{count} of {stage}" for stage, count in stages.items()) or "no record is selected"
    bound(__name__, connection=connection.id, job=message.job).info("Replay for %s: %s", message.requested_by, outcome)
    return outcome


def selected(app: Deployment, connection: Connection, message: Replay) -> Iterator[tuple[int, Record]]:
    """The selected records that are not at rest, from where the message says, each with the number of its place."""
    stages = {stage.name for stage in app.stages}
    for number, place in enumerate(places(connection)):
        if number < message.place or place.stage not in stages or not _place_fits(place, message.selection):
            continue
        for record in _records(app, place, message.selection):
            passed = number == message.place and record.key <= message.after
            if not passed and record.state not in AT_REST and _fits(record, message.selection):
                yield number, record


def _records(app: Deployment, place: Place, selection: Selection) -> Iterator[Record]:
    if selection.key is None:
        yield from app.ledger.records(place)
        return
    record = app.ledger.get(place, selection.key)
    if record is not None:
        yield record


def _place_fits(place: Place, selection: Selection) -> bool:
    company_fits = selection.company is None or selection.company.lower() == place.company.lower()
    return company_fits and selection.stage in (None, place.stage)


def _fits(record: Record, selection: Selection) -> bool:
    return (
        selection.state in (None, record.state)
        and (selection.cause is None or any(cause.code == selection.cause for cause in record.causes))
        and (selection.since is None or (record.updated_at is not None and record.updated_at >= selection.since))
    )


def _make_due(app: Deployment, record: Record, step: Step, *, run: str, now: datetime) -> bool:
    """Whether the record is due by this. One that a worker is about to write is due already, and is left to that worker."""
    if record.state is State.CLAIMED:
        return False
    progress = due_now(record.progress) if record.state is State.WRITTEN else record.progress
    try:
        app.ledger.move(record, step, run=run, due=now, attempts=0, progress=progress)
    except StorageConflict:
        return False  # a worker has it in hand in this moment
    return True


def _ask_for_run(app: Deployment, connection: str, stage: str) -> None:
    app.ports.queues.put(STAGE_RUNS, encode(new_run(app, connection, stage, forced=True)))


def keep_poison(app: Deployment, queue: str, body: str) -> None:
    """Put a message that failed again and again into the failures list, with its body as it is. Repeating it changes nothing."""
    named = connection_of(body)
    known = bool(named) and app.connections.read(named) is not None
    connection = named if known else NO_CONNECTION
    sentence = f"A message of {queue} failed again and again. Read its body and the log, mend the cause, then replay or run the stage."
    cause = Cause("poison", f"queue {queue}", sentence)
    bound(__name__, connection=connection).error("A message of %s is poison; it is kept in the failures.", queue)
    open_case(
        app.ledger,
        Place(connection, POISON),
        f"{queue}\n{body}",
        cause,
        label=f"message of {queue}",
        text=body,
        run=POISON,
        now=app.ports.clock.now(),
    )

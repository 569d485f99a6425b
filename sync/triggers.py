"""What timers, queue messages and HTTP requests do: plain functions, so that `function_app.py` holds decorators only."""

import json
import os
from threading import Lock

from sync.app import App, open_app
from sync.engine import housekeeping, retries, runner, schedule
from sync.errors import SyncError
from sync.ledger.runs import Progress
from sync.logs import bound
from sync.messages import RecordRetry, Replay, StageRun, decode
from sync.values import utc_text


class _Process:
    """The app of this process: opened by the first trigger that needs it, so that indexing needs no settings and no network."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._app: App | None = None

    def app(self) -> App:
        """The one app. FixConfiguration when a setting is missing; the next call tries again."""
        with self._lock:
            if self._app is None:
                self._app = open_app(os.environ)
            return self._app


the_app = _Process().app


def tick(stage: str, *, past_due: bool) -> None:
    """A stage's timer: put a run on the queue for every connection that is due."""
    due = schedule.tick(the_app(), stage)
    bound(__name__, stage=stage).info("Tick%s: %d due", " (late)" if past_due else "", len(due))


def keep_house(*, past_due: bool) -> None:
    """The housekeeping timer."""
    found = housekeeping.keep_house(the_app())
    counts = ", ".join(f"{len(sentences)} {kind}" for kind, sentences in found.items())
    bound(__name__).info("Housekeeping%s: %s", " (late)" if past_due else "", counts)


def run_stage(body: str) -> None:
    """A message of `stage-runs`. FixData when it is not valid."""
    runner.run_stage(the_app(), decode(StageRun, body))


def retry_record(body: str) -> None:
    """A message of `record-retries`. FixData when it is not valid."""
    retries.retry_record(the_app(), decode(RecordRetry, body))


def replay(body: str) -> None:
    """A message of `replays`. FixData when it is not valid."""
    retries.replay(the_app(), decode(Replay, body))


def keep_poison(queue: str, body: bytes) -> None:
    """A message of a poison queue, whatever it holds. `queue` is the queue in which it failed."""
    retries.keep_poison(the_app(), queue, body.decode(errors="backslashreplace"))


def status() -> tuple[int, str]:
    """HTTP status and JSON text: the progress of every stage of every connection. 503 with the sentence when it cannot be told."""
    try:
        app = the_app()
        connections = [{"id": stored.id, "error": stored.error, "stages": _stages(app, stored.id)} for stored in app.connections.list()]
    except SyncError as error:
        return 503, json.dumps({"error": error.sentence})
    return 200, json.dumps({"connections": connections})


def _stages(app: App, connection: str) -> list[dict[str, object]]:
    return [_shown(progress) for progress in app.runs.every_progress(connection)]


def _shown(progress: Progress) -> dict[str, object]:
    times = {"completed": progress.completed_at, "started": progress.last_started, "finished": progress.last_finished}
    return {
        "stage": progress.stage,
        "company": progress.company,
        **{name: moment and utc_text(moment) for name, moment in times.items()},
        "error": progress.last_error,
        "counts": dict(progress.counts),
    }


def health() -> str:
    """The process answers; nothing else is told to who has no key."""
    return "ok"

"""What timers, queue messages and HTTP requests do: plain functions, so that `function_app.py` holds decorators only."""

import json
import os
from collections.abc import Callable
from threading import Lock

from sync.app import App, open_app
from sync.engine import housekeeping, retries, runner, schedule
from sync.engine.clocks import check_clock
from sync.errors import SyncError
from sync.logs import bound
from sync.messages import RecordRetry, Replay, StageRun, decode
from sync.verbs import status as verbs
from sync.verbs.plain import as_plain


class Process:
    """The app of this process: opened by the first trigger that needs it, so that indexing needs no settings and no network.

    `opened` is who gives it; a host that plays several processes in one gives each its own.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._app: App | None = None
        self.opened: Callable[[], App] = self._from_the_app_settings

    def app(self) -> App:
        """The app of whoever asks."""
        return self.opened()

    def _from_the_app_settings(self) -> App:
        """The one app. FixConfiguration when a setting is missing; the next call tries again."""
        with self._lock:
            if self._app is None:
                self._app = open_app(os.environ)
            return self._app

    def ready(self) -> App:
        """The app of whoever asks, for work. FixConfiguration when the clock of the machine is wrong: then it must not work."""
        app = self.app()
        check_clock(app.ports)
        return app


process = Process()


def tick(stage: str, *, past_due: bool) -> None:
    """A stage's timer: put a run on the queue for every connection that is due."""
    due = schedule.tick(process.ready(), stage)
    bound(__name__, stage=stage).info("Tick%s: %d due", " (late)" if past_due else "", len(due))


def keep_house(*, past_due: bool) -> None:
    """The housekeeping timer."""
    found = housekeeping.keep_house(process.ready())
    counts = ", ".join(f"{len(sentences)} {kind}" for kind, sentences in found.items())
    bound(__name__).info("Housekeeping%s: %s", " (late)" if past_due else "", counts)


def run_stage(body: str) -> None:
    """A message of `stage-runs`. FixData when it is not valid."""
    runner.run_stage(process.ready(), decode(StageRun, body))


def retry_record(body: str) -> None:
    """A message of `record-retries`. FixData when it is not valid."""
    retries.retry_record(process.ready(), decode(RecordRetry, body))


def replay(body: str) -> None:
    """A message of `replays`. FixData when it is not valid."""
    retries.replay(process.ready(), decode(Replay, body))


def keep_poison(queue: str, body: bytes) -> None:
    """A message of a poison queue, whatever it holds. `queue` is the queue in which it failed."""
    retries.keep_poison(process.ready(), queue, body.decode(errors="backslashreplace"))


def status(opened: Callable[[], App] = process.app) -> tuple[int, str]:
    """HTTP status and JSON text, as `python -m sync status --json` shows it. 503 with the sentence when it cannot be told."""
    try:
        found = verbs.status(opened())
    except SyncError as error:
        return 503, json.dumps({"error": error.sentence})
    return 200, json.dumps(as_plain(found))


def health() -> str:
    """The process answers; nothing else is told to who has no key."""
    return "ok"

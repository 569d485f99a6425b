"""The runner of slices: takes one message of `stage-runs`, holds the lease, lets the stage work, and says how it goes on (design §2)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sync.causes import Cause
from sync.connections.document import Connection
from sync.connections.store import Stored
from sync.engine.cases import DOCUMENT, RUNS, close_case, open_broken_connection, open_case
from sync.engine.clocks import check_clock
from sync.engine.deployment import Deployment
from sync.engine.model import End, Report, Slice, Stage
from sync.engine.schedule import new_run, put_and_wait, reason_to_wait
from sync.errors import FixConfiguration, SignInAgain, StorageConflict, SyncError, Throttled, TryLater
from sync.ledger.leases import Lease, LeaseLost
from sync.ledger.model import NO_COMPANY, Place
from sync.ledger.runs import Progress, Run
from sync.logs import BoundLogger, bound
from sync.messages import StageRun, encode
from sync.storage.names import STAGE_RUNS

LONGEST_DELAY: Final = timedelta(days=7)
"""What a queue takes (design §2, Every message). What is later is left to the schedule."""
FIRST_BACK_OFF: Final = 30.0
LONGEST_BACK_OFF: Final = 900.0
"""Seconds until a busy system is tried again when it did not say when; they double with each try."""
MARGIN: Final = 0.1
"""The part of a slice's time that is kept for its end."""
WAITING: Final = "Waiting for"
SAVE_ATTEMPTS: Final = 3


def run_stage(app: Deployment, message: StageRun) -> str:
    """One slice; returns how it ended in a few words, for the log.

    Raises what neither the schedule nor a person's mending takes care of: then the queue's own retry and poison do. Nothing is lost by a
    message that is dropped: the next tick starts from the checkpoint.
    """
    log = bound(__name__, connection=message.connection, stage=message.stage, run=message.run, job=message.job)
    outcome = _run_stage(app, message, log)
    log.info("Slice %d: %s", message.slice, outcome)
    return outcome


def _run_stage(app: Deployment, message: StageRun, log: BoundLogger) -> str:
    # The lease comes first: it was kept for this message, and a dropped message must free it. Who is forced waits for no other message.
    lease = app.leases.take(message.connection, message.stage, message.token, app.settings.lease_seconds, from_waiting=message.forced)
    if lease is None:
        return "dropped: another runner holds the lease"
    stored = app.connections.read(message.connection)
    if stored is None or stored.connection is None:
        reason = _without_connection(app, stored)
    else:
        reason = _reason_to_drop(app, stored.connection, message) or _wait(app, stored.connection, message)
        if not reason:
            return _Running(app, stored.connection, message, lease, log).work()
    app.leases.release(lease)
    return f"dropped: {reason}"


def _without_connection(app: Deployment, stored: Stored | None) -> str:
    if stored is None:
        return "the connection was removed"
    open_broken_connection(app.ledger, stored.id, stored.error, now=app.ports.clock.now())
    return "the connection document is not valid"


def _reason_to_drop(app: Deployment, connection: Connection, message: StageRun) -> str:
    """Why this message does nothing; "" when it starts or goes on with a run."""
    if connection.paused or connection.schedules.of(message.stage).paused:
        return "paused"
    latest = next(iter(app.runs.latest(connection.id, message.stage, 1)), None)
    if latest is not None and latest.id == message.run:
        return "the run is done" if latest.finished_at is not None and not latest.error else ""
    if message.slice > 1:
        return "a newer run took over"
    if message.forced:
        return ""
    return reason_to_wait(connection, message.stage, app.runs.progress(connection.id, message.stage), app.ports.clock.now())


def missing_before(app: Deployment, connection: Connection, stage: Stage) -> tuple[str, ...]:
    """The stages that must complete once for every company before `stage` works, and have not."""
    if not stage.after:
        return ()
    companies = {company.id for company in connection.companies}
    completed = {(row.stage, row.company) for row in app.runs.every_progress(connection.id) if row.completed_at is not None}
    return tuple(name for name in stage.after if any((name, company) not in completed for company in companies))


def _wait(app: Deployment, connection: Connection, message: StageRun) -> str:
    """Which stages this one waits for, "" for none. It stays due: nothing counts as started."""
    missing = missing_before(app, connection, app.stage(message.stage))
    if not missing:
        return ""
    sentence = f"{WAITING} {', '.join(missing)} to complete once."
    save_progress(app, message, lambda progress: replace(progress, last_error=sentence))
    return sentence


def save_progress(app: Deployment, message: StageRun, change: Callable[[Progress], Progress]) -> None:
    """Change the progress of the stage as a whole; read anew when another worker changed it in between, TryLater after some attempts."""
    for _ in range(SAVE_ATTEMPTS):
        progress = app.runs.progress(message.connection, message.stage, NO_COMPANY)
        changed = change(progress)
        if changed == progress:
            return
        try:
            app.runs.save(changed)
        except StorageConflict:
            continue
        return
    raise TryLater(f"The progress of {message.stage} is being changed by many at once.")


class _Running:
    """One slice under a lease, from its start to what follows it."""

    def __init__(self, app: Deployment, connection: Connection, message: StageRun, lease: Lease, log: BoundLogger) -> None:
        self._app = app
        self._connection = connection
        self._message = message
        self._lease = lease
        self._renewed_at = app.ports.clock.now()
        self._log = log
        self._report = Report(dict(message.counts))

    def work(self) -> str:
        """Let the stage work and settle what follows."""
        run = self._begin()
        try:
            end = self._app.stage(self._message.stage).work(self._slice())
            return self._more() if end is End.MORE else self._done(run)
        except LeaseLost as error:
            return f"ended: {error.sentence}"
        except StorageConflict as error:
            self._record(run, error.sentence)
            self._app.leases.release(self._lease)
            return f"ended: {error.sentence}"
        except TryLater as error:
            return self._later(run, error)
        except (FixConfiguration, SignInAgain) as error:
            return self._failed(run, error)
        except Exception as error:
            self._log.exception("The stage met an error that it does not know.")
            self._record(run, error.sentence if isinstance(error, SyncError) else f"{type(error).__name__}: {error}")
            self._app.leases.release(self._lease)
            raise

    def _begin(self) -> Run:
        runs, message = self._app.runs, self._message
        latest = next(iter(runs.latest(message.connection, message.stage, 1)), None)
        run = latest if latest is not None and latest.id == message.run else runs.start(message.connection, message.stage, message.run)
        now = self._app.ports.clock.now()
        save_progress(self._app, message, lambda progress: replace(progress, last_started=now))
        return run

    def _slice(self) -> Slice:
        app = self._app
        time = timedelta(seconds=app.settings.slice_seconds * (1 - MARGIN))
        return Slice(
            connection=self._connection,
            stage=self._message.stage,
            run=self._message.run,
            ports=app.ports,
            ledger=app.ledger,
            progress=app.runs,
            systems=app.systems(self._connection),
            deadline=app.ports.clock.now() + time,
            beat=self._beat,
            report=self._report,
        )

    def _beat(self) -> None:
        """Renew the lease when a third of its time has gone. LeaseLost when another runner has it."""
        now = self._app.ports.clock.now()
        if now - self._renewed_at >= timedelta(seconds=self._lease.seconds / 3):
            self._renew(now)

    def _renew(self, now: datetime) -> None:
        check_clock(self._app.ports)
        self._lease = self._app.leases.renew(self._lease)
        self._renewed_at = now

    def _more(self) -> str:
        """What the stage reached is durable: put the continuation on the queue and keep the lease for it."""
        self._renew(self._app.ports.clock.now())
        put_and_wait(self._app, self._lease, self._next(tries=0))
        return "goes on"

    def _done(self, run: Run) -> str:
        self._record(run, "", completed=True)
        for name in (self._message.stage, DOCUMENT):
            close_case(self._app.ledger, self._place, name, run=self._message.run)
        self._app.leases.release(self._lease)
        self._start_who_waited()
        return "done: " + (", ".join(f"{count} {name}" for name, count in sorted(self._report.counts.items())) or "nothing to do")

    def _later(self, run: Run, error: TryLater) -> str:
        """A system is busy: go on at the time it said, or after a growing pause."""
        self._log.warning("Busy: %s (%s)", error.sentence, error.detail or "no detail")
        self._record(run, error.sentence)
        delay = self._delay(error)
        if delay > LONGEST_DELAY.total_seconds():
            self._app.leases.release(self._lease)
            return f"left to the schedule: {error.sentence}"
        put_and_wait(self._app, self._lease, self._next(tries=self._message.tries + 1), delay=delay)
        return f"goes on in {delay:.0f} s: {error.sentence}"

    def _delay(self, error: TryLater) -> float:
        if isinstance(error, Throttled):
            return max(0.0, (error.not_before - self._app.ports.clock.now()).total_seconds())
        if error.delay is not None:
            return max(0.0, error.delay)
        return min(LONGEST_BACK_OFF, FIRST_BACK_OFF * 2.0 ** min(self._message.tries, 10))

    def _failed(self, run: Run, error: FixConfiguration | SignInAgain) -> str:
        """A person has to mend something: say so in the failures; the schedule tries again."""
        stage, field = self._message.stage, error.field if isinstance(error, FixConfiguration) else ""
        self._log.error("The stage cannot run: %s (%s)", error.sentence, error.detail or "no detail")
        self._record(run, error.sentence)
        self._app.leases.release(self._lease)
        cause = Cause("stage-failed", f"stage {stage} of {self._connection.id}", error.sentence, field)
        now = self._app.ports.clock.now()
        try:
            open_case(self._app.ledger, self._place, stage, cause, label=cause.subject, text=error.sentence, run=self._message.run, now=now)
        except SyncError as trouble:  # without the audit key nothing goes into the ledger; status shows the progress all the same
            self._log.error("The case could not be put into the failures: %s", trouble.sentence)
        return f"failed: {error.sentence}"

    @property
    def _place(self) -> Place:
        return Place(self._connection.id, RUNS)

    def _record(self, run: Run, error: str, *, completed: bool = False) -> None:
        now, counts = self._app.ports.clock.now(), dict(self._report.counts)

        def ended(progress: Progress) -> Progress:
            done = replace(progress, last_finished=now, last_error=error, counts=counts)
            return replace(done, completed_at=now) if completed else done

        save_progress(self._app, self._message, ended)
        self._app.runs.finish(run, counts, error)

    def _next(self, *, tries: int) -> StageRun:
        return self._message.model_copy(update={"slice": self._message.slice + 1, "tries": tries, "counts": dict(self._report.counts)})

    def _start_who_waited(self) -> None:
        """Start at once the stages whose wait ended with this run, so that a new connection does not wait for a tick."""
        for stage in self._app.stages:
            if self._message.stage not in stage.after or missing_before(self._app, self._connection, stage):
                continue
            progress = self._app.runs.progress(self._connection.id, stage.name)
            if progress.last_started is None or progress.last_error.startswith(WAITING):
                # Put in any case: a message that holds the lease may be about to be dropped, because it looked a moment earlier.
                message = new_run(self._app, self._connection.id, stage.name)
                self._app.ports.queues.put(STAGE_RUNS, encode(message))

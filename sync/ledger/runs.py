"""What each stage has reached and how its runs ended: checkpoints with ETags, and a history, newest first."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from sync.ledger.model import NO_COMPANY
from sync.ledger.rows import short
from sync.ports import Ports
from sync.storage.columns import moment_in, text_in
from sync.storage.model import Insert, Replace, Row, Upsert, Value
from sync.storage.names import RUNS
from sync.values import canonical

MICROSECOND: Final = timedelta(microseconds=1)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
END_OF_TIME: Final = 10**16
"""In microseconds since 1970: the year 2286. Subtracted from it, later moments sort first."""


@dataclass(frozen=True)
class Progress:
    """What one stage of one company has reached. Times are UTC; `checkpoint` is the engine's own JSON text (at most 30,000 characters)."""

    connection: str
    stage: str
    company: str = NO_COMPANY
    checkpoint: str = ""
    completed_at: datetime | None = None
    """End of the last run that went through to its end."""
    last_started: datetime | None = None
    last_finished: datetime | None = None
    last_error: str = ""
    """One sentence; empty when the last run went well."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Of the last run: read, sent, unchanged, parked, written and so on."""
    etag: str = ""


@dataclass(frozen=True)
class Run:
    """One run of one stage, in the history. `finished_at` None: it is running, or its worker died."""

    connection: str
    stage: str
    id: str
    started_at: datetime
    finished_at: datetime | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    error: str = ""


class RunStore:
    """Rows of the table `runs`, a partition per connection. Raises TryLater when storage is busy."""

    def __init__(self, ports: Ports) -> None:
        self._tables = ports.tables
        self._clock = ports.clock

    def progress(self, connection: str, stage: str, company: str = NO_COMPANY) -> Progress:
        """What is stored, or an empty one (without an etag) when the stage never ran."""
        row = self._tables.get(RUNS, connection, _progress_key(stage, company))
        return Progress(connection, stage, company.lower()) if row is None else _progress_of(row)

    def every_progress(self, connection: str) -> Iterator[Progress]:
        """All of a connection, by stage and company."""
        return (_progress_of(row) for row in self._tables.scan(RUNS, connection, "progress|", "progress}"))

    def save(self, progress: Progress) -> Progress:
        """Store over the version that was read. StorageConflict when another worker saved since; counts are whole numbers."""
        values: dict[str, Value] = {
            "Stage": progress.stage,
            "Company": progress.company.lower(),
            "Checkpoint": progress.checkpoint,
            "LastError": short(progress.last_error),
            "Counts": canonical(dict(progress.counts)),
        }
        times = {"CompletedAt": progress.completed_at, "LastStarted": progress.last_started, "LastFinished": progress.last_finished}
        values |= {name: moment for name, moment in times.items() if moment is not None}
        row = Row(progress.connection, _progress_key(progress.stage, progress.company), values, progress.etag)
        etags = self._tables.commit(RUNS, progress.connection, [Replace(row) if row.etag else Insert(row)])
        return replace(progress, company=progress.company.lower(), etag=etags[row.key])

    def start(self, connection: str, stage: str, run_id: str) -> Run:
        """A new run in the history, begun now."""
        run = Run(connection, stage, run_id, self._clock.now())
        self._write(run)
        return run

    def finish(self, run: Run, counts: Mapping[str, int], error: str = "") -> Run:
        """The run ended now, with what it did and the sentence of what went wrong."""
        ended = replace(run, finished_at=self._clock.now(), counts=dict(counts), error=error)
        self._write(ended)
        return ended

    def latest(self, connection: str, stage: str, count: int) -> list[Run]:
        """The last runs of the stage, newest first."""
        found = self._tables.scan(RUNS, connection, f"run|{stage}|", f"run|{stage}}}", limit=count)
        return [_run_of(row) for row in found]

    def _write(self, run: Run) -> None:
        self._tables.commit(RUNS, run.connection, [Upsert(_run_row(run))])


def _progress_key(stage: str, company: str) -> str:
    return f"progress|{stage}|{company.lower()}"


def _progress_of(row: Row) -> Progress:
    values = row.values
    return Progress(
        connection=row.partition,
        stage=text_in(values, "Stage"),
        company=text_in(values, "Company"),
        checkpoint=text_in(values, "Checkpoint"),
        completed_at=moment_in(values, "CompletedAt"),
        last_started=moment_in(values, "LastStarted"),
        last_finished=moment_in(values, "LastFinished"),
        last_error=text_in(values, "LastError"),
        counts=_counts(text_in(values, "Counts")),
        etag=row.etag,
    )


def _run_row(run: Run) -> Row:
    inverted = END_OF_TIME - (run.started_at - EPOCH) // MICROSECOND
    values: dict[str, Value] = {
        "Stage": run.stage,
        "Id": run.id,
        "StartedAt": run.started_at,
        "Counts": canonical(dict(run.counts)),
        "Error": short(run.error),
    }
    if run.finished_at is not None:
        values["FinishedAt"] = run.finished_at
    return Row(run.connection, f"run|{run.stage}|{inverted:016d}|{run.id}", values)


def _run_of(row: Row) -> Run:
    values = row.values
    started = moment_in(values, "StartedAt")
    assert started is not None
    return Run(
        connection=row.partition,
        stage=text_in(values, "Stage"),
        id=text_in(values, "Id"),
        started_at=started,
        finished_at=moment_in(values, "FinishedAt"),
        counts=_counts(text_in(values, "Counts")),
        error=text_in(values, "Error"),
    )


def _counts(text: str) -> dict[str, int]:
    return {str(name): int(number) for name, number in json.loads(text or "{}").items()}

"""What the runner, the two engines and the stages say to each other.

The runner takes one message of `stage-runs`, holds the lease of (connection, stage) and calls `Stage.work(slice)`. The stage works until
it is done or out of time; everything it needs to go on is durable before it returns.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from sync.avid.client import AvidClient
from sync.connections.document import Company, Connection
from sync.d365.client import D365Client
from sync.d365.reference import CompanyReference
from sync.http.client import HttpClient
from sync.ledger.model import Record
from sync.ledger.runs import RunStore
from sync.ledger.store import Ledger
from sync.messages import RecordRetry, encode
from sync.ports import Ports
from sync.storage.names import RECORD_RETRIES

LONGEST_DELAY_SECONDS: Final = 7 * 24 * 3600.0
LATE_SECONDS: Final = 1.0
"""A message that comes before its record is due is dropped, so it is sent a little late: clocks differ and delays are rounded."""


class End(StrEnum):
    """How a slice ended."""

    DONE = "done"
    """The stage is complete for now."""
    MORE = "more"
    """Out of time: a continuation goes on from the checkpoint."""


class Systems(Protocol):
    """The two systems of one connection, opened for one slice."""

    d365: D365Client
    avid: AvidClient
    without_credentials: Callable[[str], HttpClient]
    """A client for another host, to which no credentials go; the host's gate and share of requests hold for it too."""

    def reference(self, company: Company) -> CompanyReference:
        """What D365 knows of the company, read once in a slice."""
        ...


@dataclass
class Report:
    """What a slice did, for status and the demo's tables. Counts are plain whole numbers by name."""

    counts: dict[str, int] = field(default_factory=dict)
    shown: list[str] = field(default_factory=list)
    """In a dry run: the exact bodies and differences, in sentences and JSON."""

    def count(self, name: str, by: int = 1) -> None:
        """Add to a count: read, sent, unchanged, parked, written, adopted, posted, deactivated, drift, acknowledged …"""
        self.counts[name] = self.counts.get(name, 0) + by


@dataclass(frozen=True)
class Slice:
    """One slice of one stage of one connection."""

    connection: Connection
    stage: str
    run: str
    """The run's id, in every audit row and log line. A run can have several slices."""
    ports: Ports
    ledger: Ledger
    progress: RunStore
    systems: Systems
    deadline: datetime
    beat: Callable[[], None]
    """Renews the lease when that is due; raises when it was lost. Call it between steps that take seconds."""
    report: Report
    dry_run: bool = False

    def retry_later(self, record: Record, due: datetime) -> None:
        """Wake the stage when the record is due. Beyond what a queue can delay, the ledger's due time and the schedule do it alone."""
        delay = max(0.0, (due - self.ports.clock.now()).total_seconds()) + LATE_SECONDS
        if delay <= LONGEST_DELAY_SECONDS:
            message = RecordRetry(
                connection=self.connection.id, stage=record.place.stage, company=record.place.company, key=record.key, job=record.job
            )
            self.ports.queues.put(RECORD_RETRIES, encode(message), delay=delay)

    @property
    def out_of_time(self) -> bool:
        """Whether to checkpoint and end now."""
        return self.ports.clock.now() >= self.deadline


class Stage(Protocol):
    """One of the flows. Adding one touches no engine (design §1)."""

    name: str
    after: tuple[str, ...]
    """Stages that must have completed once for a company before this one works on it."""

    def work(self, slice_: Slice) -> End:
        """Work until done or out of time. Errors of one record never leave this call; errors of the whole stage do."""
        ...

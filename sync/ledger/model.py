"""What the ledger knows about one source record, and the names of its rows.

One partition per place (connection, stage, company). In it, by prefix of the row key:

    r:<key>                     the record
    n:<alias>                   a second natural key, claimed by the record it names
    w:<due>:<key>               open work: exactly one per record that is not at rest, sorted by when it is due
    f:<rank><code>:<subject>:<key>  one open cause of a parked record, so that failures group by prefix
    a:<key>:<seq>               the record's audit rows, chained
    d:<yyyymmdd>:<key>:<seq>    the index of audit rows by day
    b:<batch>, m:<batch>:<key>  a batch and its members
    j:…                         a payment journal

A change of state, its audit row and its index rows are one transaction, so they never disagree (design §2, Tables).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sync.causes import Cause

NO_COMPANY = "-"
"""The company part of a place whose records are not filed by company (payments: design §1)."""


class State(StrEnum):
    """Where a record stands. A state says what may be done next, see `AT_REST` and `BLOCKS_BATCH`."""

    FOUND = "found"
    """Noted with its payload; nothing decided yet."""
    PARKED = "parked"
    """Cannot be written; has causes; tried again when due."""
    RETRYING = "retrying"
    """The other side was busy; surely nothing was written by the last attempt, or a look is due first."""
    CLAIMED = "claimed"
    """A worker is about to write it, or has sent it (`sent_at`)."""
    UNKNOWN = "unknown"
    """A write was sent and its outcome is not known: only a look decides."""
    WRITTEN = "written"
    """In the target, read back; not posted there yet. For a mirror: taken over by the target."""
    POSTED = "posted"
    """Posted by D365."""
    ADOPTED = "adopted"
    """Was in the target already, not written by us, and agrees. Never touched."""
    WITHDRAWN = "withdrawn"
    """Vanished from the source before it was written."""
    OUT_OF_SCOPE = "out_of_scope"
    """Final in the source in a way that is never written (a voided payment), or before start_from."""
    RESOLVED = "resolved"
    """A person closed it, with a reason."""


AT_REST = frozenset({State.POSTED, State.ADOPTED, State.WITHDRAWN, State.OUT_OF_SCOPE, State.RESOLVED})
BLOCKS_BATCH = frozenset({State.FOUND, State.RETRYING, State.CLAIMED, State.UNKNOWN})
"""States in which a batch cannot be acknowledged (contracts/avidxchange.md §3, Invoices 7)."""


@dataclass(frozen=True)
class Place:
    """A partition of the ledger. Compared without case by D365, so the company is kept lower case."""

    connection: str
    stage: str
    company: str = NO_COMPANY

    @property
    def partition(self) -> str:
        """The partition key."""
        return f"{self.connection}|{self.stage}|{self.company.lower()}"


@dataclass(frozen=True)
class Record:
    """One source record. Amounts in `facts` are text, times are aware UTC."""

    place: Place
    key: str
    """`sync.values.key_digest` of the natural key."""
    label: str
    """What a person reads: `invoice INV-1001 of US-101`."""
    source_id: str
    """The id in the source system, as text."""
    state: State
    version: str
    """Hash of the source document (deliver) or of the mapped target (mirror)."""
    job: str
    payload: str
    """Pointer to the source document's text; read it with `Ledger.text`."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Small facts for people and reconciliation: amount, currency, vendor, number, day, company, method."""
    batch: str = ""
    plan: str = ""
    """Pointer to the text of what will be written, durable with the claim."""
    progress: Mapping[str, str] = field(default_factory=dict)
    """References of what exists in the target: header reference, journal and line."""
    alias: str = ""
    """The second natural key's digest while this record holds it."""
    owner: str = ""
    sent_at: datetime | None = None
    looks: int = 0
    """Looks since `sent_at` that found nothing."""
    attempts: int = 0
    """Transient failures in a row, for the back-off."""
    due: datetime | None = None
    """When this record is to be worked on again; None when at rest."""
    causes: tuple[Cause, ...] = ()
    seq: int = 0
    """Number of the last audit row, from 1."""
    mac: str = ""
    """HMAC of the last audit row: the head of the record's chain."""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    etag: str = ""

    @property
    def in_doubt(self) -> bool:
        """Whether it may be in the target, in part or whole, without our knowing: what changes in the source has to wait."""
        return self.state in (State.CLAIMED, State.UNKNOWN) or (self.state in (State.FOUND, State.RETRYING) and bool(self.progress))


@dataclass(frozen=True)
class NewRecord:
    """What discovery knows of a source document. `text` is the whole document; facts as in `Record`."""

    key: str
    label: str
    source_id: str
    version: str
    text: str
    facts: Mapping[str, str]
    batch: str = ""
    state: State = State.FOUND
    due: datetime | None = None
    causes: tuple[Cause, ...] = ()


@dataclass(frozen=True)
class Step:
    """One audit row's content. `name` is one word of the record's life, `note` one sentence for a person, no secret in any."""

    name: str
    note: str
    detail: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AuditRow:
    """One step of one record's life, as stored."""

    place: Place
    key: str
    seq: int
    at: datetime
    run: str
    job: str
    state: State
    step: Step
    mac: str


@dataclass(frozen=True)
class Work:
    """One row of open work, cheap to scan."""

    key: str
    due: datetime
    state: State
    batch: str


@dataclass(frozen=True)
class Failure:
    """One open cause of one record."""

    place: Place
    key: str
    label: str
    cause: Cause
    since: datetime
    state: State
    job: str
    amount: str = ""
    """Of an invoice or a payment, as in `Record.facts`; "" for what has none."""
    currency: str = ""

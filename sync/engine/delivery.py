"""What a deliver stage declares: how its documents are found, checked, looked up, written in pieces, read back and watched.

The engine (`sync/engine/deliver.py`) owns the order of things and every change of state; a declaration only answers questions about one
document and sends one piece when it is told to.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sync.causes import Cause
from sync.ledger.model import NewRecord, Place, Record, State
from sync.storage.model import Change


@dataclass(frozen=True)
class Discovery:
    """Documents of one place that were read together.

    `noted` is called once all of them are durable, with their records and the keys of those whose change was put off: they are in doubt,
    and the change has to be found again when they are no more.
    """

    place: Place
    documents: Sequence[NewRecord]
    noted: Callable[[Sequence[Record], Collection[str]], None] | None = None


@dataclass(frozen=True)
class Ready:
    """The document can be written. `plan` is the text of what will be written; `alias` its second natural key ("" for none)."""

    plan: str
    alias: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    label: str = ""


@dataclass(frozen=True)
class Park:
    """The document cannot be written now, for all these causes."""

    causes: tuple[Cause, ...]


@dataclass(frozen=True)
class Leave:
    """The document is never written, and that is right: the sentence says why."""

    sentence: str


@dataclass(frozen=True)
class Newer:
    """The source holds another version by now: note it and examine that one."""

    document: NewRecord


Verdict = Ready | Park | Leave | Newer


@dataclass(frozen=True)
class Nothing:
    """The target does not hold the piece."""


@dataclass(frozen=True)
class Found:
    """The target holds the piece, written by us. `progress` is what to remember of it."""

    progress: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Foreign:
    """The target holds a document of this key that is not ours. No causes: it agrees with ours and is adopted."""

    reference: str
    causes: tuple[Cause, ...] = ()


Sight = Nothing | Found | Foreign


class Piece(Protocol):
    """One write: the header of an invoice, a changeset of its lines, a journal line, its settlements."""

    name: str

    def look(self, record: Record) -> Sight:
        """What the target holds of this piece."""
        ...

    def send(self, record: Record) -> Mapping[str, str]:
        """Write what is missing of this piece, once. Returns what to remember. Raises as `sync.errors` says."""
        ...


@dataclass(frozen=True)
class Reservation:
    """What must be durable in the same transaction as the claim: references fixed before sending, and rows beside the record."""

    progress: Mapping[str, str] = field(default_factory=dict)
    extra: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """What is left after the target refused a piece for good."""

    state: State
    causes: tuple[Cause, ...]
    progress: Mapping[str, str] = field(default_factory=dict)
    again: bool = False
    """Parked for a reason that the next examination sees (a changed format): it is tried again by itself, not only on request."""


@dataclass(frozen=True)
class Posted:
    """The target has posted the document; causes say in what it differs from what was written."""

    record: Record
    note: str
    causes: tuple[Cause, ...] = ()


@dataclass(frozen=True)
class Noticed:
    """A written document is not as it was left, or is again: `causes` are all its open causes now."""

    record: Record
    note: str
    causes: tuple[Cause, ...]


@dataclass(frozen=True)
class Extra:
    """A write beside a written document that never holds it up. Its trouble is shown as a cause `code`; what it `clears` goes when done."""

    piece: Piece
    code: str
    clears: frozenset[str]


class Delivery(Protocol):
    """One deliver stage, opened for one slice: what it caches lives as long as the slice."""

    def places(self) -> Sequence[Place]:
        """The partitions of this stage for the connection."""
        ...

    def discover(self) -> Iterator[Discovery]:
        """What the source holds since the watermark, with its overlap."""
        ...

    def discovered(self) -> None:
        """Every document of `discover` is durable: move the watermark, but not past a change that was put off."""
        ...

    def is_outdated(self, record: Record) -> bool:
        """Whether the source changed it while it was in doubt, so that what the ledger holds of it must not be written any more."""
        ...

    def group(self, record: Record) -> str:
        """Records of one group are written one after another; groups run side by side."""
        ...

    def prepare(self, records: Sequence[Record]) -> None:
        """These records come next: read together what their examinations would each read alone."""
        ...

    def examine(self, record: Record, text: str) -> Verdict:
        """All checks before the target, with all their causes. Reads only."""
        ...

    def reserve(self, record: Record, plan: str) -> Reservation:
        """What the claim fixes beside the record. May raise TryLater when something else must be written first."""
        ...

    def pieces(self, plan: str) -> Sequence[Piece]:
        """The writes of the document, in order."""
        ...

    def bodies(self, plan: str) -> Sequence[str]:
        """What would be sent, for a dry run: `VERB Set body`, word for word but for what only the target can give."""
        ...

    def refused(self, record: Record, piece: str, causes: tuple[Cause, ...]) -> Refusal:
        """Undo what the contract lets us undo, and say what is left."""
        ...

    def verify(self, record: Record, plan: str) -> tuple[Cause, ...]:
        """Read the document back, repair what the contract lets us repair, and name what still differs."""
        ...

    def extras(self, record: Record) -> Sequence[Extra]:
        """What is still to be written beside a written record."""
        ...

    def watch(self, records: Sequence[Record]) -> Iterator[Posted | Noticed]:
        """Those of the written records that the target has posted, and those with which something else has happened there."""
        ...

    def changed(self, record: Record, document: NewRecord) -> tuple[Cause, ...]:
        """A written document changed in its source: what a person must see, nothing when it does not matter."""
        ...

    def close(self) -> None:
        """Last of all: acknowledgements to the source."""
        ...

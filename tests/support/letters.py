"""A made-up deliver stage: letters are to lie in a box, each with its envelope first and its stamp second. All do as they are told."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import cast

from sandbox.simulator.seams import PlainAuditKeys, VirtualClock, make_ports
from sandbox.storage import LocalStorage
from sync.causes import Cause
from sync.connections.document import parse_connection
from sync.engine.deliver import Deliver
from sync.engine.delivery import (
    Delivery,
    Discovery,
    Extra,
    Foreign,
    Found,
    Nothing,
    Noticed,
    Posted,
    Ready,
    Refusal,
    Reservation,
    Sight,
    Verdict,
)
from sync.engine.model import End, Report, Slice, Systems
from sync.ledger.model import AuditRow, Failure, NewRecord, Place, Record, State
from sync.ledger.runs import RunStore
from sync.ledger.store import Ledger
from sync.messages import RecordRetry, decode
from sync.storage.names import RECORD_RETRIES, ensure
from sync.values import digest, key_digest
from tests.engine.stage_bench import NoNetwork, document

PLACE = Place("contoso", "invoices", "usmf")
ENVELOPE, STAMP = "envelope", "stamp"


def cause(code: str = "no-lines", subject: str = "paper") -> Cause:
    """A cause to park a letter for."""
    return Cause(code, subject, f"The {subject} is {code}.")


@dataclass
class Box:
    """What lies in it, by letter and piece, with every sending and every look. `before` and `after` the effect of a sending may raise."""

    held: dict[tuple[str, str], str] = field(default_factory=dict)
    foreign: dict[str, Foreign] = field(default_factory=dict)
    sent: list[tuple[str, str]] = field(default_factory=list)
    looks: list[tuple[str, str]] = field(default_factory=list)
    before: Callable[[str, str], None] = lambda *_: None
    after: Callable[[str, str], None] = lambda *_: None
    on_look: Callable[[str, str], None] = lambda *_: None


@dataclass
class Letter:
    """One piece of a letter (`sync.engine.delivery.Piece`)."""

    box: Box
    letter: str
    name: str

    def look(self, record: Record) -> Sight:
        """What the box holds."""
        self.box.looks.append((self.letter, self.name))
        self.box.on_look(self.letter, self.name)
        if self.letter in self.box.foreign:
            return self.box.foreign[self.letter]
        reference = self.box.held.get((self.letter, self.name))
        return Found({self.name: reference}) if reference else Nothing()

    def send(self, record: Record) -> Mapping[str, str]:
        """Put it in."""
        self.box.sent.append((self.letter, self.name))
        self.box.before(self.letter, self.name)
        self.box.held[self.letter, self.name] = f"{self.name} of {self.letter}"
        self.box.after(self.letter, self.name)
        return {self.name: f"{self.name} of {self.letter}"}


@dataclass
class Post:
    """The declaration of the stage (`sync.engine.delivery.Delivery`): answers are taken from its fields."""

    box: Box = field(default_factory=Box)
    documents: list[NewRecord] = field(default_factory=list)
    verdicts: dict[str, list[Verdict]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    reserving: Callable[[Record], Reservation] = lambda _: Reservation()
    refusing: Callable[[Record, tuple[Cause, ...]], Refusal] = lambda _, causes: Refusal(State.PARKED, causes)
    differing: tuple[Cause, ...] = ()
    changes: tuple[Cause, ...] = ()
    seen: list[Posted | Noticed] = field(default_factory=list)
    extra: Extra | None = None
    noted: list[list[Record]] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    examined: list[str] = field(default_factory=list)
    watched: list[list[str]] = field(default_factory=list)
    outdated: set[str] = field(default_factory=set)
    prepared: list[list[str]] = field(default_factory=list)
    on_examine: Callable[[str], None] = lambda _: None
    group_of: Callable[[Record], str] = lambda record: record.source_id

    def places(self) -> Sequence[Place]:
        """See `Delivery`, as all below."""
        return [PLACE]

    def discover(self) -> Iterator[Discovery]:
        """All letters together, where there are any."""
        self.events.append("discover")
        if self.documents:
            yield Discovery(PLACE, self.documents, self._note)

    def _note(self, records: Sequence[Record], _: Collection[str]) -> None:
        self.noted.append([*records])

    def is_outdated(self, record: Record) -> bool:
        """What a test says."""
        return record.source_id in self.outdated

    def discovered(self) -> None:
        """The watermark may move."""
        self.events.append("discovered")

    def group(self, record: Record) -> str:
        """Each letter alone, unless a test says otherwise."""
        return self.group_of(record)

    def prepare(self, records: Sequence[Record]) -> None:
        """Nothing is read together."""
        self.prepared.append([record.source_id for record in records])

    def examine(self, record: Record, text: str) -> Verdict:
        """The next verdict that a test gave, else ready."""
        self.examined.append(text)
        self.on_examine(record.source_id)
        given = self.verdicts.get(record.source_id)
        return given.pop(0) if given else self.ready(record.source_id)

    def ready(self, name: str) -> Ready:
        """The plan is the letter's name."""
        return Ready(name, self.aliases.get(name, ""), {"weight": "20"}, f"letter {name} in the box")

    def reserve(self, record: Record, plan: str) -> Reservation:
        """Nothing, unless a test says otherwise."""
        return self.reserving(record)

    def pieces(self, plan: str) -> Sequence[Letter]:
        """Envelope, then stamp."""
        return [Letter(self.box, plan, ENVELOPE), Letter(self.box, plan, STAMP)]

    def bodies(self, plan: str) -> Sequence[str]:
        """What would be sent."""
        return [f"PUT {plan} {piece.name}" for piece in self.pieces(plan)]

    def refused(self, record: Record, piece: str, causes: tuple[Cause, ...]) -> Refusal:
        """Parked, unless a test says otherwise."""
        return self.refusing(record, causes)

    def verify(self, record: Record, plan: str) -> tuple[Cause, ...]:
        """What a test says."""
        return self.differing

    def extras(self, record: Record) -> Sequence[Extra]:
        """The one that a test gave."""
        return [self.extra] if self.extra else []

    def watch(self, records: Sequence[Record]) -> Iterator[Posted | Noticed]:
        """What a test says, of the record as it is now."""
        self.watched.append([record.source_id for record in records])
        for seen in self.seen:
            for record in records:
                if record.source_id == seen.record.source_id:
                    yield replace(seen, record=record)

    def changed(self, record: Record, document: NewRecord) -> tuple[Cause, ...]:
        """What a test says."""
        return self.changes

    def close(self) -> None:
        """The last word."""
        self.events.append("close")


class PostOffice:
    """One stage of a connection over in-process storage, in virtual time. Other workers differ in their seed."""

    def __init__(self, **policies: object) -> None:
        self.clock = VirtualClock()
        self.storage = LocalStorage(self.clock)
        ensure(self.storage)
        self.connection = parse_connection(document(policies=policies))
        self.post = Post()
        self.box = self.post.box
        self.minutes = 60.0
        self.beats = 0
        self.report = Report()
        self.use_worker(0)

    def use_worker(self, seed: int) -> None:
        """From now on another worker's slices."""
        self.ports = make_ports(self.clock, NoNetwork(), self.storage, seed=seed)
        self.ledger = Ledger(self.ports, PlainAuditKeys())
        self.runs = RunStore(self.ports)

    def arrive(self, *names: str, version: str = "1", state: State = State.FOUND) -> None:
        """Letters in the source, each with its name as text; one that is there already has another version from now on."""
        self.post.documents = [item for item in self.post.documents if item.source_id not in names]
        for name in names:
            text = f"{name} {version}"
            self.post.documents.append(NewRecord(key_digest(name), f"letter {name}", name, digest(text), text, {"text": text}, state=state))

    def slice(self, *, dry_run: bool = False) -> Slice:
        """A slice, whose counts are in `report`."""
        self.report = Report()
        return Slice(
            connection=self.connection,
            stage="invoices",
            run=f"run at {self.clock.now():%H:%M}",
            ports=self.ports,
            ledger=self.ledger,
            progress=self.runs,
            systems=cast(Systems, None),
            deadline=self.clock.now() + timedelta(minutes=self.minutes),
            beat=self._beat,
            report=self.report,
            dry_run=dry_run,
        )

    def _beat(self) -> None:
        self.beats += 1

    def run(self, *, minutes: float = 0, dry_run: bool = False) -> End:
        """Let time pass, then work for one slice."""
        self.clock.advance(minutes=minutes)

        def opened(_: Slice) -> Delivery:
            return self.post

        return Deliver("invoices", (), opened).work(self.slice(dry_run=dry_run))

    @property
    def counts(self) -> dict[str, int]:
        """What the last slice counted."""
        return self.report.counts

    def record(self, name: str = "a") -> Record:
        """What the ledger says of a letter."""
        found = self.ledger.get(PLACE, key_digest(name))
        assert found is not None
        return found

    def history(self, name: str = "a") -> list[AuditRow]:
        """Its steps; the chain must hold."""
        assert self.ledger.verify(PLACE, key_digest(name)) == []
        return self.ledger.history(PLACE, key_digest(name))

    def steps(self, name: str = "a") -> list[str]:
        """Their names."""
        return [row.step.name for row in self.history(name)]

    def failures(self) -> list[Failure]:
        """The list that a person sees."""
        return list(self.ledger.failures(PLACE))

    def woken(self) -> list[RecordRetry]:
        """The messages that wake a record later."""
        return [decode(RecordRetry, message.body) for message in self.storage.queues.messages(RECORD_RETRIES)]

    def due_in(self, name: str = "a") -> float:
        """Seconds until the letter is worked on again."""
        due = self.record(name).due
        assert due is not None
        return (due - self.clock.now()).total_seconds()

"""What can go wrong, and where: the boundaries of the product's steps and the kinds of faults, as data.

A *cell* is a fault of a kind at a boundary of a stage. Cells that cannot be are ruled out by `applies`, from what boundary and kind say of
themselves.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Final, Literal

from sandbox.faults import HTML, Fault
from sandbox.web import Response

Channel = Literal["read", "write", "table", "blob", "queue"]
"""`read` and `write` are requests to other systems; a write is one that could have an effect twice."""

MIRRORS: Final = ("vendors", "gl_accounts", "dimensions")
DELIVERIES: Final = ("invoices", "payments")
STAGES: Final = MIRRORS + DELIVERIES


@dataclass(frozen=True)
class Boundary:
    """A step of a stage towards the outside. `inserts`: its transaction adds a row, which a repetition meets."""

    name: str
    channels: frozenset[Channel]
    stages: tuple[str, ...] = STAGES
    inserts: bool = False


def _on(*channels: Channel) -> frozenset[Channel]:
    return frozenset(channels)


PAGE_FETCHED: Final = Boundary("page fetched", _on("read"))
LOOK: Final = Boundary("look", _on("read"))
SIGN_IN: Final = Boundary("sign-in", _on("read"))
RECORD_NOTED: Final = Boundary("record noted", _on("table"), DELIVERIES, inserts=True)
PAYLOAD_KEPT: Final = Boundary("payload kept", _on("blob"), DELIVERIES)
CLAIM: Final = Boundary("claim", _on("table"), DELIVERIES, inserts=True)
HEADER_WRITE: Final = Boundary("header write", _on("write"))
LINE_WRITE: Final = Boundary("line write", _on("write"), DELIVERIES)
OUTCOME_STORED: Final = Boundary("outcome stored", _on("table"), DELIVERIES, inserts=True)
MEMORY_STORED: Final = Boundary("memory stored", _on("blob"), MIRRORS)
AUDIT_ROW: Final = Boundary("audit row", _on("table"), inserts=True)
WATERMARK: Final = Boundary("watermark", _on("table"))
ACKNOWLEDGE: Final = Boundary("acknowledge", _on("write"), ("invoices",))
LEASE: Final = Boundary("lease", _on("table"))
ENQUEUE: Final = Boundary("enqueue", _on("queue"))
DEQUEUE: Final = Boundary("dequeue", _on("queue"))
MESSAGE_DELETE: Final = Boundary("message delete", _on("queue"))

BOUNDARIES: Final = (
    PAGE_FETCHED,
    LOOK,
    SIGN_IN,
    RECORD_NOTED,
    PAYLOAD_KEPT,
    CLAIM,
    HEADER_WRITE,
    LINE_WRITE,
    OUTCOME_STORED,
    MEMORY_STORED,
    AUDIT_ROW,
    WATERMARK,
    ACKNOWLEDGE,
    LEASE,
    ENQUEUE,
    DEQUEUE,
    MESSAGE_DELETE,
)
BY_NAME: Final = {boundary.name: boundary for boundary in BOUNDARIES}


@dataclass(frozen=True)
class Kill:
    """The process dies, before the step or after its effect; or `late`: its request is out, and takes effect later."""

    after: bool
    late: bool = False


@dataclass(frozen=True)
class Answer:
    """What the other system or the network does to a request. `made` is given the time."""

    made: Callable[[datetime], Fault]


@dataclass(frozen=True)
class Storage:
    """What the storage does: refuses once, says that another was faster, or loses its answer after the effect."""

    what: Literal["busy", "conflict", "lost answer"]


@dataclass(frozen=True)
class Hang:
    """The process stops for so long, past its lease and past its message; another takes over; then it goes on."""

    time: timedelta


@dataclass(frozen=True)
class Jump:
    """The process's clock is set wrong by so much."""

    by: timedelta


@dataclass(frozen=True)
class Delivery:
    """What the queue does: gives a message to two processes, or not the one that waits for longest."""

    what: Literal["duplicate", "disorder"]


@dataclass(frozen=True)
class Move:
    """Rows come and go in the source while it is read."""


Action = Kill | Answer | Storage | Hang | Jump | Delivery | Move


@dataclass(frozen=True)
class Kind:
    """A kind of fault. `only`: the boundaries at which it makes sense; empty for all on its channels, but for those of `never`."""

    name: str
    channels: frozenset[Channel]
    action: Action
    only: tuple[Boundary, ...] = ()
    never: tuple[Boundary, ...] = ()
    inserts: bool | None = None
    """None: whatever; else only where the transaction inserts, or does not."""


def _said(status: int, body: bytes = b"", content: str = "application/json", **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, {"content-type": content, **named}, body)


def _status(response: Response, *, effect: bool = False) -> Answer:
    return Answer(lambda _: Fault("status_after_effect" if effect else "status", reply=response))


def _gateway(status: int, *, effect: bool = False) -> Answer:
    return _status(_said(status, HTML, "text/html"), effect=effect)


def _busy(retry_after: Callable[[datetime], str | None]) -> Answer:
    def made(now: datetime) -> Fault:
        said = retry_after(now)
        return Fault("status", reply=_said(429, b"", **({} if said is None else {"retry_after": said})))

    return Answer(made)


def late(_: datetime) -> Fault:
    """The request is lost from sight and takes effect later."""
    return Fault("late_effect", delay=LATE)


ANYWHERE: Final = _on("read", "write", "table", "blob", "queue")
HTTP: Final = _on("read", "write")
WRITES: Final = _on("write")
STORES: Final = _on("table", "blob", "queue")
SOURCES: Final = (PAGE_FETCHED, LOOK)
QUEUES_OUT: Final = (DEQUEUE,)
LATE: Final = timedelta(minutes=12)
"""Later than the look of whoever gets a dead worker's message (10 minutes), and sooner than the settle time of 15 minutes."""
REFUSED: Final = (
    b'{"error":{"code":"","message":"An error has occurred.",'
    b'"innererror":{"message":"Write failed for table row of type \'X\'. Infolog: Error: Refused once."}}}'
)

KINDS: Final = (
    Kind("killed before", ANYWHERE, Kill(after=False)),
    Kind("killed after", ANYWHERE, Kill(after=True)),
    Kind("killed before an effect that comes late", WRITES, Kill(after=True, late=True)),
    Kind("time-out without effect", HTTP, Answer(lambda _: Fault("drop_request"))),
    Kind("time-out with effect", WRITES, Answer(lambda _: Fault("drop_reply"))),
    Kind("effect that comes late", WRITES, Answer(late)),
    Kind("no connection", HTTP, Answer(lambda _: Fault("refuse_connection"))),
    Kind("reset in the body", HTTP, Answer(lambda _: Fault("cut_reply"))),
    Kind("truncated JSON", HTTP, Answer(lambda _: Fault("half_body"))),
    Kind("400", HTTP, _status(_said(400, REFUSED))),
    Kind("401", HTTP, _status(_said(401))),
    Kind("403", HTTP, _status(_said(403))),
    Kind("404", HTTP, _status(_said(404))),
    Kind("409", HTTP, _status(_said(409))),
    Kind("412", HTTP, _status(_said(412))),
    Kind("429 with seconds", HTTP, _busy(lambda _: "75")),
    Kind("429 with a date", HTTP, _busy(lambda now: format_datetime(now + timedelta(seconds=90), usegmt=True))),
    Kind("429 with nothing", HTTP, _busy(lambda _: None)),
    Kind("500", HTTP, _gateway(500)),
    Kind("502", HTTP, _gateway(502)),
    Kind("503", HTTP, _gateway(503)),
    Kind("504", HTTP, _gateway(504)),
    Kind("500 with effect", WRITES, _gateway(500, effect=True)),
    Kind("502 with effect", WRITES, _gateway(502, effect=True)),
    Kind("503 with effect", WRITES, _gateway(503, effect=True)),
    Kind("504 with effect", WRITES, _gateway(504, effect=True)),
    Kind("message delivered twice", _on("queue"), Delivery("duplicate"), QUEUES_OUT),
    Kind("messages out of order", _on("queue"), Delivery("disorder"), QUEUES_OUT),
    Kind("two workers", ANYWHERE, Hang(timedelta(minutes=11))),
    Kind("storage 409 for our own row", _on("table"), Storage("lost answer"), inserts=True),
    # A text is stored under its digest: whoever finds it there has it, so nobody can be faster with another.
    Kind("storage 412", _on("table", "blob"), Storage("conflict"), never=(PAYLOAD_KEPT,)),
    Kind("storage 503", STORES, Storage("busy")),
    Kind("storage time-out after the effect", STORES, Storage("lost answer"), inserts=False),
    Kind("clock ahead", ANYWHERE, Jump(timedelta(minutes=20))),
    Kind("clock behind", ANYWHERE, Jump(timedelta(minutes=-20))),
    Kind("rows moving while paging", _on("read"), Move(), SOURCES),
)
KIND_BY_NAME: Final = {kind.name: kind for kind in KINDS}


@dataclass(frozen=True)
class Cell:
    """A fault of a kind at a boundary of a stage, at its nth occurrence (from 1)."""

    stage: str
    boundary: str
    kind: str
    nth: int = 1

    def __str__(self) -> str:
        """As a person names it, and as the command line takes it."""
        return f"{self.stage} / {self.boundary} / {self.kind} / {self.nth}"


def parse_cell(text: str) -> Cell:
    """The cell that `str` gave. ValueError says what is wrong with the text."""
    stage, boundary, kind, *nth = (part.strip() for part in text.split("/"))
    cell = Cell(stage, boundary, kind, int(nth[0]) if nth else 1)
    if replace(cell, nth=1) not in {*cells()}:
        raise ValueError(f"{text!r} is no cell of the matrix: write stage / boundary / kind / occurrence")
    return cell


def applies(boundary: Boundary, kind: Kind, stage: str) -> bool:
    """Whether such a fault can be."""
    return (
        stage in boundary.stages
        and bool(boundary.channels & kind.channels)
        and (not kind.only or boundary in kind.only)
        and boundary not in kind.never
        and kind.inserts in (None, boundary.inserts)
    )


def cells() -> Iterator[Cell]:
    """Every cell that can be."""
    for stage in STAGES:
        for boundary in BOUNDARIES:
            for kind in KINDS:
                if applies(boundary, kind, stage):
                    yield Cell(stage, boundary.name, kind.name)


def all_cells() -> int:
    """How many cells there are, those that cannot be among them."""
    return len(STAGES) * len(BOUNDARIES) * len(KINDS)


@dataclass
class Fired:
    """How often each cell's fault struck and came back to the product."""

    counts: dict[Cell, int] = field(default_factory=dict)

    def add(self, cell: Cell) -> None:
        """Once more."""
        self.counts[cell] = self.counts.get(cell, 0) + 1

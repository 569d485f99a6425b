"""The messages of the three queues: plain data as JSON, checked whole when they are read (design §2)."""

import json
from datetime import datetime
from typing import Annotated, Final, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sync.cause_kinds import KINDS
from sync.causes import Cause
from sync.connections.document import STAGES, ConnectionId
from sync.errors import Bug, FixData
from sync.ledger.model import State
from sync.storage.names import RECORD_RETRIES, REPLAYS, STAGE_RUNS

MOST_BYTES: Final = 48 * 1024

StageName = Annotated[str, Field(pattern=f"^({'|'.join(STAGES)})$")]
Id = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Text = Annotated[str, Field(min_length=1, max_length=500)]


class Message(BaseModel):
    """What all messages share: nothing is converted, nothing unknown is let in."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class StageRun(Message):
    """`stage-runs`: run one slice of one stage of one connection.

    `token` is what the lease is held by, the same in all slices of a run. A message with `slice` 1 starts a run when the stage is due, or
    when it is `forced`; later ones go on with it. `tries` counts the slices before that ended because a system was busy, `counts` what all
    slices before did.
    """

    connection: ConnectionId
    stage: StageName
    run: Id
    token: Id
    slice: Annotated[int, Field(ge=1, strict=True)] = 1
    tries: Annotated[int, Field(ge=0, strict=True)] = 0
    forced: Annotated[bool, Field(strict=True)] = False
    counts: dict[str, int] = {}
    job: Id


class RecordRetry(Message):
    """`record-retries`: the record is due. `job` is the record's: when it has another by now, there is nothing to do."""

    connection: ConnectionId
    stage: StageName
    company: Text
    key: Id
    job: Id


class Selection(Message):
    """Which records of a connection: all that are named by every field that is set. `since` is UTC: changed at or after it."""

    stage: StageName | None = None
    company: Text | None = None
    key: Id | None = None
    state: State | None = None
    cause: Text | None = None
    since: datetime | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self == Selection.model_construct():
            raise ValueError("name at least one of stage, company, key, state, cause, since")
        if self.cause is not None and self.cause not in KINDS:
            raise ValueError(f"cause: {self.cause} is no cause code")
        if self.since is not None and self.since.tzinfo is None:
            raise ValueError("since: the time has no zone; end it with Z")
        return self


class Replay(Message):
    """`replays`: a person asks to try records again. `place` and `after` say where a replay that was cut by time goes on."""

    connection: ConnectionId
    selection: Selection
    reason: Text
    requested_by: Text
    job: Id
    place: Annotated[int, Field(ge=0, strict=True)] = 0
    after: str = ""


MessageT = TypeVar("MessageT", StageRun, RecordRetry, Replay)
QUEUES: Final[dict[type[Message], str]] = {StageRun: STAGE_RUNS, RecordRetry: RECORD_RETRIES, Replay: REPLAYS}


def encode(message: Message) -> str:
    """The JSON text of a message. Bug when it is larger than a queue takes."""
    text = message.model_dump_json(exclude_defaults=True)
    if len(text.encode()) > MOST_BYTES:
        raise Bug(f"A message for {QUEUES[type(message)]} is larger than {MOST_BYTES} bytes.")
    return text


def decode(kind: type[MessageT], body: str) -> MessageT:
    """The message from a queue's body. FixData names the queue and every field that is wrong."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in item['loc']) or 'body'}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors(include_url=False, include_input=False)
        )
        queue = QUEUES[kind]
        sentence = (
            f"A message in {queue} is not valid: {problems}. Put a correct one with `python -m sync`; this one is kept in the failures."
        )
        raise FixData((Cause("poison", f"queue {queue}", sentence),)) from None


def connection_of(body: str) -> str:
    """The connection that a message names, "" when it cannot be told: the body may be anything."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    name = document.get("connection") if isinstance(document, dict) else None
    return name if isinstance(name, str) else ""

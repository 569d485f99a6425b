"""`resolve`: a person closes a record, or an exception of one that is in D365, with a reason that stays in the audit trail (design §5)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sync.app import App
from sync.errors import FixConfiguration
from sync.ledger.model import Record, State, Step
from sync.verbs.finding import check_reason, find_one

KEEPS_STATE: Final = frozenset({State.WRITTEN, State.POSTED, State.ADOPTED, State.RESOLVED})
"""Only the causes of such a record are cleared: it is in D365, or a person closed it before and it changed in its source since."""


class Resolution(StrEnum):
    """Why nothing more is to be done here."""

    DONE = "done"
    """A person did it elsewhere."""
    IGNORED = "ignored"
    """It is not to be done at all."""


SENTENCES: Final = {Resolution.DONE: "It was done elsewhere", Resolution.IGNORED: "It is not to be done"}


@dataclass(frozen=True)
class Resolved:
    """The record after it. `cleared` counts its causes that are gone from the failures."""

    connection: str
    label: str
    stage: str
    key: str
    before: str
    state: str
    cleared: int


def to_resolve(app: App, connection_id: str, text: str) -> Record:
    """The one record that `text` names, when a person may close it. FixConfiguration says why not, or names the several it could be."""
    record = find_one(app, connection_id, text)
    if record.state is State.PARKED or (record.state in KEEPS_STATE and record.causes):
        return record
    if record.state in KEEPS_STATE:
        raise FixConfiguration(f"{record.label} is {record.state} and has no exception: there is nothing to resolve.", field="record")
    raise FixConfiguration(
        f"{record.label} is {record.state}: only what is parked, or in D365 with an exception, can be resolved. "
        "Let the next run settle it first.",
        field="record",
    )


def resolve(app: App, record: Record, *, as_: Resolution, reason: str, by: str) -> Resolved:
    """Close it: what is parked becomes resolved; what is in D365 (or closed before) keeps its state and loses its causes.

    `record` comes from `to_resolve`. StorageConflict when a worker changed it in between, FixConfiguration when the reason is empty or
    too long.
    """
    check_reason(reason)
    step = Step("resolved", f"{SENTENCES[as_]}, says {by}: {reason.strip()}", {"as": as_.value, "by": by})
    run = app.ports.ids.new()
    if record.state is State.PARKED:
        now = app.ledger.move(record, step, run=run, state=State.RESOLVED, causes=(), due=None)
    else:
        now = app.ledger.move(record, step, run=run, causes=())
    place = record.place
    return Resolved(place.connection, record.label, place.stage, record.key, record.state.value, now.state.value, len(record.causes))

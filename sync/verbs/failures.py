"""`failures`: what a person has to mend, grouped by the thing to mend, root causes first (design §5)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sync.app import App
from sync.causes import KINDS
from sync.connections.store import Stored
from sync.engine.cases import NO_CONNECTION, POISON, case_places, places
from sync.errors import FixConfiguration
from sync.ledger.model import Failure, Place
from sync.verbs.finding import stored_connection

EXAMPLES: Final = 3


@dataclass(frozen=True)
class Example:
    """One record that a cause holds up."""

    connection: str
    stage: str
    company: str
    label: str
    state: str
    since: datetime
    sentence: str
    field: str
    key: str
    body: str
    """The queue message itself, of a poison message; empty for everything else."""


@dataclass(frozen=True)
class Group:
    """All records that one thing holds up: `subject` is the thing to mend. `since` is when the first of them was noted for it."""

    rank: int
    code: str
    title: str
    remedy: str
    subject: str
    connection: str
    companies: tuple[str, ...]
    count: int
    since: datetime
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Failures:
    """The groups, root causes first; `records` counts each record once, however many causes it has. `cause`: only this one, "" for all."""

    cause: str

    records: int
    groups: tuple[Group, ...]


def failures(app: App, connection_id: str | None = None, *, cause: str | None = None, examples: int | None = EXAMPLES) -> Failures:
    """Of one connection, or of all with what belongs to none. `cause`: of this code only; `examples` None: name every record.

    FixConfiguration when the connection or the cause is unknown.
    """
    if cause is not None and cause not in KINDS:
        raise FixConfiguration(f"There is no cause {cause}: it is one of {', '.join(KINDS)}.", field="cause")
    grouped: dict[tuple[int, str, str, str], list[Failure]] = {}
    keys: set[tuple[str, str]] = set()
    for failure in _all(app, connection_id):
        if cause in (None, failure.cause.code):
            group = (failure.cause.kind.rank, failure.cause.code, failure.cause.subject, failure.place.connection)
            grouped.setdefault(group, []).append(failure)
            keys.add((failure.place.partition, failure.key))
    groups = [_group(app, found, examples) for found in grouped.values()]
    ordered = sorted(groups, key=lambda group: (group.rank, -group.count, group.code, group.subject, group.connection))
    return Failures(cause or "", len(keys), tuple(ordered))


def _all(app: App, connection_id: str | None) -> Iterator[Failure]:
    if connection_id is None:
        chosen: Iterable[Place] = (*case_places(NO_CONNECTION), *(place for stored in app.connections.list() for place in _places(stored)))
    elif connection_id == NO_CONNECTION:
        chosen = case_places(NO_CONNECTION)
    else:
        chosen = _places(stored_connection(app, connection_id))
    for place in chosen:
        yield from app.ledger.failures(place)


def _places(stored: Stored) -> tuple[Place, ...]:
    """Of a document that is not valid, the companies cannot be known: its cases can."""
    return case_places(stored.id) if stored.connection is None else places(stored.connection)


def _group(app: App, found: list[Failure], examples: int | None) -> Group:
    first = found[0]
    ordered = sorted(found, key=lambda failure: (failure.since, failure.label))
    return Group(
        rank=first.cause.kind.rank,
        code=first.cause.code,
        title=first.cause.kind.title,
        remedy=first.cause.kind.remedy,
        subject=first.cause.subject,
        connection=first.place.connection,
        companies=tuple(sorted({failure.place.company for failure in found})),
        count=len(found),
        since=ordered[0].since,
        examples=tuple(_example(app, failure) for failure in ordered[:examples]),
    )


def _example(app: App, failure: Failure) -> Example:
    return Example(
        connection=failure.place.connection,
        stage=failure.place.stage,
        company=failure.place.company,
        label=failure.label,
        state=failure.state.value,
        since=failure.since,
        sentence=failure.cause.sentence,
        field=failure.cause.field,
        key=failure.key,
        body=_body(app, failure),
    )


def _body(app: App, failure: Failure) -> str:
    record = app.ledger.get(failure.place, failure.key) if failure.place.stage == POISON else None
    return "" if record is None else app.ledger.text(record.payload)

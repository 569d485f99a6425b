"""`failures`: what a person has to mend, grouped by the thing to mend, root causes first (design §5)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from sync.app import App
from sync.cause_kinds import KINDS
from sync.connections.store import Stored
from sync.engine.cases import NO_CONNECTION, POISON, case_places, places
from sync.errors import FixConfiguration
from sync.ledger.model import Failure, Place
from sync.values import money
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
    amount: Decimal | None
    """Of the document, None when it has none or it cannot be read."""
    currency: str
    body: str
    """The queue message itself, of a poison message; empty for everything else."""


@dataclass(frozen=True)
class Group:
    """All records that one thing holds up: `subject` is the thing to mend. `since` is when the first of them was noted for it."""

    rank: int
    code: str
    title: str
    remedy: str
    who: str
    """Who can do what the remedy says."""
    subject: str
    connection: str
    companies: tuple[str, ...]
    count: int
    since: datetime
    amounts: Mapping[str, Decimal]
    """What its documents come to, by currency; a credit takes away."""
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Total:
    """All that one kind of cause holds up, each record counted once however many things of the kind it waits for. `amounts` as in Group."""

    count: int
    amounts: Mapping[str, Decimal]


@dataclass(frozen=True)
class Failures:
    """The groups, root causes first, and the totals by code. `records` counts each record once, however many causes it has.

    `cause`: only this one was asked for, "" for all.
    """

    cause: str
    records: int
    groups: tuple[Group, ...]
    totals: Mapping[str, Total]


def failures(app: App, connection_id: str | None = None, *, cause: str | None = None, examples: int | None = EXAMPLES) -> Failures:
    """Of one connection, or of all with what belongs to none. `cause`: of this code only; `examples` None: name every record.

    FixConfiguration when the connection or the cause is unknown.
    """
    if cause is not None and cause not in KINDS:
        raise FixConfiguration(f"There is no cause {cause}: it is one of {', '.join(KINDS)}.", field="cause")
    grouped: dict[tuple[int, str, str, str], list[Failure]] = {}
    records: dict[str, dict[tuple[str, str], Failure]] = {}
    for failure in _all(app, connection_id):
        if cause in (None, failure.cause.code):
            group = (failure.cause.kind.rank, failure.cause.code, failure.cause.subject, failure.place.connection)
            grouped.setdefault(group, []).append(failure)
            records.setdefault(failure.cause.code, {})[failure.place.partition, failure.key] = failure
    groups = [_group(app, found, examples) for found in grouped.values()]
    totals = {code: Total(len(found), _amounts(found.values())) for code, found in records.items()}
    every = {key for found in records.values() for key in found}
    return Failures(cause or "", len(every), tuple(_ordered(groups, totals)), totals)


def _ordered(groups: list[Group], totals: Mapping[str, Total]) -> list[Group]:
    """By rank, then the causes that hold up most, then the things that do. What must be looked at first has its order by urgency."""
    order = [*KINDS]

    def place(group: Group) -> tuple[int, int, int, int, str, str]:
        held = totals[group.code].count if group.rank else 0
        return group.rank, -held, order.index(group.code), -group.count, group.subject, group.connection

    return sorted(groups, key=place)


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
        who=first.cause.kind.who.value,
        subject=first.cause.subject,
        connection=first.place.connection,
        companies=tuple(sorted({failure.place.company for failure in found})),
        count=len(found),
        since=ordered[0].since,
        amounts=_amounts(found),
        examples=tuple(_example(app, failure) for failure in ordered[:examples]),
    )


def _amounts(found: Iterable[Failure]) -> dict[str, Decimal]:
    amounts: dict[str, Decimal] = {}
    for failure in found:
        amount = _amount(failure)
        if amount is not None:
            amounts[failure.currency] = amounts.get(failure.currency, Decimal(0)) + amount
    return dict(sorted(amounts.items()))


def _amount(failure: Failure) -> Decimal | None:
    return money(failure.amount) if failure.amount and failure.currency else None


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
        amount=_amount(failure),
        currency=failure.currency,
        body=_body(app, failure),
    )


def _body(app: App, failure: Failure) -> str:
    record = app.ledger.get(failure.place, failure.key) if failure.place.stage == POISON else None
    return "" if record is None else app.ledger.text(record.payload)

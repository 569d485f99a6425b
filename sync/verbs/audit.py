"""`audit`: the life of one record, the steps of one day, and whether the trail is whole (design §3, invariant 8; §5)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from sync.app import App
from sync.causes import Cause
from sync.errors import FixConfiguration
from sync.ledger.day_index import next_day
from sync.ledger.model import AuditRow, Place
from sync.ledger.proof import Problem
from sync.ledger.seal_log import SealChain
from sync.ledger.seals import BEGINNING, ONE_DAY
from sync.verbs.finding import Found, find, places_named, thing
from sync.verbs.tables import counted

UNSEALED_FOR: Final = timedelta(days=3)
"""A day is sealed an hour after its end; one that is not sealed after so long tells that nobody keeps house."""


@dataclass(frozen=True)
class AuditStep:
    """One step, as a person reads it. `detail` holds references, no secret."""

    at: datetime
    stage: str
    company: str
    label: str
    key: str
    number: int
    state: str
    name: str
    note: str
    run: str
    job: str
    detail: Mapping[str, str]


@dataclass(frozen=True)
class Life:
    """One record and all its steps. `state` is empty for what was only ever sent and has no record."""

    stage: str
    company: str
    label: str
    key: str
    source_id: str
    state: str
    due: datetime | None
    facts: Mapping[str, str]
    progress: Mapping[str, str]
    causes: tuple[Cause, ...]
    removed: int
    """Its first steps that retention removed."""
    steps: tuple[AuditStep, ...]


@dataclass(frozen=True)
class Audit:
    """What was asked for: lives, the steps of a day in the order of time, or (`whole_trail`) neither.

    `problems` is what is broken, None when nobody looked; `notes` is what is as it should be and good to know.
    """

    connection: str
    lives: tuple[Life, ...]
    steps: tuple[AuditStep, ...]
    problems: tuple[str, ...] | None
    notes: tuple[str, ...] = ()
    whole_trail: bool = False

    @property
    def whole(self) -> bool:
        """Nothing is known to be broken."""
        return not self.problems


def audit_record(app: App, connection_id: str, text: str, *, verify: bool = False) -> Audit:
    """Every record that `text` names: its key, its AvidXchange id, or a number in its label. FixConfiguration when there is none."""
    where = places_named(app, connection_id)
    found = find(app, where, text)
    if not found:
        raise FixConfiguration(
            f"Nothing of {connection_id} is named {text!r}: give a key, an AvidXchange id, or a number in a label.",
            field="record",
        )
    lives = tuple(_life(app, item) for item in found)
    if not verify:
        return Audit(connection_id, lives, (), None)
    seals = app.seals.chain(connection_id)
    problems = [problem for item in found for problem in app.proof.record(item.place, item.key)]
    days = {(item.place, step.at.date()) for item, life in zip(found, lives, strict=True) for step in life.steps}
    for place, day in sorted(days, key=lambda item: (item[1], item[0].partition)):
        problems += app.proof.seal(place, day, seals)
    return Audit(connection_id, lives, (), (*_seal_problems(app, where, seals), *_told(app, problems)), _last_seal(seals))


def audit_day(app: App, connection_id: str, day: date, *, verify: bool = False) -> Audit:
    """Every step of a day (UTC). `verify` checks each chain that the day touched, and the seal of the day if it is sealed."""
    where = places_named(app, connection_id)
    steps: list[AuditStep] = []
    for place in where:
        numbers: dict[str, set[int]] = {}
        for key, number in app.ledger.day(place, day):
            numbers.setdefault(key, set()).add(number)
        for key, wanted in numbers.items():
            found = thing(app, place, key)
            steps += [_step(found, row) for row in app.ledger.history(place, key) if row.seq in wanted]
    ordered = tuple(sorted(steps, key=lambda step: (step.at, step.stage, step.label, step.number)))
    if not verify:
        return Audit(connection_id, (), ordered, None)
    seals = app.seals.chain(connection_id)
    problems = [problem for place in seals.places(where) for problem in app.proof.day(place, day, seals)]
    notes = (*_of_day(seals, day), *_last_seal(seals))
    return Audit(connection_id, (), ordered, (*_seal_problems(app, where, seals), *_told(app, problems)), notes)


def audit_trail(app: App, connection_id: str) -> Audit:
    """Every record, every day and every seal of a connection against each other."""
    where = places_named(app, connection_id)
    seals = app.seals.chain(connection_id)
    problems = [problem for place in seals.places(where) for problem in app.proof.everything(place, seals)]
    retired = sorted({line.day for line in seals.lines if line.kept is not None})
    notes = (f"Steps removed by retention: {counted(len(retired), 'day')}, {retired[0]} to {retired[-1]}.",) if retired else ()
    found = (*_seal_problems(app, where, seals), *_told(app, problems))
    return Audit(connection_id, (), (), found, (*notes, *_last_seal(seals)), whole_trail=True)


def _seal_problems(app: App, where: Sequence[Place], seals: SealChain) -> list[str]:
    """What is wrong with the log of seals, and whether somebody still seals."""
    late = app.ports.clock.now().date() - UNSEALED_FOR
    first = BEGINNING if seals.head is None else seals.head.through + ONE_DAY
    days = [next_day(app.ports.tables, place, first, late) for place in where]
    unsealed = min((day for day in days if day is not None), default=None)
    if unsealed is None:
        return [*seals.problems]
    return [*seals.problems, f"Steps of {unsealed} and later are not sealed: the housekeeping timer does not run, or seals were cut off."]


def _last_seal(seals: SealChain) -> tuple[str, ...]:
    """The seal to compare with the app's log, which is not in the storage that the seal protects."""
    if not seals.lines:
        return (f"Nothing of {seals.connection} is sealed yet.",)
    last = seals.lines[-1]
    return (f"The last seal is number {last.number}, of {last.day}, made {last.at[:16].replace('T', ' ')} UTC, code {last.mac[:16]}…",)


def _of_day(seals: SealChain, day: date) -> tuple[str, ...]:
    line = seals.of(day)
    if line is None:
        return () if seals.sealed(day) else (f"{day} is not sealed yet.",)
    if line.kept is None:
        return (f"{day} is seal {line.number}, made {line.at[:16].replace('T', ' ')} UTC.",)
    left = f", but {len(line.kept)} of records that are not at rest" if line.kept else ""
    return (f"The steps of {day} were removed by retention on {line.at[:10]}{left}.",)


def _told(app: App, problems: Iterable[Problem]) -> list[str]:
    """The problems with the labels of their records, each once."""
    told = {(problem.place.partition, problem.key, problem.sentence): problem for problem in problems}
    return [
        f"{thing(app, problem.place, problem.key).label} (key {problem.key}): {problem.sentence}" if problem.key else problem.sentence
        for problem in told.values()
    ]


def _life(app: App, found: Found) -> Life:
    record = found.record
    return Life(
        stage=found.place.stage,
        company=found.place.company,
        label=found.label,
        key=found.key,
        source_id="" if record is None else record.source_id,
        state="" if record is None else record.state.value,
        due=None if record is None else record.due,
        facts={} if record is None else dict(record.facts),
        progress={} if record is None else dict(record.progress),
        causes=() if record is None else record.causes,
        removed=app.ledger.removed(found.place, found.key),
        steps=tuple(_step(found, row) for row in app.ledger.history(found.place, found.key)),
    )


def _step(found: Found, row: AuditRow) -> AuditStep:
    return AuditStep(
        at=row.at,
        stage=found.place.stage,
        company=found.place.company,
        label=found.label,
        key=found.key,
        number=row.seq,
        state=row.state.value,
        name=row.step.name,
        note=row.step.note,
        run=row.run,
        job=row.job,
        detail=dict(row.step.detail),
    )

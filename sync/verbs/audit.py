"""`audit`: the life of one record, or the steps of one day, and whether the trail is whole (design §3, invariant 8; §5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sync.app import App
from sync.causes import Cause
from sync.engine.cases import places
from sync.errors import FixConfiguration
from sync.ledger.model import AuditRow, Place
from sync.verbs.finding import Found, find, the_connection, thing


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
    steps: tuple[AuditStep, ...]


@dataclass(frozen=True)
class Audit:
    """What was asked for: lives, or the steps of a day in the order of time. `problems` is what is broken; None when nobody looked."""

    connection: str
    lives: tuple[Life, ...]
    steps: tuple[AuditStep, ...]
    problems: tuple[str, ...] | None

    @property
    def whole(self) -> bool:
        """Nothing is known to be broken."""
        return not self.problems


def audit_record(app: App, connection_id: str, text: str, *, verify: bool = False) -> Audit:
    """Every record that `text` names: its key, its AvidXchange id, or a number in its label. FixConfiguration when there is none."""
    connection = the_connection(app, connection_id)
    found = find(app, connection, text)
    if not found:
        raise FixConfiguration(
            f"Nothing of {connection.id} is named {text!r}: give a key, an AvidXchange id, or a number in a label.",
            field="record",
        )
    lives = tuple(_life(app, item) for item in found)
    problems = tuple(_problems(app, found, lives)) if verify else None
    return Audit(connection.id, lives, (), problems)


def audit_day(app: App, connection_id: str, day: date, *, verify: bool = False) -> Audit:
    """Every step of a day (UTC). `verify` checks each chain that the day touched, and the seals of the day where there are any."""
    connection = the_connection(app, connection_id)
    steps: list[AuditStep] = []
    problems: list[str] = []
    for place in places(connection):
        numbers: dict[str, set[int]] = {}
        for key, number in app.ledger.day(place, day):
            numbers.setdefault(key, set()).add(number)
        for key, wanted in numbers.items():
            found = thing(app, place, key)
            steps += [_step(found, row) for row in app.ledger.history(place, key) if row.seq in wanted]
            if verify:
                problems += [f"{found.label}: {problem}" for problem in app.ledger.verify(place, key)]
        if verify:
            problems += _seal_problems(app, place, day)
    ordered = sorted(steps, key=lambda step: (step.at, step.stage, step.label, step.number))
    return Audit(connection.id, (), tuple(ordered), tuple(problems) if verify else None)


def _problems(app: App, found: list[Found], lives: tuple[Life, ...]) -> list[str]:
    problems = [f"{item.label}: {problem}" for item in found for problem in app.ledger.verify(item.place, item.key)]
    days = {(item.place, step.at.date()) for item, life in zip(found, lives, strict=True) for step in life.steps}
    for place, day in sorted(days, key=lambda item: (item[1], item[0].partition)):
        problems += _seal_problems(app, place, day)
    return problems


def _seal_problems(app: App, place: Place, day: date) -> list[str]:
    """A day that is not sealed yet has none."""
    return app.seals.verify_seal(place, day) if app.seals.is_sealed(place, day) else []


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

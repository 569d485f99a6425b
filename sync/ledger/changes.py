"""What a new or a moved record changes in its partition: its rows and those that must never disagree with it, as one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, TypedDict

from sync.causes import Cause
from sync.errors import Bug
from sync.ledger import rows
from sync.ledger.audit import AuditKeys, Head, chained
from sync.ledger.model import AT_REST, AuditRow, Record, State, Step
from sync.storage.model import Change, Delete, Insert, Replace, Row, Upsert, Value

MAY_CARRY_CAUSES: Final = frozenset({State.POSTED, State.ADOPTED, State.RESOLVED})
"""States at rest in which a record may be in the failures list (changed after it was written, or after a person closed it)."""


class Changes(TypedDict, total=False):
    """The fields of a record that a move may change."""

    state: State
    version: str
    job: str
    payload: str
    facts: Mapping[str, str]
    plan: str
    progress: Mapping[str, str]
    alias: str
    owner: str
    sent_at: datetime | None
    looks: int
    attempts: int
    due: datetime | None
    causes: tuple[Cause, ...]
    label: str
    batch: str


def check(record: Record) -> None:
    """Bug when a record breaks a rule of its state: open work has a due time, what is parked a cause, what rests neither."""
    if record.state in AT_REST:
        if record.due is not None:
            raise Bug(f"{record.label} is {record.state} and still due: what rests has no due time.")
        if record.causes and record.state not in MAY_CARRY_CAUSES:
            raise Bug(f"{record.label} is {record.state} and still has causes.")
    elif record.due is None and record.state is not State.WRITTEN:
        raise Bug(f"{record.label} is {record.state} without a due time: nobody would ever look at it again.")
    if record.state is State.PARKED and not record.causes:
        raise Bug(f"{record.label} is parked without a cause: nobody could see why.")
    check_texts(record.label, record.facts)
    check_texts(record.label, record.progress)


def check_texts(label: str, texts: Mapping[str, object]) -> None:
    """Bug when a value is no text: amounts are stored as text, never as floats."""
    for name, value in texts.items():
        if not isinstance(value, str):
            raise Bug(f"{name} of {label} is a {type(value).__name__}; facts, references and details are text.")


def fitting(label: str, step: Step) -> Step:
    """The step as a row has room for it: its note and each detail at most 3,000 characters. Bug when a detail is no text."""
    check_texts(label, step.detail)
    return Step(step.name, rows.short(step.note), {name: rows.short(text) for name, text in step.detail.items()})


def stepped(keys: AuditKeys, record: Record, step: Step, run: str, at: datetime) -> tuple[Record, list[Change]]:
    """The record one step further in its chain, and the rows of the step."""
    bare = AuditRow(record.place, record.key, 0, at, run, record.job, record.state, fitting(record.label, step), mac="")
    link = chained(keys, Head(record.seq, record.mac), bare)
    grown = replace(record, seq=link.row.seq, mac=link.row.mac, updated_at=at)
    return grown, [Insert(row) for row in rows.audit_rows(link)]


def insertion(record: Record, steps: Sequence[Change], causes: str) -> list[Change]:
    """All changes of a record that is new; `causes` is the pointer to its causes' text."""
    since = record.created_at
    assert since is not None
    failures = [Upsert(rows.failure_row(record, key, cause, since)) for key, cause in rows.shown(record.causes, record.key).items()]
    return [Insert(rows.record_row(record, causes)), *steps, *_work(None, record), *_member("", record), *failures]


def transition(before: Record, now: Record, steps: Sequence[Change], causes: str, failures: Sequence[Change]) -> list[Change]:
    """All changes of a record that moves. The record comes first, so that a lost race is told from an alias that is taken."""
    own = [Replace(rows.record_row(now, causes)), *_alias(before, now)]
    return [*own, *steps, *_work(before, now), *_member(before.batch, now), *failures]


def _work(before: Record | None, now: Record) -> list[Change]:
    old = None if before is None or before.due is None else rows.work_row(before, before.due)
    new = None if now.due is None else rows.work_row(now, now.due)
    changes: list[Change] = []
    if old is not None and (new is None or new.key != old.key):
        changes.append(Delete(old.key))
    if new is not None and new != old:
        changes.append(Upsert(new))
    return changes


def _alias(before: Record, now: Record) -> list[Change]:
    if before.alias == now.alias:
        return []
    changes: list[Change] = [Delete(rows.alias_key(before.alias))] if before.alias else []
    if now.alias:
        changes.append(Insert(Row(now.place.partition, rows.alias_key(now.alias), {"Key": now.key})))
    return changes


def _member(batch: str, now: Record) -> list[Change]:
    if batch == now.batch:
        return []
    changes: list[Change] = [Delete(rows.batch_prefix(batch) + now.key)] if batch else []
    if now.batch:
        values: dict[str, Value] = {"Key": now.key}
        changes.append(Upsert(Row(now.place.partition, rows.batch_prefix(now.batch) + now.key, values)))
    return changes


def failure_changes(before: Record, now: Record, since: Mapping[str, datetime], at: datetime) -> list[Change]:
    """Failure rows that come, change and go. `since` holds by row key since when the causes that stay have been there."""
    old, new = rows.shown(before.causes, before.key), rows.shown(now.causes, now.key)
    changes: list[Change] = [Delete(key) for key in old if key not in new]
    return changes + [
        Upsert(rows.failure_row(now, key, cause, since.get(key, at)))
        for key, cause in new.items()
        if old.get(key) != cause or _shown_facts(before) != _shown_facts(now)
    ]


def rewritten_failures(before: Record, now: Record) -> list[str]:
    """The failure rows that stay but must be written anew: their `since` has to be read first."""
    old, new = rows.shown(before.causes, before.key), rows.shown(now.causes, now.key)
    return [key for key in new if key in old and (old[key] != new[key] or _shown_facts(before) != _shown_facts(now))]


def _shown_facts(record: Record) -> tuple[str, ...]:
    return record.label, record.state, record.job, record.facts.get("amount", ""), record.facts.get("currency", "")

"""Audit trails as the lines that a person reads."""

from collections.abc import Mapping

from sync.ledger.model import NO_COMPANY
from sync.verbs.audit import Audit, AuditStep, Life
from sync.verbs.tables import Column, counted, moment, paragraph, table


def audit_text(result: Audit) -> list[str]:
    """Lives, or the steps of a day, and whether the trail is whole."""
    lines = [line for life in result.lives for line in (*_life(life), "")]
    if result.steps:
        lines += [*_day(result.steps), ""]
    if not lines and not result.whole_trail:
        lines = ["No step on that day.", ""]
    return [*lines[:-1], *_verdict(result)][1 if result.whole_trail else 0 :]


def _verdict(result: Audit) -> list[str]:
    if result.problems is None:
        return []
    notes = [line for note in result.notes for line in paragraph(note)]
    if not result.problems:
        return ["", "The trail is whole: every step fits the one before it, and every sealed day its seal.", *notes]
    return ["", "The trail is broken:", *(line for problem in result.problems for line in paragraph(problem, first="- ")), *notes]


def _life(life: Life) -> list[str]:
    company = "" if life.company == NO_COMPANY else f", {life.company}"
    lines = [f"{life.label} ({life.stage}{company}): {life.state or 'sent'}", f"  key {life.key}"]
    lines += [f"  AvidXchange id {life.source_id}"] if life.source_id else []
    lines += _pairs("facts", life.facts) + _pairs("in the target", life.progress)
    lines += [f"  due {moment(life.due)} UTC"] if life.due is not None and life.due.year < 9999 else []
    for cause in life.causes:
        lines += paragraph(f"{cause.kind.title}: {cause.sentence} → {cause.kind.remedy}", first="  cause: ", rest="    ")
    lines += [f"  {counted(life.removed, 'step')} before these removed by retention"] if life.removed else []
    columns = [Column("#", right=True), Column("time (UTC)"), Column("step"), Column("state"), Column("what happened", wraps=True)]
    rows = [[str(step.number), moment(step.at), step.name, step.state, _note(step)] for step in life.steps]
    return [*lines, *table(columns, rows, indent=2)]


def _pairs(title: str, pairs: Mapping[str, str]) -> list[str]:
    shown = _shown(pairs)
    return paragraph(shown, first=f"  {title}: ", rest="    ") if shown else []


def _shown(pairs: Mapping[str, str]) -> str:
    """References in one line. `done:` marks are the engine's own."""
    return ", ".join(f"{name} {value}" for name, value in pairs.items() if value and not name.startswith("done:"))


def _note(step: AuditStep) -> str:
    detail = _shown(step.detail)
    return f"{step.note} [{detail}]" if detail else step.note


def _where(step: AuditStep) -> str:
    return step.stage if step.company == NO_COMPANY else f"{step.stage} {step.company}"


def _day(steps: tuple[AuditStep, ...]) -> list[str]:
    columns = [Column("time"), Column("stage"), Column("record", wraps=True), Column("step"), Column("state"), Column("note", wraps=True)]
    rows = [[f"{step.at:%H:%M:%S}", _where(step), step.label, step.name, step.state, step.note] for step in steps]
    return table(columns, rows)

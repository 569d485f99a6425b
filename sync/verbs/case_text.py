"""Failures and audit trails as the lines that a person reads."""

from collections.abc import Mapping, Sequence
from typing import Final

from sync.ledger.model import NO_COMPANY
from sync.verbs.audit import Audit, AuditStep, Life
from sync.verbs.failures import Example, Failures, Group
from sync.verbs.tables import Column, counted, moment, paragraph, table

SUBJECTS: Final = 5
"""Things to mend that are shown of one cause, unless that cause was asked for."""
BODY: Final = 600
"""Characters of a poison message that are shown."""


def failures_text(result: Failures) -> list[str]:
    """Cause by cause with its remedy once, under it the things to mend, each with some of the records that it holds up."""
    if not result.groups:
        return ["Nothing fails: no record is parked, no stage is stuck, no message is poison."]
    by_code: dict[str, list[Group]] = {}
    for group in result.groups:
        by_code.setdefault(group.code, []).append(group)
    things = counted(len(result.groups), "thing")
    head = f"{counted(result.records, 'record')} held up by {things} to mend, root causes first."
    most = len(result.groups) if result.cause else SUBJECTS
    return [head, *(line for groups in by_code.values() for line in ("", *_cause(groups, most)))]


def _cause(groups: Sequence[Group], most: int) -> list[str]:
    first, held = groups[0], counted(sum(group.count for group in groups), "record")
    lines = paragraph(f"{first.title} ({first.code}, {held})") + paragraph(f"→ {first.remedy}", first="  ", rest="    ")
    for group in groups[:most]:
        lines += _subject(group)
    if len(groups) > most:
        lines.append(f"  and {counted(len(groups) - most, 'more thing')}: python -m sync failures {first.connection} --cause {first.code}")
    return lines


def _subject(group: Group) -> list[str]:
    """One thing to mend. What holds up one record only needs no heading of its own: the record's sentence says it."""
    lines, indent = list[str](), "  "
    if group.count > 1:
        companies = ", ".join(company for company in group.companies if company != NO_COMPANY)
        where = f" in {companies}" if companies else ""
        lines = paragraph(f"{group.subject}{where}: {counted(group.count, 'record')} since {moment(group.since)}", first="  ")
        indent = "    "
    for example in group.examples:
        company = "" if example.company == NO_COMPANY else f" {example.company}"
        where = f"{example.connection} {example.stage}{company}, {example.state}"
        lines += paragraph(f"{example.label} ({where}): {example.sentence}", first=f"{indent}- ")
        lines += _message(example, indent)
    left = group.count - len(group.examples)
    return [*lines, f"{indent}- and {left:,} more"] if left > 0 else lines


def _message(example: Example, indent: str) -> list[str]:
    """The body of a poison message on one line, and how it is closed: all messages of a queue have the same label."""
    if not example.body:
        return []
    shown = example.body if len(example.body) <= BODY else f"{example.body[:BODY]}… ({len(example.body)} characters, all of it with --json)"
    body = "".join(letter if letter.isprintable() else "�" for letter in " ".join(shown.split()))
    return [
        *paragraph(f"body: {body}", first=f"{indent}  "),
        f"{indent}  close it: python -m sync resolve {example.connection} --record {example.key}",
    ]


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

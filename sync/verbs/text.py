"""Each verb's result as the lines that a person reads. `--json` shows the same results whole (`plain.py`)."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import singledispatch
from typing import Final

from sync.errors import Bug
from sync.verbs.audit_text import audit_text
from sync.verbs.connections import Added, Listed, Listing, Removed, Shown
from sync.verbs.failures_text import failures_text
from sync.verbs.lines import Line, Verdict
from sync.verbs.pause import Paused
from sync.verbs.ping import Ping
from sync.verbs.reconcile import Balance, Reconciliation
from sync.verbs.replay import ReplayResult
from sync.verbs.resolve import Resolved
from sync.verbs.run import RehearsalResult, RunResult
from sync.verbs.status import ConnectionStatus, StageStatus, Status
from sync.verbs.tables import Column, counted, moment, money, number, paragraph, since, table

COUNTS: Final = (
    "read",
    "sent",
    "unchanged",
    "written",
    "adopted",
    "posted",
    "parked",
    "unknown",
    "retrying",
    "deactivated",
    "acknowledged",
)
"""Counts in the order in which they are shown; others follow by name."""


@singledispatch
def lines_of(result: object) -> list[str]:
    """The lines of a result. Bug when there is no form for it."""
    raise Bug(f"There is no form for a {type(result).__name__}.")


lines_of.register(audit_text)
lines_of.register(failures_text)


def counts_text(counts: Mapping[str, int]) -> str:
    """Counts in one line, zeros left out."""
    order = [*COUNTS, *sorted(counts.keys() - {*COUNTS})]
    return ", ".join(f"{name.replace('_', ' ')} {counts[name]:,}" for name in order if counts.get(name))


# --- ping ------------------------------------------------------------------------------------------------------------------------


def ping_line(line: Line) -> list[str]:
    """One line of `ping`, printed as soon as it is known."""
    text = f"{line.sentence} {line.remedy}".strip()
    return paragraph(text, first=f"{line.verdict.value:<10}  {line.part:<19}  ")


@lines_of.register
def _ping(result: Ping) -> list[str]:
    """The lines were shown before: what they come to."""
    wrong, seen, good = (result.count(verdict) for verdict in (Verdict.NOT_OK, Verdict.LOOK, Verdict.OK))
    return ["", f"{result.connection} {'fits' if result.fits else 'does not fit yet'}: {good} ok, {seen} to look at, {wrong} not ok."]


# --- run -------------------------------------------------------------------------------------------------------------------------


@lines_of.register
def _run(result: RunResult) -> list[str]:
    if not result.waited:
        asked = ", ".join(outcome.stage for outcome in result.stages)
        return [f"Asked for {asked} of {result.connection}. See how it goes: python -m sync status {result.connection}"]
    names = [name for name in COUNTS if any(outcome.counts.get(name) for outcome in result.stages)]
    others = [{name: count for name, count in outcome.counts.items() if name not in COUNTS} for outcome in result.stages]
    columns = [Column("stage"), Column("end"), *(Column(name, right=True) for name in names), Column("else", wraps=True)]
    rows = [
        [
            outcome.stage,
            "done" if outcome.done else "not done",
            *(number(outcome.counts.get(name, 0)) for name in names),
            counts_text(other),
        ]
        for outcome, other in zip(result.stages, others, strict=True)
    ]
    notes = [line for outcome in result.stages if outcome.note for line in paragraph(outcome.note, first=f"{outcome.stage}: ", rest="  ")]
    return table(columns, rows) + (["", *notes] if notes else [])


@lines_of.register
def _rehearsal(result: RehearsalResult) -> list[str]:
    lines: list[str] = []
    for stage in result.stages:
        lines += [f"== {stage.stage} of {result.connection}: {counts_text(stage.counts) or 'nothing to do'} (dry run: nothing was written)"]
        lines += [f"  {text}" for text in stage.shown]
        if stage.error:
            lines += paragraph(stage.error, first="  It ended early: ", rest="  ")
    return lines


# --- status ----------------------------------------------------------------------------------------------------------------------


@lines_of.register
def _status(result: Status) -> list[str]:
    if not result.connections:
        return ["There is no connection yet: python -m sync connections add FILE"]
    return [line for connection in result.connections for line in (*_connection(connection), "")][:-1]


def _connection(connection: ConnectionStatus) -> list[str]:
    paused = " (paused)" if connection.paused else ""
    heading = f"{connection.id}: {connection.name}{paused}" if connection.name else connection.id
    lines = [heading]
    if connection.error:
        lines += paragraph(connection.error, first="  ")
    else:
        lines += _stages(connection.stages)
    if connection.cases:
        lines += [f"  {counted(connection.cases, 'case')} of no record: python -m sync failures {connection.id}"]
    return lines


def _stages(stages: Sequence[StageStatus]) -> list[str]:
    """What is left of each stage, then what its last run did."""
    totals = any(stage.totals for stage in stages)
    names = ["waiting", "parked", "unknown", "written", *(["posted", "adopted"] if totals else []), "exceptions"]
    columns = [Column("stage"), Column("now"), Column("lag", right=True), *(Column(name, right=True) for name in names)]
    left = [[stage.stage, _now(stage), since(stage.lag_seconds), *(number(_left(stage, name)) for name in names)] for stage in stages]
    did = [[stage.stage, moment(stage.finished), _did(stage)] for stage in stages]
    runs = [Column("stage"), Column("last run (UTC)"), Column("what it did", wraps=True)]
    return [*table(columns, left, indent=2), "", *table(runs, did, indent=2)]


def _now(stage: StageStatus) -> str:
    if stage.running or stage.paused:
        return "running" if stage.running else "paused"
    return "error" if stage.error else ""


def _left(stage: StageStatus, name: str) -> int:
    count = getattr(stage.backlog, name, None)
    return stage.totals.get(name, 0) if count is None else int(count)


def _did(stage: StageStatus) -> str:
    return stage.error or counts_text(stage.counts) or ("" if stage.finished is None else "nothing to do")


# --- changes ---------------------------------------------------------------------------------------------------------------------


@lines_of.register
def _replay(result: ReplayResult) -> list[str]:
    if not result.count:
        return [
            f"No record of {result.connection} is selected: nothing was asked for. What is at rest (posted, resolved) is never selected."
        ]
    shown = ", ".join(f"{count:,} of {stage}" for stage, count in result.selected.items())
    return [
        f"Selected now: {counted(result.count, 'record')} ({shown}). The replay is on the queue as job {result.job}.",
        f"See what becomes of it: python -m sync failures {result.connection}",
    ]


@lines_of.register
def _resolved(result: Resolved) -> list[str]:
    if result.before == result.state:
        return [f"{result.label} stays {result.state}; {counted(result.cleared, 'exception')} cleared. The reason is in its audit trail."]
    return [f"{result.label} was {result.before} and is {result.state} now. The reason is in its audit trail."]


@lines_of.register
def _paused(result: Paused) -> list[str]:
    stages = f" Paused stages: {', '.join(result.paused_stages)}." if result.paused_stages else ""
    ending = " What is running ends its slice first." if result.paused or stages else ""
    return [f"{result.connection} is {'paused' if result.paused else 'active'}.{stages}{ending}"]


# --- reconcile -------------------------------------------------------------------------------------------------------------------


@lines_of.register
def _reconciliation(result: Reconciliation) -> list[str]:
    titles = ("paid", "written", "posted", "parked", "unknown", "resolved", "difference")
    columns = [Column("company"), Column("currency"), Column("day"), *(Column(title, right=True) for title in titles)]
    rows = [
        [item.company, item.currency, "(none)" if item.day is None else item.day.isoformat(), *map(money, _amounts(item))]
        for item in result.balances
    ]
    rows += [[""] * len(columns)] if rows else []
    rows += [[company, currency, "all", *map(money, amounts)] for (company, currency), amounts in _totals(result.balances).items()]
    lines = [
        f"{result.connection}, {result.first} to {result.last}: {counted(result.payments, 'payment')} that AvidXchange says are paid.",
        "",
    ]
    lines += table(columns, rows) if rows else ["No payment on either side."]
    lines += ["", *(line for note in result.notes for line in paragraph(note, first="- "))] if result.notes else []
    return [*lines, "", "Both sides agree to the cent." if result.agrees else "It does not agree, or something is parked or unknown."]


def _totals(balances: Sequence[Balance]) -> dict[tuple[str, str], tuple[Decimal, ...]]:
    """The sums of each company and currency."""
    totals: dict[tuple[str, str], tuple[Decimal, ...]] = {}
    for item in balances:
        key, amounts = (item.company, item.currency), _amounts(item)
        totals[key] = tuple(one + other for one, other in zip(totals.get(key, (Decimal(0),) * len(amounts)), amounts, strict=True))
    return totals


def _amounts(item: Balance) -> tuple[Decimal, ...]:
    return item.paid, item.written, item.posted, item.parked, item.unknown, item.resolved, item.difference


# --- connections -----------------------------------------------------------------------------------------------------------------


@lines_of.register
def _listing(result: Listing) -> list[str]:
    if not result.connections:
        return ["There is no connection yet: python -m sync connections add FILE"]
    columns = [Column("id"), Column("name", wraps=True), Column("now"), Column("companies", wraps=True)]
    columns.append(Column("D365 and AvidXchange", wraps=True))
    rows = [
        [
            item.id,
            item.error or item.name,
            "not valid" if item.error else "paused" if item.paused else "active",
            ", ".join(item.companies),
            f"{item.d365_host} {item.avidxchange_host}".strip(),
        ]
        for item in result.connections
    ]
    return table(columns, rows)


@lines_of.register
def _listed(result: Listed) -> list[str]:
    return [
        f"{result.id} ({result.name}) is valid: {counted(len(result.companies), 'company', 'companies')}, {', '.join(result.companies)}."
    ]


@lines_of.register
def _added(result: Added) -> list[str]:
    return [
        f"{result.id} ({result.name}) is stored: {counted(len(result.companies), 'company', 'companies')}, {', '.join(result.companies)}.",
        f"See whether it fits: python -m sync ping {result.id}",
    ]


@lines_of.register
def _shown(result: Shown) -> list[str]:
    return [_indented(result.document), *(paragraph(result.error, first="Not valid: ") if result.error else [])]


def _indented(document: str) -> str:
    """JSON as a person reads it; what is no JSON stays as it is."""
    try:
        return json.dumps(json.loads(document), indent=2, ensure_ascii=False)
    except ValueError:
        return document


@lines_of.register
def _removed(result: Removed) -> list[str]:
    if not result.was_there:
        return [f"There was no connection {result.id}."]
    return [f"{result.id} is removed. Its ledger and its audit trail are kept."]

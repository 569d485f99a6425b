"""The list of failures as an AP clerk reads it: what to look at first, what is wrong, what to do, who does it, which documents wait."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Final

from sync.cause_kinds import RANKS
from sync.connections.document import STAGES
from sync.ledger.model import NO_COMPANY, State
from sync.verbs.failures import Example, Failures, Group
from sync.verbs.tables import counted, money, paragraph

SUBJECTS: Final = 5
"""Things to mend that are shown of one cause, unless that cause was asked for or must be looked at first."""
BODY: Final = 600
"""Characters of a poison message that are shown."""
DOCUMENTS: Final = frozenset({"invoices", "payments"})
STATES: Final[Mapping[str, str]] = {
    State.FOUND: "not looked at yet",
    State.PARKED: "waiting",
    State.RETRYING: "being tried again",
    State.CLAIMED: "being sent",
    State.UNKNOWN: "sent, outcome not known yet",
    State.WRITTEN: "in D365, not posted",
    State.POSTED: "posted in D365",
    State.ADOPTED: "entered in D365 by hand",
    State.RESOLVED: "closed by a person before",
}
"""Where a document stands, for a person."""


def failures_text(result: Failures) -> list[str]:
    """Rank by rank under its heading; cause by cause with its remedy once; under it the things to mend with some of their documents."""
    if not result.groups:
        return ["Nothing fails: no document waits, no stage is stuck, no message was left over."]
    things = counted(len(result.groups), "thing")
    lines = [f"{counted(result.records, 'case')}, {things} to mend or to know. What to look at first stands first."]
    for rank, of_rank in groupby(result.groups, key=lambda group: group.rank):
        lines += ["", f"== {RANKS[rank]}"]
        for _, of_cause in groupby(of_rank, key=lambda group: group.code):
            lines += ["", *_cause([*of_cause], result)]
    return [*lines, *_closing(result)]


def _closing(result: Failures) -> list[str]:
    if result.cause:
        return []
    named = {group.connection for group in result.groups}
    connection = named.pop() if len(named) == 1 else "CONNECTION"
    return ["", *paragraph(f"Every document of one kind, by the name in brackets: python -m sync failures {connection} --cause NAME")]


def _cause(groups: Sequence[Group], result: Failures) -> list[str]:
    first, total = groups[0], result.totals[groups[0].code]
    lines = paragraph(f"{first.title}: {counted(total.count, 'case')}{_sum(total.amounts)} [{first.code}]", rest="  ")
    lines += paragraph(first.remedy, first="  To do: ") + paragraph(first.who, first="  Who:   ")
    most = SUBJECTS if first.rank and not result.cause else len(groups)
    many_connections = len({group.connection for group in result.groups}) > 1
    for group in groups[:most]:
        lines += _subject(group, many_connections)
    if len(groups) > most:
        rest = groups[most:]
        lines.append(f"  and {counted(len(rest), 'more thing')} like these, with {counted(sum(group.count for group in rest), 'case')}")
    return lines


def _subject(group: Group, many_connections: bool) -> list[str]:
    """One thing to mend. What holds up one document only needs no heading of its own: the document's sentence says it."""
    lines, indent = list[str](), "  "
    if group.count > 1:
        companies = ", ".join(company for company in group.companies if company != NO_COMPANY)
        where = f" in {companies}" if companies else ""
        head = f"{group.subject}{where}: {counted(group.count, 'case')}{_sum(group.amounts)} since {group.since:%Y-%m-%d}"
        lines, indent = paragraph(head, first="  ", rest="    "), "    "
    for example in group.examples:
        lines += paragraph(_document(group.code, example, many_connections), first=f"{indent}- ") + _message(example, indent)
    left = group.count - len(group.examples)
    return [*lines, f"{indent}- and {left:,} more"] if left > 0 else lines


def _document(code: str, example: Example, many_connections: bool) -> str:
    company = "" if example.company == NO_COMPANY else example.company
    connection = example.connection if many_connections else ""
    where = ", ".join(part for part in (connection, company, _state(code, example), f"since {example.since:%Y-%m-%d}") if part)
    amount = "" if example.amount is None else f", {money(example.amount) or '0.00'} {example.currency}"
    return f"{example.label}{amount} ({where}): {example.sentence}"


def _message(example: Example, indent: str) -> list[str]:
    """The body of a poison message on one line, and how it is closed: all messages of a queue have the same label."""
    if not example.body:
        return []
    shown = example.body if len(example.body) <= BODY else f"{example.body[:BODY]}… ({len(example.body)} characters, all of it with --json)"
    body = "".join(letter if letter.isprintable() else "\ufffd" for letter in " ".join(shown.split()))
    return [
        *paragraph(f"body: {body}", first=f"{indent}  "),
        f"{indent}  close it: python -m sync resolve {example.connection} --record {example.key}",
    ]


def _state(code: str, example: Example) -> str:
    """A vendor or a code that is written is in AvidXchange; trouble of a stage or a message has no place of its own."""
    if code == "written-gone":
        return "was in D365"
    if example.stage in DOCUMENTS or example.state != State.WRITTEN:
        return STATES.get(example.state, example.state) if example.stage in STAGES else ""
    return "in AvidXchange"


def _sum(amounts: Mapping[str, Decimal]) -> str:
    said = " and ".join(f"{money(amount) or '0.00'} {currency}" for currency, amount in amounts.items())
    return f", {said}" if said else ""

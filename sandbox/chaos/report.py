"""What a person sees of chaos: a row per round, its totals, and every problem with the command that repeats its round."""

from collections import Counter
from collections.abc import Sequence

from sandbox.chaos.plan import KINDS
from sandbox.chaos.round import Outcome


def table(outcomes: Sequence[Outcome]) -> str:
    """The rounds in a plain table, then what was wrong."""
    notes = [*outcomes[0].notes]
    head = ["seed", *KINDS, "storage faults", "requests", *notes, "calm after", "result"]
    rows = [head, *(_row(outcome, notes) for outcome in outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([*lines, "", *_problems(outcomes)])


def _row(outcome: Outcome, notes: Sequence[str]) -> list[str]:
    times = Counter(event.kind for event, _ in outcome.done)
    return [
        str(outcome.seed),
        *(str(times[kind]) for kind in KINDS),
        str(outcome.storage_faults),
        str(outcome.requests),
        *(str(outcome.notes[note]) for note in notes),
        f"{outcome.calm_seconds:.0f} s",
        f"{len(outcome.problems)} problems" if outcome.problems else "agrees",
    ]


def _problems(outcomes: Sequence[Outcome]) -> list[str]:
    wrong = [outcome for outcome in outcomes if outcome.problems]
    if not wrong:
        return [f"Rounds: {len(outcomes)}. Lost, doubled or in doubt: nothing."]
    lines = []
    for outcome in wrong:
        lines.append(f"python3 dev.py chaos --seed {outcome.seed} --events {len(outcome.done)}")
        lines += [f"  {problem}" for problem in outcome.problems]
    return lines

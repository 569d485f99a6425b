"""The kept page: the score by area, and every survivor with what a person thinks of it."""

import subprocess
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.mutation.mutants import AREAS, Mutant
from bench.mutation.trial import BUDGET_SECONDS, Outcome

WIDTH: Final = 150
"""A changed line that is longer is shown around its change only."""
BEGINNINGS: Final = ("equivalent because ", "accepted because ")
HEAD: Final = """# Whether the tests bite

Made by `python -m bench.mutation --sample {sample} --seed {seed} --report`; what is thought of survivors is in
`bench/mutation/judgements.toml`.

Small faults are put into the code that moves money, one at a time: a comparison turned or moved by one, a condition fixed, a clause, an
argument, an element, a statement or an `except` lost, a constant or a text without blanks changed. For each, the tests that run that line
are run in a process of their own (no server, no emulator), the likeliest and quickest first, up to the first that fails; a test that takes
ten times its usual time counts as failed. A fault that lives through {budget:.0f} s of tests counts as survived. The seed decides which
faults are tried, area by area. The score is the killed and timed out ones among all that were tried; survivors that are equivalent to the
right code count against it.

Commit {commit}, {date}, sample {sample}, seed {seed}. **Score: {score:.1f}%.**
"""


@dataclass(frozen=True)
class Result:
    """A mutant of the sample and what became of it."""

    mutant: Mutant
    outcome: Outcome

    @property
    def survived(self) -> bool:
        """Whether no test noticed it."""
        return self.outcome.verdict == "survived"


def read_judgements(path: Path) -> dict[str, str]:
    """What people think of survivors, by the mutant's key. Raises ValueError for one that begins otherwise than it must."""
    table = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    found = {key: str(text) for key, text in table.items()}
    for key, text in found.items():
        if not text.startswith(BEGINNINGS):
            raise ValueError(f"{path.name}: the judgement of {key} begins with neither of: {', '.join(BEGINNINGS)}.")
    return found


def unjudged(results: Iterable[Result], judgements: Mapping[str, str]) -> list[str]:
    """A sentence for each survivor without a judgement."""
    found = [result.mutant for result in results if result.survived and result.mutant.key not in judgements]
    return [f"{mutant.key}  {mutant.path}:{mutant.line} {mutant.operator}\n{difference(mutant)}" for mutant in found]


def score(results: Sequence[Result]) -> float:
    """Percent of the mutants that a test noticed."""
    return 100 * sum(not result.survived for result in results) / max(1, len(results))


def difference(mutant: Mutant) -> str:
    """The changed line before and after, as a diff."""
    before, after = _around(mutant.before, mutant.after), _around(mutant.after, mutant.before)
    return f"- {before}\n+ {after}"


def _around(line: str, other: str) -> str:
    if len(line) <= WIDTH:
        return line
    same = next((place for place, (one, two) in enumerate(zip(line, other, strict=False)) if one != two), 0)
    start = max(0, same - WIDTH // 2)
    end = start + WIDTH
    return ("… " if start else "") + line[start:end] + (" …" if end < len(line) else "")


def page(results: Sequence[Result], judgements: Mapping[str, str], size: int, seed: int, root: Path) -> str:
    """The page as Markdown."""
    head = HEAD.format(
        sample=size, seed=seed, commit=commit(root), date=datetime.now(UTC).date(), score=score(results), budget=BUDGET_SECONDS
    )
    return "\n".join([head, *_scores(results), "", *_survivors(results, judgements)]) + "\n"


def commit(root: Path) -> str:
    """The commit of the code, marked when something in it or its tests differs."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=root, check=True, capture_output=True, text=True).stdout.strip()

    changed = git("status", "--porcelain", "--", "sync", "tests", "sandbox")
    return git("rev-parse", "--short=10", "HEAD") + (" with changes" if changed else "")


def _scores(results: Sequence[Result]) -> list[str]:
    rows = ["| area | files | tried | killed | timed out | survived | score |", "|---|---|---|---|---|---|---|"]
    for area in AREAS:
        own = [result for result in results if result.mutant.area == area.name]
        paths = sorted({result.mutant.path for result in own})
        rows += [_row(area.name, own), *(_row("", [result for result in own if result.mutant.path == path], f"`{path}`") for path in paths)]
    return [*rows, _row("**all**", results)]


def _row(name: str, results: Sequence[Result], path: str = "") -> str:
    verdicts = [result.outcome.verdict for result in results]
    counts = [str(verdicts.count(verdict)) for verdict in ("killed", "timed out", "survived")]
    return f"| {name} | {path} | {len(results)} | {' | '.join(counts)} | {score(results):.1f}% |"


def _survivors(results: Sequence[Result], judgements: Mapping[str, str]) -> list[str]:
    lines = ["## Survivors, and what is thought of them", ""]
    for mutant in (result.mutant for result in results if result.survived):
        judgement = judgements.get(mutant.key, "**not judged**")
        lines += [f"`{mutant.path}:{mutant.line}` {mutant.scope} ({mutant.operator}, {mutant.key}): {judgement}", ""]
        lines += ["```diff", difference(mutant), "```", ""]
    return lines[:-1]

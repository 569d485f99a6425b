"""What became of each mutant, in a file with one line each, so that a run goes on where it was stopped and repeats nothing that holds.

A verdict holds while the function around the mutant is the same, and the test that killed it (of a survivor: every test that runs it).
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from bench.mutation.mutants import Mutant
from bench.mutation.trial import Outcome


@dataclass(frozen=True)
class Verdict:
    """`mutant` is its key; `source` and `tests` identify what the verdict rests on."""

    mutant: str
    path: str
    verdict: str
    by: str
    source: str
    tests: str


def basis(outcome: Outcome, tests: Sequence[str], files: Mapping[str, str]) -> str:
    """The digest of the test files that the outcome rests on; `files` are the digests of all of them."""
    resting = [outcome.by] if outcome.by else tests
    names = sorted({test.partition("::")[0] for test in resting})
    return sha256(json.dumps([[name, files.get(name, "")] for name in names]).encode()).hexdigest()[:12]


class Verdicts:
    """The file of verdicts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        self._known = {verdict.mutant: verdict for verdict in (Verdict(**json.loads(line)) for line in lines)}

    def get(self, mutant: Mutant, tests: Sequence[str], files: Mapping[str, str]) -> Outcome | None:
        """What is known of a mutant and still holds. `tests` are those that could notice it."""
        known = self._known.get(mutant.key)
        if known is None or known.source != mutant.source:
            return None
        outcome = Outcome(known.verdict, known.by)
        return outcome if known.tests == basis(outcome, tests, files) else None

    def add(self, mutant: Mutant, outcome: Outcome, tests: Sequence[str], files: Mapping[str, str]) -> None:
        """Keep a verdict at once."""
        verdict = Verdict(mutant.key, mutant.path, outcome.verdict, outcome.by, mutant.source, basis(outcome, tests, files))
        self._known[mutant.key] = verdict
        with self._path.open("a", encoding="utf-8") as file:
            print(json.dumps(asdict(verdict)), file=file)

    def keep_only(self, mutants: Iterable[Mutant]) -> None:
        """Write the file anew with these, in their order."""
        lines = [json.dumps(asdict(self._known[mutant.key])) for mutant in mutants if mutant.key in self._known]
        self._path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def kills(self) -> dict[str, Counter[str]]:
        """For each file of the product, how many of its mutants each test killed."""
        found: dict[str, Counter[str]] = {}
        for verdict in self._known.values():
            if verdict.by:
                found.setdefault(verdict.path, Counter())[verdict.by] += 1
        return found

"""A run over a sample of mutants."""

import ast
import gc
import importlib
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.mutation.footprints import Footprints, footprints
from bench.mutation.mutants import Mutant
from bench.mutation.trial import Outcome, tests_for, try_out
from bench.mutation.verdicts import Verdicts


@dataclass
class Campaign:
    """`root` holds the product and its tests, `cache` what can be made anew, `verdicts` what is kept."""

    root: Path
    cache: Path
    verdicts: Verdicts

    def run(self, sample: Sequence[Mutant], targets: Sequence[str]) -> dict[str, Outcome]:
        """The outcome of each mutant of the sample, by its key. Those that are known already are not tried again."""
        self.cache.mkdir(parents=True, exist_ok=True)
        prints = footprints(self.root, targets, self.cache / "footprints.json")
        for test in prints.failed:
            print(f"Left out, because it fails without any fault: {test}")
        _import_libraries(prints)
        importers = importers_of(self.root, targets)
        kills = self.verdicts.kills()
        outcomes: dict[str, Outcome] = {}
        for number, mutant in enumerate(sample, 1):
            tests = tests_for(mutant, prints, importers.get(mutant.path, ()), kills.get(mutant.path, {}))
            outcome = self.verdicts.get(mutant, tests, prints.files)
            if outcome is None:
                start = time.monotonic()
                outcome = self._tried(mutant, tests, prints, kills)
                print(_line(number, len(sample), mutant, outcome, time.monotonic() - start), flush=True)
            outcomes[mutant.key] = outcome
        return outcomes

    def _tried(self, mutant: Mutant, tests: Sequence[str], prints: Footprints, kills: dict[str, Counter[str]]) -> Outcome:
        outcome = try_out(mutant, self.root, tests, prints, str(self.cache / "pytest"))
        self.verdicts.add(mutant, outcome, tests, prints.files)
        if outcome.by:
            kills.setdefault(mutant.path, Counter())[outcome.by] += 1
        return outcome


def _import_libraries(prints: Footprints) -> None:
    """What every child needs and no fault touches is imported once, here."""
    for name in prints.modules:
        with suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()


def _line(number: int, count: int, mutant: Mutant, outcome: Outcome, seconds: float) -> str:
    place = f"{mutant.path}:{mutant.line} {mutant.operator}"
    return f"[{number}/{count}] {outcome.verdict:9} {seconds:5.1f} s  {place}" + (f"  by {outcome.by}" if outcome.by else "")


def importers_of(root: Path, targets: Sequence[str]) -> dict[str, list[str]]:
    """For each file, the others that import it."""
    names = {path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in targets}
    found: dict[str, list[str]] = {}
    for path in targets:
        for node in ast.walk(ast.parse((root / path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                for name in {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)} & names.keys():
                    found.setdefault(names[name], []).append(path)
    return found

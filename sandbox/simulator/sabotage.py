"""Does the simulator bite? Breaks the product in the ways of `sabotages.py`, each in a process of its own, and plays seeds.

    python -m sandbox.simulator.sabotage                  every sabotage: the seed that stands in the list, or else up to 100 seeds
    python -m sandbox.simulator.sabotage --search         look for the first seed that shows it, whatever the list says
    python -m sandbox.simulator.sabotage --only "NAME"    this one alone
    --jobs J                                              so many side by side
    --report FILE                                         keep what was seen in FILE, for docs/reliability.md

Exit code 0 only when each was caught. The product's files are never touched: the swap is made when the module is imported.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Final

from sandbox.simulator.sabotages import SABOTAGES, Sabotage

ROOT: Final = Path(__file__).resolve().parents[2]
MOST_SEEDS: Final = 100
HASHES: Final = {"PYTHONHASHSEED": "0"}


@dataclass(frozen=True)
class Caught:
    """What a sabotage did: the seed that showed it (None: none did) and the violation."""

    sabotage: Sabotage
    seed: int | None
    violation: str


class Saboteur(MetaPathFinder):
    """Finds one module with its text swapped."""

    def __init__(self, sabotage: Sabotage) -> None:
        self._sabotage = sabotage

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The module, with a loader that swaps; None for every other module."""
        if fullname != self._sabotage.module:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        assert spec is not None
        assert spec.origin is not None
        spec.loader = _Swapping(fullname, spec.origin, self._sabotage)
        return spec


class _Swapping(SourceFileLoader):
    """Loads a module's text with the swaps made."""

    def __init__(self, fullname: str, path: str, sabotage: Sabotage) -> None:
        super().__init__(fullname, path)
        self._sabotage = sabotage

    def get_code(self, fullname: str) -> object:  # type: ignore[override]  # the base names a private type of the interpreter
        """Compiled from the swapped text, without a cache."""
        return compile(swapped(self._sabotage, Path(self.path).read_text(encoding="utf-8")), self.path, "exec")


def swapped(sabotage: Sabotage, text: str) -> str:
    """The module's text, broken. ValueError when a text to be swapped does not stand there exactly once."""
    for old, new in sabotage.swaps:
        if text.count(old) != 1:
            raise ValueError(f"{sabotage.name}: {sabotage.module} holds {old!r} {text.count(old)} times, not once")
        text = text.replace(old, new)
    return text


def play_broken(name: str, seeds: Sequence[int]) -> int:
    """In a fresh process: break the product, then play seeds until one shows it. Prints seed and violation; 0 when one did."""
    sabotage = named(name)
    sys.meta_path.insert(0, Saboteur(sabotage))
    from sandbox.simulator.campaign import Job, played  # noqa: PLC0415 - only now, so that the product is imported broken

    for seed in seeds:
        outcome = played(Job(seed=seed, flow=sabotage.flow))
        if outcome.violation:
            print(f"{seed}\t{outcome.violation[:300]!r}")
            return 0
    return 1


def named(name: str) -> Sabotage:
    """The sabotage of that name."""
    return next(sabotage for sabotage in SABOTAGES if sabotage.name == name)


def catch(sabotage: Sabotage, *, search: bool = False) -> Caught:
    """Play it in a process of its own."""
    known = sabotage.seed is not None and not search
    seeds = [str(sabotage.seed)] if known else [str(seed) for seed in range(MOST_SEEDS)]
    command = [sys.executable, "-m", "sandbox.simulator.sabotage", "--play", sabotage.name, *seeds]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **HASHES}, capture_output=True, text=True, check=False)
    seed, _, violation = done.stdout.strip().rpartition("\n")[-1].partition("\t")
    return Caught(sabotage, int(seed), violation) if done.returncode == 0 else Caught(sabotage, None, done.stderr[-500:])


def main(arguments: Sequence[str]) -> int:
    """The command. Returns the exit code."""
    parser = argparse.ArgumentParser(description="Breaks the product in known ways and shows that the simulator notices.")
    parser.add_argument("--search", action="store_true")
    parser.add_argument("--only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--play", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.play:
        return play_broken(options.play[0], [int(seed) for seed in options.play[1:]])
    chosen = [named(options.only)] if options.only else SABOTAGES
    results: list[Caught] = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for caught in pool.map(lambda item: catch(item, search=options.search), chosen):
            results.append(caught)
            print(
                f"{caught.sabotage.name:64} {'NOT CAUGHT' if caught.seed is None else f'seed {caught.seed}'}  {caught.violation[:110]}",
                flush=True,
            )
    missed = [caught for caught in results if caught.seed is None]
    print(f"{len(results) - len(missed)} of {len(results)} caught")
    if options.report:
        options.report.write_text(json.dumps([_kept(caught) for caught in results], indent=1) + "\n", encoding="utf-8")
    return 1 if missed else 0


def _kept(caught: Caught) -> dict[str, str | int | None]:
    return {"name": caught.sabotage.name, "module": caught.sabotage.module, "seed": caught.seed, "violation": caught.violation.strip("'\"")}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

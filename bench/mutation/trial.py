"""The trial of one mutant: a child process in which one module is the mutated one, and the tests that run its line."""

import importlib.abc
import importlib.util
import resource
import signal
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from itertools import accumulate
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final

from bench.mutation import session
from bench.mutation.footprints import Footprints, file_of
from bench.mutation.mutants import Mutant, mutated
from bench.mutation.process import fork

FIRST: Final = 30
"""Tests that are tried before the files of the others are even imported."""
BUDGET_SECONDS: Final = 20.0
"""A mutant that lives through so much of the quickest tests counts as survived, which errs on the side of a lower score."""
LIMIT_FACTOR: Final = 10
LIMIT_SECONDS: Final = 2.0
MEMORY: Final = 3 * 2**30
TOO_LONG: Final = (signal.SIGVTALRM, signal.SIGALRM)


@dataclass(frozen=True)
class Outcome:
    """`verdict` is killed, timed out or survived; `by` the test that ended it, "" when the module could not even be imported."""

    verdict: str
    by: str = ""


class _Loader(SourceFileLoader):
    """Loads a module from code that is given."""

    def __init__(self, name: str, path: str, code: CodeType) -> None:
        super().__init__(name, path)
        self._code = code

    def get_code(self, fullname: str) -> CodeType:
        """The given one."""
        return self._code


class Finder(importlib.abc.MetaPathFinder):
    """Finds one module as it is not on disk."""

    def __init__(self, name: str, path: Path, code: CodeType) -> None:
        self._name = name
        self._path = path
        self._code = code

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """For that one module."""
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._path, loader=_Loader(fullname, str(self._path), self._code))


def try_out(mutant: Mutant, root: Path, tests: Sequence[str], prints: Footprints, cache: str) -> Outcome:
    """Run the tests up to the first that fails."""
    end = fork(lambda path: _run(mutant, root, tests, prints, path, cache))
    by = end.left.splitlines()[-1] if end.left else ""
    if end.signal in TOO_LONG:
        return Outcome("timed out", by)
    if end.code == 70:
        raise RuntimeError(f"The trial of {mutant.path}:{mutant.line} did not work.")
    return Outcome("killed", by) if end.code or end.signal else Outcome("survived")


def _run(mutant: Mutant, root: Path, tests: Sequence[str], prints: Footprints, log: Path, cache: str) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    session.prepare(root)
    path = root / mutant.path
    code = compile(mutated(path.read_text(encoding="utf-8"), mutant.index), str(path), "exec")
    name = mutant.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    sys.meta_path.insert(0, Finder(name, path, code))
    with log.open("a", encoding="utf-8") as writer:

        def began(test: str) -> None:
            print(test, file=writer, flush=True)

        for part in (tests[:FIRST], tests[FIRST:]):
            failed = bool(part) and _part(part, prints, began, cache)
            if failed:
                return 1
    return 0


def _part(tests: Sequence[str], prints: Footprints, began: Callable[[str], None], cache: str) -> bool:
    files = list(dict.fromkeys(map(file_of, tests)))
    plugin = session.Ordered(tests, lambda test: LIMIT_SECONDS + LIMIT_FACTOR * prints.tests[test].seconds, began)
    return session.run(files, plugin, cache) not in {0, 5}


def tests_for(mutant: Mutant, prints: Footprints, importers: Sequence[str], kills: Mapping[str, int]) -> list[str]:
    """The tests that can notice a mutant, the likeliest and quickest first. `kills` counts what tests killed in the same file.

    They run its line; or, where no line of its own is run by a test (it is run by the import, or is a constant), its function, its file,
    or what imports its file.
    """
    path, unit = mutant.path, mutant.unit
    ways: tuple[Callable[[], list[str]], ...] = (
        lambda: prints.running(path, unit, mutant.offset),
        lambda: prints.running(path, unit),
        lambda: prints.touching([path]),
        lambda: prints.touching(importers),
    )
    found = next((tests for way in ways if (tests := way())), [])
    prices = _prices(found, prints, path)
    ordered = sorted(found, key=lambda test: (-kills.get(test, 0), prices[test], test))
    spent = accumulate(prints.tests[test].seconds for test in ordered)
    tests = [test for test, seconds in zip(ordered, spent, strict=True) if seconds <= BUDGET_SECONDS]
    return _by_file(tests[:FIRST]) + _by_file(tests[FIRST:])


def _prices(tests: Sequence[str], prints: Footprints, path: str) -> dict[str, float]:
    """What each test costs, the second case of a test counting twice, the third three times: different tests are more likely to notice."""
    nth: Counter[str] = Counter()
    prices = {}
    for test in sorted(tests, key=lambda test: prints.tests[test].price(path)):
        nth[test.partition("[")[0]] += 1
        prices[test] = prints.tests[test].price(path) * nth[test.partition("[")[0]]
    return prices


def _by_file(tests: Sequence[str]) -> list[str]:
    """Each file's together: what a file sets up once for its tests must not be set up again and again."""
    places = {file: place for place, file in enumerate(dict.fromkeys(map(file_of, tests)))}
    return sorted(tests, key=lambda test: places[file_of(test)])

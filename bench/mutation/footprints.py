"""Which test runs which lines of the code that is tried, and how long each test takes: made once, renewed for test files that changed."""

import json
import re
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import FrameType
from typing import Any, Final

import pytest

from bench.mutation import session
from bench.mutation.mutants import units_of
from bench.mutation.process import in_child

Line = tuple[str, int]
TraceFunction = Callable[[FrameType, str, Any], Any]
TOGETHER: Final = 12
"""So many test files are run by one process, after which what it found is kept."""
ELSEWHERE: Final = ("tests/bench", "tests/infra", "tests/sandbox", "tests/simulator", "tests/test_dev.py", "tests/test_docs.py")
"""Tests of other things than the product, and simulations: they play in processes of their own, which a fault does not reach."""


@dataclass
class Footprint:
    """One test: its seconds, and what it runs: by file and function (`Class.name`), the lines from the function's first on."""

    seconds: float
    lines: dict[str, dict[str, list[int]]]

    def price(self, path: str) -> float:
        """Its seconds, the more of them counted the less of what it runs is in the file: a test of the file itself comes first."""
        functions = sum(map(len, self.lines.values()))
        return self.seconds * functions / max(1, len(self.lines.get(path, ())))


@dataclass
class Footprints:
    """All tests that run in this process. `files` are digests of the test files; `modules` the libraries that tests import; `failed` tests
    that fail as things are.

    They are kept when the product changes: lines are counted within functions, so that a change elsewhere does no harm, and at worst a
    mutant meets fewer tests than it could.
    """

    files: dict[str, str] = field(default_factory=dict)
    tests: dict[str, Footprint] = field(default_factory=dict)
    modules: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def running(self, path: str, unit: str, offset: int | None = None) -> list[str]:
        """The tests that run a function, or one of its lines."""
        found = ((name, test.lines.get(path, {}).get(unit)) for name, test in self.tests.items())
        return [name for name, lines in found if lines and (offset is None or offset in lines)]

    def touching(self, paths: Iterable[str]) -> list[str]:
        """The tests that run any line of the files."""
        wanted = set(paths)
        return [name for name, test in self.tests.items() if wanted & test.lines.keys()]


def digest(*paths: Path) -> str:
    """Of the contents of files."""
    together = sha256()
    for path in paths:
        together.update(sha256(path.read_bytes()).digest())
    return together.hexdigest()[:12]


class Recorder:
    """A plugin that watches every test."""

    def __init__(self, root: Path, targets: Iterable[str]) -> None:
        self._targets = {str(root / path): path for path in targets}
        self._units = {path: units_of((root / path).read_text(encoding="utf-8")) for path in targets}
        self._lines: set[Line] = set()
        self._of_fixtures: dict[str, set[Line]] = {}
        self.tests: dict[str, Footprint] = {}
        self.failed: list[str] = []

    def start(self) -> None:
        """From now on, in every thread."""
        threading.settrace(self._call)
        sys.settrace(self._call)

    def _call(self, frame: FrameType, _event: str, _argument: object) -> TraceFunction | None:
        return self._line if frame.f_code.co_filename in self._targets else None

    def _line(self, frame: FrameType, _event: str, _argument: object) -> TraceFunction:
        self._lines.add((self._targets[frame.f_code.co_filename], frame.f_lineno))
        return self._line

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Only what runs in this process."""
        items[:] = [item for item in items if session.runs_in_process(item)]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Note the lines and the time of one test; what a fixture of many tests ran counts for each of them."""
        self._lines = set()
        start = time.process_time()
        result = yield
        lines = self._lines.union(*(self._of_fixtures.get(name, ()) for name in getattr(item, "fixturenames", ())))
        self.tests[item.nodeid] = Footprint(round(time.process_time() - start, 3), self._by_function(lines))
        return result

    def _by_function(self, lines: Iterable[Line]) -> dict[str, dict[str, list[int]]]:
        found: dict[str, dict[str, list[int]]] = {}
        for path, line in sorted(lines):
            unit, offset = self._units[path].get(line, ("", 0))
            if unit:
                found.setdefault(path, {}).setdefault(unit, []).append(offset)
        return found

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[object]) -> Generator[None, object, object]:
        """What runs for a fixture that lives longer than one test."""
        if fixturedef.scope == "function":
            return (yield)
        before, self._lines = self._lines, set()
        result = yield
        self._of_fixtures[fixturedef.argname] = self._lines
        self._lines = before | self._lines
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test that fails without a fault proves nothing with one."""
        if report.failed:
            self.failed.append(report.nodeid)


def _libraries() -> list[str]:
    """What was imported from outside of the product, in the order of the imports."""
    return [name for name, module in [*sys.modules.items()] if "site-packages" in (getattr(module, "__file__", None) or "")]


def _record(root: Path, files: list[str], targets: Iterable[str], cache: str) -> str:
    recorder = Recorder(root, targets)
    session.prepare(root)
    recorder.start()
    code = session.run(files, recorder, cache)
    if code not in {0, 1, 5}:
        raise RuntimeError(f"pytest could not run the tests of {', '.join(files)}: exit code {code}.")
    tests = {name: [test.seconds, test.lines] for name, test in recorder.tests.items()}
    return json.dumps({"tests": tests, "failed": recorder.failed, "modules": _libraries()})


def file_of(test: str) -> str:
    """The path of a test's file."""
    return test.partition("::")[0]


def footprints(root: Path, targets: Iterable[str], store: Path, tests: str = "tests") -> Footprints:
    """Those of the store, renewed for the test files that changed."""
    names = {path.relative_to(root).as_posix(): path for path in sorted((root / tests).rglob("test_*.py"))}
    files = {name: digest(*_with_helpers(root, path)) for name, path in names.items() if not name.startswith(ELSEWHERE)}
    known = _read(store)
    stale = [name for name, value in files.items() if known.files.get(name) != value]
    for start in range(0, len(stale), TOGETHER):
        print(f"Noting which lines the tests run: file {start + 1} of {len(stale)} …", flush=True)
        part = stale[start : start + TOGETHER]
        found = json.loads(in_child(partial(_record, root, part, targets, str(store.parent / "pytest"))))
        known = _renewed(known, found, part, files)
        store.write_text(json.dumps(known, default=vars), encoding="utf-8")
    return known


def _with_helpers(root: Path, test_file: Path) -> list[Path]:
    """A test file, what it imports of the tests, and what pytest loads for its folder."""
    found = [test_file, *(folder / "conftest.py" for folder in test_file.parents if folder.is_relative_to(root))]
    for path in found:
        if path.is_file():
            names = re.findall(r"^from (tests[.\w]*) import", path.read_text(encoding="utf-8"), re.MULTILINE)
            helpers = (root / f"{name.replace('.', '/')}.py" for name in names)
            found += [helper for helper in helpers if helper not in found]
    return [path for path in found if path.is_file()]


def _renewed(known: Footprints, found: dict[str, Any], noted: Sequence[str], files: Mapping[str, str]) -> Footprints:
    def stays(test: str) -> bool:
        return file_of(test) in files and file_of(test) not in noted

    tests = {name: test for name, test in known.tests.items() if stays(name)}
    failed = [*filter(stays, known.failed), *found["failed"]]
    tests |= {name: Footprint(seconds, lines) for name, (seconds, lines) in found["tests"].items() if name not in failed and lines}
    digests = {name: value for name, value in files.items() if name in noted or known.files.get(name) == value}
    return Footprints(digests, tests, list(dict.fromkeys([*known.modules, *found["modules"]])), failed)


def _read(store: Path) -> Footprints:
    if not store.is_file():
        return Footprints()
    stored = json.loads(store.read_text(encoding="utf-8"))
    tests = {name: Footprint(**test) for name, test in stored.pop("tests").items()}
    return Footprints(**stored, tests=tests)

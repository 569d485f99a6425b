"""One run of pytest within this process, on tests in a given order, each under a limit of time."""

import os
import signal
import sys
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings

ARGUMENTS: Final = (
    *("-q", "--tb=no", "--show-capture=no", "-m", "not slow", "-p", "no:faulthandler"),
    *("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"),
)
"""Nobody reads what is printed, and what was imported before the fork stays as it is."""
WALL_FACTOR: Final = 20
"""A test that does not compute may wait this many times as long as one that computes."""


PRODUCT: Final = frozenset({"sync", "sandbox", "tests", "function_app"})


def prepare(root: Path) -> None:
    """Work in the folder `root`, with nothing of the product imported from elsewhere. Hypothesis takes the same examples each time."""
    os.chdir(root)
    for name in [name for name in sys.modules if name.partition(".")[0] in PRODUCT]:
        del sys.modules[name]
    settings.register_profile("mutation", derandomize=True, database=None, deadline=None, suppress_health_check=[*HealthCheck])
    settings.load_profile("mutation")


def run(files: Sequence[str], plugin: object, cache: str) -> int:
    """pytest's exit code."""
    return int(pytest.main([*ARGUMENTS, "-o", f"cache_dir={cache}", *files], plugins=[plugin]))


def runs_in_process(item: pytest.Item) -> bool:
    """Whether a test needs no server beside it."""
    values = item.callspec.params.values() if isinstance(item, pytest.Function) and hasattr(item, "callspec") else ()
    return "azurite" not in getattr(item, "fixturenames", ()) and "azurite" not in map(str, values)


class Ordered:
    """A plugin that runs the given tests in their order up to the first that fails. `began` is told of each."""

    def __init__(self, tests: Sequence[str], limit: Callable[[str], float], began: Callable[[str], Any]) -> None:
        self._tests = tests
        self._limit = limit
        self._began = began

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Keep what is wanted, in order."""
        session.config.option.maxfail = 1
        found = {item.nodeid: item for item in items}
        items[:] = [found[test] for test in self._tests if test in found]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """End the process when the test takes too long, in time of the processor or, where it only waits, of the clock."""
        self._began(item.nodeid)
        seconds = self._limit(item.nodeid)
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
        signal.setitimer(signal.ITIMER_REAL, seconds * WALL_FACTOR)
        try:
            return (yield)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)

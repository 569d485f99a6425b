"""What several test files share: one Azurite for the whole run, and names by which tests on it stay apart."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from sandbox.azurite import Azurite

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

HERE = Path(__file__).parent
WHOLE = (
    *("proof", "stages", "verbs", "contract", "sandbox", "storage", "ledger", "infra"),
    *("engine/test_full_cycle.py", "avid/test_against_sandbox.py", "avid/test_fuzz.py", "avid/test_bounds.py", "d365/test_fuzz.py"),
    *("simulator/test_simulation.py", "simulator/test_sabotage.py", "load"),
)
"""Tests that run whole cycles, servers, storage emulators or fuzzers. `dev.py check` leaves them to `dev.py test`."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what belongs to `WHOLE`."""
    for item in items:
        if item.path.relative_to(HERE).as_posix().startswith(WHOLE):
            item.add_marker("whole")


@pytest.fixture(scope="session")
def azurite() -> Iterator[str]:
    """The connection string of a running Azurite, started by the first test that asks for it and shared by all."""
    with Azurite() as server:
        yield server.connection_string


@pytest.fixture
def unique_prefix() -> str:
    """A new name, 13 lower-case letters and digits starting with a letter: valid in front of table, queue and container names."""
    return "t" + uuid.uuid4().hex[:12]

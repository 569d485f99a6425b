"""What several test files share: one Azurite for the whole run, and names by which tests on it stay apart."""

import uuid
from collections.abc import Iterator

import pytest

from sandbox.azurite import Azurite


@pytest.fixture(scope="session")
def azurite() -> Iterator[str]:
    """The connection string of a running Azurite, started by the first test that asks for it and shared by all."""
    with Azurite() as server:
        yield server.connection_string


@pytest.fixture
def unique_prefix() -> str:
    """A new name, 13 lower-case letters and digits starting with a letter: valid in front of table, queue and container names."""
    return "t" + uuid.uuid4().hex[:12]

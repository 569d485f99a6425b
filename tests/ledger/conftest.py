"""Ledgers over the local storage, and over both kinds for what depends on the real protocol."""

from collections.abc import Iterator

import pytest

from sandbox.storage import LocalStorage
from sync.storage.azure import open_storage
from sync.storage.names import ensure
from sync.storage.patient import patient
from tests.ledger.bench import Bench, local_bench
from tests.storage.support import CountedIds, HandClock, NoChance


@pytest.fixture
def parts() -> tuple[Bench, LocalStorage]:
    """A bench over the local storage, and that storage for its hooks."""
    return local_bench()


@pytest.fixture
def bench(parts: tuple[Bench, LocalStorage]) -> Bench:
    """A bench over the local storage."""
    return parts[0]


@pytest.fixture
def storage(parts: tuple[Bench, LocalStorage]) -> LocalStorage:
    """The storage under `bench`."""
    return parts[1]


@pytest.fixture(params=["local", "azurite"])
def either(request: pytest.FixtureRequest, unique_prefix: str) -> Iterator[Bench]:
    """A bench over the local storage, then one over Azurite as the product opens it."""
    if request.param == "local":
        yield local_bench()[0]
        return
    raw = open_storage(connection_string=request.getfixturevalue("azurite"))
    ensure(raw)
    clock = HandClock()
    opened = patient(raw, clock.sleep, NoChance(), CountedIds())
    yield Bench(opened.tables, opened.queues, opened.blobs, clock, unique_prefix)

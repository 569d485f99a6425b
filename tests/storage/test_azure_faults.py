"""Storage's own faults on real sockets, through the real SDKs: what an earlier attempt wrote is recognised, and done once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from azure.storage.queue import QueueClient

from sandbox.azurite import Azurite
from sandbox.azurite.forwarder import Forwarder
from sandbox.faults import Fault, gateway
from sync.errors import StorageConflict
from sync.storage.azure import open_storage
from sync.storage.model import Blob, Delete, Insert, Replace, Row, Upsert
from sync.storage.patient import Opened, Patient, patient
from sync.system import SystemIds, SystemRandomness, system_sleep

READ_SECONDS = 0.5
"""The client's patience, so that an answer beyond it does not hold the tests up."""


@dataclass
class Account:
    """A patient client behind the forwarder, a plain view past it, and a name that nobody else uses."""

    forwarder: Forwarder
    storage: Patient
    clean: Patient
    past: str
    name: str


@pytest.fixture(scope="module")
def forwarder() -> Iterator[tuple[Forwarder, str]]:
    with Azurite() as azurite, Forwarder(azurite) as way:
        yield way, azurite.connection_string


@pytest.fixture
def account(forwarder: tuple[Forwarder, str], unique_prefix: str) -> Account:
    way, past = forwarder
    way.faults.clear()
    way.hanging.clear()
    raw = open_storage(connection_string=past)
    for service in (raw.tables, raw.queues, raw.blobs):
        service.create(unique_prefix)
    spoilt = open_storage(connection_string=way.connection_string, read_seconds=READ_SECONDS)
    return Account(way, persisting(spoilt), persisting(raw), past, unique_prefix)


def persisting(raw: Opened) -> Patient:
    return patient(raw, system_sleep, SystemRandomness(), SystemIds())


def reset_before(host: str, method: str) -> Fault:
    return Fault("drop_request", host, method)


def reset_after(host: str, method: str) -> Fault:
    return Fault("drop_reply", host, method)


def cut_answer(host: str, method: str) -> Fault:
    return Fault("cut_reply", host, method)


def busy_before(host: str, method: str) -> Fault:
    return gateway(503, host, method=method)


def broken_after(host: str, method: str) -> Fault:
    return gateway(500, host, method=method, effect=True)


def late(host: str, method: str) -> Fault:
    return Fault("late_effect", host, method, delay=timedelta(0))


FAULTS = (reset_before, reset_after, cut_answer, busy_before, broken_after)
Spoil = Callable[[str, str], Fault]


@pytest.fixture(params=[*FAULTS, "hanging"], ids=lambda kind: kind if isinstance(kind, str) else kind.__name__)
def spoil(request: pytest.FixtureRequest, account: Account) -> Iterator[Callable[[str, str], None]]:
    """Spoils the next request of a method to a service; at the end it must have happened."""
    plans = (account.forwarder.faults, account.forwarder.hanging)

    def plan(host: str, method: str) -> None:
        if request.param == "hanging":
            account.forwarder.hanging.add(Fault("drop_reply", host, method, delay=timedelta(seconds=2 * READ_SECONDS)))
        else:
            account.forwarder.faults.add(request.param(host, method))

    yield plan
    assert sum(len(each.fired) for each in plans) == 1
    assert [each.unfired for each in plans] == [[], []]


Plan = Callable[[str, str], None]


def rows(account: Account) -> dict[str, object]:
    return {row.key: row.values["A"] for row in account.clean.tables.scan(account.name, "p")}


def test_rows_are_inserted_once_whatever_happens_on_the_way(account: Account, spoil: Plan) -> None:
    spoil("table", "POST")
    etags = account.storage.tables.commit(account.name, "p", [Insert(Row("p", "k", {"A": 1})), Upsert(Row("p", "l", {"A": 2}))])
    assert rows(account) == {"k": 1, "l": 2}
    there = account.clean.tables.get(account.name, "p", "k")
    assert there is not None
    assert there.etag == etags["k"], "the next write has the version that is there"
    with pytest.raises(StorageConflict):
        account.storage.tables.commit(account.name, "p", [Insert(Row("p", "k", {"A": 1}))])


def test_a_row_is_replaced_once_whatever_happens_on_the_way(account: Account, spoil: Plan) -> None:
    etag = account.clean.tables.commit(account.name, "p", [Insert(Row("p", "k", {"A": 1})), Insert(Row("p", "gone", {"A": 1}))])["k"]
    spoil("table", "POST")
    etags = account.storage.tables.commit(account.name, "p", [Replace(Row("p", "k", {"A": 2}, etag)), Delete("gone")])
    assert rows(account) == {"k": 2}
    account.storage.tables.commit(account.name, "p", [Replace(Row("p", "k", {"A": 3}, etags["k"]))])
    assert rows(account) == {"k": 3}


def test_a_scan_that_is_spoilt_gives_every_row_once(account: Account, spoil: Plan) -> None:
    keys = [f"k{number:04}" for number in range(1_050)]
    for start in range(0, len(keys), 100):
        account.clean.tables.commit(account.name, "p", [Insert(Row("p", key, {"A": 1})) for key in keys[start : start + 100]])
    found = account.storage.tables.scan(account.name, "p")
    first = next(found)
    spoil("table", "GET")
    assert [first.key, *(row.key for row in found)] == keys


def test_a_blob_is_made_and_replaced_whatever_happens_on_the_way(account: Account, spoil: Plan) -> None:
    spoil("blob", "PUT")
    made = account.storage.blobs.write(account.name, "b", b"one", etag="")
    assert account.clean.blobs.read(account.name, "b") == Blob(b"one", made)
    account.storage.blobs.write(account.name, "b", b"two", etag=made)
    with pytest.raises(StorageConflict):
        account.storage.blobs.write(account.name, "b", b"three", etag=made)


def test_a_block_is_appended_once_whatever_happens_on_the_way(account: Account, spoil: Plan) -> None:
    account.clean.blobs.append(account.name, "log", b"one\n")
    spoil("blob", "PUT")
    account.storage.blobs.append(account.name, "log", b"two\n")
    account.storage.blobs.append(account.name, "log", b"three\n")
    there = account.clean.blobs.read(account.name, "log")
    assert there is not None
    assert there.data == b"one\ntwo\nthree\n"


def test_the_first_block_of_a_log_is_there_once_whatever_happens_on_the_way(account: Account, spoil: Plan) -> None:
    spoil("blob", "PUT")
    account.storage.blobs.append(account.name, "log", b"one\n")
    there = account.clean.blobs.read(account.name, "log")
    assert there is not None
    assert there.data == b"one\n"


def test_a_message_arrives_at_least_once_whatever_happens_on_the_way(account: Account, spoil: Plan) -> None:
    spoil("queue", "POST")
    account.storage.queues.put(account.name, "{}")
    with QueueClient.from_connection_string(account.past, account.name) as queue:
        assert queue.get_queue_properties().approximate_message_count in (1, 2)


def test_a_row_whose_insert_takes_effect_late_is_there_once(account: Account) -> None:
    account.forwarder.faults.add(late("table", "POST"))
    account.storage.tables.commit(account.name, "p", [Insert(Row("p", "k", {"A": 1}))])
    assert account.forwarder.faults.unfired == []
    assert rows(account) == {"k": 1}


def test_anothers_row_is_never_taken_for_ours(account: Account) -> None:
    account.forwarder.faults.add(busy_before("table", "POST"))
    account.clean.tables.commit(account.name, "p", [Insert(Row("p", "k", {"A": 1}))])
    with pytest.raises(StorageConflict) as caught:
        account.storage.tables.commit(account.name, "p", [Insert(Row("p", "k", {"A": 1}))])
    assert caught.value.exists
    assert account.forwarder.faults.unfired == []

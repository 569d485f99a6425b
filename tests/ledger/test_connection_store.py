"""Connection documents: checked, stored whole whatever their length, listed even when broken."""

import json

import pytest

from sync.connections.store import ConnectionStore
from sync.errors import FixConfiguration, StorageConflict
from sync.storage.model import Upsert
from sync.storage.names import CONNECTIONS
from tests.ledger.bench import Bench, edited


def document(of: str = "contoso", **changes: object) -> str:
    return json.dumps(
        {
            "id": of,
            "name": "Contoso Zażółć",
            "d365": {
                "environment_url": "https://contoso.operations.dynamics.com",
                "tenant": "t",
                "client_id": "c",
                "sign_in": {"method": "client_secret", "secret": "d365"},
            },
            "avidxchange": {"host": "api.avidxchange.net", "auth": {"company_token": "avid-company", "user_token": "avid-user"}},
            "companies": [{"id": "USMF", "accounting_system": "AS-1", "payment_journal": "VendPay"}],
            "code_groups": {"MainAccount": "GL"},
            "start_from": {"invoices": "2026-01-01", "payments": "2026-01-01"},
            **changes,
        },
        ensure_ascii=False,
    )


def test_a_document_comes_back_and_is_changed_under_its_etag(either: Bench) -> None:
    store = ConnectionStore(either.tables)
    name = either.place.connection
    assert store.read(name) is None
    assert store.get(name) is None
    stored = store.put(document(name), etag="")
    assert stored.connection is not None
    assert store.read(name) == stored
    assert store.get(name) == stored.connection
    assert stored.text == document(name)
    with pytest.raises(StorageConflict):
        store.put(document(name), etag="")
    changed = store.put(document(name, name="New"), etag=stored.etag)
    with pytest.raises(StorageConflict):
        store.put(document(name), etag=stored.etag)
    assert store.read(name) == changed
    store.put(document(name, name="Newest"))
    store.remove(name)
    store.remove(name)
    assert store.get(name) is None


def test_a_long_document_comes_back_whole(either: Bench) -> None:
    name = either.place.connection
    many = [{"id": f"c{number}", "accounting_system": f"AS 🏠 {number}", "payment_journal": "VendPay"} for number in range(1_000)]
    text = document(name, companies=many)
    assert len(text) > 60_000
    ConnectionStore(either.tables).put(text)
    stored = ConnectionStore(either.tables).read(name)
    assert stored is not None
    assert stored.text == text
    assert stored.connection is not None


def test_a_document_that_is_not_valid_is_not_stored(bench: Bench) -> None:
    store = ConnectionStore(bench.tables)
    for text in ("no JSON", "[]", document(companies=[]), document(unknown=1), document("No Id")):
        with pytest.raises(FixConfiguration):
            store.put(text)
    assert [*store.list()] == []


def test_a_broken_document_is_listed_with_its_error_and_the_others_go_on(bench: Bench) -> None:
    store = ConnectionStore(bench.tables)
    for name in ("aaa", "bbb", "ccc"):
        store.put(document(name))
    row = bench.tables.get(CONNECTIONS, "connections", "bbb")
    assert row is not None
    bench.tables.commit(CONNECTIONS, "connections", [Upsert(edited(row, Document0=document("bbb", companies=[])))])
    first, broken, last = store.list()
    assert first.connection is not None
    assert last.connection is not None
    assert broken.connection is None
    assert "companies" in broken.error
    with pytest.raises(FixConfiguration, match=r"bbb: .*companies"):
        store.get("bbb")
    assert store.set_paused("bbb", True).connection is None, "what is broken can be paused all the same"
    bench.tables.commit(CONNECTIONS, "connections", [Upsert(edited(row, Document0=document("ddd")))])
    assert "ddd" in [*store.list()][1].error


def test_pausing_changes_nothing_else(bench: Bench) -> None:
    store = ConnectionStore(bench.tables)
    before = store.put(document()).connection
    paused = store.set_paused("contoso", True).connection
    assert before is not None
    assert paused == before.model_copy(update={"paused": True})
    assert store.set_paused("contoso", False).connection == before
    for unknown in ("nobody", "no/body"):
        with pytest.raises(FixConfiguration):
            store.set_paused(unknown, True)

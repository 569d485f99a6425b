"""What the product relies on in storage, held by the local storage and by Azurite alike."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from sync.errors import Bug, FixConfiguration, StorageConflict
from sync.storage.model import Delete, Insert, Replace, Row, Upsert, Value
from tests.storage.conftest import Account


def row(key: str, etag: str = "", partition: str = "p", **values: Value) -> Row:
    return Row(partition, key, values, etag)


def commit(account: Account, *changes: Insert | Replace | Upsert | Delete) -> dict[str, str]:
    return dict(account.tables.commit(account.name, "p", changes))


def keys(account: Account, first: str = "", last: str = "\uffff", limit: int | None = None) -> list[str]:
    return [found.key for found in account.tables.scan(account.name, "p", first, last, limit=limit)]


def get(account: Account, key: str) -> Row | None:
    return account.tables.get(account.name, "p", key)


def test_a_row_comes_back_exactly_as_it_was_written(account: Account) -> None:
    values: dict[str, Value] = {
        "Text": "Zażółć gęślą 漢字 🏠 'quoted' \"twice\" \\ back\nnext\ttab",
        "Empty": "",
        "Looks_like_a_date": "2026-01-31T12:00:00Z",
        "Small": 7,
        "Large": 2**63 - 1,
        "Negative": -(2**63),
        "Yes": True,
        "No": False,
        "Moment": datetime(2026, 1, 31, 23, 59, 59, 123456, tzinfo=UTC),
        "Whole": datetime(2026, 1, 31, 0, 0, 0, tzinfo=UTC),
        "Bytes": bytes(range(256)),
    }
    etags = commit(account, Insert(Row("p", "k", values)))
    found = get(account, "k")
    assert found == Row("p", "k", values, etags["k"])
    assert {name: type(value) for name, value in found.values.items()} == {name: type(value) for name, value in values.items()}
    assert [*account.tables.scan(account.name, "p")] == [found]


def test_a_time_of_another_zone_comes_back_in_utc(account: Account) -> None:
    commit(account, Insert(row("k", At=datetime(2026, 1, 31, 1, 0, tzinfo=timezone(timedelta(hours=2))))))
    found = get(account, "k")
    assert found is not None
    assert found.values["At"] == datetime(2026, 1, 30, 23, 0, tzinfo=UTC)
    assert str(found.values["At"]).endswith("+00:00")


def test_a_missing_row_is_none(account: Account) -> None:
    assert get(account, "nothing") is None


def test_an_insert_that_meets_a_row_is_a_conflict_that_says_so(account: Account) -> None:
    commit(account, Insert(row("k", A=1)))
    with pytest.raises(StorageConflict) as caught:
        commit(account, Insert(row("k", A=2)))
    assert caught.value.exists


def test_a_replace_needs_the_version_it_read(account: Account) -> None:
    first = commit(account, Insert(row("k", A=1)))["k"]
    second = commit(account, Replace(row("k", first, B=2)))["k"]
    assert second != first
    with pytest.raises(StorageConflict) as caught:
        commit(account, Replace(row("k", first, B=3)))
    assert not caught.value.exists
    found = get(account, "k")
    assert found is not None
    assert found.values == {"B": 2}, "the row is replaced as a whole, by the winner"


def test_a_replace_of_a_row_that_is_gone_is_a_conflict(account: Account) -> None:
    etag = commit(account, Insert(row("k", A=1)))["k"]
    commit(account, Delete("k", etag))
    with pytest.raises(StorageConflict) as caught:
        commit(account, Replace(row("k", etag, A=2)))
    assert not caught.value.exists


def test_a_replace_without_an_etag_is_a_bug(account: Account) -> None:
    with pytest.raises(Bug):
        commit(account, Replace(row("k", A=1)))


def test_an_upsert_writes_whatever_was_there(account: Account) -> None:
    commit(account, Upsert(row("k", A=1)))
    etag = commit(account, Upsert(row("k", B=2)))["k"]
    assert get(account, "k") == row("k", etag, B=2)


def test_a_delete_with_an_etag_needs_that_version(account: Account) -> None:
    first = commit(account, Insert(row("k", A=1)))["k"]
    commit(account, Replace(row("k", first, A=2)))
    with pytest.raises(StorageConflict):
        commit(account, Delete("k", first))
    assert get(account, "k") is not None


def test_a_delete_without_an_etag_takes_a_missing_row_as_done(account: Account) -> None:
    commit(account, Insert(row("b", A=1)))
    etags = commit(account, Delete("a"), Insert(row("k", A=1)), Delete("b"), Delete("c"))
    assert [*etags] == ["k"]
    assert keys(account) == ["k"]
    assert commit(account, Delete("a")) == {}


def test_a_transaction_is_all_or_nothing(account: Account) -> None:
    etag = commit(account, Insert(row("old", A=1)), Insert(row("there", A=1)))["old"]
    for failing in (Insert(row("there", A=9)), Replace(row("there", 'W/"wrong"', A=9)), Delete("missing", etag)):
        with pytest.raises(StorageConflict):
            commit(account, Replace(row("old", etag, A=2)), Insert(row("new", A=2)), Upsert(row("up", A=2)), failing)
    assert keys(account) == ["old", "there"]
    assert get(account, "old") == row("old", etag, A=1)


def test_the_first_conflict_in_order_is_the_one_told(account: Account) -> None:
    commit(account, Insert(row("k", A=1)), Insert(row("alias", A=1)))
    with pytest.raises(StorageConflict) as stale:
        commit(account, Replace(row("k", 'W/"old"', A=2)), Insert(row("alias", A=2)))
    assert not stale.value.exists


def test_partitions_are_apart(account: Account) -> None:
    commit(account, Insert(row("k", A=1)))
    other = "c|invoices|usmf"
    account.tables.commit(account.name, other, [Insert(Row(other, "k", {"A": 2}))])
    assert [found.values for found in account.tables.scan(account.name, other)] == [{"A": 2}]


def test_a_scan_is_half_open_and_in_key_order(account: Account) -> None:
    commit(account, *(Insert(row(key, A=1)) for key in ("w:2", "r:b", "r:", "r:a", "r;", "R:a", "q", "r:Z", "r:a-b", "r:a:1")))
    assert keys(account, "r:", "r;") == ["r:", "r:Z", "r:a", "r:a-b", "r:a:1", "r:b"]
    assert keys(account, "r:a", "r:b") == ["r:a", "r:a-b", "r:a:1"]
    assert keys(account, "w:") == ["w:2"]
    assert keys(account, limit=2) == ["R:a", "q"]
    assert keys(account, limit=0) == []
    assert keys(account, "x") == []


def test_a_scan_goes_over_pages(account: Account) -> None:
    names = [f"k{number:05d}" for number in range(1105)]
    for start in range(0, len(names), 100):
        commit(account, *(Insert(row(name, A=1)) for name in names[start : start + 100]))
    assert keys(account) == names
    assert keys(account, limit=1050) == names[:1050]


def test_a_scan_sees_what_moves_ahead_of_it_and_not_what_moves_behind(account: Account) -> None:
    names = [f"k{number:05d}" for number in range(1105)]
    for start in range(0, len(names), 100):
        commit(account, *(Insert(row(name, A=1)) for name in names[start : start + 100]))
    found = account.tables.scan(account.name, "p")
    seen = [next(found).key]
    commit(account, Insert(row("a", A=1)), Insert(row("z", A=1)), Delete("k00500"), Delete("k01000"), Delete("k01100"))
    seen += [each.key for each in found]
    gone = {"k01000", "k01100"}
    assert seen == [name for name in names if name not in gone] + ["z"], "a page that was read stays as it was read"


def test_one_failing_change_of_a_hundred_leaves_nothing(account: Account) -> None:
    commit(account, Insert(row("there", A=1)))
    before = [*account.tables.scan(account.name, "p")]
    with pytest.raises(StorageConflict):
        commit(account, Delete("missing"), *(Upsert(row(f"k{number:02}", A=1)) for number in range(98)), Insert(row("there", A=2)))
    assert [*account.tables.scan(account.name, "p")] == before


@pytest.mark.parametrize("change", [Replace(Row("p", "k", {"A": 2}, "*")), Delete("k", "*")])
def test_a_version_is_never_any_version(account: Account, change: Replace | Delete) -> None:
    commit(account, Insert(row("k", A=1)))
    with pytest.raises(Bug, match="any version"):
        commit(account, change)
    with pytest.raises(Bug, match="any version"):
        account.blobs.write(account.name, "b", b"x", etag="*")
    found = get(account, "k")
    assert found is not None
    assert found.values == {"A": 1}


@pytest.mark.parametrize("key", ["f:2vendor:Zażółć", "it's 'quoted'", "漢字", "🏠", "a b+c%20&d=e", "~tilde|bar:colon;(semi)", "x" * 512])
def test_any_key_that_is_allowed_works_everywhere(account: Account, key: str) -> None:
    partition = f"p {key}"[:512]
    etag = account.tables.commit(account.name, partition, [Insert(Row(partition, key, {"A": 1}))])[key]
    assert account.tables.get(account.name, partition, key) == Row(partition, key, {"A": 1}, etag)
    assert [found.key for found in account.tables.scan(account.name, partition, key)] == [key]
    etag = account.tables.commit(account.name, partition, [Replace(Row(partition, key, {"A": 2}, etag))])[key]
    account.tables.commit(account.name, partition, [Delete(key, etag)])
    assert account.tables.get(account.name, partition, key) is None


@pytest.mark.parametrize("key", ["a/b", "a\\b", "a#b", "a?b", "a\tb", "a\x7fb", "x" * 513, "\ud800"])
def test_a_key_that_is_refused_is_a_bug_before_anything_is_sent(account: Account, key: str) -> None:
    with pytest.raises(Bug):
        commit(account, Insert(row(key, A=1)))
    with pytest.raises(Bug):
        commit(account, Delete(key))
    with pytest.raises(Bug):
        account.tables.commit(account.name, key, [Upsert(Row(key, "k", {"A": 1}))])


@pytest.mark.parametrize(
    "changes",
    [
        [],
        [Insert(row(f"k{number}", A=1)) for number in range(101)],
        [Insert(row("k", A=1)), Delete("k")],
        [Insert(row("k", partition="other", A=1))],
        [Insert(row("k", A="x" * 32_769))],
        [Insert(row("k", A="🏠" * 16_385))],
        [Insert(row("k", A=b"x" * 65_537))],
        [Insert(row("k", A=2**63))],
        [Insert(row("k", A=datetime(2026, 1, 1)))],  # noqa: DTZ001 - a time without a zone is what must be refused
        [Insert(row("k", A=1.5))],  # type: ignore[arg-type]  # a float is what must be refused
        [Insert(Row("p", "k", {f"P{number}": 1 for number in range(251)}))],
        [Insert(Row("p", "k", {"with-hyphen": 1}))],
        [Insert(Row("p", "k", {"1st": 1}))],
        [Insert(Row("p", "k", {"": 1}))],
        [Insert(Row("p", "k", {"x" * 256: 1}))],
        [Insert(Row("p", "k", {"Timestamp": 1}))],
        [Insert(Row("p", "k", {"RowKey": "other"}))],
        [Insert(row("k", A=datetime(1600, 12, 31, tzinfo=UTC)))],
        [Insert(Row("p", "k", {f"P{number}": "x" * 32_000 for number in range(17)}))],
        [Insert(row(f"k{number}", A="漢" * 30_000)) for number in range(30)],
    ],
)
def test_what_breaks_a_limit_is_a_bug_before_anything_is_sent(account: Account, changes: list[Insert | Delete]) -> None:
    with pytest.raises(Bug):
        account.tables.commit(account.name, "p", changes)
    assert keys(account) == []


def test_the_largest_of_everything_is_taken(account: Account) -> None:
    commit(account, *(Insert(row(f"k{number:02}", A="x" * 30_000)) for number in range(100)))
    commit(account, Insert(Row("p", "wide", {f"P{number}": "x" * 1_000 for number in range(250)})))
    commit(account, Insert(row("text", A="x" * 32_768, B=b"x" * 65_536)))
    assert len(keys(account)) == 102


def test_the_service_tells_its_time(account: Account) -> None:
    before = account.now().replace(microsecond=0)
    told = account.tables.time(account.name)
    assert before <= told <= account.now()
    assert (told.tzinfo, told.microsecond) == (UTC, 0)
    with pytest.raises(FixConfiguration, match="no table missing"):
        account.tables.time("missing")


def test_a_message_arrives_as_it_was_put(account: Account) -> None:
    body = '{"name": "Zażółć 漢字 <&>"}'
    account.queues.put(account.name, body)
    assert account.receive() == body
    assert account.receive() is None, "a message that was received is hidden"


def test_a_delayed_message_is_not_there_yet(account: Account) -> None:
    account.queues.put(account.name, "later", delay=6 * 24 * 3600)
    account.queues.put(account.name, "now", delay=0)
    assert [account.receive(), account.receive()] == ["now", None]


def test_the_largest_message_is_taken_and_larger_ones_are_a_bug(account: Account) -> None:
    account.queues.put(account.name, "x" * 48 * 1024)
    received = account.receive()
    assert received is not None
    assert len(received) == 48 * 1024
    with pytest.raises(Bug):
        account.queues.put(account.name, "ż" * 24 * 1024 + "x")


@pytest.mark.parametrize("delay", [-1, 7 * 24 * 3600 + 1])
def test_a_delay_beyond_the_limit_is_a_bug(account: Account, delay: float) -> None:
    with pytest.raises(Bug):
        account.queues.put(account.name, "{}", delay=delay)


def test_a_blob_comes_back_as_it_was_written(account: Account) -> None:
    data = bytes(range(256)) * 5000
    etag = account.blobs.write(account.name, "a/b c.bin", data)
    found = account.blobs.read(account.name, "a/b c.bin")
    assert found is not None
    assert (found.data, found.etag) == (data, etag)
    account.blobs.write(account.name, "empty", b"")
    empty = account.blobs.read(account.name, "empty")
    assert empty is not None
    assert empty.data == b""


def test_a_missing_blob_is_none(account: Account) -> None:
    assert account.blobs.read(account.name, "nothing") is None


def test_a_blob_is_created_only_once(account: Account) -> None:
    account.blobs.write(account.name, "b", b"one", etag="")
    with pytest.raises(StorageConflict) as caught:
        account.blobs.write(account.name, "b", b"two", etag="")
    assert caught.value.exists


def test_a_blob_is_written_over_the_version_that_was_read(account: Account) -> None:
    first = account.blobs.write(account.name, "b", b"one")
    second = account.blobs.write(account.name, "b", b"two", etag=first)
    with pytest.raises(StorageConflict) as caught:
        account.blobs.write(account.name, "b", b"three", etag=first)
    assert not caught.value.exists
    assert account.blobs.write(account.name, "b", b"four") != second
    with pytest.raises(StorageConflict):
        account.blobs.write(account.name, "missing", b"x", etag=first)


def test_appending_makes_the_blob_and_adds_to_it(account: Account) -> None:
    for line in (b"one\n", b"two\n", b"three\n"):
        account.blobs.append(account.name, "c/2026-03.log", line)
    found = account.blobs.read(account.name, "c/2026-03.log")
    assert found is not None
    assert found.data == b"one\ntwo\nthree\n"
    with pytest.raises(Bug):
        account.blobs.append(account.name, "c/2026-03.log", b"")


def test_a_blob_that_was_written_whole_is_not_appended_to(account: Account) -> None:
    account.blobs.write(account.name, "b", b"whole")
    with pytest.raises(Bug, match="InvalidBlobType"):
        account.blobs.append(account.name, "b", b"more")
    found = account.blobs.read(account.name, "b")
    assert found is not None
    assert found.data == b"whole"


def test_a_log_has_a_new_version_with_every_block_and_can_be_replaced_as_a_whole(account: Account) -> None:
    account.blobs.append(account.name, "log", b"one")
    first = account.blobs.read(account.name, "log")
    account.blobs.append(account.name, "log", b"two")
    second = account.blobs.read(account.name, "log")
    assert first is not None
    assert second is not None
    assert first.etag != second.etag
    with pytest.raises(StorageConflict):
        account.blobs.write(account.name, "log", b"x", etag=first.etag)
    with pytest.raises(StorageConflict):
        account.blobs.write(account.name, "log", b"x", etag="")
    account.blobs.write(account.name, "log", b"three", etag=second.etag)
    with pytest.raises(Bug, match="InvalidBlobType"):
        account.blobs.append(account.name, "log", b"four")


def test_names_are_those_of_the_prefix_in_order(account: Account) -> None:
    for name in ("b/2", "a/1", "b/1", "b", "c/1"):
        account.blobs.write(account.name, name, b"x")
    assert [*account.blobs.names(account.name, "b/")] == ["b/1", "b/2"]
    assert [*account.blobs.names(account.name, "none")] == []


def test_a_blob_is_deleted_once_or_more(account: Account) -> None:
    account.blobs.write(account.name, "b", b"x")
    account.blobs.delete(account.name, "b")
    account.blobs.delete(account.name, "b")
    assert account.blobs.read(account.name, "b") is None


def test_what_was_never_made_is_an_error_that_says_so(account: Account) -> None:
    with pytest.raises(FixConfiguration, match="no table missing"):
        account.tables.get("missing", "p", "k")
    with pytest.raises(FixConfiguration, match="no table missing"):
        [*account.tables.scan("missing", "p")]
    with pytest.raises(FixConfiguration, match="no table missing"):
        account.tables.commit("missing", "p", [Insert(row("k", A=1))])
    with pytest.raises(FixConfiguration, match="no table missing"):
        account.tables.commit("missing", "p", [Delete("k")])
    with pytest.raises(FixConfiguration, match="no queue missing"):
        account.queues.put("missing", "{}")
    for use in (
        lambda: account.blobs.read("missing", "b"),
        lambda: account.blobs.write("missing", "b", b""),
        lambda: account.blobs.append("missing", "b", b"x"),
        lambda: account.blobs.delete("missing", "b"),
        lambda: [*account.blobs.names("missing", "")],
    ):
        with pytest.raises(FixConfiguration, match="no container missing"):
            use()

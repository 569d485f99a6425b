"""The chain: whoever changes, takes away, swaps or cuts a step is found out; steps of things without a record are chained too."""

from datetime import timedelta

import pytest

from sandbox.storage import LocalStorage, Operation
from sync.errors import Bug
from sync.ledger.model import AuditRow, Place, Record, State, Step
from sync.ledger.rows import audit_key, record_key
from sync.ledger.store import LogEntry
from sync.storage.model import Delete, Insert, Row, Upsert
from sync.storage.names import LEDGER
from tests.ledger.bench import NOTED, VENDOR, WENT_ON, Bench, edited, new
from tests.storage.support import START


@pytest.fixture
def lived(bench: Bench) -> Record:
    """A record with four steps, beside another."""
    record, other = bench.ledger.note(bench.place, [new("k1"), new("k2")], "run1", NOTED)
    for number in range(3):
        bench.clock.forward(60)
        record = bench.ledger.move(record, Step("step", f"Number {number}."), run="run1", attempts=number)
        other = bench.ledger.move(other, Step("step", f"Number {number}."), run="run1", attempts=number)
    return record


def write(bench: Bench, *changes: Upsert | Delete) -> None:
    bench.tables.commit(LEDGER, bench.place.partition, changes)


def test_a_chain_that_nobody_touched_holds(bench: Bench, lived: Record) -> None:
    assert bench.ledger.verify(bench.place, "k1") == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Note", "Another note."),
        ("Name", "other"),
        ("Detail", '{"amount":"99.00"}'),
        ("State", "posted"),
        ("Run", "other"),
        ("Job", "other"),
        ("At", START + timedelta(seconds=1)),
        ("KeyId", "unknown"),
        ("Mac", "0" * 64),
        ("State", "no such state"),
        ("Detail", "no JSON"),
    ],
)
def test_an_edit_shows(bench: Bench, lived: Record, name: str, value: str) -> None:
    write(bench, Upsert(edited(bench.row(audit_key("k1", 2)), **{name: value})))
    assert bench.ledger.verify(bench.place, "k1")
    assert bench.ledger.verify(bench.place, "k2") == []


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_deletion_shows(bench: Bench, lived: Record, number: int) -> None:
    write(bench, Delete(audit_key("k1", number)))
    assert any("missing" in problem for problem in bench.ledger.verify(bench.place, "k1"))


def test_a_swap_of_two_steps_shows(bench: Bench, lived: Record) -> None:
    two, three = bench.row(audit_key("k1", 2)), bench.row(audit_key("k1", 3))
    write(bench, Upsert(Row(two.partition, two.key, three.values)), Upsert(Row(three.partition, three.key, two.values)))
    assert bench.ledger.verify(bench.place, "k1")


def test_a_swap_of_numbers_and_all_shows(bench: Bench, lived: Record) -> None:
    two, three = bench.row(audit_key("k1", 2)), bench.row(audit_key("k1", 3))
    write(
        bench,
        Upsert(Row(two.partition, two.key, {**three.values, "Seq": 2})),
        Upsert(Row(three.partition, three.key, {**two.values, "Seq": 3})),
    )
    assert bench.ledger.verify(bench.place, "k1")


def test_a_chain_of_another_record_shows(bench: Bench, lived: Record) -> None:
    for number in range(1, 5):
        write(bench, Upsert(Row(bench.place.partition, audit_key("k1", number), bench.row(audit_key("k2", number)).values)))
    other = bench.row(record_key("k2")).values
    write(bench, Upsert(edited(bench.row(record_key("k1")), Seq=other["Seq"], Mac=other["Mac"])))
    assert bench.ledger.verify(bench.place, "k1")


def test_a_chain_of_the_same_key_in_another_place_shows(bench: Bench, lived: Record) -> None:
    elsewhere = Place("contoso", "invoices", "DEMF")
    bench.ledger.note(elsewhere, [new("k3")], "run1", NOTED)
    stolen = [Insert(edited(row, partition=bench.place.partition)) for row in bench.tables.scan(LEDGER, elsewhere.partition)]
    bench.tables.commit(LEDGER, bench.place.partition, stolen)
    assert bench.ledger.verify(elsewhere, "k3") == []
    assert bench.ledger.verify(bench.place, "k3") != []


def test_a_genuine_step_of_a_life_that_was_undone_shows(bench: Bench, lived: Record) -> None:
    third, fourth = bench.row(audit_key("k1", 3)), bench.row(audit_key("k1", 4))
    second = bench.row(audit_key("k1", 2)).values
    days = [key for key in bench.keys_from("d:") if ":k1:" in key and key[-1] in "34"]
    back = edited(bench.row(record_key("k1")), Seq=second["Seq"], Mac=second["Mac"])
    write(bench, Delete(third.key), Delete(fourth.key), Upsert(back), *(Delete(key) for key in days))
    for _ in range(2):
        record = bench.ledger.get(bench.place, "k1")
        assert record is not None
        bench.ledger.move(record, Step("other", "Another life."), run="run2", owner="me")
    assert bench.ledger.verify(bench.place, "k1") == []
    write(bench, Upsert(third))
    assert bench.ledger.verify(bench.place, "k1") != []


def test_an_added_step_shows(bench: Bench, lived: Record) -> None:
    last = bench.row(audit_key("k1", 4))
    write(bench, Upsert(Row(last.partition, audit_key("k1", 5), {**last.values, "Seq": 5})))
    assert bench.ledger.verify(bench.place, "k1")


def test_a_record_that_was_taken_away_shows(bench: Bench, lived: Record) -> None:
    write(bench, Delete(record_key("k1")))
    assert bench.ledger.verify(bench.place, "k1") == ["The record itself is not there, its steps are still there."]
    assert bench.ledger.verify(bench.place, "nobody") == ["The record itself is not there, and there is no step of it."]


def test_old_steps_verify_after_the_key_was_rotated(bench: Bench, lived: Record) -> None:
    bench.keys.keys["two"] = b"second key"
    bench.keys.now = "two"
    bench.ledger.move(lived, WENT_ON, run="r", owner="me")
    assert bench.ledger.verify(bench.place, "k1") == []
    del bench.keys.keys["one"]
    assert bench.ledger.verify(bench.place, "k1")


def test_without_the_key_no_step_can_be_made(bench: Bench, lived: Record) -> None:
    bench.keys.keys["one"] = b"guessed"
    bench.ledger.move(lived, WENT_ON, run="r", owner="me")
    bench.keys.keys["one"] = b"first key"
    assert bench.ledger.verify(bench.place, "k1")


def test_a_detail_that_is_no_text_is_a_bug(bench: Bench, lived: Record) -> None:
    with pytest.raises(Bug):
        bench.ledger.move(lived, Step("x", "y", {"amount": 1.5}), run="r", owner="me")  # type: ignore[dict-item]  # a float is what must be refused


def entry(key: str, note: str = "Sent.", version: str = "h1") -> LogEntry:
    return LogEntry(key, f"vendor {key}", f"job-{key}-{version}", State.WRITTEN, Step("sent", note, {"version": version}), version)


def notes(steps: list[AuditRow]) -> list[str]:
    return [step.step.note for step in steps]


def test_steps_without_a_record_are_chained_by_their_key(either: Bench) -> None:
    keys = [f"v{number:03}" for number in range(70)]
    either.ledger.log(either.place, [entry(key) for key in keys], "run1")
    either.ledger.log(either.place, [entry(key, "Sent again.") for key in keys[10:50]] + [entry("new")], "run2")
    either.ledger.log(either.place, [entry("v010", "Third."), entry("v010", "Fourth.")], "run3")
    assert notes(either.ledger.history(either.place, "v010")) == ["Sent.", "Sent again.", "Third.", "Fourth."]
    assert notes(either.ledger.history(either.place, "v060")) == ["Sent."]
    assert [either.ledger.verify(either.place, key) for key in (*keys, "new")] == [[]] * 71
    assert len([*either.ledger.day(either.place, START.date())]) == 113
    assert [*either.ledger.open_work(either.place)] == []
    assert either.row("h:v010").values["Label"] == "vendor v010"


def test_a_cut_tail_shows_without_a_record_too(bench: Bench) -> None:
    for number in range(3):
        bench.ledger.log(bench.place, [entry("v1", f"Number {number}.")], "run1")
    write(bench, Delete(audit_key("v1", 3)))
    assert bench.ledger.verify(bench.place, "v1")


def test_a_parked_thing_and_its_sends_are_one_chain(either: Bench) -> None:
    either.ledger.log(either.place, [entry("v1")], "run1")
    parked = [new(key, state=State.PARKED, causes=(VENDOR,)) for key in ("v1", "v2")]
    record, fresh = either.ledger.note(either.place, parked, "run2", Step("parked", "Parked."))
    assert (record.seq, fresh.seq) == (2, 1)
    assert either.keys_from("h:") == []
    record = either.ledger.move(record, Step("cleared", "Cleared."), run="run3", state=State.WRITTEN, due=None, causes=())
    either.ledger.log(either.place, [entry("v1", "Sent at last."), entry("v3")], "run4")
    assert notes(either.ledger.history(either.place, "v1")) == ["Sent.", "Parked.", "Cleared.", "Sent at last."]
    assert [either.ledger.verify(either.place, key) for key in ("v1", "v2", "v3")] == [[], [], []]
    now = either.ledger.get(either.place, "v1")
    assert now is not None
    assert (now.state, now.seq) == (State.WRITTEN, 4)


def test_two_workers_that_log_the_same_key_make_one_chain(parts: tuple[Bench, LocalStorage]) -> None:
    bench, storage = parts

    def race(operation: Operation) -> None:
        if operation.verb == "commit":
            storage.before = lambda _: None
            bench.ledger.log(bench.place, [entry("v1", "Other.")], "other")

    storage.before = race
    bench.ledger.log(bench.place, [entry("v1", "Mine."), entry("v2", "Mine.")], "mine")
    assert notes(bench.ledger.history(bench.place, "v1")) == ["Other.", "Mine."]
    assert bench.ledger.verify(bench.place, "v1") == []

"""Records: noted once, moved by one worker at a time, every row of them in step."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import cast

import pytest

from sandbox.storage import LocalStorage, Operation
from sync.causes import Cause
from sync.errors import Bug, StorageConflict, TryLater
from sync.ledger.model import Record, State, Step
from sync.ledger.store import Changes
from sync.storage.model import Insert, Row
from sync.storage.names import LEDGER, PAYLOADS
from tests.ledger.bench import ACCOUNT, EXCEPTION, MAPPING, NOTED, VENDOR, WENT_ON, Bench, new
from tests.storage.support import START


def noted(bench: Bench, key: str = "k1") -> Record:
    return bench.ledger.note(bench.place, [new(key, batch="b-7")], "run1", NOTED)[0]


def test_a_noted_record_is_there_with_all_its_rows(either: Bench) -> None:
    record = noted(either)
    assert either.ledger.get(either.place, "k1") == record
    assert (record.state, record.due, record.created_at, record.updated_at, record.seq) == (State.FOUND, START, START, START, 1)
    assert either.ledger.text(record.payload) == "{}"
    [work] = either.ledger.due(either.place, START)
    assert (work.key, work.due, work.state, work.batch) == ("k1", START, State.FOUND, "b-7")
    assert [*either.ledger.members(either.place, "b-7")] == ["k1"]
    assert [*either.ledger.day(either.place, START.date())] == [("k1", 1)]
    [step] = either.ledger.history(either.place, "k1")
    assert (step.seq, step.at, step.run, step.job, step.state, step.step) == (1, START, "run1", record.job, State.FOUND, NOTED)
    assert either.ledger.verify(either.place, "k1") == []


def test_a_moved_record_is_stored_whole_and_its_rows_follow(either: Bench) -> None:
    record = noted(either)
    either.clock.forward(60)
    later = either.clock.now() + timedelta(minutes=15)
    moved = either.ledger.move(
        record,
        WENT_ON,
        run="run2",
        state=State.CLAIMED,
        version="v2",
        payload=either.ledger.keep("new"),
        facts={"amount": "13.00"},
        plan=either.ledger.keep("x" * 9_000),
        progress={"header": "H-1"},
        alias="alias1",
        owner="me",
        sent_at=either.clock.now(),
        looks=2,
        attempts=3,
        due=later,
        label="invoice of US-101",
        batch="b-8",
    )
    assert either.ledger.get(either.place, "k1") == moved
    assert [*either.ledger.records(either.place)] == [moved]
    assert moved.job != record.job, "a new version is a new job"
    assert either.ledger.text(moved.plan) == "x" * 9_000
    assert [*either.ledger.due(either.place, later - timedelta(microseconds=1))] == []
    assert [work.state for work in either.ledger.due(either.place, later)] == [State.CLAIMED]
    assert [*either.ledger.members(either.place, "b-7")] == []
    assert [*either.ledger.members(either.place, "b-8")] == ["k1"]
    assert either.ledger.holder(either.place, "alias1") == "k1"
    history = either.ledger.history(either.place, "k1")
    assert [(step.seq, step.run, step.step) for step in history] == [(1, "run1", NOTED), (2, "run2", WENT_ON)]
    assert either.ledger.verify(either.place, "k1") == []


def test_of_two_writers_one_wins_and_nothing_of_the_other_is_left(either: Bench) -> None:
    record = noted(either)
    won = either.ledger.move(record, WENT_ON, run="a", state=State.CLAIMED, owner="a")
    journal = Insert(Row(either.place.partition, "j:1", {}))
    with pytest.raises(StorageConflict) as caught:
        either.ledger.move(record, WENT_ON, run="b", state=State.PARKED, causes=(VENDOR,), alias="x", extra=[journal])
    assert not caught.value.exists
    assert either.ledger.get(either.place, "k1") == won
    assert [step.run for step in either.ledger.history(either.place, "k1")] == ["run1", "a"]
    assert [*either.ledger.failures(either.place)] == []
    assert either.ledger.holder(either.place, "x") is None
    assert either.keys_from("j:") == []


def test_an_alias_is_held_by_one_record_until_it_is_cleared(either: Bench) -> None:
    first, second = either.ledger.note(either.place, [new("k1"), new("k2")], "run1", NOTED)
    first = either.ledger.move(first, WENT_ON, run="r", alias="n1")
    with pytest.raises(StorageConflict) as caught:
        either.ledger.move(second, WENT_ON, run="r", alias="n1")
    assert caught.value.exists
    assert either.ledger.get(either.place, "k2") == second
    first = either.ledger.move(first, WENT_ON, run="r", owner="me")
    assert either.ledger.holder(either.place, "n1") == "k1", "a move that does not speak of the alias keeps it"
    first = either.ledger.move(first, WENT_ON, run="r", alias="n2")
    either.ledger.move(second, WENT_ON, run="r", alias="n1")
    either.ledger.move(first, WENT_ON, run="r", alias="")
    assert (either.ledger.holder(either.place, "n1"), either.ledger.holder(either.place, "n2")) == ("k2", None)


def test_a_stale_record_that_wants_a_taken_alias_is_told_that_it_is_stale(either: Bench) -> None:
    first, second = either.ledger.note(either.place, [new("k1"), new("k2")], "run1", NOTED)
    either.ledger.move(first, WENT_ON, run="r", alias="n1")
    either.ledger.move(second, WENT_ON, run="r", owner="other")
    with pytest.raises(StorageConflict) as caught:
        either.ledger.move(second, WENT_ON, run="r", alias="n1")
    assert not caught.value.exists


def test_noting_again_changes_nothing_and_keeps_the_order(bench: Bench) -> None:
    first = bench.ledger.note(bench.place, [new("b"), new("a")], "run1", NOTED)
    bench.ledger.move(first[0], WENT_ON, run="run1", owner="me")
    again = bench.ledger.note(bench.place, [new("c"), new("a", version="v2"), new("b"), new("c")], "run2", NOTED)
    assert [(record.key, record.seq) for record in again] == [("c", 1), ("a", 1), ("b", 2), ("c", 1)]
    assert again[1].version == "v1", "a new version does not replace a record"
    assert len(bench.keys_from("a:")) == 4


def test_many_are_noted_in_transactions_of_as_many_as_fit(either: Bench) -> None:
    many = [new(f"k{number:03}", text="ż" * 7_000, batch="b", causes=(VENDOR, ACCOUNT), state=State.PARKED) for number in range(60)]
    records = either.ledger.note(either.place, many, "run1", NOTED)
    assert [record.key for record in records] == [item.key for item in many]
    assert len([*either.ledger.members(either.place, "b")]) == len([*either.ledger.open_work(either.place)]) == 60
    assert len([*either.ledger.failures(either.place)]) == 120


def test_large_records_are_spread_over_transactions_by_their_bytes(bench: Bench) -> None:
    many = [replace(new(f"k{number}", text="漢" * 8_000), facts={"a": "漢" * 30_000}) for number in range(25)]
    assert len(bench.ledger.note(bench.place, many, "run1", NOTED)) == 25


def test_two_workers_that_note_the_same_get_the_same_records(parts: tuple[Bench, LocalStorage]) -> None:
    bench, storage = parts
    others: list[Record] = []

    def race(operation: Operation) -> None:
        if operation.verb == "commit":
            storage.before = lambda _: None
            others.extend(bench.ledger.note(bench.place, [new("k2"), new("k4")], "other", NOTED))

    storage.before = race
    records = bench.ledger.note(bench.place, [new(f"k{number}") for number in range(1, 6)], "mine", NOTED)
    assert [bench.ledger.history(bench.place, record.key)[0].run for record in records] == ["mine", "other", "mine", "other", "mine"]
    assert [records[1], records[3]] == others
    assert all(len(bench.ledger.history(bench.place, record.key)) == 1 for record in records)


def test_a_crash_between_a_text_and_its_record_leaves_no_record_without_a_text(parts: tuple[Bench, LocalStorage]) -> None:
    bench, storage = parts

    def crash(operation: Operation) -> None:
        if operation.verb == "commit":
            raise TryLater("The worker died.")

    storage.before = crash
    with pytest.raises(TryLater):
        bench.ledger.note(bench.place, [new("k1", text="x" * 8_001)], "run1", NOTED)
    storage.before = lambda _: None
    assert bench.ledger.get(bench.place, "k1") is None
    assert len([*bench.blobs.names(PAYLOADS, "")]) == 1, "the text went first"
    [record] = bench.ledger.note(bench.place, [new("k1", text="x" * 8_001)], "run2", NOTED)
    assert bench.ledger.text(record.payload) == "x" * 8_001


def test_texts_of_any_length_come_back(either: Bench) -> None:
    for text in ("", "=", "@x", "x" * 8_000, "x" * 8_001, "🏠" * 4_000, "🏠" * 4_001):
        pointer = either.ledger.keep(text)
        assert either.ledger.text(pointer) == text
        assert pointer == either.ledger.keep(text)
        assert pointer.startswith("=") == (len(text.encode("utf-16-le")) <= 16_000)


def test_a_text_that_was_changed_or_is_gone_is_a_bug(bench: Bench) -> None:
    pointer = bench.ledger.keep("x" * 9_000)
    bench.blobs.write(PAYLOADS, pointer[1:], b"y")
    with pytest.raises(Bug):
        bench.ledger.text(pointer)
    bench.blobs.delete(PAYLOADS, pointer[1:])
    with pytest.raises(Bug):
        bench.ledger.text(pointer)
    with pytest.raises(Bug):
        bench.ledger.text("neither")


def test_failures_come_root_causes_first_and_follow_the_record(either: Bench) -> None:
    first, second = either.ledger.note(either.place, [new("k1"), new("k2")], "run1", NOTED)
    first = either.ledger.move(first, WENT_ON, run="r", state=State.PARKED, causes=(EXCEPTION, VENDOR, MAPPING))
    either.ledger.move(second, WENT_ON, run="r", state=State.PARKED, causes=(VENDOR, replace(VENDOR, sentence="said twice")))
    assert [(failure.key, failure.cause) for failure in either.ledger.failures(either.place)] == [
        ("k1", EXCEPTION),
        ("k1", MAPPING),
        ("k1", VENDOR),
        ("k2", VENDOR),
    ]
    either.clock.forward(3600)
    changed = replace(MAPPING, sentence="Company x is still not mapped.")
    first = either.ledger.move(first, WENT_ON, run="r", version="v2", causes=(VENDOR, changed, ACCOUNT))
    mine = [failure for failure in either.ledger.failures(either.place) if failure.key == "k1"]
    assert [(failure.cause, failure.since, failure.job, failure.label) for failure in mine] == [
        (changed, START, first.job, first.label),
        (ACCOUNT, either.clock.now(), first.job, first.label),
        (VENDOR, START, first.job, first.label),
    ]
    assert either.ledger.get(either.place, "k1") == first
    first = either.ledger.move(first, WENT_ON, run="r", state=State.WITHDRAWN, due=None, causes=())
    assert [failure.key for failure in either.ledger.failures(either.place)] == ["k2"]
    assert [work.key for work in either.ledger.open_work(either.place)] == ["k2"]


def test_a_record_with_causes_without_end_fits_and_keeps_them_all(either: Bench) -> None:
    def causes(start: int) -> tuple[Cause, ...]:
        numbers = range(start, start + 2_000)
        return tuple(Cause("account-missing", f"account {number}", f"Main account {number} does not exist.") for number in numbers)

    record = noted(either)
    record = either.ledger.move(record, WENT_ON, run="r", state=State.PARKED, causes=causes(0), alias="n1", batch="b-1")
    record = either.ledger.move(record, WENT_ON, run="r", causes=causes(5_000), alias="n2", batch="b-2", due=START + timedelta(1))
    assert either.ledger.get(either.place, "k1") == record
    assert len(record.causes) == 2_000
    assert len([*either.ledger.failures(either.place)]) == 40


def test_a_step_without_end_is_cut_and_says_so(either: Bench) -> None:
    endless = replace(VENDOR, sentence="x" * 50_000)
    step = Step("parked", "y" * 100_000, {"answer": "🏠" * 40_000, "amount": "12.50"})
    record = either.ledger.move(noted(either), step, run="r", state=State.PARKED, causes=(endless,))
    assert either.ledger.get(either.place, "k1") == record
    assert record.causes == (endless,), "the record keeps it whole"
    stored = either.ledger.history(either.place, "k1")[1].step
    assert stored.note == "y" * 3_000 + "… (100000 characters)"
    assert stored.detail == {"answer": "🏠" * 3_000 + "… (40000 characters)", "amount": "12.50"}
    [failure] = either.ledger.failures(either.place)
    assert failure.cause.sentence == "x" * 3_000 + "… (50000 characters)"
    assert either.ledger.verify(either.place, "k1") == []


def test_a_written_record_may_be_watched_or_not_and_may_carry_an_exception(bench: Bench) -> None:
    record = noted(bench)
    record = bench.ledger.move(record, WENT_ON, run="r", state=State.WRITTEN, due=None, causes=(EXCEPTION,))
    assert [*bench.ledger.open_work(bench.place)] == []
    bench.clock.forward(5)
    record = bench.ledger.move(record, WENT_ON, run="r", state=State.POSTED)
    assert [(failure.state, failure.since) for failure in bench.ledger.failures(bench.place)] == [(State.POSTED, START)]


def test_extra_changes_are_in_the_same_transaction(bench: Bench) -> None:
    record = noted(bench)
    journal = Insert(Row(bench.place.partition, "j:1", {"Lines": 3}))
    moved = bench.ledger.move(record, WENT_ON, run="r", extra=[journal], owner="me")
    assert bench.row("j:1").values == {"Lines": 3}
    with pytest.raises(StorageConflict):
        bench.ledger.move(moved, WENT_ON, run="r", extra=[journal], owner="you")
    assert bench.ledger.get(bench.place, "k1") == moved


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"state": State.POSTED}, "invoice k1 is posted and still due: what rests has no due time."),
        ({"state": State.WITHDRAWN, "due": None, "causes": (VENDOR,)}, "invoice k1 is withdrawn and still has causes."),
        ({"state": State.CLAIMED, "due": None}, "invoice k1 is claimed without a due time: nobody would ever look at it again."),
        ({"state": State.PARKED}, "invoice k1 is parked without a cause: nobody could see why."),
        ({"facts": {"amount": Decimal("12.50")}}, "amount of invoice k1 is a Decimal; facts, references and details are text."),
        ({"progress": {"line": 3}}, "line of invoice k1 is a int; facts, references and details are text."),
    ],
)
def test_a_change_that_breaks_a_rule_of_the_state_is_a_bug(bench: Bench, changes: dict[str, object], sentence: str) -> None:
    record = noted(bench)
    with pytest.raises(Bug) as caught:
        bench.ledger.move(record, WENT_ON, run="r", **cast(Changes, changes))
    assert caught.value.sentence == sentence
    assert bench.ledger.get(bench.place, "k1") == record


@pytest.mark.parametrize("state", [State.POSTED, State.ADOPTED, State.RESOLVED, State.WRITTEN])
def test_what_is_done_may_carry_an_exception(bench: Bench, state: State) -> None:
    record = bench.ledger.move(noted(bench), WENT_ON, run="r", state=state, due=None, causes=(EXCEPTION,))
    assert [failure.state for failure in bench.ledger.failures(bench.place)] == [state]
    assert record.due is None


def test_a_crash_before_the_transaction_leaves_the_record_as_it_was(parts: tuple[Bench, LocalStorage]) -> None:
    bench, storage = parts
    record = noted(bench)
    before = [*bench.tables.scan(LEDGER, bench.place.partition)]

    def crash(operation: Operation) -> None:
        if operation.verb == "commit":
            raise TryLater("The worker died.")

    storage.before = crash
    with pytest.raises(TryLater):
        bench.ledger.move(record, WENT_ON, run="r", state=State.PARKED, causes=(VENDOR,), alias="n")
    storage.before = lambda _: None
    assert [*bench.tables.scan(LEDGER, bench.place.partition)] == before

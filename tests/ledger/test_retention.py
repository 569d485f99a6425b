"""Retention: old audit steps go, oldest first, and what is left verifies at every moment; records never go, nor what nobody finished."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.simulator.turns import Killed
from sandbox.storage import LocalStorage, Operation
from sync.errors import StorageConflict, TryLater
from sync.ledger.model import Record, State, Step
from sync.ledger.retention import STEPS
from sync.ledger.rows import audit_key, day_key, record_key
from sync.storage.model import Delete, Row, Upsert
from sync.storage.patient import patient
from tests.ledger.bench import NOTED, VENDOR, WENT_ON, Bench, edited, local_bench, new
from tests.ledger.sealing import Trail, day, lived, sent
from tests.storage.support import START, CountedIds, NoChance

UP_TO_DAY_2 = 2


def numbers(trail: Trail, key: str) -> list[int]:
    return [step.seq for step in trail.bench.ledger.history(trail.bench.place, key)]


def records_of(trail: Trail) -> list[Row]:
    return [row for place in trail.places for prefix in ("r:", "h:", "n:", "w:", "f:") for row in trail.rows(place, prefix)]


def test_old_steps_go_and_what_is_left_verifies(either: Bench) -> None:
    trail = lived(either)
    before = records_of(trail)
    assert trail.keep_from(UP_TO_DAY_2) == 3 + 3 + 4, "of k1 and k2 three each, of v1 three, of v2 one"
    assert (numbers(trail, "k1"), numbers(trail, "k2"), numbers(trail, "k3")) == ([4, 5], [4, 5], [1, 2, 3, 4, 5])
    assert either.ledger.removed(either.place, "k1") == 3
    assert trail.problems() == []
    assert either.proof.record(either.place, "k1") == []
    assert records_of(trail) == before, "no record, no head, no claim, no work, no failure was touched"
    assert [row.key for row in trail.rows(either.place, "d:2026030") if ":k3:" not in row.key and row.key < "d:20260307"] == []


def test_repeated_it_changes_nothing(bench: Bench) -> None:
    trail = lived(bench)
    trail.keep_from(UP_TO_DAY_2)
    rows = [row for place in trail.places for row in trail.rows(place)]
    lines = trail.lines()
    assert [trail.keep_from(UP_TO_DAY_2) for _ in range(3)] == [0, 0, 0]
    assert [row for place in trail.places for row in trail.rows(place)] == rows
    assert trail.lines() == lines


def test_a_chain_goes_on_after_all_of_it_was_removed(either: Bench) -> None:
    trail = lived(either)
    assert trail.keep_from(4) == 5 + 5 + 4 + 1
    assert numbers(trail, "k1") == []
    either.ledger.log(trail.vendors, [sent("v1", "Sent again."), sent("v3")], "run9")
    record = either.ledger.get(either.place, "k1")
    assert record is not None
    either.ledger.move(record, Step("changed", "Changed."), run="r")
    assert numbers(trail, "k1") == [6]
    assert trail.problems() == []


def test_a_chain_whose_first_step_is_gone_is_never_begun_again(bench: Bench) -> None:
    trail = lived(bench)
    trail.keep_from(4)
    bench.ledger.log(bench.place, [sent("k1", "Logged.")], "run9")
    assert numbers(trail, "k1") == [6]
    assert trail.problems() == []


def test_a_record_noted_over_a_chain_that_was_removed_goes_on_with_it(bench: Bench) -> None:
    trail = lived(bench)
    trail.keep_from(4)
    [record] = bench.ledger.note(trail.vendors, [new("v2")], "run9", NOTED)
    assert record.seq == 2
    assert trail.problems() == []


def test_what_waited_goes_when_it_is_at_rest(bench: Bench) -> None:
    trail = lived(bench)
    trail.keep_from(UP_TO_DAY_2)
    record = bench.ledger.get(bench.place, "k3")
    assert record is not None
    bench.ledger.move(record, Step("resolved", "Done."), run="r", state=State.RESOLVED, due=None, causes=())
    assert trail.problems() == []
    assert trail.keep_from(UP_TO_DAY_2) == 3
    assert numbers(trail, "k3") == [4, 5, 6]
    assert trail.problems() == []
    assert [len(line.kept or ()) for line in bench.seals.chain(trail.connection).lines if line.kept is not None] == [2, 1, 0, 0]


def test_a_day_that_is_not_sealed_stays(bench: Bench) -> None:
    trail = Trail(bench)
    trail.live()
    assert trail.keep_from(UP_TO_DAY_2) == 0
    trail.seal(0)
    assert trail.keep_from(UP_TO_DAY_2) == 2 + 2 + 2 + 1
    assert numbers(trail, "k1") == [3, 4, 5]
    assert trail.problems() == []


def left(trail: Trail) -> list[str]:
    clock = trail.bench.clock
    return trail.bench.retention.remove(trail.connection, trail.places, day(UP_TO_DAY_2), clock.now() + timedelta(hours=1)).left


def test_a_day_that_does_not_fit_its_seal_stays_as_it_is_and_is_told(bench: Bench) -> None:
    trail = lived(bench)
    trail.forget(bench.place, "k2")
    rows = trail.rows(bench.place)
    told = left(trail)
    assert [text for text in told if "2026-03-05 of contoso are left alone: The seal of 2026-03-05" in text]
    assert trail.rows(bench.place) == rows


def test_a_day_after_one_that_is_left_alone_goes_all_the_same(bench: Bench) -> None:
    trail = lived(bench)
    trail.write(trail.vendors, Delete(day_key(START, "v2", 1)))
    assert trail.keep_from(UP_TO_DAY_2) == 0, "no step goes while one before it stays"
    assert [line.date for line in bench.seals.chain(trail.connection).lines if line.kept is not None] == [day(1)]


def test_a_log_of_seals_that_is_not_whole_stops_it(bench: Bench) -> None:
    trail = lived(bench)
    trail.relog(trail.lines()[1:])
    [told] = left(trail)
    assert "left alone: Seal 1 of contoso" in told
    assert numbers(trail, "k1") == [1, 2, 3, 4, 5]


def test_a_record_whose_chain_is_broken_stays(bench: Bench) -> None:
    trail = lived(bench)
    trail.write(bench.place, Upsert(edited(bench.row(audit_key("k1", 1)), Note="Another.")))
    trail.keep_from(UP_TO_DAY_2)
    assert numbers(trail, "k1") == [1, 2, 3, 4, 5]
    assert numbers(trail, "k2") == [4, 5]
    assert [problem for problem in trail.problems() if problem.startswith("k1: Step 1 (found) was changed")]


def test_steps_dated_out_of_order_stay_until_those_before_them_go(bench: Bench) -> None:
    trail = Trail(bench)
    [record] = bench.ledger.note(bench.place, [new("k1")], "r", NOTED)
    for number in (3, 1, 4):
        trail.go_to(number)
        record = bench.ledger.move(record, WENT_ON, run="r", owner=str(number))
    trail.rest(record)
    trail.go_to(6)
    trail.seal(5)
    assert trail.keep_from(2) == 1
    assert numbers(trail, "k1") == [2, 3, 4, 5]
    assert trail.problems() == []
    assert trail.keep_from(4) == 1, "step 3 is of day 1, but comes after step 2 of day 3"
    assert numbers(trail, "k1") == [3, 4, 5]
    assert trail.problems() == []
    assert trail.keep_from(4) == 1
    assert numbers(trail, "k1") == [4, 5]
    assert trail.problems() == []


def test_a_day_with_more_steps_of_a_record_than_a_transaction_holds(either: Bench) -> None:
    trail = Trail(either)
    [record] = either.ledger.note(either.place, [new("k1")], "r", NOTED)
    for number in range(STEPS + 10):
        record = either.ledger.move(record, WENT_ON, run="r", owner=str(number))
    trail.rest(record)
    trail.go_to(3)
    trail.seal(2)
    assert trail.keep_from(1) == STEPS + 12
    assert trail.problems() == []


def test_it_stops_when_its_time_is_over_and_goes_on_the_next_time(bench: Bench) -> None:
    trail = lived(bench)
    assert bench.retention.remove(trail.connection, trail.places, day(UP_TO_DAY_2), bench.clock.now()).steps == 0
    assert trail.keep_from(UP_TO_DAY_2) == 10


MOMENTS = ("before", "after")


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_every_step_it_verifies_and_is_gone_on_with(moment: str) -> None:
    whole = lived(local_bench()[0])
    whole.keep_from(UP_TO_DAY_2)
    struck = 0
    while True:
        bench, storage = local_bench()
        trail = lived(bench)
        if not killed_at(storage, moment, struck, partial(trail.keep_from, UP_TO_DAY_2)):
            break
        assert trail.problems() == [], (moment, struck)
        trail.keep_from(UP_TO_DAY_2)
        assert trail.problems() == [], (moment, struck)
        assert [row.key for place in trail.places for row in trail.rows(place)] == [
            row.key for place in whole.places for row in whole.rows(place)
        ]
        struck += 1
    assert struck > 20


def killed_at(storage: LocalStorage, moment: str, nth: int, work: Callable[[], object]) -> bool:
    """Whether the work died at its nth storage operation, from 0."""
    seen: list[Operation] = []

    def kill(operation: Operation) -> None:
        seen.append(operation)
        if len(seen) == nth + 1:
            raise Killed

    setattr(storage, moment, kill)
    try:
        work()
    except Killed:
        return True
    finally:
        setattr(storage, moment, lambda _: None)
    return False


def test_a_storage_that_loses_answers_at_every_step_changes_nothing() -> None:
    """Each operation in turn takes effect and its answer is lost, or does not; the patient storage above tries again."""
    for moment in MOMENTS:
        struck = 0
        while True:
            bench, storage = local_bench()
            opened = patient(storage, bench.clock.sleep, NoChance(), CountedIds())
            trail = Trail(Bench(opened.tables, opened.queues, opened.blobs, bench.clock, bench.place.connection))
            trail.live()
            seen = busy_once(storage, moment, struck)
            trail.seal()
            assert trail.keep_from(UP_TO_DAY_2) == 10
            setattr(storage, moment, lambda _: None)
            assert trail.problems() == [], (moment, struck)
            assert len(trail.lines()) == 5, "no line came twice"
            if len(seen) <= struck:
                break
            struck += 1
        assert struck > 40


def busy_once(storage: LocalStorage, moment: str, nth: int) -> list[Operation]:
    """The nth storage operation, from 0, is answered with 'busy'. Returns the operations seen, as they come."""
    seen: list[Operation] = []

    def busy(operation: Operation) -> None:
        seen.append(operation)
        if len(seen) == nth + 1:
            raise TryLater("storage is busy")

    setattr(storage, moment, busy)
    return seen


def test_two_housekeepers_at_once_remove_nothing_twice(parts: tuple[Bench, LocalStorage]) -> None:
    bench, storage = parts
    trail = lived(bench)

    def race(operation: Operation) -> None:
        if operation.verb == "commit" and operation.key == audit_key("k2", 1):
            storage.before = lambda _: None
            trail.keep_from(UP_TO_DAY_2)

    storage.before = race
    with pytest.raises(StorageConflict):
        trail.keep_from(UP_TO_DAY_2)
    assert trail.problems() == []
    assert trail.keep_from(UP_TO_DAY_2) == 0
    assert numbers(trail, "k2") == [4, 5]


def test_a_worker_that_goes_on_with_a_record_in_that_moment_loses_nothing(parts: tuple[Bench, LocalStorage]) -> None:
    bench, storage = parts
    trail = lived(bench)
    record = bench.ledger.get(bench.place, "k1")
    assert record is not None
    moved: list[Record] = []

    def race(operation: Operation) -> None:
        if operation.verb == "commit" and operation.key == audit_key("k1", 1):
            storage.before = lambda _: None
            moved.append(bench.ledger.move(record, Step("changed", "Changed."), run="r"))

    storage.before = race
    trail.keep_from(UP_TO_DAY_2)
    assert moved
    assert numbers(trail, "k1") == [4, 5, 6]
    assert trail.problems() == []


def removed(bench: Bench) -> Trail:
    trail = lived(bench)
    trail.keep_from(UP_TO_DAY_2)
    assert trail.problems() == []
    return trail


def more_steps_go(trail: Trail) -> None:
    """Somebody takes away one more step than retention did, with its index."""
    trail.write(trail.bench.place, Delete(audit_key("k1", 4)), Delete(day_key(START + timedelta(days=3), "k1", 4)))


def what_stands_is_gone(trail: Trail) -> None:
    trail.write(trail.bench.place, Delete(audit_key("k1", 1)))


def what_stands_is_moved_on(trail: Trail) -> None:
    trail.write(
        trail.bench.place,
        Upsert(edited(trail.bench.row(audit_key("k1", 1)), Seq=4, Mac=trail.bench.row(audit_key("k1", 4)).values["Mac"])),
        Delete(audit_key("k1", 4)),
    )


def what_stands_is_of_another(trail: Trail) -> None:
    trail.write(trail.bench.place, Upsert(Row(trail.bench.place.partition, audit_key("k1", 1), trail.bench.row(audit_key("k2", 1)).values)))


def what_stands_names_another(trail: Trail) -> None:
    trail.write(trail.bench.place, Upsert(edited(trail.bench.row(audit_key("k1", 1)), Key="k2")))


def what_was_kept_is_gone(trail: Trail) -> None:
    trail.forget(trail.bench.place, "k3")


def the_word_of_retention_is_cut(trail: Trail) -> None:
    trail.relog(trail.lines()[:-1])


def the_record_is_gone(trail: Trail) -> None:
    trail.write(trail.bench.place, Delete(record_key("k1")))


@pytest.mark.parametrize(
    "hand",
    [
        more_steps_go,
        what_stands_is_gone,
        what_stands_is_moved_on,
        what_stands_is_of_another,
        what_stands_names_another,
        what_was_kept_is_gone,
        the_word_of_retention_is_cut,
        the_record_is_gone,
    ],
)
def test_what_retention_did_not_do_is_found_after_it(bench: Bench, hand: Callable[[Trail], None]) -> None:
    trail = removed(bench)
    hand(trail)
    assert trail.problems()


def test_a_record_that_retention_left_and_whose_steps_are_all_old_cannot_disappear(bench: Bench) -> None:
    trail = Trail(bench)
    [record] = bench.ledger.note(bench.place, [new("k9"), new("k1")], "run1", NOTED)[:1]
    bench.ledger.move(record, Step("parked", "Parked."), run="r", state=State.PARKED, causes=(VENDOR,))
    trail.go_to(3)
    trail.seal(2)
    trail.keep_from(UP_TO_DAY_2)
    assert trail.problems() == []
    trail.forget(bench.place, "k9")
    assert trail.problems() == [f"k9: Step {number} of 2026-03-05, which retention left, is gone or was changed." for number in (1, 2)]


def test_steps_of_a_company_that_the_connection_names_no_more_go_too(bench: Bench) -> None:
    trail = lived(bench)
    clock = bench.clock
    removal = bench.retention.remove(trail.connection, [bench.place], day(UP_TO_DAY_2), clock.now() + timedelta(hours=1))
    assert (removal.steps, removal.left) == (10, [])
    assert trail.problems() == []


def test_a_removal_that_is_in_no_log_is_found(bench: Bench) -> None:
    """The rows are as retention would leave them, the log of seals and its head are as they were before."""
    trail = lived(bench)
    lines, head = trail.lines(), trail.seal_head()
    trail.keep_from(UP_TO_DAY_2)
    trail.relog(lines)
    trail.set_head(head)
    assert [problem for problem in trail.problems() if problem.startswith("The seal of 2026-03-05 of contoso/invoices/usmf counts 6 steps")]


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_any_lives_verify_after_any_retention(data: st.DataObject) -> None:
    bench, storage = local_bench()
    trail = Trail(bench)
    keys = ["k1", "k2", "k3"]
    for number in range(6):
        trail.go_to(number)
        for key in data.draw(st.lists(st.sampled_from(keys), max_size=4)):
            record = bench.ledger.get(bench.place, key) or bench.ledger.note(bench.place, [new(key)], "r", NOTED)[0]
            state, due = data.draw(st.sampled_from([(State.POSTED, None), (State.FOUND, bench.clock.now())]))
            bench.ledger.move(record, WENT_ON, run="r", state=state, due=due)
        bench.ledger.log(trail.vendors, [sent(key) for key in data.draw(st.lists(st.sampled_from(["v1", "v2"]), max_size=3))], "r")
    trail.go_to(8)
    trail.seal(7)
    before = records_of(trail)
    for cut in data.draw(st.lists(st.integers(0, 7), min_size=1, max_size=4)):
        killed_at(storage, data.draw(st.sampled_from(MOMENTS)), data.draw(st.integers(0, 60)), partial(trail.keep_from, cut))
        assert trail.problems() == []
        trail.keep_from(cut)
        assert trail.problems() == []
    assert records_of(trail) == before

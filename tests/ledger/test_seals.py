"""Seals: each day that has steps once, whatever happened to the timer, the clock or the worker; one chain from the first to the last."""

import pytest

from sandbox.simulator.turns import Killed
from sandbox.storage import LocalStorage, Operation
from sync.errors import Bug, StorageConflict
from sync.ledger.model import Record
from sync.ledger.seals import MOST_DAYS
from tests.ledger.bench import NOTED, WENT_ON, Bench, edited, new
from tests.ledger.sealing import Trail, day, lived


def noted(trail: Trail, key: str = "k1") -> Record:
    [record] = trail.bench.ledger.note(trail.bench.place, [new(key)], "run1", NOTED)
    return record


def test_days_are_sealed_once_and_chained_and_the_trail_is_whole(either: Bench) -> None:
    trail = lived(either)
    chain = either.seals.chain(trail.connection)
    assert chain.problems == ()
    assert [(line.number, line.previous) for line in chain.lines] == [(1, ""), (2, chain.lines[0].mac), (3, chain.lines[1].mac)]
    assert trail.seal() == []
    assert len(trail.lines()) == 3
    assert trail.problems() == []


def test_each_connection_has_a_log_of_its_own(bench: Bench) -> None:
    trail, other = lived(bench), "contoso-2"
    assert [*bench.seals.seal(other, (), day(4))] == []
    assert bench.seals.chain(other).head is None
    assert bench.seals.chain(trail.connection).problems == ()


def test_days_without_a_step_need_no_line_and_are_not_looked_at_again(parts: tuple[Bench, LocalStorage]) -> None:
    bench, storage = parts
    trail = lived(bench)
    seen: list[Operation] = []
    storage.before = seen.append
    assert trail.seal() == []
    assert [(operation.verb, operation.target) for operation in seen] == [("get", "ledger")]


def test_days_that_nobody_sealed_are_sealed_later_a_month_of_them_a_call(bench: Bench) -> None:
    trail = Trail(bench)
    record = noted(trail)
    for number in range(1, 40):
        trail.go_to(number)
        record = bench.ledger.move(record, WENT_ON, run="r", owner=str(number))
    assert len(trail.seal(39)) == MOST_DAYS
    assert len(trail.seal(39)) == 40 - MOST_DAYS
    assert trail.seal(39) == []
    assert trail.problems() == []


def test_the_log_lies_by_the_month_in_which_a_seal_was_made(bench: Bench) -> None:
    trail = Trail(bench)
    record = noted(trail)
    trail.go_to(30)
    bench.ledger.move(record, WENT_ON, run="r", owner="me")
    trail.go_to(32)
    trail.seal(30)
    assert trail.logs() == [f"{trail.connection}/2026-04.log"]
    assert trail.problems() == []


def test_a_day_that_is_not_over_is_not_sealed_and_its_steps_are_no_problem(bench: Bench) -> None:
    trail = lived(bench)
    noted(trail, "k9")
    assert trail.seal(4) == []
    assert trail.problems() == []


WRITES = {("tables", "commit"): 4, ("blobs", "append"): 3}
"""A first sealing of the trail appends three lines; the head names each, and then how far everything is sealed."""
KILLS = [(*write, nth, moment) for write, count in WRITES.items() for nth in range(1, count + 1) for moment in ("before", "after")]


@pytest.mark.parametrize(("service", "verb", "nth", "moment"), KILLS)
def test_killed_at_any_write_and_started_again_it_is_sealed_once(
    parts: tuple[Bench, LocalStorage], service: str, verb: str, nth: int, moment: str
) -> None:
    bench, storage = parts
    trail = Trail(bench)
    trail.live()
    seen: list[Operation] = []

    def kill(operation: Operation) -> None:
        seen.extend([operation] if (operation.service, operation.verb) == (service, verb) else [])
        if len(seen) == nth:
            raise Killed

    setattr(storage, moment, kill)
    with pytest.raises(Killed):
        trail.seal()
    setattr(storage, moment, lambda _: None)
    assert trail.problems() == []
    trail.seal()
    assert trail.problems() == []
    assert [line.day for line in bench.seals.chain(trail.connection).lines] == [day(number).isoformat() for number in (0, 1, 3)]


def test_of_two_housekeepers_one_seals_and_the_other_goes_home(parts: tuple[Bench, LocalStorage]) -> None:
    bench, storage = parts
    trail = Trail(bench)
    trail.live()

    def race(operation: Operation) -> None:
        if operation.verb == "append":
            storage.before = lambda _: None
            trail.seal()

    storage.before = race
    with pytest.raises(StorageConflict):
        trail.seal()
    assert trail.seal() == []
    assert len(trail.lines()) == 4, "the slower one's line is there, and counts for nothing"
    assert len(bench.seals.chain(trail.connection).lines) == 3
    assert trail.problems() == []


def test_a_line_that_came_twice_is_no_problem(bench: Bench) -> None:
    trail = lived(bench)
    trail.relog([line for line in trail.lines() for _ in range(2)])
    assert trail.problems() == []


def test_after_a_clock_that_was_ahead_the_days_are_sealed_again_once_they_are_over(bench: Bench) -> None:
    trail = Trail(bench)
    record = noted(trail)
    trail.go_to(400)
    wrong = bench.ledger.move(record, WENT_ON, run="r", owner="a wrong clock")
    trail.go_to(402)
    assert [line.day for line in trail.seal(400)] == [day(0).isoformat(), day(400).isoformat()]
    trail.go_to(0)
    record = bench.ledger.move(wrong, WENT_ON, run="r", owner="the right day, sealed too early")
    assert trail.seal(-1) == []
    trail.go_to(1)
    bench.ledger.move(record, WENT_ON, run="r", owner="the next day")
    trail.go_to(3)
    assert [line.day for line in trail.seal(1)] == [day(0).isoformat(), day(1).isoformat()]
    assert trail.problems() == []


def test_a_clock_that_was_behind_for_a_while_seals_nothing_anew(bench: Bench) -> None:
    trail = lived(bench)
    assert trail.seal(-400) == []
    trail.go_to(6)
    assert trail.seal(5) == []
    assert len(bench.seals.chain(trail.connection).lines) == 3
    assert trail.problems() == []


def test_a_day_that_was_changed_while_the_clock_was_behind_shows(bench: Bench) -> None:
    trail = lived(bench)
    trail.seal(-400)
    trail.forget(bench.place, "k2")
    trail.go_to(6)
    assert trail.seal(5) != []
    assert any("was sealed twice" in problem for problem in trail.problems())


def test_nothing_is_sealed_after_a_head_that_is_not_ours(bench: Bench) -> None:
    trail = lived(bench)
    trail.set_head(edited(trail.seal_head(), Through=day(30).isoformat()))
    with pytest.raises(Bug, match="was changed"):
        trail.seal(5)


def test_seals_and_steps_verify_after_the_key_was_rotated(bench: Bench) -> None:
    trail = lived(bench)
    bench.keys.keys["two"] = b"second key"
    bench.keys.now = "two"
    noted(trail, "k9")
    trail.go_to(7)
    assert len(trail.seal(6)) == 1
    assert trail.problems() == []
    del bench.keys.keys["one"]
    assert trail.problems()

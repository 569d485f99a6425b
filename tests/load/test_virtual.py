"""Virtual time for many: sleepers take turns by their time, work side by side, and end when the time is over."""

from datetime import timedelta

import pytest

from bench.load.virtual import SharedExecutor, SharedTime
from sandbox.simulator.seams import START

HOUR = START + timedelta(hours=1)


def test_sleepers_wake_in_the_order_of_their_times() -> None:
    time, seen = SharedTime(), list[str]()

    def sleeper(name: str, seconds: float) -> None:
        for _ in range(2):
            time.sleep(seconds)
            seen.append(f"{name} {(time.now() - START).total_seconds():.0f}")

    time.start(lambda: sleeper("slow", 30))
    time.start(lambda: sleeper("fast", 20))
    time.run(HOUR)
    assert seen == ["fast 20", "slow 30", "fast 40", "slow 60"]


def test_items_side_by_side_take_as_long_as_the_longest_lane() -> None:
    time, took = SharedTime(), list[float]()

    def double(seconds: int) -> int:
        time.sleep(seconds)
        return 2 * seconds

    def work() -> None:
        assert SharedExecutor(time).map(double, [10, 1, 1, 1], width=2) == [20, 2, 2, 2]
        took.append((time.now() - START).total_seconds())

    time.start(work)
    time.run(HOUR)
    assert took == [10]


def test_every_item_is_worked_on_and_the_first_failure_is_raised() -> None:
    time, worked, raised = SharedTime(), list[int](), list[str]()

    def work(number: int) -> None:
        time.sleep(number)
        worked.append(number)
        if number > 1:
            raise ValueError(str(number))

    def all_of_it() -> None:
        with pytest.raises(ValueError, match="2") as error:
            SharedExecutor(time).map(work, [3, 1, 2][::-1], width=2)
        raised.append(str(error.value))

    time.start(all_of_it)
    time.run(HOUR)
    assert (sorted(worked), raised) == ([1, 2, 3], ["2"])


def test_who_still_sleeps_when_the_time_is_over_ends() -> None:
    time, ended = SharedTime(), list[str]()

    def long() -> None:
        try:
            time.sleep(7_200)
        finally:
            ended.append("long")

    time.start(long)
    time.run(HOUR)
    assert (ended, time.now()) == (["long"], HOUR)


def test_what_a_task_raises_reaches_who_plays_the_time() -> None:
    time = SharedTime()

    def broken() -> None:
        time.sleep(1)
        raise ValueError("broken")

    time.start(broken)
    with pytest.raises(ValueError, match="broken"):
        time.run(HOUR)

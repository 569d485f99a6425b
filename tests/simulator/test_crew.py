"""Turns, sleep, hanging and death of the simulator's tasks."""

from collections.abc import Callable
from datetime import timedelta
from random import Random

import pytest

from sandbox.simulator.crew import Crew, CrewExecutor, Killed, Process, Task
from sandbox.simulator.seams import START, VirtualClock


def made(seed: int = 1, linger: float = 0.5) -> Crew:
    return Crew(Random(seed), VirtualClock(), linger)


def steps(crew: Crew, trace: list[str], name: str, count: int) -> Callable[[], None]:
    def work() -> None:
        for number in range(count):
            crew.point()
            trace.append(f"{name}{number}")

    return work


def run(crew: Crew) -> None:
    while crew.turn():
        pass


def test_a_seed_decides_the_order_and_always_the_same() -> None:
    orders = []
    for seed in (1, 1, 2):
        crew, trace = made(seed), list[str]()
        for name in "ab":
            crew.start(Process(1), "", steps(crew, trace, name, 20))
        run(crew)
        orders.append(trace)
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2])


def test_a_sleeper_wakes_when_its_time_has_come_and_others_go_on_meanwhile() -> None:
    crew, clock, trace = made(), VirtualClock(), list[str]()
    crew = Crew(Random(1), clock, 1.0)

    def sleeper() -> None:
        crew.sleep(90)
        trace.append("woke")

    crew.start(Process(1), "", sleeper)
    crew.start(Process(1), "", steps(crew, trace, "b", 2))
    run(crew)
    assert trace == ["b0", "b1"]
    assert crew.next_wake() == START + timedelta(seconds=90)
    clock.advance(seconds=90)
    run(crew)
    assert trace[-1] == "woke"


def test_nothing_of_a_dead_process_runs_any_more_but_the_others_do() -> None:
    crew, trace, process = made(), list[str](), Process(1)
    caught: list[str] = []

    def work() -> None:
        try:
            steps(crew, trace, "a", 100)()
        except Exception as error:  # noqa: BLE001 - what a handler of errors would catch
            caught.append(str(error))

    doomed = [crew.start(process, "", work) for _ in range(2)]
    crew.start(Process(2), "", steps(crew, trace, "b", 5))
    for _ in range(6):
        crew.turn()
    process.dead = True
    run(crew)
    assert [type(task.died_of) for task in doomed] == [Killed, Killed]
    assert caught == []
    assert trace.count("b4") == 1
    assert trace.count("a99") == 0


def test_a_hanging_process_takes_no_step_before_its_time() -> None:
    clock, trace = VirtualClock(), list[str]()
    crew, process = Crew(Random(1), clock, 0.0), Process(1)
    crew.start(process, "", steps(crew, trace, "a", 3))
    crew.turn()
    process.frozen_until = clock.now() + timedelta(minutes=11)
    run(crew)
    assert trace == []
    assert crew.next_wake() == process.frozen_until
    clock.advance(minutes=11)
    run(crew)
    assert trace == ["a0", "a1", "a2"]


def test_the_executor_works_on_every_item_and_raises_the_first_failure() -> None:
    crew, results, seen = made(linger=0.0), list[object](), list[int]()
    executor = CrewExecutor(crew)

    def work(number: int) -> int:
        crew.point()
        seen.append(number)
        if number % 3 == 1:
            raise ValueError(number)
        return number * 2

    def parent() -> None:
        results.append(executor.map(lambda number: number + 1, range(5), width=4))
        with pytest.raises(ValueError, match=r"^1$"):
            executor.map(work, range(6), width=3)

    task = crew.start(Process(1), "payments", parent)
    run(crew)
    assert task.died_of is None
    assert results == [[1, 2, 3, 4, 5]]
    assert sorted(seen) == [0, 1, 2, 3, 4, 5]
    assert seen != sorted(seen), "the items took turns"


def test_tasks_of_an_executor_work_for_the_stage_of_their_parent() -> None:
    crew, stages = made(), list[str]()

    def note(_: int) -> None:
        assert isinstance(crew.current, Task)
        stages.append(crew.current.stage)

    crew.start(Process(1), "payments", lambda: _drop(CrewExecutor(crew).map(note, range(3), width=2)))
    run(crew)
    assert stages == ["payments"] * 3


def test_closing_ends_what_is_left() -> None:
    crew = made(linger=0.0)
    task = crew.start(Process(1), "", lambda: crew.sleep(1_000))
    crew.turn()
    crew.close()
    assert task.ended
    assert isinstance(task.died_of, Killed)


def _drop(_: object) -> None:
    """The work of a task returns nothing."""

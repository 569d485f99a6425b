"""Adaptive concurrency."""

from sync.http.slots import CEILING, SUCCESSES_PER_STEP, Slot, Slots

HOST = "h"


def taken(slots: Slots, count: int) -> list[Slot]:
    given = [slots.take(HOST) for _ in range(count)]
    return [slot for slot in given if slot is not None]


def test_never_more_under_way_than_the_limit() -> None:
    slots = Slots()
    assert len(taken(slots, CEILING + 5)) == CEILING
    assert slots.take("other") is not None


def test_a_burst_of_429_halves_what_was_under_way_once() -> None:
    slots = Slots()
    burst = taken(slots, 8)
    for slot in burst:
        slots.give_back(slot, throttled=True)
    assert slots.limit(HOST) == 4
    again = taken(slots, 8)
    assert len(again) == 4
    slots.give_back(again[0], throttled=True)
    assert slots.limit(HOST) == 2


def test_it_never_falls_below_one_and_regrows_by_one() -> None:
    slots = Slots()
    for _ in range(5):
        slots.give_back(taken(slots, 1)[0], throttled=True)
    assert slots.limit(HOST) == 1
    for _ in range(SUCCESSES_PER_STEP):
        slots.give_back(taken(slots, 1)[0], throttled=False)
    assert slots.limit(HOST) == 2
    for _ in range(SUCCESSES_PER_STEP * CEILING * 2):
        slots.give_back(taken(slots, 1)[0], throttled=False)
    assert slots.limit(HOST) == CEILING

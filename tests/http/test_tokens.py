"""One token per customer and process: renewed before its end, fetched by one caller at a time."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Event

import pytest

from sandbox.simulator.seams import START, VirtualClock
from sync.errors import FixConfiguration, TryLater
from sync.http.tokens import NEXT_TRY, Token, Tokens, token_of
from sync.ports import Ports
from tests.http.support import ports_with, script

HOUR = timedelta(hours=1)


class Fetches:
    """Numbers the tokens it gives; raises `trouble` when there is one."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.count = 0
        self.trouble: Exception | None = None

    def __call__(self) -> Token:
        self.count += 1
        if self.trouble is not None:
            raise self.trouble
        return token_of(f"T{self.count}", self.clock.now(), HOUR)


class Bench:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.tokens = Tokens()
        self.fetch = Fetches(self.clock)
        self.ports: Ports = ports_with(script(), self.clock)

    def get(self, customer: str = "a") -> str:
        return self.tokens.get(customer, self.ports, self.fetch)["Authorization"]


def test_a_token_is_fetched_once_per_customer() -> None:
    it = Bench()
    assert [it.get(), it.get(), it.get("b"), it.get()] == ["Bearer T1", "Bearer T1", "Bearer T2", "Bearer T1"]


def test_it_is_renewed_before_it_expires_and_after_it_was_refused() -> None:
    it = Bench()
    it.get()
    it.clock.advance(minutes=55)
    assert it.get() == "Bearer T2"
    it.tokens.forget("a")
    assert it.get() == "Bearer T3"


def test_a_living_token_is_used_on_while_entra_cannot_be_reached() -> None:
    it = Bench()
    it.get()
    it.clock.advance(minutes=55)
    it.fetch.trouble = TryLater("no answer")
    assert it.get() == it.get() == "Bearer T1"
    assert it.fetch.count == 2, "the next try is a little later, not at every request"
    it.clock.advance(seconds=NEXT_TRY.total_seconds())
    assert (it.get(), it.fetch.count) == ("Bearer T1", 3)
    it.clock.advance(minutes=5)
    with pytest.raises(TryLater):
        it.get()
    it.fetch.trouble = None
    assert it.get() == "Bearer T5"


def test_a_refused_token_does_not_come_back_when_the_next_cannot_be_fetched() -> None:
    it = Bench()
    it.get()
    it.tokens.forget("a")
    it.fetch.trouble = TryLater("no answer")
    with pytest.raises(TryLater):
        it.get()


def test_a_refusal_for_good_is_raised_though_the_old_token_lives() -> None:
    it = Bench()
    it.get()
    it.clock.advance(minutes=56)
    it.fetch.trouble = FixConfiguration("the secret has expired")
    with pytest.raises(FixConfiguration):
        it.get()
    it.fetch.trouble = None
    assert it.get() == "Bearer T3", "a failed fetch leaves the way free for the next"


def test_many_threads_that_meet_no_token_fetch_it_once() -> None:
    tokens, barrier, waited, count = Tokens(), Barrier(8), Event(), iter(range(1, 100))

    def sleep(seconds: float) -> None:
        waited.set()

    ports = replace(ports_with(script(), VirtualClock()), sleep=sleep)

    def fetch() -> Token:
        assert waited.wait(30), "nobody waits for the fetch"
        return token_of(f"T{next(count)}", START, HOUR)

    def work(_: int) -> str:
        barrier.wait(30)
        return tokens.get("a", ports, fetch)["Authorization"]

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(work, range(8))) == {"Bearer T1"}


def test_others_go_on_with_the_old_token_while_it_is_renewed() -> None:
    it = Bench()
    it.get()
    it.clock.advance(minutes=56)
    seen: list[str] = []

    def slow() -> Token:
        seen.append(it.get())
        return token_of("new", it.clock.now(), HOUR)

    assert it.tokens.get("a", it.ports, slow) == {"Authorization": "Bearer new"}
    assert seen == ["Bearer T1"]


def test_a_token_shows_nothing_of_itself() -> None:
    assert "T1" not in repr(token_of("T1", START, HOUR))

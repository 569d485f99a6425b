"""The courtesy cap: no five minutes ever see more requests than it says, and nobody waits longer than it takes."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.simulator.seams import START, VirtualClock
from sync.errors import TryLater
from sync.http.client import Crowd, HttpClient
from sync.http.pace import WINDOW, Pace
from sync.http.slots import Slots
from sync.http.wire import HttpRequest, HttpResponse
from tests.http.support import Answer, FunctionTransport, MemoryGates, ports_with

HOST = "contoso.operations.dynamics.com"
GET = HttpRequest("GET", f"https://{HOST}/data/X")


def busiest(sent: list[datetime]) -> int:
    """The most requests in any five minutes."""
    return max(sum(start <= moment < start + WINDOW for moment in sent) for start in sent)


@given(st.integers(1, 500), st.lists(st.floats(0, 20), min_size=1, max_size=400))
def test_no_window_sees_more_than_the_cap(cap: int, pauses: list[float]) -> None:
    pace, now, sent = Pace(), START, []
    for pause in pauses:
        now += timedelta(seconds=pause)
        while wait := pace.take(HOST, cap, now):
            now += timedelta(seconds=max(wait, 1e-6))
        sent.append(now)
    assert busiest(sent) <= cap


def test_a_burst_goes_at_once_and_the_rest_evenly() -> None:
    pace = Pace()
    assert [pace.take(HOST, 100, START) for _ in range(10)] == [0.0] * 10
    assert pace.take(HOST, 100, START) == pytest.approx(300 / 90)
    assert pace.take("other", 100, START) == 0
    assert pace.take(HOST, 100, START + timedelta(minutes=5)) == 0


class Bench:
    """Clients of one process on one clock, with a cap."""

    def __init__(self, cap: int | None, clients: int = 1, slots: Slots | None = None) -> None:
        self.clock = VirtualClock()
        self.sent: list[datetime] = []
        ports, crowd = ports_with(FunctionTransport(self._answer), self.clock), Crowd(slots)
        self.clients = [HttpClient(HOST, "D365", ports, MemoryGates(), None, courtesy_cap=cap, crowd=crowd) for _ in range(clients)]

    def _answer(self, _: HttpRequest) -> Answer:
        self.sent.append(self.clock.now())
        return HttpResponse(200)


def test_who_would_wait_too_long_is_told_when_to_come_back_and_keeps_no_slot() -> None:
    slots = Slots()
    it = Bench(1, slots=slots)
    it.clients[0].send(GET, repeatable=True)
    with pytest.raises(TryLater) as caught:
        it.clients[0].send(GET, repeatable=True)
    assert caught.value.delay == pytest.approx(300)
    assert len(it.sent) == 1
    assert len([slot for slot in (slots.take(HOST) for _ in range(100)) if slot is not None]) == slots.limit(HOST)


def test_requests_are_paced_through_the_sleep_port_across_clients() -> None:
    it = Bench(100, clients=3)
    for number in range(300):
        it.clients[number % 3].send(GET, repeatable=True)
    assert busiest(it.sent) <= 100
    assert timedelta(minutes=14) < it.sent[-1] - it.sent[0] < timedelta(minutes=17), "and the cap is used, not only kept"


def test_without_a_cap_nothing_waits() -> None:
    it = Bench(None)
    for _ in range(1_000):
        it.clients[0].send(GET, repeatable=False)
    assert it.clock.now() == START

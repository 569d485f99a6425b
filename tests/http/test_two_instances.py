"""Throttling across instances, in virtual time: the gate is durable before anything else happens, and everybody obeys it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import format_datetime

import pytest

from sandbox.faults import Fault
from sandbox.network import Network
from sandbox.simulator.seams import START, NetworkTransport, VirtualClock, make_ports
from sandbox.storage import LocalStorage, Operation
from sandbox.web import Request, Response
from sync.errors import Throttled
from sync.http.client import HttpClient
from sync.http.wire import HttpRequest
from sync.ledger.gates import FRESH, Gates
from sync.storage.names import GATES, ensure

HOST = "contoso.operations.dynamics.com"
URL = f"https://{HOST}/data/X"


class Fine:
    def handle(self, request: Request) -> Response:
        return Response(200, {"set-cookie": "ApplicationGatewayAffinity=abc; path=/"}, b"{}")


class Bench:
    """Two instances: each has its own gates, slots and clients; storage, network and time are shared."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.events: list[str] = []
        self.storage = LocalStorage(self.clock, before=self._note)
        ensure(self.storage)
        self.network = Network(self.clock.now, {HOST: Fine()})
        self.one, self.two = self.instance("one"), self.instance("two")

    def _note(self, operation: Operation) -> None:
        self.events.append(f"{operation.verb} {operation.target}")

    def instance(self, name: str) -> HttpClient:
        transport = NetworkTransport(self.network, before=lambda _: self.events.append(f"{name} sends"))
        ports = make_ports(self.clock, transport, self.storage)
        return HttpClient(HOST, "D365", ports, Gates(ports), None)

    def busy(self, retry_after: str | None) -> None:
        headers = {} if retry_after is None else {"retry-after": retry_after}
        self.network.faults.add(Fault("status", HOST, reply=Response(429, headers)))

    def sent_between(self, start: datetime, end: datetime) -> int:
        return len(self.network.between(start, end, HOST))


def get(client: HttpClient) -> None:
    client.send(HttpRequest("GET", URL), repeatable=True)


def post(client: HttpClient) -> None:
    client.send(HttpRequest("POST", URL, body=b"{}"), repeatable=False)


@pytest.mark.parametrize("call", [get, post])
@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [("45", 45), ("0.5", 1), (format_datetime(START + timedelta(seconds=50), usegmt=True), 50), (None, 10), ("soon", 10)],
)
def test_a_second_instance_obeys_what_the_first_was_told(call: Callable[[HttpClient], None], retry_after: str | None, seconds: int) -> None:
    it = Bench()
    get(it.two)
    it.clock.advance(seconds=FRESH.total_seconds() + 0.1)
    told_at = START if retry_after is not None and retry_after.endswith("GMT") else it.clock.now()
    it.busy(retry_after)
    with pytest.raises(Throttled):
        post(it.one)
    call(it.two)
    opens = told_at + timedelta(seconds=seconds)
    assert it.clock.now() >= opens
    assert it.sent_between(it.network.exchanges[-2].time + FRESH + timedelta(microseconds=1), opens) == 0
    assert [exchange.status for exchange in it.network.exchanges] == [200, 429, 200]


def test_the_gate_is_durable_before_anything_else() -> None:
    it = Bench()
    it.busy("30")
    with pytest.raises(Throttled):
        post(it.one)
    after = it.events[it.events.index("one sends") + 1 :]
    assert after[:2] == [f"get {GATES}", f"commit {GATES}"]
    assert not any("send" in event for event in after)


def test_an_instance_that_dies_after_the_gate_leaves_it_closed() -> None:
    it = Bench()
    it.busy("3600")
    with pytest.raises(Throttled):
        post(it.one)
    newcomer = it.instance("three")
    with pytest.raises(Throttled) as caught:
        get(newcomer)
    assert caught.value.not_before == START + timedelta(hours=1)
    assert it.network.requests(HOST)[-1].status == 429


def test_a_longer_time_is_never_shortened_by_another_instance() -> None:
    it = Bench()
    it.busy("59")
    with pytest.raises(Throttled):
        post(it.one)
    it.network.faults.add(Fault("status", HOST, reply=Response(429, {"retry-after": "2"})))
    it.clock.advance(seconds=59)
    with pytest.raises(Throttled):
        post(it.two)
    get(it.one)
    assert it.clock.now() >= START + timedelta(seconds=61)


def test_the_affinity_cookie_goes_nowhere() -> None:
    it = Bench()
    for call in (get, post, get):
        call(it.one)
    assert all("cookie" not in exchange.headers for exchange in it.network.exchanges)
    assert len(it.network.exchanges) == 3

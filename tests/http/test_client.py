"""The client that every request goes through."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from sandbox.simulator.seams import START, VirtualClock
from sync.errors import AnswerTooLarge, FixConfiguration, OutcomeUnknown, SignInAgain, SyncError, Throttled, TryLater
from sync.http.client import LONGEST_RETRYING, Crowd, HttpClient, Times
from sync.http.slots import CEILING, SUCCESSES_PER_STEP, Slots
from sync.http.wire import HttpRequest, HttpResponse, NotSent, TooLarge, Unclear
from tests.http.support import Answer, FunctionTransport, MemoryGates, PlainAuthorizer, always, ports_with, script

HOST = "contoso.operations.dynamics.com"
URL = f"https://{HOST}/data/VendorsV3"
OK = HttpResponse(200, {}, b"{}")
BUSY = HttpResponse(429, {"retry-after": "30"})
UNAUTHORIZED = HttpResponse(401)


@dataclass
class Bench:
    """A client on scripted answers."""

    transport: FunctionTransport
    clock: VirtualClock = field(default_factory=VirtualClock)
    gates: MemoryGates = field(default_factory=MemoryGates)
    authorizer: PlainAuthorizer = field(default_factory=PlainAuthorizer)
    slots: Slots = field(default_factory=Slots)

    def __post_init__(self) -> None:
        ports = ports_with(self.transport, self.clock)
        self.client = HttpClient(HOST, "D365", ports, self.gates, self.authorizer, times=Times(90), crowd=Crowd(self.slots))

    def get(self) -> HttpResponse:
        return self.client.send(HttpRequest("GET", URL), repeatable=True)

    def post(self) -> HttpResponse:
        return self.client.send(HttpRequest("POST", URL, body=b"{}"), repeatable=False)

    @property
    def waited(self) -> float:
        return (self.clock.now() - START).total_seconds()


def bench(*answers: Answer) -> Bench:
    return Bench(script(*answers))


def test_an_answer_comes_through_with_credentials_and_time_outs() -> None:
    it = bench(OK)
    assert it.get() is OK
    sent = it.transport.sent[0]
    assert sent.headers["Authorization"] == "Bearer token-1"
    assert sent.read_seconds == 90


@pytest.mark.parametrize("seconds", [90, 150])
def test_reads_give_up_when_the_attempts_took_too_long_together(seconds: float) -> None:
    clock = VirtualClock()

    def time_out(_: HttpRequest) -> Answer:
        clock.advance(seconds=seconds)
        return Unclear("timed out")

    it = Bench(FunctionTransport(time_out), clock)
    with pytest.raises(TryLater):
        it.get()
    assert it.waited < LONGEST_RETRYING.total_seconds() + seconds + 1
    assert len(it.transport.sent) == (2 if seconds < 120 else 1)


@pytest.mark.parametrize("answer", [NotSent("refused"), Unclear("reset"), *(HttpResponse(status) for status in (408, 500, 502, 503, 504))])
def test_reads_are_sent_again(answer: Answer) -> None:
    it = bench(answer, answer, answer, answer, OK)
    assert it.get() is OK
    assert 0 < it.waited <= 1 + 2 + 4 + 8


def test_reads_give_up_after_five_attempts() -> None:
    it = bench(*[HttpResponse(503)] * 5)
    with pytest.raises(TryLater, match="503"):
        it.get()


@pytest.mark.parametrize("answer", [Unclear("reset"), *(HttpResponse(status) for status in (408, 500, 501, 502, 503, 504))])
def test_a_write_without_a_clear_answer_is_sent_once(answer: Answer) -> None:
    it = bench(answer)
    with pytest.raises(OutcomeUnknown):
        it.post()
    assert len(it.transport.sent) == 1


def test_an_answer_without_measure_is_not_asked_for_again() -> None:
    made = bench(TooLarge("200 MB"))
    with pytest.raises(AnswerTooLarge, match="larger than the 64 MB that are taken"):
        made.get()
    made = bench(TooLarge("200 MB"))
    with pytest.raises(OutcomeUnknown):
        made.post()


def test_a_write_that_surely_was_not_sent_is_sent_again() -> None:
    it = bench(NotSent("refused"), NotSent("refused"), HttpResponse(201))
    assert it.post().status == 201


@pytest.mark.parametrize("status", [400, 403, 404, 409, 412, 302])
def test_other_answers_are_the_callers(status: int) -> None:
    it = bench(HttpResponse(status), HttpResponse(status))
    assert it.get().status == status
    assert it.post().status == status


def test_the_longer_of_backoff_and_retry_after_is_waited_and_patience_ends() -> None:
    it = bench(HttpResponse(503, {"retry-after": "20"}), OK)
    it.get()
    assert it.waited >= 20
    with pytest.raises(TryLater) as caught:
        bench(HttpResponse(503, {"retry-after": "3600"})).get()
    assert caught.value.delay == 3600


def test_a_wait_of_just_our_patience_is_waited() -> None:
    it = bench(HttpResponse(503, {"retry-after": "60"}), OK)
    assert it.get() is OK
    assert it.waited == 60
    it = bench(OK)
    it.gates.close(HOST, START + timedelta(seconds=60))
    assert it.get() is OK
    assert it.waited == 60


@pytest.mark.parametrize(
    ("answer", "repeatable", "detail"),
    [
        (HttpResponse(503), True, f"GET {URL}: answered 503"),
        (HttpResponse(503), False, f"GET {URL}: answered 503"),
        (Unclear("reset"), False, f"GET {URL}: reset"),
        (NotSent("no such host"), True, f"GET {URL}: no such host"),
        (UNAUTHORIZED, True, f"GET {URL}: answered 401"),
    ],
)
def test_an_error_says_what_was_asked_and_how_it_ended(answer: Answer, repeatable: bool, detail: str) -> None:
    it = Bench(always(answer))
    with pytest.raises(SyncError) as caught:
        it.client.send(HttpRequest("GET", f"{URL}?$top=1"), repeatable=repeatable)
    assert caught.value.detail == detail


# --- 429 ------------------------------------------------------------------------------------------------------------------------------


def test_a_429_closes_the_gate_first_and_a_read_goes_on_when_it_opens() -> None:
    it = bench(BUSY, OK)
    assert it.get() is OK
    assert it.gates.closed[HOST] == START + timedelta(seconds=30)
    assert it.waited == 30


def test_a_429_on_a_write_is_raised_with_the_gate_closed() -> None:
    it = bench(BUSY)
    with pytest.raises(Throttled) as caught:
        it.post()
    assert caught.value.host == HOST
    assert caught.value.not_before == it.gates.closed[HOST] == START + timedelta(seconds=30)
    assert it.waited == 0


def test_no_request_begins_before_the_gate_opens() -> None:
    it = bench(OK)
    it.gates.closed[HOST] = START + timedelta(seconds=45)
    it.get()
    assert it.waited == 45


@pytest.mark.parametrize("repeatable", [True, False])
def test_a_gate_that_opens_after_our_patience_is_raised_without_a_request(repeatable: bool) -> None:
    it = bench()
    it.gates.closed[HOST] = START + timedelta(seconds=61)
    with pytest.raises(Throttled):
        it.client.send(HttpRequest("GET", URL), repeatable=repeatable)
    assert it.transport.sent == []


def test_a_host_that_is_always_busy_ends_in_throttled_with_growing_waits() -> None:
    it = bench(*[HttpResponse(429)] * 5)
    with pytest.raises(Throttled):
        it.get()
    assert len(it.transport.sent) <= 5
    assert it.waited <= 10 + 20 + 40


def test_a_429_lowers_the_concurrency() -> None:
    it = bench(BUSY, OK)
    it.get()
    assert it.slots.limit(HOST) == 1


def test_the_concurrency_regrows_with_success() -> None:
    it = bench(BUSY, *[OK] * (2 * SUCCESSES_PER_STEP))
    it.get()
    for _ in range(2 * SUCCESSES_PER_STEP - 1):
        it.get()
    assert it.slots.limit(HOST) == 3


def test_a_full_house_is_waited_for_through_the_sleep_port() -> None:
    slots = Slots()
    given = [slot for slot in (slots.take(HOST) for _ in range(100)) if slot is not None]
    it = Bench(script(OK), slots=slots)
    sleep_until = START + timedelta(seconds=1)

    class Leaving(MemoryGates):
        def not_before(self, host: str) -> None:
            if it.clock.now() >= sleep_until and given:
                slots.give_back(given.pop(), throttled=False)

    it.client = HttpClient(HOST, "D365", ports_with(it.transport, it.clock), Leaving(), None, crowd=Crowd(slots))
    assert it.get() is OK
    assert it.waited >= 1


def test_every_slot_is_given_back() -> None:
    slots = Slots()
    for answer in (OK, BUSY, Unclear("reset"), UNAUTHORIZED, HttpResponse(400)):
        it = Bench(always(answer), slots=slots)
        for call in (it.get, it.post):
            try:
                call()
            except SyncError:
                continue
    limit = slots.limit(HOST)
    assert len([slot for slot in (slots.take(HOST) for _ in range(100)) if slot is not None]) == limit


# --- 401 ------------------------------------------------------------------------------------------------------------------------------


def test_a_read_signs_in_again_once() -> None:
    it = bench(UNAUTHORIZED, OK)
    assert it.get() is OK
    assert [sent.headers["Authorization"] for sent in it.transport.sent] == ["Bearer token-1", "Bearer token-2"]


def test_a_second_refusal_is_a_matter_of_configuration() -> None:
    it = bench(UNAUTHORIZED, UNAUTHORIZED)
    with pytest.raises(FixConfiguration, match="List the application") as caught:
        it.get()
    assert caught.value.field == "credentials"


def test_a_write_signs_in_again_but_a_look_comes_first() -> None:
    it = bench(UNAUTHORIZED)
    with pytest.raises(SignInAgain):
        it.post()
    assert it.authorizer.number == 2


def test_without_an_authorizer_a_401_is_the_callers() -> None:
    it = bench(UNAUTHORIZED)
    client = HttpClient(HOST, "Entra ID", ports_with(it.transport, it.clock), it.gates, None)
    assert client.send(HttpRequest("POST", URL), repeatable=True) is UNAUTHORIZED


# --- writes that come too late --------------------------------------------------------------------------------------------------------


class Stopping(PlainAuthorizer):
    """Signing takes an hour: the process stood still meanwhile."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def headers(self) -> Mapping[str, str]:
        self._clock.advance(hours=1)
        return super().headers()


def test_a_write_of_a_process_that_stood_still_is_not_sent() -> None:
    it = bench(OK)
    ports = ports_with(it.transport, it.clock)
    client = HttpClient(HOST, "D365", ports, it.gates, Stopping(it.clock), times=Times(write=390))
    with pytest.raises(TryLater, match="could not begin within 390 seconds"):
        client.send(HttpRequest("POST", URL), repeatable=False)
    assert it.transport.sent == []
    assert client.send(HttpRequest("GET", URL), repeatable=True) is OK, "a read does no harm"


def test_a_write_that_was_not_sent_is_tried_again_only_within_its_time() -> None:
    it = bench(*[NotSent("refused")] * 5)
    client = HttpClient(HOST, "D365", ports_with(it.transport, it.clock), it.gates, None, times=Times(write=0.5))
    with pytest.raises(TryLater, match="could not begin"):
        client.send(HttpRequest("POST", URL), repeatable=False)
    assert len(it.transport.sent) < 5


def test_a_write_that_is_not_sent_gives_its_slot_back() -> None:
    it = bench(OK)
    ports = ports_with(it.transport, it.clock)
    client = HttpClient(HOST, "D365", ports, it.gates, Stopping(it.clock), times=Times(write=390))
    for _ in range(CEILING):
        with pytest.raises(TryLater):
            client.send(HttpRequest("POST", URL), repeatable=False)
    assert client.send(HttpRequest("GET", URL), repeatable=True) is OK


# --- hosts and secrets ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/data/VendorsV3",
        f"https://{HOST}.evil.example/data",
        f"https://{HOST}@evil.example/data",
        f"https://evil.example/{HOST}/data",
        f"https://{HOST}\\@evil.example/",
        f"http://{HOST}/data",
        f"https://{HOST}:8443/data",
        f"https://{HOST}",
        f" https://{HOST}/data",
        f"https://{HOST}/data\r\nX: y",
        "//evil.example/data",
        "",
    ],
)
def test_a_foreign_host_gets_no_request_and_no_header(url: str) -> None:
    it = bench()
    with pytest.raises(FixConfiguration, match="nothing was sent"):
        it.client.send(HttpRequest("GET", url), repeatable=True)
    assert it.transport.sent == []


@pytest.mark.parametrize("call", [Bench.get, Bench.post])
@pytest.mark.parametrize("answer", [NotSent("x"), Unclear("x"), BUSY, UNAUTHORIZED, HttpResponse(503)])
def test_no_credential_in_any_error(answer: Answer, call: Callable[[Bench], HttpResponse]) -> None:
    it = Bench(always(answer))
    with pytest.raises(SyncError) as caught:
        call(it)
    assert "token-" not in repr(caught.value) + caught.value.sentence + caught.value.detail
    assert "token-" not in repr(it.transport.sent)

"""What the tests of the HTTP layer and of D365 plug into the seams: a transport that is a function, gates in memory."""

from collections.abc import Callable, Mapping
from datetime import datetime

from sandbox.simulator.seams import VirtualClock, make_ports
from sandbox.storage import LocalStorage
from sync.http.wire import HttpRequest, HttpResponse
from sync.ports import Ports

Answer = HttpResponse | Exception


class FunctionTransport:
    """A transport that asks a function, and keeps what was sent."""

    def __init__(self, answer: Callable[[HttpRequest], Answer]) -> None:
        self._answer = answer
        self.sent: list[HttpRequest] = []

    def send(self, request: HttpRequest) -> HttpResponse:
        """See `sync.http.wire.Transport`."""
        self.sent.append(request)
        answer = self._answer(request)
        if isinstance(answer, Exception):
            raise answer
        return answer


def script(*answers: Answer) -> FunctionTransport:
    """A transport that gives these answers in order; one request more fails the test."""
    left = list(answers)
    return FunctionTransport(
        lambda request: left.pop(0) if left else AssertionError(f"one request too many: {request.method} {request.url}")
    )


def always(answer: Answer) -> FunctionTransport:
    """A transport that gives the same answer to everything."""

    def give(_: HttpRequest) -> Answer:
        return answer

    return FunctionTransport(give)


class MemoryGates:
    """Gates of one process. `events` shows in which order they were closed and requests were sent, where a test adds the latter."""

    def __init__(self) -> None:
        self.closed: dict[str, datetime] = {}
        self.events: list[str] = []

    def not_before(self, host: str) -> datetime | None:
        """See `sync.http.client.GateKeeper`."""
        return self.closed.get(host)

    def close(self, host: str, not_before: datetime) -> None:
        """See `sync.http.client.GateKeeper`."""
        self.events.append("close")
        self.closed[host] = max(not_before, self.closed.get(host, not_before))


class PlainAuthorizer:
    """Numbers its tokens, so that a renewal shows."""

    def __init__(self) -> None:
        self.number = 1

    def headers(self) -> Mapping[str, str]:
        """See `sync.http.client.Authorizer`."""
        return {"Authorization": f"Bearer token-{self.number}"}

    def renew(self) -> None:
        """See `sync.http.client.Authorizer`."""
        self.number += 1

    def explain(self) -> str:
        """See `sync.http.client.Authorizer`."""
        return "List the application in D365."


def ports_with(transport: FunctionTransport, clock: VirtualClock) -> Ports:
    """All seams, with that transport and clock."""
    return make_ports(clock, transport, LocalStorage(clock))

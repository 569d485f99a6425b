"""The network of the sandbox: which system answers under which host name, what goes wrong on the way, and a record of every request."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NoReturn, Protocol

from sandbox.faults import ConnectionFault, Fault, FaultPlan
from sandbox.web import Now, Request, Response, System

READS = frozenset({"GET", "HEAD", "OPTIONS"})
PLAIN_HEADERS = frozenset({"accept", "content-length", "content-type", "host", "if-match", "prefer", "user-agent"})


@dataclass(frozen=True)
class Exchange:
    """One request as it was recorded, with the time it came in.

    Header values that could be secret read `***`; `status` is None when the client got no whole reply; `fault` is the kind that hit it.
    """

    time: datetime
    host: str
    method: str
    target: str
    headers: Mapping[str, str]
    status: int | None
    fault: str

    @property
    def is_write(self) -> bool:
        """Whether the method can have an effect."""
        return self.method not in READS


@dataclass(frozen=True)
class _Late:
    due: datetime
    request: Request


class Interpreter(Protocol):
    """Stands in front of a system whose client speaks in other names (`sandbox.avid.dialect`)."""

    def heard(self, request: Request) -> tuple[Request, Callable[[Response], Response]]:
        """The request as the system knows it, and what turns the answer back."""
        ...


class Network:
    """Systems by exact production host name. `dispatch` may be called from many threads; systems can be mounted while it runs."""

    def __init__(self, now: Now, systems: Mapping[str, System] | None = None, faults: FaultPlan | None = None) -> None:
        self.now = now
        self.faults = faults or FaultPlan()
        self.exchanges: list[Exchange] = []
        self.refused: list[tuple[str, str]] = []
        """(method, host or URL) of what was asked of hosts that nobody plays: in a healthy run there is none."""
        self.is_cut = False
        """Nobody gets through: connections are refused, and requests on open ones are lost before they arrive."""
        self.on_connect: Callable[[str], None] = lambda _: None
        """Called with the host whenever a client opens a connection; the client waits until it returns."""
        self._systems: dict[str, System] = dict(systems or {})
        self._interpreters: dict[str, Interpreter] = {}
        self._late: list[_Late] = []
        self._lock = threading.Lock()

    def mount(self, host: str, system: System, interpreter: Interpreter | None = None) -> None:
        """Let a system answer under a host name. With an interpreter, faults and records speak of the requests as the system knows them."""
        self._systems[host.lower()] = system
        if interpreter is None:
            self._interpreters.pop(host.lower(), None)
        else:
            self._interpreters[host.lower()] = interpreter

    def knows(self, host: str) -> bool:
        """Whether a system answers under this name."""
        return host.lower() in self._systems

    def connect(self, host: str) -> None:
        """A client opens a connection. Raises ConnectionFault (refused) for an unknown host or by plan."""
        if not self.knows(host):
            self._refuse("CONNECT", host)
        if self.is_cut or self.faults.take_connect(host.lower()) is not None:
            raise ConnectionFault("refused")
        self.on_connect(host.lower())

    def dispatch(self, request: Request) -> Response:
        """Answer one request. Raises ConnectionFault when the client gets no whole reply, or none at all."""
        interpreter = self._interpreters.get(request.host.lower())
        if interpreter is None:
            return self._dispatch(request)
        plain, turned_back = interpreter.heard(request)
        return turned_back(self._dispatch(plain))

    def _dispatch(self, request: Request) -> Response:
        if self.is_cut:
            raise ConnectionFault("reset")
        self.settle()
        system = self._systems.get(request.host.lower())
        if system is None:
            self._refuse(request.method, request.host)
        fault, start = self.faults.take(request), self.now()
        try:
            response = self._answer(system, request, fault)
        except ConnectionFault as broken:
            self._record(start, request, None, fault.kind if fault else broken.kind)
            raise
        self._record(start, request, response.status, fault.kind if fault else "")
        return response

    def settle(self, everything: bool = False) -> None:
        """Let the late effects that are due take place; with `everything` the ones to come as well."""
        now = self.now()
        with self._lock:
            due = [late for late in self._late if everything or late.due <= now]
            self._late = [late for late in self._late if late not in due]
        for late in due:
            self._systems[late.request.host.lower()].handle(late.request)

    # ---- what happened ----

    def requests(self, host: str = "", method: str = "", path: str = "") -> list[Exchange]:
        """The recorded requests of a host, method and part of the target; what is left empty matches all."""
        return list(self._chosen(host, method, path))

    def writes(self, host: str = "", path: str = "") -> int:
        """How many requests that can have an effect went to a host (empty: to all)."""
        return sum(exchange.is_write for exchange in self._chosen(host, "", path))

    def between(self, start: datetime, end: datetime, host: str = "") -> list[Exchange]:
        """The requests with start <= time < end."""
        return [exchange for exchange in self._chosen(host, "", "") if start <= exchange.time < end]

    def _chosen(self, host: str, method: str, path: str) -> Iterator[Exchange]:
        for exchange in tuple(self.exchanges):
            if host in ("", exchange.host) and method in ("", exchange.method) and path in exchange.target:
                yield exchange

    # ---- faults ----

    def _answer(self, system: System, request: Request, fault: Fault | None) -> Response:
        if fault is None:
            return system.handle(request)
        if fault.kind == "refuse_connection":
            raise ConnectionFault("refused")
        if fault.kind == "late_effect":
            self._postpone(request, fault)
        if fault.kind in ("drop_request", "late_effect"):
            raise ConnectionFault("reset")
        if fault.kind == "status":
            return fault.reply
        return _after_effect(system.handle(request), fault)

    def _postpone(self, request: Request, fault: Fault) -> None:
        now = self.now()
        with self._lock:
            self._late.append(_Late(now + fault.delay, replace(request, arrived=now)))

    def _refuse(self, method: str, host: str) -> NoReturn:
        self.refused.append((method, host))
        raise ConnectionFault("refused")

    def _record(self, start: datetime, request: Request, status: int | None, fault: str) -> None:
        headers = {name: value if name in PLAIN_HEADERS else "***" for name, value in request.headers.items()}
        self.exchanges.append(Exchange(start, request.host.lower(), request.method, request.target, headers, status, fault))


def _after_effect(response: Response, fault: Fault) -> Response:
    """What is left of the reply once the effect has taken place."""
    if fault.kind == "status_after_effect":
        return fault.reply
    half = response.body[: len(response.body) // 2]
    if fault.kind == "half_body":
        return Response(response.status, response.headers, half)
    if fault.kind == "cut_reply":
        whole = {**response.headers, "content-length": str(max(len(response.body), 1))}
        raise ConnectionFault("cut", Response(response.status, whole, half))
    raise ConnectionFault("reset")

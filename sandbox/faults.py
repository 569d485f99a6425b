"""Faults by plan, as data: what goes wrong at which request, how often, and whether the effect takes place all the same."""

import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from sandbox.web import Request, Response

Kind = Literal["status", "status_after_effect", "drop_request", "drop_reply", "cut_reply", "half_body", "late_effect", "refuse_connection"]
Broken = Literal["refused", "reset", "cut"]

HTML = b"<html><head><title>Error</title></head><body><h1>The service is unavailable.</h1></body></html>"


class ConnectionFault(Exception):
    """The connection itself fails.

    `refused`: nothing was sent; `reset`: closed without a reply; `cut`: `partial` is a reply that ends early; its content-length
    header says how long the whole would have been.
    """

    def __init__(self, kind: Broken, partial: Response | None = None) -> None:
        super().__init__(f"connection {kind}")
        self.kind = kind
        self.partial = partial


@dataclass(frozen=True)
class Fault:
    """One planned fault: at requests to `host` (empty: any) with `method` (empty: any) whose raw target matches `path` (regex, searched).

    The first `after` matches pass, the next `times` are hit. `reply` is what the status kinds answer.
    - `status`: answered with `reply`, no effect. `status_after_effect`: the system handles it, then `reply` is sent instead.
    - `drop_request`: closed before any effect. `drop_reply`: effect, then closed without a reply. `cut_reply`: effect, then half a body.
    - `half_body`: effect, then half a body that claims to be whole, as from a proxy that gave up.
    - `late_effect`: closed without a reply; the effect comes `delay` later, with the next request after that time or `Network.settle`.
    - `refuse_connection`: refused. Without method and path it hits the next opening of a connection or the next request, what comes first.
    """

    kind: Kind
    host: str = ""
    method: str = ""
    path: str = ""
    times: int = 1
    after: int = 0
    reply: Response = field(default_factory=lambda: Response(503, {"content-type": "text/html"}, HTML))
    delay: timedelta = timedelta(minutes=1)

    def matches(self, request: Request) -> bool:
        """Whether the fault is about this request, whatever its counters say."""
        return self.matches_host(request.host) and self.method in ("", request.method) and re.search(self.path, request.target) is not None

    def matches_host(self, host: str) -> bool:
        """Whether the fault is about this host."""
        return self.host in ("", host)

    @property
    def at_connect(self) -> bool:
        """Whether it hits the opening of a connection."""
        return self.kind == "refuse_connection" and not self.method and not self.path


def busy(retry_after: str | None, host: str = "", path: str = "", method: str = "", times: int = 1, after: int = 0) -> Fault:
    """A 429 as D365 says it (contracts/d365-fo.md §9). `retry_after` is the header's text (seconds or a date), None to leave it out."""
    headers: Mapping[str, str] = {} if retry_after is None else {"retry-after": retry_after}
    text = b"This request could not be processed at this time due to system experiencing high resource utilization."
    return Fault("status", host, method, path, times, after, Response(429, {"content-type": "text/plain", **headers}, text))


def gateway(status: int, host: str = "", path: str = "", method: str = "", times: int = 1, after: int = 0, effect: bool = False) -> Fault:
    """An HTML answer of a gateway (502, 503, 504) or a broken server (500); with `effect` the system has done the work."""
    reply = Response(status, {"content-type": "text/html"}, HTML)
    return Fault("status_after_effect" if effect else "status", host, method, path, times, after, reply)


@dataclass
class _Counter:
    fault: Fault
    seen: int = 0
    fired: int = 0

    def hit(self) -> bool:
        self.seen += 1
        if self.seen <= self.fault.after or self.fired >= self.fault.times:
            return False
        self.fired += 1
        return True


@dataclass
class FaultPlan:
    """The faults of a network and what became of them. At each request the first fault that matches and is due acts alone."""

    faults: Iterable[Fault] = ()
    _counters: list[_Counter] = field(default_factory=list, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self.add(*self.faults)

    def add(self, *faults: Fault) -> None:
        """Plan more faults; they come after the earlier ones."""
        with self._lock:
            self._counters += [_Counter(fault) for fault in faults]

    def clear(self) -> None:
        """Forget all faults, fired or not."""
        with self._lock:
            self._counters.clear()

    def take(self, request: Request) -> Fault | None:
        """The fault that hits this request, counted as fired. Every matching fault counts the request as seen."""
        with self._lock:
            return _first_hit(counter for counter in self._counters if counter.fault.matches(request))

    def take_connect(self, host: str) -> Fault | None:
        """The fault that hits the opening of a connection to this host."""
        with self._lock:
            return _first_hit(counter for counter in self._counters if counter.fault.at_connect and counter.fault.matches_host(host))

    @property
    def fired(self) -> list[Fault]:
        """Every hit, a fault once for each time it fired."""
        return [counter.fault for counter in self._counters for _ in range(counter.fired)]

    @property
    def unfired(self) -> list[Fault]:
        """The faults that have not fired as often as planned; a test asserts that there is none."""
        return [counter.fault for counter in self._counters if counter.fired < counter.fault.times]


def _first_hit(counters: Iterable[_Counter]) -> Fault | None:
    for counter in counters:
        if counter.hit():
            return counter.fault
    return None

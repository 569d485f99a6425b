"""One HTTP exchange, and the seam through which all of them go.

The split that everything rests on: `NotSent` (nothing of the request reached the server, a re-send is safe) apart from `Unclear` (the
server may have acted).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

CONNECT_SECONDS: Final = 10.0
READ_SECONDS: Final = 120.0
MAX_BODY_BYTES: Final = 64 * 1024 * 1024


def at_any_time() -> None:
    """The request may begin whenever it does."""


@dataclass(frozen=True)
class HttpRequest:
    """A request. Time-outs in seconds. Header values may hold credentials, so they never show in repr.

    `may_begin` is called when the connection stands and nothing of the request is written yet: what it raises goes up, and nothing is sent.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    connect_seconds: float = CONNECT_SECONDS
    read_seconds: float = READ_SECONDS
    max_bytes: int = MAX_BODY_BYTES
    may_begin: Callable[[], None] = field(default=at_any_time, repr=False, compare=False)


@dataclass(frozen=True)
class HttpResponse:
    """An answer that arrived whole. Header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)


class NotSent(Exception):
    """The connection failed before the request went out: DNS, connect, TLS handshake, proxy refusal."""


class Unclear(Exception):
    """The request went out, or may have; no whole answer came back: time-out, reset, cut body."""


class TooLarge(Unclear):
    """The answer is larger than max_bytes; what came of it was thrown away. Asking again gives the same."""


class Transport(Protocol):
    """Sends one request once: no retries, no redirects, no cookies kept."""

    def send(self, request: HttpRequest) -> HttpResponse:
        """The answer, whatever its status. Raises NotSent or Unclear."""
        ...

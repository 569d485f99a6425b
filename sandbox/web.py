"""The small request/response model every sandbox system speaks, whether it is reached over TLS or in-process.

A system is an object with `handle(request) -> Response`. It never sees sockets, so the same code answers a TLS connection and a
simulated one.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from urllib.parse import parse_qsl, unquote

Now = Callable[[], datetime]
"""Where a sandbox system takes its time from (timezone-aware UTC), so that it can live in virtual time."""


@dataclass(frozen=True)
class Request:
    """One HTTP request as a sandbox system sees it. `target` is the raw path and query; header names are lower case."""

    method: str
    host: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    arrived: datetime | None = None
    """When the system took it in, if it is carried out later than that (sign-in is judged by then); None means now."""

    @property
    def path(self) -> str:
        """The decoded path, without the query."""
        return unquote(self.target.partition("?")[0])

    @property
    def raw_path(self) -> str:
        """The path as sent, still percent-encoded (OData keys may hold an encoded slash)."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> list[tuple[str, str]]:
        """The decoded query pairs, in order."""
        return parse_qsl(self.target.partition("?")[2], keep_blank_values=True)

    @property
    def bearer(self) -> str:
        """The bearer token, or an empty text."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""


@dataclass(frozen=True)
class Response:
    """One HTTP answer. Header names are lower case; the server adds content-length."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def json_response(status: int, body: object, **headers: str) -> Response:
    """A JSON answer. Header names are given with underscores for hyphens. Decimals need a system's own encoder."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, {"content-type": "application/json; charset=utf-8", **named}, json.dumps(body).encode())


class System(Protocol):
    """One of the systems the sandbox plays."""

    def handle(self, request: Request) -> Response:
        """Answer one request; a fault that touches the connection itself is raised as `sandbox.faults.ConnectionFault`."""
        ...

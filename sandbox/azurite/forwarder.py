"""A storage account on the way to which things go wrong: forwards every request to an Azurite, and does what a plan says.

Faults are those of `sandbox/faults.py`, with `blob`, `queue` and `table` for hosts: an answer that is lost after the effect, a busy
service, a connection that is cut. `hanging` holds faults after which the answer waits for the fault's delay, beyond the client's patience.
"""

import threading
from dataclasses import replace
from datetime import UTC, datetime
from http.client import HTTPConnection
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from sandbox.azurite.server import SERVICES, Azurite, connection_string
from sandbox.faults import FaultPlan
from sandbox.network import Network
from sandbox.sockets import METHODS, Dispatch, Handler, Server, answering
from sandbox.web import Request, Response

OF_THE_CONNECTION: Final = frozenset({"connection", "keep-alive", "transfer-encoding"})
PATIENCE_SECONDS: Final = 60.0


def _utc_now() -> datetime:
    return datetime.now(UTC)


class _Passing:
    """One service: what it is asked goes on as it is, and its answer comes back whole."""

    def __init__(self, endpoint: str) -> None:
        parts = urlsplit(endpoint)
        self._host, self._port = parts.hostname or "", parts.port

    def handle(self, request: Request) -> Response:
        """See `sandbox.web.System`."""
        connection = HTTPConnection(self._host, self._port, timeout=PATIENCE_SECONDS)
        try:
            return _exchange(connection, request)
        finally:
            connection.close()


def _exchange(connection: HTTPConnection, request: Request) -> Response:
    connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
    for name, value in request.headers.items():
        if name not in OF_THE_CONNECTION | {"content-length"}:
            connection.putheader(name, value)
    connection.putheader("content-length", str(len(request.body)))
    connection.endheaders(request.body)
    answer = connection.getresponse()
    headers = {name.lower(): value for name, value in answer.getheaders() if name.lower() not in OF_THE_CONNECTION}
    return Response(answer.status, headers, answer.read())


class Forwarder:
    """Context manager: a way to the storage account of a running Azurite that can be spoilt."""

    def __init__(self, azurite: Azurite) -> None:
        self.network = Network(_utc_now, {service.lower(): _Passing(azurite.endpoint(service)) for service in SERVICES})
        self.hanging = FaultPlan()
        self._account = azurite.endpoint(SERVICES[0]).rpartition("/")[2]
        self._ended = threading.Event()
        self._servers: dict[str, Server] = {}

    def __enter__(self) -> Self:
        for service in SERVICES:
            handle = answering(self._towards(service.lower()))
            self._servers[service] = Server(type("_ForwardingHandler", (Handler,), {f"do_{method}": handle for method in METHODS}))
            self._servers[service].start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        for server in self._servers.values():
            server.stop()

    @property
    def faults(self) -> FaultPlan:
        """What goes wrong on the way."""
        return self.network.faults

    @property
    def connection_string(self) -> str:
        """The account by this way."""
        return connection_string({service: f"{server.address}/{self._account}" for service, server in self._servers.items()})

    def _towards(self, service: str) -> Dispatch:
        def dispatch(request: Request) -> Response:
            asked = replace(request, host=service)
            hangs = self.hanging.take(asked)
            response = self.network.dispatch(asked)
            if hangs is not None:
                self._ended.wait(hangs.delay.total_seconds())
            return response

        return dispatch

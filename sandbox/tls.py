"""The sandbox on real sockets: a loopback proxy that answers CONNECT for the known production names with TLS of its own authority.

A client needs no change: HTTPS_PROXY leads it here, and the bundle of the sandbox's authority makes it trust what answers.
"""

import shutil
import socket
import ssl
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import trustme

from sandbox.entra import ManagedIdentity
from sandbox.faults import ConnectionFault
from sandbox.network import Network
from sandbox.web import Request, Response

IDLE_SECONDS = 120
Dispatch = Callable[[Request], Response]


class Certificates:
    """A certificate authority and one TLS context per host name, made when first asked for."""

    def __init__(self) -> None:
        self.authority = trustme.CA(organization_name="Connector sandbox")
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()

    def context(self, host: str) -> ssl.SSLContext:
        """The server context that proves to be `host`."""
        with self._lock:
            if host not in self._contexts:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self.authority.issue_cert(host).configure_cert(context)
                self._contexts[host] = context
            return self._contexts[host]


class _Server(ThreadingHTTPServer):
    """A loopback server on a free port that can end its open connections at once."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        with self._open_lock:
            for connection in self._open:
                _close(connection)

    def opened(self, connection: socket.socket) -> None:
        with self._open_lock:
            self._open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._open_lock:
            self._open.discard(connection)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:  # Any: as the base class declares it
        """A client that goes away is no news; a bug in a system breaks its connection and is printed."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """One connection: HTTP/1.1 with keep-alive, every reply in one piece."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    host = ""
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.opened(self.connection)

    def finish(self) -> None:
        self.server.closed(self.connection)
        super().finish()
        self.connection.close()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing is printed: the network keeps the record."""

    def answer(self, dispatch: Dispatch) -> None:
        """Hand the request to a system and send what comes back, or break the connection as it says."""
        host = self.host or self.headers.get("host", "").partition(":")[0].lower()
        body = self.whole_body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            self.reply(dispatch(Request(self.command, host, self.path, headers, body)))
        except ConnectionFault as fault:
            if fault.partial is not None:
                self.reply(fault.partial)
            self.close_connection = True

    def whole_body(self) -> bytes:
        """The body of the request, by its length or in chunks."""
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        pieces = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def reply(self, response: Response) -> None:
        headers = {"content-length": str(len(response.body)), **response.headers}
        head = [f"HTTP/1.1 {response.status} {self.responses.get(response.status, ('',))[0]}"]
        head += [f"{name}: {value}" for name, value in headers.items()]
        body = b"" if self.command == "HEAD" else response.body
        self.connection.sendall("\r\n".join([*head, "", ""]).encode("latin-1") + body)


def _answering(dispatch: Dispatch) -> Callable[[_Handler], None]:
    def do(handler: _Handler) -> None:
        handler.answer(dispatch)

    return do


def _proxy_handler(network: Network, certificates: Certificates) -> type[_Handler]:
    """The handler of the proxy: CONNECT to a known name turns the connection into TLS; anything else is refused and recorded."""

    def refuse(handler: _Handler) -> None:
        network.refused.append((handler.command, handler.path))
        handler.close_connection = True
        handler.reply(Response(403, {"connection": "close"}, b"The sandbox's proxy only knows CONNECT to the systems it plays.\n"))

    def do(handler: _Handler) -> None:
        (dispatch if handler.host else refuse)(handler)

    def connect(handler: _Handler) -> None:
        host, _, port = handler.path.rpartition(":")
        host = host.lower()
        handler.close_connection = True
        if port != "443" or not network.knows(host):
            refuse(handler)
            return
        try:
            network.connect(host)
        except ConnectionFault:
            handler.reply(Response(502, {"connection": "close"}, b"refused"))
            return
        handler.connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        _start_tls(handler, certificates.context(host))
        handler.host = host
        handler.close_connection = False

    dispatch = _answering(network.dispatch)
    methods = {f"do_{method}": do for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")}
    return type("_ProxyHandler", (_Handler,), {**methods, "do_CONNECT": connect})


def _start_tls(handler: _Handler, context: ssl.SSLContext) -> None:
    """Go on in TLS on the same connection."""
    handler.server.closed(handler.connection)
    handler.connection = context.wrap_socket(handler.connection, server_side=True)
    handler.server.opened(handler.connection)
    handler.rfile = handler.connection.makefile("rb", -1)
    handler.wfile = handler.connection.makefile("wb", -1)


def _close(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class Sandbox:
    """The network on loopback: starts with the `with` block and ends with it. Give `environment()` to the processes that shall use it."""

    def __init__(self, network: Network, identity: ManagedIdentity | None = None) -> None:
        self.network = network
        self.certificates = Certificates()
        self._identity = identity
        self._folder = ""
        self._proxy: _Server | None = None
        self._identity_server: _Server | None = None

    def __enter__(self) -> Self:
        self._folder = tempfile.mkdtemp(prefix="sandbox-ca-")
        self.certificates.authority.cert_pem.write_to_path(str(self.bundle))
        self._proxy = _Server(_proxy_handler(self.network, self.certificates))
        self._proxy.start()
        if self._identity is not None:
            self._identity_server = _Server(type("_IdentityHandler", (_Handler,), {"do_GET": _answering(self._identity.handle)}))
            self._identity_server.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for server in (self._proxy, self._identity_server):
            if server is not None:
                server.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def bundle(self) -> Path:
        """The certificate bundle to trust."""
        return Path(self._folder, "ca.pem")

    @property
    def proxy_url(self) -> str:
        """Where the CONNECT proxy listens."""
        if self._proxy is None:
            raise RuntimeError("The sandbox is not running: use it in a `with` block.")
        return self._proxy.address

    def environment(self) -> dict[str, str]:
        """The environment variables that lead a process into the sandbox, for every HTTPS client that honours them."""
        bundle = str(self.bundle)
        return {"HTTPS_PROXY": self.proxy_url, "NO_PROXY": "127.0.0.1,localhost", "REQUESTS_CA_BUNDLE": bundle, "SSL_CERT_FILE": bundle}

    def identity_environment(self) -> dict[str, str]:
        """The environment variables of the platform's managed identity, and the client id to ask for."""
        if self._identity_server is None or self._identity is None:
            raise RuntimeError("The sandbox has no managed identity: pass one to Sandbox(network, identity).")
        endpoint = f"{self._identity_server.address}/msi/token"
        return {"IDENTITY_ENDPOINT": endpoint, "IDENTITY_HEADER": self._identity.header, "AZURE_CLIENT_ID": self._identity.client_id}

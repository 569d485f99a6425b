"""The sandbox on real sockets: a loopback proxy that answers CONNECT for the known production names with TLS of its own authority.

A client needs no change: HTTPS_PROXY leads it here, and the bundle of the sandbox's authority makes it trust what answers.
"""

import shutil
import ssl
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import trustme

from sandbox.entra import ManagedIdentity
from sandbox.faults import ConnectionFault
from sandbox.network import Network
from sandbox.sockets import METHODS, Handler, Server, answering
from sandbox.web import Response


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


def _proxy_handler(network: Network, certificates: Certificates) -> type[Handler]:
    """The handler of the proxy: CONNECT to a known name turns the connection into TLS; anything else is refused and recorded."""

    def refuse(handler: Handler) -> None:
        network.refused.append((handler.command, handler.path))
        handler.close_connection = True
        handler.reply(Response(403, {"connection": "close"}, b"The sandbox's proxy only knows CONNECT to the systems it plays.\n"))

    def do(handler: Handler) -> None:
        (dispatch if handler.host else refuse)(handler)

    def connect(handler: Handler) -> None:
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

    dispatch = answering(network.dispatch)
    methods = {f"do_{method}": do for method in METHODS}
    return type("_ProxyHandler", (Handler,), {**methods, "do_CONNECT": connect})


def _start_tls(handler: Handler, context: ssl.SSLContext) -> None:
    """Go on in TLS on the same connection."""
    handler.server.closed(handler.connection)
    handler.connection = context.wrap_socket(handler.connection, server_side=True)
    handler.server.opened(handler.connection)
    handler.rfile = handler.connection.makefile("rb", -1)
    handler.wfile = handler.connection.makefile("wb", -1)


class Sandbox:
    """The network on loopback: starts with the `with` block and ends with it. Give `environment()` to the processes that shall use it."""

    def __init__(self, network: Network, identity: ManagedIdentity | None = None) -> None:
        self.network = network
        self.certificates = Certificates()
        self._identity = identity
        self._folder = ""
        self._proxy: Server | None = None
        self._is_up = False
        self._identity_server: Server | None = None

    def __enter__(self) -> Self:
        self._folder = tempfile.mkdtemp(prefix="sandbox-ca-")
        self.certificates.authority.cert_pem.write_to_path(str(self.bundle))
        self.go_up()
        if self._identity is not None:
            self._identity_server = Server(type("_IdentityHandler", (Handler,), {"do_GET": answering(self._identity.handle)}))
            self._identity_server.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._is_up:
            self.go_down()
        if self._identity_server is not None:
            self._identity_server.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def go_down(self) -> None:
        """All systems are gone: nothing listens at their address, and open connections are reset."""
        self._running().stop()
        self._is_up = False

    def go_up(self) -> None:
        """They are there, at the address that they had before. Harmless when they are."""
        if self._is_up:
            return
        port = 0 if self._proxy is None else self._proxy.server_port
        self._proxy = Server(_proxy_handler(self.network, self.certificates), port)
        self._proxy.start()
        self._is_up = True

    def cut(self) -> None:
        """The way to the systems is cut: open connections are reset, and no new one comes about until `mend`."""
        self.network.is_cut = True
        self._running().break_off()

    def mend(self) -> None:
        """The way is open again."""
        self.network.is_cut = False

    def _running(self) -> Server:
        if self._proxy is None:
            raise RuntimeError("The sandbox is not running: use it in a `with` block.")
        return self._proxy

    @property
    def bundle(self) -> Path:
        """The certificate bundle to trust."""
        return Path(self._folder, "ca.pem")

    @property
    def proxy_url(self) -> str:
        """Where the CONNECT proxy listens."""
        return self._running().address

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

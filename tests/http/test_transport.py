"""The transport against real sockets: what fails before the request is written is NotSent, what fails afterwards is Unclear."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
import trustme

from sync.errors import TryLater
from sync.http.transport import RequestsTransport
from sync.http.wire import HttpRequest, NotSent, TooLarge, Unclear

SECRET: Final = "Bearer do-not-show-me"
Stream = socket.socket
Serve = Callable[[Stream], None]


class Server:
    """Accepts on a loopback port and gives each connection to a function, in one thread. `requests` holds every request head it read."""

    def __init__(self, serve: Serve, context: ssl.SSLContext | None = None) -> None:
        self._serve = serve
        self._context = context
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.connections = 0
        self._open: Stream | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                plain, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            with plain, suppress(OSError):
                self._open = plain
                if self._context is None:
                    self._serve(plain)
                else:
                    with self._context.wrap_socket(plain, server_side=True) as stream:
                        self._open = stream
                        self._serve(stream)

    def close(self) -> None:
        """Stop listening and end the connection under way."""
        for item in (self._socket, self._open):
            with suppress(OSError):
                if item is not None:
                    item.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


def read_head(stream: Stream) -> bytes:
    """One request head and its body; b"" when the client has left."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = stream.recv(65_536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += stream.recv(65_536)
    return head + b"\r\n\r\n" + body


def replying(*replies: bytes) -> Serve:
    """Serves: read a request, send the next reply, and so on; then closes."""

    def serve(stream: Stream) -> None:
        for reply in replies:
            if not read_head(stream):
                return
            stream.sendall(reply)

    return serve


def hang_up(_: Stream) -> None:
    """Serves nothing."""


def say_nothing(stream: Stream) -> None:
    """Reads the request and waits until the client leaves."""
    read_head(stream)
    read_head(stream)


def reply(body: bytes = b"ok", status: str = "200 OK", extra: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture(autouse=True)
def environment(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a machine without a proxy that trusts our authority; with a .netrc that must not be used."""
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(bundle)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login me password from-netrc\n")
    netrc.chmod(0o600)
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "CURL_CA_BUNDLE", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    monkeypatch.setenv("NETRC", str(netrc))


@pytest.fixture
def start(context: ssl.SSLContext) -> Iterator[Callable[[Serve], Server]]:
    """Starts TLS servers for `localhost`, stopped at the end."""
    servers: list[Server] = []

    def begin(serve: Serve) -> Server:
        servers.append(Server(serve, context))
        return servers[-1]

    yield begin
    for server in servers:
        server.close()


@pytest.fixture
def transport() -> RequestsTransport:
    return RequestsTransport()


Start = Callable[[Serve], Server]


def request(port: int, method: str = "GET", *, body: bytes = b"", read_seconds: float = 10, max_bytes: int = 1_000_000) -> HttpRequest:
    headers = {"Authorization": SECRET, "Content-Type": "application/json"}
    return HttpRequest(method, f"https://localhost:{port}/data/Set?a=%27b%27", headers, body, 5, read_seconds, max_bytes)


# --- whole answers --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["200 OK", "302 Found", "401 Unauthorized", "429 Busy", "500 Oops", "503 Later"])
def test_an_answer_of_any_status_comes_back_whole_and_once(start: Start, transport: RequestsTransport, status: str) -> None:
    server = start(replying(reply(b"body", status, "Location: https://evil.example/\r\nRetry-After: 7\r\n")))
    response = transport.send(request(server.port))
    assert (response.status, response.body, response.headers["retry-after"]) == (int(status[:3]), b"body", "7")
    assert server.connections == 1


def test_the_request_arrives_as_it_was_given(start: Start, transport: RequestsTransport) -> None:
    heads: list[bytes] = []

    def serve(stream: Stream) -> None:
        heads.append(read_head(stream))
        stream.sendall(reply())

    transport.send(request(start(serve).port, "POST", body=b'{"a":1.10}'))
    head = heads[0]
    assert head.startswith(b"POST /data/Set?a=%27b%27 HTTP/1.1\r\n")
    assert head.endswith(b'\r\n\r\n{"a":1.10}')
    assert b"Authorization: " + SECRET.encode() in head
    assert b"from-netrc" not in head


def test_the_connection_is_kept_and_cookies_are_not(start: Start, transport: RequestsTransport) -> None:
    heads: list[bytes] = []

    def serve(stream: Stream) -> None:
        while head := read_head(stream):
            heads.append(head)
            stream.sendall(reply(extra="Set-Cookie: ApplicationGatewayAffinity=abc; Path=/\r\n"))

    server = start(serve)
    first = transport.send(request(server.port))
    transport.send(request(server.port))
    assert server.connections == 1
    assert "set-cookie" not in first.headers
    assert b"affinity" not in heads[1].lower()


# --- not sent -------------------------------------------------------------------------------------------------------------------------


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def test_a_refused_connection_is_not_sent(transport: RequestsTransport) -> None:
    with pytest.raises(NotSent, match="refused"):
        transport.send(request(closed_port()))


def test_an_unknown_host_is_not_sent(transport: RequestsTransport) -> None:
    with pytest.raises(NotSent):
        transport.send(HttpRequest("POST", "https://no-such-host.invalid/data"))


def test_an_untrusted_certificate_is_not_sent(transport: RequestsTransport) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    server = Server(replying(reply()), context)
    with pytest.raises(NotSent, match="certificate is not accepted"):
        transport.send(request(server.port))
    server.close()


def test_a_certificate_of_another_host_is_not_sent(transport: RequestsTransport, authority: trustme.CA) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.example").configure_cert(context)
    server = Server(replying(reply()), context)
    with pytest.raises(NotSent, match="certificate is not accepted"):
        transport.send(request(server.port))
    server.close()


def test_a_handshake_that_breaks_is_not_sent(transport: RequestsTransport) -> None:
    server = Server(hang_up)
    with pytest.raises(NotSent):
        transport.send(request(server.port))
    server.close()


def test_a_refusing_proxy_is_not_sent(transport: RequestsTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Server(replying(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"))
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
    with pytest.raises(NotSent):
        transport.send(request(closed_port(), "POST", body=b"{}"))
    assert proxy.connections == 1
    proxy.close()


def test_a_missing_proxy_is_not_sent(transport: RequestsTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(NotSent):
        transport.send(request(closed_port(), "POST", body=b"{}"))


def test_a_missing_bundle_is_not_sent(transport: RequestsTransport, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nothing.pem"))
    with pytest.raises(NotSent):
        transport.send(request(closed_port()))


def test_a_header_that_cannot_be_written_is_not_sent_and_not_shown(start: Start, transport: RequestsTransport) -> None:
    server = start(replying(reply()))
    with pytest.raises(NotSent) as caught:
        transport.send(HttpRequest("GET", f"https://localhost:{server.port}/", {"CompanyToken": f"{SECRET}\r\n"}))
    assert SECRET not in repr(caught.value)
    assert caught.value.__suppress_context__
    assert server.connections == 0


def test_plain_http_is_not_sent(transport: RequestsTransport) -> None:
    server = Server(replying(reply()))
    with pytest.raises(NotSent):
        transport.send(HttpRequest("GET", f"http://localhost:{server.port}/"))
    server.close()
    assert server.connections == 0


# --- unclear --------------------------------------------------------------------------------------------------------------------------


def test_a_connection_that_closes_after_the_request_is_unclear(start: Start, transport: RequestsTransport) -> None:
    server = start(replying(b""))
    with pytest.raises(Unclear):
        transport.send(request(server.port, "POST", body=b"{}"))
    assert server.connections == 1


def test_a_reset_after_the_request_is_unclear(start: Start, transport: RequestsTransport) -> None:
    def serve(stream: Stream) -> None:
        read_head(stream)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    with pytest.raises(Unclear):
        transport.send(request(start(serve).port, "POST", body=b"{}"))


def test_a_read_time_out_is_unclear(start: Start, transport: RequestsTransport) -> None:
    with pytest.raises(Unclear):
        transport.send(request(start(say_nothing).port, read_seconds=0.2))


@pytest.mark.parametrize(
    "cut",
    [
        b"HTTP/1.1 201 Created\r\nContent-Length: 50\r\n\r\n{",
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        b"HTTP/1.1 201 Cre",
        b"HTTP/1.1 201 Created\r\nContent-Type: appl",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
        b"this is no HTTP\r\n\r\n",
    ],
)
def test_a_cut_or_broken_answer_is_unclear(start: Start, transport: RequestsTransport, cut: bytes) -> None:
    with pytest.raises(Unclear):
        transport.send(request(start(replying(cut)).port, "POST", body=b"{}"))


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n493e0\r\n" + b"x" * 300_000 + b"\r\n0\r\n\r\n"


@pytest.mark.parametrize("answer", [reply(b"x" * 300_000), CHUNKED], ids=["its length told", "in chunks"])
def test_a_body_beyond_the_limit_is_too_large(start: Start, transport: RequestsTransport, answer: bytes) -> None:
    server = start(replying(answer))
    with pytest.raises(TooLarge, match="larger than 1000 bytes"):
        transport.send(request(server.port, max_bytes=1_000))


def test_a_kept_connection_that_the_server_resets_as_we_write_is_unclear(start: Start, transport: RequestsTransport) -> None:
    """The server answers once, then takes the second request's bytes and goes: nobody can know whether it read them."""

    def serve(stream: Stream) -> None:
        read_head(stream)
        stream.sendall(reply())
        stream.recv(1)

    server = start(serve)
    transport.send(request(server.port))
    with pytest.raises(Unclear):
        transport.send(request(server.port, "POST", body=b"{}"))
    assert server.connections == 1


# --- requests that may begin no more --------------------------------------------------------------------------------------------------


def test_a_request_is_asked_whether_it_may_begin_when_the_connection_stands(start: Start, transport: RequestsTransport) -> None:
    asked: list[int] = []
    heads: list[bytes] = []

    def serve(stream: Stream) -> None:
        while head := read_head(stream):
            heads.append(head)
            stream.sendall(reply())

    def too_late() -> None:
        asked.append(server.connections)
        raise TryLater("It waited for too long.")

    server = start(serve)
    with pytest.raises(TryLater):
        transport.send(replace(request(server.port, "POST", body=b"{}"), may_begin=too_late))
    assert asked == [1], "the handshake was over"
    assert transport.send(request(server.port)).body == b"ok", "the next request is not held up"
    assert [head.split(b" ")[0] for head in heads] == [b"GET"]


# --- the proxy ------------------------------------------------------------------------------------------------------------------------


def test_https_goes_through_the_proxy_of_the_environment(
    start: Start, transport: RequestsTransport, monkeypatch: pytest.MonkeyPatch, context: ssl.SSLContext
) -> None:
    heads: list[bytes] = []

    def serve(stream: Stream) -> None:
        heads.append(read_head(stream))
        stream.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with context.wrap_socket(stream, server_side=True) as inner:
            heads.append(read_head(inner))
            inner.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut")

    proxy = Server(serve)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
    with pytest.raises(Unclear):
        transport.send(request(443, "POST", body=b"{}"))
    proxy.close()
    assert heads[0].startswith(b"CONNECT localhost:443 ")
    assert SECRET.encode() not in heads[0]
    assert SECRET.encode() in heads[1]

"""HTTP/1.1 on loopback sockets, as the systems of the sandbox are reached: a server that can break its connections off, and its handler."""

import socket
import struct
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from sandbox.faults import ConnectionFault
from sandbox.web import Request, Response

IDLE_SECONDS: Final = 120
RESET: Final = struct.pack("ii", 1, 0)
"""A socket with this SO_LINGER is reset when it is closed, and what it had still to send is thrown away."""
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "MERGE")
Dispatch = Callable[[Request], Response]


class Server(ThreadingHTTPServer):
    """A loopback server, on a free port or a given one, that can break its open connections off at once."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, handler: type[BaseHTTPRequestHandler], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Listen no more, and break off what is open."""
        self.shutdown()
        self.server_close()
        self.break_off()

    def break_off(self) -> None:
        """Reset every open connection. What a system is doing for one goes on; its answer reaches nobody."""
        with self._open_lock:
            for connection in self._open:
                _reset(connection)

    def opened(self, connection: socket.socket) -> None:
        """A connection is open."""
        with self._open_lock:
            self._open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        """It is not any more."""
        with self._open_lock:
            self._open.discard(connection)

    @property
    def address(self) -> str:
        """The URL of its root, without a slash at the end."""
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:  # Any: as the base class declares it
        """A client that goes away is no news; a bug in a system breaks its connection and is printed."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection: HTTP/1.1 with keep-alive, every reply in one piece."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    host = ""
    server: Server

    def setup(self) -> None:
        """A connection comes."""
        super().setup()
        self.server.opened(self.connection)

    def finish(self) -> None:
        """It ends."""
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
        """Send an answer in one piece."""
        headers = {"content-length": str(len(response.body)), **response.headers}
        head = [f"HTTP/1.1 {response.status} {self.responses.get(response.status, ('',))[0]}"]
        head += [f"{name}: {value}" for name, value in headers.items()]
        body = b"" if self.command == "HEAD" else response.body
        self.connection.sendall("\r\n".join([*head, "", ""]).encode("latin-1") + body)


def answering(dispatch: Dispatch) -> Callable[[Handler], None]:
    """What a handler does for one HTTP method: let `dispatch` answer."""

    def do(handler: Handler) -> None:
        handler.answer(dispatch)

    return do


def _reset(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        connection.shutdown(socket.SHUT_RDWR)

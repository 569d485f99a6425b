"""The HTTP triggers, served on loopback. Keys are not asked for, as with the Functions Core Tools: who is on the machine may call."""

import re
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from azure.functions.meta import Datum

from sandbox.runner.functions import Function, HttpAnswer, http_answer
from sandbox.runner.invocations import Invocations

NOT_FOUND: Final = HttpAnswer(404, {"content-type": "text/plain"}, b"no such function")
FAILED: Final = HttpAnswer(500, {"content-type": "text/plain"}, b"the function failed; see the runner's output")


@dataclass(frozen=True)
class Route:
    """Where an HTTP function answers."""

    function: Function
    methods: frozenset[str]
    pattern: re.Pattern[str]


def route_of(function: Function, prefix: str) -> Route:
    """The route of an HTTP function: host.json's prefix and its own route (its name when it has none); `{name}` stands for a segment."""
    path = "/".join(part for part in (prefix, function.text("route") or function.name) if part)
    pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path))
    methods = function.trigger.get("methods")
    names = [str(method).upper() for method in methods] if isinstance(methods, list) else ["GET", "POST"]
    return Route(function, frozenset(names), re.compile(f"/{pattern}/?", re.IGNORECASE))


class WebServer(ThreadingHTTPServer):
    """Serves the routes on 127.0.0.1; port 0 takes a free one (`server_port` tells which)."""

    daemon_threads = True

    def __init__(self, port: int, routes: list[Route], invocations: Invocations) -> None:
        super().__init__(("127.0.0.1", port), _RoutedHandler)
        self.routes = routes
        self.invocations = invocations


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing: the runner prints a line per invocation itself."""

    def answer(self) -> None:
        """Call the function of the route and send what it answered."""
        answer = self._answer_of_function()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def _answer_of_function(self) -> HttpAnswer:
        server = cast("WebServer", self.server)
        path = urlsplit(self.path).path
        for route in server.routes:
            match = route.pattern.fullmatch(path)
            if match is not None and self.command in route.methods:
                datum = self._datum({name: unquote(value) for name, value in match.groupdict().items()})
                call = server.invocations.submit(route.function.name, partial(_call, route.function, datum))
                return FAILED if call.exception() is not None else call.result()
        return NOT_FOUND

    def _datum(self, parameters: dict[str, str]) -> Datum:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        return Datum(
            {
                "method": Datum(self.command, "string"),
                "url": Datum(f"http://{self.headers.get('host', '127.0.0.1')}{self.path}", "string"),
                "headers": {name.lower(): Datum(value, "string") for name, value in self.headers.items()},
                "params": {name: Datum(value, "string") for name, value in parameters.items()},
                "query": {name: Datum(value, "string") for name, value in parse_qsl(urlsplit(self.path).query, keep_blank_values=True)},
                "body": Datum(body, "bytes"),
            },
            "http",
        )


def _call(function: Function, datum: Datum) -> HttpAnswer:
    return http_answer(function.invoke(datum, {}))


# The base class looks for a method by each HTTP method's name.
_RoutedHandler = type(
    "_RoutedHandler", (_Handler,), {f"do_{method}": _Handler.answer for method in ("GET", "POST", "PUT", "PATCH", "DELETE")}
)

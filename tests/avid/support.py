"""What the AvidXchange tests share: an HTTP seam that a plain function answers, and JSON answers."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

from sandbox.web import Request, Response
from sync.avid.client import AvidClient
from sync.errors import Throttled
from sync.http.wire import HttpRequest, HttpResponse
from tests.support.dialects import spoken, spoken_profile

HOST = "api.avid.example"
BASE = f"https://{HOST}/v1"


class FunctionHttp:
    """Every request goes to one function; requests are remembered with whether they may be repeated.

    Under another dialect both the function and the memory have the shipped names.
    """

    def __init__(self, answer: Callable[[HttpRequest], HttpResponse]) -> None:
        self._answer = answer
        self.sent: list[tuple[HttpRequest, bool]] = []

    def send(self, request: HttpRequest, *, repeatable: bool) -> HttpResponse:
        dialect = spoken()
        if dialect is None:
            return self._answered(request, repeatable=repeatable)
        parts = urlsplit(request.url)
        headers = {name.lower(): value for name, value in request.headers.items()}
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        plain, turned_back = dialect.heard(Request(request.method, parts.netloc, target, headers, request.body))
        url = f"https://{parts.netloc}{plain.target}"
        answer = self._answered(replace(request, method=plain.method, url=url, body=plain.body), repeatable=repeatable)
        said = turned_back(Response(answer.status, answer.headers, answer.body))
        return replace(answer, body=said.body)

    def _answered(self, request: HttpRequest, *, repeatable: bool) -> HttpResponse:
        self.sent.append((request, repeatable))
        return self._answer(request)

    def throttled(self, response: HttpResponse) -> Throttled:
        return Throttled("busy", host=HOST, not_before=datetime(2026, 3, 2, tzinfo=UTC))

    @property
    def urls(self) -> list[str]:
        return [request.url for request, _ in self.sent]

    @property
    def bodies(self) -> list[object]:
        return [json.loads(request.body) for request, _ in self.sent if request.body]


def answered(answer: Callable[[HttpRequest], HttpResponse], **overrides: str | int | bool) -> tuple[AvidClient, FunctionHttp]:
    """A client whose requests the function answers. Overrides of its profile have two underscores for the dot."""
    http = FunctionHttp(answer)
    profile = spoken_profile().with_overrides({name.replace("__", "."): value for name, value in overrides.items()})
    return AvidClient(http, BASE, profile), http


def saying(document: object, status: int = 200) -> HttpResponse:
    """A JSON answer."""
    return HttpResponse(status, {"content-type": "application/json"}, json.dumps(document).encode())


def query_of(request: HttpRequest) -> dict[str, str]:
    """The query of a request."""
    return dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True))


def path_of(request: HttpRequest) -> str:
    """The path of a request."""
    return urlsplit(request.url).path

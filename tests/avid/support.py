"""What the AvidXchange tests share: an HTTP seam that a plain function answers, and JSON answers."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

from sync.avid.client import AvidClient
from sync.avid.profile import Profile, shipped_profile
from sync.errors import Throttled
from sync.http.wire import HttpRequest, HttpResponse

HOST = "api.avid.example"
BASE = f"https://{HOST}/v1"


class FunctionHttp:
    """Every request goes to one function; requests are remembered with whether they may be repeated."""

    def __init__(self, answer: Callable[[HttpRequest], HttpResponse]) -> None:
        self._answer = answer
        self.sent: list[tuple[HttpRequest, bool]] = []

    def send(self, request: HttpRequest, *, repeatable: bool) -> HttpResponse:
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


def answered(answer: Callable[[HttpRequest], HttpResponse], profile: Profile | None = None) -> tuple[AvidClient, FunctionHttp]:
    """A client whose requests the function answers."""
    http = FunctionHttp(answer)
    return AvidClient(http, BASE, profile or shipped_profile()), http


def saying(document: object, status: int = 200) -> HttpResponse:
    """A JSON answer."""
    return HttpResponse(status, {"content-type": "application/json"}, json.dumps(document).encode())


def query_of(request: HttpRequest) -> dict[str, str]:
    """The query of a request."""
    return dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True))


def path_of(request: HttpRequest) -> str:
    """The path of a request."""
    return urlsplit(request.url).path

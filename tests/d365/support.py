"""A D365 client on a transport that is a function."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from sandbox.simulator.seams import VirtualClock
from sync.d365.client import D365Client
from sync.d365.wire import Json, write_json
from sync.http.client import HttpClient
from sync.http.wire import HttpRequest, HttpResponse
from tests.http.support import Answer, FunctionTransport, MemoryGates, PlainAuthorizer, ports_with, script

HOST = "contoso.operations.dynamics.com"
BASE = f"https://{HOST}"


@dataclass
class Environment:
    """One D365 environment on a transport."""

    transport: FunctionTransport
    clock: VirtualClock = field(default_factory=VirtualClock)
    gates: MemoryGates = field(default_factory=MemoryGates)
    authorizer: PlainAuthorizer = field(default_factory=PlainAuthorizer)

    def __post_init__(self) -> None:
        http = HttpClient(HOST, "D365", ports_with(self.transport, self.clock), self.gates, self.authorizer)
        self.client = D365Client(http, BASE, page_size=100)

    @property
    def sent(self) -> list[HttpRequest]:
        """What went out."""
        return self.transport.sent


def scripted(*answers: Answer) -> Environment:
    """An environment that gives these answers in order."""
    return Environment(script(*answers))


def tables(rows: Mapping[str, list[dict[str, Json]]]) -> Environment:
    """An environment that answers each set with all of its rows, whatever the filter."""
    return Environment(FunctionTransport(lambda request: page(*rows.get(set_of(request), []))))


def page(*rows: Mapping[str, Json], link: str = "") -> HttpResponse:
    """One page of rows."""
    following: dict[str, Json] = {"@odata.nextLink": link} if link else {}
    return answer(200, {"@odata.context": "x", "value": list(rows), **following})


def answer(status: int, document: Json) -> HttpResponse:
    """An answer with a JSON body."""
    return HttpResponse(status, {"content-type": "application/json; odata.metadata=minimal"}, write_json(document))


def refusal(text: str, status: int = 400) -> HttpResponse:
    """A refusal as D365 writes it."""
    return answer(status, {"error": {"code": "", "message": "An error has occurred.", "innererror": {"message": text}}})


def set_of(request: HttpRequest) -> str:
    """The entity set a request asks for."""
    return urlsplit(request.url).path.removeprefix("/data/").split("(")[0]


def options_of(request: HttpRequest) -> dict[str, str]:
    """The query of a request, decoded."""
    return dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True))


def path_of(request: HttpRequest) -> str:
    """The path of a request, decoded."""
    return unquote(urlsplit(request.url).path)

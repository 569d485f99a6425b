"""A next link that was planted to lead elsewhere gets no request and no token: shown with a second host that would record both.

Everything is real but the servers: TLS on sockets, the transport with its URL parser, the sign-in.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from sandbox import hosts
from sandbox.network import Network
from sandbox.place import utc_now
from sandbox.simulator.seams import PlainIdentity, PlainSecrets, VirtualClock, make_ports
from sandbox.storage import LocalStorage
from sandbox.tls import Sandbox
from sandbox.web import Request, Response, System
from sync.connections.document import ClientSecret, D365Settings
from sync.d365.auth import EntraAuthorizer
from sync.d365.client import D365Client
from sync.errors import FixConfiguration
from sync.http.client import HttpClient
from sync.http.transport import RequestsTransport
from sync.http.wire import HttpRequest
from tests.http.support import MemoryGates
from tests.sandbox.tiny_d365 import CLIENT, SECRET, TENANT, URL, Tiny

HOST = URL.removeprefix("https://")
EVIL = "collector.example.com"
PATH = "/data/VendorsV3?cross-company=true&$skiptoken=1"


@dataclass
class Recorder:
    """A host of somebody else's, which answers whatever comes."""

    requests: list[Request] = field(default_factory=list)

    def handle(self, request: Request) -> Response:
        self.requests.append(request)
        return Response(200, {"content-type": "application/json"}, b'{"value": []}')


@dataclass
class Planted:
    """D365, with `link` in the place of every next link."""

    system: System
    link: str = ""
    cookies: list[str] = field(default_factory=list)

    def handle(self, request: Request) -> Response:
        self.cookies += [value for name, value in request.headers.items() if name == "cookie"]
        answer = self.system.handle(request)
        if request.method != "GET" or not self.link or answer.status != 200:
            return answer
        body = {**json.loads(answer.body), "@odata.nextLink": self.link}
        headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
        return replace(answer, headers=headers, body=json.dumps(body).encode())


@dataclass
class Stand:
    planted: Planted
    recorder: Recorder
    network: Network
    client: D365Client


@pytest.fixture(scope="module")
def opened() -> Iterator[Stand]:
    tiny, recorder = Tiny(), Recorder()
    tiny.entra.now = utc_now
    planted = Planted(tiny.system)
    systems: dict[str, System] = {HOST: planted, hosts.LOGIN: tiny.entra, EVIL: recorder, f"{HOST}.example.com": recorder}
    network = Network(utc_now, systems)
    with Sandbox(network) as sandbox, pytest.MonkeyPatch.context() as patch:
        for name, value in sandbox.environment().items():
            patch.setenv(name, value)
        ports = make_ports(VirtualClock(utc_now()), RequestsTransport(), LocalStorage(VirtualClock()))
        settings = D365Settings(
            environment_url=URL, tenant=TENANT, client_id=CLIENT, sign_in=ClientSecret(method="client_secret", secret="d365")
        )
        authorizer = EntraAuthorizer(ports, MemoryGates(), PlainSecrets({"d365": SECRET}), PlainIdentity(), settings)
        client = D365Client(HttpClient(HOST, "D365", ports, MemoryGates(), authorizer), URL, page_size=2)
        yield Stand(planted, recorder, network, client)


@pytest.fixture
def stand(opened: Stand) -> Stand:
    opened.planted.link = ""
    opened.recorder.requests.clear()
    return opened


def test_the_second_host_can_be_reached_and_records(stand: Stand) -> None:
    """Or the tests below would show nothing."""
    answer = RequestsTransport().send(HttpRequest("GET", f"https://{EVIL}/x", {"Authorization": "Bearer made-up"}))
    assert answer.status == 200
    assert [request.bearer for request in stand.recorder.requests] == ["made-up"]


@pytest.mark.parametrize(
    "link",
    [
        f"https://{EVIL}{PATH}",
        f"HTTPS://{EVIL}{PATH}",
        f"http://{EVIL}{PATH}",
        f"//{EVIL}{PATH}",
        f"///{EVIL}{PATH}",
        f"\\\\{EVIL}{PATH}",
        f"/\\{EVIL}{PATH}",
        f"https:\\\\{EVIL}{PATH}",
        f"https:/{EVIL}{PATH}",
        f"https:{EVIL}{PATH}",
        f"https://{HOST}@{EVIL}{PATH}",
        f"https://{HOST}:443@{EVIL}{PATH}",
        f"https://user:word@{EVIL}{PATH}",
        f"https://{HOST}\\@{EVIL}{PATH}",
        f"https://{EVIL}\\@{HOST}{PATH}",
        f"https://{EVIL}#@{HOST}{PATH}",
        f"https://{EVIL}?@{HOST}{PATH}",
        f"https://{HOST}%40{EVIL}{PATH}",
        f"https://{HOST}%2f@{EVIL}{PATH}",
        f"https://{HOST}.example.com{PATH}",
        f"https://{HOST}.{PATH}",
        f"https://{HOST}:8443{PATH}",
        f"https://{HOST}:0443{PATH}",
        f"http://{HOST}{PATH}",
        f" https://{EVIL}{PATH}",
        f"https://{EVIL}\n{PATH}",
        f"ht\ttps://{EVIL}{PATH}",
        f"https://{HOST}\r\nHost: {EVIL}{PATH}",
        f"https://\u0441ollector.example.com{PATH}",
        "https://[::1]/data/VendorsV3",
        "https://127.0.0.1/data/VendorsV3",
        f"javascript://{EVIL}{PATH}",
        f"file://{EVIL}{PATH}",
    ],
)
def test_a_planted_link_gets_no_request_and_no_token(stand: Stand, link: str) -> None:
    stand.planted.link = link
    refused, asked = len(stand.network.refused), len(stand.network.requests(HOST))
    with pytest.raises(FixConfiguration):
        list(stand.client.rows("VendorsV3", company="usmf"))
    with pytest.raises(FixConfiguration):
        list(stand.client.pages_from(link))
    assert stand.recorder.requests == []
    assert len(stand.network.requests(HOST)) - asked == 1, "the page that held the link, and nothing more"
    assert stand.network.refused[refused:] == [], "nobody else was asked either"


def test_the_affinity_cookie_is_never_sent_back(stand: Stand) -> None:
    """Every answer of D365 offers one; sending it back would tie all calls to one web server."""
    for _ in range(3):
        assert len(list(stand.client.rows("VendorsV3", company="usmf"))) > 2
    assert stand.planted.cookies == []

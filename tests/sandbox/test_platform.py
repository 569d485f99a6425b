"""The sandbox's platform: production names over TLS behind the CONNECT proxy, faults by plan, Microsoft's own clients on it."""

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.identity import ClientSecretCredential, ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient

from sandbox import hosts
from sandbox.entra import Entra, ManagedIdentity
from sandbox.faults import ConnectionFault, Fault, FaultPlan, Kind, busy, gateway
from sandbox.network import Network
from sandbox.tls import Sandbox
from sandbox.vault import Vault
from sandbox.web import Request, Response, System
from tests.sandbox.tiny_d365 import CLIENT, SECRET, TENANT, URL, Clock, Json, Tiny

ECHO = "echo.example.com"
IDENTITY = "33333333-3333-3333-3333-333333333333"


class Echo:
    """A system that counts its effects and answers with what it was sent."""

    def __init__(self) -> None:
        self.effects: list[str] = []
        self.lock = threading.Lock()

    def handle(self, request: Request) -> Response:
        with self.lock:
            self.effects.append(request.target)
        return Response(200, {"content-type": "text/plain"}, request.method.encode() + b" " + request.body + b" " + request.host.encode())


@dataclass
class Stage:
    """A network of everything, on sockets, and a session that a client would have."""

    tiny: Tiny
    network: Network
    echo: Echo
    vault: Vault
    sandbox: Sandbox
    session: requests.Session

    def fault(self, fault: Fault) -> None:
        self.network.faults.add(fault)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    tiny, echo = Tiny(), Echo()
    vault = Vault("tiny", TENANT, tiny.entra, tiny.clock)
    systems: dict[str, System] = {ECHO: echo, hosts.LOGIN: tiny.entra, vault.host: vault, tiny.world.host: tiny.system}
    network = Network(tiny.clock, systems)
    with Sandbox(network, ManagedIdentity(tiny.entra, TENANT, IDENTITY)) as sandbox, requests.Session() as session:
        for name, value in {**sandbox.environment(), **sandbox.identity_environment()}.items():
            monkeypatch.setenv(name, value)
        yield Stage(tiny, network, echo, vault, sandbox, session)


# ---- TLS and the proxy ----


def test_production_names_answer_over_tls_and_keep_the_connection(stage: Stage) -> None:
    for number in range(3):
        reply = stage.session.post(f"https://{ECHO}/x?n={number}", data=b"body", timeout=10)
        assert (reply.status_code, reply.text) == (200, f"POST body {ECHO}")
    assert stage.echo.effects == ["/x?n=0", "/x?n=1", "/x?n=2"]
    assert stage.network.writes(ECHO) == 3


def test_a_body_in_chunks_arrives_whole(stage: Stage) -> None:
    for _ in range(2):
        reply = stage.session.post(f"https://{ECHO}/", data=iter([b"one", b"two" * 1000]), timeout=10)
        assert reply.text == f"POST one{'two' * 1000} {ECHO}"


def test_everything_else_is_refused_and_recorded(stage: Stage) -> None:
    with pytest.raises(requests.exceptions.ProxyError):
        stage.session.get("https://graph.microsoft.com/", timeout=10)
    with pytest.raises(requests.exceptions.ProxyError):
        stage.session.get(f"https://{ECHO}:444/", timeout=10)
    plain = stage.session.get(f"http://{ECHO}/", proxies={"http": stage.sandbox.proxy_url}, timeout=10)
    assert plain.status_code == 403
    assert stage.network.refused == [("CONNECT", "graph.microsoft.com:443"), ("CONNECT", f"{ECHO}:444"), ("GET", f"http://{ECHO}/")]


def test_a_system_mounted_while_it_runs_is_served(stage: Stage) -> None:
    stage.network.mount("new.example.com", Echo())
    assert stage.session.get("https://new.example.com/", timeout=10).status_code == 200


def test_a_cut_network_lets_nobody_through_until_it_is_mended(stage: Stage) -> None:
    stage.session.get(f"https://{ECHO}/before", timeout=10)
    stage.sandbox.cut()
    for session in (stage.session, requests.Session()):
        with pytest.raises(requests.exceptions.ConnectionError):
            session.get(f"https://{ECHO}/meanwhile", timeout=10)
        session.close()
    stage.sandbox.mend()
    assert stage.session.get(f"https://{ECHO}/after", timeout=10).status_code == 200
    assert stage.echo.effects == ["/before", "/after"]


def test_systems_that_restart_answer_at_their_old_address(stage: Stage) -> None:
    stage.session.get(f"https://{ECHO}/before", timeout=10)
    address = stage.sandbox.proxy_url
    stage.sandbox.go_down()
    with pytest.raises(requests.exceptions.ConnectionError):
        stage.session.get(f"https://{ECHO}/meanwhile", timeout=10)
    stage.sandbox.go_up()
    stage.sandbox.go_up()
    assert stage.sandbox.proxy_url == address
    assert stage.session.get(f"https://{ECHO}/after", timeout=10).status_code == 200
    assert stage.echo.effects == ["/before", "/after"]


def test_a_client_that_connects_waits_for_who_watches(stage: Stage) -> None:
    seen: list[tuple[str, int]] = []
    stage.network.on_connect = lambda host: seen.append((host, len(stage.echo.effects)))
    stage.session.get(f"https://{ECHO}/", timeout=10)
    assert seen == [(ECHO, 0)]


def test_fifty_clients_at_once(stage: Stage) -> None:
    together = threading.Barrier(50)

    def client(number: int) -> int:
        with requests.Session() as session:
            together.wait(30)
            return sum(
                session.post(f"https://{ECHO}/{number}/{turn}", data=b"x" * 1000, timeout=30).status_code == 200 for turn in range(5)
            )

    with ThreadPoolExecutor(50) as pool:
        assert sum(pool.map(client, range(50))) == 250
    assert len(set(stage.echo.effects)) == 250


def test_it_stops_with_connections_open(stage: Stage, tmp_path: Path) -> None:
    bundle = str(shutil.copy(stage.sandbox.bundle, tmp_path))
    assert stage.session.get(f"https://{ECHO}/", timeout=10, verify=bundle).status_code == 200
    stage.sandbox.__exit__(None, None, None)
    with pytest.raises(requests.exceptions.ConnectionError):
        stage.session.get(f"https://{ECHO}/", timeout=10, verify=bundle)
    assert stage.echo.effects == ["/"]
    assert not stage.sandbox.bundle.exists()


def test_the_record_hides_what_could_be_secret(stage: Stage) -> None:
    stage.session.get(f"https://{ECHO}/x", headers={"Authorization": "Bearer abc", "CompanyToken": "def", "Prefer": "p"}, timeout=10)
    (exchange,) = stage.network.requests(ECHO, "GET", "/x")
    assert (exchange.headers["authorization"], exchange.headers["companytoken"], exchange.headers["prefer"]) == ("***", "***", "p")
    assert "abc" not in repr(stage.network.exchanges)
    now = stage.tiny.clock()
    assert stage.network.between(now, now + timedelta(seconds=1)) == [exchange]
    assert stage.network.between(now - timedelta(seconds=1), now) == []


# ---- faults ----


@pytest.mark.parametrize(
    ("kind", "effect"),
    [("drop_request", False), ("drop_reply", True), ("cut_reply", True), ("late_effect", False), ("refuse_connection", False)],
)
def test_broken_connections_reach_a_real_client(stage: Stage, kind: Kind, effect: bool) -> None:
    stage.fault(Fault(kind, ECHO, "POST", "^/pay$"))
    with pytest.raises((requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        stage.session.post(f"https://{ECHO}/pay", data=b"1", timeout=10)
    assert stage.echo.effects == (["/pay"] if effect else [])
    assert (len(stage.network.faults.fired), stage.network.faults.unfired) == (1, [])
    assert stage.session.post(f"https://{ECHO}/pay", data=b"1", timeout=10).status_code == 200


def test_a_refused_connection_is_refused_at_connect(stage: Stage) -> None:
    stage.fault(Fault("refuse_connection", ECHO))
    with pytest.raises(requests.exceptions.ProxyError):
        stage.session.get(f"https://{ECHO}/", timeout=10)
    assert stage.session.get(f"https://{ECHO}/", timeout=10).status_code == 200
    assert [exchange.status for exchange in stage.network.exchanges] == [200]


def test_status_faults_with_and_without_effect(stage: Stage) -> None:
    for fault in (busy("7", ECHO), gateway(504, ECHO, effect=True), gateway(502, ECHO), busy(None, ECHO)):
        stage.fault(fault)
    replies = [stage.session.post(f"https://{ECHO}/{number}", timeout=10) for number in range(5)]
    assert [(reply.status_code, reply.headers.get("retry-after")) for reply in replies] == [
        (429, "7"),
        (504, None),
        (502, None),
        (429, None),
        (200, None),
    ]
    assert stage.echo.effects == ["/1", "/4"]
    assert "<html>" in replies[1].text


def test_a_plan_counts_what_it_lets_through_and_says_what_never_fired() -> None:
    echo = Echo()
    network = Network(Clock(), {ECHO: echo}, FaultPlan([Fault("drop_request", ECHO, "GET", "/a", times=2, after=1), busy("1", "other")]))

    def get(target: str) -> bool:
        try:
            return network.dispatch(Request("GET", ECHO, target)).status == 200
        except ConnectionFault:
            return False

    assert [get(target) for target in ("/b", "/a", "/a", "/b", "/a", "/a")] == [True, True, False, True, False, True]
    assert [fault.kind for fault in network.faults.fired] == ["drop_request", "drop_request"]
    assert [fault.host for fault in network.faults.unfired] == ["other"]
    network.faults.clear()
    assert network.faults.unfired == []


def test_a_late_effect_comes_after_its_delay_on_the_sandbox_clock() -> None:
    clock, echo = Clock(), Echo()
    network = Network(clock, {ECHO: echo})
    network.faults.add(*(Fault("late_effect", ECHO, path=path, delay=timedelta(minutes=5)) for path in ("/late", "/later")))
    for path in ("/late", "/later"):
        with pytest.raises(ConnectionFault):
            network.dispatch(Request("POST", ECHO, path))
        clock.move(minutes=4)
    assert echo.effects == []
    network.dispatch(Request("GET", ECHO, "/look"))
    assert echo.effects == ["/late", "/look"]
    network.settle(everything=True)
    assert echo.effects == ["/late", "/look", "/later"]


def test_a_late_effect_is_judged_by_the_token_of_its_time() -> None:
    tiny = Tiny()
    network = Network(tiny.clock, {tiny.world.host: tiny.system})
    network.faults.add(Fault("late_effect", tiny.world.host, delay=timedelta(hours=2)))
    body: bytes = b'{"dataAreaId": "usmf", "JournalName": "VendPay"}'
    with pytest.raises(ConnectionFault):
        network.dispatch(
            Request("POST", tiny.world.host, "/data/VendorPaymentJournalHeaders", {"authorization": f"Bearer {tiny.token}"}, body)
        )
    tiny.clock.move(hours=3)
    network.settle()
    assert len(tiny.world.rows("VendorPaymentJournalHeaders")) == 1


def test_a_cut_reply_says_how_long_the_whole_was_and_unknown_hosts_are_refused() -> None:
    network = Network(Clock(), {ECHO: Echo()}, FaultPlan([Fault("cut_reply", ECHO)]))
    with pytest.raises(ConnectionFault) as cut:
        network.dispatch(Request("PUT", ECHO, "/", {}, b"0123456789"))
    partial = cut.value.partial
    assert partial is not None
    assert (cut.value.kind, partial.headers["content-length"], len(partial.body)) == ("cut", "31", 15)
    with pytest.raises(ConnectionFault) as refused:
        network.dispatch(Request("GET", "nobody.example.com", "/"))
    assert (refused.value.kind, network.refused) == ("refused", [("GET", "nobody.example.com")])


# ---- Entra ID, Key Vault and D365 with the real clients ----


def token_reply(entra: Entra, tenant: str = TENANT, **changes: str) -> tuple[int, str]:
    form = {"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": SECRET, "scope": f"{URL}/.default", **changes}
    response = entra.handle(Request("POST", hosts.LOGIN, f"/{tenant}/oauth2/v2.0/token", {}, urlencode(form).encode()))
    return response.status, response.body.decode()


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({}, 200, "access_token"),
        ({"client_secret": "wrong"}, 401, "AADSTS7000215"),
        ({"client_id": "nobody"}, 400, "AADSTS700016"),
        ({"tenant": "nowhere"}, 400, "AADSTS90002"),
        ({"scope": "https://elsewhere.example.com/.default"}, 400, "AADSTS500011"),
        ({"scope": URL}, 400, "AADSTS1002012"),
        ({"grant_type": "password"}, 400, "AADSTS70003"),
    ],
)
def test_token_requests_and_their_refusals(changes: dict[str, str], status: int, code: str) -> None:
    answered, text = token_reply(Tiny().entra, **changes)
    assert (answered, code in text) == (status, True)


def test_the_real_credential_signs_in_and_d365_answers(stage: Stage) -> None:
    with ClientSecretCredential(TENANT, CLIENT, SECRET) as credential:
        token = credential.get_token(f"{URL}/.default").token
    reply = stage.session.get(f"{URL}/data/VendorsV3?cross-company=true&$top=1", headers={"Authorization": f"Bearer {token}"}, timeout=10)
    body: Json = reply.json()
    assert (reply.status_code, isinstance(body["value"], list)) == (200, True)
    assert stage.session.get(f"{URL}/data/VendorsV3", timeout=10).status_code == 401


@pytest.mark.parametrize(("tenant", "secret"), [(TENANT, "wrong"), ("44444444-4444-4444-4444-444444444444", SECRET)])
def test_the_real_credential_reports_what_entra_refuses(stage: Stage, tenant: str, secret: str) -> None:
    with ClientSecretCredential(tenant, CLIENT, secret) as credential, pytest.raises(ClientAuthenticationError):
        credential.get_token(f"{URL}/.default")


def test_the_real_vault_client_reads_rotated_secrets(stage: Stage) -> None:
    stage.vault.allow(CLIENT)
    stage.vault.set("d365-secret", "one")
    with ClientSecretCredential(TENANT, CLIENT, SECRET) as credential, SecretClient(f"https://{stage.vault.host}", credential) as client:
        assert client.get_secret("d365-secret").value == "one"
        stage.vault.set("d365-secret", "two")
        secret = client.get_secret("d365-secret")
        assert (secret.value, secret.properties.version) == ("two", "00000000000000000000000000000002")
        with pytest.raises(ResourceNotFoundError, match="SecretNotFound"):
            client.get_secret("nothing")
        stage.vault.deny(CLIENT)
        with pytest.raises(HttpResponseError, match="Forbidden"):
            client.get_secret("d365-secret")
    statuses = [exchange.status for exchange in stage.network.requests(stage.vault.host)]
    assert statuses == [401, 200, 200, 404, 403]


def test_the_managed_identity_reads_the_vault(stage: Stage) -> None:
    stage.vault.allow(IDENTITY)
    stage.vault.set("name", "value")
    with ManagedIdentityCredential(client_id=IDENTITY) as credential, SecretClient(f"https://{stage.vault.host}", credential) as client:
        assert client.get_secret("name").value == "value"
    endpoint = stage.sandbox.identity_environment()["IDENTITY_ENDPOINT"]
    assert requests.get(endpoint, params={"resource": hosts.VAULT_AUDIENCE}, timeout=10).status_code == 401


def test_a_repr_of_a_token_or_secret_holds_no_secret() -> None:
    entra = Entra(Clock())
    token = entra.issue(TENANT, CLIENT, URL)
    assert token.text not in repr(token)

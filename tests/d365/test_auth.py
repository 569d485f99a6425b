"""Signing in to Entra ID."""

from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import parse_qs

import pytest

from sandbox.simulator.seams import PlainIdentity, PlainSecrets, VirtualClock
from sync.connections.document import ClientSecret, D365Settings
from sync.d365.auth import EntraAuthorizer
from sync.d365.wire import Json
from sync.errors import FixConfiguration, SyncError, Throttled, TryLater
from sync.http.wire import HttpResponse, NotSent, Unclear
from tests.d365.support import answer
from tests.http.support import Answer, FunctionTransport, MemoryGates, ports_with, script

ENVIRONMENT = "https://contoso.operations.dynamics.com"
SETTINGS = D365Settings(
    environment_url=ENVIRONMENT,
    tenant="contoso.com",
    client_id="app-1",
    sign_in=ClientSecret(method="client_secret", secret="d365-secret"),
)
SECRET = "made-up & secret"


def token(text: str = "T1", expires_in: Json = 3599) -> HttpResponse:
    return answer(200, {"token_type": "Bearer", "expires_in": expires_in, "access_token": text})


def refused(number: int, status: int = 401) -> HttpResponse:
    text = f"AADSTS{number}: refused for '{SECRET}'. Trace ID: 1"
    return answer(status, {"error": "invalid_client", "error_description": text, "error_codes": [number]})


@dataclass
class Bench:
    """An authorizer on scripted answers of Entra."""

    transport: FunctionTransport
    clock: VirtualClock = field(default_factory=VirtualClock)
    secrets: PlainSecrets = field(default_factory=lambda: PlainSecrets({"d365-secret": SECRET}))
    gates: MemoryGates = field(default_factory=MemoryGates)

    def __post_init__(self) -> None:
        ports = ports_with(self.transport, self.clock)
        self.authorizer = EntraAuthorizer(ports, self.gates, self.secrets, PlainIdentity(), SETTINGS)


def bench(*answers: Answer) -> Bench:
    return Bench(script(*answers))


def test_the_token_call() -> None:
    it = bench(token())
    assert it.authorizer.headers() == {"Authorization": "Bearer T1"}
    (request,) = it.transport.sent
    assert (request.method, request.url) == ("POST", "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token")
    assert parse_qs(request.body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["app-1"],
        "client_secret": [SECRET],
        "scope": ["https://contoso.operations.dynamics.com/.default"],
    }


def test_the_token_is_kept_until_five_minutes_before_its_end() -> None:
    it = bench(token("T1", "3600"), token("T2"))
    it.authorizer.headers()
    it.clock.advance(seconds=3299)
    assert it.authorizer.headers() == {"Authorization": "Bearer T1"}
    it.clock.advance(seconds=1)
    assert it.authorizer.headers() == {"Authorization": "Bearer T2"}


def test_a_short_lived_token_is_used_too() -> None:
    it = bench(token("T1", 60))
    it.authorizer.headers()
    it.clock.advance(seconds=29)
    assert it.authorizer.headers() == {"Authorization": "Bearer T1"}


def test_renew_reads_the_secret_again() -> None:
    it = bench(token("T1"), token("T2"))
    it.authorizer.headers()
    it.secrets.values["d365-secret"] = "rotated"
    it.authorizer.renew()
    assert it.secrets.forgotten == ["d365-secret"]
    assert it.authorizer.headers() == {"Authorization": "Bearer T2"}
    assert b"client_secret=rotated" in it.transport.sent[1].body


def test_a_rotated_secret_is_picked_up_without_a_restart() -> None:
    it = bench(refused(7000215), token("T2"))

    class Rotating(PlainSecrets):
        def forget(self, name: str) -> None:
            self.values[name] = "rotated"

    it.secrets = Rotating({"d365-secret": SECRET})
    it.__post_init__()
    assert it.authorizer.headers() == {"Authorization": "Bearer T2"}
    assert b"client_secret=rotated" in it.transport.sent[1].body


def test_a_wrong_secret_that_is_the_same_when_read_again_is_not_sent_again() -> None:
    it = bench(refused(7000215))
    with pytest.raises(FixConfiguration):
        it.authorizer.headers()
    assert it.secrets.forgotten == ["d365-secret"]


@pytest.mark.parametrize(
    ("number", "field", "words"),
    [
        (7000215, "d365.sign_in", "secret is wrong"),
        (7000222, "d365.sign_in", "expired"),
        (700016, "d365.client_id", "not known in this tenant"),
        (90002, "d365.tenant", "tenant does not exist"),
        (500011, "d365.environment_url", "environment is not known"),
        (999999, "d365", "check tenant"),
    ],
)
def test_a_refusal_names_the_setting_and_shows_no_secret(number: int, field: str, words: str) -> None:
    it = bench(refused(number, 400))
    with pytest.raises(FixConfiguration, match=words) as caught:
        it.authorizer.headers()
    assert caught.value.field == field
    assert f"AADSTS{number}" in caught.value.sentence
    assert SECRET not in repr(caught.value) + caught.value.detail


def test_a_refusal_without_a_known_body() -> None:
    with pytest.raises(FixConfiguration, match="status 403"):
        bench(HttpResponse(403, {}, b"<html>")).authorizer.headers()


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"access_token": "x", "expires_in": "soon"}', b'{"access_token": "x", "expires_in": 1e99}']
)
def test_an_answer_that_is_no_token(body: bytes) -> None:
    with pytest.raises(TryLater):
        bench(HttpResponse(200, {}, body)).authorizer.headers()


def test_trouble_on_the_way_is_tried_again() -> None:
    it = bench(NotSent("x"), Unclear("x"), HttpResponse(503), token())
    assert it.authorizer.headers() == {"Authorization": "Bearer T1"}


def test_a_busy_entra_closes_its_own_gate() -> None:
    it = bench(HttpResponse(429, {"retry-after": "300"}))
    with pytest.raises(Throttled):
        it.authorizer.headers()
    assert set(it.gates.closed) == {"login.microsoftonline.com"}
    assert it.gates.closed["login.microsoftonline.com"] == it.clock.now() + timedelta(seconds=300)


def test_explain_names_the_likely_causes() -> None:
    sentence = bench().authorizer.explain()
    for words in ("Microsoft Entra applications", "app-1", "trailing slash", "https://contoso.operations.dynamics.com"):
        assert words in sentence


def test_nothing_secret_in_any_repr_or_error() -> None:
    it = bench(token("T1"), *[HttpResponse(503, {}, SECRET.encode())] * 5)
    it.authorizer.headers()
    shown = repr(it.authorizer) + repr(vars(it.authorizer))
    it.authorizer.renew()
    with pytest.raises(SyncError) as caught:
        it.authorizer.headers()
    shown += repr(caught.value) + caught.value.detail + repr(it.transport.sent)
    assert "T1" not in shown.replace("PlainSecrets", "")
    assert SECRET not in shown

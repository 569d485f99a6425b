"""Every kind of sign-in against the sandbox's Entra ID and D365, rotation included: who is let in, and what is said when nobody is."""

from dataclasses import dataclass, field

import pytest
from azure.identity import ManagedIdentityCredential

from sandbox import hosts
from sandbox.certificates import make_certificate
from sandbox.d365 import D365
from sandbox.entra import Entra, ManagedIdentity, issuer, principal
from sandbox.entra_assertions import EXCHANGE, Federation
from sandbox.network import Network
from sandbox.place import utc_now
from sandbox.simulator.seams import NetworkTransport, PlainIdentity, PlainSecrets, VirtualClock, make_ports
from sandbox.storage import LocalStorage
from sandbox.tls import Sandbox
from sandbox.web import System
from sync.connections.document import Certificate, ClientSecret, D365Settings, Federated
from sync.d365.auth import EntraAuthorizer
from sync.d365.auth_proofs import AppIdentity
from sync.d365.client import D365Client
from sync.errors import FixConfiguration
from sync.http.client import HttpClient
from sync.http.transport import RequestsTransport
from sync.http.wire import Transport
from sync.identity import CredentialIdentity
from tests.http.support import MemoryGates
from tests.sandbox.tiny_d365 import CLIENT, SECRET, TENANT, URL, Tiny

HOST = URL.removeprefix("https://")
HOME, IDENTITY = "22222222-2222-2222-2222-222222222222", "44444444-4444-4444-4444-444444444444"
SIGN_IN: dict[str, ClientSecret | Certificate | Federated] = {
    "client_secret": ClientSecret(method="client_secret", secret="d365"),
    "certificate": Certificate(method="certificate", certificate="d365"),
    "federated": Federated(method="federated"),
}
KINDS = tuple(SIGN_IN)


class CachedSecrets(PlainSecrets):
    """Secrets that stay as they were first read until they are forgotten, as the vault's do."""

    def __init__(self, vault: dict[str, str]) -> None:
        super().__init__({})
        self.vault = vault

    def get(self, name: str) -> str:
        return self.values.setdefault(name, self.vault[name])

    def forget(self, name: str) -> None:
        self.values.pop(name, None)


@dataclass
class Stand:
    """An environment, an app registration of one kind, and a client that signs in so."""

    kind: str
    clock: VirtualClock = field(default_factory=VirtualClock)
    vault: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tiny = Tiny()
        self.entra: Entra = self.tiny.entra
        self.entra.now = self.clock.now
        self.entra.register_app(TENANT, CLIENT)
        self.network = Network(self.clock.now, {HOST: self.tiny.system, hosts.LOGIN: self.entra})
        self.subject = principal(IDENTITY)
        self.rotate()
        settings = D365Settings(environment_url=URL, tenant=TENANT, client_id=CLIENT, sign_in=SIGN_IN[self.kind])
        self.client = client_of(settings, self.clock, NetworkTransport(self.network), CachedSecrets(self.vault), PlainIdentity(self._own))

    def _own(self, audience: str) -> str:
        return self.entra.issue(HOME, IDENTITY, audience).text

    def rotate(self, *, both_sides: bool = True) -> None:
        """A new secret or certificate in the vault, and in the app registration too if that is not forgotten."""
        if self.kind == "client_secret":
            secret = f"{SECRET}-{len(self.vault)}-{self.clock.now()}"
            self.vault["d365"] = secret
            if both_sides:
                self.entra.register_app(TENANT, CLIENT, secret)
        elif self.kind == "certificate":
            made = make_certificate(self.clock.now())
            self.vault["d365"] = made.pem
            if both_sides:
                self.entra.register_certificates(TENANT, CLIENT, made.certificate)
        else:
            self.entra.federate(TENANT, CLIENT, Federation(issuer(HOME), self.subject if both_sides else "somebody else"))

    def works(self) -> bool:
        return self.client.count("VendorsV3") > 0


def client_of(
    settings: D365Settings, clock: VirtualClock, transport: Transport, secrets: PlainSecrets, identity: AppIdentity
) -> D365Client:
    ports, gates = make_ports(clock, transport, LocalStorage(clock)), MemoryGates()
    authorizer = EntraAuthorizer(ports, gates, secrets, identity, settings)
    return D365Client(HttpClient(HOST, "D365", ports, gates, authorizer), URL)


@pytest.fixture(params=KINDS)
def stand(request: pytest.FixtureRequest) -> Stand:
    return Stand(str(request.param))


def test_it_signs_in_once_and_renews_in_time(stand: Stand) -> None:
    assert stand.works()
    assert stand.works()
    assert len(stand.network.requests(hosts.LOGIN)) == 1
    stand.clock.advance(minutes=56)
    assert stand.works()
    assert len(stand.network.requests(hosts.LOGIN)) == 2
    assert {exchange.status for exchange in stand.network.requests(HOST)} == {200}, "no token was used until it was refused"


def test_a_revoked_token_is_fetched_anew_once(stand: Stand) -> None:
    assert stand.works()
    stand.entra.revoke(CLIENT)
    assert stand.works()
    assert [exchange.status for exchange in stand.network.requests(HOST)] == [200, 401, 200]


def test_rotation_needs_no_restart(stand: Stand) -> None:
    assert stand.works()
    stand.rotate()
    stand.entra.revoke(CLIENT)
    assert stand.works()
    stand.rotate()
    stand.clock.advance(hours=2)
    assert stand.works(), "the token's end meets the old secret in the cache; the refusal leads to the new one"


def test_a_rotation_on_one_side_only_is_named(stand: Stand) -> None:
    stand.rotate(both_sides=False)
    with pytest.raises(FixConfiguration, match="AADSTS700") as caught:
        stand.works()
    assert caught.value.field == "d365.sign_in"
    assert not any(value in caught.value.sentence + caught.value.detail for value in stand.vault.values())
    assert stand.network.requests(HOST) == [], "nothing goes to D365 without a token"


def test_an_app_that_d365_does_not_list_is_named_after_one_renewal(stand: Stand) -> None:
    stand.tiny.world.listed_apps.discard(CLIENT)
    with pytest.raises(FixConfiguration, match="Microsoft Entra applications"):
        stand.works()
    assert [exchange.status for exchange in stand.network.requests(HOST)] == [401, 401]


def test_a_tenant_or_environment_that_entra_does_not_know_is_named(stand: Stand) -> None:
    for changes, field_name in (
        ({"tenant": "nobody.example"}, "d365.tenant"),
        ({"environment_url": "https://other.example"}, "d365.environment_url"),
    ):
        settings = D365Settings.model_validate(
            {"environment_url": URL, "tenant": TENANT, "client_id": CLIENT, "sign_in": SIGN_IN[stand.kind].model_dump(), **changes}
        )
        transport, secrets = NetworkTransport(stand.network), CachedSecrets(stand.vault)
        identity = PlainIdentity(lambda audience: stand.entra.issue(HOME, IDENTITY, audience).text)
        with pytest.raises(FixConfiguration) as caught:
            EntraAuthorizer(
                make_ports(stand.clock, transport, LocalStorage(stand.clock)), MemoryGates(), secrets, identity, settings
            ).headers()
        assert caught.value.field == field_name


def test_an_expired_certificate_is_named_before_anything_is_sent() -> None:
    stand = Stand("certificate")
    stand.clock.advance(days=400)
    with pytest.raises(FixConfiguration, match="expired on"):
        stand.works()
    assert stand.network.requests() == []
    stand.rotate()
    assert stand.works()


@pytest.mark.slow
def test_the_platforms_identity_opens_d365_over_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real managed identity credential and the real transport; nothing in this path is a fake of ours but the servers."""
    tiny = Tiny()
    tiny.entra.now = utc_now
    tiny.entra.federate(TENANT, CLIENT, Federation(issuer(HOME), principal(IDENTITY), EXCHANGE))
    systems: dict[str, System] = {hosts.LOGIN: tiny.entra, HOST: D365(tiny.world, tiny.entra)}
    with Sandbox(Network(utc_now, systems), ManagedIdentity(tiny.entra, HOME, IDENTITY)) as sandbox:
        for name, value in {**sandbox.environment(), **sandbox.identity_environment()}.items():
            monkeypatch.setenv(name, value)
        settings = D365Settings(environment_url=URL, tenant=TENANT, client_id=CLIENT, sign_in=Federated(method="federated"))
        with ManagedIdentityCredential(client_id=IDENTITY) as credential:
            clock = VirtualClock(utc_now())
            client = client_of(settings, clock, RequestsTransport(), PlainSecrets({}), CredentialIdentity(credential))
            assert client.count("VendorsV3") > 0


@pytest.mark.slow
def test_an_app_without_an_identity_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = Tiny()
    tiny.entra.now = utc_now
    with Sandbox(Network(utc_now, {hosts.LOGIN: tiny.entra}), ManagedIdentity(tiny.entra, HOME, IDENTITY)) as sandbox:
        for name, value in {**sandbox.environment(), **sandbox.identity_environment()}.items():
            monkeypatch.setenv(name, value)
        with ManagedIdentityCredential(client_id="99999999-9999-9999-9999-999999999999") as credential:
            with pytest.raises(FixConfiguration, match="managed identity") as caught:
                CredentialIdentity(credential).token(EXCHANGE)
            assert caught.value.field == "d365.sign_in"

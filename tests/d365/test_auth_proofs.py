"""How an application proves itself: what goes out, and what is said of a secret that cannot be used."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt.types import Options
from pydantic import ValidationError

from sandbox.certificates import SignInCertificate, make_certificate
from sandbox.entra_assertions import thumbprint
from sandbox.simulator.seams import START, PlainIdentity, PlainSecrets, VirtualClock
from sync.connections.document import Certificate, D365Settings, Federated
from sync.d365.auth import PROBLEMS, EntraAuthorizer
from sync.d365.auth_proofs import read_pair
from sync.errors import FixConfiguration, TryLater
from sync.http.wire import HttpResponse
from tests.d365.test_auth import ENVIRONMENT, refused, token
from tests.http.support import Answer, FunctionTransport, MemoryGates, ports_with, script

TOKEN_URL = "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token"
FIRST, SECOND = make_certificate(START), make_certificate(START)
EXPIRED, EARLY = make_certificate(START - timedelta(days=30), days=10), make_certificate(START + timedelta(days=30))
SMALL = make_certificate(START, bits=1_024)
ELLIPTIC = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def settings(sign_in: Certificate | Federated, authority: str = "login.microsoftonline.com") -> D365Settings:
    return D365Settings(
        environment_url=ENVIRONMENT, tenant="contoso.com", client_id="app-1", sign_in=sign_in, authority_host=authority, page_size=100
    )


BY_CERTIFICATE = settings(Certificate(method="certificate", certificate="d365-certificate"))
FEDERATED = settings(Federated(method="federated"))


@dataclass
class Bench:
    """An authorizer that signs in with a certificate (or as `settings` say), on scripted answers of Entra."""

    transport: FunctionTransport
    settings: D365Settings = BY_CERTIFICATE
    identity: PlainIdentity = field(default_factory=PlainIdentity)
    secrets: PlainSecrets = field(default_factory=lambda: PlainSecrets({"d365-certificate": FIRST.pem}))

    def __post_init__(self) -> None:
        self.clock = VirtualClock()
        ports = ports_with(self.transport, self.clock)
        self.authorizer = EntraAuthorizer(ports, MemoryGates(), self.secrets, self.identity, self.settings)

    def form(self, number: int = 0) -> Mapping[str, str]:
        return {name: value for name, (value,) in parse_qs(self.transport.sent[number].body.decode()).items()}


def bench(*answers: Answer, settings: D365Settings = BY_CERTIFICATE) -> Bench:
    return Bench(script(*answers), settings)


def test_a_signed_assertion_goes_out_and_nothing_of_the_key() -> None:
    it = bench(token())
    assert it.authorizer.headers() == {"Authorization": "Bearer T1"}
    form = dict(it.form())
    assertion = form.pop("client_assertion")
    assert form == {
        "grant_type": "client_credentials",
        "client_id": "app-1",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "scope": "https://contoso.operations.dynamics.com/.default",
    }
    assert jwt.get_unverified_header(assertion) == {"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint(FIRST.certificate)}
    key = FIRST.certificate.public_key()
    assert isinstance(key, RSAPublicKey)
    judged_by_hand: Options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    claims = jwt.decode(assertion, key, ["PS256"], options=judged_by_hand, audience=TOKEN_URL)
    assert (claims["iss"], claims["sub"]) == ("app-1", "app-1")
    now = int(START.timestamp())
    assert claims["nbf"] <= now < claims["exp"] <= now + 600
    assert "PRIVATE KEY" not in repr(it.authorizer) + repr(vars(it.authorizer)) + repr(read_pair(FIRST.pem, START, "x"))


def test_every_assertion_has_an_id_of_its_own() -> None:
    it = bench(token("T1"), token("T2"))
    it.authorizer.headers()
    it.authorizer.renew()
    it.authorizer.headers()
    ids = {jwt.decode(it.form(number)["client_assertion"], options={"verify_signature": False})["jti"] for number in (0, 1)}
    assert len(ids) == 2


@pytest.mark.parametrize(
    "order", [FIRST.pem, "\n".join(reversed(FIRST.pem.split("-----END PRIVATE KEY-----\n"))) + "-----END PRIVATE KEY-----\n"]
)
def test_key_and_certificate_stand_in_any_order_with_the_chain_beside_them(order: str) -> None:
    chain = SECOND.pem.partition("-----END PRIVATE KEY-----\n")[2]
    for pem in (order, chain + order, order + chain, order.replace("\n", "\r\n")):
        assert read_pair(pem, START, "x").certificate == FIRST.certificate


def _without_key(one: SignInCertificate) -> str:
    return one.pem.partition("-----END PRIVATE KEY-----\n")[2]


def _only_key(one: SignInCertificate) -> str:
    return one.pem.partition("-----BEGIN CERTIFICATE-----")[0]


@pytest.mark.parametrize(
    ("pem", "words"),
    [
        ("MIIKcAIBAzCCCi…", "no private key as PEM"),
        (_without_key(FIRST), "no private key as PEM"),
        (_only_key(FIRST), "no certificate"),
        (_only_key(FIRST) + _without_key(SECOND), "no certificate that belongs"),
        (_only_key(FIRST) + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no certificate that can be read"),
        (_only_key(FIRST).replace("\nMII", "\nXXX", 1) + _without_key(FIRST), "cannot be read"),
        (ELLIPTIC + _without_key(FIRST), "RSA key of at least 2048 bits"),
        (SMALL.pem, "RSA key of at least 2048 bits"),
        (EXPIRED.pem, "expired on"),
        (EARLY.pem, "valid only from"),
    ],
)
def test_a_secret_that_cannot_be_used_is_named_and_not_shown(pem: str, words: str) -> None:
    it = bench()
    it.secrets.values["d365-certificate"] = pem
    with pytest.raises(FixConfiguration, match=words) as caught:
        it.authorizer.headers()
    assert caught.value.field == "d365.sign_in"
    assert "d365-certificate" in caught.value.sentence
    assert not any(line in caught.value.sentence + caught.value.detail for line in pem.splitlines() if len(line) > 30)
    assert it.secrets.forgotten == ["d365-certificate"], "it may have been replaced: it was read again"
    assert it.transport.sent == []


@given(st.text(max_size=300) | st.integers(0, len(FIRST.pem) - 1).map(lambda cut: FIRST.pem[:cut]))
def test_any_text_in_the_secret_is_a_matter_of_configuration(pem: str) -> None:
    if FIRST.pem.strip() != pem.strip():
        with pytest.raises(FixConfiguration):
            read_pair(pem, START, "x")


@pytest.mark.parametrize("first_answer", [refused(700027), refused(7000222)])
def test_a_replaced_certificate_is_picked_up_without_a_restart(first_answer: HttpResponse) -> None:
    it = bench(first_answer, token("T2"))

    class Rotating(PlainSecrets):
        def forget(self, name: str) -> None:
            self.values[name] = SECOND.pem

    it.secrets = Rotating({"d365-certificate": FIRST.pem})
    it.__post_init__()
    assert it.authorizer.headers() == {"Authorization": "Bearer T2"}
    assert jwt.get_unverified_header(it.form(1)["client_assertion"])["x5t#S256"] == thumbprint(SECOND.certificate)


def test_an_expired_certificate_that_was_replaced_is_not_even_sent() -> None:
    it = bench(token())

    class Rotating(PlainSecrets):
        def forget(self, name: str) -> None:
            self.values[name] = SECOND.pem

    it.secrets = Rotating({"d365-certificate": EXPIRED.pem})
    it.__post_init__()
    assert it.authorizer.headers() == {"Authorization": "Bearer T1"}


@pytest.mark.parametrize(
    ("authority", "audience"),
    [
        ("login.microsoftonline.com", "api://AzureADTokenExchange"),
        ("login.microsoftonline.us", "api://AzureADTokenExchangeUSGov"),
        ("login.partner.microsoftonline.cn", "api://AzureADTokenExchangeChina"),
    ],
)
def test_the_apps_own_identity_in_every_cloud(authority: str, audience: str) -> None:
    it = bench(token(), settings=settings(Federated(method="federated"), authority))
    it.authorizer.headers()
    assert it.transport.sent[0].url == f"https://{authority}/contoso.com/oauth2/v2.0/token"
    assert it.form()["client_assertion"] == f"identity for {audience}"
    assert it.form()["scope"] == f"{ENVIRONMENT}/.default"


def test_an_identity_that_gets_no_token_now() -> None:
    def busy(_: str) -> str:
        raise TryLater("the platform is busy")

    with pytest.raises(TryLater):
        Bench(script(), FEDERATED, PlainIdentity(busy)).authorizer.headers()


@pytest.mark.parametrize("number", [700027, 700024, 700023, 700021, 70021, 700211, 700212, 700213, 700236])
def test_refusals_of_assertions_name_the_sign_in_and_the_likely_cause(number: int) -> None:
    it = bench(refused(number))
    with pytest.raises(FixConfiguration) as caught:
        it.authorizer.headers()
    assert caught.value.field == "d365.sign_in"
    assert PROBLEMS[str(number)][1] in caught.value.sentence
    assert f"AADSTS{number}" in caught.value.sentence


@pytest.mark.parametrize(
    "sign_in",
    [
        {},
        {"secret": "x"},
        {"method": "password", "secret": "x"},
        {"method": "client_secret"},
        {"method": "client_secret", "secret": "not a name"},
        {"method": "client_secret", "certificate": "x"},
        {"method": "certificate", "secret": "x"},
        {"method": "federated", "secret": "x"},
    ],
)
def test_a_sign_in_that_is_not_whole_is_refused(sign_in: Mapping[str, str]) -> None:
    document = {"environment_url": ENVIRONMENT, "tenant": "t", "client_id": "c", "sign_in": sign_in}
    with pytest.raises(ValidationError) as caught:
        D365Settings.model_validate(document)
    assert all(item["loc"][0] == "sign_in" for item in caught.value.errors())


def test_the_secret_behind_a_sign_in_is_named_where_there_is_one() -> None:
    assert (BY_CERTIFICATE.secret, FEDERATED.secret) == ("d365-certificate", "")


@pytest.mark.parametrize("tenant", ["", "a/b", "a?b", "a#b", "a b", "../x", "a@b"])
def test_a_tenant_cannot_lead_the_sign_in_elsewhere(tenant: str) -> None:
    document = {"environment_url": ENVIRONMENT, "tenant": tenant, "client_id": "c", "sign_in": {"method": "federated"}}
    with pytest.raises(ValidationError):
        D365Settings.model_validate(document)

"""Entra ID's other side: assertions are verified whole, each refusal with its number, with real clients of others' making."""

import json
from collections.abc import Mapping
from urllib.parse import urlencode

import jwt
import pytest
from azure.identity import CertificateCredential, ClientAssertionCredential, ManagedIdentityCredential
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import RSAAlgorithm
from jwt.types import Options

from sandbox import hosts
from sandbox.certificates import make_certificate
from sandbox.entra import Entra, ManagedIdentity, issuer, principal
from sandbox.entra_assertions import ASSERTION_TYPE, EXCHANGE, Federation, signed, thumbprint
from sandbox.network import Network
from sandbox.place import utc_now
from sandbox.simulator.seams import START, VirtualClock
from sandbox.tls import Sandbox
from sandbox.web import Request

TENANT, HOME = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
CLIENT, IDENTITY = "33333333-3333-3333-3333-333333333333", "44444444-4444-4444-4444-444444444444"
RESOURCE = "https://contoso.operations.dynamics.com"
TOKEN_URL = f"https://{hosts.LOGIN}/{TENANT}/oauth2/v2.0/token"
OURS, OTHERS = make_certificate(START, days=10_000), make_certificate(START)
NOW = int(START.timestamp())


def entra() -> tuple[Entra, VirtualClock]:
    clock = VirtualClock()
    made = Entra(clock.now)
    made.register_resource(TENANT, RESOURCE)
    made.register_certificates(TENANT, CLIENT, OURS.certificate)
    made.federate(TENANT, CLIENT, Federation(issuer(HOME), principal(IDENTITY)))
    return made, clock


def ask(it: Entra, assertion: str, client_id: str = CLIENT) -> str:
    """`token`, or the number of the refusal."""
    form = {"grant_type": "client_credentials", "client_id": client_id, "scope": f"{RESOURCE}/.default"}
    form |= {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
    answer = it.handle(Request("POST", hosts.LOGIN, f"/{TENANT}/oauth2/v2.0/token", {}, urlencode(form).encode()))
    body = json.loads(answer.body)
    return "token" if answer.status == 200 else f"{body['error_codes'][0]}"


def assertion(key: str = OURS.pem, algorithm: str = "PS256", header: str = thumbprint(OURS.certificate), **changes: object) -> str:
    claims = {"aud": TOKEN_URL, "iss": CLIENT, "sub": CLIENT, "jti": "1", "nbf": NOW - 60, "exp": NOW + 540, **changes}
    private = key.partition("-----BEGIN CERTIFICATE-----")[0]
    return jwt.encode(claims, private, algorithm=algorithm, headers={"x5t#S256": header})


@pytest.mark.parametrize("algorithm", ["PS256", "RS256"])
def test_an_assertion_of_a_registered_certificate_is_taken(algorithm: str) -> None:
    assert ask(entra()[0], assertion(algorithm=algorithm)) == "token"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (assertion(OTHERS.pem), "700027"),
        (assertion(OTHERS.pem, header=thumbprint(OTHERS.certificate)), "700027"),
        (assertion()[:-8] + "AAAAAAAA", "700027"),
        (assertion(sub="somebody"), "700021"),
        (assertion(aud=TOKEN_URL.replace(TENANT, HOME)), "700023"),
        (assertion(exp=NOW), "700024"),
        (assertion(nbf=NOW + 1), "700024"),
        (assertion(iss="https://issuer.example"), "700211"),
        ("no token at all", "50027"),
        ("", "50027"),
    ],
)
def test_an_assertion_that_proves_nothing_is_refused(text: str, number: str) -> None:
    assert ask(entra()[0], text) == number


def test_a_certificate_ends_and_is_replaced() -> None:
    it, clock = entra()
    it.register_certificates(TENANT, CLIENT, make_certificate(START).certificate)
    assert ask(it, assertion()) == "700027"
    short = make_certificate(START, days=1)
    it.register_certificates(TENANT, CLIENT, OURS.certificate, short.certificate)
    assert ask(it, assertion()) == "token"
    clock.advance(days=2)
    exp = NOW + 3 * 86_400
    assert ask(it, assertion(short.pem, header=thumbprint(short.certificate), exp=exp)) == "700027"
    assert ask(it, assertion(exp=exp)) == "token"


def test_an_app_without_certificates_is_not_known_by_one() -> None:
    it, _ = entra()
    it.register_app(TENANT, "other", "secret")
    assert ask(it, assertion(iss="other", sub="other"), "other") == "700027"


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({}, "token"),
        ({"iss": issuer(TENANT)}, "700211"),
        ({"sub": IDENTITY}, "700213"),
        ({"aud": "https://vault.azure.net"}, "700212"),
        ({"exp": NOW}, "700024"),
    ],
)
def test_a_federated_assertion_fits_in_everything(changes: Mapping[str, str | int], number: str) -> None:
    claims: dict[str, str | int] = {"aud": EXCHANGE, "iss": issuer(HOME), "sub": principal(IDENTITY), "nbf": NOW, "exp": NOW + 60}
    assert ask(entra()[0], signed({**claims, **changes})) == number


def test_a_federated_assertion_that_entra_did_not_sign_is_refused() -> None:
    assert ask(entra()[0], assertion(OTHERS.pem, aud=EXCHANGE, iss=issuer(HOME), sub=principal(IDENTITY))) == "50013"


def test_its_tokens_verify_against_the_keys_it_publishes() -> None:
    it, _ = entra()
    token = it.issue(TENANT, CLIENT, RESOURCE).text
    answer = it.handle(Request("GET", hosts.LOGIN, f"/{TENANT}/discovery/v2.0/keys"))
    (published,) = json.loads(answer.body)["keys"]
    assert published["kid"] == jwt.get_unverified_header(token)["kid"]
    key = RSAAlgorithm.from_jwk({name: value for name, value in published.items() if name in ("kty", "n", "e")})
    assert isinstance(key, RSAPublicKey)
    times_are_virtual: Options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
    claims = jwt.decode(token, key, ["RS256"], audience=RESOURCE, options=times_are_virtual)
    assert claims["appid"] == CLIENT


@pytest.mark.slow
def test_the_real_credentials_sign_in_with_certificate_and_federation(monkeypatch: pytest.MonkeyPatch) -> None:
    """azure-identity, over TLS, with times of this machine: what a client of Microsoft's sends is taken too."""
    it = Entra(utc_now)
    certificate = make_certificate(utc_now())
    it.register_resource(TENANT, RESOURCE)
    it.register_certificates(TENANT, CLIENT, certificate.certificate)
    it.federate(TENANT, CLIENT, Federation(issuer(HOME), principal(IDENTITY)))
    with Sandbox(Network(utc_now, {hosts.LOGIN: it}), ManagedIdentity(it, HOME, IDENTITY)) as sandbox:
        for name, value in {**sandbox.environment(), **sandbox.identity_environment()}.items():
            monkeypatch.setenv(name, value)
        with CertificateCredential(TENANT, CLIENT, certificate_data=certificate.pem.encode()) as by_certificate:
            assert _is_taken(it, by_certificate.get_token(f"{RESOURCE}/.default").token)
        with ManagedIdentityCredential(client_id=IDENTITY) as own:
            federated = ClientAssertionCredential(TENANT, CLIENT, lambda: own.get_token(f"{EXCHANGE}/.default").token)
            with federated:
                assert _is_taken(it, federated.get_token(f"{RESOURCE}/.default").token)


def _is_taken(it: Entra, token: str) -> bool:
    return it.check(Request("GET", "x", "/", {"authorization": f"Bearer {token}"}), RESOURCE) is not None

"""The assertions that an application can prove itself with at Entra ID: its own, signed with a certificate, or a trusted identity's.

Everything is verified as Entra ID does: signature, audience, times, issuer and subject, each with its own AADSTS number.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from jwt.algorithms import RSAAlgorithm

from sandbox import hosts

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
EXCHANGE = "api://AzureADTokenExchange"
KEY_ID = "sandbox-1"


class AssertionRefused(Exception):
    """An assertion that proves nothing, with its AADSTS number."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Federation:
    """A federated credential: tokens of this issuer for this subject and audience stand for the application."""

    issuer: str
    subject: str
    audience: str = EXCHANGE


@dataclass
class Applications:
    """What the app registrations trust besides secrets, by (tenant, client id)."""

    certificates: dict[tuple[str, str], tuple[x509.Certificate, ...]] = field(default_factory=dict)
    federations: dict[tuple[str, str], tuple[Federation, ...]] = field(default_factory=dict)

    def check(self, tenant: str, client_id: str, assertion: str, url: str, now: datetime) -> None:
        """Whether the assertion, sent to `url`, stands for the application. Raises AssertionRefused."""
        try:
            claims: dict[str, Any] = jwt.decode(assertion, options={"verify_signature": False})
        except jwt.PyJWTError:
            raise AssertionRefused(50027, "JWT token is invalid or malformed.") from None
        if claims.get("iss") == client_id:
            _check_own(self.certificates.get((tenant, client_id), ()), assertion, url, now)
        else:
            _check_federated(self.federations.get((tenant, client_id), ()), assertion, claims)
        _check_times(claims, now)


def _check_own(certificates: tuple[x509.Certificate, ...], assertion: str, url: str, now: datetime) -> None:
    head = jwt.get_unverified_header(assertion)
    certificate = next((one for one in certificates if _is_named(one, head)), None)
    if certificate is None:
        raise AssertionRefused(700027, "Client assertion contains an invalid signature. [Reason - The key was not found.]")
    claims = _verified(assertion, certificate.public_key(), 700027, "Client assertion contains an invalid signature.")
    if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
        raise AssertionRefused(700027, "Client assertion contains an invalid signature. [Reason - The key used is expired.]")
    if claims.get("sub") != claims["iss"]:
        raise AssertionRefused(700021, "Client assertion application identifier doesn't match 'client_id' parameter.")
    if claims.get("aud") != url:
        raise AssertionRefused(700023, f"Client assertion audience claim does not match Realm issuer. Expected: {url}")


def _check_federated(trusted: tuple[Federation, ...], assertion: str, claims: Mapping[str, Any]) -> None:
    for code, name, values in (
        (700211, "iss", {one.issuer for one in trusted}),
        (700213, "sub", {one.subject for one in trusted if one.issuer == claims.get("iss")}),
        (700212, "aud", {one.audience for one in trusted if (one.issuer, one.subject) == (claims.get("iss"), claims.get("sub"))}),
    ):
        if claims.get(name) not in values:
            raise AssertionRefused(code, f"No matching federated identity record found for presented assertion: '{claims.get(name)}'.")
    _verified(assertion, _signing_key().public_key(), 50013, "Assertion failed signature validation.")


def signed(claims: Mapping[str, str | int]) -> str:
    """A token of Entra ID itself with these claims."""
    return jwt.encode(dict(claims), _signing_key(), algorithm="RS256", headers={"kid": KEY_ID})


def public_key_set() -> object:
    """The keys that verify the tokens of Entra ID."""
    key = RSAAlgorithm.to_jwk(_signing_key().public_key(), as_dict=True)
    return {"keys": [{**key, "kid": KEY_ID, "use": "sig", "issuer": f"https://{hosts.LOGIN}/{{tenantid}}/v2.0"}]}


def is_exchange(audience: str) -> bool:
    """Whether tokens for this audience are meant to be exchanged (each national cloud has its own)."""
    return audience.startswith(EXCHANGE)


@cache
def _signing_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


def _verified(assertion: str, key: Any, code: int, text: str) -> dict[str, Any]:  # Any: every kind of key a certificate can hold
    """The claims of an assertion whose signature holds. Times and audience are judged by the caller, on the sandbox's clock."""
    try:
        claims: dict[str, Any] = jwt.decode(
            assertion,
            key,
            algorithms=["RS256", "PS256"],
            options={"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False},
        )
    except jwt.PyJWTError:
        raise AssertionRefused(code, text) from None
    return claims


def thumbprint(certificate: x509.Certificate, algorithm: HashAlgorithm | None = None) -> str:
    """The thumbprint (SHA-256, if nothing else is said) as a JWT header writes it."""
    return base64.urlsafe_b64encode(certificate.fingerprint(algorithm or SHA256())).rstrip(b"=").decode()


def _is_named(certificate: x509.Certificate, head: Mapping[str, Any]) -> bool:
    """Whether the header names the certificate; some clients still do so by SHA-1, and some keep the padding."""
    if "x5t#S256" in head:
        return str(head["x5t#S256"]).rstrip("=") == thumbprint(certificate)
    return str(head.get("x5t")).rstrip("=") == thumbprint(certificate, SHA1())  # noqa: S303 - a name, not a proof


def _check_times(claims: Mapping[str, Any], now: datetime) -> None:
    begin, end = claims.get("nbf", claims.get("iat")), claims.get("exp")
    if not isinstance(begin, (int, float)) or not isinstance(end, (int, float)) or not begin <= now.timestamp() < end:
        raise AssertionRefused(700024, "Client assertion is not within its valid time range.")

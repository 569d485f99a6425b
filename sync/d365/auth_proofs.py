"""How an application proves to Entra ID who it is: a client secret, a certificate, or the identity of this app (contracts/d365-fo.md §4).

With a certificate a short-lived JSON Web Token (RFC 7523) is signed with its private key; the private key never leaves this process. With
the app's own identity that token is one that the platform issued, and the application trusts it by a federated credential.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

import jwt
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from sync.connections.document import Certificate, ClientSecret, D365Settings
from sync.errors import FixConfiguration
from sync.ports import Ports
from sync.secrets import Secrets

SIGN_IN: Final = "d365.sign_in"
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_LIFETIME: Final = timedelta(minutes=9)
CLOCK_SKEW: Final = timedelta(minutes=1)
SMALLEST_KEY: Final = 2_048
PRIVATE_KEY: Final = re.compile(r"-----BEGIN ((?:RSA )?PRIVATE KEY)-----.*?-----END \1-----", re.DOTALL)
EXCHANGE: Final = "api://AzureADTokenExchange"
EXCHANGES: Final[Mapping[str, str]] = {
    # National clouds have an audience of their own for federated tokens.
    "login.microsoftonline.us": f"{EXCHANGE}USGov",
    "login.partner.microsoftonline.cn": f"{EXCHANGE}China",
    "login.chinacloudapi.cn": f"{EXCHANGE}China",
}


class AppIdentity(Protocol):
    """The identity that this deployment runs under (`sync/identity.py`)."""

    def token(self, audience: str) -> str:
        """A token of the identity itself for that audience. Raises FixConfiguration (there is none) and TryLater."""
        ...


class Proof(Protocol):
    """What goes into a token request besides the client id and the scope."""

    def form(self) -> Mapping[str, str]:
        """The fields. Raises what the secret's source raises, and FixConfiguration when what it holds cannot be used."""
        ...

    def forget(self) -> None:
        """What it rests on was refused: read it from its source at the next `form`."""
        ...

    def has_changed(self) -> bool:
        """Whether what it rests on, read anew, is another than before."""
        ...


class SecretProof:
    """A client secret."""

    def __init__(self, secrets: Secrets, name: str) -> None:
        self._secrets = secrets
        self._name = name

    def form(self) -> Mapping[str, str]:
        """See `Proof.form`."""
        return {"client_secret": self._secrets.get(self._name)}

    def forget(self) -> None:
        """See `Proof.forget`."""
        self._secrets.forget(self._name)

    def has_changed(self) -> bool:
        """See `Proof.has_changed`."""
        return _has_changed(self._secrets, self._name)


class CertificateProof:
    """A certificate with its private key, as PEM text in one secret; `audience` is the address of the token request."""

    def __init__(self, ports: Ports, secrets: Secrets, name: str, client_id: str, audience: str) -> None:
        self._ports = ports
        self._secrets = secrets
        self._name = name
        self._client_id = client_id
        self._audience = audience

    def form(self) -> Mapping[str, str]:
        """See `Proof.form`."""
        now = self._ports.clock.now()
        try:
            pair = read_pair(self._secrets.get(self._name), now, self._name)
        except FixConfiguration:
            # It may have been replaced since it was cached.
            self._secrets.forget(self._name)
            pair = read_pair(self._secrets.get(self._name), now, self._name)
        return _assertion(self._signed(pair, now))

    def forget(self) -> None:
        """See `Proof.forget`."""
        self._secrets.forget(self._name)

    def has_changed(self) -> bool:
        """See `Proof.has_changed`."""
        return _has_changed(self._secrets, self._name)

    def _signed(self, pair: "KeyPair", now: datetime) -> str:
        claims = {
            "aud": self._audience,
            "iss": self._client_id,
            "sub": self._client_id,
            "jti": self._ports.ids.new(),
            "iat": now,
            "nbf": now - CLOCK_SKEW,
            "exp": now + ASSERTION_LIFETIME,
        }
        thumbprint = base64.urlsafe_b64encode(pair.certificate.fingerprint(SHA256())).rstrip(b"=").decode()
        return jwt.encode(claims, pair.key, algorithm="PS256", headers={"x5t#S256": thumbprint})


class FederatedProof:
    """A token of this app's own identity."""

    def __init__(self, identity: AppIdentity, audience: str) -> None:
        self._identity = identity
        self._audience = audience

    def form(self) -> Mapping[str, str]:
        """See `Proof.form`."""
        return _assertion(self._identity.token(self._audience))

    def forget(self) -> None:
        """See `Proof.forget`: the platform renews it by itself."""

    def has_changed(self) -> bool:
        """See `Proof.has_changed`."""
        return False


def proof_of(settings: D365Settings, token_url: str, ports: Ports, secrets: Secrets, identity: AppIdentity) -> Proof:
    """The proof that the connection document names."""
    sign_in = settings.sign_in
    if isinstance(sign_in, ClientSecret):
        return SecretProof(secrets, sign_in.secret)
    if isinstance(sign_in, Certificate):
        return CertificateProof(ports, secrets, sign_in.certificate, settings.client_id, token_url)
    return FederatedProof(identity, EXCHANGES.get(settings.authority_host, EXCHANGE))


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: RSAPrivateKey = field(repr=False)


def read_pair(pem: str, now: datetime, name: str) -> KeyPair:
    """The private key and its certificate from PEM text, in any order, other certificates of the chain beside them.

    FixConfiguration names the secret `name` and what is wrong with what it holds: no PEM, no RSA key of 2,048 bits or more, no certificate
    of that key, not valid yet or any more.
    """
    key = _private_key(pem, name)
    certificate = next((one for one in _certificates(pem, name) if one.public_key() == key.public_key()), None)
    if certificate is None:
        raise _unusable(name, "holds no certificate that belongs to its private key: store both, as PEM text")
    if now >= certificate.not_valid_after_utc:
        ended = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
        raise _unusable(name, f"holds a certificate that expired on {ended}: make a new one, and upload its public part in Entra ID")
    if now < certificate.not_valid_before_utc:
        raise _unusable(name, f"holds a certificate that is valid only from {certificate.not_valid_before_utc:%Y-%m-%d} on")
    return KeyPair(certificate, key)


def _private_key(pem: str, name: str) -> RSAPrivateKey:
    block = PRIVATE_KEY.search(pem)
    if block is None:
        raise _unusable(name, "holds no private key as PEM text without a password; choose PEM as the certificate's content type")
    try:
        key = load_pem_private_key(block[0].encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _unusable(name, "holds a private key that cannot be read: store it whole, with all its lines") from None
    if not isinstance(key, RSAPrivateKey) or key.key_size < SMALLEST_KEY:
        raise _unusable(name, f"holds a key that Entra ID does not take: use an RSA key of at least {SMALLEST_KEY} bits")
    return key


def _certificates(pem: str, name: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        raise _unusable(name, "holds no certificate that can be read: store it after its private key, as PEM text") from None


def _unusable(name: str, what: str) -> FixConfiguration:
    return FixConfiguration(f"The secret {name} {what}.", field=SIGN_IN)


def _assertion(text: str) -> Mapping[str, str]:
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": text}


def _has_changed(secrets: Secrets, name: str) -> bool:
    before = secrets.get(name)
    secrets.forget(name)
    return secrets.get(name) != before

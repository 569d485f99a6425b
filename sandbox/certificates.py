"""Certificates that an application signs in with, as an administrator would make them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class SignInCertificate:
    """The public part, for the app registration, and both parts as the text that goes into the vault."""

    certificate: x509.Certificate
    pem: str = field(repr=False)


def make_certificate(now: datetime, *, days: int = 365, bits: int = 2_048) -> SignInCertificate:
    """A self-signed certificate, valid from a day before `now` (UTC) for `days` days after it, with its RSA key as PEM text."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=bits)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "connector")])
    begin, end = now - timedelta(days=1), now + timedelta(days=days)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), begin, end)
    certificate = builder.sign(key, SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return SignInCertificate(certificate, private + certificate.public_bytes(Encoding.PEM).decode())

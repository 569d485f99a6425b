"""Secrets from Key Vault: cached for minutes, read again on request, never shown (design §2, Connections; §3, invariant 8)."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Final, Protocol

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.core.pipeline.transport import HttpTransport, RequestsTransport
from azure.core.rest import HttpRequest, HttpResponse
from azure.keyvault.secrets import SecretClient

from sync.errors import FixConfiguration, SyncError, TryLater
from sync.ports import Clock

CONNECT_SECONDS: Final = 10
READ_SECONDS: Final = 30
SHORTEST_KEY: Final = 32
"""Bytes of an HMAC key: as long as the digest, so that the key is never the weak part."""


class Secrets(Protocol):
    """Where secrets come from. Thread-safe."""

    def get(self, name: str) -> str:
        """The secret's value, never empty. Raises FixConfiguration (missing, refused, empty) and TryLater (vault unreachable or busy)."""
        ...

    def forget(self, name: str) -> None:
        """Read the secret from its source at the next `get`."""
        ...


@dataclass
class _Slot:
    """One secret's place in the cache; its lock lets one thread fetch while the others wait for that value."""

    lock: Lock = field(default_factory=Lock)
    value: str = field(default="", repr=False)
    until: datetime | None = None


class VaultSecrets:
    """Secrets of one Key Vault. The SDK's own retries are off: who asks decides when to ask again.

    `vault_url` is `https://<name>.vault.azure.net`; `cache_minutes` is how long a value is used without asking again; `transport`
    replaces the SDK's own. FixConfiguration when `vault_url` is no https address.
    """

    def __init__(
        self,
        vault_url: str,
        credential: TokenCredential,
        clock: Clock,
        cache_minutes: float = 5,
        *,
        transport: HttpTransport[HttpRequest, HttpResponse] | None = None,
    ) -> None:
        if not re.fullmatch(r"https://[A-Za-z0-9.-]+(:\d+)?/?", vault_url):
            raise FixConfiguration("The vault's address is not valid: write it as https://<name>.vault.azure.net.", field="vault_url")
        self._vault_url = vault_url
        self._client = SecretClient(
            vault_url,
            credential,
            retry_total=0,
            transport=transport or RequestsTransport(connection_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS),
        )
        self._clock = clock
        self._lifetime = timedelta(minutes=cache_minutes)
        self._slots: dict[str, _Slot] = {}
        self._lock = Lock()

    def get(self, name: str) -> str:
        """See `Secrets.get`."""
        slot = self._slot(name)
        with slot.lock:
            if slot.until is None or slot.until <= self._clock.now():
                slot.value = self._fetch(name)
                slot.until = self._clock.now() + self._lifetime
            return slot.value

    def forget(self, name: str) -> None:
        """See `Secrets.forget`."""
        slot = self._slot(name)
        with slot.lock:
            slot.until, slot.value = None, ""

    def _slot(self, name: str) -> _Slot:
        with self._lock:
            return self._slots.setdefault(name, _Slot())

    def _fetch(self, name: str) -> str:
        try:
            value = self._client.get_secret(name).value
        except (AzureError, ValueError) as error:
            raise self._explained(name, error) from None
        if not value:
            raise FixConfiguration(f"The secret {name} in {self._vault_url} is empty: store its value.", field=name)
        return value

    def _explained(self, name: str, error: Exception) -> SyncError:
        """The SDK's error as one of ours. Its own text goes to the detail: it names callers and codes, never a value."""
        detail = f"{type(error).__name__}: {error}"
        status = error.status_code if isinstance(error, HttpResponseError) else None
        if status == 429 or (status is None and not isinstance(error, (ClientAuthenticationError, ValueError))) or (status or 0) >= 500:
            sentence = f"The vault {self._vault_url} did not answer for the secret {name}; it is asked again later."
            return TryLater(sentence, delay=_delay(error), detail=detail)
        return FixConfiguration(f"The secret {name} in {self._vault_url} {_refusal(error, status, detail)}", field=name, detail=detail)


def _refusal(error: Exception, status: int | None, detail: str) -> str:
    """Why the vault refused, and the remedy: the rest of a sentence about the secret."""
    if isinstance(error, ClientAuthenticationError):
        return "could not be read because the app could not sign in: check the app's managed identity and AZURE_CLIENT_ID."
    if status == 404:
        return "does not exist: create it there, or correct its name in the connection document."
    if status != 403:
        return "could not be asked for: check the vault's address and the secret's name."
    if "Firewall" in detail or "not a trusted service" in detail:
        return "is behind the vault's firewall: allow the app's network in the vault's networking settings."
    if "disabled secret" in detail or "SecretDisabled" in detail:
        return "is disabled: enable it, or store a new version."
    return "may not be read by the app: give its identity the role 'Key Vault Secrets User' on the vault."


def _delay(error: Exception) -> float | None:
    """Seconds of a Retry-After header, if the vault sent one."""
    headers: Mapping[str, str] = getattr(error.response, "headers", {}) if isinstance(error, HttpResponseError) else {}
    text = headers.get("Retry-After", "")
    return int(text) if re.fullmatch(r"\d{1,9}", text) else None


class VaultAuditKeys:
    """The HMAC keys of the audit trail, in one secret: lines of `id:base64key`, newest first. Rotation adds a line on top, the old stay."""

    def __init__(self, secrets: Secrets, name: str) -> None:
        self._secrets = secrets
        self._name = name

    def current(self) -> tuple[str, bytes]:
        """Id and key that sign new rows. FixConfiguration when the secret is malformed."""
        return next(iter(self._keys().items()))

    def of(self, key_id: str) -> bytes:
        """The key of an id; the secret is read again once when it does not know it. FixConfiguration when it is not there."""
        keys = self._keys()
        if key_id not in keys:
            self._secrets.forget(self._name)
            keys = self._keys()
        if key_id not in keys:
            sentence = f"The audit key {key_id!r} is not in the secret {self._name}: put its line back below the newer ones."
            raise FixConfiguration(sentence, field=self._name)
        return keys[key_id]

    def _keys(self) -> dict[str, bytes]:
        keys: dict[str, bytes] = {}
        lines = [(number, line.strip()) for number, line in enumerate(self._secrets.get(self._name).splitlines(), 1) if line.strip()]
        for number, line in lines:
            key_id, _, text = line.partition(":")
            key = _key(text)
            if not re.fullmatch(r"[A-Za-z0-9._-]{1,40}", key_id) or key is None:
                raise self._malformed(f"line {number} is not id:base64key with a key of at least {SHORTEST_KEY} bytes")
            if key_id in keys:
                raise self._malformed(f"line {number} repeats an id that stands above it")
            keys[key_id] = key
        if not keys:
            raise self._malformed("it holds no line")
        return keys

    def _malformed(self, what: str) -> FixConfiguration:
        sentence = f"The audit keys in the secret {self._name} cannot be used: {what}. Write one id:base64key a line, the newest first."
        return FixConfiguration(sentence, field=self._name)


def _key(text: str) -> bytes | None:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) >= SHORTEST_KEY else None

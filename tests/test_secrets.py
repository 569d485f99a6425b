"""Secrets over the real Key Vault SDK, whose network is a function."""

import base64
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from threading import Barrier
from typing import Any

import pytest
import requests
from azure.core.credentials import AccessToken, TokenCredential
from azure.core.exceptions import ClientAuthenticationError
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from sandbox.simulator.seams import PlainSecrets, VirtualClock
from sync.errors import FixConfiguration, TryLater
from sync.secrets import VaultAuditKeys, VaultSecrets

VAULT = "https://contoso.vault.azure.net"
CHALLENGE = 'Bearer authorization="https://login.microsoftonline.com/tenant", resource="https://vault.azure.net"'
NEVER = 2**33
"""Seconds since 1970, far away: the token does not expire in a test."""


class Credential(TokenCredential):
    """A token at once, or a failure to sign in."""

    def __init__(self, *, refused: bool = False) -> None:
        self._refused = refused

    def get_token(self, *scopes: str, **kwargs: Any) -> AccessToken:
        if self._refused:
            raise ClientAuthenticationError("no identity here")
        assert scopes == ("https://vault.azure.net/.default",)
        return AccessToken("vault-token", NEVER)


class Vault(HTTPAdapter):
    """A Key Vault: challenges a request without a token, then answers by name. `refusal` is given instead of a secret."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self.refusal: Callable[[], HTTPResponse] | None = None
        self.reads: list[str] = []

    def send(self, request: requests.PreparedRequest, *args: object, **kwargs: object) -> requests.Response:
        assert request.url is not None
        assert request.url.startswith(f"{VAULT}/secrets/")
        if request.headers.get("Authorization") != "Bearer vault-token":
            return self.build_response(request, answer(401, {}, {"WWW-Authenticate": CHALLENGE}))
        name = request.url.removeprefix(f"{VAULT}/secrets/").split("/")[0].split("?")[0]
        self.reads.append(name)
        return self.build_response(request, self._answer(name))

    def _answer(self, name: str) -> HTTPResponse:
        if self.refusal is not None:
            return self.refusal()
        if name not in self.values:
            return answer(404, {"error": {"code": "SecretNotFound", "message": f"A secret with name {name} was not found"}})
        return answer(200, {"value": self.values[name], "id": f"{VAULT}/secrets/{name}/1", "attributes": {"enabled": True}})


def answer(status: int, document: object, headers: dict[str, str] | None = None) -> HTTPResponse:
    body = BytesIO(json.dumps(document).encode())
    return HTTPResponse(body, {"Content-Type": "application/json", **(headers or {})}, status, preload_content=False)


def refused(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Callable[[], HTTPResponse]:
    return lambda: answer(status, {"error": {"code": code, "message": message}}, headers)


def unreachable() -> HTTPResponse:
    raise requests.exceptions.ConnectionError("cannot resolve the name")


def too_slow() -> HTTPResponse:
    raise requests.exceptions.ReadTimeout("no answer in time")


@pytest.fixture
def vault() -> Vault:
    vault = Vault()
    vault.values = {"contoso-user": "us3r-t0ken", "contoso-company": "c0mpany"}
    return vault


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def secrets(vault: Vault, clock: VirtualClock) -> Iterator[VaultSecrets]:
    with requests.Session() as session:
        yield over(session, vault, clock)


def over(session: requests.Session, vault: Vault, clock: VirtualClock, credential: TokenCredential | None = None) -> VaultSecrets:
    session.mount("https://", vault)
    transport = RequestsTransport(session=session, session_owner=False)
    return VaultSecrets(VAULT, credential or Credential(), clock, transport=transport)


def test_a_secret_is_read_once_and_again_after_five_minutes(secrets: VaultSecrets, vault: Vault, clock: VirtualClock) -> None:
    assert [secrets.get("contoso-user") for _ in range(3)] == ["us3r-t0ken"] * 3
    vault.values["contoso-user"] = "rotated"
    clock.advance(minutes=4, seconds=59)
    assert secrets.get("contoso-user") == "us3r-t0ken"
    assert vault.reads == ["contoso-user"]
    clock.advance(seconds=1)
    assert secrets.get("contoso-user") == "rotated"
    assert vault.reads == ["contoso-user"] * 2


def test_a_forgotten_secret_is_read_again_at_once_and_others_stay(secrets: VaultSecrets, vault: Vault) -> None:
    secrets.get("contoso-user")
    secrets.get("contoso-company")
    vault.values = {"contoso-user": "rotated", "contoso-company": "rotated too"}
    secrets.forget("contoso-user")
    secrets.forget("never-asked-for")
    assert (secrets.get("contoso-user"), secrets.get("contoso-company")) == ("rotated", "c0mpany")


def test_threads_share_one_reading(secrets: VaultSecrets, vault: Vault) -> None:
    together = Barrier(8)

    def read(_: int) -> str:
        together.wait(timeout=30)
        return secrets.get("contoso-user")

    with ThreadPoolExecutor(8) as pool:
        assert {*pool.map(read, range(8))} == {"us3r-t0ken"}
    assert vault.reads == ["contoso-user"]


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (refused(404, "SecretNotFound", "gone"), "does not exist: create it"),
        (refused(403, "Forbidden", "Caller is not authorized to perform action"), "'Key Vault Secrets User'"),
        (refused(403, "Forbidden", "Operation get is not allowed on a disabled secret."), "is disabled"),
        (refused(403, "Forbidden", "Client address is not authorized and caller is not a trusted service."), "firewall"),
        (refused(401, "Unauthorized", "AKV10032: Invalid issuer"), "could not sign in"),
        (refused(400, "BadParameter", "bad name"), "could not be asked for"),
        (lambda: answer(200, {"value": "", "id": f"{VAULT}/secrets/contoso-user/1"}), "is empty"),
    ],
)
def test_what_a_person_mends_names_secret_vault_and_remedy(
    secrets: VaultSecrets, vault: Vault, refusal: Callable[[], HTTPResponse], words: str
) -> None:
    vault.refusal = refusal
    with pytest.raises(FixConfiguration) as caught:
        secrets.get("contoso-user")
    assert caught.value.field == "contoso-user"
    assert f"The secret contoso-user in {VAULT}" in caught.value.sentence
    assert words in caught.value.sentence


@pytest.mark.parametrize(
    ("refusal", "delay"),
    [
        (unreachable, None),
        (too_slow, None),
        (refused(503, "ServiceUnavailable", "later"), None),
        (refused(429, "Throttled", "too many", {"Retry-After": "17"}), 17.0),
        (refused(429, "Throttled", "too many", {"Retry-After": "soon"}), None),
    ],
)
def test_a_vault_in_trouble_is_asked_later_and_only_once_now(
    secrets: VaultSecrets, vault: Vault, refusal: Callable[[], HTTPResponse], delay: float | None
) -> None:
    vault.refusal = refusal
    with pytest.raises(TryLater) as caught:
        secrets.get("contoso-user")
    assert (caught.value.delay, vault.reads) == (delay, ["contoso-user"])
    assert caught.value.sentence == f"The vault {VAULT} did not answer for the secret contoso-user; it is asked again later."
    vault.refusal = None
    assert secrets.get("contoso-user") == "us3r-t0ken"


def test_an_app_without_an_identity_is_told_so(vault: Vault, clock: VirtualClock) -> None:
    with requests.Session() as session, pytest.raises(FixConfiguration, match="AZURE_CLIENT_ID"):
        over(session, vault, clock, Credential(refused=True)).get("contoso-user")


@pytest.mark.parametrize("url", ["", "contoso", "http://contoso.vault.azure.net", "https://contoso.vault.azure.net/secrets/x"])
def test_a_vault_address_that_is_none_is_refused(url: str, clock: VirtualClock) -> None:
    with pytest.raises(FixConfiguration) as caught:
        VaultSecrets(url, Credential(), clock)
    assert caught.value.field == "vault_url"


def test_no_value_shows_in_repr(secrets: VaultSecrets) -> None:
    secrets.get("contoso-user")
    assert "us3r-t0ken" not in repr(secrets) + repr(vars(secrets))


OLD, NEW = bytes(range(32)), bytes(range(32, 96))


def line(key_id: str, key: bytes) -> str:
    return f"{key_id}:{base64.b64encode(key).decode()}"


def test_audit_keys_sign_with_the_newest_and_know_the_old() -> None:
    keys = VaultAuditKeys(PlainSecrets({"audit": f"\n{line('2026-03', NEW)}\r\n  {line('2025-09', OLD)}\n"}), "audit")
    assert keys.current() == ("2026-03", NEW)
    assert (keys.of("2026-03"), keys.of("2025-09")) == (NEW, OLD)


def test_a_key_that_was_just_rotated_in_is_found_by_reading_again(secrets: VaultSecrets, vault: Vault) -> None:
    vault.values["audit"] = line("old", OLD)
    keys = VaultAuditKeys(secrets, "audit")
    assert keys.current() == ("old", OLD)
    vault.values["audit"] = f"{line('new', NEW)}\n{line('old', OLD)}"
    assert keys.of("new") == NEW
    assert keys.current() == ("new", NEW)
    with pytest.raises(FixConfiguration, match="'lost'"):
        keys.of("lost")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\n \n", "it holds no line"),
        ("no colon", "line 1 is not id:base64key"),
        (f"{line('a', OLD)}\nb:%%%", "line 2 is not id:base64key"),
        (line("a", OLD[:31]), "at least 32 bytes"),
        (line("", OLD), "line 1 is not"),
        (line("a b", OLD), "line 1 is not"),
        (f"{line('a', OLD)}\n\n{line('a', NEW)}", "line 3 repeats an id"),
    ],
)
def test_malformed_audit_keys_are_told_without_showing_them(text: str, words: str) -> None:
    with pytest.raises(FixConfiguration) as caught:
        VaultAuditKeys(PlainSecrets({"audit": text}), "audit").current()
    assert words in caught.value.sentence
    assert caught.value.field == "audit"
    assert base64.b64encode(OLD[:31]).decode()[:20] not in caught.value.sentence

"""Signing in to Entra ID with client credentials, per customer (contracts/d365-fo.md §4).

The token call goes through the transport port like every other request, so that its retries, its gate and its time are ours.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Final
from urllib.parse import urlencode

from sync.connections.document import D365Settings
from sync.d365.auth_proofs import SIGN_IN, AppIdentity, proof_of
from sync.d365.wire import read_row
from sync.errors import FixConfiguration, SyncError, TryLater
from sync.http.client import GateKeeper, HttpClient
from sync.http.tokens import Token, Tokens, token_of
from sync.http.wire import HttpRequest, HttpResponse
from sync.ports import Ports
from sync.secrets import Secrets

STALE: Final = frozenset({"7000215", "7000222", "700027"})
"""Refusals that a secret or certificate meets which was replaced since it was read."""
_NO_FEDERATION: Final = (
    SIGN_IN,
    "no federated credential of the application fits this app's identity: issuer, subject (its object id) and audience must be the same",
)
PROBLEMS: Final[Mapping[str, tuple[str, str]]] = {
    # Entra's error number: (the setting, what is wrong and what to do)
    "7000215": (SIGN_IN, "the client secret is wrong; store the secret's value (not its id) in Key Vault"),
    "7000222": (SIGN_IN, "the client secret has expired; make a new one and store it in Key Vault"),
    "700027": (SIGN_IN, "the certificate is not one of the application's, or has expired; upload the public part of the one in Key Vault"),
    "700024": (SIGN_IN, "the signed proof is outside its validity; check the clock of the machine"),
    "700023": (SIGN_IN, "the signed proof is meant for another authority; check tenant and authority_host"),
    "700021": (SIGN_IN, "the signed proof is of another application; check client_id"),
    "70021": _NO_FEDERATION,
    "700211": _NO_FEDERATION,
    "700212": _NO_FEDERATION,
    "700213": _NO_FEDERATION,
    "700236": (SIGN_IN, "the application belongs to another tenant than this app's identity; register it, multi-tenant, in the identity's"),
    "700016": ("d365.client_id", "the application is not known in this tenant; check client_id and tenant"),
    "900023": ("d365.tenant", "the tenant is not a valid name or id"),
    "90002": ("d365.tenant", "the tenant does not exist; check it, and authority_host for a national cloud"),
    "500011": ("d365.environment_url", "the environment is not known in this tenant; check environment_url and tenant"),
    "70011": ("d365.environment_url", "the scope is not valid; check environment_url"),
    "1002012": ("d365.environment_url", "the scope is not valid; check environment_url"),
    "7000112": ("d365.client_id", "the application is disabled in this tenant"),
    "53003": ("d365.client_id", "a conditional access policy blocks the application"),
}


class EntraAuthorizer:
    """See `sync.http.client.Authorizer`. Authorizers that share `tokens` share the token of each customer."""

    def __init__(
        self, ports: Ports, gates: GateKeeper, secrets: Secrets, identity: AppIdentity, settings: D365Settings, tokens: Tokens | None = None
    ) -> None:
        self._ports = ports
        self._settings = settings
        self._tokens = Tokens() if tokens is None else tokens
        self._http = HttpClient(settings.authority_host, "Entra ID", ports, gates, None)
        self._url = f"https://{settings.authority_host}/{settings.tenant}/oauth2/v2.0/token"
        self._proof = proof_of(settings, self._url, ports, secrets, identity)

    def headers(self) -> Mapping[str, str]:
        """The bearer token. FixConfiguration when Entra refuses, TryLater when it does not answer."""
        return self._tokens.get(self._settings, self._ports, self._sign_in)

    def renew(self) -> None:
        """Drop the token and the cached secret or certificate behind it."""
        self._tokens.forget(self._settings)
        self._proof.forget()

    def explain(self) -> str:
        """Why D365 may refuse a fresh token."""
        return (
            f"D365 refuses a freshly issued token. List the application {self._settings.client_id} in D365 under System administration > "
            f"Microsoft Entra applications and map it to a user; check that d365.environment_url is exactly the environment's address "
            f"({self._settings.environment_url}), lower case and without a trailing slash."
        )

    def _sign_in(self) -> Token:
        response = self._ask()
        if _error_number(response) in STALE and self._proof.has_changed():
            response = self._ask()
        if response.status != 200:
            raise self._refusal(response)
        return self._read(response)

    def _ask(self) -> HttpResponse:
        form = {"grant_type": "client_credentials", "client_id": self._settings.client_id, "scope": self._settings.scope}
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        body = urlencode({**form, **self._proof.form()}).encode()
        return self._http.send(HttpRequest("POST", self._url, headers, body), repeatable=True)

    def _read(self, response: HttpResponse) -> Token:
        try:
            answer = read_row(response.body)
            lifetime = timedelta(seconds=int(str(answer["expires_in"])))
            return token_of(str(answer["access_token"]), self._ports.clock.now(), lifetime)
        except (ValueError, KeyError, OverflowError):
            raise TryLater("Entra ID answered the sign-in with something that is no token.") from None

    def _refusal(self, response: HttpResponse) -> SyncError:
        number = _error_number(response)
        field, sentence = PROBLEMS.get(number, ("d365", "check tenant, client_id and sign_in"))
        code = f"AADSTS{number}" if number else f"status {response.status}"
        return FixConfiguration(f"Entra ID refuses the sign-in to {self._settings.environment_url}: {sentence} ({code}).", field=field)


def _error_number(response: HttpResponse) -> str:
    """The number of the first AADSTS error in a refusal, "" when there is none. Nothing else of the body is used: it may echo the form."""
    if response.status == 200:
        return ""
    match = re.search(rb"AADSTS([0-9]{4,8})", response.body)
    return match.group(1).decode() if match else ""

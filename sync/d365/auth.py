"""Signing in to Entra ID with client credentials, per customer (contracts/d365-fo.md §4).

The token call goes through the transport port like every other request, so that its retries, its gate and its time are ours.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from sync.connections.document import D365Settings
from sync.d365.wire import read_row
from sync.errors import FixConfiguration, SyncError, TryLater
from sync.http.client import GateKeeper, HttpClient
from sync.http.wire import HttpRequest, HttpResponse
from sync.ports import Ports
from sync.secrets import Secrets

RENEW_BEFORE: Final = timedelta(minutes=5)
WRONG_SECRET: Final = frozenset({"7000215", "7000222"})
PROBLEMS: Final[Mapping[str, tuple[str, str]]] = {
    # Entra's error number: (the setting, what is wrong and what to do)
    "7000215": ("d365.client_secret", "the client secret is wrong; store the secret's value (not its id) in Key Vault"),
    "7000222": ("d365.client_secret", "the client secret has expired; make a new one and store it in Key Vault"),
    "700016": ("d365.client_id", "the application is not known in this tenant; check client_id and tenant"),
    "900023": ("d365.tenant", "the tenant is not a valid name or id"),
    "90002": ("d365.tenant", "the tenant does not exist; check it, and authority_host for a national cloud"),
    "500011": ("d365.environment_url", "the environment is not known in this tenant; check environment_url and tenant"),
    "70011": ("d365.environment_url", "the scope is not valid; check environment_url"),
    "1002012": ("d365.environment_url", "the scope is not valid; check environment_url"),
    "7000112": ("d365.client_id", "the application is disabled in this tenant"),
    "53003": ("d365.client_id", "a conditional access policy blocks the application"),
}


@dataclass(frozen=True)
class _Token:
    headers: Mapping[str, str]
    renew_at: datetime

    def __repr__(self) -> str:
        return f"_Token(renew_at={self.renew_at})"


class EntraAuthorizer:
    """See `sync.http.client.Authorizer`. The token is kept until 5 minutes before it expires.

    Threads that meet an empty cache may each fetch a token: harmless, and no lock is held while waiting for the network.
    """

    def __init__(self, ports: Ports, gates: GateKeeper, secrets: Secrets, settings: D365Settings) -> None:
        self._clock = ports.clock
        self._secrets = secrets
        self._settings = settings
        self._http = HttpClient(settings.authority_host, "Entra ID", ports, gates, None)
        self._token: _Token | None = None

    def headers(self) -> Mapping[str, str]:
        """The bearer token. FixConfiguration when Entra refuses, TryLater when it does not answer."""
        token = self._token
        if token is None or self._clock.now() >= token.renew_at:
            token = self._token = self._sign_in()
        return token.headers

    def renew(self) -> None:
        """Drop the token and the cached secret."""
        self._token = None
        self._secrets.forget(self._settings.client_secret)

    def explain(self) -> str:
        """Why D365 may refuse a fresh token."""
        return (
            f"D365 refuses a freshly issued token. List the application {self._settings.client_id} in D365 under System administration > "
            f"Microsoft Entra applications and map it to a user; check that d365.environment_url is exactly the environment's address "
            f"({self._settings.environment_url}), lower case and without a trailing slash."
        )

    def _sign_in(self) -> _Token:
        name = self._settings.client_secret
        secret = self._secrets.get(name)
        response = self._ask(secret)
        if _error_number(response) in WRONG_SECRET:
            self._secrets.forget(name)
            newer = self._secrets.get(name)
            if newer != secret:
                response = self._ask(newer)
        if response.status != 200:
            raise self._refusal(response)
        return self._read(response)

    def _ask(self, secret: str) -> HttpResponse:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._settings.client_id,
            "client_secret": secret,
            "scope": self._settings.scope,
        }
        url = f"https://{self._settings.authority_host}/{self._settings.tenant}/oauth2/v2.0/token"
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        return self._http.send(HttpRequest("POST", url, headers, urlencode(form).encode()), repeatable=True)

    def _read(self, response: HttpResponse) -> _Token:
        try:
            answer = read_row(response.body)
            lifetime = timedelta(seconds=int(str(answer["expires_in"])))
            bearer = str(answer["access_token"])
        except (ValueError, KeyError, OverflowError):
            raise TryLater("Entra ID answered the sign-in with something that is no token.") from None
        renew_at = self._clock.now() + lifetime - min(RENEW_BEFORE, lifetime / 2)
        return _Token({"Authorization": f"Bearer {bearer}"}, renew_at)

    def _refusal(self, response: HttpResponse) -> SyncError:
        number = _error_number(response)
        field, sentence = PROBLEMS.get(number, ("d365", "check tenant, client_id and client_secret"))
        code = f"AADSTS{number}" if number else f"status {response.status}"
        return FixConfiguration(f"Entra ID refuses the sign-in to {self._settings.environment_url}: {sentence} ({code}).", field=field)


def _error_number(response: HttpResponse) -> str:
    """The number of the first AADSTS error in a refusal, "" when there is none. Nothing else of the body is used: it may echo the form."""
    if response.status == 200:
        return ""
    match = re.search(rb"AADSTS([0-9]{4,8})", response.body)
    return match.group(1).decode() if match else ""

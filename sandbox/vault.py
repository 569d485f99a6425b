"""Key Vault: secrets of one vault, read by name with a token of an identity that has access."""

import re
import threading
from dataclasses import dataclass, field
from datetime import datetime

from sandbox import hosts
from sandbox.entra import Entra
from sandbox.web import Now, Request, Response, json_response

SECRET_PATH = re.compile(r"/secrets/(?P<name>[0-9a-zA-Z-]+)(?:/(?P<version>[0-9a-f]*))?/?")


@dataclass(frozen=True)
class _Version:
    value: str = field(repr=False)
    version: str
    created: datetime


class Vault:
    """One vault. `allow` names the identities (client ids) that may read; `set` makes a new version, which is a rotation."""

    def __init__(self, name: str, tenant: str, entra: Entra, now: Now) -> None:
        self.host = hosts.vault(name)
        self.tenant = tenant
        self._entra = entra
        self._now = now
        self._readers: set[str] = set()
        self._secrets: dict[str, list[_Version]] = {}
        self._lock = threading.Lock()

    def allow(self, *client_ids: str) -> None:
        """Give identities the role Key Vault Secrets User."""
        self._readers.update(client_ids)

    def deny(self, client_id: str) -> None:
        """Take the role away."""
        self._readers.discard(client_id)

    def set(self, name: str, value: str) -> None:
        """A new version of a secret; the latest is what is read."""
        with self._lock:
            versions = self._secrets.setdefault(name.lower(), [])
            versions.append(_Version(value, f"{len(versions) + 1:032x}", self._now()))

    def remove(self, name: str) -> None:
        """Delete a secret."""
        with self._lock:
            self._secrets.pop(name.lower(), None)

    def handle(self, request: Request) -> Response:
        """GET of a secret; without a good token the challenge that the client library answers to."""
        token = self._entra.check(request, hosts.VAULT_AUDIENCE)
        if token is None or token.tenant != self.tenant:
            return self._challenge()
        if token.client_id not in self._readers:
            text = f"Caller is not authorized to perform action on resource. Caller: appid={token.client_id}. Vault: {self.host}."
            return _error(403, "Forbidden", text)
        found = SECRET_PATH.fullmatch(request.path)
        if request.method != "GET" or found is None:
            return _error(405, "BadParameter", f"The sandbox's vault only answers GET of a secret, not {request.method} {request.path}.")
        return self._secret(found["name"], found["version"] or "")

    def _secret(self, name: str, version: str) -> Response:
        with self._lock:
            versions = [one for one in self._secrets.get(name.lower(), ()) if version in ("", one.version)]
        if not versions:
            return _error(404, "SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault.")
        latest = versions[-1]
        seconds = int(latest.created.timestamp())
        attributes = {"enabled": True, "created": seconds, "updated": seconds, "recoveryLevel": "Recoverable+Purgeable"}
        identifier = f"https://{self.host}/secrets/{name}/{latest.version}"
        return json_response(200, {"value": latest.value, "id": identifier, "attributes": attributes})

    def _challenge(self) -> Response:
        challenge = f'Bearer authorization="https://{hosts.LOGIN}/{self.tenant}", resource="{hosts.VAULT_AUDIENCE}"'
        body = {"error": {"code": "Unauthorized", "message": "AKV10000: Request is missing a Bearer or PoP token."}}
        return json_response(401, body, www_authenticate=challenge)


def _error(status: int, code: str, message: str) -> Response:
    return json_response(status, {"error": {"code": code, "message": message}})

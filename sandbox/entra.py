"""Entra ID: client credentials per tenant, discovery as azure-identity wants it, signed tokens that live on the sandbox's clock.

An application proves itself with a client secret or with a signed assertion (`sandbox/entra_assertions.py`).
"""

import threading
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import parse_qs

from cryptography import x509

from sandbox import hosts
from sandbox.entra_assertions import ASSERTION_TYPE, Applications, AssertionRefused, Federation, is_exchange, public_key_set, signed
from sandbox.web import Now, Request, Response, json_response


@dataclass(frozen=True)
class Token:
    """An access token that was issued: for whom, for which resource, until when (UTC)."""

    text: str = field(repr=False)
    tenant: str
    client_id: str
    audience: str
    expires: datetime


@dataclass
class _Tenant:
    secrets: dict[str, set[str]] = field(default_factory=dict)
    audiences: set[str] = field(default_factory=lambda: {hosts.VAULT_AUDIENCE, hosts.STORAGE_AUDIENCE})


class _Refused(Exception):
    """A request that Entra ID refuses, with its AADSTS code."""

    def __init__(self, status: int, error: str, code: int, text: str) -> None:
        super().__init__(text)
        self.response = json_response(status, {"error": error, "error_description": f"AADSTS{code}: {text}", "error_codes": [code]})


class Entra:
    """The authority `login.microsoftonline.com`. Apps and resources are registered per tenant; `check` is what other systems ask."""

    def __init__(self, now: Now, lifetime: timedelta = timedelta(hours=1)) -> None:
        self.now = now
        self.lifetime = lifetime
        self._tenants: dict[str, _Tenant] = {}
        self._tokens: dict[str, Token] = {}
        self._applications = Applications()
        self._count = 0
        self._lock = threading.Lock()

    # ---- set-up and the hands of an administrator ----

    def register_app(self, tenant: str, client_id: str, *secrets: str) -> None:
        """An app registration with its client secrets; called again it replaces them (rotation)."""
        self._tenant(tenant).secrets[client_id] = set(secrets)

    def register_resource(self, tenant: str, audience: str) -> None:
        """A resource (an environment's URL) that tokens of a tenant can be for."""
        self._tenant(tenant).audiences.add(audience)

    def register_certificates(self, tenant: str, client_id: str, *certificates: x509.Certificate) -> None:
        """The certificates of an app registration; called again it replaces them (rotation)."""
        self._tenant(tenant).secrets.setdefault(client_id, set())
        self._applications.certificates[tenant, client_id] = certificates

    def federate(self, tenant: str, client_id: str, *trusted: Federation) -> None:
        """The federated credentials of an app registration; called again it replaces them."""
        self._tenant(tenant).secrets.setdefault(client_id, set())
        self._applications.federations[tenant, client_id] = trusted

    def revoke(self, client_id: str = "") -> None:
        """Every token issued so far (of one app, or of all) is worthless from now on."""
        with self._lock:
            self._tokens = {text: token for text, token in self._tokens.items() if client_id not in ("", token.client_id)}

    # ---- what the other systems ask ----

    def check(self, request: Request, audience: str) -> Token | None:
        """The token of a request when it is known, not expired and for this audience; else None."""
        token = self._tokens.get(request.bearer)
        if token is None or token.audience != audience or token.expires <= (request.arrived or self.now()):
            return None
        return token

    def issue(self, tenant: str, client_id: str, audience: str) -> Token:
        """A new token, a signed JWT in the shape of the v1 endpoint; one that is meant for an exchange names the issuer of v2."""
        now = self.now()
        with self._lock:
            self._count += 1
            expires = now + self.lifetime
            claims: dict[str, str | int] = {
                "aud": audience,
                "iss": issuer(tenant) if is_exchange(audience) else f"https://sts.windows.net/{tenant}/",
                "sub": principal(client_id),
                "iat": int(now.timestamp()),
                "nbf": int(now.timestamp()),
                "exp": int(expires.timestamp()),
                "appid": client_id,
                "tid": tenant,
                "uti": str(self._count),
            }
            token = Token(signed(claims), tenant, client_id, audience, expires)
            self._tokens[token.text] = token
            return token

    # ---- HTTP ----

    def handle(self, request: Request) -> Response:
        """Discovery and token requests; everything else is 404."""
        if request.path == "/common/discovery/instance":
            return json_response(200, _instances())
        tenant, _, rest = request.path.lstrip("/").partition("/")
        try:
            if request.method == "GET" and rest == "v2.0/.well-known/openid-configuration":
                return json_response(200, _configuration(self._known(tenant)))
            if request.method == "GET" and rest == "discovery/v2.0/keys":
                return json_response(200, public_key_set())
            if request.method == "POST" and rest == "oauth2/v2.0/token":
                return self._token(self._known(tenant), _form(request), f"https://{request.host}{request.path}")
        except _Refused as refused:
            return refused.response
        return Response(404)

    def _token(self, tenant: str, form: dict[str, str], url: str) -> Response:
        if form.get("grant_type") != "client_credentials":
            raise _Refused(400, "unsupported_grant_type", 70003, f"The app requested an unsupported grant type '{form.get('grant_type')}'.")
        client_id, audience = self._signed_in(tenant, form, url), self._audience(tenant, form.get("scope", ""))
        token = self.issue(tenant, client_id, audience)
        seconds = int(self.lifetime.total_seconds())
        return json_response(200, {"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token.text})

    def _signed_in(self, tenant: str, form: dict[str, str], url: str) -> str:
        client_id = form.get("client_id", "")
        secrets = self._tenants[tenant].secrets.get(client_id)
        if secrets is None:
            text = f"Application with identifier '{client_id}' was not found in the directory '{tenant}'."
            raise _Refused(400, "unauthorized_client", 700016, text)
        if form.get("client_assertion_type") == ASSERTION_TYPE:
            try:
                self._applications.check(tenant, client_id, form.get("client_assertion", ""), url, self.now())
            except AssertionRefused as refused:
                raise _Refused(401, "invalid_client", refused.code, str(refused)) from None
        elif form.get("client_secret", "") not in secrets:
            text = f"Invalid client secret provided. Ensure the secret being sent is the client secret value, for app '{client_id}'."
            raise _Refused(401, "invalid_client", 7000215, text)
        return client_id

    def _audience(self, tenant: str, scope: str) -> str:
        audience, separator, rest = scope.rpartition("/.default")
        if not separator or rest:
            raise _Refused(400, "invalid_scope", 1002012, f"The provided value for scope {scope} is not valid. It must end with /.default.")
        if audience not in self._tenants[tenant].audiences:
            text = f"The resource principal named {audience} was not found in the tenant {tenant}."
            raise _Refused(400, "invalid_resource", 500011, text)
        return audience

    def _known(self, tenant: str) -> str:
        if tenant not in self._tenants:
            raise _Refused(400, "invalid_tenant", 90002, f"Tenant '{tenant}' not found.")
        return tenant

    def _tenant(self, tenant: str) -> _Tenant:
        return self._tenants.setdefault(tenant, _Tenant())


class ManagedIdentity:
    """The identity endpoint of the platform (plain HTTP): tokens of the app's own identity for whoever knows `header`."""

    def __init__(self, entra: Entra, tenant: str, client_id: str, header: str = "sandbox-identity") -> None:
        self.client_id = client_id
        self.header = header
        self._entra = entra
        self._tenant = tenant

    def handle(self, request: Request) -> Response:
        """GET with `resource`, answered as App Service and Functions do (api-version 2019-08-01)."""
        asked = dict(request.query)
        if request.headers.get("x-identity-header") != self.header:
            return json_response(401, {"statusCode": 401, "message": "The identity header is wrong."})
        if asked.get("client_id", self.client_id) != self.client_id:
            return json_response(400, {"statusCode": 400, "message": f"No user assigned identity found for {asked['client_id']}."})
        token = self._entra.issue(self._tenant, self.client_id, asked.get("resource", ""))
        expires = str(int(token.expires.timestamp()))
        body = {"access_token": token.text, "expires_on": expires, "resource": token.audience, "token_type": "Bearer"}
        return json_response(200, {**body, "client_id": self.client_id})


def issuer(tenant: str) -> str:
    """Who issues the tokens of a tenant, as federated credentials name it."""
    return f"https://{hosts.LOGIN}/{tenant}/v2.0"


def principal(client_id: str) -> str:
    """The object id of the service principal or managed identity with this client id."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"principal:{client_id}"))


def _form(request: Request) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(request.body.decode(), keep_blank_values=True).items()}


def _instances() -> object:
    aliases = [hosts.LOGIN, "login.windows.net", "login.microsoft.com", "sts.windows.net"]
    return {
        "tenant_discovery_endpoint": f"https://{hosts.LOGIN}/common/v2.0/.well-known/openid-configuration",
        "api-version": "1.1",
        "metadata": [{"preferred_network": hosts.LOGIN, "preferred_cache": "login.windows.net", "aliases": aliases}],
    }


def _configuration(tenant: str) -> object:
    authority = f"https://{hosts.LOGIN}/{tenant}"
    return {
        "token_endpoint": f"{authority}/oauth2/v2.0/token",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": f"{authority}/discovery/v2.0/keys",
        "issuer": issuer(tenant),
        "authorization_endpoint": f"{authority}/oauth2/v2.0/authorize",
        "response_types_supported": ["code", "token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "tenant_region_scope": "NA",
    }

"""Who may call AvidXchange (contracts/avidxchange.md §1).

Two fixed tokens, a gateway key with a user token, or a token for client credentials: the switch `auth` chooses.
"""

from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qs

from sandbox.avid.switches import AvidSwitches
from sandbox.avid.wire import RefusedError, answer
from sandbox.web import Now, Request, Response

TOKEN_PATH = "/oauth2/v2.0/token"
"""Where client credentials are exchanged."""
ACCOUNT_REFUSALS = {
    "two_layer": "The user name or password is incorrect.",
    "client_credentials": "The client id or client secret is incorrect.",
}


@dataclass(frozen=True)
class SignIn:
    """One request for a token, and whether it was given."""

    at: datetime
    accepted: bool


@dataclass
class Access:
    """The secrets of `two_layer` and `client_credentials`, the tokens that were issued with their ends (UTC), and every sign-in."""

    gateway_key: str = "gateway-key-1"
    username: str = "sync@example.com"
    password: str = "pass word/1&ü"
    client_id: str = "avid-client"
    client_secret: str = "client-secret-1"
    company: str = "4711"
    tokens: dict[str, datetime] = field(default_factory=dict)
    sign_ins: list[SignIn] = field(default_factory=list)
    refused_in_a_row: int = 0


class GatewayRefused(Exception):
    """What the gateway refuses before the application sees it."""

    def __init__(self) -> None:
        super().__init__("gateway")
        description = "Make sure you have given the correct access token."
        self.response = answer({"fault": {"code": 900901, "message": "Invalid Credentials", "description": description}}, 401)


class Door:
    """Judges the calls and the sign-ins of one world."""

    def __init__(self, switches: AvidSwitches, access: Access, now: Now) -> None:
        self._switches = switches
        self._access = access
        self._now = now

    def check(self, request: Request, company_token: str, user_token: str) -> None:
        """RefusedError 401 or GatewayRefused for a call without valid credentials."""
        switches = self._switches
        if switches.auth == "company_user_tokens":
            given = (_header(request, switches.company_token_header), _header(request, switches.user_token_header))
            if given != (company_token, user_token):
                raise RefusedError(401, "The company token or the user token is missing or not valid.")
        elif switches.auth == "two_layer":
            self._check_gateway(request)
            self._check_token(_header(request, switches.session_header))
        else:
            self._check_token(_header(request, switches.access_token_header))
            if _header(request, switches.company_header) != self._access.company:
                raise RefusedError(401, "The company is missing or not one of the client's.")

    def sign_in(self, request: Request) -> Response:
        """A token for a form with the right credentials, 400 with an error_description for any other. GatewayRefused without its key."""
        if request.method != "POST":
            return Response(405)
        if self._switches.auth == "two_layer":
            self._check_gateway(request)
        access, now = self._access, self._now()
        form = {name: values[-1] for name, values in parse_qs(request.body.decode(), keep_blank_values=True).items()}
        accepted = form == self._expected() and access.refused_in_a_row < self._switches.refusals_until_locked
        access.sign_ins.append(SignIn(now, accepted))
        if not accepted:
            access.refused_in_a_row += 1
            return answer({"error": "invalid_grant", "error_description": ACCOUNT_REFUSALS[self._switches.auth]}, 400)
        access.refused_in_a_row = 0
        token, lifetime = f"token-{len(access.sign_ins)}", self._switches.token_lifetime
        access.tokens[token] = now + lifetime
        told = {"expires_in": int(lifetime.total_seconds())} if self._switches.token_lifetime_told else {}
        return answer({"access_token": token, "token_type": "bearer", **told})

    def _expected(self) -> dict[str, str]:
        access = self._access
        if self._switches.auth == "two_layer":
            return {"grant_type": "password", "username": access.username, "password": access.password}
        return {"grant_type": "client_credentials", "client_id": access.client_id, "client_secret": access.client_secret}

    def _check_gateway(self, request: Request) -> None:
        if _header(request, self._switches.gateway_key_header) != f"Bearer {self._access.gateway_key}":
            raise GatewayRefused

    def _check_token(self, header: str) -> None:
        ends = self._access.tokens.get(header.removeprefix("Bearer "))
        if not header.startswith("Bearer ") or ends is None or ends <= self._now():
            raise RefusedError(401, "The token is missing, has expired or is not valid.")


def _header(request: Request, name: str) -> str:
    return request.headers.get(name.lower(), "")

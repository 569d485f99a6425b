"""The headers that sign every AvidXchange call, by the way that the connection names (contracts/avidxchange.md §1)."""

from collections.abc import Mapping

from sync.avid.auth_sign_in import Credentials, Door, SignIns, TokenSource
from sync.avid.profile import Profile
from sync.connections.document import AvidSettings, ClientCredentials, CompanyUserTokens, TwoLayer
from sync.errors import FixConfiguration
from sync.http.client import Authorizer, Crowd, GateKeeper, HttpClient
from sync.ports import Ports
from sync.secrets import Secrets


def authorizer_of(
    settings: AvidSettings, profile: Profile, secrets: Secrets, ports: Ports, gates: GateKeeper, memory: SignIns, crowd: Crowd | None = None
) -> Authorizer:
    """The authorizer of a connection by `avidxchange.auth.method`. Sends nothing yet; who shares `memory` shares each customer's token."""
    auth = settings.auth
    if isinstance(auth, CompanyUserTokens):
        return CompanyUserAuthorizer(secrets, auth, profile)
    door = _door(settings, auth, profile)
    http = HttpClient(door.host, "AvidXchange's sign-in", ports, gates, None, crowd=crowd)
    signed = SignedCalls(secrets, auth, profile)
    return TokenAuthorizer(signed, TokenSource(http, ports, door, profile, memory, signed.credentials, signed.forget))


class CompanyUserAuthorizer:
    """Company Token and User Token from the vault, as two headers. `settings` is `avidxchange.auth` of the connection document.

    Fills the `Authorizer` seam of the HTTP client. Raises what `Secrets.get` raises, and FixConfiguration for a value that is no header.
    """

    def __init__(self, secrets: Secrets, settings: CompanyUserTokens, profile: Profile) -> None:
        self._secrets = secrets
        self._settings = settings
        self._names = profile.headers

    def headers(self) -> Mapping[str, str]:
        """Both headers; they hold secrets, so they belong in no log."""
        return {
            self._names.company_token: token_in(self._secrets, self._settings.company_token),
            self._names.user_token: token_in(self._secrets, self._settings.user_token),
        }

    def renew(self) -> None:
        """Forget both tokens: the next `headers` reads them anew, so that a rotated secret takes effect at once."""
        _forget(self._secrets, self._settings.secrets)

    def explain(self) -> str:
        """What a person checks when AvidXchange keeps refusing the tokens."""
        names, secrets = self._names, self._settings
        return (
            f"Check the Company Token in the secret {secrets.company_token} and the User Token in the secret {secrets.user_token} "
            f"against AvidSuite, and the header names {names.company_token} and {names.user_token}."
        )


class SignedCalls:
    """What `two_layer` and `client_credentials` send besides the token: into every call, and into the sign-in."""

    def __init__(self, secrets: Secrets, settings: TwoLayer | ClientCredentials, profile: Profile) -> None:
        self._secrets = secrets
        self._settings = settings
        self._profile = profile

    def headers(self) -> Mapping[str, str]:
        """The gateway key, or the company, in its header."""
        names, auth = self._profile.headers, self._settings
        if isinstance(auth, ClientCredentials):
            return {names.company: auth.company}
        return {names.gateway_key: f"{self._profile.sign_in.scheme} {token_in(self._secrets, auth.gateway_key)}"}

    def credentials(self) -> Credentials:
        """What the sign-in sends. Raises what the secrets' source raises."""
        names, auth = self._profile.sign_in, self._settings
        if isinstance(auth, TwoLayer):
            form = {names.grant: names.password_grant, names.username: auth.username, names.password: self._secret(auth.password)}
            return Credentials(self.headers(), form)
        form = {names.grant: names.client_grant, names.client_id: auth.client_id, names.client_secret: self._secret(auth.client_secret)}
        return Credentials({}, {**form, names.scope: auth.scope} if auth.scope else form)

    def forget(self) -> None:
        """Read every secret from its source at the next use."""
        _forget(self._secrets, self._settings.secrets)

    def explain(self) -> str:
        """What a person checks when a fresh token is refused."""
        names, auth = self._profile.headers, self._settings
        if isinstance(auth, TwoLayer):
            return (
                f"AvidXchange refuses a freshly issued user token. Check the gateway key in the secret {auth.gateway_key}, whether the "
                f"user {auth.username} may use the interface, and the header names {names.gateway_key} and {names.session}."
            )
        return (
            f"AvidXchange refuses a freshly issued token. Check whether the client {auth.client_id} may act for the company {auth.company} "
            f"(avidxchange.auth.company), and the header names {names.access_token} and {names.company}."
        )

    def _secret(self, name: str) -> str:
        """A password as it is, but for a line break at its end that an editor left."""
        return self._secrets.get(name).rstrip("\r\n")


class TokenAuthorizer:
    """Signs calls with a token that was signed in for. Fills the `Authorizer` seam; raises what `TokenSource.headers` raises."""

    def __init__(self, calls: SignedCalls, tokens: TokenSource) -> None:
        self._calls = calls
        self._tokens = tokens

    def headers(self) -> Mapping[str, str]:
        """All headers of a call; they hold secrets, so they belong in no log."""
        return {**self._tokens.headers(), **self._calls.headers()}

    def renew(self) -> None:
        """Forget the token and every secret: the next `headers` reads them anew and signs in once."""
        self._tokens.renew()

    def explain(self) -> str:
        """See `SignedCalls.explain`."""
        return self._calls.explain()


def token_in(secrets: Secrets, name: str) -> str:
    """The secret as a header's value. FixConfiguration when it cannot be one."""
    token = secrets.get(name).strip()
    if not token.isascii() or not token.isprintable() or not token:
        raise FixConfiguration(
            f"The secret {name} holds no token: a line break or a letter that is not ASCII is in it. Store the token again.",
            field=name,
        )
    return token


def _forget(secrets: Secrets, names: Mapping[str, str]) -> None:
    for name in names.values():
        secrets.forget(name)


def _door(settings: AvidSettings, auth: TwoLayer | ClientCredentials, profile: Profile) -> Door:
    names, again = profile.headers, "the same ones are not tried again within an hour, changed ones at once"
    if isinstance(auth, TwoLayer):
        url = f"https://{settings.host}/{settings.version}{profile.paths.sign_in}"
        remedy = (
            f"check the gateway key in the secret {auth.gateway_key}, the username {auth.username} and the password in the secret "
            f"{auth.password}; {again}"
        )
        return Door((url, auth, names, profile.sign_in), settings.host, url, names.session, "avidxchange.profile.paths.sign_in", remedy)
    remedy = f"check the client id {auth.client_id}, the secret {auth.client_secret} and avidxchange.auth.scope; {again}"
    key = (auth, names, profile.sign_in)
    return Door(key, auth.token_host, auth.token_url, names.access_token, "avidxchange.auth.token_url", remedy)

"""The headers that sign every AvidXchange call (contracts/avidxchange.md §1)."""

from collections.abc import Mapping

from sync.avid.profile import Profile
from sync.connections.document import CompanyUserTokens
from sync.errors import FixConfiguration
from sync.secrets import Secrets


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
            self._names.company_token: self._token(self._settings.company_token),
            self._names.user_token: self._token(self._settings.user_token),
        }

    def renew(self) -> None:
        """Forget both tokens: the next `headers` reads them anew, so that a rotated secret takes effect at once."""
        self._secrets.forget(self._settings.company_token)
        self._secrets.forget(self._settings.user_token)

    def explain(self) -> str:
        """What a person checks when AvidXchange keeps refusing the tokens."""
        names, secrets = self._names, self._settings
        return (
            f"Check the Company Token in the secret {secrets.company_token} and the User Token in the secret {secrets.user_token} "
            f"against AvidSuite, and the header names {names.company_token} and {names.user_token}."
        )

    def _token(self, name: str) -> str:
        token = self._secrets.get(name).strip()
        if not token.isascii() or not token.isprintable() or not token:
            raise FixConfiguration(
                f"The secret {name} holds no token: a line break or a letter that is not ASCII is in it. Store the token again.",
                field=name,
            )
        return token

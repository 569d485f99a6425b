"""The identity that this deployment runs under, as a proof towards others (contracts/d365-fo.md §4, workload federation)."""

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError

from sync.errors import FixConfiguration, TryLater


class CredentialIdentity:
    """See `sync.d365.auth_proofs.AppIdentity`. The credential caches its tokens and renews them in time."""

    def __init__(self, credential: TokenCredential) -> None:
        self._credential = credential

    def token(self, audience: str) -> str:
        """A token for that audience. FixConfiguration when the app has no identity that gets one, TryLater when the platform is busy."""
        try:
            return self._credential.get_token(f"{audience}/.default").token
        except ClientAuthenticationError as error:
            sentence = "The app gets no token of its own identity, which d365.sign_in says to use: give the app a managed identity."
            raise FixConfiguration(sentence, field="d365.sign_in", detail=type(error).__name__) from None
        except AzureError as error:
            raise TryLater("The platform gives no token of the app's identity now.", detail=type(error).__name__) from None

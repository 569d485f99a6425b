"""The production host names that the sandbox answers for, and the audiences of their tokens."""

LOGIN = "login.microsoftonline.com"
VAULT_AUDIENCE = "https://vault.azure.net"
STORAGE_AUDIENCE = "https://storage.azure.com"


def vault(name: str) -> str:
    """The host of a key vault."""
    return f"{name}.vault.azure.net"


def d365(name: str) -> str:
    """The host of a D365 environment; its URL, which is also the audience of its tokens, is this with https:// in front."""
    return f"{name}.operations.dynamics.com"

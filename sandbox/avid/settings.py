"""What the customer of a world would write into the connection document and into Key Vault for AvidXchange's sign-in."""

from sandbox.avid.access import TOKEN_PATH
from sandbox.avid.dialect import Dialect
from sandbox.avid.world import AvidWorld

SECRETS = {
    "company_user_tokens": ("company_token", "user_token"),
    "two_layer": ("gateway_key", "password"),
    "client_credentials": ("client_secret",),
}
"""The secrets of each way to sign in, by their entries in `avidxchange.auth`."""


def token_host(world: AvidWorld) -> str:
    """The host that gives out tokens for client credentials."""
    return f"sign-in.{world.host}"


def auth_entry(world: AvidWorld, prefix: str) -> dict[str, str]:
    """`avidxchange.auth`; every secret is named by the prefix and its entry."""
    method, access = world.switches.auth, world.access
    plain = {
        "company_user_tokens": {},
        "two_layer": {"username": access.username},
        "client_credentials": {
            "token_url": f"https://{token_host(world)}{TOKEN_PATH}",
            "client_id": access.client_id,
            "company": access.company,
        },
    }
    return {"method": method, **plain[method], **{entry: secret_name(prefix, entry) for entry in SECRETS[method]}}


def auth_secrets(world: AvidWorld, prefix: str) -> dict[str, str]:
    """The secrets' values by their names, as they are now."""
    owners = {"company_token": world, "user_token": world}
    return {secret_name(prefix, entry): getattr(owners.get(entry, world.access), entry) for entry in SECRETS[world.switches.auth]}


def profile_of(dialect: Dialect | None) -> dict[str, str | int | bool]:
    """`avidxchange.profile`: what the customer must say so that the connector speaks the dialect."""
    return {} if dialect is None else {**dialect.overrides}


def secret_name(prefix: str, entry: str) -> str:
    """The name of a secret in Key Vault."""
    return f"{prefix}-avid-{entry.replace('_', '-')}"

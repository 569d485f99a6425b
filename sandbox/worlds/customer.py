"""A customer as a whole: the systems that answer, what lies in the vault, the connection document: by sign-in and dialect."""

from typing import Any

from sandbox.avid import AvidSystem, AvidTokens
from sandbox.avid.dialect import Dialect
from sandbox.avid.settings import auth_entry, auth_secrets, profile_of, token_host
from sandbox.d365 import D365
from sandbox.entra import Entra
from sandbox.images import scans
from sandbox.network import Network
from sandbox.worlds.connection import connection_document, secret_names
from sandbox.worlds.model import World


def mount_customer(network: Network, entra: Entra, world: World, dialect: Dialect | None = None) -> None:
    """Let the customer's systems answer; AvidXchange in its dialect (None: the shipped one)."""
    facts, avid = world.connection, world.avid
    entra.register_app(facts["tenant"], facts["client_id"], facts["client_secret"])
    network.mount(world.d365.host, D365(world.d365, entra))
    network.mount(avid.host, AvidSystem(avid), dialect)
    network.mount(token_host(avid), AvidTokens(avid), dialect)
    for host in facts.get("image_hosts", []):
        network.mount(host, scans())


def customer_secrets(world: World) -> dict[str, str]:
    """The customer's secrets by the names under which Key Vault keeps them, as they are now."""
    return {**secret_names(world.connection), **auth_secrets(world.avid, world.connection["id"])}


def customer_document(world: World, dialect: Dialect | None = None, **policies: object) -> dict[str, Any]:  # Any: JSON
    """The document as it is added with `python -m sync connections add`."""
    document = connection_document(world.connection, **policies)
    document["avidxchange"] |= {"auth": auth_entry(world.avid, world.connection["id"]), "profile": profile_of(dialect)}
    return document

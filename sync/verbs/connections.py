"""`connections`: add, check, list, show and remove the documents of customers. Their secrets are named in them, never held."""

from dataclasses import dataclass
from pathlib import Path

from sync.app import App
from sync.avid.profile import shipped_profile
from sync.connections.document import Connection, parse_connection
from sync.connections.store import Stored
from sync.errors import FixConfiguration, StorageConflict
from sync.verbs.finding import stored_connection


@dataclass(frozen=True)
class Listed:
    """One document in short. `error` is what is wrong with it."""

    id: str
    name: str
    paused: bool
    companies: tuple[str, ...]
    d365_host: str
    avidxchange_host: str
    error: str


@dataclass(frozen=True)
class Added:
    """A document that was stored."""

    id: str
    name: str
    companies: tuple[str, ...]


@dataclass(frozen=True)
class Listing:
    """All documents, by id."""

    connections: tuple[Listed, ...]


@dataclass(frozen=True)
class Shown:
    """A document as it is stored."""

    id: str
    document: str
    error: str


@dataclass(frozen=True)
class Removed:
    """A document that is gone. Its ledger and its audit trail are kept."""

    id: str
    was_there: bool


def read_document(path: str) -> str:
    """The text of a file. FixConfiguration when it cannot be read as text."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is not UTF-8 text"
        raise FixConfiguration(f"The file {path} cannot be read: {reason}.", field="file") from None


def check(text: str) -> Listed:
    """Check a document, without looking at anything else. FixConfiguration lists every field that is wrong."""
    connection = _valid(text)
    return _listed(connection.id, connection, "")


def add(app: App, text: str, *, replace: bool = False) -> Added:
    """Check and store a document. FixConfiguration when it is not valid, or when its id is there and it is not to be replaced."""
    connection = _valid(text)
    try:
        app.connections.put(text, etag=None if replace else "")
    except StorageConflict as conflict:
        raise FixConfiguration(
            f"There is a connection {connection.id} already: nothing was changed. Say --replace to store this document over it.", field="id"
        ) from conflict
    return Added(connection.id, connection.name, tuple(company.id for company in connection.companies))


def listing(app: App) -> Listing:
    """All documents, the broken ones with their error."""
    return Listing(tuple(_of(stored) for stored in app.connections.list()))


def show(app: App, connection_id: str) -> Shown:
    """The document as stored. FixConfiguration when there is none."""
    stored = stored_connection(app, connection_id)
    return Shown(stored.id, stored.text, stored.error)


def remove(app: App, connection_id: str) -> Removed:
    """Remove the document; what the ledger knows stays. A missing one is fine."""
    there = app.connections.read(connection_id) is not None
    app.connections.remove(connection_id)
    return Removed(connection_id, there)


def _valid(text: str) -> Connection:
    """The document, with what it overrides of AvidXchange's profile. FixConfiguration lists every entry that is wrong."""
    connection = parse_connection(text)
    shipped_profile().with_overrides(connection.avidxchange.profile)
    return connection


def _of(stored: Stored) -> Listed:
    return _listed(stored.id, stored.connection, stored.error)


def _listed(connection_id: str, connection: Connection | None, error: str) -> Listed:
    if connection is None:
        return Listed(connection_id, "", paused=False, companies=(), d365_host="", avidxchange_host="", error=error)
    return Listed(
        id=connection_id,
        name=connection.name,
        paused=connection.paused,
        companies=tuple(company.id for company in connection.companies),
        d365_host=connection.d365.host,
        avidxchange_host=connection.avidxchange.host,
        error=error,
    )

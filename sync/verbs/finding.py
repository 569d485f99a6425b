"""Finding what a person names: a connection by its id, a record by its key, its AvidXchange id or a number in its label."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sync.app import App
from sync.connections.document import Connection
from sync.connections.store import Stored
from sync.engine.cases import NO_CONNECTION, case_places, places
from sync.errors import FixConfiguration
from sync.ledger.model import Place, Record
from sync.ledger.rows import after, head_key
from sync.storage.columns import text_in
from sync.storage.names import LEDGER
from sync.values import fold

MOST_NAMED: Final = 5
MOST_REASON: Final = 500


@dataclass(frozen=True)
class Found:
    """Something with an audit trail. `record` is None for what a mirror sent without ever parking it: it has steps only."""

    place: Place
    key: str
    label: str
    record: Record | None


def the_connection(app: App, connection_id: str) -> Connection:
    """The connection. FixConfiguration when there is none, or when its document is not valid."""
    connection = app.connections.get(connection_id)
    if connection is None:
        raise _no_connection(connection_id)
    return connection


def stored_connection(app: App, connection_id: str) -> Stored:
    """The connection as stored, valid or not. FixConfiguration when there is none."""
    stored = app.connections.read(connection_id)
    if stored is None:
        raise _no_connection(connection_id)
    return stored


def _no_connection(connection_id: str) -> FixConfiguration:
    return FixConfiguration(f"There is no connection {connection_id}: see `python -m sync connections list`.", field="connection")


def check_reason(reason: str) -> None:
    """FixConfiguration when a person's reason says nothing, or more than a message and an audit row hold."""
    if not reason.strip() or len(reason) > MOST_REASON:
        raise FixConfiguration(f"Say why in 1 to {MOST_REASON} characters: --reason.", field="reason")


def places_named(app: App, connection_id: str) -> tuple[Place, ...]:
    """Every place of the connection; of `-` the cases that belong to no connection. FixConfiguration as `the_connection`."""
    return case_places(NO_CONNECTION) if connection_id == NO_CONNECTION else places(the_connection(app, connection_id))


def find(app: App, every: Sequence[Place], text: str) -> list[Found]:
    """All in these places that `text` names. What it names exactly (key, id, label, a word of it) wins over labels that only contain it."""
    if re.fullmatch(r"[0-9a-f]{32}", text):
        return [found for place in every for found in _by_key(app, place, text)]
    wanted, exact, near = fold(text.strip()), list[Found](), list[Found]()
    for place in every:
        for found in things(app, place):
            label = fold(found.label)
            source = fold(found.record.source_id) if found.record is not None else ""
            if wanted in (label, source, *label.split()):
                exact.append(found)
            elif wanted in label:
                near.append(found)
    return exact or near


def find_one(app: App, connection_id: str, text: str) -> Record:
    """The one record of the connection that `text` names. FixConfiguration when there is none, or several."""
    found = [item for item in find(app, places_named(app, connection_id), text) if item.record is not None]
    if len(found) == 1 and found[0].record is not None:
        return found[0].record
    if not found:
        raise FixConfiguration(
            f"No record of {connection_id} is named {text!r}: give its key, its AvidXchange id, or a number in its label.", field="record"
        )
    named = "; ".join(f"{item.label} of {item.place.stage} (key {item.key})" for item in found[:MOST_NAMED])
    more = f"; and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    raise FixConfiguration(f"{text!r} names {len(found)} records: {named}{more}. Give the key of one.", field="record")


def things(app: App, place: Place) -> Iterator[Found]:
    """All of a place that has an audit trail: its records, then what was only sent."""
    for record in app.ledger.records(place):
        yield Found(place, record.key, record.label, record)
    for row in app.ports.tables.scan(LEDGER, place.partition, "h:", after("h:")):
        yield Found(place, row.key.removeprefix("h:"), text_in(row.values, "Label"), None)


def thing(app: App, place: Place, key: str) -> Found:
    """The thing with this key. A chain whose record and head are gone has no label any more."""
    record = app.ledger.get(place, key)
    if record is not None:
        return Found(place, key, record.label, record)
    row = app.ports.tables.get(LEDGER, place.partition, head_key(key))
    return Found(place, key, "(its record is gone)" if row is None else text_in(row.values, "Label"), None)


def _by_key(app: App, place: Place, key: str) -> Iterator[Found]:
    known = app.ledger.get(place, key) is not None or app.ports.tables.get(LEDGER, place.partition, head_key(key)) is not None
    if known or app.ledger.history(place, key):
        yield thing(app, place, key)

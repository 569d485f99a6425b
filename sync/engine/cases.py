"""Trouble that belongs to no source record: a stage that cannot run, a broken connection document, a poison message.

Each is a record of its own in a place of its own, so that it stands in the failures list, has an audit trail, and can be resolved like the
others. No stage works on these places.
"""

from datetime import datetime
from typing import Final

from sync.causes import Cause
from sync.connections.document import STAGES, Connection
from sync.errors import StorageConflict
from sync.ledger.model import AT_REST, NO_COMPANY, NewRecord, Place, State, Step
from sync.ledger.store import Ledger
from sync.values import digest

POISON: Final = "poison"
RUNS: Final = "runs"
NO_CONNECTION: Final = "-"
DOCUMENT: Final = "connection-document"
"""The case of a connection whose document is not valid."""


def case_places(connection: str) -> tuple[Place, ...]:
    """Where the cases of a connection are; `NO_CONNECTION` for those that belong to none."""
    return Place(connection, RUNS), Place(connection, POISON)


def places(connection: Connection) -> tuple[Place, ...]:
    """Every place of a connection that can hold records, its cases last."""
    companies = (*(company.id for company in connection.companies), NO_COMPANY)
    return (*(Place(connection.id, stage, company) for stage in STAGES for company in companies), *case_places(connection.id))


def open_case(ledger: Ledger, place: Place, name: str, cause: Cause, *, label: str, text: str, run: str, now: datetime) -> None:
    """Put the case `name` into the failures list, or bring it up to date. Repeating it changes nothing."""
    key = digest(name)
    new = NewRecord(key, label, name, digest(text), text, {}, state=State.PARKED, due=now, causes=(cause,))
    try:
        [record] = ledger.note(place, [new], run, Step("failed", cause.sentence))
        if record.causes != (cause,):
            ledger.move(record, Step("failed", cause.sentence), run=run, state=State.PARKED, due=now, causes=(cause,))
    except StorageConflict:
        return  # another worker says the same in this moment


def open_broken_connection(ledger: Ledger, connection: str, sentence: str, *, now: datetime) -> None:
    """The document of the connection is not valid: a case until a run of it goes well."""
    cause = Cause("stage-failed", f"connection {connection}", sentence)
    open_case(ledger, Place(connection, RUNS), DOCUMENT, cause, label=f"connection {connection}", text=sentence, run=DOCUMENT, now=now)


def close_case(ledger: Ledger, place: Place, name: str, *, run: str) -> None:
    """Take the case out of the failures list, if it is there."""
    record = ledger.get(place, digest(name))
    if record is None or record.state in AT_REST:
        return
    try:
        ledger.move(record, Step("recovered", "It works again."), run=run, state=State.RESOLVED, due=None, causes=())
    except StorageConflict:
        return  # another worker says the same in this moment

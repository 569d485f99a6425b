"""The limits of Azure storage, checked before anything is sent: the services answer them in odd ways."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import quote

from sync.errors import Bug
from sync.storage.model import Change, Delete, Replace, Row, Value

MAX_CHANGES: Final = 100
MAX_COMMIT_BYTES: Final = 4 * 1024 * 1024
MAX_ROW_BYTES: Final = 1024 * 1024
MAX_PROPERTY_BYTES: Final = 64 * 1024
MAX_PROPERTIES: Final = 250
"""252 with the two keys."""
MAX_KEY_BYTES: Final = 1024
MAX_MESSAGE_BYTES: Final = 48 * 1024
MAX_DELAY_SECONDS: Final = 7 * 24 * 3600
MAX_APPEND_BYTES: Final = 4 * 1024 * 1024
ENVELOPE_BYTES: Final = 1024
"""What one change adds to the body of a transaction beside its values and a key outside ASCII (measured: 560 to 630)."""

FIRST_YEAR: Final = 1601
PROPERTY_NAME: Final = re.compile("[A-Za-z_][A-Za-z0-9_]{0,254}")
RESERVED: Final = frozenset({"PartitionKey", "RowKey", "Timestamp"})
"""What Table Storage keeps itself in every row."""
REFUSED_IN_KEYS: Final = re.compile("[/\\\\#?\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def utf16_bytes(text: str) -> int:
    """The size of a text as Table Storage counts it."""
    return len(text.encode("utf-16-le", "surrogatepass"))


def in_order(key: str) -> bytes:
    """What row keys are sorted by: their UTF-16 code units."""
    return key.encode("utf-16-be", "surrogatepass")


def check_commit(table: str, partition: str, changes: Sequence[Change]) -> None:
    """Bug when a transaction breaks a limit: 1 to 100 changes, one per key and all in the partition, 4 MiB, and the limits of each row."""
    if not 1 <= len(changes) <= MAX_CHANGES:
        raise Bug(f"A commit to {table} has {len(changes)} changes; it takes 1 to {MAX_CHANGES}.")
    check_key(table, partition)
    seen: set[str] = set()
    total = 0
    for change in changes:
        key = change.key if isinstance(change, Delete) else change.row.key
        if key in seen:
            raise Bug(f"A commit to {table} has two changes of the row {key!r}.")
        seen.add(key)
        check_key(table, key)
        if not isinstance(change, Delete):
            _check_row(table, partition, change.row)
        if isinstance(change, Replace | Delete):
            check_etag(f"The row {key!r} of {table}", change.etag if isinstance(change, Delete) else change.row.etag)
        total += weight(change)
    if total > MAX_COMMIT_BYTES:
        raise Bug(f"A commit to {table} has {total} bytes; it takes {MAX_COMMIT_BYTES}.")


def check_etag(what: str, etag: str | None) -> None:
    """Bug for `*`, which stands for any version: a decision rests on the version that was read, or asks for none."""
    if etag == "*":
        raise Bug(f"{what} is to be changed in any version; name the version that was read.")


def check_key(table: str, key: str) -> None:
    """Bug when Table Storage refuses the partition or row key."""
    if REFUSED_IN_KEYS.search(key):
        raise Bug(f"The key {key!r} of {table} holds a character that Table Storage refuses.")
    if utf16_bytes(key) > MAX_KEY_BYTES:
        raise Bug(f"The key {key[:60]!r}… of {table} is longer than 512 characters.")


def weight(change: Change) -> int:
    """The bytes of a change in the body of a transaction, at most."""
    if isinstance(change, Delete):
        return ENVELOPE_BYTES + len(quote(change.key))
    keys = change.row.partition + change.row.key
    return ENVELOPE_BYTES + len(quote(keys)) + _json_bytes(keys) + _wire_bytes(change.row.values)


def _check_row(table: str, partition: str, row: Row) -> None:
    if row.partition != partition:
        raise Bug(f"A commit to partition {partition!r} of {table} holds a row of {row.partition!r}.")
    if len(row.values) > MAX_PROPERTIES:
        raise Bug(f"The row {row.key!r} of {table} has {len(row.values)} properties; it takes {MAX_PROPERTIES}.")
    for name in row.values:
        if name in RESERVED or not PROPERTY_NAME.fullmatch(name):
            raise Bug(f"The row {row.key!r} of {table} has a property {name[:60]!r}; that is no name for one.")
    stored = sum(_check_value(table, row.key, name, value) + utf16_bytes(name) + 8 for name, value in row.values.items())
    if stored > MAX_ROW_BYTES:
        raise Bug(f"The row {row.key!r} of {table} has {stored} bytes; it takes {MAX_ROW_BYTES}.")


def _check_value(table: str, key: str, name: str, value: Value) -> int:
    """The bytes of the value as stored."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise Bug(f"{name} of the row {key!r} of {table} is a time without a zone.")
        if value.year < FIRST_YEAR:
            raise Bug(f"{name} of the row {key!r} of {table} is before {FIRST_YEAR}; Table Storage knows no such time.")
        return 8
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise Bug(f"{name} of the row {key!r} of {table} does not fit in 64 bits.")
        return 8
    if not isinstance(value, (str, bytes)):
        raise Bug(f"{name} of the row {key!r} of {table} is a {type(value).__name__}; money and the like are stored as text.")
    size = len(value) if isinstance(value, bytes) else utf16_bytes(value)
    if size > MAX_PROPERTY_BYTES:
        raise Bug(f"{name} of the row {key!r} of {table} has {size} bytes; a property takes {MAX_PROPERTY_BYTES}.")
    return size


def _wire_bytes(values: Mapping[str, Value]) -> int:
    """The bytes of the values in the JSON that is sent: every character outside ASCII is escaped as six."""
    total = 0
    for name, value in values.items():
        size = len(value) * 4 // 3 + 4 if isinstance(value, bytes) else _json_bytes(value) if isinstance(value, str) else 40
        total += 2 * len(name) + 40 + size
    return total


def _json_bytes(text: str) -> int:
    return len(json.dumps(text))


def check_message(queue: str, body: str, delay: float) -> None:
    """Bug when a message breaks a limit: 48 KiB before base64, a delay of 0 to 7 days."""
    size = len(body.encode())
    if size > MAX_MESSAGE_BYTES:
        raise Bug(f"A message to {queue} has {size} bytes; it takes {MAX_MESSAGE_BYTES}. Put what is large in a blob.")
    if not 0 <= delay <= MAX_DELAY_SECONDS:
        raise Bug(f"A message to {queue} has a delay of {delay} seconds; it takes 0 to 7 days. Longer: the due time in the ledger.")


def check_append(container: str, name: str, data: bytes) -> None:
    """Bug when a block is larger than 4 MiB or empty."""
    if not 0 < len(data) <= MAX_APPEND_BYTES:
        raise Bug(f"A block for {container}/{name} has {len(data)} bytes; it takes 1 to {MAX_APPEND_BYTES}.")

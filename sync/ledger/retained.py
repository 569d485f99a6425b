"""What stands for the steps of a record that retention took away: one row in the place of its first step, signed with our key.

It holds the number and the code of the last step that is gone, so that the chain is verified from there. It lies where the first step
lay, so that the chain can never be begun a second time.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sync.errors import FixConfiguration
from sync.ledger.audit import AuditKeys, Head
from sync.ledger.model import Place
from sync.ledger.rows import audit_key
from sync.storage.model import Row, Value
from sync.values import canonical, utc_text

CODE: Final = "RemovedCode"
FIRST: Final = 1


@dataclass(frozen=True)
class Removed:
    """Steps 1 to `head.seq` are gone by retention, the last of them in the run at `at`. `genuine`: the row carries our code."""

    head: Head
    at: datetime | None
    genuine: bool


def stands_for_removed(row: Row) -> bool:
    """Whether the row is such a one, and no step."""
    return CODE in row.values


def removed_row(keys: AuditKeys, place: Place, key: str, head: Head, at: datetime, etag: str) -> Row:
    """The row after which the chain goes on from `head`; `etag` is that of the row which lies there."""
    key_id, secret = keys.current()
    values: dict[str, Value] = {"Key": key, "Seq": head.seq, "Mac": head.mac, "At": at, "KeyId": key_id}
    return Row(place.partition, audit_key(key, FIRST), {**values, CODE: _code(secret, place, key, head, utc_text(at))}, etag)


def removed_of(keys: AuditKeys, place: Place, key: str, row: Row) -> Removed:
    """What the row says, genuine or not."""
    seq, mac, at = row.values.get("Seq"), row.values.get("Mac"), row.values.get("At")
    if not isinstance(seq, int) or not isinstance(mac, str) or not isinstance(at, datetime):
        return Removed(Head(), None, genuine=False)
    head = Head(seq, mac)
    try:
        code = _code(keys.of(str(row.values.get("KeyId"))), place, key, head, utc_text(at))
    except FixConfiguration:
        return Removed(head, at, genuine=False)
    own_place = row.key == audit_key(key, FIRST) and row.values.get("Key") == key
    return Removed(head, at, genuine=own_place and hmac.compare_digest(code, str(row.values[CODE])))


def _code(secret: bytes, place: Place, key: str, head: Head, at: str) -> str:
    content = canonical(["removed", place.partition, key, head.seq, head.mac, at])
    return hmac.new(secret, content.encode(), hashlib.sha256).hexdigest()

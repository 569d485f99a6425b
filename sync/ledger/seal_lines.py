"""The lines of the log of seals, and the row that names the last of them. All of it carries our code.

A connection has one log. Each line covers the code of the line before it and a number that runs on, so that a line that is cut out,
changed, swapped or set back shows. The row is what makes a line count: a line that no row came to name (a crash, a second housekeeper)
stands in the log and says nothing.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from typing import Final, TypeAlias

from sync.errors import FixConfiguration
from sync.ledger.audit import AuditKeys
from sync.ledger.model import Place
from sync.storage.columns import moment_in, number_in, text_in
from sync.storage.model import Row, Value
from sync.values import canonical, utc_text

HEAD: Final = "head"
HEAD_STAGE: Final = "seals"
"""The row lies in the ledger in a place of its own, in which there are no records."""

Steps: TypeAlias = tuple[int, str]
"""How many steps a place had on a day, and their digest."""


@dataclass(frozen=True, order=True)
class Kept:
    """A step of a day that retention left where it is, because its record is not at rest."""

    place: str
    key: str
    seq: int
    mac: str


@dataclass(frozen=True)
class SealLine:
    """One line. `kept` None: the steps of a day as they were (`sealed`, by place). Else: what retention leaves of that day."""

    connection: str
    number: int
    previous: str
    day: str
    at: str
    sealed: Mapping[str, Steps] = field(default_factory=dict)
    kept: tuple[Kept, ...] | None = None
    key_id: str = ""
    mac: str = ""

    @property
    def date(self) -> date:
        """The day (UTC)."""
        return date.fromisoformat(self.day)


@dataclass(frozen=True)
class SealHead:
    """The end of the log: number and code of the last line, and through which day everything is sealed; `latest` is the latest day ever.

    `through` goes back when the clock went back; `at` is when the row was written.
    """

    number: int
    mac: str
    through: date
    latest: date
    at: datetime
    etag: str = ""


def signed(keys: AuditKeys, line: SealLine) -> SealLine:
    """The line with the code of its content by the current key."""
    key_id, key = keys.current()
    return replace(line, key_id=key_id, mac=_code(key, "seal", _content(line, key_id)))


def text_of(line: SealLine) -> bytes:
    """The line as the log holds it."""
    return f"{canonical(asdict(line))}\n".encode()


def line_of(keys: AuditKeys, connection: str, text: bytes) -> SealLine | None:
    """The line of a text, or None when it is none of ours: damaged, changed, or of another connection."""
    try:
        fields = json.loads(text)
        kept = None if fields["kept"] is None else tuple(Kept(**item) for item in fields["kept"])
        sealed = {str(place): (int(count), str(digest)) for place, (count, digest) in fields["sealed"].items()}
        line = SealLine(**{**fields, "kept": kept, "sealed": sealed})
        _ = line.date
        genuine = _genuine(keys, line.key_id, "seal", _content(line, line.key_id), line.mac)
    except (TypeError, ValueError, KeyError, AttributeError):
        return None
    return line if genuine and line.connection == connection else None


def head_partition(connection: str) -> str:
    """The partition of the row that names the last line."""
    return Place(connection, HEAD_STAGE).partition


def head_row(keys: AuditKeys, connection: str, head: SealHead) -> Row:
    """The row of a head."""
    key_id, key = keys.current()
    values: dict[str, Value] = {
        "Number": head.number,
        "Mac": head.mac,
        "Through": head.through.isoformat(),
        "Latest": head.latest.isoformat(),
        "At": head.at,
        "KeyId": key_id,
        "Code": _code(key, "seal head", _head_content(connection, head)),
    }
    return Row(head_partition(connection), HEAD, values, head.etag)


def head_of(keys: AuditKeys, connection: str, row: Row) -> SealHead | None:
    """The head of a row, or None when the row does not carry our code."""
    values = row.values
    try:
        through, latest = date.fromisoformat(text_in(values, "Through")), date.fromisoformat(text_in(values, "Latest"))
        at = moment_in(values, "At")
        if at is None:
            return None
        head = SealHead(number_in(values, "Number"), text_in(values, "Mac"), through, latest, at, row.etag)
    except (ValueError, AssertionError):
        return None
    genuine = _genuine(keys, text_in(values, "KeyId"), "seal head", _head_content(connection, head), text_in(values, "Code"))
    return head if genuine else None


def _content(line: SealLine, key_id: str) -> object:
    return {**asdict(line), "key_id": key_id, "mac": ""}


def _head_content(connection: str, head: SealHead) -> object:
    return [connection, head.number, head.mac, head.through, head.latest, utc_text(head.at)]


def _code(key: bytes, what: str, content: object) -> str:
    return hmac.new(key, canonical([what, content]).encode(), hashlib.sha256).hexdigest()


def _genuine(keys: AuditKeys, key_id: str, what: str, content: object, code: str) -> bool:
    try:
        key = keys.of(key_id)
    except FixConfiguration:
        return False
    return hmac.compare_digest(_code(key, what, content).encode(), code.encode(errors="replace"))

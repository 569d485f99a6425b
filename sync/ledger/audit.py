"""The audit chain: every step of a record is a row whose HMAC covers the row before it, so an edit, a swap or a gap shows.

Who can write the table but does not hold the key cannot make a row that fits. What the chain alone cannot show, a tail cut together
with the head, the daily seals show (`sync/ledger/seals.py`).
"""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from sync.errors import FixConfiguration
from sync.ledger.model import AuditRow, Place
from sync.values import canonical, utc_text


class AuditKeys(Protocol):
    """The keys of the audit HMACs, each by its id, so that a rotation leaves old rows verifiable."""

    def current(self) -> tuple[str, bytes]:
        """The id and the key that new rows are made with."""
        ...

    def of(self, key_id: str) -> bytes:
        """The key by its id. FixConfiguration when there is none."""
        ...


@dataclass(frozen=True)
class Link:
    """An audit row as it is chained. `key_id` names the key of its mac."""

    row: AuditRow
    key_id: str


@dataclass(frozen=True)
class Head:
    """The end of a record's chain: number and mac of the last row; (0, "") before the first."""

    seq: int = 0
    mac: str = ""


def mac_of(key: bytes, previous: str, row: AuditRow) -> str:
    """The HMAC-SHA256, in hexadecimal, of the row's content after the row whose mac is `previous`."""
    content = {
        "previous": previous,
        "partition": row.place.partition,
        "key": row.key,
        "seq": row.seq,
        "at": utc_text(row.at),
        "run": row.run,
        "job": row.job,
        "state": row.state.value,
        "name": row.step.name,
        "note": row.step.note,
        "detail": dict(row.step.detail),
    }
    return hmac.new(key, canonical(content).encode(), hashlib.sha256).hexdigest()


def broken(keys: AuditKeys, links: Iterable[Link], head: Head | None, start: Head) -> list[str]:
    """What is wrong with a chain that goes on from `start`, in sentences; none when every row fits the one before it and the last is the
    head."""
    problems: list[str] = []
    last = start
    for link in links:
        row = link.row
        if row.seq != last.seq + 1:
            problems.append(f"After step {last.seq} comes step {row.seq}: {_gap(last.seq, row.seq)}.")
        if not fits(keys, link, last.mac):
            problems.append(f"Step {row.seq} ({row.step.name}) was changed, or the step before it was: its code does not fit.")
        last = Head(row.seq, row.mac)
    if head is None:
        steps = "its steps are still there" if last.seq else "and there is no step of it"
        problems.append(f"The record itself is not there, {steps}.")
    elif head != last:
        problems.append(f"The record's last step is {head.seq}, the last one there is {last.seq}: {_gap(last.seq, head.seq + 1)}.")
    return problems


def _gap(last: int, following: int) -> str:
    missing = following - last - 1
    if missing > 0:
        return f"{missing} missing"
    return "it was changed" if missing == 0 else "it does not belong there"


def fits(keys: AuditKeys, link: Link, previous: str) -> bool:
    """Whether the row carries the code of its content after the row whose mac is `previous`."""
    try:
        key = keys.of(link.key_id)
    except FixConfiguration:
        return False
    return hmac.compare_digest(mac_of(key, previous, link.row), link.row.mac)


def chained(keys: AuditKeys, head: Head, row: AuditRow) -> Link:
    """The row as the next one after the head: with its number and its mac."""
    key_id, key = keys.current()
    numbered = AuditRow(row.place, row.key, head.seq + 1, row.at, row.run, row.job, row.state, row.step, mac="")
    mac = mac_of(key, head.mac, numbered)
    return Link(AuditRow(row.place, row.key, head.seq + 1, row.at, row.run, row.job, row.state, row.step, mac), key_id)


def place_name(place: Place) -> str:
    """A place as sentences and seals name it: connection/stage/company."""
    return place.partition.replace("|", "/")

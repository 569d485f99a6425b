"""The daily seal: a line in an append blob that says which records a day touched and where each one's chain stood at its end.

It shows what a chain alone cannot: a tail that was cut off together with the record's head.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from itertools import groupby
from typing import Final

from sync.errors import FixConfiguration
from sync.ledger import rows
from sync.ledger.audit import AuditKeys, Head, place_name
from sync.ledger.model import Place
from sync.ports import Ports
from sync.storage.columns import text_in
from sync.storage.names import LEDGER, SEALS
from sync.values import canonical

READ_WIDTH: Final = 8


@dataclass(frozen=True)
class Seal:
    """One line: a place and a day, how many records it touched, and the digest of where they stood."""

    place: str
    day: str
    records: int
    digest: str
    key_id: str = ""
    mac: str = ""


class Seals:
    """Seals in `seals/<connection>/<yyyy-mm>.log`. Raises TryLater when storage is busy."""

    def __init__(self, ports: Ports, keys: AuditKeys) -> None:
        self._ports = ports
        self._keys = keys

    def seal_day(self, place: Place, day: date) -> None:
        """Seal the day, once it is surely over (an hour after its end). A day that is sealed is left as it is."""
        if self._stored(place, day) is not None:
            return
        key_id, key = self._keys.current()
        unsigned = self._now(place, day)
        sealed = Seal(unsigned.place, unsigned.day, unsigned.records, unsigned.digest, key_id, _mac(key, unsigned))
        self._ports.blobs.append(SEALS, _blob(place, day), f"{canonical(asdict(sealed))}\n".encode())

    def is_sealed(self, place: Place, day: date) -> bool:
        """Whether the day has a seal."""
        return self._stored(place, day) is not None

    def verify_seal(self, place: Place, day: date) -> list[str]:
        """What differs from the day's seal, in sentences; [] when all steps of the day are there as they were sealed."""
        name = f"{day.isoformat()} of {place_name(place)}"
        seal = self._stored(place, day)
        if seal is None:
            return [f"There is no seal of {name}."]
        problems = [] if self._genuine(seal) else [f"The seal of {name} was changed: its code does not fit."]
        now = self._now(place, day)
        if now.records != seal.records:
            problems.append(f"The seal of {name} counts {seal.records} records, there are {now.records}.")
        elif now.digest != seal.digest:
            problems.append(f"Steps of {name} were changed, taken away or added since it was sealed.")
        return problems + self._missing_steps(place, day)

    def _stored(self, place: Place, day: date) -> Seal | None:
        blob = self._ports.blobs.read(SEALS, _blob(place, day))
        for line in (blob.data if blob else b"").splitlines():
            seal = _seal_of(line)
            if seal is not None and (seal.place, seal.day) == (place_name(place), day.isoformat()):
                return seal
        return None

    def _now(self, place: Place, day: date) -> Seal:
        """The day as it is in the ledger, unsigned."""
        content = hashlib.sha256()
        count = 0
        for key, head in self._heads(place, day):
            content.update(canonical([key, head.seq, head.mac]).encode())
            count += 1
        return Seal(place_name(place), day.isoformat(), count, content.hexdigest())

    def _heads(self, place: Place, day: date) -> Iterator[tuple[str, Head]]:
        """The last step of the day for each record it touched, by key."""
        prefix = rows.day_prefix(day)
        found = self._ports.tables.scan(LEDGER, place.partition, prefix, rows.after(prefix))
        for key, steps in groupby(found, lambda row: text_in(row.values, "Key")):
            yield key, [rows.head_of(row) for row in steps][-1]

    def _missing_steps(self, place: Place, day: date) -> list[str]:
        """The day's last steps that are not in the ledger as the index of the day has them."""

        def problem(item: tuple[str, Head]) -> str:
            key, head = item
            row = self._ports.tables.get(LEDGER, place.partition, rows.audit_key(key, head.seq))
            if row is None:
                return f"Step {head.seq} of record {key} is gone."
            return "" if rows.head_of(row) == head else f"Step {head.seq} of record {key} was changed."

        return [text for text in self._ports.executor.map(problem, [*self._heads(place, day)], width=READ_WIDTH) if text]

    def _genuine(self, seal: Seal) -> bool:
        try:
            key = self._keys.of(seal.key_id)
        except FixConfiguration:
            return False
        return hmac.compare_digest(_mac(key, seal), seal.mac)


def _blob(place: Place, day: date) -> str:
    return f"{place.connection}/{day:%Y-%m}.log"


def _mac(key: bytes, seal: Seal) -> str:
    content = canonical(["seal", seal.place, seal.day, seal.records, seal.digest])
    return hmac.new(key, content.encode(), hashlib.sha256).hexdigest()


def _seal_of(line: bytes) -> Seal | None:
    try:
        return Seal(**json.loads(line))
    except (TypeError, ValueError):
        return None  # a damaged line seals nothing

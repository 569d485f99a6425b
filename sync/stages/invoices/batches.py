"""The closed batches of one company: which were read, at which close date, and which are not acknowledged yet.

`b:<batch>` holds a batch for good (a re-close is recognised by it); `o:<batch>` stands beside it while it is unacknowledged.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sync.avid.models import ClosedBatch
from sync.ledger.model import Place
from sync.storage.model import Change, Delete, Row, Tables, Upsert, Value
from sync.storage.names import LEDGER
from sync.values import digest, utc_moment, utc_text

OPEN: Final = "o:"
ALL: Final = "b:"


def batch_key(guid: str) -> str:
    """The batch's name inside row keys, safe whatever the GUID holds."""
    return digest("batch", guid)


@dataclass(frozen=True)
class BatchRow:
    """A batch whose invoices are all durable, as of `closed`."""

    guid: str
    name: str
    accounting_system: str
    closed: datetime
    acknowledged: bool

    @property
    def batch(self) -> ClosedBatch:
        """As the AvidXchange client takes it."""
        return ClosedBatch(self.guid, self.name, self.accounting_system, None, None, self.closed, "")


class BatchBook:
    """The batches of one place."""

    def __init__(self, tables: Tables, place: Place) -> None:
        self._tables = tables
        self._partition = place.partition

    def get(self, guid: str) -> BatchRow | None:
        """The batch, when it was read whole before."""
        row = self._tables.get(LEDGER, self._partition, ALL + batch_key(guid))
        return None if row is None else _batch(row)

    def unacknowledged(self) -> Iterator[BatchRow]:
        """The batches that AvidXchange has not been told about."""
        for row in self._tables.scan(LEDGER, self._partition, OPEN, OPEN + "~"):
            yield _batch(row)

    def noted(self, batch: ClosedBatch, closed: datetime) -> None:
        """Every invoice of the batch is durable; an acknowledgement of an earlier closing no longer counts."""
        self._save(BatchRow(batch.guid, batch.name, batch.accounting_system, closed, acknowledged=False))

    def acknowledged(self, row: BatchRow) -> None:
        """AvidXchange took the acknowledgement of this closing."""
        self._save(BatchRow(row.guid, row.name, row.accounting_system, row.closed, acknowledged=True))

    def put_aside(self, row: BatchRow) -> None:
        """It is listed as closed no more: nothing is to be acknowledged until it is closed again."""
        self._save(row, waits=False)

    def _save(self, batch: BatchRow, *, waits: bool | None = None) -> None:
        key, waits = batch_key(batch.guid), not batch.acknowledged if waits is None else waits
        values: dict[str, Value] = {
            "Guid": batch.guid,
            "Name": batch.name,
            "AccountingSystem": batch.accounting_system,
            "Closed": utc_text(batch.closed),
            "Acknowledged": batch.acknowledged,
        }
        index: Change = Upsert(Row(self._partition, OPEN + key, values)) if waits else Delete(OPEN + key)
        self._tables.commit(LEDGER, self._partition, [Upsert(Row(self._partition, ALL + key, values)), index])


def _batch(row: Row) -> BatchRow:
    values = row.values
    return BatchRow(
        guid=str(values["Guid"]),
        name=str(values["Name"]),
        accounting_system=str(values["AccountingSystem"]),
        closed=utc_moment(str(values["Closed"])),
        acknowledged=bool(values["Acknowledged"]),
    )

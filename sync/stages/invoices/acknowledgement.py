"""Telling AvidXchange that a closed batch was taken over, last of all (contracts/avidxchange.md §3, Invoices 7)."""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from sync.avid.rows import parse_invoice
from sync.engine.cases import RUNS, close_case, open_case
from sync.engine.model import Slice
from sync.errors import FixData, OutcomeUnknown, TryLater
from sync.ledger.model import BLOCKS_BATCH, Place, State
from sync.stages.invoices.batches import BatchBook, BatchRow, batch_key
from sync.stages.invoices.images import Images

IMAGE_PATIENCE: Final = timedelta(days=1)
"""How long after its closing a batch waits for the images of its parked invoices before it is acknowledged without them."""

LISTED_AGAIN_WITHIN: Final = timedelta(days=30)
"""How long after its closing a batch that is not listed is waited for: a list can lack a row that moves while it is paged."""

log = logging.getLogger(__name__)


class Acknowledgement:
    """The acknowledgements of one company in one slice."""

    def __init__(self, slice_: Slice, place: Place, book: BatchBook) -> None:
        self._slice = slice_
        self._place = place
        self._book = book
        self._images = Images(slice_)

    def run(self, listed: Mapping[str, datetime], *, all_known: bool) -> None:
        """Acknowledge the batches whose invoices are all in D365 or parked.

        `listed` are the batches that AvidXchange lists now, by GUID, with their close dates; `all_known`: every row of the list could be
        read. A waiting batch that is not listed is not acknowledged: an earlier acknowledgement without a clear answer was taken, or it was
        opened again; then it is listed anew when it is closed. After a month nobody waits for it any more.
        """
        waiting = list(self._book.unacknowledged())
        if not waiting:
            return
        blocked = {work.batch for work in self._slice.ledger.open_work(self._place) if work.state in BLOCKS_BATCH}
        for row in waiting:
            if row.guid not in listed:
                if all_known and self._slice.ports.clock.now() > row.closed + LISTED_AGAIN_WITHIN:
                    self._book.put_aside(row)
            elif listed.get(row.guid) == row.closed and batch_key(row.guid) not in blocked and self._images_kept(row):
                self._acknowledge(row)

    def _images_kept(self, row: BatchRow) -> bool:
        """Keep the images of the batch's parked invoices, where they are allowed. False: one of them is to be fetched first."""
        if not self._images.wanted:
            return True
        kept = [self._image_kept(key) for key in list(self._slice.ledger.members(self._place, batch_key(row.guid)))]
        return all(kept) or self._slice.ports.clock.now() > row.closed + IMAGE_PATIENCE

    def _image_kept(self, key: str) -> bool:
        record = self._slice.ledger.get(self._place, key)
        if record is None or record.state is not State.PARKED or "number" not in record.facts:
            return True
        try:
            self._images.keep(record, parse_invoice(self._slice.ledger.text(record.payload), self._slice.systems.avid.profile))
        except FixData as error:
            log.warning("the image is not kept: %s", error.sentence, extra={"record": key, "run": self._slice.run})
            self._slice.report.count("image_refused")
        except TryLater as error:
            log.warning("the image is not kept yet: %s", error.sentence, extra={"record": key, "run": self._slice.run})
            self._slice.report.count("image_waits")
            return False
        return True

    def _acknowledge(self, row: BatchRow) -> None:
        """One whose outcome is unknown waits for the next run, which lists before it sends; one that is refused is for a person as well."""
        try:
            self._slice.systems.avid.acknowledge(row.batch, self._slice.ports.clock.now())
        except OutcomeUnknown as error:
            log.warning("batch %s: %s", row.name, error.sentence, extra={"run": self._slice.run})
            self._slice.report.count("unacknowledged")
        except FixData as error:
            self._refused(row, error)
        else:
            self._book.acknowledged(row)
            close_case(self._slice.ledger, self._cases, _case(row), run=self._slice.run)
            self._slice.report.count("acknowledged")

    def _refused(self, row: BatchRow, error: FixData) -> None:
        log.warning("batch %s: %s", row.name, error.sentence, extra={"run": self._slice.run})
        self._slice.report.count("unacknowledged")
        ledger, now = self._slice.ledger, self._slice.ports.clock.now()
        label = f"batch {row.name or row.guid}"
        open_case(ledger, self._cases, _case(row), error.causes[0], label=label, text=error.sentence, run=self._slice.run, now=now)

    @property
    def _cases(self) -> Place:
        return Place(self._slice.connection.id, RUNS)


def _case(row: BatchRow) -> str:
    return f"acknowledgement of {row.accounting_system} {row.guid}"

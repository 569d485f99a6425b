"""Finding approved invoices: closed batches by their close date, each read whole (contracts/avidxchange.md §3, Invoices)."""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final

from sync.avid.models import AvidInvoice, BadRow, ClosedBatch
from sync.causes import Cause
from sync.connections.document import Company
from sync.engine.attempt import ON_REQUEST
from sync.engine.delivery import Discovery
from sync.engine.model import Slice
from sync.ledger.model import AT_REST, NewRecord, Place, Record, State, Step
from sync.stages.invoices.acknowledgement import Acknowledgement
from sync.stages.invoices.batches import BatchBook, batch_key
from sync.values import digest, key_digest, money_text, start_of, utc_moment, utc_text

CHUNK: Final = 200
"""Invoices held in memory together; a batch can have 5,000."""
WATERMARK: Final = "watermark"
NOUNS: Final = {"invoices": "invoice", "closed batches": "closed batch"}
"""One of a list."""


def place_of(slice_: Slice, company: Company) -> Place:
    """The partition of a company's invoices."""
    return Place(slice_.connection.id, slice_.stage, company.id)


def invoice_key(accounting_system: str, source_id: str) -> str:
    """The first natural key: AvidXchange's id of the invoice."""
    return key_digest("invoice", accounting_system, source_id)


class Reading:
    """One company's batches in one run."""

    def __init__(self, slice_: Slice, company: Company) -> None:
        self._slice = slice_
        self._company = company
        self._place = place_of(slice_, company)
        self._book = BatchBook(slice_.ports.tables, self._place)
        self._listed: dict[str, datetime] = {}
        self._unreadable = False
        self.outdated: set[str] = set()
        """Keys of invoices that changed or vanished while nobody knows whether they were written."""

    def discoveries(self) -> Iterator[Discovery]:
        """The invoices of every batch that was not read at its present close date, chunk by chunk."""
        today = self._slice.ports.clock.now().date()
        for batch in self._slice.systems.avid.closed_batches(self._company.accounting_system, self._first_day(), today):
            if isinstance(batch, BadRow):
                self._unreadable = True
                yield Discovery(self._place, [self._bad_document(batch, "")])
            elif batch.date_closed is None:
                self._unreadable = True
                yield Discovery(self._place, [self._undated(batch)])
            elif batch.date_closed.date() < self._slice.connection.start_from.invoices:
                self._slice.report.count("before_start")
            else:
                self._listed[batch.guid] = batch.date_closed
                yield from self._batch(batch, batch.date_closed)

    def _first_day(self) -> date:
        first = start_of(self._slice.connection.start_from.invoices)
        progress = self._slice.progress.progress(self._place.connection, self._place.stage, self._place.company)
        watermark = json.loads(progress.checkpoint or "{}").get(WATERMARK, "")
        if not watermark:
            return first.date()
        oldest = min((batch.closed for batch in self._book.unacknowledged()), default=utc_moment(watermark))
        overlap = timedelta(days=self._slice.systems.avid.profile.limits.overlap_days)
        return max(first, min(utc_moment(watermark) - overlap, oldest)).date()

    def _batch(self, batch: ClosedBatch, closed: datetime) -> Iterator[Discovery]:
        known = self._book.get(batch.guid)
        if known is not None and known.closed == closed:
            return
        reading = _BatchReading(self._slice, self._place, self._book, batch, closed, self.outdated)
        chunk: list[NewRecord] = []
        for item in self._slice.systems.avid.batch_invoices(batch):
            chunk.append(self._bad_document(item, batch.guid) if isinstance(item, BadRow) else self._document(item, batch))
            if len(chunk) == CHUNK:
                yield Discovery(self._place, chunk, reading.part)
                chunk = []
        yield Discovery(self._place, chunk, reading.whole)

    def _document(self, invoice: AvidInvoice, batch: ClosedBatch) -> NewRecord:
        return NewRecord(
            key=invoice_key(self._company.accounting_system, invoice.id),
            label=f"invoice {invoice.number or '(no number)'} of {invoice.vendor_id or '(no vendor)'}",
            source_id=invoice.id,
            version=digest(invoice.substance),
            text=invoice.text,
            facts=invoice_facts(self._company, invoice),
            batch=batch_key(batch.guid),
            due=self._slice.ports.clock.now(),
        )

    def _bad_document(self, bad: BadRow, guid: str) -> NewRecord:
        what = NOUNS.get(bad.resource, bad.resource)
        sentence = f"The {what} with the id {bad.id or '(none)'} cannot be read as AvidXchange gives it: {bad.sentence}."
        cause = Cause("field-invalid", f"{what} {bad.id or '(no id)'}", sentence, bad.field)
        return self._parked(what, bad.id or digest(bad.raw), bad.raw, cause, guid)

    def _undated(self, batch: ClosedBatch) -> NewRecord:
        cause = Cause(
            "field-missing",
            f"batch {batch.name}",
            f"Batch {batch.name} ({batch.guid}) has no close date, so it cannot be read.",
            "DateClosed",
        )
        return self._parked("batch", batch.guid, batch.guid, cause, "")

    def _parked(self, resource: str, source_id: str, text: str, cause: Cause, guid: str) -> NewRecord:
        return NewRecord(
            key=invoice_key(self._company.accounting_system, source_id),
            label=f"{resource} {source_id}",
            source_id=source_id,
            version=digest(text),
            text=text,
            facts={"company": self._company.id},
            batch=batch_key(guid) if guid else "",
            state=State.PARKED,
            due=ON_REQUEST,
            causes=(cause,),
        )

    def move_watermark(self, started: datetime) -> None:
        """Everything up to `started` is durable, unless a change waits for the end of a doubt: then its batch is read again."""
        if self.outdated:
            return
        progress = self._slice.progress.progress(self._place.connection, self._place.stage, self._place.company)
        checkpoint = {**json.loads(progress.checkpoint or "{}"), WATERMARK: utc_text(started)}
        self._slice.progress.save(replace(progress, checkpoint=json.dumps(checkpoint)))

    def acknowledge(self) -> None:
        """Tell AvidXchange of every batch that is complete, as far as it still lists it."""
        Acknowledgement(self._slice, self._place, self._book).run(self._listed, all_known=not self._unreadable)


class _BatchReading:
    """What was seen of one batch while its chunks were noted. `outdated` collects what waits for the end of a doubt."""

    def __init__(self, slice_: Slice, place: Place, book: BatchBook, batch: ClosedBatch, closed: datetime, outdated: set[str]) -> None:
        self._slice = slice_
        self._place = place
        self._book = book
        self._batch = batch
        self._closed = closed
        self._outdated = outdated
        self._seen: set[str] = set()
        self._waits = False

    def part(self, records: Sequence[Record], put_off: Collection[str]) -> None:
        """Some invoices of the batch are durable."""
        self._seen.update(record.key for record in records)
        self._wait_for(put_off)

    def whole(self, records: Sequence[Record], put_off: Collection[str]) -> None:
        """All are: those that vanished are closed, then the batch counts as read, unless something of it waits."""
        self.part(records, put_off)
        for key in list(self._slice.ledger.members(self._place, batch_key(self._batch.guid))):
            if key not in self._seen:
                self._vanished(key)
        if not self._waits:
            self._book.noted(self._batch, self._closed)

    def _wait_for(self, keys: Collection[str]) -> None:
        self._outdated.update(keys)
        self._waits = self._waits or bool(keys)

    def _vanished(self, key: str) -> None:
        record = self._slice.ledger.get(self._place, key)
        if record is None or record.batch != batch_key(self._batch.guid):
            return
        if record.in_doubt:
            self._wait_for([key])
        elif record.state in (State.FOUND, State.PARKED, State.RETRYING) and not record.progress:
            step = Step("withdrawn", "No longer in its closed batch in AvidXchange.")
            self._slice.ledger.move(record, step, run=self._slice.run, state=State.WITHDRAWN, due=None, causes=(), alias="")
            self._slice.report.count("withdrawn")
        elif record.state not in AT_REST or record.state in (State.POSTED, State.ADOPTED):
            self._raise_exception(record)

    def _raise_exception(self, record: Record) -> None:
        sentence = f"{record.label} vanished from its batch in AvidXchange after it was written to D365; nothing was touched."
        cause = Cause("changed-after-write", record.label, sentence)
        if cause not in record.causes:
            causes = tuple(sorted({*record.causes, cause}))
            self._slice.ledger.move(record, Step("changed", sentence), run=self._slice.run, causes=causes)


def invoice_facts(company: Company, invoice: AvidInvoice) -> dict[str, str]:
    """The small facts of an invoice for people and reconciliation."""
    return {
        "company": company.id,
        "vendor": invoice.vendor_id,
        "number": invoice.number,
        "amount": money_text(invoice.gross),
        "currency": invoice.currency,
        "day": invoice.invoice_date.isoformat() if invoice.invoice_date else "",
    }

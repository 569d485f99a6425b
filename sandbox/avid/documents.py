"""Closed invoice batches, their acknowledgement, and payments (contracts/avidxchange.md §3)."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta

from sandbox.avid.records import Acknowledgement, Batch, Invoice, Payment, Remittance
from sandbox.avid.render import Render
from sandbox.avid.wire import Forms, Json, RefusedError, Result, Row, load
from sandbox.avid.world import AvidWorld, AvidWrite
from sandbox.web import Request, Response

WINDOW_DAYS = 30
"""How many days, first and last included, one call may span."""


class Documents:
    """The handlers of the documents of one world."""

    def __init__(self, world: AvidWorld) -> None:
        self._world = world
        self._forms = Forms(world.switches)
        self._render = Render(world.host, world.switches)

    def closed_batches(self, request: Request, accounting_system: str) -> Response:
        """GET /invoices/batches/closed/acctgSysId/{id}?closeDateFrom=&closeDateTo=: inclusive days, at most 30 of them."""
        system = int(accounting_system)
        if system not in self._world.accounting_systems:
            raise RefusedError(404, f"There is no accounting system {system}.")
        first, last = self._days(dict(request.query), "closeDateFrom", "closeDateTo")
        batches = [batch for batch in self._world.batches.values() if self._is_listed(batch, system, first, last)]
        return self._forms.page(request, [self._batch_row(batch) for batch in batches])

    def full_details(self, request: Request, guid: str) -> Response:
        """GET the invoices of a closed batch, paged: the address its `full-details` link holds."""
        batch = self._world.batches.get(guid)
        if batch is None or batch.date_closed is None:
            raise RefusedError(404, f"There is no closed batch {guid}.")
        return self._forms.page(request, [self._invoice_row(invoice) for invoice in batch.invoices])

    def acknowledge(self, request: Request) -> Response:
        """POST /invoices/batches/exportHistories: one export history of one closed batch."""
        sent = load(request.body)
        if not isinstance(sent, dict):
            raise RefusedError(400, "The body must be one export history object.")
        guid, errors = str(sent.get("BatchId")), []
        try:
            self._world.acknowledgements.append(self._acknowledgement(guid, sent))
        except ValueError as error:
            errors = [str(error)]
        after = None if errors else sent
        self._world.writes.append(AvidWrite(self._world.now(), "exportHistories", (guid,), sent, None, after, tuple(errors)))
        return self._forms.results([Result(sent, tuple(errors))])

    def payments(self, request: Request) -> Response:
        """GET /payments by ?lastModifiedFrom=&lastModifiedTo= (inclusive days, at most 30) or by ?paymentIds=1,2."""
        query = dict(request.query)
        if "paymentIds" in query:
            wanted = _ids(query["paymentIds"])
            found = [payment for payment in self._world.payments.values() if payment.id in wanted]
        else:
            first, last = self._days(query, "lastModifiedFrom", "lastModifiedTo")
            found = [payment for payment in self._world.payments.values() if first <= _utc_day(payment.last_modified) <= last]
        return self._forms.page(request, [self._payment_row(payment) for payment in found])

    def remittances(self, request: Request, payment_id: str) -> Response:
        """GET /payments/{id}/remittances."""
        payment = self._world.payments.get(int(payment_id))
        if payment is None:
            raise RefusedError(404, f"There is no payment {payment_id}.")
        return self._forms.page(request, [self._remittance_row(remittance) for remittance in payment.remittances])

    def _days(self, query: Mapping[str, str], from_name: str, to_name: str) -> tuple[date, date]:
        """The first and the last day that count."""
        first, last = _window(query, from_name, to_name)
        return first, last if self._world.switches.last_day_included else last - timedelta(days=1)

    def _is_listed(self, batch: Batch, system: int, first: date, last: date) -> bool:
        closed = batch.date_closed
        if batch.accounting_system != system or closed is None or not first <= _utc_day(closed) <= last:
            return False
        acknowledged = any(ack.batch_guid == batch.guid and ack.date_closed == closed for ack in self._world.acknowledgements)
        return self._world.switches.acknowledged_batches_listed or not acknowledged

    def _acknowledgement(self, guid: str, sent: Row) -> Acknowledgement:
        batch = self._world.batches.get(guid)
        if batch is None:
            raise ValueError(f"BatchId {guid} does not exist.")
        if batch.date_closed is None:
            raise ValueError(f"Batch {guid} is not closed.")
        if sent.get("ExportHistoryStatusId") != 1:
            raise ValueError("ExportHistoryStatusId must be 1.")
        start, end = _stamp(sent, "StartDate"), _stamp(sent, "EndDate")
        return Acknowledgement(self._world.now(), guid, start, end, batch.date_closed, tuple(invoice.id for invoice in batch.invoices))

    def _batch_row(self, batch: Batch) -> Callable[[], Json]:
        return lambda: self._render.batch(batch)

    def _invoice_row(self, invoice: Invoice) -> Callable[[], Json]:
        return lambda: self._render.invoice(invoice)

    def _payment_row(self, payment: Payment) -> Callable[[], Json]:
        return lambda: self._render.payment(payment)

    def _remittance_row(self, remittance: Remittance) -> Callable[[], Json]:
        return lambda: self._render.remittance(remittance)


def _window(query: Mapping[str, str], from_name: str, to_name: str) -> tuple[date, date]:
    first, last = _day(query, from_name), _day(query, to_name)
    if not 0 <= (last - first).days < WINDOW_DAYS:
        raise RefusedError(400, f"{from_name} to {to_name} must span 1 to {WINDOW_DAYS} days, first and last included.")
    return first, last


def _day(query: Mapping[str, str], name: str) -> date:
    text = query.get(name, "")
    try:
        if len(text) != len("YYYY-MM-DD"):
            raise ValueError(text)
        return date.fromisoformat(text)
    except ValueError as error:
        raise RefusedError(400, f"{name} must be a date YYYY-MM-DD, not '{text}'.") from error


def _ids(text: str) -> set[int]:
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise RefusedError(400, f"paymentIds must be numbers separated by commas, not '{text}'.")
    return {int(part) for part in parts}


def _utc_day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def _stamp(row: Row, name: str) -> datetime:
    """A time without a zone, read as UTC; ValueError for anything else."""
    value = row.get(name)
    moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    if moment is None or moment.tzinfo is not None:
        raise ValueError(f"{name} must be a UTC time without a zone.")
    return moment.replace(tzinfo=UTC)

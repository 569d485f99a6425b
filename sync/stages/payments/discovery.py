"""Finding payments: everything that moved since the last complete run, with an overlap (contracts/avidxchange.md §3, Payments)."""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final

from sync.avid.models import AvidPayment, BadRow, PaymentState
from sync.causes import Cause
from sync.engine.attempt import ON_REQUEST
from sync.engine.delivery import Discovery
from sync.engine.model import Slice
from sync.ledger.model import NewRecord, Place, Record, State
from sync.values import digest, key_digest, money_text, utc_moment, utc_text

CHUNK: Final = 200
WATERMARK: Final = "watermark"
NOT_PAID_YET: Final = frozenset({PaymentState.PENDING, PaymentState.IN_FLIGHT})


def payment_key(payment_id: str) -> str:
    """The natural key: AvidXchange's PaymentId. The company is an attribute (design §1)."""
    return key_digest("payment", payment_id)


class PaymentReading:
    """The payments of one connection in one run."""

    def __init__(self, slice_: Slice, place: Place) -> None:
        self._slice = slice_
        self._place = place
        self._put_off = False

    def discoveries(self) -> Iterator[Discovery]:
        """The payments that moved, chunk by chunk. One that is not paid yet is noted only when it was noted before (it moved back)."""
        chunk: list[NewRecord] = []
        today = self._slice.ports.clock.now().date()
        for item in self._slice.systems.avid.payments(self._first_day(), today):
            document = self._bad_document(item) if isinstance(item, BadRow) else self._document(item)
            if document is not None:
                chunk.append(document)
            if len(chunk) == CHUNK:
                yield Discovery(self._place, chunk, self._noted)
                chunk = []
        yield Discovery(self._place, chunk, self._noted)

    def _noted(self, _: Sequence[Record], put_off: Collection[str]) -> None:
        self._put_off = self._put_off or bool(put_off)

    def _first_day(self) -> date:
        first = self._slice.connection.start_from.payments
        watermark = self._checkpoint().get(WATERMARK, "")
        overlap = timedelta(days=self._slice.systems.avid.profile.limits.overlap_days)
        return max(first, (utc_moment(watermark) - overlap).date()) if watermark else first

    def _checkpoint(self) -> dict[str, str]:
        progress = self._slice.progress.progress(self._place.connection, self._place.stage, self._place.company)
        found: dict[str, str] = json.loads(progress.checkpoint or "{}")
        return found

    def _document(self, payment: AvidPayment) -> NewRecord | None:
        key = payment_key(payment.id)
        if payment.state in NOT_PAID_YET and self._slice.ledger.get(self._place, key) is None:
            self._slice.report.count("not_paid_yet")
            return None
        if self._before_start(payment):
            self._slice.report.count("before_start")
            return None
        return payment_document(payment, self._slice.ports.clock.now())

    def _before_start(self, payment: AvidPayment) -> bool:
        moment = payment.payment_date or payment.cleared_date
        return moment is not None and moment < self._slice.connection.start_from.payments

    def _bad_document(self, bad: BadRow) -> NewRecord:
        source_id = bad.id or digest(bad.raw)
        return NewRecord(
            key=payment_key(source_id),
            label=f"payment {source_id}",
            source_id=source_id,
            version=digest(bad.raw),
            text=bad.raw,
            facts={},
            state=State.PARKED,
            due=ON_REQUEST,
            causes=(unreadable(bad),),
        )

    def move_watermark(self, started: datetime) -> None:
        """Everything up to `started` is durable, unless a change waits for the end of a doubt: then it has to be found again."""
        if self._put_off:
            return
        progress = self._slice.progress.progress(self._place.connection, self._place.stage, self._place.company)
        checkpoint = {**json.loads(progress.checkpoint or "{}"), WATERMARK: utc_text(started)}
        self._slice.progress.save(replace(progress, checkpoint=json.dumps(checkpoint)))


def unreadable(bad: BadRow) -> Cause:
    """A payment that cannot be read."""
    sentence = f"The payment with the id {bad.id or '(none)'} cannot be read as AvidXchange gives it: {bad.sentence}."
    return Cause("field-invalid", f"payment {bad.id or '(no id)'}", sentence, bad.field)


def payment_document(payment: AvidPayment, now: datetime) -> NewRecord:
    """The payment as the ledger notes it."""
    day = payment.payment_date or payment.cleared_date
    return NewRecord(
        key=payment_key(payment.id),
        label=f"payment {payment.id} to {payment.payee_name or payment.payee_id or '(no payee)'}",
        source_id=payment.id,
        version=digest(payment.substance),
        text=payment.text,
        facts={
            "vendor": payment.payee_id,
            "amount": money_text(payment.amount),
            "currency": payment.currency,
            "day": day.isoformat() if day else "",
            "method": payment.kind.value,
            "status": payment.status,
            "bank": ",".join(payment.bank_client_ids),
        },
        due=now,
    )

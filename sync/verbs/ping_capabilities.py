"""What a customer's AvidXchange can do, as far as reading shows it (contracts/avidxchange.md §3)."""

from collections.abc import Callable, Iterator
from typing import Final

from sync.avid.client import AvidClient
from sync.avid.models import AvidPayment, BadRow, PaymentState
from sync.avid.rows import read_payment
from sync.avid.samples import Sample
from sync.connections.document import Company, Connection
from sync.ledger.model import Failure
from sync.verbs.lines import Line, guarded, look, not_ok, ok
from sync.verbs.ping_rows import RowChecks

PART: Final = "capabilities"
CAPABILITY: Final = "avidxchange.profile.capabilities"


class CapabilityChecks:
    """`drift` gives the open cases of vendors that AvidXchange did not take over, of a company."""

    def __init__(
        self, connection: Connection, avid: AvidClient, rows: RowChecks, drift: Callable[[Company], list[Failure]], page: Sample | None
    ) -> None:
        self._connection = connection
        self._avid = avid
        self._profile = avid.profile
        self._rows = rows
        self._drift = drift
        self._page = page
        readings = [read_payment(row, self._profile) for row in page.rows] if page is not None else []
        self._payments = [row for row in readings if not isinstance(row, BadRow)]

    def lines(self) -> Iterator[Line]:
        """Payments by id, where remittances stand, pages, vendor updates."""
        if self._payments:
            yield from guarded(PART, self._by_id)
            yield from guarded(PART, self._remittances)
        else:
            yield look(
                PART, "No payment can be read, so payments by id and remittances could not be tried.", "Ping again when there are some."
            )
        if self._page is not None:
            yield from self._pages(self._page)
        yield from self._vendor_updates()

    def _by_id(self) -> Iterator[Line]:
        """Every payment is read again by its id right before it is written."""
        wanted = [payment.id for payment in self._payments[:2]]
        found = {payment.id for payment in self._avid.payments_by_id(wanted) if not isinstance(payment, BadRow)}
        if found == {*wanted}:
            yield ok(PART, f"Payments are found by their ids ({self._profile.query.payment_ids}).")
        elif len(wanted) > 1 and self._alone(wanted[0]):
            sentence = f"A payment is found by its id, two together are not (ids are joined by {self._profile.query.id_separator!r})."
            yield not_ok(PART, sentence, "Correct avidxchange.profile.query.id_separator, or set limits.payment_ids to 1.")
        else:
            sentence = f"Payment {wanted[0]} is not found by its id ({self._profile.query.payment_ids}): no payment would be written."
            yield not_ok(PART, sentence, "Correct avidxchange.profile.query.payment_ids.")

    def _alone(self, payment_id: str) -> bool:
        return any(not isinstance(each, BadRow) and each.id == payment_id for each in self._avid.payments_by_id([payment_id]))

    def _remittances(self) -> Iterator[Line]:
        """On the payment, or at their own path."""
        without = [payment for payment in self._payments if not payment.remittances]
        if len(without) < len(self._payments):
            yield ok(PART, f"Remittances stand on the payments ({len(self._payments) - len(without)} of {len(self._payments)} have them).")
        if without and self._profile.capabilities.remittances_by_payment:
            yield from self._own_path(_likeliest(without), only=len(without) == len(self._payments))
        elif len(without) == len(self._payments):
            yield not_ok(PART, "No payment has remittances, so none would be written.", f"Set {CAPABILITY}.remittances_by_payment to true.")

    def _own_path(self, payment: AvidPayment, *, only: bool) -> Iterator[Line]:
        seen = self._rows.remittances(payment.id)
        yield from seen.lines if seen.rows or seen.sample is None else ()
        if seen.rows:
            yield ok(PART, f"Remittances are found at their own path ({self._profile.paths.remittances}).")
        elif seen.sample is not None:
            sentence = f"Payment {payment.id} has no remittances, neither on itself nor at {self._profile.paths.remittances}."
            remedy = "Compare fields.payment.remittances and paths.remittances of avidxchange.profile with your portal's pages."
            yield not_ok(PART, sentence, remedy) if only else look(PART, sentence, remedy)

    def _pages(self, page: Sample) -> Iterator[Line]:
        query, limit = self._profile.query, self._profile.limits.page_size
        if query.page_size and len(page.rows) > limit:
            sentence = f"Asked for pages of {limit} ({query.page_size}), AvidXchange gives {len(page.rows)}."
            yield look(PART, sentence, "Correct avidxchange.profile.query.page_size or limits.page_size.")
        elif query.page_size:
            yield ok(PART, f"The page size is asked for ({query.page_size}={limit}) and not exceeded.")
        known = {self._profile.envelope.links, *self._profile.envelope.page_count}
        if page.paging and not known & {*page.paging}:
            sentence = f"Nothing that tells of further pages is known; {self._profile.envelope.paging} has {', '.join(page.paging)}."
            yield look(PART, sentence, "Compare envelope.links and envelope.page_count; until then pages are counted until one is empty.")

    def _vendor_updates(self) -> Iterator[Line]:
        """Not to be seen without writing, but by what earlier runs read back."""
        drifting = [company.id for company in self._connection.companies if self._drift(company)]
        if drifting:
            sentence = f"AvidXchange does not show all vendors as they were sent, in {', '.join(drifting)}: it may not take over updates."
            yield look(PART, sentence, f"See python -m sync failures {self._connection.id} --cause drift.")
        else:
            yield ok(PART, "Whether updates of vendors are taken over is read back by the runs; nothing is reported that was not.")


def _likeliest(payments: list[AvidPayment]) -> AvidPayment:
    """One that has been paid surely pays something."""
    return next((payment for payment in payments if payment.state is PaymentState.SETTLED), payments[0])

"""AvidXchange's resources as iterators and calls (contracts/avidxchange.md §3 and §4). Reads stream."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Generic

from sync.avid.calls import Calls, Http
from sync.avid.jsontext import Json, Row, json_text, put, read_json
from sync.avid.models import AccountingSystem, AvidInvoice, AvidPayment, AvidVendor, BadRow, ClosedBatch, Code, CodeGroup, Remittance
from sync.avid.profile import Profile
from sync.avid.reading import ModelT
from sync.avid.rows import (
    code_row,
    read_accounting_system,
    read_batch,
    read_code,
    read_code_group,
    read_invoice,
    read_payment,
    read_remittance,
    read_vendor,
    system_id,
    vendor_row,
)
from sync.avid.samples import Samples
from sync.errors import FixConfiguration
from sync.outcomes import ItemResult
from sync.values import digest


@dataclass(frozen=True)
class Listed(Generic[ModelT]):
    """One page of a list. `cursor` leads to the page after it, also in another process; empty after the last."""

    rows: list[ModelT | BadRow]
    cursor: str


class AvidClient:
    """One customer's AvidXchange. `base_url` is `https://{host}/{version}`; `http` signs, paces and retries; `profile` is its dialect.

    Every call may raise TryLater (with Throttled), SignInAgain and FixConfiguration. A row that cannot be read comes as a BadRow.
    """

    def __init__(self, http: Http, base_url: str, profile: Profile) -> None:
        self._calls = Calls(http, base_url, profile)
        self.profile = profile
        self.samples = Samples(self._calls, profile)
        """What the lists answer, as it came: for `ping`."""

    def accounting_systems(self) -> list[AccountingSystem]:
        """All sets of books. FixConfiguration when one has no id."""
        paths = self.profile.paths
        rows = self._calls.read("accounting systems", "paths.accounting_systems", paths.accounting_systems, {})
        return [_good(read_accounting_system(row, self.profile)) for row in rows]

    def vendors(self, system: str) -> Iterator[AvidVendor | BadRow]:
        """All vendors of an accounting system, page by page."""
        for page in self.vendor_pages(system):
            yield from page.rows

    def vendor_pages(self, system: str, cursor: str = "") -> Iterator[Listed[AvidVendor]]:
        """The same by page, from a cursor on."""
        query, path = {**self._of(system), **self._first_page()}, self.profile.paths.vendors
        for leaf in self._calls.pages(f"vendors of accounting system {system}", "paths.vendors", path, query, cursor):
            vendors = [read_vendor(row, self.profile, system) for row in leaf.items]
            yield Listed([row for row in vendors if isinstance(row, BadRow) or row.accounting_system == system], leaf.cursor)

    def upsert_vendors(self, vendors: Sequence[AvidVendor | Mapping[str, Json]]) -> list[ItemResult]:
        """Add or update vendors, up to 100 a call; result i belongs to vendor i. A mapping is a row as `vendor_row` makes it."""
        rows = [vendor_row(vendor, self.profile) if isinstance(vendor, AvidVendor) else {**vendor} for vendor in vendors]
        path, size = self.profile.paths.vendor_upsert, self.profile.limits.vendor_batch
        return self._calls.upsert("vendors", "paths.vendor_upsert", path, rows, size)

    def code_groups(self, system: str) -> list[CodeGroup]:
        """The code groups of an accounting system. FixConfiguration when one has no name."""
        what = f"code groups of accounting system {system}"
        rows = self._calls.read(what, "paths.code_groups", self.profile.paths.code_groups, self._of(system))
        return [_good(read_code_group(row, self.profile)) for row in rows]

    def codes(self, system: str, group: str) -> Iterator[Code | BadRow]:
        """All codes of a group, page by page."""
        for page in self.code_pages(system, group):
            yield from page.rows

    def code_pages(self, system: str, group: str, cursor: str = "") -> Iterator[Listed[Code]]:
        """The same by page, from a cursor on."""
        query, path = {**self._of(system), self.profile.query.code_group: group, **self._first_page()}, self.profile.paths.codes
        for leaf in self._calls.pages(f"codes of {group} in accounting system {system}", "paths.codes", path, query, cursor):
            codes = [read_code(row, self.profile, system, group) for row in leaf.items]
            own = [row for row in codes if isinstance(row, BadRow) or (row.accounting_system, row.group) == (system, group)]
            yield Listed(own, leaf.cursor)

    def upsert_codes(self, system: str, group: str, codes: Sequence[Code | Mapping[str, Json]]) -> list[ItemResult]:
        """Add or update codes of a group, up to 500 a call; result i belongs to code i. A mapping is a row as `code_row` makes it."""
        rows = [self._code_row(system, group, code) for code in codes]
        path, size = self.profile.paths.code_upsert, self.profile.limits.code_batch
        return self._calls.upsert(f"codes of {group}", "paths.code_upsert", path, rows, size)

    def closed_batches(self, system: str, first_day: date, last_day: date) -> Iterator[ClosedBatch | BadRow]:
        """Batches closed from first_day to last_day (UTC, inclusive), asked for in windows of at most 30 days."""
        names, path = self.profile.query, self._calls.path(self.profile.paths.closed_batches, system)
        days = [{names.closed_from: first, names.closed_to: last} for first, last in self._windows(first_day, last_day)]
        for row in self._windowed(f"closed batches of accounting system {system}", "paths.closed_batches", path, days):
            yield read_batch(row, self.profile, system)

    def batch_invoices(self, batch: ClosedBatch) -> Iterator[AvidInvoice | BadRow]:
        """All invoices of a closed batch, by its full-details link. FixConfiguration when the link is missing or leads to another host.

        TryLater when the batch is no longer there: it was opened again, and the next listing tells.
        """
        for row in self._calls.follow(f"invoices of batch {batch.name or batch.guid}", batch.details_link):
            yield read_invoice(row, self.profile)

    def acknowledge(self, batch: ClosedBatch, at: datetime) -> None:
        """Tell AvidXchange that the batch was taken over at `at` (contracts/avidxchange.md §3, Invoices 7). Sent once.

        Raises OutcomeUnknown when no clear answer came, and FixData with the cause `refused` when the batch was refused.
        """
        names, row = self.profile.fields.acknowledgement, dict[str, Json]()
        moment = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
        put(row, names.batch, batch.guid)
        put(row, names.file, None)
        put(row, names.exported_by, None)
        put(row, names.start, moment)
        put(row, names.end, moment)
        put(row, names.status, self.profile.values.exported_status)
        self._calls.write_once(f"batch {batch.name or batch.guid}", "paths.acknowledgement", self.profile.paths.acknowledgement, row)

    def payments(self, first_day: date, last_day: date) -> Iterator[AvidPayment | BadRow]:
        """Payments modified from first_day to last_day (UTC, inclusive), in windows of at most 30 days; the overlap is the caller's."""
        names, page = self.profile.query, self._first_page()
        windows = self._windows(first_day, last_day)
        queries = [{names.modified_from: first, names.modified_to: last, **page} for first, last in windows]
        for row in self._windowed("payments", "paths.payments", self.profile.paths.payments, queries):
            yield read_payment(row, self.profile)

    def payments_by_id(self, ids: Sequence[str]) -> Iterator[AvidPayment | BadRow]:
        """The payments with these ids; one that AvidXchange does not have is left out."""
        names, size = self.profile.query, self.profile.limits.payment_ids
        for start in range(0, len(ids), size):
            wanted = {*ids[start : start + size]}
            query = {names.payment_ids: names.id_separator.join(sorted(wanted)), **self._first_page()}
            for row in self._calls.read("payments by id", "", self.profile.paths.payments, query):
                payment = read_payment(row, self.profile)
                if payment.id in wanted:
                    wanted.remove(payment.id)
                    yield payment
                if not wanted:
                    break

    def remittances(self, payment_id: str) -> list[Remittance | BadRow]:
        """The paid invoices of a payment, from their own address; none when AvidXchange has none."""
        return [read_remittance(row, self.profile) for row in self._remittance_rows(payment_id)]

    def with_remittances(self, payment: AvidPayment) -> AvidPayment | BadRow:
        """The payment with its remittances, in its text too. They are fetched only when the payment came without."""
        if payment.remittances or not self.profile.capabilities.remittances_by_payment:
            return payment
        row = read_json(payment.text)
        assert isinstance(row, dict)
        put(row, self.profile.fields.payment.remittances, [*self._remittance_rows(payment.id)])
        return read_payment(row, self.profile)

    def _remittance_rows(self, payment_id: str) -> Iterator[Json]:
        path = self._calls.path(self.profile.paths.remittances, payment_id)
        return self._calls.read(f"remittances of payment {payment_id}", "", path, {})

    def _code_row(self, system: str, group: str, code: Code | Mapping[str, Json]) -> Row:
        if isinstance(code, Code):
            return code_row(replace(code, accounting_system=system, group=group), self.profile)
        row, names = {**code}, self.profile.fields.code
        put(row, names.accounting_system, system_id(system))
        put(row, names.group, group)
        return row

    def _of(self, system: str) -> dict[str, str]:
        return {self.profile.query.accounting_system: system}

    def _first_page(self) -> dict[str, str]:
        names = self.profile.query
        size = {names.page_size: str(self.profile.limits.page_size)} if names.page_size else {}
        return {names.page_number: "1", **size}

    def _windowed(self, what: str, entry: str, path: str, queries: Iterable[Mapping[str, str]]) -> Iterator[Json]:
        """The rows of all windows; one that stands in two windows, which share a day, comes once."""
        before: set[str] = set()
        for query in queries:
            given: set[str] = set()
            for row in self._calls.read(what, entry, path, query):
                mark = digest(json_text(row))
                given.add(mark)
                if mark not in before:
                    yield row
            before = given

    def _windows(self, first_day: date, last_day: date) -> Iterator[tuple[str, str]]:
        """First and last day of each, at most `window_days` days, both included; none when last_day is before first_day.

        Each begins with the last day of the one before: where AvidXchange does not include the last day after all, no day is left out.
        """
        longest = timedelta(days=self.profile.limits.window_days - 1)
        while first_day <= last_day:
            last = min(first_day + longest, last_day)
            yield first_day.isoformat(), last.isoformat()
            first_day = last if longest and last < last_day else last + timedelta(days=1)


def _good(row: ModelT | BadRow) -> ModelT:
    """A row without which nothing can be mapped."""
    if isinstance(row, BadRow):
        raise FixConfiguration(f"{row.resource}: {row.sentence}: correct its name in the profile.", field="avidxchange.profile.fields")
    return row

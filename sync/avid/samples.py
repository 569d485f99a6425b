"""First answers of AvidXchange's lists as they came, so that `ping` can hold the profile against what is really there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sync.avid.calls import Calls
from sync.avid.jsontext import Json, Row, as_list
from sync.avid.profile import Profile


@dataclass(frozen=True)
class Sample:
    """One answer. `entry` is the profile entry of its path. `names` are the names at its top, none for an array or an empty answer.

    `wrapped`: the rows came under the profile's name for them, or as an array; else the answer itself is taken for the one row.
    """

    what: str
    entry: str
    rows: list[Json]
    names: tuple[str, ...] = ()
    wrapped: bool = True
    paging: tuple[str, ...] = ()
    """The names in the object that tells of pages; none without one."""

    def __add__(self, other: "Sample") -> "Sample":
        """The rows of both."""
        return Sample(
            self.what, self.entry, [*self.rows, *other.rows], self.names, self.wrapped and other.wrapped, self.paging or other.paging
        )


class Samples:
    """One request each. They raise as `AvidClient` does."""

    def __init__(self, calls: Calls, profile: Profile) -> None:
        self._calls = calls
        self._profile = profile

    def accounting_systems(self) -> Sample:
        """The sets of books."""
        return self._first("accounting systems", "accounting_systems", self._profile.paths.accounting_systems, {})

    def vendors(self, system: str) -> Sample:
        """A page of vendors."""
        query = {**self._of(system), **self._first_page()}
        return self._first(f"vendors of accounting system {system}", "vendors", self._profile.paths.vendors, query)

    def code_groups(self, system: str) -> Sample:
        """The code groups."""
        return self._first(f"code groups of accounting system {system}", "code_groups", self._profile.paths.code_groups, self._of(system))

    def codes(self, system: str, group: str) -> Sample:
        """A page of one group's codes."""
        query = {**self._of(system), self._profile.query.code_group: group, **self._first_page()}
        return self._first(f"codes of {group} in accounting system {system}", "codes", self._profile.paths.codes, query)

    def closed_batches(self, system: str, first_day: date, last_day: date) -> Sample:
        """The batches of the latest window of days that has any."""
        names, path = self._profile.query, self._calls.path(self._profile.paths.closed_batches, system)
        what = f"closed batches of accounting system {system}"
        return self._latest(what, "closed_batches", path, (names.closed_from, names.closed_to), {}, first_day, last_day)

    def invoices(self, batch: str, link: str) -> Sample:
        """A page of a batch's invoices."""
        what = f"invoices of batch {batch}"
        return self._sample(what, "closed_batches", self._calls.first_behind(what, link))

    def payments(self, first_day: date, last_day: date) -> Sample:
        """A page of the payments of the latest window of days that has any."""
        names, path = self._profile.query, self._profile.paths.payments
        days = (names.modified_from, names.modified_to)
        return self._latest("payments", "payments", path, days, self._first_page(), first_day, last_day)

    def payments_by_id(self, ids: Sequence[str]) -> Sample:
        """The payments with these ids."""
        query = {self._profile.query.payment_ids: self._profile.query.id_separator.join(ids), **self._first_page()}
        return self._first("payments by id", "payments", self._profile.paths.payments, query)

    def remittances(self, payment_id: str) -> Sample:
        """The paid invoices of a payment at their own path."""
        path = self._calls.path(self._profile.paths.remittances, payment_id)
        return self._first(f"remittances of payment {payment_id}", "remittances", path, {})

    def _latest(
        self, what: str, entry: str, path: str, days: tuple[str, str], more: Mapping[str, str], first_day: date, last_day: date
    ) -> Sample:
        """The first answer with rows, from the last window back."""
        sample = Sample(what, f"paths.{entry}", [])
        longest = timedelta(days=self._profile.limits.window_days - 1)
        while not sample.rows and first_day <= last_day:
            first = max(first_day, last_day - longest)
            sample = self._first(what, entry, path, {days[0]: first.isoformat(), days[1]: last_day.isoformat(), **more})
            last_day = first - timedelta(days=1)
        return sample

    def _first(self, what: str, entry: str, path: str, query: Mapping[str, str]) -> Sample:
        return self._sample(what, entry, self._calls.first(what, f"paths.{entry}", path, query))

    def _sample(self, what: str, entry: str, value: Json) -> Sample:
        envelope, entry = self._profile.envelope, f"paths.{entry}"
        if not isinstance(value, dict) or not value:
            return Sample(what, entry, as_list(value or None))
        wrapped = envelope.items in value
        paging = value.get(envelope.paging)
        rows: list[Json] = as_list(value[envelope.items]) if wrapped else [value]
        return Sample(what, entry, rows, tuple(value), wrapped, tuple(paging) if isinstance(paging, dict) else ())

    def _of(self, system: str) -> dict[str, str]:
        return {self._profile.query.accounting_system: system}

    def _first_page(self) -> dict[str, str]:
        names = self._profile.query
        size = {names.page_size: str(self._profile.limits.page_size)} if names.page_size else {}
        return {names.page_number: "1", **size}


def rows_in(rows: Sequence[Json], name: str) -> list[Json]:
    """What the rows hold under a name of the profile, arrays laid out."""
    return [item for row in rows if isinstance(row, dict) for item in as_list(_value(row, name))]


def _value(row: Row, name: str) -> Json:
    value: Json = row
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value

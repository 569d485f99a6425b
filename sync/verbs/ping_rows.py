"""A page of every list of AvidXchange, held against the profile: the first field that does not fit, and what stands there instead."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial, reduce
from operator import add
from typing import Final

from sync.avid.client import AvidClient
from sync.avid.fitting import Miss, misses
from sync.avid.jsontext import Json
from sync.avid.models import BadRow, ClosedBatch
from sync.avid.profile import Profile
from sync.avid.rows import (
    read_accounting_system,
    read_batch,
    read_code,
    read_code_group,
    read_invoice,
    read_payment,
    read_remittance,
    read_vendor,
)
from sync.avid.samples import Sample
from sync.connections.document import Company, Connection
from sync.errors import SyncError
from sync.verbs.lines import Line, look, not_ok, ok

PART: Final = "AvidXchange rows"
NAMES: Final = 15
"""Names of an answer that are shown."""
FILLED_BY_US: Final = frozenset({"vendor", "code"})
"""Lists that are empty before the first run."""
Read = Callable[[Json], object]


@dataclass(frozen=True)
class Seen:
    """What a list showed: the lines about it, and its answer (None: it did not answer)."""

    lines: tuple[Line, ...]
    sample: Sample | None

    @property
    def rows(self) -> list[Json]:
        """Its rows."""
        return self.sample.rows if self.sample is not None else []


class RowChecks:
    """The lists of one customer, one request each. Reads only; a list that does not answer is a line, and the others go on."""

    def __init__(self, connection: Connection, avid: AvidClient, today: date) -> None:
        self._connection = connection
        self._avid = avid
        self._profile = avid.profile
        self._today = today

    def accounting_systems(self, sample: Sample) -> Iterator[Line]:
        """The sets of books."""
        return _fit("accounting_system", sample, partial(read_accounting_system, profile=self._profile), self._profile)

    def of_company(self, company: Company) -> Iterator[Line]:
        """Code groups, vendors, codes, closed batches and their invoices."""
        system, samples, profile = company.accounting_system, self._avid.samples, self._profile
        yield from self._seen("code_group", partial(samples.code_groups, system), partial(read_code_group, profile=profile)).lines
        yield from self._vendors(system)
        yield from self._codes(system)
        first = self._connection.start_from.invoices
        read = partial(read_batch, profile=profile, system=system)
        batches = self._seen("batch", partial(samples.closed_batches, system, first, self._today), read)
        yield from batches.lines
        yield from self._invoices([row for row in map(read, batches.rows) if isinstance(row, ClosedBatch)])

    def payments(self) -> Seen:
        """A page of payments."""
        ask = partial(self._avid.samples.payments, self._connection.start_from.payments, self._today)
        return self._seen("payment", ask, partial(read_payment, profile=self._profile))

    def remittances(self, payment_id: str) -> Seen:
        """The paid invoices of one payment at their own path."""
        ask = partial(self._avid.samples.remittances, payment_id)
        return self._seen("remittance", ask, partial(read_remittance, profile=self._profile))

    def _vendors(self, system: str) -> Iterator[Line]:
        read = partial(read_vendor, profile=self._profile, system=system)
        seen = self._seen("vendor", partial(self._avid.samples.vendors, system), read)
        yield from seen.lines
        foreign = {vendor.accounting_system for row in seen.rows if not isinstance(vendor := read(row), BadRow)} - {system}
        yield from _not_heeded(
            f"vendors of accounting system {system}", foreign, "accounting_system", self._profile.query.accounting_system
        )

    def _codes(self, system: str) -> Iterator[Line]:
        """The mapped groups, each asked for; their rows are all of one kind."""
        samples: list[Sample] = []
        for group in self._connection.code_groups.values():
            read = partial(read_code, profile=self._profile, system=system, group=group)
            asked, sample = self._ask(partial(self._avid.samples.codes, system, group))
            yield from asked
            if sample is not None:
                samples.append(sample)
                foreign = {code.group for row in sample.rows if not isinstance(code := read(row), BadRow)} - {group}
                yield from _not_heeded(sample.what, foreign, "code_group", self._profile.query.code_group)
        if samples:
            together = reduce(add, samples[1:], Sample(f"codes of accounting system {system}", samples[0].entry, [])) + samples[0]
            yield from _fit("code", together, partial(read_code, profile=self._profile, system=system, group=""), self._profile)

    def _invoices(self, batches: Sequence[ClosedBatch]) -> Iterator[Line]:
        """Those of the first batch that holds any. A batch without its link shows in no list of invoices."""
        if not batches:
            return
        envelope = self._profile.envelope
        linked = [batch for batch in batches if batch.details_link]
        if not linked:
            names = f"envelope.links, envelope.link_relation ({envelope.link_relation}), envelope.link_address ({envelope.link_address})"
            sentence = f"No closed batch has a link {envelope.details!r} to its invoices."
            yield not_ok(PART, sentence, f"Correct avidxchange.profile: envelope.details, fields.batch.links, {names}.")
            return
        batch = next((each for each in linked if each.invoice_count != 0), linked[0])
        ask = partial(self._avid.samples.invoices, batch.name or batch.guid, batch.details_link)
        yield from self._seen("invoice", ask, partial(read_invoice, profile=self._profile)).lines

    def _seen(self, resource: str, ask: Callable[[], Sample], read: Read) -> Seen:
        lines, sample = self._ask(ask)
        return Seen((*lines, *(_fit(resource, sample, read, self._profile) if sample is not None else ())), sample)

    def _ask(self, ask: Callable[[], Sample]) -> tuple[tuple[Line, ...], Sample | None]:
        try:
            return (), ask()
        except SyncError as error:
            return (not_ok(PART, error.sentence),), None


def _not_heeded(what: str, foreign: set[str], entry: str, name: str) -> Iterator[Line]:
    """AvidXchange left our question away and answered with everything."""
    if foreign:
        sentence = f"Asked for the {what}, AvidXchange also gives those of {', '.join(sorted(foreign)[:NAMES])}: {name} is not heeded."
        yield not_ok(PART, sentence, f"Correct avidxchange.profile.query.{entry}.")


def _fit(resource: str, sample: Sample, read: Read, profile: Profile) -> Iterator[Line]:
    """The first needed field that does not fit, else what a person should compare, else that all fits."""
    if not sample.rows:
        yield _empty(resource, sample)
        return
    found = list(misses(resource, sample.rows, profile))
    needed = [miss for miss in found if miss.needed]
    bad = [row for row in map(read, sample.rows) if isinstance(row, BadRow)]
    if needed and not sample.wrapped and len(sample.rows) == 1 and not _is_one_row(sample, resource, profile):
        yield _no_items(sample, profile)
    elif needed:
        yield _needed(sample, needed)
    elif bad:
        yield _unreadable(sample, bad)
    elif found:
        yield _to_compare(sample, found)
    else:
        yield ok(PART, f"The {sample.what}: the {len(sample.rows)} of the first page fit the profile.")


def _is_one_row(sample: Sample, resource: str, profile: Profile) -> bool:
    """Whether an answer without the profile's name for rows has at least one of a row's own names."""
    names = {str(name).split(".")[0] for _, name in getattr(profile.fields, resource)}
    return bool(names & {*sample.names}) and profile.envelope.paging not in sample.names


def _empty(resource: str, sample: Sample) -> Line:
    if resource in FILLED_BY_US:
        return ok(PART, f"The {sample.what}: there are none yet, so their fields cannot be compared before the first run.")
    return look(PART, f"The {sample.what}: there are none, so their fields could not be compared.", "Ping again when there are some.")


def _no_items(sample: Sample, profile: Profile) -> Line:
    sentence = f"The answer about the {sample.what} has no {profile.envelope.items}; it has {_listed(sample.names)}."
    return not_ok(PART, sentence, "Correct avidxchange.profile.envelope.items.")


def _needed(sample: Sample, needed: Sequence[Miss]) -> Line:
    first, more = needed[0], len(needed) - 1
    rest = f" ({more} more needed names are missing too)" if more else ""
    sentence = (
        f"The {sample.what}: none of the first {len(sample.rows)} has {first.name}; unknown names there: {_listed(first.names)}{rest}."
    )
    return not_ok(PART, sentence, f"Correct avidxchange.profile.{first.entry}.")


def _unreadable(sample: Sample, bad: Sequence[BadRow]) -> Line:
    sentence = f"The {sample.what}: {len(bad)} of the first {len(sample.rows)} cannot be read; the first: {bad[0].sentence}."
    if len(bad) < len(sample.rows):
        return look(PART, sentence, "Such rows are parked, each with its reason; look at it in AvidXchange.")
    return not_ok(PART, sentence, f"Correct the entry of {bad[0].field} under avidxchange.profile.fields.")


def _to_compare(sample: Sample, found: Sequence[Miss]) -> Line:
    missing = ", ".join(f"{miss.name} ({miss.entry})" for miss in found)
    unknown = dict.fromkeys(name for miss in found for name in miss.names)
    sentence = f"The {sample.what}: none of the first {len(sample.rows)} has {missing}; unknown names there: {_listed([*unknown])}."
    return look(PART, sentence, "If one of these is the missing one, name it in avidxchange.profile.")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
    return (", ".join(names[:NAMES]) + more) or "none"

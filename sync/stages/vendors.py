"""Vendors: D365's VendorsV3 to AvidXchange's vendors (contracts/d365-fo.md §1, contracts/avidxchange.md §3, Vendors).

Not sent, and so left as AvidXchange has them: the name it does business as, what the customer leaves out, and the remit-to address unless
the customer names its role. Bank details never leave D365.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from sync.avid.client import AvidClient
from sync.avid.models import AvidVendor, BadRow
from sync.connections.document import Company
from sync.d365.addresses import Postal, RemitTo, read_remit_to
from sync.d365.literals import ALL
from sync.d365.rows import Vendor
from sync.d365.wire import JsonRow
from sync.engine.mirror import Mirror
from sync.engine.mirroring import Held, Page, Target
from sync.engine.model import Slice, Stage
from sync.outcomes import ItemResult
from sync.stages.crawling import EntityCrawl, Fitting, folded
from sync.stages.vendor_rows import KEY, VendorMapping


class Vendors:
    """The declaration of the stage."""

    name = "vendors"
    after: tuple[str, ...] = ()

    def open(self, slice_: Slice, company: Company) -> "VendorFlow":
        """See `Mirroring.open`."""
        return VendorFlow(slice_, company)


class VendorFlow:
    """The vendors of one company."""

    def __init__(self, slice_: Slice, company: Company) -> None:
        self._avid: AvidClient = slice_.systems.avid
        self._profile = self._avid.profile
        self._d365 = slice_.systems.d365
        self._crawl = EntityCrawl(self._d365, Vendor, ALL, (KEY,), company.id)
        self._company = company
        self._now = slice_.ports.clock.now()
        self._policies = slice_.connection.policies
        self._settings = slice_.connection.vendors
        self._groups = {*folded(*self._settings.groups)}
        self._without_groups = {*folded(*self._settings.without_groups)}
        self._mapping = VendorMapping(company.accounting_system, self._now.date(), self._settings, self._profile.lengths)
        self._remit_to: RemitTo | None = None
        self._report = slice_.report
        self.batch = self._profile.limits.vendor_batch

    def count(self) -> int:
        """See `Flow`, as all below."""
        return self._crawl.count()

    def pages(self, cursor: str) -> Iterator[Page[AvidVendor]]:
        """The vendors of D365."""
        return self._crawl.pages(cursor, self)

    def existing(self, cursor: str) -> Iterator[Held[AvidVendor]]:
        """The vendors of AvidXchange."""
        for page in self._avid.vendor_pages(self._company.accounting_system, cursor):
            vendors = [vendor for vendor in page.rows if not isinstance(vendor, BadRow)]
            if len(vendors) < len(page.rows):
                self._report.count("unreadable", len(page.rows) - len(vendors))
            yield Held([_target_of(vendor) for vendor in vendors], page.cursor)

    def body(self, item: AvidVendor) -> Mapping[str, object]:
        """The row, without what is not ours to say."""
        return self._mapping.body(item, self._profile)

    def public(self, item: AvidVendor) -> AvidVendor:
        """The vendor without its tax id."""
        return replace(item, tax_id="") if item.tax_id else item

    def updated(self, item: AvidVendor) -> AvidVendor:
        """Its key and its active flag, where the tenant takes over no more (contracts/avidxchange.md §3, Vendors)."""
        if self._profile.capabilities.vendor_updates:
            return item
        return AvidVendor(item.accounting_system, item.external_id, "", item.is_active)

    def respelled(self, item: AvidVendor, key: tuple[str, ...]) -> AvidVendor:
        """The vendor under AvidXchange's spelling of its account."""
        return replace(item, external_id=key[0])

    def inactive(self, item: AvidVendor) -> AvidVendor:
        """The vendor, not active."""
        return replace(item, is_active=False)

    def send(self, items: Sequence[AvidVendor]) -> list[ItemResult]:
        """Upsert."""
        return self._avid.upsert_vendors([self._mapping.body(item, self._profile) for item in items])

    def wanted(self, row: JsonRow) -> bool:
        """See `Mapping`, as the three below: by group, and one-time vendors only where the customer wants them."""
        [group] = folded(str(row.get("VendorGroupId") or ""))
        in_groups = (not self._groups or group in self._groups) and group not in self._without_groups
        return in_groups and (self._settings.one_time_vendors or row.get("IsOneTimeVendor") != "Yes")

    def target(self, row: Vendor) -> Target[AvidVendor]:
        """Its remit-to address is read with the first row."""
        fitting = Fitting(f"vendor {row.account}", cut=self._policies.truncate_long_texts)
        mapped = self._mapping.map(row, self._address_to_pay(row), fitting)
        fitting.done()
        if fitting.shortened:
            self._report.count("shortened", fitting.shortened)
        return _target_of(mapped if self._policies.send_tax_ids else replace(mapped, tax_id=""))

    def _address_to_pay(self, row: Vendor) -> Postal | None:
        role = self._settings.remit_to_role
        if role and self._remit_to is None:
            self._remit_to = read_remit_to(self._d365, self._company.id, role, self._now)
        return self._remit_to.of(row.account) if self._remit_to else None

    def key(self, row: JsonRow) -> tuple[str, ...]:
        """The vendor account."""
        return (str(row.get(KEY) or ""),)

    def label(self, key: tuple[str, ...]) -> str:
        """`vendor US-101`."""
        return f"vendor {key[0]}"


def _target_of(vendor: AvidVendor) -> Target[AvidVendor]:
    return Target((vendor.external_id,), f"vendor {vendor.external_id}", vendor)


def stage() -> Stage:
    """The stage."""
    return Mirror(Vendors())

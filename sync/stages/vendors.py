"""Vendors: D365's VendorsV3 to AvidXchange's vendors (contracts/d365-fo.md §1, contracts/avidxchange.md §3, Vendors).

Not sent, and so left as AvidXchange has them: the remit-to address and the name it does business as. Bank details never leave D365.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Final

from sync.avid.client import AvidClient
from sync.avid.jsontext import Row
from sync.avid.models import Address, AvidVendor, BadRow
from sync.avid.profile import Lengths, Profile, shipped_profile
from sync.avid.rows import vendor_row
from sync.causes import Cause
from sync.connections.document import Company
from sync.d365.literals import ALL
from sync.d365.reference import active_vendor
from sync.d365.rows import Vendor
from sync.d365.wire import JsonRow
from sync.engine.mirror import Mirror
from sync.engine.mirroring import Page, Target
from sync.engine.model import Slice, Stage
from sync.outcomes import ItemResult
from sync.stages.crawling import EntityCrawl, Fitting

ADDRESS_LINES: Final = 4
KEY: Final = "VendorAccountNumber"


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
        self._profile = shipped_profile().with_overrides(slice_.connection.avidxchange.profile)
        self._avid: AvidClient = slice_.systems.avid
        self._crawl = EntityCrawl(slice_.systems.d365, Vendor, ALL, (KEY,), company.id)
        self._system = company.accounting_system
        self._today = slice_.ports.clock.now().date()
        self._policies = slice_.connection.policies
        self._report = slice_.report
        self.batch = self._profile.limits.vendor_batch

    def count(self) -> int:
        """See `Flow`, as all below."""
        return self._crawl.count()

    def pages(self, cursor: str) -> Iterator[Page[AvidVendor]]:
        """The vendors of D365."""
        return self._crawl.pages(cursor, self)

    def existing(self) -> Iterator[Target[AvidVendor]]:
        """The vendors of AvidXchange."""
        for vendor in self._avid.vendors(self._system):
            if isinstance(vendor, BadRow):
                self._report.count("unreadable")
            else:
                yield _target_of(vendor)

    def body(self, item: AvidVendor) -> Mapping[str, object]:
        """The row, without what is not ours to say."""
        return _body(item, self._profile)

    def shown(self, item: AvidVendor) -> Mapping[str, object]:
        """The row without the tax id."""
        return _body(replace(item, tax_id=""), self._profile)

    def respelled(self, item: AvidVendor, key: tuple[str, ...]) -> AvidVendor:
        """The vendor under AvidXchange's spelling of its account."""
        return replace(item, external_id=key[0])

    def inactive(self, item: AvidVendor) -> AvidVendor:
        """The vendor, not active."""
        return replace(item, is_active=False)

    def send(self, items: Sequence[AvidVendor]) -> list[ItemResult]:
        """Upsert."""
        return self._avid.upsert_vendors([_body(item, self._profile) for item in items])

    def target(self, row: Vendor) -> Target[AvidVendor]:
        """See `Mapping`, as the two below."""
        fitting = Fitting(f"vendor {row.account}", cut=self._policies.truncate_long_texts)
        mapped = map_vendor(row, self._system, self._today, self._profile.lengths, fitting)
        fitting.done()
        if fitting.shortened:
            self._report.count("shortened", fitting.shortened)
        return _target_of(mapped if self._policies.send_tax_ids else replace(mapped, tax_id=""))

    def key(self, row: JsonRow) -> tuple[str, ...]:
        """The vendor account."""
        return (str(row.get(KEY) or ""),)

    def label(self, key: tuple[str, ...]) -> str:
        """`vendor US-101`."""
        return f"vendor {key[0]}"


def map_vendor(vendor: Vendor, system: str, today: date, lengths: Lengths, fitting: Fitting) -> AvidVendor:
    """The vendor as AvidXchange should hold it. What does not fit is in `fitting`."""
    if not vendor.name:
        sentence = f"vendor {vendor.account}: it has no name: neither an organisation's nor a person's."
        fitting.causes.append(Cause("field-missing", f"vendor {vendor.account}", sentence, "VendorOrganizationName"))
    return AvidVendor(
        accounting_system=system,
        external_id=fitting.text(KEY, vendor.account, lengths.vendor_external_id, cut=False),
        name=fitting.text("VendorOrganizationName", vendor.name, lengths.vendor_name),
        is_active=active_vendor(vendor, today),
        account_no=vendor.our_account_number,
        is_1099=vendor.is_1099,
        email=fitting.text("PrimaryEmailAddress", vendor.email, lengths.email),
        phone=fitting.text("PrimaryPhoneNumber", vendor.phone, lengths.phone),
        terms=vendor.payment_terms,
        address=_address(vendor, lengths, fitting),
        tax_id=vendor.tax_id,
    )


def _address(vendor: Vendor, lengths: Lengths, fitting: Fitting) -> Address:
    street = [line.strip() for line in vendor.street.splitlines() if line.strip()]
    lines = [*street[: ADDRESS_LINES - 1], ", ".join(street[ADDRESS_LINES - 1 :])] if len(street) > ADDRESS_LINES else street
    padded = [*lines, "", "", "", ""][:ADDRESS_LINES]
    line1, line2, line3, line4 = (fitting.text("AddressStreet", line, lengths.address_line) for line in padded)
    return Address(
        line1=line1,
        line2=line2,
        line3=line3,
        line4=line4,
        city=fitting.text("AddressCity", vendor.city, lengths.city),
        state=fitting.text("AddressStateId", vendor.state, lengths.state),
        postal_code=fitting.text("AddressZipCode", vendor.zip_code, lengths.postal_code),
        country=_country(vendor, fitting),
    )


def _country(vendor: Vendor, fitting: Fitting) -> str:
    """The ISO code, else D365's own code: AvidXchange takes two or three letters."""
    country = vendor.country_iso or vendor.country
    if len(country) in {0, 2, 3}:
        return country
    sentence = f"vendor {vendor.account}: the country {country!r} has no ISO code of two or three letters."
    fitting.causes.append(Cause("field-invalid", f"vendor {vendor.account}", sentence, "AddressCountryRegionId"))
    return country


def _target_of(vendor: AvidVendor) -> Target[AvidVendor]:
    return Target((vendor.external_id,), f"vendor {vendor.external_id}", vendor)


def _body(vendor: AvidVendor, profile: Profile) -> Row:
    names, row = profile.fields.vendor, vendor_row(vendor, profile)
    for path in (names.remit_to, names.doing_business_as):
        row.pop(path, None)
    return row


def stage() -> Stage:
    """The stage."""
    return Mirror(Vendors())

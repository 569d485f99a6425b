"""A vendor of D365 as AvidXchange should hold it (contracts/avidxchange.md §3, Vendors)."""

from dataclasses import dataclass
from datetime import date
from typing import Final, Protocol

from sync.avid.jsontext import Row
from sync.avid.models import Address, AvidVendor
from sync.avid.profile import Lengths, Profile
from sync.avid.rows import vendor_row
from sync.causes import Cause
from sync.connections.mirrored import VendorSettings
from sync.d365.reference import active_vendor
from sync.d365.rows import Vendor
from sync.stages.crawling import Fitting

ADDRESS_LINES: Final = 4
KEY: Final = "VendorAccountNumber"


class Postal(Protocol):
    """An address of D365: the primary one, which stands on the vendor, or one of its own."""

    @property
    def street(self) -> str: ...
    @property
    def city(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def zip_code(self) -> str: ...
    @property
    def country(self) -> str: ...
    @property
    def country_iso(self) -> str: ...


@dataclass(frozen=True)
class VendorMapping:
    """How the vendors of one accounting system are mapped on one day."""

    system: str
    today: date
    settings: VendorSettings
    lengths: Lengths

    def map(self, vendor: Vendor, remit_to: Postal | None, fitting: Fitting) -> AvidVendor:
        """The vendor; what does not fit is in `fitting`. A vendor without a remit-to address of its own is paid at its primary one."""
        if not vendor.name:
            sentence = f"vendor {vendor.account}: it has no name: neither an organisation's nor a person's."
            fitting.causes.append(Cause("field-missing", f"vendor {vendor.account}", sentence, "VendorOrganizationName"))
        lengths, without = self.lengths, {*self.settings.leave_out}
        address, paid_at = self._addresses(vendor, remit_to, fitting)
        return AvidVendor(
            accounting_system=self.system,
            external_id=fitting.text(KEY, vendor.account, lengths.vendor_external_id, cut=False),
            name=fitting.text("VendorOrganizationName", vendor.name, lengths.vendor_name),
            is_active=active_vendor(vendor, self.today, frozenset(self.settings.inactive_holds)),
            account_no=vendor.our_account_number,
            is_1099=vendor.is_1099,
            email="" if "email" in without else fitting.text("PrimaryEmailAddress", vendor.email, lengths.email),
            phone="" if "phone" in without else fitting.text("PrimaryPhoneNumber", vendor.phone, lengths.phone),
            terms=vendor.payment_terms,
            address=address,
            remit_to=paid_at,
            tax_id=vendor.tax_id,
        )

    def _addresses(self, vendor: Vendor, remit_to: Postal | None, fitting: Fitting) -> tuple[Address, Address]:
        """The vendor's own and the one to remit to; what is not sent is not looked at."""
        wanted, pays = "address" not in self.settings.leave_out, bool(self.settings.remit_to_role)
        own = self._address(vendor, vendor, "", fitting) if wanted or (pays and remit_to is None) else Address()
        paid_at = own if remit_to is None else self._address(vendor, remit_to, "remit-to ", fitting)
        return own if wanted else Address(), paid_at if pays else Address()

    def _address(self, vendor: Vendor, postal: Postal, kind: str, fitting: Fitting) -> Address:
        lengths = self.lengths
        street = [line.strip() for line in postal.street.splitlines() if line.strip()]
        lines = [*street[: ADDRESS_LINES - 1], ", ".join(street[ADDRESS_LINES - 1 :])] if len(street) > ADDRESS_LINES else street
        padded = [*lines, "", "", "", ""][:ADDRESS_LINES]
        line1, line2, line3, line4 = (fitting.text(f"{kind}AddressStreet", line, lengths.address_line) for line in padded)
        return Address(
            line1=line1,
            line2=line2,
            line3=line3,
            line4=line4,
            city=fitting.text(f"{kind}AddressCity", postal.city, lengths.city),
            state=fitting.text(f"{kind}AddressStateId", postal.state, lengths.state),
            postal_code=fitting.text(f"{kind}AddressZipCode", postal.zip_code, lengths.postal_code),
            country=_country(vendor, postal, kind, fitting),
        )

    def body(self, vendor: AvidVendor, profile: Profile) -> Row:
        """The row as it is sent, without what is not ours to say: AvidXchange keeps its own."""
        names, row = profile.fields.vendor, vendor_row(vendor, profile)
        paths = [names.doing_business_as, *(getattr(names, field) for field in self.settings.leave_out)]
        for path in paths if self.settings.remit_to_role else (*paths, names.remit_to):
            _leave_out(row, path)
        return row


def _country(vendor: Vendor, postal: Postal, kind: str, fitting: Fitting) -> str:
    """The ISO code, else D365's own code: AvidXchange takes two or three letters."""
    country = postal.country_iso or postal.country
    if len(country) in {0, 2, 3}:
        return country
    subject, field = f"vendor {vendor.account}", f"{kind}AddressCountryRegionId"
    sentence = f"{subject}: the {kind}country {country!r} has no ISO code of two or three letters."
    fitting.causes.append(Cause("field-invalid", subject, sentence, field))
    return country


def _leave_out(row: Row, path: str) -> None:
    """Take away a field of the profile; an object that only held it goes too."""
    name, _, rest = path.partition(".")
    child = row.get(name)
    if rest and isinstance(child, dict):
        _leave_out(child, rest)
        if child:
            return
    row.pop(name, None)

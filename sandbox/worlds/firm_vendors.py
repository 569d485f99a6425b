"""The firm's vendors: plain ones, and every kind that trips a connector up."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random

from sandbox.avid import AvidWorld
from sandbox.d365.world import D365World
from sandbox.worlds.firm_setup import COMPANIES, TERMS, Company
from sandbox.worlds.words import CITIES, FAMILY_NAMES, FIRST_NAMES, FOREIGN_NAMES, STREETS, TRADES


@dataclass(frozen=True)
class Vendor:
    """One vendor. `release` is the VendorHoldReleaseDate; `invoice_account` differs from the account where another vendor is invoiced."""

    company: Company
    account: str
    name: str
    kind: str
    hold: str = "No"
    release: date | None = None
    invoice_account: str = ""
    first_name: str = ""
    last_name: str = ""
    terms: str = "Net30"

    @property
    def billed_to(self) -> str:
        """The InvoiceAccount of its documents."""
        return self.invoice_account or self.account

    def held(self, today: date, *reasons: str) -> bool:
        """Whether it is on hold for one of these reasons today: a hold ends on its release date."""
        return self.hold in reasons and (self.release is None or self.release > today)


Shape = Callable[[Vendor, int, date], Vendor]


def _hold(status: str, days: int | None = None) -> Shape:
    return lambda vendor, _, today: replace(vendor, hold=status, release=None if days is None else today + timedelta(days=days))


def _person(vendor: Vendor, index: int, _: date) -> Vendor:
    first, last = FIRST_NAMES[index % len(FIRST_NAMES)], FAMILY_NAMES[index % len(FAMILY_NAMES)]
    return replace(vendor, name=f"{first} {last}", first_name=first, last_name=last)


SHAPES: dict[str, Shape] = {
    "hyphen": lambda vendor, index, _: replace(vendor, account=f"{vendor.company.id}-{index:03d}-A"),
    "hold-invoice": _hold("Invoice"),
    "invoice-account": lambda vendor, _, __: vendor,
    "hold-payment": _hold("Payment"),
    "leading-blank": lambda vendor, index, _: replace(vendor, account=f" {1050 + index}"),
    "apostrophe": lambda vendor, index, _: replace(vendor, account=f"O'N{index:04d}", name=f"O'Neil & Sons' {TRADES[index % len(TRADES)]}"),
    "foreign": lambda vendor, index, _: replace(vendor, name=FOREIGN_NAMES[index % len(FOREIGN_NAMES)]),
    "person": _person,
    "released-invoice": _hold("Invoice", -12),
    "hold-all-until": _hold("All", 30),
    "hold-all": _hold("All"),
    "released-payment": _hold("Payment", -3),
    "hold-payment-until": _hold("Payment", 20),
    "hold-invoice-until": _hold("Invoice", 9),
    "released-all": _hold("All", -40),
    "hold-requisition": _hold("Requisition"),
    "hold-never": _hold("Never"),
    "hold-purchase": _hold("PurchOrder"),
    "quotes": lambda vendor, _, __: replace(vendor, name=f'The "{vendor.name}" Workshop'),
    "foreign-person": lambda vendor, _, __: replace(vendor, name="Zoë Brontë-Ångström", first_name="Zoë", last_name="Brontë-Ångström"),
    "foreign-account": lambda vendor, index, _: replace(vendor, account=f"ÄRZ{index:04d}"),
}


def add_vendors(world: D365World, rng: Random, today: date, count: int) -> list[Vendor]:
    """Put `count` vendors over the three companies into D365; every special kind at least once, more often in a large firm."""
    kinds = list(SHAPES) * max(1, count // 100)
    vendors = [_vendor(rng, today, index, kinds[index] if index < len(kinds) else "plain") for index in range(count)]
    return [_added(world, rng, vendor) for vendor in _with_invoice_accounts(vendors)]


def _vendor(rng: Random, today: date, index: int, kind: str) -> Vendor:
    company = COMPANIES[index % len(COMPANIES)]
    name = f"{rng.choice(FAMILY_NAMES)} {rng.choice(TRADES)}"
    account = f"V-{index:05d}" if index % 2 else f"{20_000 + index}"
    vendor = Vendor(company, account, name, kind, terms=rng.choice(list(TERMS)))
    return SHAPES[kind](vendor, index, today) if kind in SHAPES else vendor


def _with_invoice_accounts(vendors: list[Vendor]) -> list[Vendor]:
    plain = {company.id: [vendor for vendor in vendors if vendor.company == company and vendor.kind == "plain"] for company in COMPANIES}
    billed = [vendor for vendor in vendors if vendor.kind == "invoice-account"]
    targets = {
        vendor.account: plain[vendor.company.id][index % len(plain[vendor.company.id])].account for index, vendor in enumerate(billed)
    }
    return [replace(vendor, invoice_account=targets[vendor.account]) if vendor.kind == "invoice-account" else vendor for vendor in vendors]


def _added(world: D365World, rng: Random, vendor: Vendor) -> Vendor:
    city, state, code = rng.choice(CITIES)
    street = f"{rng.randint(2, 980)} {rng.choice(STREETS)}"
    address = {"AddressCity": city, "AddressStateId": state, "AddressZipCode": code, "AddressCountryRegionId": vendor.company.country}
    row = world.add(
        "VendorsV3",
        dataAreaId=vendor.company.area,
        VendorAccountNumber=vendor.account,
        VendorGroupId="TRADE",
        VendorPartyType="Person" if vendor.last_name else "Organization",
        VendorOrganizationName="" if vendor.last_name else vendor.name,
        PersonFirstName=vendor.first_name,
        PersonLastName=vendor.last_name,
        VendorSearchName=vendor.name[:20],
        InvoiceVendorAccountNumber=vendor.invoice_account,
        OnHoldStatus=vendor.hold,
        CurrencyCode=vendor.company.currency,
        DefaultPaymentTermsName=vendor.terms,
        PrimaryEmailAddress=f"ap{rng.randint(100, 999)}@vendor.example",
        PrimaryPhoneNumber=f"555-01{rng.randint(10, 99)}",
        IsReportingTax1099="Yes" if vendor.last_name else "No",
        AddressStreet=street,
        **address,
    )
    if vendor.release is not None:
        world.change(
            "VendorsV3", {"dataAreaId": row["dataAreaId"], "VendorAccountNumber": vendor.account}, VendorHoldReleaseDate=vendor.release
        )
    if rng.random() < 0.1:
        _add_remit_to(world, vendor, street, address)
    return vendor


def _add_remit_to(world: D365World, vendor: Vendor, street: str, address: dict[str, str]) -> None:
    """A lockbox, the one before it that is no longer valid, and one that is announced; and a warehouse that nothing is remitted to."""
    lockbox = f"LB{vendor.account.strip()}"
    for number, (location, roles, valid_from, valid_to) in enumerate(
        (
            (lockbox, "Remit-to", "2015-01-01T00:00:00Z", "2022-12-31T23:59:59Z"),
            (lockbox, "Business;Remit-to", "2023-01-01T00:00:00Z", "2099-12-31T23:59:59Z"),
            (lockbox, "Remit-to", "2100-01-01T00:00:00Z", "2154-12-31T23:59:59Z"),
            (f"WH{vendor.account.strip()}", "Delivery", "2024-01-01T00:00:00Z", "2154-12-31T23:59:59Z"),
        )
    ):
        world.add(
            "VendVendorPostalAddresses",
            dataAreaId=vendor.company.area,
            VendorLegalEntityId=vendor.company.id,
            VendorAccountNumber=vendor.account,
            AddressLocationId=location,
            AddressValidFrom=valid_from,
            AddressValidTo=valid_to,
            AddressDescription="Warehouse" if roles == "Delivery" else "Lockbox",
            AddressLocationRoles=roles,
            AddressStreet=f"PO Box {number + 1}, {street}",
            IsPrimary="No",
            **address,
        )


def add_known_to_avid(world: AvidWorld, rng: Random, vendors: list[Vendor]) -> None:
    """Vendors that AvidXchange already has: most as in D365, one under an old name, one that D365 does not know."""
    known = rng.sample([vendor for vendor in vendors if vendor.kind == "plain"], max(2, len(vendors) // 60))
    for vendor in known:
        world.add_vendor(vendor.company.accounting_system, vendor.account, vendor.name)
    renamed = known[0]
    world.add_vendor(renamed.company.accounting_system, renamed.account, f"{renamed.name} (old name)")
    world.add_vendor(COMPANIES[0].accounting_system, "AVID-ONLY-1", "Set up in AvidXchange alone")

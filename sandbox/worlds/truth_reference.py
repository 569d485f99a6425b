"""What AvidXchange must hold of D365's vendors, accounts and dimension values (the design's table 'Active in AvidXchange')."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from sandbox.avid.wire import Json, Row
from sandbox.d365 import table
from sandbox.d365.schema import EMPTY_DATE, day_of
from sandbox.worlds.model import CompanyFacts, World
from sandbox.worlds.report import Comparison
from sandbox.worlds.strings import MAIN_ACCOUNT

HOLDS = ("Invoice", "All", "Payment")
NOT_POSTABLE = ("Total", "Reporting")
DESCRIPTION_LENGTH = 50
Key = TypeVar("Key", tuple[int, str], tuple[int, str, str])
"""Accounting system and vendor, or accounting system, code group and code."""


@dataclass(frozen=True)
class Wanted:
    """What must be known of one vendor or code: whether it is active, and the fields that an active one must show."""

    active: bool
    fields: Mapping[str, Json]


def compare_vendors(world: World, report: Comparison, *, remit_to_role: str = "") -> None:
    """Every D365 vendor is in its accounting system once, active or not as it must be; what D365 does not know is as it was,
    or was sent and is inactive since it is gone from D365.

    With a role, AvidXchange remits to the address that has it today, else to the vendor's primary one.
    """
    wanted: dict[tuple[int, str], Wanted] = {}
    for company in world.connection["companies"]:
        for row in world.d365.find("VendorsV3", dataAreaId=company["id"]):
            wanted[company["accounting_system"], row.text("VendorAccountNumber")] = _vendor(world, row, remit_to_role)
    _compare(report, "vendor", wanted, world.avid.vendors, world.beginning.vendors)


def compare_codes(world: World, report: Comparison) -> None:
    """Every account and dimension value is a code of its group, active or not as it must be; what D365 does not know is as it was."""
    wanted: dict[tuple[int, str, str], Wanted] = {}
    for company in world.connection["companies"]:
        system, groups = company["accounting_system"], world.connection["code_groups"]
        for row, active in _accounts(world, company):
            wanted[system, groups[MAIN_ACCOUNT], row.text("MainAccountId")] = _code(active, row.text("Name"))
        for row, active in _values(world, company):
            key = (system, groups[row.text("FinancialDimension")], row.text("DimensionValue"))
            wanted[key] = _code(active, row.text("Description"))
    _compare(report, "code", wanted, world.avid.codes, world.beginning.codes)


def _compare(report: Comparison, what: str, wanted: Mapping[Key, Wanted], found: Mapping[Key, Row], before: Mapping[Key, Row]) -> None:
    for key, want in wanted.items():
        report.count(f"{what}s {'active' if want.active else 'inactive'}")
        _compare_row(report, f"AvidXchange {what} {_named(key)}", want, found.get(key))
    for there, row in found.items():
        gone = there not in before and row["IsActive"] is False
        if there not in wanted and before.get(there) != row and not gone:
            report.differ(f"AvidXchange {what} {_named(there)} is not in D365, but was {'changed' if there in before else 'created'}.")
    for name, times in Counter(_named(there).casefold() for there in found).items():
        if times > 1:
            report.differ(f"AvidXchange {what} {name} is there {times} times.")


def _compare_row(report: Comparison, subject: str, want: Wanted, row: Row | None) -> None:
    active = row is not None and row["IsActive"] is True
    if active != want.active:
        stands = "is missing" if row is None else "is active" if active else "is inactive"
        report.differ(f"{subject} {stands}, expected {'active' if want.active else 'inactive'}.")
    elif row is not None and active:
        for name, value in want.fields.items():
            report.check(subject, name, row.get(name) or "", value)


def _vendor(world: World, row: table.Row, remit_to_role: str) -> Wanted:
    """A tenant that takes over nothing but the active flag is asked for no more than that."""
    release = row.text("VendorHoldReleaseDate")
    released = release != EMPTY_DATE and day_of(release) <= _today(world)
    person = " ".join(part for part in (row.text("PersonFirstName"), row.text("PersonMiddleName"), row.text("PersonLastName")) if part)
    fields: dict[str, Json] = {"VendorName": row.text("VendorOrganizationName") or person}
    if row["PrimaryEmailAddress"]:
        fields["EmailAddress"] = row.text("PrimaryEmailAddress")
    if remit_to_role:
        fields["RemitToAddress"] = _remit_to(world, row, remit_to_role)
    takes_all = world.avid.switches.vendor_updates == "all"
    return Wanted(released or row["OnHoldStatus"] not in HOLDS, fields if takes_all else {})


def _remit_to(world: World, vendor: table.Row, role: str) -> Json:
    account, now = vendor.text("VendorAccountNumber"), world.d365.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    valid = [
        row
        for row in world.d365.find("VendVendorPostalAddresses", dataAreaId=vendor.text("dataAreaId"), VendorAccountNumber=account)
        if row.text("AddressValidFrom") <= now <= row.text("AddressValidTo") and role in row.text("AddressLocationRoles").split(";")
    ]
    row = max(valid, key=lambda found: found.text("AddressValidFrom"), default=vendor)
    names = {"Line1": "AddressStreet", "City": "AddressCity", "State": "AddressStateId", "PostalCode": "AddressZipCode"}
    known: dict[str, Json] = {theirs: row.text(ours) or None for theirs, ours in names.items()}
    return {**known, "Line2": None, "Line3": None, "Line4": None, "CountryCode": row.text("AddressCountryRegionId") or None}


def _accounts(world: World, company: CompanyFacts) -> Iterator[tuple[table.Row, bool]]:
    today, chart = _today(world), world.d365.one("Ledgers", LegalEntityId=company["id"])["ChartOfAccounts"]
    own = {
        row["MainAccountId"]: row for row in world.d365.find("MainAccountLegalEntities", ChartOfAccounts=chart, LegalEntityId=company["id"])
    }
    for row in world.d365.find("MainAccounts", ChartOfAccounts=chart):
        rows = [row] if row["MainAccountId"] not in own else [row, own[row["MainAccountId"]]]
        usable = all(_in_use(part, today) and part["DoNotAllowManualEntry"] == "No" for part in rows)
        yield row, usable and row["MainAccountType"] not in NOT_POSTABLE


def _values(world: World, company: CompanyFacts) -> Iterator[tuple[table.Row, bool]]:
    today, found = _today(world), world.d365.find("FinancialDimensionValueLegalEntityOverridesV2", LegalEntityId=company["id"])
    overrides = {(row["FinancialDimension"], row["DimensionValue"]): row for row in found}
    for row in world.d365.rows("FinancialDimensionValues"):
        if row["FinancialDimension"] not in world.connection["code_groups"] or row.text("LegalEntityId").lower() not in (
            "",
            company["id"].lower(),
        ):
            continue
        override = overrides.get((row["FinancialDimension"], row["DimensionValue"]))
        parts = [row] if override is None else [row, override]
        usable = row["IsTotal"] == "No" and row["IsBlockedForManualEntry"] == "No"
        yield row, usable and all(_in_use(part, today) for part in parts)


def _in_use(row: table.Row, today: date) -> bool:
    """Not suspended and in date; an empty date is no limit."""
    starts, ends = row.text("ActiveFrom"), row.text("ActiveTo")
    in_date = (starts == EMPTY_DATE or day_of(starts) <= today) and (ends == EMPTY_DATE or day_of(ends) >= today)
    return row["IsSuspended"] == "No" and in_date


def _code(active: bool, description: str) -> Wanted:
    return Wanted(active, {"EnterpriseCodeValueDescription": description[:DESCRIPTION_LENGTH]})


def _named(key: Key) -> str:
    return f"{' '.join(repr(part) for part in key[1:])} of accounting system {key[0]}"


def _today(world: World) -> date:
    return world.d365.now().date()

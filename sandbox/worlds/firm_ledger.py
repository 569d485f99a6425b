"""The shared chart of accounts and the dimension values, good ones and one of every kind that cannot be used."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

from sandbox.d365.world import D365World
from sandbox.worlds.firm_setup import CHART, COMPANIES, DIMENSIONS
from sandbox.worlds.words import ACCOUNT_ASPECTS, ACCOUNT_TOPICS, BUILDING_KINDS, BUILDINGS, FAMILY_NAMES


@dataclass
class Ledger:
    """What invoices may be coded to. `bad_accounts` and `bad_values` hold one unusable example per kind; the kinds `…-here` are bad
    in the first company only."""

    accounts: list[str] = field(default_factory=list)
    values: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """company area -> dimension -> usable values."""
    bad_accounts: dict[str, str] = field(default_factory=dict)
    bad_values: dict[str, tuple[str, str]] = field(default_factory=dict)
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    """(dimension or MainAccount, value) -> description."""


BALANCE_ACCOUNTS = (
    ("110110", "Operating cash", "Asset"),
    ("110120", "Card clearing", "Asset"),
    ("130100", "Tenant receivables", "Asset"),
    ("150100", "Building improvements", "Asset"),
    ("200100", "Accounts payable", "Liability"),
    ("210100", "Tenant deposits", "Liability"),
    ("300100", "Partners' capital", "Equity"),
    ("401100", "Rental income", "Revenue"),
    ("402100", "Parking income", "Revenue"),
    ("520200", "Vendor cash discounts", "Revenue"),
)


def add_ledger(world: D365World, rng: Random, today: date, accounts: int, buildings: int) -> Ledger:
    """Put the chart and the dimension values into D365; returns what can be coded and what cannot."""
    ledger = Ledger(values={company.area: {name: [] for name in DIMENSIONS} for company in COMPANIES})
    _add_balance_accounts(world, ledger)
    _add_bad_accounts(world, ledger, today)
    for number, name in _expense_accounts(accounts - len(BALANCE_ACCOUNTS) - len(ledger.bad_accounts)):
        _add_account(world, ledger, number, name, MainAccountType="Expense")
        ledger.accounts.append(number)
    _add_shared_values(world, ledger)
    _add_bad_values(world, ledger, today)
    _add_buildings(world, ledger, rng, buildings - len(ledger.bad_values))
    return ledger


def _add_account(world: D365World, ledger: Ledger, number: str, name: str, **fields: str | date) -> None:
    world.add("MainAccounts", ChartOfAccounts=CHART, MainAccountId=number, Name=name, **fields)
    ledger.names["MainAccount", number] = name


def _add_balance_accounts(world: D365World, ledger: Ledger) -> None:
    for number, name, kind in BALANCE_ACCOUNTS:
        _add_account(world, ledger, number, name, MainAccountType=kind)


def _add_bad_accounts(world: D365World, ledger: Ledger, today: date) -> None:
    bad: dict[str, tuple[str, str, dict[str, str | date]]] = {
        "suspended": ("618010", "Fax line rental", {"IsSuspended": "Yes"}),
        "total": ("699999", "Total operating expense", {"MainAccountType": "Total"}),
        "reporting": ("699000", "Reporting: net operating income", {"MainAccountType": "Reporting"}),
        "ended": ("618020", "Coal and coke", {"ActiveFrom": date(2009, 1, 1), "ActiveTo": today - timedelta(days=60)}),
        "future": ("618030", "Heat pump service", {"ActiveFrom": today + timedelta(days=60)}),
        "no-manual": ("618040", "Depreciation of buildings", {"DoNotAllowManualEntry": "Yes"}),
        "suspended-here": ("618050", "Boiler permits", {}),
        "no-manual-here": ("618060", "Management fee, intercompany", {}),
    }
    for kind, (number, name, fields) in bad.items():
        _add_account(world, ledger, number, name, **{"MainAccountType": "Expense", **fields})
        ledger.bad_accounts[kind] = number
    here = {"ChartOfAccounts": CHART, "LegalEntityId": COMPANIES[0].id}
    world.add("MainAccountLegalEntities", MainAccountId=ledger.bad_accounts["suspended-here"], IsSuspended="Yes", **here)
    world.add("MainAccountLegalEntities", MainAccountId=ledger.bad_accounts["no-manual-here"], DoNotAllowManualEntry="Yes", **here)


def _expense_accounts(count: int) -> Iterator[tuple[str, str]]:
    for index in range(count):
        topic, aspect = ACCOUNT_TOPICS[index % len(ACCOUNT_TOPICS)], ACCOUNT_ASPECTS[index // len(ACCOUNT_TOPICS) % len(ACCOUNT_ASPECTS)]
        yield str(600_100 + 10 * index), f"{topic} - {aspect}"


def _add_value(
    world: D365World, ledger: Ledger, dimension: str, value: str, name: str, fields: Mapping[str, str | date] | None = None
) -> None:
    """Without a LegalEntityId it is a value of all companies."""
    world.add("FinancialDimensionValues", FinancialDimension=dimension, DimensionValue=value, Description=name, **(fields or {}))
    ledger.names[dimension, value] = name


def _usable(ledger: Ledger, dimension: str, value: str, owner: str = "") -> None:
    for company in COMPANIES:
        if owner in ("", company.id):
            ledger.values[company.area][dimension].append(value)


def _add_shared_values(world: D365World, ledger: Ledger) -> None:
    units = (("RES", "Residential"), ("COM", "Commercial"), ("MIX", "Mixed use"), ("MGT", "Management"), ("DEV", "Development"))
    centers = tuple((f"{100 + 10 * number}", f"{name} cost center") for number, name in enumerate(FAMILY_NAMES[:14]))
    departments = (
        ("OPS", "Operations"),
        ("MNT", "Maintenance"),
        ("LEA", "Leasing"),
        ("FIN", "Finance"),
        ("CAP", "Capital works"),
        ("R&D", "Retrofit & design"),
    )
    for dimension, rows in (("BusinessUnit", units), ("CostCenter", centers), ("Department", departments)):
        for value, name in rows:
            _add_value(world, ledger, dimension, value, name)
            _usable(ledger, dimension, value)


def _add_bad_values(world: D365World, ledger: Ledger, today: date) -> None:
    bad: dict[str, dict[str, str | date]] = {
        "suspended": {"IsSuspended": "Yes"},
        "ended": {"ActiveTo": today - timedelta(days=60)},
        "total": {"IsTotal": "Yes"},
        "blocked": {"IsBlockedForManualEntry": "Yes"},
        "future": {"ActiveFrom": today + timedelta(days=45)},
        "suspended-here": {},
    }
    for index, (kind, fields) in enumerate(bad.items()):
        value = f"OLD{index + 1:02d}"
        _add_value(world, ledger, "Building", value, f"{FAMILY_NAMES[index]} Annex", fields)
        ledger.bad_values[kind] = ("Building", value)
    value = ledger.bad_values["suspended-here"][1]
    override = "FinancialDimensionValueLegalEntityOverridesV2"
    world.add(override, FinancialDimension="Building", DimensionValue=value, LegalEntityId=COMPANIES[0].id, IsSuspended="Yes")


def _add_buildings(world: D365World, ledger: Ledger, rng: Random, count: int) -> None:
    """Most belong to one company, every fifth to all; every fourth value holds the delimiter."""
    for index in range(count):
        name = f"{BUILDINGS[index % len(BUILDINGS)]} {BUILDING_KINDS[(index + index // len(BUILDINGS)) % len(BUILDING_KINDS)]}"
        number = rng.randint(10, 99)
        value = f"{name[:3].upper()}-{index:02d}" if index % 4 == 3 else f"{name[:3].upper()}{index:02d}{number}"
        owner = "" if index % 5 == 4 else COMPANIES[index % len(COMPANIES)].id
        _add_value(world, ledger, "Building", value, name, {"LegalEntityId": owner})
        _usable(ledger, "Building", value, owner)

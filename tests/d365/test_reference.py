"""What is usable in a company."""

from datetime import date

import pytest

from sync.d365.reference import CompanyReference, Reason, active_account, active_value, active_vendor, blocked_for_invoices, chart_of
from sync.d365.rows import DimensionOverride, DimensionValue, MainAccount, MainAccountOverride, Vendor
from sync.d365.wire import Json
from sync.errors import FixConfiguration
from sync.values import noon
from tests.d365.support import Environment, options_of, set_of, tables

DAY = date(2026, 3, 2)
BEFORE, AFTER = date(2026, 3, 1), date(2026, 3, 3)
EMPTY = "1900-01-01T12:00:00Z"
OPEN: dict[str, Json] = {"ActiveFrom": EMPTY, "ActiveTo": EMPTY, "IsSuspended": "No"}


@pytest.mark.parametrize(
    ("hold", "release", "active", "blocked"),
    [
        ("No", None, True, False),
        ("Never", None, True, False),
        ("Requisition", None, True, False),
        ("PurchOrder", None, True, False),
        ("Invoice", None, False, True),
        ("All", None, False, True),
        ("Payment", None, False, False),
        ("All", AFTER, False, True),
        ("All", DAY, True, False),
        ("Payment", BEFORE, True, False),
    ],
)
def test_vendors(hold: str, release: date | None, active: bool, blocked: bool) -> None:
    vendor = Vendor(company="usmf", account="V1", on_hold=hold, hold_release_day=release)
    assert active_vendor(vendor, DAY) is active
    assert blocked_for_invoices(vendor, DAY) is blocked


def account_row(number: str, **changes: Json) -> dict[str, Json]:
    base: dict[str, Json] = {
        "ChartOfAccounts": "Shared",
        "MainAccountId": number,
        "MainAccountType": "Expense",
        "DoNotAllowManualEntry": "No",
    }
    return {**base, **OPEN, **changes}


def override_row(number: str, **changes: Json) -> dict[str, Json]:
    base: dict[str, Json] = {"LegalEntityId": "USMF", "ChartOfAccounts": "Shared", "MainAccountId": number, "DoNotAllowManualEntry": "No"}
    return {**base, **OPEN, **changes}


def value_row(value: str, company: str = "", **changes: Json) -> dict[str, Json]:
    base: dict[str, Json] = {"FinancialDimension": "Building", "LegalEntityId": company, "DimensionValue": value, "IsTotal": "No"}
    return {**base, "IsBlockedForManualEntry": "No", **OPEN, **changes}


def value_override_row(value: str, **changes: Json) -> dict[str, Json]:
    return {"FinancialDimension": "Building", "LegalEntityId": "usmf", "DimensionValue": value, **OPEN, **changes}


TABLES: dict[str, list[dict[str, Json]]] = {
    "Ledgers": [
        {"LegalEntityId": "FRSI", "ChartOfAccounts": "French", "AccountingCurrency": "EUR"},
        {"LegalEntityId": "USMF", "ChartOfAccounts": "Shared", "AccountingCurrency": "USD"},
    ],
    "MainAccounts": [
        account_row("600150"),
        account_row("SUSP", IsSuspended="Yes"),
        account_row("TOTAL", MainAccountType="Total", IsSuspended="Yes"),
        account_row("REPORT", MainAccountType="Reporting"),
        account_row("LATER", ActiveFrom=noon(AFTER)),
        account_row("TODAY", ActiveFrom=noon(DAY), ActiveTo=noon(DAY)),
        account_row("OLD", ActiveTo=noon(BEFORE)),
        account_row("MANUAL", DoNotAllowManualEntry="Yes"),
        account_row("O-SUSP"),
        account_row("O-OLD"),
        account_row("O-MANUAL"),
        account_row("BAD", IsSuspended="Maybe"),
    ],
    "MainAccountLegalEntities": [
        override_row("600150"),
        override_row("O-SUSP", IsSuspended="Yes"),
        override_row("O-OLD", ActiveTo=noon(BEFORE)),
        override_row("O-MANUAL", DoNotAllowManualEntry="Yes"),
    ],
    "FinancialDimensionValues": [
        value_row("B1"),
        value_row("SUSP", IsSuspended="Yes"),
        value_row("TOTAL", IsTotal="Yes"),
        value_row("LATER", ActiveFrom=noon(AFTER)),
        value_row("OLD", ActiveTo=noon(BEFORE)),
        value_row("MANUAL", IsBlockedForManualEntry="Yes"),
        value_row("OWN", "USMF"),
        value_row("THEIRS", "frsi"),
        value_row("BOTH", IsSuspended="Yes"),
        value_row("BOTH", "usmf"),
        value_row("O-SUSP"),
        value_row("O-LATER"),
    ],
    "FinancialDimensionValueLegalEntityOverridesV2": [
        value_override_row("O-SUSP", IsSuspended="Yes"),
        value_override_row("O-LATER", ActiveFrom=noon(AFTER)),
    ],
    "PaymentTerms": [{"dataAreaId": "usmf", "Name": "Net30"}, {"dataAreaId": "usmf", "Name": "COD"}],
    "VendorsV3": [{"dataAreaId": "usmf", "VendorAccountNumber": "V1", "OnHoldStatus": "All"}],
    "DimensionIntegrationFormats": [
        {
            "DimensionFormatName": kind,
            "DimensionFormatType": f"DataEntity{kind}DimensionFormat",
            "FinancialDimensionFormat": names,
            "IsActive": "Yes",
        }
        for kind, names in (("Default", "Building"), ("Ledger", "MainAccount-Building"))
    ],
    "DimensionParameters": [{"Key": 0, "DimensionSegmentDelimiter": "Hyphen"}],
}


def reference() -> tuple[Environment, CompanyReference]:
    it = tables(TABLES)
    return it, CompanyReference(it.client, "usmf", DAY)


@pytest.mark.parametrize(
    ("account", "reason"),
    [
        ("600150", None),
        ("SUSP", "suspended"),
        ("TOTAL", "total"),
        ("REPORT", "total"),
        ("LATER", "not yet active"),
        ("TODAY", None),
        ("OLD", "expired"),
        ("MANUAL", "manual entry blocked"),
        ("O-SUSP", "suspended"),
        ("O-OLD", "expired"),
        ("O-MANUAL", "manual entry blocked"),
        ("BAD", "missing"),
        ("999999", "missing"),
        ("o-susp", "suspended"),
    ],
)
def test_accounts(account: str, reason: Reason | None) -> None:
    assert reference()[1].usable_account(account, DAY) == reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("B1", None),
        ("b1", None),
        ("SUSP", "suspended"),
        ("TOTAL", "total"),
        ("LATER", "not yet active"),
        ("OLD", "expired"),
        ("MANUAL", "manual entry blocked"),
        ("OWN", None),
        ("THEIRS", "other company"),
        ("BOTH", None),
        ("O-SUSP", "suspended"),
        ("O-LATER", "not yet active"),
        ("B2", "missing"),
    ],
)
def test_values(value: str, reason: Reason | None) -> None:
    assert reference()[1].usable_value("Building", value, DAY) == reason


def test_each_set_is_read_once_and_only_when_asked() -> None:
    it, company = reference()
    assert it.sent == []
    for _ in range(2):
        company.usable_account("600150", DAY)
        company.usable_value("Building", "B1", DAY)
        assert company.terms == {"Net30", "COD"}
        assert company.formats.ledger_names == ("MainAccount", "Building")
        assert company.vendor("v1") is company.vendor("V1")
        assert company.vendor("V2") is None
    read = [set_of(request) for request in it.sent]
    assert sorted(read) == sorted([*TABLES, "VendorsV3"])


def test_the_right_rows_are_asked_for() -> None:
    it, company = reference()
    company.usable_account("600150", DAY)
    company.usable_value("Building", "B1", DAY)
    asked = {set_of(request): options_of(request).get("$filter", "") for request in it.sent}
    assert asked == {
        "Ledgers": "",
        "MainAccountLegalEntities": "ChartOfAccounts eq 'Shared' and LegalEntityId eq 'usmf'",
        "MainAccounts": "ChartOfAccounts eq 'Shared'",
        "FinancialDimensionValueLegalEntityOverridesV2": "FinancialDimension eq 'Building' and LegalEntityId eq 'usmf'",
        "FinancialDimensionValues": "FinancialDimension eq 'Building'",
    }


def test_bad_rows_are_kept_for_the_report() -> None:
    _, company = reference()
    company.usable_account("600150", DAY)
    assert [(row.set_name, row.field) for row in company.bad] == [("MainAccounts", "IsSuspended")]


def test_vendors_are_fetched_together() -> None:
    it, company = reference()
    company.prefetch_vendors(["V1", "V2", "V1", "V3"])
    vendor = company.vendor("V1")
    assert vendor is not None
    assert company.vendor("V3") is None
    assert company.blocked_for_invoices(vendor)
    assert [options_of(request)["$filter"] for request in it.sent] == [
        "dataAreaId eq 'usmf' and (VendorAccountNumber eq 'V1' or VendorAccountNumber eq 'V2' or VendorAccountNumber eq 'V3')"
    ]


def test_the_chart_of_a_company_is_found_without_case() -> None:
    it = tables(TABLES)
    assert chart_of(it.client, "usmf") == "Shared"
    with pytest.raises(FixConfiguration, match="no ledger"):
        chart_of(it.client, "demf")


def test_active_is_the_same_rule() -> None:
    account = MainAccount(
        chart="S", account="1", type="Expense", is_suspended=False, no_manual_entry=False, active_from=None, active_to=None
    )
    override = MainAccountOverride(company="usmf", chart="S", account="1", is_suspended=True, active_from=None, active_to=None)
    value = DimensionValue(
        dimension="B", company="", value="1", is_suspended=False, is_total=False, no_manual_entry=False, active_from=None, active_to=None
    )
    closed = DimensionOverride(dimension="B", company="usmf", value="1", is_suspended=True, active_from=None, active_to=None)
    assert (active_account(account, None, DAY), active_account(account, override, DAY)) == (True, False)
    assert (active_value(value, None, DAY), active_value(value, closed, DAY)) == (True, False)

"""Typed rows, held against the recorded entity descriptions."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from sync.d365 import rows
from sync.d365.entity import BadRow, Entity, read_rows, typed
from sync.d365.rows import JournalLine, MainAccount, PostedInvoice, Vendor, VendorTransaction
from sync.d365.wire import Json, JsonRow
from sync.errors import FixData
from sync.values import noon

ENTITIES = Path(__file__).parents[2] / "sandbox" / "d365" / "entities.json"
MODELS = sorted(
    (item for item in vars(rows).values() if isinstance(item, type) and issubclass(item, Entity) and item is not Entity),
    key=lambda item: item.SET,
)
VENDOR: JsonRow = {"dataAreaId": "usmf", "VendorAccountNumber": "US-101", "OnHoldStatus": "No"}
TRANSACTION: JsonRow = {
    "dataAreaId": "usmf",
    "SourceKey": 5637144576,
    "AccountNum": "US-101",
    "Invoice": " INV-1",
    "AmountCur": Decimal("-100.10"),
    "SettleAmountCur": Decimal("-40.00"),
    "Closed": "1900-01-01T12:00:00Z",
    "CurrencyCode": "USD",
    "TransDate": "2026-03-02T12:00:00Z",
    "DueDate": "2026-04-01T12:00:00Z",
}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_exists_in_d365_with_a_fitting_type(model: type[Entity]) -> None:
    fields = json.loads(ENTITIES.read_text())["entitySets"][model.SET]["fields"]
    numbers: dict[object, set[str]] = {bool: {"NoYes"}, Decimal: {"Edm.Decimal"}, int: {"Edm.Int32", "Edm.Int64"}}
    for name, info in model.model_fields.items():
        kind = fields[info.alias]
        if "date" in str(info.annotation):
            assert kind == "Edm.DateTimeOffset", name
        elif info.annotation in numbers:
            assert kind in numbers[info.annotation], name
        else:
            assert kind == "Edm.String" or not kind.startswith("Edm."), name
    assert set(model.KEYS) <= set(model.model_fields)
    assert len(model.SELECT) == len(model.model_fields)


def test_eighteen_sets_and_the_delimiter_are_typed() -> None:
    assert len(MODELS) == len({model.SET for model in MODELS}) == 19


def test_a_vendor() -> None:
    vendor = typed(
        Vendor, {**VENDOR, "VendorHoldReleaseDate": noon(date(2026, 5, 1)), "VendorOrganizationName": None, "IsReportingTax1099": "Yes"}
    )
    assert (vendor.company, vendor.account, vendor.on_hold, vendor.is_1099) == ("usmf", "US-101", "No", True)
    assert vendor.hold_release_day == date(2026, 5, 1)
    assert vendor.organization_name == ""


@pytest.mark.parametrize(
    ("names", "name"),
    [
        ({"VendorOrganizationName": "Acme", "PersonLastName": "x"}, "Acme"),
        ({"PersonFirstName": "Ann", "PersonLastName": "Lee"}, "Ann Lee"),
        ({"PersonFirstName": "Ann", "PersonMiddleName": "B.", "PersonLastName": "Lee"}, "Ann B. Lee"),
        ({"VendorSearchName": "ACME"}, "ACME"),
    ],
)
def test_the_name_of_a_vendor(names: JsonRow, name: str) -> None:
    assert typed(Vendor, {**VENDOR, **names}).name == name


def test_the_invoice_account_is_another_vendors_where_one_is_set() -> None:
    assert typed(Vendor, VENDOR).invoice_account == "US-101"
    assert typed(Vendor, {**VENDOR, "InvoiceVendorAccountNumber": "US-900"}).invoice_account == "US-900"


def test_a_vendor_transaction() -> None:
    row = typed(VendorTransaction, TRANSACTION)
    assert row.invoice == " INV-1"
    assert row.is_open
    assert row.remaining == Decimal("60.10")
    assert not typed(VendorTransaction, {**TRANSACTION, "Closed": noon(date(2026, 3, 5))}).is_open


def test_a_moment_is_utc_and_an_empty_one_none() -> None:
    base: JsonRow = {
        "dataAreaId": "usmf",
        "SourceKey": 1,
        "InvoiceAccount": "a",
        "InvoiceId": "1",
        "InvoiceAmount": 5,
        "CurrencyCode": "USD",
    }
    base["InvoiceDate"] = noon(date(2026, 3, 2))
    assert typed(PostedInvoice, {**base, "SysModifiedDateTime": "2026-03-02T08:00:00Z"}).modified == datetime(2026, 3, 2, 8, tzinfo=UTC)
    assert typed(PostedInvoice, {**base, "SysModifiedDateTime": "1900-01-01T00:00:00Z"}).modified is None
    assert typed(PostedInvoice, base).modified is None


@pytest.mark.parametrize("number", [1, Decimal("1.0"), Decimal("1.0000000000000000"), "1"])
def test_line_numbers_read_the_same_however_they_are_written(number: Json) -> None:
    fields: JsonRow = dict.fromkeys(JournalLine.SELECT, "")
    fields |= {"DebitAmount": 1, "CreditAmount": 0, "LineNumber": number}
    assert str(typed(JournalLine, fields).number) == "1"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"AmountCur": None}, "AmountCur"),
        ({"AmountCur": "ten"}, "AmountCur"),
        ({"AmountCur": Decimal("1E+500")}, "AmountCur"),
        ({"AmountCur": True}, "AmountCur"),
        ({"Closed": "soon"}, "Closed"),
        ({"AccountNum": 7}, "AccountNum"),
        ({"SourceKey": "x"}, "SourceKey"),
    ],
)
def test_a_bad_row_names_set_key_and_field(change: JsonRow, field: str) -> None:
    with pytest.raises(FixData) as caught:
        typed(VendorTransaction, {**TRANSACTION, **change})
    (cause,) = caught.value.causes
    assert (cause.code, cause.field) == ("field-invalid", field)
    assert "VendTransBiEntities (dataAreaId=usmf, SourceKey=" in cause.sentence


@pytest.mark.parametrize("name", ["AmountCur", "SettleAmountCur", "Closed", "dataAreaId"])
def test_a_missing_field_that_decides_is_an_error(name: str) -> None:
    row = {key: value for key, value in TRANSACTION.items() if key != name}
    with pytest.raises(FixData):
        typed(VendorTransaction, row)


@pytest.mark.parametrize("flag", ["Maybe", 1, "yes"])
def test_a_flag_is_yes_or_no(flag: Json) -> None:
    account: JsonRow = {"ChartOfAccounts": "S", "MainAccountId": "1", "MainAccountType": "Expense", "DoNotAllowManualEntry": "No"}
    account |= {"ActiveFrom": "1900-01-01T12:00:00Z", "ActiveTo": "1900-01-01T12:00:00Z"}
    assert typed(MainAccount, {**account, "IsSuspended": None}).is_suspended is False
    with pytest.raises(FixData):
        typed(MainAccount, {**account, "IsSuspended": flag})


def test_a_bad_row_does_not_end_the_crawl() -> None:
    bad: list[BadRow] = []
    crawl: list[JsonRow] = [
        VENDOR,
        {**VENDOR, "VendorAccountNumber": ""},
        {"dataAreaId": "usmf"},
        {**VENDOR, "VendorAccountNumber": "US-102"},
    ]
    assert [vendor.account for vendor in read_rows(Vendor, crawl, bad.append)] == ["US-101", "US-102"]
    assert [(row.set_name, row.key, row.field) for row in bad] == [
        ("VendorsV3", "dataAreaId=usmf, VendorAccountNumber=", "VendorAccountNumber"),
        ("VendorsV3", "dataAreaId=usmf, VendorAccountNumber=?", "VendorAccountNumber"),
    ]


def test_rows_are_frozen_unknown_fields_are_tolerated_and_tax_ids_do_not_show() -> None:
    vendor = typed(Vendor, {**VENDOR, "Tax1099FederalTaxId": "12-3456789", "SomethingNew": 1})
    assert "12-3456789" not in repr(vendor)
    with pytest.raises(ValidationError):
        vendor.account = "other"  # type: ignore[misc] # that it is refused is what is tested

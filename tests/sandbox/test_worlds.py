"""The worlds: the same seed gives the same world, everything the contract tells apart is in it, and the comparison sees what goes wrong."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from sandbox.avid.records import METHOD_IDS, STATUS_IDS
from sandbox.d365.schema import Value
from sandbox.d365.table import Row
from sandbox.worlds import PropertyFirmSize, World, build_contoso, build_property_firm, compare, third_cycle, third_cycle_faults
from sandbox.worlds.firm_invoices import KINDS as INVOICE_KINDS
from sandbox.worlds.firm_payments import KINDS as PAYMENT_KINDS
from tests.sandbox.avid_client import Caller
from tests.sandbox.ideal import Ideal

TODAY = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SETS = ("VendorsV3", "MainAccounts", "FinancialDimensionValues", "VendInvoiceJourBiEntities", "VendTransBiEntities", "VendorInvoiceHeaders")


def small(seed: int = 7) -> World:
    return build_property_firm(seed, TODAY, size=PropertyFirmSize.small())


@pytest.fixture(scope="module")
def firm() -> World:
    """The whole firm, only looked at."""
    return build_property_firm(7, TODAY)


@pytest.fixture
def delivered() -> tuple[World, Ideal]:
    """A rather small firm after a cycle without mistakes."""
    world = build_property_firm(3, TODAY, size=replace(PropertyFirmSize.small(), vendors=30, invoices=42, payments=42))
    ideal = Ideal(world)
    ideal.run()
    return world, ideal


def digest(world: World) -> str:
    rows = [[dict(row.stored) for row in world.d365.rows(name)] for name in SETS]
    documents = [world.avid.vendors, world.avid.codes, world.avid.batches, world.avid.payments, world.expected, world.connection]
    return hashlib.sha256(repr((rows, documents)).encode()).hexdigest()


def test_the_same_seed_gives_the_same_world_and_another_seed_another() -> None:
    assert digest(small(7)) == digest(small(7))
    assert digest(small(7)) != digest(small(8))


def test_a_world_does_not_depend_on_the_process_that_builds_it() -> None:
    script = "from tests.sandbox.test_worlds import digest, small; print(digest(small()))"
    root = str(Path(__file__).parents[2])
    digests = {
        subprocess.run(
            [sys.executable, "-c", script], env={**os.environ, "PYTHONHASHSEED": seed}, cwd=root, check=True, capture_output=True
        ).stdout
        for seed in ("1", "2")
    }
    assert digests == {f"{digest(small())}\n".encode()}


def test_the_firm_has_the_sizes_that_are_promised(firm: World) -> None:
    buildings = firm.d365.find("FinancialDimensionValues", FinancialDimension="Building")
    assert [len(firm.d365.rows(name)) for name in ("LegalEntities", "VendorsV3", "MainAccounts")] == [3, 1_200, 350]
    assert len(buildings) == 60
    assert len(firm.expected.invoices) == sum(len(batch.invoices) for batch in firm.avid.batches.values()) == 500
    assert len(firm.expected.payments) == len(firm.avid.payments) == 300
    assert len(firm.avid.accounting_systems) == 3


def test_a_small_firm_is_small_and_still_has_the_main_kinds() -> None:
    world = small()
    assert len(world.d365.rows("VendorsV3")) == 30
    assert len(world.expected.invoices) == 12
    assert len(world.expected.payments) == 8
    assert {item.fate.action for item in world.expected.invoices.values()} == {"write", "adopt", "park", "leave"}
    assert {item.fate.action for item in world.expected.payments.values()} == {"write", "park", "leave"}


def test_vendor_accounts_and_names_hold_every_awkward_character(firm: World) -> None:
    rows = firm.d365.rows("VendorsV3")
    accounts = [row.text("VendorAccountNumber") for row in rows]
    assert all(any(mark in account for account in accounts) for mark in ("-", "'", "Ä"))
    assert any(account.startswith(" ") for account in accounts)
    assert any(not row.text("VendorOrganizationName").isascii() for row in rows)
    assert any(row["PersonLastName"] and not row["VendorOrganizationName"] for row in rows)
    assert any(row["InvoiceVendorAccountNumber"] not in ("", row["VendorAccountNumber"]) for row in rows)


def test_every_hold_status_is_there_with_releases_before_and_after_today(firm: World) -> None:
    rows = firm.d365.rows("VendorsV3")
    assert {row["OnHoldStatus"] for row in rows} == {"No", "Invoice", "All", "Payment", "Requisition", "Never", "PurchOrder"}
    for status in ("Invoice", "All", "Payment"):
        releases = {row.text("VendorHoldReleaseDate")[:10] for row in rows if row["OnHoldStatus"] == status}
        assert "1900-01-01" in releases
        assert any("1900-01-01" < release <= "2026-11-20" for release in releases)
        assert any(release > "2026-11-20" for release in releases)


def test_every_kind_of_invoice_and_payment_has_a_fate(firm: World) -> None:
    causes = {str(item.fate) for item in firm.expected.invoices.values()}
    assert {"write", "adopt", "park:conflict", "park:duplicate-number", "park:purchase-order", "leave:before-start"} <= causes
    assert len(causes) == 19
    assert len(INVOICE_KINDS) * 3 < 500
    assert len(PAYMENT_KINDS) * 2 < 300


def test_payments_come_in_every_status_and_method_of_the_contract(firm: World) -> None:
    payments = firm.avid.payments.values()
    assert set(STATUS_IDS) <= {payment.status for payment in payments}
    assert set(METHOD_IDS) <= {payment.method for payment in payments}
    assert any(payment.status not in STATUS_IDS for payment in payments)
    assert all(payment.avidpay_check_number.startswith("00") for payment in payments if payment.method == "AvidPay Check")
    assert all(len(payment.ach_trace_number) == 15 for payment in payments if payment.method in ("ACH", "AvidPay Direct"))


def test_amounts_add_up_wherever_they_are_not_parked(firm: World) -> None:
    for item in firm.expected.invoices.values():
        if item.fate.action in ("write", "adopt"):
            invoice = firm.avid.invoice(item.id)
            assert invoice.gross == item.gross == sum((line.amount for line in invoice.distributions), Decimal(0))
    for payment in firm.expected.payments.values():
        if payment.fate.action == "write":
            remittances = firm.avid.payments[payment.id].remittances
            assert payment.amount == sum((remittance.net for remittance in remittances), Decimal(0)) > 0
            assert all(remittance.gross - remittance.discount == remittance.net for remittance in remittances)


def test_a_written_payment_pays_open_posted_invoices_of_its_account(firm: World) -> None:
    for payment in firm.expected.payments.values():
        for settlement in payment.settlements if payment.fate.action == "write" else ():
            row = firm.d365.one("VendTransBiEntities", dataAreaId=payment.company, AccountNum=payment.account, Invoice=settlement.number)
            assert row["Closed"] == "1900-01-01T12:00:00Z"
            assert row["CurrencyCode"] == payment.currency
            assert abs(row.amount("AmountCur")) >= abs(settlement.gross)
            assert (row.amount("AmountCur") < 0) == (settlement.gross > 0)


def test_dates_are_relative_to_today_and_documents_before_the_start_are_left(firm: World) -> None:
    start = firm.connection["start_from"]
    for batch in firm.avid.batches.values():
        assert batch.date_closed is not None
        assert batch.date_closed < TODAY
        fates = {firm.expected.invoices[batch.accounting_system, invoice.id].fate.why for invoice in batch.invoices}
        assert ("before-start" in fates) == (batch.date_closed.date() < start)
    assert all(payment.last_modified < TODAY for payment in firm.avid.payments.values())


def test_avidxchange_knows_some_vendors_already_one_of_them_under_an_old_name(firm: World) -> None:
    known = firm.beginning.vendors
    names = {row["VendorName"] for row in known.values()}
    assert len(known) > 10
    assert any(str(name).endswith("(old name)") for name in names)
    assert (4101, "AVID-ONLY-1") in known


@pytest.mark.slow
def test_codes_of_invoices_are_usable_exactly_where_no_code_is_the_reason_to_park() -> None:
    world = build_property_firm(7, TODAY)
    Ideal(world).run()
    usable = {key for key, row in world.avid.codes.items() if row["IsActive"] is True}
    for item in world.expected.invoices.values():
        invoice = world.avid.invoice(item.id)
        coded = {(item.accounting_system, code.group, code.value) for line in invoice.distributions for code in line.codes}
        about_codes = item.fate.why in ("account-missing", "account-not-usable", "dimension-missing", "dimension-not-usable", "several")
        assert about_codes == (not coded <= usable), (item, coded - usable)


def test_a_world_that_nothing_was_done_to_differs_in_everything_to_be_done() -> None:
    report = compare(small())
    assert not report.agrees
    assert any("is missing, expected active" in sentence for sentence in report.differences)
    assert any("is in D365 0 times, expected once" in sentence for sentence in report.differences)
    assert any("0 journal lines, expected one" in sentence for sentence in report.differences)


@pytest.mark.parametrize(
    "build", [small, lambda: build_contoso(TODAY), pytest.param(lambda: build_property_firm(11, TODAY), marks=pytest.mark.slow)]
)
def test_both_truths_agree_after_a_cycle_without_mistakes(build: Callable[[], World]) -> None:
    world = build()
    Ideal(world).run()
    report = compare(world)
    assert report.differences == []
    assert report.agrees
    assert all(total.found == total.expected != 0 for total in report.totals.values())


@pytest.mark.parametrize("seed", range(10))
def test_every_seed_gives_a_world_that_lasts_for_three_cycles(seed: int) -> None:
    world = small(seed)
    ideal = Ideal(world)
    ideal.run()
    assert compare(world).differences == []
    third_cycle(world)
    ideal.run()
    assert compare(world).differences == []


def test_the_third_cycle_changes_both_systems_and_the_truth(delivered: tuple[World, Ideal]) -> None:
    world, ideal = delivered
    said = third_cycle(world)
    assert [sum(word in sentence for sentence in said) for word in ("released", "put on hold", "now called", "posted", "cleared")] == [
        1,
        1,
        1,
        2,
        3,
    ]
    assert not compare(world).agrees
    ideal.run()
    assert compare(world).differences == []


def test_a_payment_of_posted_invoices_carries_the_values_that_its_distributions_share(delivered: tuple[World, Ideal]) -> None:
    world, ideal = delivered
    waiting = [payment.id for payment in world.expected.payments.values() if payment.fate.why == "invoice-not-posted"][:2]
    third_cycle(world)
    ideal.run()
    lines = [world.d365.one("VendorPaymentJournalLines", PaymentId=str(number)) for number in waiting]
    assert any(line.text("DefaultDimensionsForAccountDisplayValue").strip("-") for line in lines)


def test_the_faults_of_the_third_cycle_are_a_storm_and_two_lost_replies() -> None:
    world = small()
    faults = third_cycle_faults(world)
    assert [fault.kind for fault in faults] == ["status", "status", "drop_reply", "drop_reply"]
    assert {fault.host for fault in faults} == {world.d365.host, world.avid.host}


def first(world: World, set_name: str) -> Row:
    """The first row that the connector wrote; builders' rows of pending invoices start with HAND."""
    return next(row for row in world.d365.rows(set_name) if not str(row.get("HeaderReference", "")).startswith("HAND"))


def change(set_name: str, **changes: Value) -> Callable[[World, Ideal], None]:
    return lambda world, _: world.d365.change_row(set_name, first(world, set_name), changes)


def remove(set_name: str) -> Callable[[World, Ideal], None]:
    return lambda world, _: world.d365.remove_row(set_name, first(world, set_name))


def second_invoice(world: World, ideal: Ideal) -> None:
    row = first(world, "VendorInvoiceHeaders")
    ideal.post(
        "VendorInvoiceHeaders",
        dataAreaId=row["dataAreaId"],
        InvoiceAccount=row["InvoiceAccount"],
        InvoiceNumber=row.text("InvoiceNumber").lower(),
    )


def parked_invoice(world: World, ideal: Ideal) -> None:
    item = next(item for item in world.expected.invoices.values() if item.fate.why == "sum-differs")
    ideal.post("VendorInvoiceHeaders", dataAreaId=item.company, InvoiceAccount=item.invoice_account, InvoiceNumber=item.number)


def second_payment(world: World, ideal: Ideal) -> None:
    row = first(world, "VendorPaymentJournalLines")
    names = ("dataAreaId", "JournalBatchNumber", "CurrencyCode", "AccountType", "AccountDisplayValue", "PaymentId", "DebitAmount")
    ideal.post("VendorPaymentJournalLines", LineNumber=Decimal(900), **{name: row[name] for name in names})


def touched_by_hand(world: World, _: Ideal) -> None:
    row = next(row for row in world.d365.rows("VendorInvoiceHeaders") if row.text("HeaderReference").startswith("HAND"))
    world.d365.change_row("VendorInvoiceHeaders", row, {"Comment": "AvidXchange"})


def doubled_vendor(world: World, _: Ideal) -> None:
    (system, account), row = next((key, row) for key, row in world.avid.vendors.items() if key[1].startswith("V-"))
    Caller(world.avid).post("/v1/vendors", [{**row, "AccountingSystemId": system, "VendorExternalSystemID": account.lower()}])


def deactivated(world: World, _: Ideal) -> None:
    world.avid.codes[4101, "GL Account", "000001"] = {**world.avid.codes[4101, "GL Account", "000001"], "IsActive": False}


def held_vendor_active(world: World, _: Ideal) -> None:
    key = next(key for key, row in world.avid.vendors.items() if row["IsActive"] is False)
    world.avid.vendors[key] = {**world.avid.vendors[key], "IsActive": True}


def not_acknowledged(world: World, _: Ideal) -> None:
    world.avid.acknowledgements.pop()


def empty_journal(world: World, ideal: Ideal) -> None:
    ideal.post("VendorPaymentJournalHeaders", dataAreaId="tqe", JournalName="AVXPAY")


def written_account(world: World, ideal: Ideal) -> None:
    chart = world.d365.rows("MainAccounts")[0]["ChartOfAccounts"]
    ideal.post("MainAccounts", ChartOfAccounts=chart, MainAccountId="000002", Name="Ours")


@pytest.mark.parametrize(
    ("mistake", "sentence"),
    [
        (second_invoice, "is in D365 2 times, expected once"),
        (parked_invoice, "that must not be there"),
        (remove("VendorInvoiceHeaders"), "is in D365 0 times, expected once"),
        (change("VendorInvoiceHeaders", ImportedAmount=Decimal("0.01")), "ImportedAmount is 0.01"),
        (change("VendorInvoiceHeaders", Date="2026-01-01T12:00:00Z"), "Date is 2026-01-01"),
        (change("VendorInvoiceHeaders", MethodOfPayment=""), "MethodOfPayment is ''"),
        (change("VendorInvoiceLines", SalesTaxGroup="ALL"), "SalesTaxGroup is 'ALL'"),
        (change("VendorInvoiceLines", Amount=Decimal("0.01")), "must not be there"),
        (change("VendorInvoiceLines", DimensionDisplayValue="RES---"), "is missing"),
        (remove("VendorInvoiceLines"), "is missing"),
        (touched_by_hand, "entered by hand, is changed"),
        (second_payment, "has 2 journal lines, expected one"),
        (remove("VendorPaymentJournalLines"), "has 0 journal lines, expected one"),
        (change("VendorPaymentJournalLines", CheckNumber="1"), "CheckNumber is '1'"),
        (
            change("VendorPaymentJournalLines", DefaultDimensionsForAccountDisplayValue="COM---"),
            "DefaultDimensionsForAccountDisplayValue is 'COM---'",
        ),
        (change("VendorPaymentJournalLines", PaymentId="1"), "PaymentId '1' that must not be there"),
        (remove("VendorPaymentJournalLineSettledInvoices"), "is missing"),
        (
            change("VendorPaymentJournalLineSettledInvoices", CashDiscountToTakeInInvoiceCurrency=Decimal(1)),
            "and discount 1 must not be there",
        ),
        (empty_journal, "has no lines"),
        (doubled_vendor, "is there 2 times"),
        (deactivated, "is not in D365, but was changed"),
        (held_vendor_active, "is active, expected inactive"),
        (not_acknowledged, "has not been acknowledged"),
        (written_account, "nothing may be written there"),
    ],
)
def test_the_comparison_sees_a_mistake(delivered: tuple[World, Ideal], mistake: Callable[[World, Ideal], None], sentence: str) -> None:
    world, ideal = delivered
    assert compare(world).agrees
    mistake(world, ideal)
    report = compare(world)
    assert not report.agrees
    assert any(sentence in difference for difference in report.differences), report.differences


def test_a_cent_is_a_difference_in_the_totals(delivered: tuple[World, Ideal]) -> None:
    world, _ = delivered
    row = first(world, "VendorPaymentJournalLines")
    world.d365.change_row("VendorPaymentJournalLines", row, {"DebitAmount": row.amount("DebitAmount") + Decimal("0.01")})
    report = compare(world)
    total = report.totals["payments", row.text("dataAreaId"), row.text("CurrencyCode")]
    assert total.found - total.expected == Decimal("0.01")


def test_contoso_is_usmf_with_its_public_facts_only() -> None:
    world = build_contoso(TODAY)
    assert [row["LegalEntityId"] for row in world.d365.rows("LegalEntities")] == ["USMF"]
    assert len(world.d365.rows("VendorsV3")) == 9
    assert world.d365.one("VendorsV3", VendorAccountNumber="1003")["CurrencyCode"] == "CAD"
    assert {row["Name"] for row in world.d365.rows("JournalNames")} == {"VendPay", "APInvoice"}
    assert world.d365.rows("VendTransBiEntities") == []


def test_the_start_of_a_world_is_25_days_ago() -> None:
    assert small().connection["start_from"] == date(2026, 10, 26)

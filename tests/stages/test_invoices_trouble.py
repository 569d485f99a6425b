"""What people and settings in D365 do to invoices: deleted ones, missing categories, tax groups, changed formats."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pytest

from sandbox.avid import Code, Invoice
from sandbox.d365.switches import D365Switches
from sandbox.d365.table import Row
from sandbox.faults import Fault
from sandbox.worlds.model import ExpectedInvoice
from sandbox.worlds.truth import compare
from sync.ledger.model import State
from tests.stages.test_invoices import refusal
from tests.support.deliveries import Firm

HEADERS, LINES = "VendorInvoiceHeaders", "VendorInvoiceLines"
WATCHED = "$select=dataAreaId%2CHeaderReference"


def header(firm: Firm, item: ExpectedInvoice) -> Row:
    return firm.world.d365.one(HEADERS, dataAreaId=item.company, InvoiceAccount=item.invoice_account, InvoiceNumber=item.number)


def key(row: Row) -> Mapping[str, str]:
    return {"dataAreaId": row.text("dataAreaId"), "HeaderReference": row.text("HeaderReference")}


def codes(firm: Firm, item: ExpectedInvoice) -> list[str]:
    return sorted(cause.code for cause in firm.record(item).causes)


# --- deleted by a person -----------------------------------------------------------------------------------------------------------


def test_a_pending_invoice_that_a_person_deleted_is_an_exception_and_is_not_written_again() -> None:
    firm = Firm.build()
    item = firm.to_write()
    firm.cycle()
    reference = header(firm, item).text("HeaderReference")
    firm.world.d365.remove(HEADERS, key(header(firm, item)))
    writes = len(firm.world.d365.writes)
    for _ in range(2):
        firm.cycle(minutes=15)
    record = firm.record(item)
    assert record.state is State.WRITTEN
    assert codes(firm, item) == ["written-gone"]
    assert reference in record.causes[0].sentence
    assert firm.steps(item)[-1] == "noticed"
    assert firm.steps(item).count("noticed") == 1, "said once"
    assert len(firm.world.d365.writes) == writes
    assert [failure.cause.code for failure in firm.failures(firm.invoice_place(item)) if failure.key == record.key] == ["written-gone"]


def test_the_exception_goes_when_the_invoice_is_seen_again() -> None:
    firm = Firm.build()
    item = firm.to_write()
    firm.cycle()
    row = header(firm, item)
    firm.world.d365.remove(HEADERS, key(row))
    firm.cycle(minutes=15)
    firm.world.d365.add(HEADERS, **row.stored)
    firm.cycle(minutes=15)
    assert codes(firm, item) == []


def test_written_invoices_are_asked_for_together() -> None:
    firm = Firm.build()
    firm.cycle()
    host, before = firm.world.d365.host, len(firm.deployment.network.exchanges)
    firm.cycle(minutes=15)
    asked = [item for item in firm.deployment.network.exchanges[before:] if item.host == host and item.target.endswith(WATCHED)]
    written = [item for item in firm.world.expected.invoices.values() if item.fate.action == "write"]
    assert len(written) > len(firm.world.connection["companies"])
    assert len(asked) == len({item.company for item in written})


# --- lines with only an account ----------------------------------------------------------------------------------------------------


def test_lines_with_only_an_account_name_the_setting_that_is_missing() -> None:
    firm = Firm.build(switches=D365Switches(account_only_lines="refuse"))
    firm.cycle()
    [cause] = firm.record(firm.to_write()).causes
    assert (cause.code, cause.field) == ("not-mapped", "companies.procurement_category")
    assert "companies.procurement_hierarchy" in cause.sentence
    assert firm.headers(firm.to_write()) == [], "the header without its lines is deleted"


def test_lines_carry_the_companys_category_where_one_is_named() -> None:
    firm = Firm.build(switches=D365Switches(account_only_lines="refuse"))
    firm.configure(companies={"procurement_category": "Services", "procurement_hierarchy": "Procurement"})
    firm.cycle()
    assert compare(firm.world).agrees, compare(firm.world).differences
    rows = own_lines(firm)
    assert {(row["ProcurementCategoryName"], row["ProcurementCategoryHierarchyName"]) for row in rows} == {("Services", "Procurement")}


# --- tax ---------------------------------------------------------------------------------------------------------------------------


def coded_with_tax(firm: Firm, item: ExpectedInvoice) -> None:
    """The first line of the invoice carries an item sales tax group."""

    def coded(invoice: Invoice) -> Invoice:
        first, *others = invoice.distributions
        return replace(invoice, distributions=(replace(first, codes=(*first.codes, Code("Sales Tax", "FULL"))), *others))

    held = firm.batch_of(item)
    held[:] = [coded(each) if each.id == item.id else each for each in held]
    firm.configure(sales_tax_code_group="Sales Tax")


def tax_groups(firm: Firm, item: ExpectedInvoice) -> list[tuple[object, object]]:
    rows = firm.world.d365.find(LINES, HeaderReference=header(firm, item).text("HeaderReference"), dataAreaId=item.company)
    return [(row["SalesTaxGroup"], row["ItemSalesTax"]) for row in rows]


@pytest.mark.parametrize(
    ("of_company", "of_vendor", "sent"), [("NYTAX", "", "NYTAX"), ("", "VENDTAX", "VENDTAX"), ("NYTAX", "VENDTAX", "NYTAX")]
)
def test_a_line_with_an_item_tax_group_gets_both_groups_and_the_others_none(of_company: str, of_vendor: str, sent: str) -> None:
    firm = Firm.build()
    item = firm.to_write()
    coded_with_tax(firm, item)
    firm.configure(companies={"sales_tax_group": of_company})
    vendor = {"dataAreaId": item.company, "VendorAccountNumber": item.vendor_account}
    firm.world.d365.change("VendorsV3", vendor, SalesTaxGroupCode=of_vendor)
    firm.cycle()
    assert tax_groups(firm, item) == [(sent, "FULL"), *[("", "")] * (len(item.lines) - 1)]
    assert codes(firm, item) == []


def test_an_item_tax_group_without_a_tax_group_is_parked_and_names_the_setting() -> None:
    firm = Firm.build()
    item = firm.to_write()
    coded_with_tax(firm, item)
    vendor = {"dataAreaId": item.company, "VendorAccountNumber": item.vendor_account}
    firm.world.d365.change("VendorsV3", vendor, SalesTaxGroupCode="")
    firm.cycle()
    [cause] = firm.record(item).causes
    assert (cause.code, cause.field) == ("not-mapped", "companies.sales_tax_group")


@pytest.mark.parametrize("rate", ["0.0825", "0"])
def test_tax_that_d365_adds_at_posting_is_reported(rate: str) -> None:
    firm = Firm.build(switches=D365Switches(sales_tax_rate=Decimal(rate)))
    item = firm.to_write()
    coded_with_tax(firm, item)
    firm.configure(companies={"sales_tax_group": "NYTAX"})
    firm.cycle()
    firm.world.d365.post_invoice(item.company, header(firm, item).text("HeaderReference"))
    firm.cycle(minutes=15)
    assert firm.record(item).state is State.POSTED
    assert codes(firm, item) == ([] if rate == "0" else ["written-differs"])
    assert all("posted with" in cause.sentence for cause in firm.record(item).causes)


# --- formats -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", ["the header", "the lines"])
def test_formats_that_change_while_an_invoice_is_written_are_read_again(before: str) -> None:
    """The environment gets one more dimension after the formats were read, right before the first header, or its lines, are sent."""
    firm = Firm.build()
    changed: list[str] = []

    def change() -> None:
        exchanges = firm.deployment.network.exchanges
        read = bool(exchanges) and "VendInvoiceJourBiEntities" in exchanges[-1].target
        if not changed and (read if before == "the header" else firm.world.d365.writes):
            add_a_dimension(firm)
            changed.append("once")

    firm.deployment.step = change
    firm.cycle()
    firm.cycle(minutes=15)
    steps = [firm.steps(item) for item in written(firm)]
    assert {steps.count(one) for one in steps if "parked" in one} == {1}, "the first one, whose strings had too few segments"
    assert {one[-1] for one in steps} == {"written"}
    assert all(row.text("MainAccountDisplayValue").endswith("-") for row in own_lines(firm)[1:]), "the new dimension is blank"
    assert all(codes(firm, item) == [] for item in written(firm))


def test_a_complaint_about_segments_without_a_change_waits_for_a_person() -> None:
    firm = Firm.build()
    text = "The number of dimension values 4 is different from the number set up in the active format 5"
    firm.deployment.network.faults.add(Fault("status", method="POST", path=r"^/data/VendorInvoiceHeaders\b", reply=refusal(text)))
    firm.cycle()
    [item] = [item for item in written(firm) if firm.record(item).state is State.PARKED]
    assert codes(firm, item) == ["dimension-segments"]
    firm.cycle(minutes=60)
    assert firm.record(item).state is State.PARKED


def add_a_dimension(firm: Firm) -> None:
    for row in firm.world.d365.rows("DimensionIntegrationFormats"):
        names = f"{row.text('FinancialDimensionFormat')}-Project"
        firm.world.d365.change_row("DimensionIntegrationFormats", row, {"FinancialDimensionFormat": names})


def own_lines(firm: Firm) -> list[Row]:
    return [row for row in firm.world.d365.rows(LINES) if not row.text("HeaderReference").startswith("HAND")]


def written(firm: Firm) -> list[ExpectedInvoice]:
    return [item for item in firm.world.expected.invoices.values() if item.fate.action == "write"]

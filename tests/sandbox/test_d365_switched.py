"""What the contract of D365 leaves open, the sandbox does in either way (contracts/d365-fo.md sections 1, 2, 5, 6, 7, 9 and 12)."""

from decimal import Decimal

import pytest

from tests.sandbox.test_d365_invoices import line
from tests.sandbox.tiny_d365 import Tiny

HEADER = {"dataAreaId": "usmf", "InvoiceAccount": "V-1", "InvoiceNumber": "A-1"}
LINES = "VendorPaymentJournalLines"


@pytest.fixture
def tiny() -> Tiny:
    return Tiny()


# --- answers ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("body", "start"), [("empty", b""), ("odata", b'{"error"'), ("html", b"<!DOCTYPE html>")])
def test_the_404_of_a_row_in_every_form(tiny: Tiny, body: str, start: bytes) -> None:
    tiny.world.switches.missing_row_body = "odata" if body == "odata" else "html" if body == "html" else "empty"
    response = tiny.send("GET", "/data/VendorsV3(dataAreaId='usmf',VendorAccountNumber='nobody')?cross-company=true")
    assert response.status == 404
    assert response.body.startswith(start) if start else response.body == b""


@pytest.mark.parametrize(("body", "start"), [("empty", b""), ("html", b"<!DOCTYPE html>")])
def test_the_401_in_either_form(tiny: Tiny, body: str, start: bytes) -> None:
    tiny.world.switches.unauthorized_body = "html" if body == "html" else "empty"
    response = tiny.send("GET", "/data/Currencies", headers={"authorization": "Bearer nonsense"})
    assert (response.status, response.headers["www-authenticate"]) == (401, "Bearer")
    assert response.body[: max(1, len(start))] == start


def test_a_request_that_is_too_large_has_no_effect(tiny: Tiny) -> None:
    tiny.world.switches.largest_request = 200
    assert tiny.send("POST", "/data/VendorInvoiceHeaders?cross-company=true", {**HEADER, "Comment": "x" * 200}).status == 413
    assert tiny.world.rows("VendorInvoiceHeaders") == []
    tiny.world.switches.largest_request = 2_000
    tiny.post("VendorInvoiceHeaders", **HEADER, Comment="x" * 200)


@pytest.mark.parametrize(("status", "comment"), [(412, ""), (400, ""), (204, "y")])
def test_a_stale_entity_tag_is_refused_or_not_looked_at(tiny: Tiny, status: int, comment: str) -> None:
    tiny.world.switches.stale_if_match = 412 if status == 412 else 400 if status == 400 else 204
    key = f"/data/VendorInvoiceHeaders(dataAreaId='usmf',HeaderReference='{tiny.invoice()}')?cross-company=true"
    etag = tiny.send("GET", key).headers["etag"]
    assert tiny.send("PATCH", key, {"DocumentNumber": "1"}, {"if-match": etag}).status == 204
    assert tiny.send("PATCH", key, {"Comment": "y"}, {"if-match": etag}).status == status
    assert tiny.world.one("VendorInvoiceHeaders")["Comment"] == comment


def test_every_answer_offers_an_affinity_cookie_and_who_brings_it_back_is_counted(tiny: Tiny) -> None:
    offered = tiny.send("GET", "/data/Currencies?cross-company=true").headers["set-cookie"]
    assert tiny.world.affinity_returned == 0
    tiny.send("GET", "/data/Currencies?cross-company=true", headers={"cookie": offered.partition(";")[0]})
    assert tiny.world.affinity_returned == 1


# --- texts and dimension strings --------------------------------------------------------------------------------------------------------


def test_a_text_that_is_too_long_is_cut_or_refused(tiny: Tiny) -> None:
    tiny.world.switches.text_lengths = {"InvoiceDescription": 5}
    assert tiny.post("VendorInvoiceHeaders", **HEADER, InvoiceDescription="12345678")["InvoiceDescription"] == "12345"
    tiny.world.switches.too_long = "refuse"
    assert "VendorInvoiceHeaderEntity.InvoiceDescription" in tiny.refused("VendorInvoiceHeaders", **HEADER, InvoiceDescription="123456")
    assert tiny.post("VendorInvoiceHeaders", **HEADER, InvoiceDescription="12345")["InvoiceDescription"] == "12345"


@pytest.mark.parametrize(("backslash", "sent"), [("escapes", r"001-A\\B"), ("plain", r"001-A\B")])
def test_a_backslash_in_a_value(tiny: Tiny, backslash: str, sent: str) -> None:
    tiny.world.switches.backslash = "plain" if backslash == "plain" else "escapes"
    tiny.world.add("FinancialDimensionValues", FinancialDimension="CostCenter", DimensionValue="A\\B")
    assert tiny.post("VendorInvoiceHeaders", **HEADER, DimensionDisplayValue=sent)["DimensionDisplayValue"] == sent
    other = r"001-A\B" if backslash == "escapes" else r"001-A\\B"
    assert "is not found in" in tiny.refused("VendorInvoiceHeaders", **HEADER, DimensionDisplayValue=other)


@pytest.mark.parametrize("kind", ["Total", "Reporting"])
def test_totals_are_posted_to_only_where_that_is_allowed(tiny: Tiny, kind: str) -> None:
    tiny.world.change("MainAccounts", {"ChartOfAccounts": "Shared", "MainAccountId": "600150"}, MainAccountType=kind)
    reference = str(tiny.post("VendorInvoiceHeaders", **HEADER)["HeaderReference"])
    assert "it is a total" in tiny.refused("VendorInvoiceLines", **line(reference))
    tiny.world.switches.total_accounts = "accept"
    tiny.post("VendorInvoiceLines", **line(reference))


# --- invoices ---------------------------------------------------------------------------------------------------------------------------


def test_an_amount_against_the_sign_of_the_quantity(tiny: Tiny) -> None:
    reference = tiny.invoice()
    assert "same sign" in tiny.refused("VendorInvoiceLines", **line(reference, Amount=-5))
    tiny.world.switches.line_signs = "free"
    assert tiny.post("VendorInvoiceLines", **line(reference, Amount=-5))["Amount"] == -5


def test_lines_of_a_purchase_order_need_its_line_numbers_and_its_vendor(tiny: Tiny) -> None:
    order = {"dataAreaId": "usmf", "PurchaseOrderNumber": "PO-1"}
    tiny.world.add("PurchaseOrderHeadersV2", **order, OrderVendorAccountNumber="v-1", PurchaseOrderStatus="Received")
    tiny.world.add("PurchaseOrderLinesV2", **order, LineNumber=3)
    assert "VendorInvoiceHeaderEntity.PurchaseOrderNumber" in tiny.refused("VendorInvoiceHeaders", **HEADER, PurchaseOrderNumber="PO-9")
    other = {**HEADER, "InvoiceAccount": "O'Neil/1", "PurchaseOrderNumber": "PO-1"}
    assert "belongs to vendor v-1" in tiny.refused("VendorInvoiceHeaders", **other)
    reference = str(tiny.post("VendorInvoiceHeaders", **HEADER, PurchaseOrderNumber="PO-1")["HeaderReference"])
    assert "VendorInvoiceLineEntity.PurchaseOrder'" in tiny.refused("VendorInvoiceLines", **line(reference, PurchaseOrder="PO-9"))
    assert "VendorInvoiceLineEntity.PurchLineNumber" in tiny.refused("VendorInvoiceLines", **line(reference, PurchaseOrder="PO-1"))
    wrong = line(reference, PurchaseOrder="PO-1", PurchLineNumber=4)
    assert "VendorInvoiceLineEntity.PurchLineNumber" in tiny.refused("VendorInvoiceLines", **wrong)
    tiny.world.switches.account_only_lines = "refuse"
    tiny.post("VendorInvoiceLines", **line(reference, PurchaseOrder="PO-1", PurchLineNumber=3))
    tiny.world.change("PurchaseOrderHeadersV2", order, PurchaseOrderStatus="Canceled")
    assert "has been canceled" in tiny.refused("VendorInvoiceLines", **line(reference, PurchaseOrder="PO-1", PurchLineNumber=3))


# --- payments ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flag", "field"),
    [
        ("ValidateCheckNumberIsMandatory", "CheckNumber"),
        ("ValidatePaymentReferenceIsMandatory", "PaymentReference"),
        ("ValidatePaymentIdIsMandatory", "PaymentId"),
    ],
)
def test_what_a_method_of_payment_demands_is_asked_for_at_the_line_or_at_posting(tiny: Tiny, flag: str, field: str) -> None:
    tiny.world.change("VendorPaymentMethods", {"dataAreaId": "usmf", "Name": "CHECK"}, **{flag: "Yes"})
    batch = tiny.journal()
    body = {**tiny.payment_fields(batch), "PaymentMethodName": "check", field: ""}
    assert f"VendorPaymentJournalLineEntity.{field}" in tiny.refused(LINES, **body)
    tiny.post(LINES, **{**body, field: "123"})
    tiny.world.switches.mandatory_payment_fields = "posting"
    tiny.post(LINES, **{**body, "LineNumber": Decimal(2)})
    with pytest.raises(ValueError, match=field):
        tiny.world.post_journal("usmf", batch)
    tiny.world.change(LINES, {"dataAreaId": "usmf", "JournalBatchNumber": batch, "LineNumber": 2}, **{field: "124"})
    assert len(tiny.world.post_journal("usmf", batch)) == 2


def test_settlement_rows_of_a_posted_journal_stay_or_go(tiny: Tiny) -> None:
    left: list[int] = []
    for number, setting in enumerate(("keep", "remove")):
        tiny.world.switches.settled_rows_after_posting = "keep" if setting == "keep" else "remove"
        tiny.world.post_invoice("usmf", tiny.invoice(f"S-{number}"))
        batch = tiny.journal()
        tiny.post(LINES, **tiny.payment_fields(batch))
        tiny.post("VendorPaymentJournalLineSettledInvoices", **tiny.settlement_fields(batch, f"S-{number}"))
        tiny.world.post_journal("usmf", batch)
        left.append(len(tiny.values("VendorPaymentJournalLineSettledInvoices", filter=f"JournalBatchNumber eq '{batch}'")))
    assert left == [1, 0]


def test_several_due_dates_of_one_invoice_are_settled_by_date(tiny: Tiny) -> None:
    tiny.world.post_invoice("usmf", tiny.invoice())
    first = tiny.world.one("VendTransBiEntities", Invoice="A-1")
    tiny.world.add("VendTransBiEntities", **{**first, "SourceKey": 7, "DueDate": "2026-05-01T12:00:00Z", "AmountCur": Decimal("-50.00")})
    batch = tiny.journal()
    tiny.post(LINES, **tiny.payment_fields(batch))
    body = {**tiny.settlement_fields(batch, amount="50.00"), "InvoiceDueDate": "2026-05-01T12:00:00Z"}
    tiny.post("VendorPaymentJournalLineSettledInvoices", **body)
    tiny.world.post_journal("usmf", batch)
    closed = {str(row["DueDate"])[:10]: row["SettleAmountCur"] for row in tiny.world.find("VendTransBiEntities", Invoice="A-1")}
    assert closed == {"2026-03-31": 0, "2026-05-01": Decimal("-50.00")}

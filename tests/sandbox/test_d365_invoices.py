"""The sandbox's D365 takes pending invoices as contracts/d365-fo.md sections 5, 7, 8 and 9 say."""

from decimal import Decimal
from typing import Literal

import pytest

from tests.sandbox.tiny_d365 import Tiny, body_of, inner_message

HEADER = {"dataAreaId": "USMF", "InvoiceAccount": "V-1", "InvoiceNumber": "A-1"}


@pytest.fixture
def tiny() -> Tiny:
    return Tiny()


def line(reference: str, **changes: object) -> dict[str, object]:
    body: dict[str, object] = {
        "dataAreaId": "usmf",
        "HeaderReference": reference,
        "MainAccountDisplayValue": r"600150-001-0\-7",
        "DimensionDisplayValue": r"001-0\-7",
        "ReceiveNow": 1,
        "UnitPrice": Decimal("12.34"),
    }
    return {**body, **changes}


def test_a_header_is_numbered_and_filled_from_the_vendor(tiny: Tiny) -> None:
    header = tiny.post("VendorInvoiceHeaders", **HEADER, HeaderReference="MINE", InvoiceDate="2026-03-01T12:00:00Z", DocumentNumber="")
    assert header["HeaderReference"] == "VIH0000001"
    assert (header["dataAreaId"], header["VendorAccount"], header["Currency"], header["TermsOfPayment"]) == ("usmf", "V-1", "USD", "Net30")
    assert (header["DueDate"], header["VendorInvoiceReviewStatus"]) == ("2026-03-31T12:00:00Z", "Draft")
    tiny.world.switches.own_header_reference = "accept"
    assert tiny.post("VendorInvoiceHeaders", **HEADER, HeaderReference="MINE")["HeaderReference"] == "MINE"
    assert "The record already exists" in tiny.refused("VendorInvoiceHeaders", **HEADER, HeaderReference="mine")
    assert [write.method for write in tiny.world.writes] == ["POST", "POST"]
    assert not tiny.world.forbidden_writes


def test_a_due_date_holds_only_after_the_terms(tiny: Tiny) -> None:
    dates = {"InvoiceDate": "2026-03-01T12:00:00Z"}
    before = tiny.post("VendorInvoiceHeaders", **HEADER, **dates, DueDate="2026-03-09T12:00:00Z", TermsOfPayment="Net30")
    after = tiny.post("VendorInvoiceHeaders", **HEADER, **dates, TermsOfPayment="Net30", DueDate="2026-03-09T12:00:00Z")
    assert (before["DueDate"], after["DueDate"]) == ("2026-03-31T12:00:00Z", "2026-03-09T12:00:00Z")


def test_a_date_sent_at_midnight_moves_to_the_day_before(tiny: Tiny) -> None:
    header = tiny.post("VendorInvoiceHeaders", **HEADER, InvoiceDate="2026-03-01T00:00:00Z")
    assert header["InvoiceDate"] == "2026-02-28T12:00:00Z"


@pytest.mark.parametrize(
    ("changes", "clause"),
    [
        ({"InvoiceNumber": ""}, "VendorInvoiceHeaderEntity.InvoiceNumber"),
        ({"InvoiceAccount": "NOBODY"}, "VendorInvoiceHeaderEntity.InvoiceAccount"),
        ({"InvoiceAccount": "HELD"}, "on hold for All"),
        ({"TermsOfPayment": "Net31"}, "VendorInvoiceHeaderEntity.TermsOfPayment"),
        ({"MethodOfPayment": "GOLD"}, "VendorInvoiceHeaderEntity.MethodOfPayment"),
        ({"Currency": "XXX"}, "VendorInvoiceHeaderEntity.Currency"),
        ({"dataAreaId": "nope"}, "VendorInvoiceHeaderEntity.dataAreaId"),
        ({"Total": 1}, "The property 'Total' does not exist on type 'Microsoft.Dynamics.DataEntities.VendorInvoiceHeader'"),
        ({"IsApproved": "Maybe"}, "IsApproved"),
        ({"ImportedAmount": "12"}, "ImportedAmount"),
        ({"DimensionDisplayValue": "001"}, "The number of dimension values 1 is different from"),
        ({"DimensionDisplayValue": "009-"}, "The value '009' in field"),
        ({"DimensionDisplayValue": "-OLD"}, "suspended"),
        ({"DimensionDisplayValue": "-0-7"}, "The number of dimension values 3 is different from"),
    ],
)
def test_what_a_header_is_refused_for(tiny: Tiny, changes: dict[str, object], clause: str) -> None:
    assert clause in tiny.refused("VendorInvoiceHeaders", **{**HEADER, **changes})
    assert tiny.world.rows("VendorInvoiceHeaders") == []
    assert tiny.world.writes == []


@pytest.mark.parametrize(("setting", "status"), [("accept", 201), ("warn", 201), ("reject", 400)])
def test_a_second_invoice_of_the_same_number(tiny: Tiny, setting: Literal["accept", "warn", "reject"], status: int) -> None:
    tiny.world.switches.duplicate_invoice = setting
    tiny.world.post_invoice("usmf", tiny.invoice())
    assert tiny.send("POST", "/data/VendorInvoiceHeaders", HEADER | {"InvoiceNumber": "a-1"}).status == status


def test_a_line_takes_its_amount_and_tax_groups_and_keeps_its_strings(tiny: Tiny) -> None:
    reference = str(tiny.post("VendorInvoiceHeaders", **{**HEADER, "InvoiceAccount": "O'Neil/1"})["HeaderReference"])
    first = tiny.post("VendorInvoiceLines", **line(reference))
    second = tiny.post("VendorInvoiceLines", **line(reference, SalesTaxGroup="", ItemSalesTax="", InvoiceLineNumber=7))
    assert (first["Amount"], first["InvoiceLineNumber"], first["SalesTaxGroup"], first["ItemSalesTax"]) == (
        Decimal("12.34"),
        1,
        "CA",
        "FULL",
    )
    assert (second["InvoiceLineNumber"], second["SalesTaxGroup"], second["ItemSalesTax"]) == (7, "", "")
    assert (first["MainAccountDisplayValue"], first["DimensionDisplayValue"]) == (r"600150-001-0\-7", r"001-0\-7")
    assert "The record already exists" in tiny.refused("VendorInvoiceLines", **line(reference, InvoiceLineNumber=7))
    posted = tiny.world.post_invoice("usmf", reference)
    assert posted["AmountCur"] == Decimal("-25.70")  # 2 * 12.34 and 8.25 percent of one line


def test_what_a_line_is_refused_for(tiny: Tiny) -> None:
    reference = tiny.invoice()
    assert "VendorInvoiceLineEntity.HeaderReference" in tiny.refused("VendorInvoiceLines", **line("VIH9999999"))
    assert "'601500' in field" in tiny.refused("VendorInvoiceLines", **line(reference, MainAccountDisplayValue="601500-001-"))
    assert "must be filled in" in tiny.refused("VendorInvoiceLines", **line(reference, MainAccountDisplayValue="-001-"))
    assert "same sign" in tiny.refused("VendorInvoiceLines", **line(reference, Amount=-5))
    tiny.world.switches.account_only_lines = "refuse"
    assert "VendorInvoiceLineEntity.ProcurementCategoryName" in tiny.refused("VendorInvoiceLines", **line(reference))
    tiny.world.change("MainAccounts", {"ChartOfAccounts": "Shared", "MainAccountId": "600150"}, IsSuspended="Yes")
    tiny.world.switches.account_only_lines = "accept"
    assert "suspended" in tiny.refused("VendorInvoiceLines", **line(reference))


def test_dimension_switches_store_blank_or_tolerate_without_a_word(tiny: Tiny) -> None:
    reference, switches = tiny.invoice(), tiny.world.switches
    switches.unknown_dimension = "blank"
    assert tiny.post("VendorInvoiceLines", **line(reference, DimensionDisplayValue="999-"))["DimensionDisplayValue"] == ""
    switches.segment_count = "tolerate"
    assert tiny.post("VendorInvoiceLines", **line(reference, DimensionDisplayValue="001"))["DimensionDisplayValue"] == "001-"
    switches.blank_dimension_stores = 1
    assert tiny.post("VendorInvoiceLines", **line(reference))["MainAccountDisplayValue"] == ""
    assert tiny.post("VendorInvoiceLines", **line(reference))["MainAccountDisplayValue"] == r"600150-001-0\-7"


def test_changes_and_deletions_need_cross_company_and_a_draft(tiny: Tiny) -> None:
    reference = tiny.invoice()
    key = f"/data/VendorInvoiceHeaders(dataAreaId='usmf',HeaderReference='{reference}')"
    missing = tiny.send("PATCH", key, {"Comment": "x"})
    assert (missing.status, inner_message(missing)) == (400, "No resources were found when selecting for update.")
    assert tiny.send("PATCH", f"{key}?cross-company=true", {"Comment": "x"}).status == 204
    assert tiny.send("PATCH", f"{key}?cross-company=true", {"Comment": "y"}, {"if-match": 'W/"stale"'}).status == 412
    tiny.world.locked_headers.add(("usmf", reference))
    assert "update conflict" in inner_message(tiny.send("DELETE", f"{key}?cross-company=true"))
    tiny.world.locked_headers.clear()
    tiny.world.switches.write_status = 200
    assert tiny.send("DELETE", f"{key}?cross-company=true").status == 200
    assert tiny.world.rows("VendorInvoiceLines") == []
    assert tiny.send("DELETE", f"{key}?cross-company=true").status == 400
    assert [(write.method, write.set_name) for write in tiny.world.writes[-2:]] == [
        ("PATCH", "VendorInvoiceHeaders"),
        ("DELETE", "VendorInvoiceHeaders"),
    ]


def test_attachments_are_base64_and_several_per_header(tiny: Tiny) -> None:
    reference = tiny.invoice()
    body = {"dataAreaId": "usmf", "HeaderReference": reference, "FileContents": "JVBERi0="}
    tiny.post("VendorInvoiceDocumentAttachments", **body)
    tiny.post("VendorInvoiceDocumentAttachments", **body)
    assert "FileContents" in tiny.refused("VendorInvoiceDocumentAttachments", **{**body, "FileContents": "%"})
    tiny.world.switches.several_attachments = "refuse"
    assert "already exists" in tiny.refused("VendorInvoiceDocumentAttachments", **body)


def test_posting_moves_a_pending_invoice_into_the_bi_sets(tiny: Tiny) -> None:
    reference, credit = tiny.invoice(), tiny.invoice("C-1", "-20.05")
    tiny.world.post_invoice("usmf", reference)
    tiny.world.post_invoice("USMF", credit)
    assert tiny.values("VendorInvoiceHeaders") == []
    found = tiny.values("VendTransBiEntities", filter="dataAreaId eq 'usmf' and AccountNum eq 'V-1'")
    assert [(row["Invoice"], row["AmountCur"], row["Closed"], row["DueDate"]) for row in found] == [
        ("A-1", Decimal("-100.10"), "1900-01-01T12:00:00Z", "2026-03-31T12:00:00Z"),
        ("C-1", Decimal("20.05"), "1900-01-01T12:00:00Z", "2026-03-31T12:00:00Z"),
    ]
    journal = tiny.values("VendInvoiceJourBiEntities", filter="InvoiceId eq 'A-1'", select="InvoiceAmount,InvoiceAccount")
    assert [(row["InvoiceAmount"], row["InvoiceAccount"]) for row in journal] == [(Decimal("100.10"), "V-1")]
    with pytest.raises(LookupError):
        tiny.world.post_invoice("usmf", reference)


def test_writes_to_the_chart_are_remembered_and_bi_sets_cannot_be_written(tiny: Tiny) -> None:
    tiny.post("FinancialDimensionValues", FinancialDimension="BusinessUnit", DimensionValue="003")
    assert [write.set_name for write in tiny.world.forbidden_writes] == ["FinancialDimensionValues"]
    assert tiny.send("POST", "/data/VendTransBiEntities", {"SourceKey": 1}).status == 405
    assert tiny.send("POST", "/data/VendorInvoiceHeaders(dataAreaId='usmf',HeaderReference='x')", {}).status == 405
    assert tiny.send("POST", "/data/VendorInvoiceHeaders", b"{not json").status == 400


def changeset(*bodies: tuple[str, str, bytes]) -> bytes:
    parts = [
        f"--c\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: {number}\r\n\r\n"
        f"{method} {target} HTTP/1.1\r\nContent-Type: application/json\r\n\r\n".encode()
        + body
        + b"\r\n"
        for number, (method, target, body) in enumerate(bodies, 1)
    ]
    head = b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n"
    return head + b"".join(parts) + b"--c--\r\n--b--\r\n"


def batch(tiny: Tiny, body: bytes) -> tuple[int, str]:
    response = tiny.send("POST", "/data/$batch", body, {"content-type": "multipart/mixed; boundary=b"})
    return response.status, response.body.decode()


def operation(reference: str, number: int, price: str = "1.00") -> tuple[str, str, bytes]:
    text = f'{{"dataAreaId":"usmf","HeaderReference":"{reference}","InvoiceLineNumber":{number},"ReceiveNow":1,"UnitPrice":{price}}}'
    return "POST", "VendorInvoiceLines?cross-company=true", text.encode()


def test_a_changeset_is_all_or_nothing(tiny: Tiny) -> None:
    reference = tiny.invoice()
    status, text = batch(tiny, changeset(operation(reference, 2), operation(reference, 3, "0.10")))
    assert (status, text.count("HTTP/1.1 201"), text.count("Content-ID: 2")) == (200, 2, 1)
    assert [row["UnitPrice"] for row in tiny.world.rows("VendorInvoiceLines")][1:] == [Decimal("1.00"), Decimal("0.10")]
    before = len(tiny.world.writes)
    status, text = batch(tiny, changeset(operation(reference, 4), operation(reference, 2)))
    assert (status, text.count("HTTP/1.1 500"), "The record already exists" in text) == (200, 1, True)
    assert (len(tiny.world.rows("VendorInvoiceLines")), len(tiny.world.writes)) == (3, before)


def test_a_part_of_a_batch_can_be_429(tiny: Tiny) -> None:
    reference = tiny.invoice()
    tiny.world.switches.throttled_parts = 1
    status, text = batch(tiny, changeset(operation(reference, 2)))
    assert (status, "HTTP/1.1 429" in text, "retry-after: 5" in text) == (200, True, True)
    assert len(tiny.world.rows("VendorInvoiceLines")) == 1


def test_reads_and_single_writes_have_their_own_parts(tiny: Tiny) -> None:
    head = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    reads = "".join(
        f"--b\r\n{head}GET {target} HTTP/1.1\r\n\r\n\r\n" for target in ("/data/Currencies?cross-company=true", "Nonsense", "Currencies")
    )
    status, text = batch(tiny, f"{reads}--b--".encode())
    assert (status, text.count("HTTP/1.1 200"), text.count("HTTP/1.1 404")) == (200, 1, 1)  # it ends at the first failure
    refused = tiny.send("POST", "/data/$batch", b"", {"content-type": "application/json"})
    assert body_of(refused)["error"]

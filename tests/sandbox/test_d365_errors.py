"""Every row of the error table of contracts/d365-fo.md section 9 can be met in the sandbox, in the shapes that the section describes."""

import json
from collections.abc import Callable
from decimal import Decimal

import pytest

from sandbox.faults import ConnectionFault, Fault, busy, gateway
from sandbox.network import Network
from sandbox.web import Request, Response
from tests.sandbox.test_d365_invoices import batch, changeset, line, operation
from tests.sandbox.tiny_d365 import Json, Tiny, body_of, inner_message

HEADERS, INVOICE_LINES = "VendorInvoiceHeaders", "VendorInvoiceLines"
HEADER: Json = {"dataAreaId": "usmf", "InvoiceAccount": "V-1", "InvoiceNumber": "A-1"}


@pytest.fixture
def tiny() -> Tiny:
    return Tiny()


def post(tiny: Tiny, set_name: str, body: Json) -> Response:
    return tiny.send("POST", f"/data/{set_name}?cross-company=true", body)


def locked(tiny: Tiny) -> Response:
    reference = tiny.invoice()
    tiny.world.locked_headers.add(("usmf", reference))
    key = f"{HEADERS}(dataAreaId='usmf',HeaderReference='{reference}')"
    return tiny.send("PATCH", f"/data/{key}?cross-company=true", {"Comment": "x"})


def missing(tiny: Tiny) -> Response:
    return tiny.send("DELETE", f"/data/{HEADERS}(dataAreaId='usmf',HeaderReference='x')?cross-company=true")


def repeated(tiny: Tiny) -> Response:
    journal = tiny.journal()
    tiny.post("VendorPaymentJournalLines", **tiny.payment_fields(journal))
    return post(tiny, "VendorPaymentJournalLines", tiny.payment_fields(journal))


def refused(entity: str, text: str, field: str = "") -> str:
    """What the Infolog of an entity says; the last clause names the field where one was checked."""
    clause = f"; validateField failed on field '{entity}.{field}'" if field else ""
    return f"Write failed for table row of type '{entity}'. Infolog: Error: {text}{clause}."


CONFLICT = (
    "Cannot edit a record in Vendor invoice header (VendInvoiceInfoTable).\nAn update conflict occurred due to another user process "
    "deleting the record or changing one or more fields in the record. Select the record again"
)
UNKNOWN = (
    "The property 'Total' does not exist on type 'Microsoft.Dynamics.DataEntities.VendorInvoiceHeader'. Make sure to only use property "
    "names that are defined by the type."
)
JOURNAL_LINES = "Journal lines (LedgerJournalTrans)"
DUPLICATE = f"Cannot create a record in {JOURNAL_LINES}. Journal batch number: 00001, Line number: 1.\nThe record already exists"
FOREIGN = "The value 'X-9' in field 'Invoice account' is not found in the related table 'Vendors'."
SEGMENTS = "The number of dimension values 1 is different from the number set up in the active format 2."
HEADER_ENTITY, LINE_ENTITY = "VendorInvoiceHeaderEntity", "VendorInvoiceLineEntity"


@pytest.mark.parametrize(
    ("send", "text"),
    [
        (lambda tiny: post(tiny, HEADERS, {**HEADER, "InvoiceAccount": "X-9"}), refused(HEADER_ENTITY, FOREIGN, "InvoiceAccount")),
        (
            lambda tiny: post(tiny, HEADERS, {**HEADER, "InvoiceNumber": ""}),
            refused(HEADER_ENTITY, "Field 'Invoice number' must be filled in.", "InvoiceNumber"),
        ),
        (
            lambda tiny: post(tiny, INVOICE_LINES, {"dataAreaId": "usmf", "HeaderReference": ""}),
            refused(LINE_ENTITY, "Header reference is mandatory and must consequently be specified.", "HeaderReference"),
        ),
        (repeated, refused("VendorPaymentJournalLineEntity", DUPLICATE)),
        (missing, "No resources were found when selecting for update."),
        (locked, refused(HEADER_ENTITY, CONFLICT)),
        (lambda tiny: post(tiny, HEADERS, {**HEADER, "Total": Decimal(1)}), UNKNOWN),
        (
            lambda tiny: post(tiny, INVOICE_LINES, line(tiny.invoice(), DimensionDisplayValue="001")),
            refused(LINE_ENTITY, SEGMENTS, "DimensionDisplayValue"),
        ),
    ],
)
def test_a_refused_write_is_a_400_with_the_text_inside(tiny: Tiny, send: Callable[[Tiny], Response], text: str) -> None:
    response = send(tiny)
    assert (response.status, inner_message(response)) == (400, text)
    assert json.loads(response.body)["error"]["message"] == "An error has occurred."


def test_labels_are_in_the_user_s_language_and_names_are_not(tiny: Tiny) -> None:
    tiny.world.switches.labels = "de"
    said = [
        inner_message(post(tiny, HEADERS, {**HEADER, "InvoiceAccount": "X-9"})),
        inner_message(post(tiny, HEADERS, {**HEADER, "InvoiceNumber": ""})),
        inner_message(post(tiny, INVOICE_LINES, {"dataAreaId": "usmf", "HeaderReference": ""})),
        batch(tiny, changeset(("POST", INVOICE_LINES, b'{"dataAreaId":"usmf","HeaderReference":"X"}')))[1],
    ]
    for text, label, name in zip(
        said,
        ("in field 'Rechnungskonto'", "Field 'Rechnungsnummer'", "Error: Kopfreferenz is mandatory", "in field 'Kopfreferenz'"),
        ("InvoiceAccount", "InvoiceNumber", "HeaderReference", "HeaderReference"),
        strict=True,
    ):
        assert label in text
        assert f"Entity.{name}'" in text


def test_a_duplicate_inside_a_batch_is_a_500_or_a_400(tiny: Tiny) -> None:
    reference = tiny.invoice()
    assert "HTTP/1.1 500" in batch(tiny, changeset(operation(reference, 1)))[1]
    tiny.world.switches.changeset_failure_status = 400
    status, text = batch(tiny, changeset(operation(reference, 1)))
    assert (status, "HTTP/1.1 400" in text, "The record already exists" in text) == (200, True, True)


def through(tiny: Tiny, fault: Fault) -> Response:
    network = Network(tiny.clock, {tiny.world.host: tiny.system})
    network.faults.add(fault)
    target = f"/data/{HEADERS}?cross-company=true"
    return network.dispatch(
        Request("POST", tiny.world.host, target, {"authorization": f"Bearer {tiny.token}"}, json.dumps(HEADER).encode())
    )


@pytest.mark.parametrize("wait", ["7", "Mon, 02 Mar 2026 10:00:00 GMT", None])
def test_busy_with_a_wait_in_seconds_as_a_date_or_without(tiny: Tiny, wait: str | None) -> None:
    response = through(tiny, busy(wait))
    assert (response.status, response.headers.get("retry-after")) == (429, wait)
    assert b"could not be processed at this time due to system experiencing high resource utilization" in response.body
    assert tiny.world.rows(HEADERS) == []


@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.parametrize("effect", [False, True])
def test_a_gateway_answers_html_and_the_row_may_be_there_all_the_same(tiny: Tiny, status: int, effect: bool) -> None:
    response = through(tiny, gateway(status, effect=effect))
    assert (response.status, response.headers["content-type"], response.body[:6]) == (status, "text/html", b"<html>")
    assert len(tiny.world.rows(HEADERS)) == effect


def test_a_write_can_take_effect_late(tiny: Tiny) -> None:
    network = Network(tiny.clock, {tiny.world.host: tiny.system})
    network.faults.add(Fault("late_effect", method="POST"))
    headers = {"authorization": f"Bearer {tiny.token}"}
    with pytest.raises(ConnectionFault):
        network.dispatch(Request("POST", tiny.world.host, f"/data/{HEADERS}", headers, json.dumps(HEADER).encode()))
    assert tiny.world.rows(HEADERS) == []
    tiny.clock.move(minutes=2)
    network.settle()
    assert len(tiny.world.rows(HEADERS)) == 1


def test_an_unknown_set_has_another_shape(tiny: Tiny) -> None:
    for name in (
        "FinancialDimensions",
        "FinancialDimensionFormats",
        "VendorPostalAddresses",
        "VendorInvoiceJournalHeaders",
        "LedgerChartOfAccounts",
        "VendorInvoiceHeaderAttachments",
    ):
        response = tiny.send("GET", f"/data/{name}?cross-company=true")
        assert (response.status, set(body_of(response))) == (404, {"Message"})


def test_names_are_case_sensitive_in_urls_and_bodies(tiny: Tiny) -> None:
    assert tiny.send("GET", "/data/vendorsv3?cross-company=true").status == 404
    assert "The property 'invoicenumber'" in tiny.refused(HEADERS, dataAreaId="usmf", InvoiceAccount="V-1", invoicenumber="A-1")


def test_an_enum_can_be_null_and_travels_as_its_name(tiny: Tiny) -> None:
    tiny.world.add("BankAccounts", dataAreaId="usmf", BankAccountId="NULL", BankAccountStatus=None)
    rows = {row["BankAccountId"]: row["BankAccountStatus"] for row in tiny.values("BankAccounts")}
    assert rows == {"USMF OPER": "ActiveForAllTransactions", "NULL": None}


def test_a_leading_blank_of_an_id_counts(tiny: Tiny) -> None:
    tiny.world.add("VendorsV3", dataAreaId="usmf", VendorAccountNumber=" V-1", VendorOrganizationName="Blank")
    keys = [f"/data/VendorsV3(dataAreaId='usmf',VendorAccountNumber='{key}')?cross-company=true" for key in ("V-1", "%20V-1")]
    names = [body_of(tiny.send("GET", key))["VendorOrganizationName"] for key in keys]
    assert names == ["Ünïcode & Söhne", "Blank"]


def test_int64_is_compared_by_size(tiny: Tiny) -> None:
    for key in (9, 10, 5_637_144_577):
        tiny.world.add("VendTransBiEntities", dataAreaId="usmf", SourceKey=key)
    found = tiny.values("VendTransBiEntities", filter="SourceKey gt 9", select="SourceKey")
    assert [row["SourceKey"] for row in found] == [10, 5_637_144_577]


def test_date_effective_sets_give_past_and_future_rows(tiny: Tiny) -> None:
    for start, end in (("2020-01-01", "2020-12-31"), ("2021-01-01", "2154-12-31"), ("2030-01-01", "2154-12-31")):
        tiny.world.add(
            "VendVendorPostalAddresses",
            dataAreaId="usmf",
            VendorLegalEntityId="usmf",
            VendorAccountNumber="V-1",
            AddressLocationId="L1",
            AddressValidFrom=f"{start}T00:00:00Z",
            AddressValidTo=f"{end}T23:59:59Z",
        )
    assert len(tiny.values("VendVendorPostalAddresses", filter="VendorAccountNumber eq 'V-1'")) == 3
    now = "AddressValidFrom le 2026-03-02T09:30:00Z and AddressValidTo ge 2026-03-02T09:30:00Z"
    assert [row["AddressValidFrom"] for row in tiny.values("VendVendorPostalAddresses", filter=now)] == ["2021-01-01T00:00:00Z"]


def test_masters_and_documents_show_no_time_of_change_and_deletions_no_trace(tiny: Tiny) -> None:
    for name in ("VendorsV3", "MainAccounts", "FinancialDimensionValues", HEADERS, INVOICE_LINES, "VendorPaymentJournalLines"):
        fields = tiny.world.table(name).entity_set.fields
        assert not [field for field in fields if "Modified" in field and field.endswith("DateTime")]
    assert "SysModifiedDateTime" in tiny.world.table("VendTransBiEntities").entity_set.fields
    key = f"/data/{HEADERS}(dataAreaId='usmf',HeaderReference='{tiny.invoice()}')?cross-company=true"
    tiny.send("DELETE", key)
    assert tiny.get(HEADERS, count="true")["@odata.count"] == 0


def test_a_null_is_no_value_and_a_missing_amount_is_named(tiny: Tiny) -> None:
    header = tiny.post(HEADERS, **HEADER, TermsOfPayment=None, Comment=None, InvoiceDate=None, ImportedAmount=None)
    assert (header["TermsOfPayment"], header["Comment"], header["ImportedAmount"]) == ("Net30", "", 0)
    tiny.world.post_invoice("usmf", tiny.invoice("A-2"))
    journal = tiny.journal()
    tiny.post("VendorPaymentJournalLines", **tiny.payment_fields(journal))
    body = {**tiny.settlement_fields(journal, "A-2"), "SettlementAmountInInvoiceCurrency": None}
    assert "SettledInvoiceEntity.SettlementAmountInInvoiceCurrency" in tiny.refused("VendorPaymentJournalLineSettledInvoices", **body)

"""Rows to models and back: tolerant in form, exact in value, and never an exception that takes the page with it."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.avid.jsontext import Json, Row, json_text, put, read_json
from sync.avid.models import (
    Address,
    AvidInvoice,
    AvidPayment,
    AvidVendor,
    BadRow,
    Code,
    Coding,
    PaymentException,
    PaymentKind,
    PaymentState,
)
from sync.avid.profile import shipped_profile
from sync.avid.rows import (
    code_row,
    parse_invoice,
    parse_payment,
    read_batch,
    read_code,
    read_invoice,
    read_payment,
    read_vendor,
    vendor_row,
)
from sync.errors import FixConfiguration

pytestmark = pytest.mark.shipped_names("rows in the shipped names, read without a client")

PROFILE = shipped_profile()
INVOICE = """{
  "Id": 9007199254740993, "Number": 100.10, "InvoiceDate": "2026-01-31",
  "InvoiceDueDate": "2026-03-02 00:00:00.000", "GrossAmount": "1234.50",
  "PONumber": null, "Memo": " Roof  repair ", "ImageUrl": "https://img.example/1", "LastChangedDate": "2026-02-01 08:05:00.1234567",
  "BuyerVendor": {"VendorName": "Ünal & Söhne", "VendorExternalSystemID": " US-101|Main St"}, "BuyerVendorAccount": {"AccountNo": "NONE"},
  "TermType": {"termTypeName": "Net30"},
  "Distributions": [
    {"Amount": 1000.5, "Description": "Labor", "EnterpriseCodes": [
      {"EnterpriseCodeValue": 618160, "EnterpriseCodeGroups": [{"CodeGroupName": "GL"}]},
      {"EnterpriseCodeValue": "007", "EnterpriseCodeGroups": {"CodeGroupName": "Department"}}]},
    {"Amount": 234, "EnterpriseCodes": {"EnterpriseCodeValue": "", "EnterpriseCodeGroups": []}}
  ]
}"""
PAYMENT = """{
  "PaymentId": "77", "BatchId": 5, "CheckNumber": "0001234", "AvidPayChecknumber": null, "Amount": 990.00,
  "Status": {"Id": 10, "Description": "Cleared"},
  "PaymentMethod": {"Id": 1, "Description": "AvidPay Check"}, "PaymentDate": "2026-02-01T00:00:00", "ClearedDate": "2026-02-05",
  "LastModifiedDate": "2026-02-05T10:00:00",
  "ExternalPaymentIds": [{"Value": "X-1"}, {"Value": null}], "BankAccount": {"ClientIds": ["001", 2, ""]},
  "Exceptions": [], "AchTraceNumber": "021000021234567",
  "VirtualCard": null, "Payee": {"ExternalId": {"Value": "US-101"}, "Name": "Contoso"},
  "Remittances": {"Number": "INV-1", "ExternalId": {"Value": 42}, "Date": "2026-01-31", "Gross": 1000.00, "Discount": 10.00, "Net": 990.00}
}"""


def invoice_of(**changes: Json) -> AvidInvoice | BadRow:
    row = read_json(INVOICE)
    assert isinstance(row, dict)
    return read_invoice({**row, **changes}, PROFILE)


def payment_of(**changes: Json) -> AvidPayment | BadRow:
    row = read_json(PAYMENT)
    assert isinstance(row, dict)
    return read_payment({**row, **changes}, PROFILE)


def test_an_invoice_is_read_exactly() -> None:
    invoice = parse_invoice(INVOICE, PROFILE)
    assert (invoice.id, invoice.number, invoice.gross) == ("9007199254740993", "100.10", Decimal("1234.50"))
    assert (invoice.vendor_id, invoice.remit_to, invoice.vendor_name, invoice.account_no) == (" US-101", "Main St", "Ünal & Söhne", "")
    assert (invoice.invoice_date, invoice.due_date, invoice.posting_date) == (date(2026, 1, 31), date(2026, 3, 2), None)
    assert invoice.last_changed == datetime(2026, 2, 1, 8, 5, 0, 123456, tzinfo=UTC)
    assert (invoice.po_number, invoice.memo, invoice.terms, invoice.currency) == ("", " Roof  repair ", "Net30", "USD")
    labor, rest = invoice.distributions
    assert (labor.amount, labor.codings) == (Decimal("1000.5"), (Coding("GL", "618160"), Coding("Department", "007")))
    assert labor.values_of("Department") == ("007",)
    assert (rest.amount, rest.description, rest.codings) == (Decimal(234), "", ())


def test_a_payment_is_read_exactly() -> None:
    payment = parse_payment(PAYMENT, PROFILE)
    assert (payment.id, payment.batch_id, payment.amount, payment.currency) == ("77", "5", Decimal("990.00"), "USD")
    assert (payment.check_number, payment.avidpay_check_number, payment.ach_trace_number) == ("0001234", "", "021000021234567")
    assert (payment.status, payment.state, payment.kind) == ("Cleared", PaymentState.SETTLED, PaymentKind.CHECK)
    assert (payment.payment_date, payment.cleared_date) == (date(2026, 2, 1), date(2026, 2, 5))
    assert (payment.bank_client_ids, payment.external_payment_ids, payment.payee_id) == (("001", "2"), ("X-1",), "US-101")
    (remittance,) = payment.remittances
    assert (remittance.number, remittance.external_id, remittance.day) == ("INV-1", "42", date(2026, 1, 31))
    assert remittance.gross - remittance.discount == remittance.net == Decimal(990)


def test_the_stored_text_gives_the_same_document_again() -> None:
    invoice, payment = parse_invoice(INVOICE, PROFILE), parse_payment(PAYMENT, PROFILE)
    again = parse_invoice(invoice.text, PROFILE)
    assert again == invoice
    assert again.text == invoice.text
    assert '"Number":100.10' in invoice.text
    assert parse_payment(payment.text, PROFILE) == payment


def test_the_substance_ignores_form_and_time_stamps_and_nothing_else() -> None:
    first = parse_invoice(INVOICE, PROFILE).substance
    same = invoice_of(GrossAmount=Decimal("1234.5"), LastChangedDate="2027-01-01", ImageUrl="https://img.example/2", Id="9007199254740993")
    other = invoice_of(GrossAmount="1234.51")
    assert isinstance(same, AvidInvoice)
    assert isinstance(other, AvidInvoice)
    assert same.substance == first != other.substance
    moved = payment_of(Status={"Description": "Void"})
    assert isinstance(moved, AvidPayment)
    assert moved.substance != parse_payment(PAYMENT, PROFILE).substance


def test_what_a_stage_can_check_is_no_bad_row() -> None:
    bare = read_invoice({"Id": 1, "GrossAmount": -5}, PROFILE)
    assert isinstance(bare, AvidInvoice)
    assert (bare.number, bare.vendor_id, bare.invoice_date, bare.gross, bare.distributions) == ("", "", None, Decimal(-5), ())
    unset = invoice_of(InvoiceDate="0001-01-01T00:00:00", InvoiceDueDate="")
    assert isinstance(unset, AvidInvoice)
    assert (unset.invoice_date, unset.due_date) == (None, None)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"Id": None}, "Id"),
        ({"Id": "  "}, "Id"),
        ({"GrossAmount": None}, "GrossAmount"),
        ({"GrossAmount": "1,234.50"}, "GrossAmount"),
        ({"GrossAmount": "NaN"}, "GrossAmount"),
        ({"GrossAmount": "1_000"}, "GrossAmount"),
        ({"GrossAmount": "١٢"}, "GrossAmount"),
        ({"GrossAmount": True}, "GrossAmount"),
        ({"GrossAmount": Decimal("1E+999999")}, "GrossAmount"),
        ({"GrossAmount": Decimal("1E-999999")}, "GrossAmount"),
        ({"Number": Decimal("1E+999999999")}, ""),
        ({"Number": {"Value": 1}}, "Number"),
        ({"Number": "INV\ud800"}, "Number"),
        ({"InvoiceDate": "31.01.2026"}, "InvoiceDate"),
        ({"InvoiceDate": "2026-02-30"}, "InvoiceDate"),
        ({"InvoiceDate": 20260131}, "InvoiceDate"),
        ({"LastChangedDate": "2026-01-31T25:00:00"}, "LastChangedDate"),
        ({"LastChangedDate": "2026-01-31T10:00:00+99:00"}, "LastChangedDate"),
        ({"LastChangedDate": "9999-12-31T23:59:59-05:00"}, "LastChangedDate"),
        ({"BuyerVendor": "US-101"}, "BuyerVendor.VendorExternalSystemID"),
        ({"Distributions": ["line"]}, "Distributions[1]"),
        ({"Distributions": [{"Amount": 1}, {"Description": "x"}]}, "Distributions[2].Amount"),
        (
            {"Distributions": [{"Amount": 1, "EnterpriseCodes": [{"EnterpriseCodeValue": "600"}]}]},
            "Distributions[1].EnterpriseCodes[1].EnterpriseCodeGroups",
        ),
    ],
)
def test_a_row_that_does_not_validate_names_its_field(changes: Row, field: str) -> None:
    row = invoice_of(**changes)
    if not field:
        assert isinstance(row, AvidInvoice)
        assert row.number == "1E+999999999"
        return
    assert isinstance(row, BadRow)
    assert (row.resource, row.field) == ("invoices", field)
    assert row.sentence.startswith(field)
    assert row.id == ("" if "Id" in changes and changes["Id"] is None else str(changes.get("Id", "9007199254740993")))
    row.raw.encode("utf-8")


def test_all_problems_of_a_row_are_told() -> None:
    row = invoice_of(GrossAmount="x", InvoiceDate="y")
    assert isinstance(row, BadRow)
    assert row.sentence == "InvoiceDate is no date or time; GrossAmount is no amount"


def test_a_stored_text_that_is_no_document_is_an_error() -> None:
    for text in ("", "[]", '{"Id": 1}'):
        with pytest.raises(ValueError, match=r"answer|GrossAmount|object"):
            parse_invoice(text, PROFILE)


json_values: st.SearchStrategy[Json] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.decimals(allow_nan=False, allow_infinity=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(row if isinstance(row := read_json(INVOICE), dict) else {})), json_values))
def test_no_invoice_row_breaks_the_reading(changes: Row) -> None:
    row = invoice_of(**changes)
    if isinstance(row, BadRow):
        assert row.sentence
        assert row.field
        assert read_json(row.raw)
    else:
        assert parse_invoice(row.text, PROFILE) == row
        assert row.substance


@given(st.dictionaries(st.sampled_from(sorted(row if isinstance(row := read_json(PAYMENT), dict) else {})), json_values))
def test_no_payment_row_breaks_the_reading(changes: Row) -> None:
    row = payment_of(**changes)
    if isinstance(row, AvidPayment):
        assert parse_payment(row.text, PROFILE) == row
    else:
        assert row.sentence


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=2), st.booleans())
def test_an_amount_is_exact_as_number_and_as_text(amount: Decimal, as_text: bool) -> None:
    row = read_invoice(read_json(json_text({"Id": 1, "GrossAmount": str(amount) if as_text else amount})), PROFILE)
    assert isinstance(row, AvidInvoice)
    assert row.gross == amount
    assert f"{row.gross:f}" == f"{amount:f}"


@given(st.text(alphabet="0123456789", min_size=1, max_size=40))
def test_check_and_trace_numbers_keep_their_zeros(number: str) -> None:
    payment = payment_of(CheckNumber=number, AchTraceNumber=number)
    assert isinstance(payment, AvidPayment)
    assert payment.check_number == payment.ach_trace_number == number


@given(st.datetimes(timezones=st.just(UTC)), st.sampled_from("T "), st.sampled_from(["", "Z", "+00:00"]))
def test_a_time_stamp_without_a_zone_is_utc(moment: datetime, separator: str, zone: str) -> None:
    invoice = invoice_of(LastChangedDate=moment.replace(tzinfo=None).isoformat(sep=separator) + zone)
    assert isinstance(invoice, AvidInvoice)
    assert invoice.last_changed == (moment if moment.year > 1900 else None)


@pytest.mark.parametrize(("reasons", "clears"), [(("4",), True), (("4", "5", "6", "9"), True), (("4", "7"), False), ((), False)])
def test_an_error_clears_by_itself_only_for_the_listed_reasons(reasons: tuple[str, ...], clears: bool) -> None:
    exceptions: list[Json] = [{"ReasonCode": {"Id": int(reason), "Description": "why"}} for reason in reasons]
    payment = payment_of(Status={"Description": "Error"}, Exceptions=exceptions)
    assert isinstance(payment, AvidPayment)
    assert payment.state is PaymentState.ERROR
    assert payment.clears_by_itself is clears
    assert payment.exceptions == tuple(PaymentException(reason, "why") for reason in reasons)


VENDOR = AvidVendor(
    accounting_system="12",
    external_id=" US-'101",
    name="Ünal",
    is_active=False,
    email="a@b.example",
    is_1099=True,
    terms="Net30",
    address=Address(line1="1 Main St", city="Reno", state="NV", postal_code="00501", country="USA"),
)


def test_a_vendor_goes_out_and_comes_back_equal() -> None:
    row = vendor_row(VENDOR, PROFILE)
    assert row["AccountingSystemId"] == 12
    assert row["TermType"] == {"termTypeName": "Net30"}
    assert (row["PhoneNumber"], row["RemitToAddress"]) == (None, None)
    assert "TaxId" not in row
    assert read_vendor(read_json(json_text(row)), PROFILE, "12") == VENDOR


def test_a_tax_id_is_sent_but_never_shown() -> None:
    vendor = AvidVendor("12", "US-1", "A", is_active=True, tax_id="12-3456789")
    assert vendor_row(vendor, PROFILE)["TaxId"] == "12-3456789"
    assert "3456789" not in repr(vendor)


def test_the_names_of_the_profile_are_used_both_ways() -> None:
    profile = PROFILE.with_overrides({"fields.vendor.external_id": "Keys.Erp.Id", "fields.vendor.terms": "Terms"})
    row = vendor_row(VENDOR, profile)
    assert row["Keys"] == {"Erp": {"Id": " US-'101"}}
    assert row["Terms"] == "Net30"
    assert read_vendor(row, profile, "12") == VENDOR


def test_names_that_clash_are_a_mistake_of_the_profile() -> None:
    with pytest.raises(FixConfiguration, match=r"VendorName\.Terms"):
        PROFILE.with_overrides({"fields.vendor.terms": "VendorName.Terms"})
    with pytest.raises(FixConfiguration, match=r"Remittances\.Rows"):
        put({"Remittances": "none"}, "Remittances.Rows", [])


def test_a_code_goes_out_and_comes_back_equal() -> None:
    code = Code("12", "Building", "B-001", "North Tower", is_active=True)
    row = code_row(code, PROFILE)
    assert row == {
        "AccountingSystemId": 12,
        "CodeGroupName": "Building",
        "EnterpriseCodeValue": "B-001",
        "EnterpriseCodeValueDescription": "North Tower",
        "IsActive": True,
    }
    assert read_code(row, PROFILE, "12", "Building") == code
    assert read_code({"EnterpriseCodeValue": "B-001", "EnterpriseCodeValueDescription": "North Tower"}, PROFILE, "12", "Building") == code


@pytest.mark.parametrize(("sent", "active"), [(True, True), ("true", True), ("False", False), (0, False), ("1", True), (None, True)])
def test_a_flag_in_its_usual_forms(sent: Json, active: bool) -> None:
    code = read_code({"EnterpriseCodeValue": "B", "IsActive": sent}, PROFILE, "12", "G")
    assert isinstance(code, Code)
    assert code.is_active is active


def test_a_flag_in_no_form_is_a_bad_row() -> None:
    assert isinstance(read_code({"EnterpriseCodeValue": "B", "IsActive": "perhaps"}, PROFILE, "12", "G"), BadRow)


def test_a_batch_without_an_id_is_a_bad_row_and_a_broken_count_too() -> None:
    assert isinstance(read_batch({"BatchName": "B"}, PROFILE, "12"), BadRow)
    assert isinstance(read_batch({"BatchGUID": "g", "InvoiceCount": Decimal("1.5")}, PROFILE, "12"), BadRow)
    assert isinstance(read_batch([], PROFILE, "12"), BadRow)

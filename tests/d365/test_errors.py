"""What D365's error answers mean: every row of contracts/d365-fo.md §9."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.d365.errors import AlreadyThere, ProblemKind, RowMissing, UrlTooLong, error_of_read, error_of_write, parse_problem
from sync.errors import FixConfiguration, FixData, OutcomeUnknown, SyncError, TryLater
from tests.d365.support import answer, refusal

HEADER = "Write failed for table row of type 'VendorInvoiceHeaderEntity'. Infolog: Error: "
FOREIGN = (
    HEADER + "The value 'US-999' in field 'Invoice account' is not found in the related table 'Vendors'.; "
    "validateField failed on field 'VendorInvoiceHeaderEntity.InvoiceAccount'."
)
MANDATORY = HEADER + "Field 'Invoice number' must be filled in.; validateField failed on field 'VendorInvoiceHeaderEntity.InvoiceNumber'."
DUPLICATE = HEADER + "Cannot create a record in Vendor invoice header (VendInvoiceInfoTable). Header: 1.\nThe record already exists."
CONFLICT = (
    HEADER + "Cannot edit a record in Journal (LedgerJournalTable).\nAn update conflict occurred due to another user process deleting it."
)
SEGMENTS = HEADER + "The number of dimension values 2 is different from the number set up in the active format 3."
UNKNOWN = "The property 'Foo' does not exist on type 'Microsoft.Dynamics.DataEntities.VendorInvoiceHeader'."
MARKED = HEADER + "This transaction has been marked for settlement by journal 00042."


@pytest.mark.parametrize(
    ("text", "kind", "entity", "field", "value"),
    [
        (FOREIGN, ProblemKind.FOREIGN_KEY, "VendorInvoiceHeaderEntity", "InvoiceAccount", "US-999"),
        (MANDATORY, ProblemKind.MANDATORY, "VendorInvoiceHeaderEntity", "InvoiceNumber", ""),
        ("Rechnung is mandatory and must consequently be specified.", ProblemKind.MANDATORY, "", "", ""),
        (DUPLICATE, ProblemKind.DUPLICATE, "VendorInvoiceHeaderEntity", "", ""),
        ("No resources were found when selecting for update.", ProblemKind.MISSING_ROW, "", "", ""),
        (CONFLICT, ProblemKind.CONFLICT, "VendorInvoiceHeaderEntity", "", ""),
        (SEGMENTS, ProblemKind.DIMENSION_SEGMENTS, "VendorInvoiceHeaderEntity", "", ""),
        (UNKNOWN, ProblemKind.UNKNOWN_PROPERTY, "", "Foo", ""),
        (MARKED, ProblemKind.MARKED_ELSEWHERE, "VendorInvoiceHeaderEntity", "", ""),
        (
            HEADER + "Der Wert ist falsch; Fehler in 'VendorInvoiceLineEntity.Amount'",
            ProblemKind.OTHER,
            "VendorInvoiceLineEntity",
            "Amount",
            "",
        ),
    ],
)
def test_what_a_text_says(text: str, kind: ProblemKind, entity: str, field: str, value: str) -> None:
    problem = parse_problem(refusal(text).body)
    assert (problem.kind, problem.entity, problem.field, problem.value) == (kind, entity, field, value)
    assert problem.sentence.split()[0] == text.split(maxsplit=1)[0]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "D365 gave no reason"),
        (b"{}", "D365 gave no reason"),
        (b'{"Message": "No HTTP resource was found."}', "No HTTP resource was found."),
        (b'{"error": {"message": "Plain."}}', "Plain."),
        (b'{"error": "odd"}', "odd"),
        (b'"odd"', "odd"),
        (b"<html><head><title>502 Bad\nGateway</title></head><body>x</body></html>", "502 Bad Gateway"),
        (b"<p>Sorry</p>", "Sorry"),
        (b'{"error":{"message":"An error has occurred.","innererror":{"message":"Write \\"failed\\"\\r\\nfor', 'Write "failed" for'),
        (b'{"error":{"mess', "D365 gave no reason"),
        (b"\xff\xfe\x00", "\ufffd\ufffd\x00"),
    ],
)
def test_any_shape_of_body(body: bytes, sentence: str) -> None:
    assert parse_problem(body).sentence == sentence


def test_a_long_text_is_shortened() -> None:
    assert len(parse_problem(refusal("x" * 10_000).body).sentence) == 500


@given(st.binary(max_size=200))
def test_any_body_is_survived(body: bytes) -> None:
    for status in (400, 404, 500):
        assert isinstance(error_of_write(status, body, "create X"), SyncError)
        assert isinstance(error_of_read(status, body, "read X"), SyncError)


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (400, FOREIGN, FixData),
        (400, MANDATORY, FixData),
        (400, SEGMENTS, FixData),
        (400, MARKED, FixData),
        (400, UNKNOWN, FixData),
        (400, "Something else.", FixData),
        (422, "", FixData),
        (400, DUPLICATE, AlreadyThere),
        (500, DUPLICATE, AlreadyThere),
        (409, "", AlreadyThere),
        (400, "No resources were found when selecting for update.", RowMissing),
        (400, CONFLICT, TryLater),
        (412, "", TryLater),
        (403, "", FixConfiguration),
        (404, "", FixConfiguration),
        (302, "", FixConfiguration),
        (414, "", UrlTooLong),
        (500, FOREIGN, FixData),
        (500, "Something else.", OutcomeUnknown),
    ],
)
def test_what_a_write_raises(status: int, text: str, kind: type[SyncError]) -> None:
    error = error_of_write(status, refusal(text).body, "create VendorInvoiceHeaders")
    assert type(error) is kind


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, FixConfiguration),
        (403, FixConfiguration),
        (404, FixConfiguration),
        (302, FixConfiguration),
        (414, UrlTooLong),
        (501, TryLater),
    ],
)
def test_what_a_read_raises(status: int, kind: type[SyncError]) -> None:
    assert type(error_of_read(status, refusal("Oops").body, "read VendorsV3")) is kind


@pytest.mark.parametrize(
    ("text", "code", "subject", "field"),
    [
        (FOREIGN, "vendor-missing", "vendor US-999", "InvoiceAccount"),
        (
            FOREIGN.replace("InvoiceAccount'", "TermsOfPayment'"),
            "refused",
            "VendorInvoiceHeaderEntity TermsOfPayment US-999",
            "TermsOfPayment",
        ),
        (MANDATORY, "field-missing", "VendorInvoiceHeaderEntity InvoiceNumber", "InvoiceNumber"),
        (MARKED, "marked-elsewhere", "VendorInvoiceHeaderEntity", ""),
        ("No.", "refused", "D365", ""),
    ],
)
def test_the_cause_points_at_what_to_mend(text: str, code: str, subject: str, field: str) -> None:
    error = error_of_write(400, refusal(text).body, "create VendorInvoiceHeaders")
    assert isinstance(error, FixData)
    (cause,) = error.causes
    assert (cause.code, cause.subject, cause.field) == (code, subject, field)
    assert cause.sentence.split()[-1] == text.rsplit(maxsplit=1)[-1]


def test_an_unknown_set_is_named() -> None:
    error = error_of_read(404, answer(404, {"Message": "No HTTP resource was found that matches …"}).body, "read FinancialDimensions")
    assert "FinancialDimensions" in error.sentence

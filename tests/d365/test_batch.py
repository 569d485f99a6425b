"""Changesets: all or nothing, and an outer 200 that proves nothing."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.simulator.seams import START
from sync.d365.batch import Operation
from sync.d365.errors import AlreadyThere
from sync.d365.wire import Json, write_json
from sync.errors import FixData, OutcomeUnknown, SignInAgain, SyncError, Throttled
from sync.http.wire import HttpResponse
from tests.d365.support import BASE, Environment, refusal, scripted

LINES = [Operation("POST", "VendorInvoiceLines", {"InvoiceLineNumber": number, "LineDescription": "ü\r\n--x"}) for number in (1, 2)]


def part(status: int, body: bytes = b"", content_id: str = "", headers: str = "") -> bytes:
    head = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
    head += f"Content-ID: {content_id}\r\n" if content_id else ""
    inner = f"HTTP/1.1 {status} Whatever\r\nContent-Type: application/json; odata.metadata=minimal\r\n{headers}\r\n"
    return f"{head}\r\n{inner}".encode() + body


def created(number: int, content_id: str = "") -> bytes:
    return part(201, write_json({"InvoiceLineNumber": number, "LineDescription": "ü", "Amount": Decimal("1.10")}), content_id)


def changeset(*parts: bytes, boundary: str = "changesetresponse_1") -> HttpResponse:
    """A whole batch answer with one changeset."""
    inside = b"".join(f"--{boundary}\r\n".encode() + item + b"\r\n" for item in parts) + f"--{boundary}--\r\n".encode()
    return batch(f"Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n".encode() + inside)


def batch(*parts: bytes) -> HttpResponse:
    """A whole batch answer."""
    body = b"".join(b"--batchresponse_1\r\n" + item + b"\r\n" for item in parts) + b"--batchresponse_1--\r\n"
    return HttpResponse(200, {"content-type": 'multipart/mixed; boundary="batchresponse_1"'}, body)


def failed(status: int, text: str = "") -> HttpResponse:
    """A failed changeset: one part in its place."""
    return batch(part(status, refusal(text).body, headers="Retry-After: 40\r\n"))


def write(answer: HttpResponse, operations: Sequence[Operation] = LINES) -> tuple[Environment, list[dict[str, Json]]]:
    it = scripted(answer)
    return it, it.client.changeset(operations)


def test_what_is_sent() -> None:
    it, _ = write(changeset(created(1), part(204), part(204)), [LINES[0], *_patch_and_delete()])
    (request,) = it.sent
    assert (request.method, request.url) == ("POST", f"{BASE}/data/$batch?cross-company=true")
    assert request.headers["Content-Type"] == "multipart/mixed; boundary=batch_of_one"
    lines = request.body.decode().split("\r\n")
    assert lines[:3] == ["--batch_of_one", "Content-Type: multipart/mixed; boundary=changeset_1", ""]
    assert lines[-3:] == ["--changeset_1--", "--batch_of_one--", ""]
    assert lines.count("--changeset_1") == 3
    assert [line for line in lines if line.startswith("Content-ID")] == ["Content-ID: 1", "Content-ID: 2", "Content-ID: 3"]
    assert f"POST {BASE}/data/VendorInvoiceLines?cross-company=true HTTP/1.1" in lines
    assert f"DELETE {BASE}/data/X(dataAreaId=%27usmf%27,K=%27a%27%27b%27)?cross-company=true HTTP/1.1" in lines
    assert '{"InvoiceLineNumber":1,"LineDescription":"ü\\r\\n--x"}' in lines


def _patch_and_delete() -> list[Operation]:
    keys = {"dataAreaId": "usmf", "K": "a'b"}
    return [Operation("PATCH", "X", {"A": 1}, keys), Operation("DELETE", "X", keys=keys)]


def test_the_rows_come_back_in_order_with_exact_numbers() -> None:
    _, rows = write(changeset(created(1), created(2)))
    assert [row["InvoiceLineNumber"] for row in rows] == [1, 2]
    assert rows[0]["LineDescription"] == "ü"
    assert rows[0]["Amount"] == Decimal("1.10")


def test_content_ids_put_them_in_order() -> None:
    _, rows = write(changeset(created(2, "2"), created(1, "1")))
    assert [row["InvoiceLineNumber"] for row in rows] == [1, 2]


def test_bare_line_ends_are_understood() -> None:
    answer = changeset(created(1), created(2))
    _, rows = write(HttpResponse(200, answer.headers, answer.body.replace(b"\r\n", b"\n")))
    assert len(rows) == 2


def test_no_operation_is_no_request() -> None:
    assert scripted().client.changeset([]) == []


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (failed(400, "Field 'X' must be filled in."), FixData),
        (failed(500, "Field 'X' must be filled in."), FixData),
        (failed(500, "Cannot create a record. The record already exists."), AlreadyThere),
        (failed(500, "Something broke."), OutcomeUnknown),
        (failed(503), OutcomeUnknown),
        (failed(401), SignInAgain),
        (failed(429), Throttled),
        (refusal("The batch is malformed."), FixData),
        (HttpResponse(503, {}, b"<html>"), OutcomeUnknown),
        (changeset(created(1), part(400, refusal("Field 'X' must be filled in.").body)), FixData),
        (changeset(created(1)), OutcomeUnknown),
        (changeset(), OutcomeUnknown),
        (changeset(created(1), created(2), created(3)), OutcomeUnknown),
        (changeset(created(1, "1"), created(2, "1")), OutcomeUnknown),
        (changeset(created(1), part(201, b'{"Inv')), OutcomeUnknown),
        (batch(b"Content-Type: application/http\r\n\r\nthis is no answer"), OutcomeUnknown),
        (HttpResponse(200, {"content-type": "text/html"}, b"<html>"), OutcomeUnknown),
        (HttpResponse(200, {}, b""), OutcomeUnknown),
        (HttpResponse(200, {"content-type": "multipart/mixed"}, b""), OutcomeUnknown),
    ],
)
def test_the_outer_status_proves_nothing(answer: HttpResponse, kind: type[SyncError]) -> None:
    with pytest.raises(kind) as caught:
        write(answer)
    assert type(caught.value) is kind


def test_a_429_inside_closes_the_gate() -> None:
    it = scripted(failed(429))
    with pytest.raises(Throttled):
        it.client.changeset(LINES)
    assert it.gates.closed["contoso.operations.dynamics.com"] == START + timedelta(seconds=40)


def test_a_failed_operation_is_named_where_the_answer_names_it() -> None:
    with pytest.raises(FixData) as caught:
        write(batch(part(400, refusal("Field 'X' must be filled in.").body, "2")))
    assert "operation 2" in caught.value.detail


WHOLE = changeset(created(1), created(2))


@given(st.integers(0, len(WHOLE.body) - len("--batchresponse_1--\r\n")))
def test_an_answer_cut_anywhere_is_unclear(cut: int) -> None:
    with pytest.raises(OutcomeUnknown):
        write(HttpResponse(200, WHOLE.headers, WHOLE.body[:cut]))

"""The client's calls, answered by a function."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.avid.client import AvidClient
from sync.avid.jsontext import Row, put
from sync.avid.models import AvidPayment, AvidVendor, BadRow, ClosedBatch, Code, CodeGroup, Remittance
from sync.errors import FixConfiguration, FixData, OutcomeUnknown, SignInAgain, TryLater
from sync.http.wire import HttpRequest, HttpResponse
from sync.outcomes import ItemResult
from tests.avid.support import BASE, HOST, FunctionHttp, answered, path_of, query_of, saying
from tests.support.dialects import spoken_field, spoken_link

AT = datetime(2026, 3, 5, 8, 30, 15, 123456, tzinfo=UTC)
BATCH = ClosedBatch("g-1", "March", "12", 2, None, AT, f"{BASE}/invoices/batches/g-1/fullDetails")


def vendors(count: int) -> list[AvidVendor]:
    return [AvidVendor("12", f"V-{number:04d}", f"Vendor {number}", is_active=True) for number in range(count)]


def all_ok(request: HttpRequest) -> HttpResponse:
    return saying({"Results": [{"Successful": True}] * request.body.count(b'"AccountingSystemId"')})


def body_of(http: FunctionHttp, number: int) -> Any:
    return http.bodies[number]


def test_accounting_systems_and_code_groups() -> None:
    client, _ = answered(lambda _: saying({"Items": [{"ID": 12, "Name": "USMF"}, {"ID": "0013", "Name": None}]}))
    assert [(system.id, system.name) for system in client.accounting_systems()] == [("12", "USMF"), ("0013", "")]
    groups = {"Items": [{"Id": 1, "CodeGroupName": "GL", "IsRequired": "true"}]}
    client, http = answered(lambda _: saying(groups))
    assert client.code_groups("12") == [CodeGroup("1", "GL", is_required=True)]
    assert http.urls == [f"{BASE}/enterpriseCodeGroups?acctgSysId=12"]


def test_an_accounting_system_without_an_id_points_at_the_profile() -> None:
    client, _ = answered(lambda _: saying([{"Id": 12}]))
    with pytest.raises(FixConfiguration, match=f"{spoken_field('accounting_system.id')} is missing"):
        client.accounting_systems()


def test_vendors_are_paged_and_those_of_other_systems_left_out() -> None:
    pages: dict[str, list[object]] = {
        "1": [{"VendorExternalSystemID": "A"}, {"VendorExternalSystemID": "X", "AccountingSystemId": 13}],
        "2": [{"VendorExternalSystemID": "B", "AccountingSystemId": 12}, {"VendorName": "no id"}, 7],
    }
    client, http = answered(lambda request: saying({"Items": pages[query_of(request)["pageNumber"]], "Paging": {"PageCount": 2}}))
    found = list(client.vendors("12"))
    assert [row.external_id for row in found if isinstance(row, AvidVendor)] == ["A", "B"]
    assert [row.field for row in found if isinstance(row, BadRow)] == [spoken_field("vendor.external_id"), ""]
    assert list(map(query_of, sent(http))) == [{"acctgSysId": "12", "pageNumber": "1"}, {"acctgSysId": "12", "pageNumber": "2"}]


@pytest.mark.shipped_names("it gives a name of its own")
def test_the_page_size_is_asked_for_where_the_profile_says_so() -> None:
    client, http = answered(lambda _: saying([]), query__page_size="pageSize", limits__page_size=500)
    assert list(client.codes("12", "A&B Group")) == []
    assert http.urls == [f"{BASE}/enterpriseCodes?acctgSysId=12&codeGroupName=A%26B+Group&pageNumber=1&pageSize=500"]


def test_upserts_are_cut_to_the_batch_size_and_never_repeated_without_a_look() -> None:
    client, http = answered(all_ok)
    limits = client.profile.limits
    assert client.upsert_vendors(vendors(limits.vendor_batch * 2 + 7)) == [ItemResult(True)] * (limits.vendor_batch * 2 + 7)
    assert [len(body_of(http, number)) for number in range(3)] == [limits.vendor_batch, limits.vendor_batch, 7]
    assert not any(repeatable for _, repeatable in http.sent)
    client, http = answered(all_ok)
    codes = [Code("12", "GL", str(number), "", is_active=True) for number in range(limits.code_batch + 1)]
    assert len(client.upsert_codes("12", "GL", codes)) == limits.code_batch + 1
    assert [len(body_of(http, number)) for number in range(2)] == [limits.code_batch, 1]


def test_nothing_to_send_sends_nothing() -> None:
    client, http = answered(all_ok)
    assert client.upsert_vendors([]) == []
    assert not http.sent


def test_a_mapping_is_sent_as_it_is_under_its_system_and_group() -> None:
    client, http = answered(all_ok)
    row: Row = {}
    put(row, spoken_field("code.value"), "600")
    client.upsert_codes("12", "GL", [row])
    assert body_of(http, 0) == [{"EnterpriseCodeValue": "600", "AccountingSystemId": 12, "CodeGroupName": "GL"}]


def test_without_results_in_order_items_go_one_by_one() -> None:
    client, http = answered(all_ok, capabilities__results_in_order=False)
    assert len(client.upsert_vendors(vendors(3))) == 3
    assert len(http.sent) == 3


def refusing(bad: Iterable[str], status: int = 400) -> tuple[AvidClient, FunctionHttp]:
    """A tenant that refuses a whole call when one of its items is bad."""
    marks = [f'"{name}"'.encode() for name in bad]
    refusal = saying({"exception": {"reason": "BadRequest", "detail": "VendorName"}}, status)
    return answered(lambda request: refusal if any(mark in request.body for mark in marks) else all_ok(request))


@given(st.sets(st.integers(0, 99), max_size=4))
def test_one_bad_item_does_not_hold_up_the_others(bad: set[int]) -> None:
    client, http = refusing(f"V-{number:04d}" for number in bad)
    results = client.upsert_vendors(vendors(100))
    assert {number for number, result in enumerate(results) if not result.ok} == bad
    assert all(result.messages == ("AvidXchange refused it: BadRequest: VendorName (400)",) for result in results if not result.ok)
    assert len(http.sent) <= 61 * -(-100 // client.profile.limits.vendor_batch)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refusal_of_the_data_is_the_item_s_own_and_not_tried_again(status: int) -> None:
    client, http = refusing(["V-0001"], status)
    results = client.upsert_vendors(vendors(2))
    assert [result.ok for result in results] == [True, False]
    assert results[1].messages == (f"AvidXchange refused it: BadRequest: VendorName ({status})",)
    assert len(http.sent) == 3


def test_a_tenant_that_refuses_everything_is_not_asked_forever() -> None:
    client, http = refusing(vendor.external_id for vendor in vendors(500))
    assert not any(result.ok for result in client.upsert_vendors(vendors(100)))
    assert len(http.sent) <= 61 * -(-100 // client.profile.limits.vendor_batch)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (HttpResponse(503), TryLater),
        (HttpResponse(501), TryLater),
        (HttpResponse(429), TryLater),
        (saying({"fault": {"code": "900800"}}, 403), TryLater),
        (HttpResponse(401), SignInAgain),
        (saying({"fault": {"message": "no scope"}}, 403), FixConfiguration),
        (HttpResponse(404), FixConfiguration),
        (HttpResponse(302, {"location": "https://login.example"}), FixConfiguration),
        (HttpResponse(405), FixConfiguration),
    ],
)
def test_each_answer_calls_for_its_own_action(answer: HttpResponse, kind: type[Exception]) -> None:
    client, http = answered(lambda _: answer)
    with pytest.raises(kind):
        client.upsert_vendors(vendors(1))
    with pytest.raises(kind):
        list(client.vendors("12"))
    assert len(http.sent) == 2


@pytest.mark.parametrize("answer", [HttpResponse(200, {}, b"<html>"), saying({"exception": {"reason": "r"}})])
def test_an_answer_that_cannot_be_used_is_asked_for_again_and_leaves_a_write_in_doubt(answer: HttpResponse) -> None:
    client, http = answered(lambda _: answer)
    with pytest.raises(TryLater):
        list(client.vendors("12"))
    with pytest.raises(OutcomeUnknown):
        client.upsert_vendors(vendors(1))
    assert len(http.sent) == 2


def test_a_refused_list_names_resource_and_remedy() -> None:
    client, _ = answered(lambda _: saying({"fault": {"message": "no such system"}}, 404))
    with pytest.raises(FixConfiguration) as caught:
        list(client.vendors("12"))
    assert caught.value.field == "avidxchange.profile.paths.vendors"
    assert caught.value.sentence == (
        "AvidXchange does not know the vendors of accounting system 12: no such system (404); "
        "check companies.accounting_system, avidxchange.version and avidxchange.profile.paths.vendors."
    )


@pytest.mark.shipped_names("it gives a limit of its own")
@given(st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.integers(-3, 100), st.integers(1, 30))
def test_windows_leave_no_day_out_and_are_never_longer_than_they_may_be(first: date, days: int, longest: int) -> None:
    client, http = answered(lambda _: saying([]), limits__window_days=longest)
    last = first + timedelta(days=days)
    list(client.closed_batches("12", first, last))
    queries = map(query_of, sent(http))
    windows = [(date.fromisoformat(query["closeDateFrom"]), date.fromisoformat(query["closeDateTo"])) for query in queries]
    covered = {start + timedelta(days=number) for start, end in windows for number in range((end - start).days + 1)}
    assert covered == {first + timedelta(days=number) for number in range(days + 1)}
    assert all((end - start).days < longest for start, end in windows)
    borders = [end == start for (_, end), (start, _) in pairwise(windows)]
    assert all(borders) or longest == 1, "wherever the last day should not be included"


@pytest.mark.shipped_names("it counts with the shipped windows")
def test_what_stands_in_two_windows_comes_once_and_anew_only_when_it_changed() -> None:
    states = iter(["Processing", "Cleared"])
    pages = {
        "2026-01-01": lambda: [{"PaymentId": 1, "Amount": 5}, {"PaymentId": 2, "Amount": 5, "Status": {"Description": next(states)}}],
        "2026-01-30": lambda: [{"PaymentId": 2, "Amount": 5, "Status": {"Description": next(states)}}, {"PaymentId": 1, "Amount": 5}],
    }
    client, _ = answered(lambda request: saying(pages[query_of(request)["lastModifiedFrom"]]()))
    found = client.payments(date(2026, 1, 1), date(2026, 2, 15))
    assert [(row.id, row.status) for row in found if isinstance(row, AvidPayment)] == [("1", ""), ("2", "Processing"), ("2", "Cleared")]


def sent(http: FunctionHttp) -> list[HttpRequest]:
    return [request for request, _ in http.sent]


def test_closed_batches_know_their_link() -> None:
    row = {
        "BatchGUID": "g-1",
        "BatchName": "March",
        "InvoiceCount": "2",
        "BatchTotal": 10.5,
        "DateClosed": "2026-03-05 08:30:15",
        "Links": {"Rel": "full-details", "Href": "https://x.example/y"},
    }
    client, http = answered(lambda _: saying([row, {"BatchName": "no id"}]))
    batch, bad = client.closed_batches("12/3", date(2026, 3, 1), date(2026, 3, 5))
    assert isinstance(batch, ClosedBatch)
    assert (batch.guid, batch.accounting_system, batch.invoice_count, batch.details_link) == ("g-1", "12/3", 2, "https://x.example/y")
    assert batch.date_closed == AT.replace(microsecond=0)
    assert isinstance(bad, BadRow)
    assert path_of(sent(http)[0]) == "/v1/invoices/batches/closed/acctgSysId/12%2F3"


def test_invoices_come_from_the_full_details_link_page_by_page() -> None:
    pages: dict[str, list[object]] = {"": [{"Id": 1, "GrossAmount": 1}, {"Id": 2}], "2": [{"Id": 3, "GrossAmount": 3}]}
    client, http = answered(lambda request: saying({"Items": pages[query_of(request).get("pageNumber", "")], "Paging": {"Pages": 2}}))
    rows = list(client.batch_invoices(replace(BATCH, details_link=spoken_link(BATCH.details_link))))
    assert [(row.id, isinstance(row, BadRow)) for row in rows] == [("1", False), ("2", True), ("3", False)]
    assert http.urls == [BATCH.details_link, f"{BATCH.details_link}?pageNumber=2"]


@pytest.mark.parametrize("link", ["", "https://evil.example/v1/x", f"https://{HOST}@evil.example/"])
def test_a_full_details_link_elsewhere_is_not_followed(link: str) -> None:
    client, http = answered(lambda _: saying([]))
    with pytest.raises(FixConfiguration, match="nothing was asked for"):
        list(client.batch_invoices(replace(BATCH, details_link=link)))
    assert not http.sent


def test_a_batch_that_was_opened_again_is_for_the_next_run() -> None:
    client, _ = answered(lambda _: HttpResponse(404))
    with pytest.raises(TryLater, match="March"):
        list(client.batch_invoices(BATCH))


def test_the_acknowledgement_says_what_the_contract_says_and_is_sent_once() -> None:
    client, http = answered(lambda _: saying({"Results": {"Successful": "true"}}))
    client.acknowledge(BATCH, AT)
    moment = "2026-03-05T08:30:15"
    body = {"BatchId": "g-1", "FileId": None, "ExportedByUserId": None, "StartDate": moment, "EndDate": moment, "ExportHistoryStatusId": 1}
    assert http.bodies == [body]
    assert [(path_of(request), repeatable) for request, repeatable in http.sent] == [("/v1/invoices/batches/exportHistories", False)]


@pytest.mark.parametrize("answer", [HttpResponse(201), HttpResponse(204), saying({"Id": 5}, 201), HttpResponse(409)])
def test_an_acknowledgement_that_was_taken(answer: HttpResponse) -> None:
    client, http = answered(lambda _: answer)
    client.acknowledge(BATCH, AT)
    assert len(http.sent) == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (saying({"Results": [{"Successful": False, "Errors": {"Message": "not closed"}}]}), FixData),
        (saying({"Successful": "false", "Errors": [{"Message": "not closed"}]}), FixData),
        (saying({"exception": {"reason": "r", "detail": "not closed"}}), FixData),
        (saying({"exception": {"detail": "not closed"}}, 400), FixData),
        (saying({"exception": {"detail": "not closed"}}, 404), FixData),
        (HttpResponse(200), OutcomeUnknown),
        (HttpResponse(200, {}, b"<html>proxy</html>"), OutcomeUnknown),
        (HttpResponse(403), FixConfiguration),
        (HttpResponse(401), SignInAgain),
        (HttpResponse(307), FixConfiguration),
    ],
)
def test_an_acknowledgement_that_was_not_taken(answer: HttpResponse, kind: type[Exception]) -> None:
    client, http = answered(lambda _: answer)
    with pytest.raises(kind) as caught:
        client.acknowledge(BATCH, AT)
    assert len(http.sent) == 1
    if isinstance(caught.value, FixData):
        assert [(cause.code, cause.subject) for cause in caught.value.causes] == [("refused", "batch March")]
        assert "not closed" in caught.value.sentence


def test_an_unclear_acknowledgement_stays_unclear() -> None:
    def lose(request: HttpRequest) -> HttpResponse:
        raise OutcomeUnknown("no answer")

    client, http = answered(lose)
    with pytest.raises(OutcomeUnknown):
        client.acknowledge(BATCH, AT)
    assert len(http.sent) == 1


def test_payments_by_window_and_bad_rows_among_them() -> None:
    client, http = answered(lambda _: saying([{"PaymentId": 1, "Amount": 5}, {"PaymentId": 2, "Amount": "five"}]))
    good, bad = client.payments(date(2026, 3, 1), date(2026, 3, 5))
    assert isinstance(good, AvidPayment)
    assert isinstance(bad, BadRow)
    assert (bad.id, bad.field) == ("2", spoken_field("payment.amount"))
    assert query_of(sent(http)[0]) == {"lastModifiedFrom": "2026-03-01", "lastModifiedTo": "2026-03-05", "pageNumber": "1"}


def test_payments_by_id_take_only_what_was_asked_for() -> None:
    def everything(request: HttpRequest) -> HttpResponse:
        return saying({"Items": [{"PaymentId": number, "Amount": 1} for number in range(200)], "Paging": {"PageCount": 99}})

    client, http = answered(everything)
    assert sorted(int(payment.id) for payment in client.payments_by_id([str(number) for number in range(60)])) == [*range(60)]
    most = client.profile.limits.payment_ids
    assert [len(query_of(request)["paymentIds"].split(",")) for request in sent(http)] == [
        min(most, 60 - first) for first in range(0, 60, most)
    ]


def test_payments_that_are_not_there_are_left_out() -> None:
    client, _ = answered(lambda _: HttpResponse(404))
    assert list(client.payments_by_id(["1"])) == []
    assert client.remittances("1") == []


REMITTANCE = {"Number": "INV-1", "Gross": "10.00", "Discount": None, "Net": 10}


def test_remittances_are_fetched_when_missing_and_kept_in_the_text() -> None:
    def answer(request: HttpRequest) -> HttpResponse:
        payment = {"PaymentId": "7/1", "Amount": 10, "Remittances": None}
        return saying([REMITTANCE] if path_of(request).endswith("/remittances") else [payment])

    client, http = answered(answer)
    (payment,) = client.payments_by_id(["7/1"])
    assert isinstance(payment, AvidPayment)
    whole = client.with_remittances(payment)
    assert isinstance(whole, AvidPayment)
    assert [remittance.number for remittance in whole.remittances] == ["INV-1"]
    assert '"INV-1"' in whole.text
    assert path_of(sent(http)[-1]) == "/v1/payments/7%2F1/remittances"
    assert client.with_remittances(whole) is whole
    assert len(http.sent) == 2
    (remittance,) = client.remittances("7/1")
    assert isinstance(remittance, Remittance)


def test_a_remittance_that_cannot_be_read_makes_the_payment_a_bad_row() -> None:
    payment_row, remittance_row = {"PaymentId": 7, "Amount": 10}, {"Number": "INV-1"}
    client, _ = answered(lambda request: saying([remittance_row if "remittances" in request.url else payment_row]))
    (payment,) = client.payments_by_id(["7"])
    assert isinstance(payment, AvidPayment)
    bad = client.with_remittances(payment)
    assert isinstance(bad, BadRow)
    assert (bad.id, bad.field) == ("7", f"{spoken_field('payment.remittances')}[1].{spoken_field('remittance.gross')}")


def test_a_tenant_without_that_address_is_not_asked() -> None:
    client, http = answered(lambda _: saying([{"PaymentId": 7, "Amount": 10}]), capabilities__remittances_by_payment=False)
    (payment,) = client.payments_by_id(["7"])
    assert isinstance(payment, AvidPayment)
    assert client.with_remittances(payment) is payment
    assert len(http.sent) == 1

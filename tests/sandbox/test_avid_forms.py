"""The sandbox's AvidXchange: who may call, how errors look, and the forms that the switches choose."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Literal

import pytest

from sandbox.avid import AvidSwitches, AvidWorld, Invoice, Payment, Remittance
from sandbox.avid.wire import Json
from sandbox.web import Request
from tests.sandbox.avid_client import Caller, loaded

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def new_caller(switches: AvidSwitches | None = None) -> Caller:
    world = AvidWorld("avid.example", "company", "user", lambda: NOW, switches or AvidSwitches())
    world.accounting_systems = {number: f"Books {number}" for number in range(1, 6)}
    world.add_batch(1, [Invoice(11, 4711, date(2026, 11, 2), None, Decimal("7.50"), "V-1", "Vendor", (), NOW)], NOW)
    remittance = Remittance("4711", "11", date(2026, 11, 2), Decimal("7.50"), Decimal(0), Decimal("7.50"))
    world.add_payment(Payment(21, 2, Decimal("7.50"), "Cleared", "VCC", "V-1", "Vendor", NOW, (remittance,), accounting_system=1))
    return Caller(world)


def test_wrong_or_missing_tokens_are_answered_401_with_the_error_envelope() -> None:
    caller = new_caller()
    for headers in ({}, {**caller.tokens, "usertoken": "stolen"}, {"companytoken": "company"}):
        body = loaded(caller.send("GET", "/v1/accountingSystems", headers=headers), 401)
        assert body["exception"]["reason"] == "Unauthorized"
        assert "company" not in body["exception"]["detail"].replace("company token", "")


def test_a_rotated_token_replaces_the_old_one() -> None:
    caller = new_caller()
    old = caller.tokens
    caller.world.rotate(user_token="second")
    assert caller.send("GET", "/v1/accountingSystems", headers=old).status == 401
    assert caller.send("GET", "/v1/accountingSystems").status == 200


def test_the_header_names_are_the_switches() -> None:
    caller = new_caller(AvidSwitches(company_token_header="X-Company", user_token_header="X-User"))
    assert caller.send("GET", "/v1/accountingSystems").status == 401
    assert caller.send("GET", "/v1/accountingSystems", headers={"x-company": "company", "x-user": "user"}).status == 200


def test_another_host_path_or_method_is_refused_with_the_error_envelope() -> None:
    caller = new_caller()
    foreign = caller.system.handle(Request("GET", "other.example", "/v1/accountingSystems", caller.tokens))
    assert loaded(foreign, 404)["exception"]["reason"] == "NotFound"
    caller.refused("GET", "/v2/accountingSystems", 404)
    caller.refused("GET", "/v1/accountingSystems/1", 404)
    assert "GET" in caller.refused("DELETE", "/v1/accountingSystems", 405)
    assert loaded(caller.system.handle(Request("POST", "avid.example", "/v1/vendors", caller.tokens, b"<xml/>")), 400)["exception"]


def test_pages_are_linked_by_absolute_next_links_and_the_last_has_none() -> None:
    caller = new_caller(AvidSwitches(page_size=2))
    page = caller.get("/v1/accountingSystems")
    assert [row["ID"] for row in caller.all("/v1/accountingSystems")] == [1, 2, 3, 4, 5]
    assert {name: page["Paging"][name] for name in ("PageNumber", "PageSize", "PageCount", "PageItems", "TotalItems")} == {
        "PageNumber": 1,
        "PageSize": 2,
        "PageCount": 3,
        "PageItems": 2,
        "TotalItems": 5,
    }
    assert page["Paging"]["Links"] == [{"Rel": "next", "Href": "https://avid.example/v1/accountingSystems?pageNumber=2"}]


def test_a_next_link_keeps_the_rest_of_the_query() -> None:
    caller = new_caller(AvidSwitches(page_size=1))
    caller.world.add_payment(replace(caller.world.payments[21], id=22))
    assert [row["PaymentId"] for row in caller.all("/v1/payments?lastModifiedFrom=2026-11-20&lastModifiedTo=2026-11-20")] == [21, 22]


def test_pages_without_links_are_counted_and_past_the_end_they_are_empty() -> None:
    caller = new_caller(AvidSwitches(page_size=2, paging="page_number", page_count_name="Pages"))
    pages = [caller.get(f"/v1/accountingSystems?pageNumber={number}") for number in (1, 3, 4)]
    assert [len(page["Items"]) for page in pages] == [2, 1, 0]
    assert pages[0]["Paging"]["Pages"] == 3
    assert "Links" not in pages[0]["Paging"]
    caller.refused("GET", "/v1/accountingSystems?pageNumber=0", 400)


def test_a_list_may_come_without_paging_or_as_a_bare_array() -> None:
    assert list(new_caller(AvidSwitches(page_size=2, paging="none")).get("/v1/accountingSystems")) == ["Items"]
    assert len(new_caller(AvidSwitches(page_size=2, paging="bare")).get("/v1/accountingSystems")) == 5


def test_results_may_be_texts_and_single_objects() -> None:
    caller = new_caller(AvidSwitches(successful="text", single_as_object=True))
    result = caller.post("/v1/vendors", [{"AccountingSystemId": 1}])
    assert result["Successful"] == "false"
    two = caller.post("/v1/vendors", [{"AccountingSystemId": 1, "VendorExternalSystemID": "V", "VendorName": ""}] * 2)
    assert two[0]["Errors"] == {"Message": "VendorName is required."}


@pytest.mark.parametrize(("ids", "money", "shown"), [("number", "number", (21, Decimal("7.50"))), ("text", "text", ("21", "7.50"))])
def test_ids_and_money_may_be_numbers_or_texts(ids: str, money: str, shown: tuple[object, object]) -> None:
    switches = AvidSwitches(ids="text" if ids == "text" else "number", money="text" if money == "text" else "number")
    (row,) = new_caller(switches).all("/v1/payments?paymentIds=21")
    assert (row["PaymentId"], row["Amount"]) == shown
    assert row["Remittances"][0]["Net"] == shown[1]


def test_an_invoice_number_may_be_a_json_number() -> None:
    caller = new_caller()
    (guid,) = caller.world.batches
    (row,) = caller.all(f"/v1/invoices/batches/{guid}/fullDetails")
    assert row["Number"] == 4711
    assert row["InvoiceDueDate"] is None


def test_times_may_hold_a_blank_and_a_fraction() -> None:
    (row,) = new_caller(AvidSwitches(timestamp_separator=" ", timestamp_fraction=True)).all("/v1/payments?paymentIds=21")
    assert row["LastModifiedDate"] == "2026-11-20 09:00:00.000"


def test_remittances_may_be_found_only_at_their_own_address() -> None:
    caller = new_caller(AvidSwitches(remittances="separate", payments_name_accounting_system=True))
    (row,) = caller.all("/v1/payments?paymentIds=21")
    assert "Remittances" not in row
    assert row["AccountingSystemId"] == 1
    assert len(caller.all("/v1/payments/21/remittances")) == 1


def test_a_single_payment_may_leave_its_remittances_out() -> None:
    caller = new_caller()
    caller.world.add_payment(replace(caller.world.payments[21], remittances_listed=False))
    assert "Remittances" not in caller.all("/v1/payments?paymentIds=21")[0]


@pytest.mark.parametrize(
    ("form", "body"),
    [
        ("fault", b'{"fault":{"code":900404,"message":"NotFound","description":"There is no resource /v1/x."}}'),
        ("xml", b"<fault><message>There is no resource /v1/x.</message></fault>"),
        ("html", b"<html><head><title>There is no resource /v1/x.</title></head><body>NotFound</body></html>"),
    ],
)
def test_errors_may_have_the_gateway_s_envelope_or_be_markup(form: Literal["fault", "xml", "html"], body: bytes) -> None:
    response = new_caller(AvidSwitches(error_bodies=form)).send("GET", "/v1/x")
    assert (response.status, response.body) == (404, body)


def test_results_may_come_in_another_order() -> None:
    vendors: list[Json] = [{"AccountingSystemId": 1, "VendorExternalSystemID": name, "VendorName": name} for name in ("A", "B", "")]
    results = new_caller(AvidSwitches(results_in_order=False)).post("/v1/vendors", vendors)
    assert [result["Item"]["VendorExternalSystemID"] for result in results] == ["", "B", "A"]


def test_vendors_that_are_there_may_be_refused_with_the_whole_call() -> None:
    caller = new_caller(AvidSwitches(known_vendors="conflict"))
    vendor: Json = {"AccountingSystemId": 1, "VendorExternalSystemID": "V", "VendorName": "V"}
    assert caller.post("/v1/vendors", [vendor])[0]["Successful"] is True
    assert caller.refused("POST", "/v1/vendors", 409, [vendor]) == "Vendor V is there already."


def test_the_last_day_of_a_window_may_not_count() -> None:
    caller = new_caller(AvidSwitches(last_day_included=False))
    assert caller.all("/v1/payments?lastModifiedFrom=2026-11-20&lastModifiedTo=2026-11-20") == []
    assert len(caller.all("/v1/payments?lastModifiedFrom=2026-11-20&lastModifiedTo=2026-11-21")) == 1


def test_fields_that_are_not_known_for_sure_may_be_left_out() -> None:
    (row,) = new_caller(AvidSwitches(left_out=frozenset({"Payee", "CurrencyCode"}))).all("/v1/payments?paymentIds=21")
    assert {"Payee", "CurrencyCode"} & {*row} == set()
    assert "Amount" in row

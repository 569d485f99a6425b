"""The sandbox's AvidXchange: closed batches, acknowledgements and payments."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from sandbox.avid import AvidSwitches, AvidWorld, Code, Distribution, Invoice, Payment, Remittance
from sandbox.avid.wire import Row
from tests.sandbox.avid_client import Caller


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def invoice(number: int, gross: str = "10.10") -> Invoice:
    line = Distribution(Decimal(gross), "Service", (Code("GL Account", "600100", "Plumbing"), Code("Building", "OAK-12")))
    changed = datetime(2026, 11, 9, 8, 0, tzinfo=UTC)
    return Invoice(number, f"INV-{number}", date(2026, 11, 2), date(2026, 12, 2), Decimal(gross), "V-1", "Vendor", (line,), changed)


def payment(number: int, modified: datetime, status: str = "Processing") -> Payment:
    remittance = Remittance("INV-1", "1", date(2026, 11, 2), Decimal("50.00"), Decimal("1.00"), Decimal("49.00"))
    return Payment(number, 1, Decimal("49.00"), status, "ACH", "V-1", "Vendor", modified, (remittance,), ("BANK-1",))


class Scene:
    """One accounting system with a batch closed on 10 November and two payments."""

    def __init__(self, switches: AvidSwitches | None = None) -> None:
        self.clock = Clock()
        self.world = AvidWorld("avid.example", "company", "user", self.clock, switches or AvidSwitches())
        self.world.accounting_systems = {7: "East", 8: "West"}
        self.batch = self.world.add_batch(7, [invoice(1), invoice(2, "-0.30")], datetime(2026, 11, 10, 23, 59, tzinfo=UTC), "Week 45")
        self.world.add_payment(payment(501, datetime(2026, 11, 1, 0, 0, tzinfo=UTC)))
        self.world.add_payment(payment(502, datetime(2026, 11, 15, 12, 0, tzinfo=UTC)))
        self.caller = Caller(self.world)

    def batches(self, first: str, last: str, system: int = 7) -> list[Row]:
        return self.caller.all(f"/v1/invoices/batches/closed/acctgSysId/{system}?closeDateFrom={first}&closeDateTo={last}")

    def payments(self, first: str, last: str) -> list[int]:
        return [row["PaymentId"] for row in self.caller.all(f"/v1/payments?lastModifiedFrom={first}&lastModifiedTo={last}")]

    def history(self, **fields: str | int | None) -> Row:
        stamp = "2026-11-20T08:59:59"
        history: Row = {"BatchId": self.batch.guid, "FileId": None, "ExportedByUserId": None, "StartDate": stamp, "EndDate": stamp}
        return {**history, "ExportHistoryStatusId": 1, **fields}


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_closed_batch_is_listed_on_inclusive_days_of_its_own_accounting_system(scene: Scene) -> None:
    (row,) = scene.batches("2026-11-10", "2026-11-10")
    assert (row["BatchGUID"], row["InvoiceCount"], row["BatchTotal"]) == (scene.batch.guid, 2, Decimal("9.80"))
    assert scene.batches("2026-11-11", "2026-11-20") == []
    assert scene.batches("2026-11-01", "2026-11-20", system=8) == []


def test_a_window_of_more_than_30_days_is_refused(scene: Scene) -> None:
    scene.batches("2026-10-22", "2026-11-20")
    address = "/v1/invoices/batches/closed/acctgSysId/7?closeDateFrom=2026-10-21&closeDateTo=2026-11-20"
    assert "30 days" in scene.caller.refused("GET", address, 400)
    assert "30 days" in scene.caller.refused("GET", "/v1/payments?lastModifiedFrom=2026-10-21&lastModifiedTo=2026-11-20", 400)


@pytest.mark.parametrize(
    "query", ["", "?closeDateFrom=2026-11-01", "?closeDateFrom=20261101&closeDateTo=2026-11-20", "?closeDateFrom=2026-11-31&closeDateTo=x"]
)
def test_dates_that_are_none_are_refused(scene: Scene, query: str) -> None:
    scene.caller.refused("GET", f"/v1/invoices/batches/closed/acctgSysId/7{query}", 400)


def test_the_full_details_link_of_a_batch_leads_to_its_invoices(scene: Scene) -> None:
    (row,) = scene.batches("2026-11-10", "2026-11-10")
    links = row["Links"]
    assert isinstance(links, list)
    assert isinstance(links[0], dict)
    assert links[0]["Rel"] == "full-details"
    address = str(links[0]["Href"])
    assert address.startswith("https://avid.example/v1/")
    first, credit = scene.caller.all(address.removeprefix("https://avid.example"))
    assert first["Distributions"][0]["EnterpriseCodes"][1]["EnterpriseCodeGroups"] == [{"CodeGroupName": "Building"}]
    assert (first["Number"], first["BuyerVendor"]["VendorExternalSystemID"], first["CurrencyCode"]) == ("INV-1", "V-1", "USD")
    assert (credit["GrossAmount"], credit["Distributions"][0]["Amount"]) == (Decimal("-0.30"), Decimal("-0.30"))


def test_money_is_the_exact_digits_of_the_decimal(scene: Scene) -> None:
    target = f"/v1/invoices/batches/{scene.batch.guid}/fullDetails"
    assert b'"GrossAmount":10.10,' in scene.caller.send("GET", target).body


def test_a_reopened_batch_vanishes_and_comes_back_with_a_new_close_date_and_other_invoices(scene: Scene) -> None:
    scene.world.reopen_batch(scene.batch.guid)
    assert scene.batches("2026-11-01", "2026-11-20") == []
    scene.caller.refused("GET", f"/v1/invoices/batches/{scene.batch.guid}/fullDetails", 404)
    scene.world.close_batch(scene.batch.guid, [invoice(1), replace(invoice(3), memo="new")])
    (row,) = scene.batches("2026-11-20", "2026-11-20")
    rows = scene.caller.all(f"/v1/invoices/batches/{scene.batch.guid}/fullDetails")
    assert row["DateClosed"] == "2026-11-20T09:00:00"
    assert [(item["Id"], item["LastChangedDate"]) for item in rows] == [(1, "2026-11-09T08:00:00"), (3, "2026-11-20T09:00:00")]


def test_an_acknowledgement_is_recorded_with_its_time_and_what_the_batch_held(scene: Scene) -> None:
    (result,) = scene.caller.post("/v1/invoices/batches/exportHistories", scene.history())
    (recorded,) = scene.world.acknowledgements
    assert result["Successful"] is True
    assert (recorded.at, recorded.batch_guid, recorded.invoice_ids) == (scene.clock.now, scene.batch.guid, (1, 2))
    assert recorded.end == datetime(2026, 11, 20, 8, 59, 59, tzinfo=UTC)
    assert [write.resource for write in scene.world.writes] == ["exportHistories"]


@pytest.mark.parametrize(
    "fields",
    [
        {"BatchId": "b0000000"},
        {"ExportHistoryStatusId": 2},
        {"StartDate": "2026-11-20T08:00:00Z"},
        {"EndDate": "yesterday"},
        {"EndDate": None},
    ],
)
def test_a_wrong_acknowledgement_is_answered_unsuccessful_and_not_recorded(scene: Scene, fields: dict[str, str | int | None]) -> None:
    (result,) = scene.caller.post("/v1/invoices/batches/exportHistories", scene.history(**fields))
    assert result["Successful"] is False
    assert scene.world.acknowledgements == []


def test_an_open_batch_cannot_be_acknowledged(scene: Scene) -> None:
    scene.world.reopen_batch(scene.batch.guid)
    (result,) = scene.caller.post("/v1/invoices/batches/exportHistories", scene.history())
    assert "is not closed" in result["Errors"][0]["Message"]


def test_a_tenant_may_hide_acknowledged_batches_until_they_are_closed_again() -> None:
    scene = Scene(AvidSwitches(acknowledged_batches_listed=False))
    scene.caller.post("/v1/invoices/batches/exportHistories", scene.history())
    assert scene.batches("2026-11-01", "2026-11-20") == []
    scene.world.reopen_batch(scene.batch.guid)
    scene.world.close_batch(scene.batch.guid)
    assert len(scene.batches("2026-11-01", "2026-11-20")) == 1


def test_payments_are_listed_by_the_inclusive_days_of_their_last_change(scene: Scene) -> None:
    assert scene.payments("2026-11-01", "2026-11-15") == [501, 502]
    assert scene.payments("2026-11-02", "2026-11-14") == []


def test_payments_are_listed_by_their_ids(scene: Scene) -> None:
    assert [row["PaymentId"] for row in scene.caller.all("/v1/payments?paymentIds=502,999")] == [502]
    scene.caller.refused("GET", "/v1/payments?paymentIds=5x", 400)


def test_a_change_of_a_payment_moves_its_last_modified_date(scene: Scene) -> None:
    scene.world.settle_payment(501, date(2026, 11, 19))
    scene.world.change_method(502, "Check", check_number="000123")
    assert scene.payments("2026-11-20", "2026-11-20") == [501, 502]
    settled, changed = scene.caller.all("/v1/payments?paymentIds=501,502")
    assert (settled["Status"]["Description"], settled["ClearedDate"]) == ("Cleared", "2026-11-19T00:00:00")
    assert (changed["PaymentMethod"]["Description"], changed["AvidPayChecknumber"]) == ("Check", "000123")
    scene.world.void_payment(501)
    assert scene.world.payments[501].status == "Void"


def test_remittances_can_be_asked_for_alone(scene: Scene) -> None:
    (row,) = scene.caller.all("/v1/payments/501/remittances")
    assert (row["Number"], row["Gross"], row["Discount"], row["Net"]) == ("INV-1", Decimal("50.00"), Decimal("1.00"), Decimal("49.00"))
    scene.caller.refused("GET", "/v1/payments/999/remittances", 404)

"""What builders and tests do with a D365World directly: rows, keys, indexes that follow changes, and taking back what failed."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from sandbox.d365 import D365Switches, D365World
from sandbox.d365.schema import BadValue
from tests.sandbox.tiny_d365 import CLIENT, TENANT, URL, Clock


@pytest.fixture
def world() -> D365World:
    return D365World(URL, TENANT, CLIENT, Clock(), D365Switches(page_cap=5), "USMF")


def test_a_row_is_whole_though_little_was_given(world: D365World) -> None:
    row = world.add("VendTransBiEntities", dataAreaId="FRSI", Invoice="A", AmountCur=-5, DueDate=date(2026, 4, 1), Approved="Yes")
    assert (row["dataAreaId"], row["AmountCur"], row["DueDate"]) == ("frsi", Decimal(-5), "2026-04-01T12:00:00Z")
    assert (row["Closed"], row["CreatedOn"], row["SourceKey"], row["Cancel"]) == ("1900-01-01T12:00:00Z", "1900-01-01T00:00:00Z", 0, "No")
    assert (len(row), set(row)) == (101, set(dict(row)))
    assert world.add("VendorsV3", VendorAccountNumber="X")["dataAreaId"] == "usmf"
    stamped = world.add("VendTransBiEntities", SourceKey=2, SysModifiedDateTime=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert stamped["SysModifiedDateTime"] == "2026-01-02T03:04:05Z"


def test_what_does_not_fit_is_refused(world: D365World) -> None:
    with pytest.raises(KeyError, match="Nope"):
        world.add("VendorsV3", Nope="x")
    with pytest.raises(BadValue, match="OnHoldStatus"):
        world.add("VendorsV3", OnHoldStatus="Perhaps")
    with pytest.raises(BadValue, match="AmountCur"):
        world.add("VendTransBiEntities", AmountCur="5")
    world.add("VendorsV3", VendorAccountNumber="x")
    with pytest.raises(KeyError, match="already"):
        world.add("VendorsV3", VendorAccountNumber="X")


def test_finding_follows_every_change(world: D365World) -> None:
    for name in ("A", "B", "C"):
        world.add("VendorsV3", VendorAccountNumber=name, VendorGroupId="10")
    assert len(world.find("VendorsV3", VendorGroupId="10")) == 3
    world.change("VendorsV3", {"dataAreaId": "usmf", "VendorAccountNumber": "b"}, VendorGroupId="20", VendorAccountNumber="B2")
    world.remove("VendorsV3", {"dataAreaId": "usmf", "VendorAccountNumber": "C"})
    assert [row["VendorAccountNumber"] for row in world.rows("VendorsV3")] == ["A", "B2"]
    assert [row["VendorAccountNumber"] for row in world.find("VendorsV3", VendorGroupId="10")] == ["A"]
    assert world.one("VendorsV3", VendorGroupId="20")["VendorAccountNumber"] == "B2"
    assert world.get("VendorsV3", dataAreaId="USMF", VendorAccountNumber="b2") is not None
    assert world.get("VendorsV3", dataAreaId="usmf", VendorAccountNumber="B") is None
    with pytest.raises(LookupError):
        world.one("VendorsV3", VendorGroupId="30")
    with pytest.raises(LookupError):
        world.change("VendorsV3", {"dataAreaId": "usmf", "VendorAccountNumber": "C"}, VendorGroupId="1")


def test_a_block_that_fails_leaves_nothing(world: D365World) -> None:
    first = world.add("VendorsV3", VendorAccountNumber="A", VendorGroupId="10")
    world.add("VendorsV3", VendorAccountNumber="B", VendorGroupId="10")

    def fail() -> None:
        with world.all_or_nothing(), world.all_or_nothing():
            world.change_row("VendorsV3", first, {"VendorGroupId": "20"})
            world.remove_row("VendorsV3", first)
            world.add("VendorsV3", VendorAccountNumber="C", VendorGroupId="20")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [row["VendorAccountNumber"] for row in world.rows("VendorsV3")] == ["A", "B"]
    assert (first["VendorGroupId"], world.find("VendorsV3", VendorGroupId="20")) == ("10", [])


def test_a_journal_that_cannot_be_posted_is_left_as_it_was(world: D365World) -> None:
    world.add("VendorPaymentJournalHeaders", JournalBatchNumber="1")
    world.add("VendorPaymentJournalLines", JournalBatchNumber="1", LineNumber=1, AccountDisplayValue="V", DebitAmount=5)
    keys = {"JournalLineCompany": "usmf", "JournalBatchNumber": "1", "InvoiceCompany": "usmf", "InvoiceNumber": "gone"}
    world.add("VendorPaymentJournalLineSettledInvoices", **keys, JournalLineNumber=1)
    with pytest.raises(ValueError, match="gone"):
        world.post_journal("usmf", "1")
    assert world.rows("VendTransBiEntities") == []
    assert world.one("VendorPaymentJournalHeaders")["IsPosted"] == "No"

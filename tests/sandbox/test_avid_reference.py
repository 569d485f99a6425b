"""The sandbox's AvidXchange: accounting systems, vendors, code groups and codes."""

from datetime import UTC, datetime

import pytest

from sandbox.avid import AvidSwitches, AvidWorld
from sandbox.avid.wire import Json, Row
from tests.sandbox.avid_client import Caller

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def new_caller(switches: AvidSwitches | None = None) -> Caller:
    world = AvidWorld("avid.example", "company", "user", lambda: NOW, switches or AvidSwitches())
    world.accounting_systems = {7: "East", 8: "West"}
    world.add_code_group(7, "GL Account", required=True)
    world.add_code_group(7, "Building")
    world.add_code_group(8, "GL Account", required=True)
    return Caller(world)


@pytest.fixture
def caller() -> Caller:
    return new_caller()


def vendor(number: str = "V-1", **fields: Json) -> Row:
    return {"AccountingSystemId": 7, "VendorExternalSystemID": number, "VendorName": f"Vendor {number}", **fields}


def code(value: str = "600100", **fields: Json) -> Row:
    return {"AccountingSystemId": 7, "CodeGroupName": "GL Account", "EnterpriseCodeValue": value, **fields}


def test_accounting_systems_have_an_id_and_a_name(caller: Caller) -> None:
    assert caller.all("/v1/accountingSystems") == [{"ID": 7, "Name": "East"}, {"ID": 8, "Name": "West"}]


def test_code_groups_belong_to_one_accounting_system(caller: Caller) -> None:
    groups = caller.all("/v1/enterpriseCodeGroups?acctgSysId=7")
    assert [(group["CodeGroupName"], group["IsRequired"]) for group in groups] == [("GL Account", True), ("Building", False)]


def test_a_vendor_is_created_once_and_then_updated(caller: Caller) -> None:
    (created,) = caller.post("/v1/vendors", [vendor(PhoneNumber="555-0100")])
    (updated,) = caller.post("/v1/vendors", [vendor(VendorName="Vendor, renamed", IsActive=False)])
    assert created["Successful"] is True
    assert updated["Successful"] is True
    (row,) = caller.all("/v1/vendors?acctgSysId=7")
    assert (row["VendorName"], row["PhoneNumber"], row["IsActive"]) == ("Vendor, renamed", "555-0100", False)
    assert caller.all("/v1/vendors?acctgSysId=8") == []


def test_a_vendor_id_given_as_text_is_the_same_accounting_system(caller: Caller) -> None:
    caller.post("/v1/vendors", [vendor(), vendor(AccountingSystemId="7")])
    assert len(caller.all("/v1/vendors?acctgSysId=7")) == 1


def test_result_i_belongs_to_request_i_and_one_bad_vendor_spoils_no_other(caller: Caller) -> None:
    results = caller.post("/v1/vendors", [vendor("V-1"), vendor("V-2", VendorName=""), vendor("V-3")])
    assert [result["Successful"] for result in results] == [True, False, True]
    assert results[1]["Errors"] == [{"Message": "VendorName is required."}]
    assert [result["Item"]["VendorExternalSystemID"] for result in results] == ["V-1", "V-2", "V-3"]
    assert [row["VendorExternalSystemID"] for row in caller.all("/v1/vendors?acctgSysId=7")] == ["V-1", "V-3"]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"AccountingSystemId": 99}, "AccountingSystemId"),
        ({"VendorExternalSystemID": "x" * 101}, "VendorExternalSystemID"),
        ({"VendorExternalSystemID": " "}, "VendorExternalSystemID"),
        ({"VendorName": "x" * 256}, "VendorName"),
        ({"PhoneNumber": "1" * 21}, "PhoneNumber"),
        ({"EmailAddress": "x" * 256}, "EmailAddress"),
        ({"Address": {"City": "x" * 51}}, "Address.City"),
        ({"RemitToAddress": {"CountryCode": "U"}}, "RemitToAddress.CountryCode"),
    ],
)
def test_a_vendor_that_breaks_a_rule_is_not_taken(caller: Caller, fields: Row, named: str) -> None:
    (result,) = caller.post("/v1/vendors", [{**vendor(), **fields}])
    assert result["Successful"] is False
    assert result["Errors"][0]["Message"].startswith(named)
    assert caller.world.vendors == {}


def test_more_than_100_vendors_or_500_codes_are_refused_whole(caller: Caller) -> None:
    assert "At most 100" in caller.refused("POST", "/v1/vendors", 400, [vendor(str(number)) for number in range(101)])
    assert "At most 500" in caller.refused("POST", "/v1/enterpriseCodes", 400, [code(str(number)) for number in range(501)])
    assert caller.world.writes == []
    assert len(caller.post("/v1/enterpriseCodes", [code(str(number)) for number in range(500)])) == 500


def test_a_body_that_is_no_array_of_objects_is_refused(caller: Caller) -> None:
    bodies: list[Json] = [{"Items": []}, [], ["V-1"]]
    for body in bodies:
        caller.refused("POST", "/v1/vendors", 400, body)


def test_a_code_needs_a_group_of_its_accounting_system_and_at_most_50_characters(caller: Caller) -> None:
    results = caller.post(
        "/v1/enterpriseCodes",
        [
            code(EnterpriseCodeValueDescription="x" * 50),
            code("2", EnterpriseCodeValueDescription="x" * 51),
            code("3", CodeGroupName="Planet"),
            code("4", AccountingSystemId=8, CodeGroupName="Building"),
        ],
    )
    assert [result["Successful"] for result in results] == [True, False, False, False]
    assert [row["EnterpriseCodeValue"] for row in caller.all("/v1/enterpriseCodes?acctgSysId=7")] == ["600100"]


def test_a_code_is_deactivated_by_an_upsert_and_keeps_its_description(caller: Caller) -> None:
    caller.post("/v1/enterpriseCodes", [code(EnterpriseCodeValueDescription="Plumbing")])
    caller.post("/v1/enterpriseCodes", [code(IsActive=False)])
    (row,) = caller.all("/v1/enterpriseCodes?acctgSysId=7&codeGroupName=GL%20Account")
    assert (row["EnterpriseCodeValueDescription"], row["IsActive"]) == ("Plumbing", False)


def test_a_list_of_an_unknown_accounting_system_or_group_is_not_found(caller: Caller) -> None:
    caller.refused("GET", "/v1/vendors?acctgSysId=99", 404)
    caller.refused("GET", "/v1/enterpriseCodes?acctgSysId=7&codeGroupName=Planet", 404)
    caller.refused("GET", "/v1/vendors", 400)


def test_a_tenant_may_take_only_creation_and_the_active_flag() -> None:
    caller = new_caller(AvidSwitches(vendor_updates="active_only"))
    caller.post("/v1/vendors", [vendor()])
    (result,) = caller.post("/v1/vendors", [vendor(VendorName="Another", IsActive=False)])
    assert result["Successful"] is True
    (row,) = caller.all("/v1/vendors?acctgSysId=7")
    assert (row["VendorName"], row["IsActive"]) == ("Vendor V-1", False)


def test_every_item_written_is_in_the_log_with_what_was_there_before(caller: Caller) -> None:
    caller.post("/v1/vendors", [vendor()])
    caller.post("/v1/vendors", [vendor(VendorName="B"), vendor("V-2", VendorName="")])
    first, second, refused = caller.world.writes
    assert first.before is None
    assert second.before is not None
    assert second.after is not None
    assert (second.before["VendorName"], second.after["VendorName"]) == ("Vendor V-1", "B")
    assert (refused.after, refused.errors, refused.at) == (None, ("VendorName is required.",), NOW)

"""The sandbox's D365 reads as contracts/d365-fo.md sections 2 to 4 say."""

from decimal import Decimal
from urllib.parse import quote

import pytest

from sandbox.d365.jsontext import dumps, loads
from tests.sandbox.tiny_d365 import CLIENT, TENANT, URL, Tiny, body_of, inner_message, url

NS = "Microsoft.Dynamics.DataEntities"


@pytest.fixture
def tiny() -> Tiny:
    return Tiny()


def accounts(tiny: Tiny, text: str) -> list[object]:
    return [row["VendorAccountNumber"] for row in tiny.values("VendorsV3", filter=text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("dataAreaId eq 'usmf'", ["V-1", "O'Neil/1", "HELD"]),
        ("dataAreaId eq 'USMF' and VendorAccountNumber eq 'v-1'", ["V-1"]),
        ("VendorAccountNumber eq 'O''Neil/1' and dataAreaId eq 'frsi'", ["O'Neil/1"]),
        ("dataAreaId eq 'usmf' and VendorAccountNumber eq '*EL*'", ["HELD"]),
        ("dataAreaId eq 'usmf' and VendorAccountNumber eq 'O*'", ["O'Neil/1"]),
        ("dataAreaId eq 'usmf' and VendorAccountNumber ne '*1'", ["HELD"]),
        (f"dataAreaId eq 'usmf' and OnHoldStatus eq {NS}.CustVendorBlocked'All'", ["HELD"]),
        (f"dataAreaId eq 'usmf' and not (OnHoldStatus eq {NS}.CustVendorBlocked'All')", ["V-1", "O'Neil/1"]),
        ("dataAreaId eq 'usmf' and OnHoldStatus eq 'All'", []),
        ("(VendorAccountNumber eq 'V-1' or VendorAccountNumber eq 'HELD') and dataAreaId eq 'usmf'", ["V-1", "HELD"]),
        ("VendorAccountNumber eq 'HELD' or VendorAccountNumber eq 'V-1' and dataAreaId eq 'usmf'", ["V-1", "HELD", "HELD"]),
        ("dataAreaId eq 'usmf' and VendorHoldReleaseDate gt 1900-01-01T12:00:00Z", []),
        ("dataAreaId eq 'usmf' and VendorHoldReleaseDate le 1900-01-02", ["V-1", "O'Neil/1", "HELD"]),
        ("dataAreaId eq 'usmf' and CreditLimit ge 0.00", ["V-1", "O'Neil/1", "HELD"]),
    ],
)
def test_filters_find_what_they_say(tiny: Tiny, text: str, found: list[object]) -> None:
    assert accounts(tiny, text) == found


@pytest.mark.parametrize(
    "text",
    [
        "VendorAccountNumber gt 'A'",
        "VendorAccountNumber in ('V-1','HELD')",
        "OnHoldStatus has 'All'",
        "contains(VendorAccountNumber,'V')",
        "vendoraccountnumber eq 'V-1'",
        f"OnHoldStatus eq {NS}.NoYes'Yes'",
        "VendorAccountNumber eq 'V-1",
        "VendorAccountNumber eq 'V-1' and",
        "(VendorAccountNumber eq 'V-1'",
        "VendorHoldReleaseDate gt '2026-01-01'",
    ],
)
def test_filters_that_d365_does_not_know_are_400(tiny: Tiny, text: str) -> None:
    assert tiny.send("GET", url("VendorsV3", filter=text)).status == 400


def test_without_cross_company_only_the_default_company_is_there_by_key_too(tiny: Tiny) -> None:
    key = "/data/VendorsV3(dataAreaId='usmf',VendorAccountNumber='V-1')"
    assert tiny.values("VendorsV3", cross_company=False) == []
    assert tiny.send("GET", key).status == 404
    assert tiny.send("GET", f"{key}?cross-company=true").status == 200


def test_keys_are_percent_encoded_with_doubled_apostrophes(tiny: Tiny) -> None:
    key = quote("(dataAreaId='usmf',VendorAccountNumber='O''Neil/1')", safe="")
    response = tiny.send("GET", f"/data/VendorsV3{key}?cross-company=true&$select=VendorAccountNumber")
    assert body_of(response)["VendorAccountNumber"] == "O'Neil/1"
    assert response.headers["etag"].startswith('W/"')


@pytest.mark.parametrize("option", ["$skiptoken", "$skip"])
@pytest.mark.parametrize("kind", ["absolute", "relative"])
def test_pages_follow_the_link_to_the_end(tiny: Tiny, option: str, kind: str) -> None:
    tiny.world.switches.next_link = "absolute" if kind == "absolute" else "relative"
    tiny.world.switches.next_link_option = "$skiptoken" if option == "$skiptoken" else "$skip"
    target, pages = url("VendorsV3", select="dataAreaId,VendorAccountNumber", count="true"), []
    while target:
        body = body_of(tiny.send("GET", target, headers={"prefer": "odata.maxpagesize=4"}))
        pages.append(body["value"])
        assert body["@odata.count"] == 6
        link = str(body.get("@odata.nextLink", ""))
        assert not link or link.startswith(f"{URL}/data/VendorsV3?" if kind == "absolute" else "VendorsV3?")
        assert not link or option in link
        target = f"/data/{link.removeprefix(f'{URL}/data/')}" if link else ""
    assert [len(page) for page in pages if isinstance(page, list)] == [4, 2]


def test_a_next_link_is_an_offset_and_not_a_snapshot(tiny: Tiny) -> None:
    prefer = {"prefer": "odata.maxpagesize=2"}
    first = body_of(tiny.send("GET", url("VendorsV3", filter="dataAreaId eq 'usmf'", select="VendorAccountNumber"), headers=prefer))
    tiny.world.remove("VendorsV3", {"dataAreaId": "usmf", "VendorAccountNumber": "V-1"})
    second = body_of(tiny.send("GET", str(first["@odata.nextLink"]).removeprefix(URL), headers=prefer))
    assert second["value"] == []


def test_top_suppresses_the_link_and_the_cap_bounds_a_page(tiny: Tiny) -> None:
    assert "@odata.nextLink" not in tiny.get("VendorsV3", top="2")
    tiny.world.switches.page_cap = 3
    body = tiny.get("VendorsV3", top="5")
    rest = body_of(tiny.send("GET", str(body["@odata.nextLink"]).removeprefix(URL)))
    assert [len(page["value"]) for page in (body, rest) if isinstance(page["value"], list)] == [3, 2]
    assert "@odata.nextLink" not in rest


def test_orderby_and_skip(tiny: Tiny) -> None:
    found = tiny.values("VendorsV3", filter="dataAreaId eq 'usmf'", orderby="VendorAccountNumber desc", skip="1")
    assert [row["VendorAccountNumber"] for row in found] == ["O'Neil/1", "HELD"]


def test_empty_values_travel_by_type(tiny: Tiny) -> None:
    row = tiny.values("VendorsV3", top="1")[0]
    assert (row["VendorHoldReleaseDate"], row["OnHoldStatus"], row["CreditLimit"], row["VendorGroupId"]) == (
        "1900-01-01T12:00:00Z",
        "No",
        0,
        "",
    )
    assert row["AddressValidTo"] == "2154-12-31T23:59:59Z"


def test_decimals_keep_their_digits(tiny: Tiny) -> None:
    tiny.world.add("VendTransBiEntities", dataAreaId="usmf", SourceKey=1, AmountCur=Decimal("-12345678901234567.10"))
    raw = tiny.send("GET", url("VendTransBiEntities", select="AmountCur")).body
    assert b'"AmountCur": -12345678901234567.10' in raw
    assert loads(dumps({"a": Decimal("0.10"), "b": [1, None, "x\ue000"]})) == {"a": Decimal("0.10"), "b": [1, None, "x\ue000"]}


def test_unknown_names_and_long_urls_answer_as_d365_does(tiny: Tiny) -> None:
    assert "Message" in body_of(tiny.send("GET", "/data/FinancialDimensions"))
    assert "Nope" in inner_message(tiny.send("GET", url("VendorsV3", select="Nope")))
    assert tiny.send("GET", url("VendorsV3", expand="X")).status == 400
    assert tiny.send("GET", url("VendorsV3", filter="dataAreaId eq '" + "x" * 8200 + "'")).status == 414
    names = body_of(tiny.send("GET", "/data"))["value"]
    assert isinstance(names, list)
    assert {"name": "VendorsV3", "kind": "EntitySet", "url": "VendorsV3"} in names


def test_hidden_and_denied_sets(tiny: Tiny) -> None:
    tiny.world.switches.hidden_sets = frozenset({"VendTransBiEntities"})
    tiny.world.switches.denied_sets = frozenset({"VendorsV3"})
    assert tiny.send("GET", url("VendTransBiEntities")).status == 404
    assert tiny.send("GET", url("VendorsV3")).status == 403


def test_only_a_fresh_token_of_a_listed_app_for_this_environment_comes_in(tiny: Tiny) -> None:
    tiny.entra.register_app(TENANT, "other", "s")
    for token in ("", "nonsense", tiny.entra.issue(TENANT, CLIENT, "https://other").text, tiny.entra.issue(TENANT, "other", URL).text):
        assert tiny.send("GET", url("VendorsV3"), headers={"authorization": f"Bearer {token}"}).status == 401
    assert tiny.send("GET", url("VendorsV3")).status == 200
    tiny.clock.move(hours=1)
    response = tiny.send("GET", url("VendorsV3"))
    assert (response.status, response.body) == (401, b"")
    tiny.token = tiny.entra.issue(TENANT, CLIENT, URL).text
    tiny.entra.revoke(CLIENT)
    assert tiny.send("GET", url("VendorsV3")).status == 401

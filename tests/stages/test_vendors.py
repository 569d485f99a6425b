"""Vendors from D365 to AvidXchange, over the sandbox's two systems."""

import json
from datetime import date, timedelta

import pytest

from sandbox.avid import AvidSwitches
from sandbox.avid.wire import Row
from sandbox.d365.world import D365World
from sandbox.faults import Fault, gateway
from sandbox.simulator.seams import VirtualClock
from sandbox.worlds import PropertyFirmSize, build_property_firm
from sandbox.worlds.report import Comparison
from sandbox.worlds.truth_reference import compare_vendors
from sync.avid.profile import shipped_profile
from sync.connections.document import parse_connection
from sync.connections.mirrored import VendorSettings
from sync.d365.rows import Vendor
from sync.errors import FixConfiguration, TryLater
from sync.ledger.model import Place
from sync.stages import vendors
from sync.stages.crawling import Fitting
from sync.stages.vendor_rows import VendorMapping
from sync.values import key_digest
from tests.support.bench import Bench

SYSTEM = 0
"""Index of the company whose vendors the tests change."""


def bench_of(switches: AvidSwitches | None = None, **policies: object) -> Bench:
    clock = VirtualClock()
    return Bench(
        clock, build_property_firm(7, clock.now(), size=PropertyFirmSize.small(), now=clock.now, avid_switches=switches), policies=policies
    )


@pytest.fixture
def bench() -> Bench:
    return bench_of()


def add(bench: Bench, account: str, **fields: str | date) -> None:
    """A plain vendor of the first company."""
    known = {"VendorOrganizationName": f"Vendor {account}", "OnHoldStatus": "No", **fields}
    bench.world.d365.add("VendorsV3", dataAreaId=bench.connection.companies[SYSTEM].id, VendorAccountNumber=account, **known)


def change(bench: Bench, account: str, **fields: str | date) -> None:
    """Change a vendor of the first company."""
    key = {"dataAreaId": bench.connection.companies[SYSTEM].id, "VendorAccountNumber": account}
    bench.world.d365.change("VendorsV3", key, **fields)


def held(bench: Bench, account: str) -> Row:
    """The vendor as AvidXchange has it."""
    return bench.world.avid.vendors[int(bench.connection.companies[SYSTEM].accounting_system), account]


def differences(bench: Bench) -> list[str]:
    comparison = Comparison()
    compare_vendors(bench.world, comparison)
    return comparison.differences


def test_every_vendor_of_the_firm_arrives_and_a_second_run_writes_nothing(bench: Bench) -> None:
    first = bench.run(vendors.stage())
    assert differences(bench) == []
    assert first.counts["sent"] + first.counts["unchanged"] == first.counts["read"] == 30
    writes = bench.network.writes(bench.world.connection["avid_host"])
    assert bench.run(vendors.stage()).counts["sent"] == 0
    assert bench.network.writes(bench.world.connection["avid_host"]) == writes


def test_all_fields_of_a_vendor(bench: Bench) -> None:
    add(
        bench,
        "FULL",
        VendorOrganizationName="Full & Sons",
        OurAccountNumber="0042",
        IsReportingTax1099="Yes",
        Tax1099FederalTaxId="12-3456789",
        DefaultPaymentTermsName="Net30",
        PrimaryEmailAddress="ap@full.example",
        PrimaryPhoneNumber="555-0100",
        AddressStreet="First floor\n\n 12 High Street \r\nUnit 3\nBack yard\nBlue door",
        AddressCity="Springfield",
        AddressStateId="IL",
        AddressZipCode="62701",
        AddressCountryRegionId="USA",
        AddressCountryRegionISOCode="US",
    )
    bench.run(vendors.stage())
    row = dict(held(bench, "FULL"))
    row.pop("LastChangedDate")
    assert row == {
        "AccountingSystemId": int(bench.connection.companies[SYSTEM].accounting_system),
        "VendorExternalSystemID": "FULL",
        "VendorName": "Full & Sons",
        "AccountNo": "0042",
        "IsActive": True,
        "Is1099": True,
        "EmailAddress": "ap@full.example",
        "PhoneNumber": "555-0100",
        "TermType": {"termTypeName": "Net30"},
        "Address": {
            "Line1": "First floor",
            "Line2": "12 High Street",
            "Line3": "Unit 3",
            "Line4": "Back yard, Blue door",
            "City": "Springfield",
            "State": "IL",
            "PostalCode": "62701",
            "CountryCode": "US",
        },
    }


def test_a_tax_id_is_sent_only_when_the_customer_says_so_and_never_shown() -> None:
    bench = bench_of(send_tax_ids=True)
    add(bench, "TAXED", Tax1099FederalTaxId="12-3456789")
    shown = bench.run(vendors.stage(), dry_run=True).shown
    assert any("TAXED" in line for line in shown)
    assert not any("12-3456789" in line for line in shown)
    bench.run(vendors.stage())
    sent = [write.sent for write in bench.world.avid.writes if write.key[-1] == "TAXED"]
    assert [row["TaxId"] for row in sent] == ["12-3456789"]


def test_a_remit_to_address_that_avidxchange_has_stays(bench: Bench) -> None:
    system = int(bench.connection.companies[SYSTEM].accounting_system)
    add(bench, "KNOWN")
    bench.world.avid.add_vendor(system, "KNOWN", "Known before", DoingBusinessAs="The Known")
    bench.world.avid.vendors[system, "KNOWN"]["RemitToAddress"] = {"Line1": "PO box 1"}
    bench.run(vendors.stage())
    assert held(bench, "KNOWN")["VendorName"] == "Vendor KNOWN"
    assert held(bench, "KNOWN")["RemitToAddress"] == {"Line1": "PO box 1"}
    assert held(bench, "KNOWN")["DoingBusinessAs"] == "The Known"


def test_a_vendor_that_avidxchange_has_already_is_not_written(bench: Bench) -> None:
    system = int(bench.connection.companies[SYSTEM].accounting_system)
    add(bench, "SAME", PrimaryEmailAddress="ap@same.example")
    bench.world.avid.add_vendor(system, "SAME", "Vendor SAME", EmailAddress="ap@same.example")
    bench.run(vendors.stage())
    assert [write for write in bench.world.avid.writes if write.key[-1] == "SAME"] == []


def test_a_renamed_vendor_is_sent_again_alone(bench: Bench) -> None:
    add(bench, "V1")
    bench.run(vendors.stage())
    change(bench, "V1", VendorOrganizationName="Renamed")
    assert bench.run(vendors.stage()).counts["sent"] == 1
    assert held(bench, "V1")["VendorName"] == "Renamed"


@pytest.mark.parametrize("hold", ["Invoice", "All", "Payment"])
def test_a_hold_makes_inactive_until_its_release_day(bench: Bench, hold: str) -> None:
    today = bench.clock.now().date()
    add(bench, "HELD")
    bench.run(vendors.stage())
    change(bench, "HELD", OnHoldStatus=hold, VendorHoldReleaseDate=today + timedelta(days=2))
    bench.run(vendors.stage())
    assert held(bench, "HELD")["IsActive"] is False
    bench.clock.advance(days=2)
    bench.run(vendors.stage())
    assert held(bench, "HELD")["IsActive"] is True


def test_what_does_not_fit_is_parked_with_every_reason(bench: Bench) -> None:
    add(bench, "LONG", VendorOrganizationName="x" * 256, PrimaryPhoneNumber="5" * 21, AddressCountryRegionId="Utopia")
    assert bench.run(vendors.stage()).counts["parked"] == 1
    failures = list(bench.app.ledger.failures(_place(bench)))
    assert {(failure.cause.code, failure.label) for failure in failures} == {
        ("field-too-long", "vendor LONG"),
        ("field-invalid", "vendor LONG"),
    }
    record = bench.app.ledger.get(_place(bench), failures[0].key)
    assert record is not None
    sentences = "; ".join(cause.sentence for cause in record.causes)
    assert "vendor LONG: VendorOrganizationName has 256 characters, AvidXchange takes 255." in sentences
    assert "vendor LONG: PrimaryPhoneNumber has 21 characters, AvidXchange takes 20." in sentences
    assert "'Utopia'" in sentences


def test_long_texts_are_cut_when_the_customer_says_so() -> None:
    bench = bench_of(truncate_long_texts=True)
    add(bench, "LONG", VendorOrganizationName="x" * 256)
    assert bench.run(vendors.stage()).counts["shortened"] == 1
    assert held(bench, "LONG")["VendorName"] == "x" * 255


def test_a_vendor_without_a_name_is_parked(bench: Bench) -> None:
    add(bench, "NONAME", VendorOrganizationName="")
    bench.run(vendors.stage())
    [failure] = bench.app.ledger.failures(_place(bench))
    assert (failure.cause.code, failure.cause.field) == ("field-missing", "VendorOrganizationName")


def test_a_row_that_cannot_be_read_is_parked_under_its_own_key_without_its_tax_id(bench: Bench) -> None:
    add(bench, "BROKEN", Tax1099FederalTaxId="12-3456789")
    bench.run(vendors.stage())
    row = bench.world.d365.one("VendorsV3", VendorAccountNumber="BROKEN")
    row.stored["IsReportingTax1099"] = "Maybe"
    for _ in range(3):
        bench.run(vendors.stage())
    assert held(bench, "BROKEN")["IsActive"] is True
    [failure] = bench.app.ledger.failures(_place(bench))
    assert (failure.cause.code, failure.cause.field, failure.label) == ("field-invalid", "IsReportingTax1099", "vendor BROKEN")
    record = bench.app.ledger.get(_place(bench), failure.key)
    assert record is not None
    assert "12-3456789" not in bench.app.ledger.text(record.payload)


def test_a_deleted_vendor_is_deactivated_by_the_third_crawl(bench: Bench) -> None:
    add(bench, "GONE")
    bench.run(vendors.stage())
    bench.world.d365.remove("VendorsV3", {"dataAreaId": bench.connection.companies[SYSTEM].id, "VendorAccountNumber": "GONE"})
    bench.run(vendors.stage())
    assert held(bench, "GONE")["IsActive"] is True
    assert bench.run(vendors.stage()).counts["deactivated"] == 1
    assert held(bench, "GONE")["IsActive"] is False
    assert held(bench, "GONE")["VendorName"] == "Vendor GONE"


def test_a_tenant_that_takes_only_the_active_flag_shows_as_drift() -> None:
    bench = bench_of(switches=AvidSwitches(vendor_updates="active_only"))
    system = int(bench.connection.companies[SYSTEM].accounting_system)
    add(bench, "KNOWN")
    bench.world.avid.add_vendor(system, "KNOWN", "Another name")
    counts = bench.run(vendors.stage()).counts
    assert (counts["matched"], counts["drift"]) == (3, 3)
    [failure] = bench.app.ledger.failures(_place(bench))
    assert (failure.cause.code, failure.label) == ("drift", f"drift of vendors of {bench.connection.companies[SYSTEM].id}")
    assert "vendor KNOWN" in failure.cause.sentence
    assert held(bench, "KNOWN")["VendorName"] == "Another name"
    assert bench.run(vendors.stage()).counts["sent"] == 0


def test_a_lost_reply_to_a_write_doubles_nothing(bench: Bench) -> None:
    avid = bench.world.connection["avid_host"]
    bench.network.faults.add(
        Fault("drop_reply", avid, "POST", "/vendors"),
        gateway(503, avid, "/vendors", "POST", after=1),
        Fault("drop_request", bench.world.d365.host, "GET", "VendorsV3"),
    )
    assert runs_until_done(bench) > 1
    assert bench.network.faults.unfired == []
    assert differences(bench) == []


def runs_until_done(bench: Bench) -> int:
    """How many runs it took until none ended early."""
    for number in range(1, 10):
        try:
            bench.run(vendors.stage())
        except TryLater:
            continue
        return number
    raise AssertionError("no run came to its end")


@pytest.mark.parametrize(("with_effect", "sent_again"), [(True, 0), (False, 1)])
def test_after_a_broken_answer_vendors_are_read_back_and_only_what_is_not_there_is_sent_again(with_effect: bool, sent_again: int) -> None:
    bench = bench_of()
    avid, company = bench.world.connection["avid_host"], bench.connection.companies[SYSTEM]
    bench.run(vendors.stage())
    add(bench, "NEW")
    bench.network.faults.add(gateway(503, avid, "/vendors", "POST", effect=with_effect))
    with pytest.raises(TryLater):
        bench.run(vendors.stage())
    before = len(bench.network.exchanges)
    bench.run(vendors.stage())
    after = [(one.method, one.target.partition("?")[0]) for one in bench.network.exchanges[before:] if one.host == avid]
    assert after[0] == ("GET", "/v1/vendors"), "the look"
    assert after.count(("POST", "/v1/vendors")) == sent_again
    assert held(bench, "NEW")["VendorName"] == "Vendor NEW"
    steps = [row.step.name for row in bench.app.ledger.history(_place(bench), key_digest(company.accounting_system, "NEW"))]
    assert steps == ["sent"]


def test_vendors_that_avidxchange_refuses_as_known_are_read_back_and_done_when_they_are_as_sent() -> None:
    bench = bench_of(switches=AvidSwitches(known_vendors="conflict"))
    system = int(bench.connection.companies[SYSTEM].accounting_system)
    bench.run(vendors.stage())
    add(bench, "TWICE")
    bench.network.faults.add(gateway(503, bench.world.connection["avid_host"], "/vendors", "POST", effect=True))
    with pytest.raises(TryLater):
        bench.run(vendors.stage())
    bench.world.avid.vendors[system, "TWICE"] = {**held(bench, "TWICE"), "VendorName": "Changed by somebody"}
    bench.run(vendors.stage())
    [failure] = [failure for failure in bench.app.ledger.failures(_place(bench)) if failure.label == "vendor TWICE"]
    assert (failure.cause.code, "(409)" in failure.cause.sentence) == ("refused", True)
    bench.world.avid.vendors[system, "TWICE"] = {**held(bench, "TWICE"), "VendorName": "Vendor TWICE"}
    bench.clock.advance(days=1)
    bench.run(vendors.stage())
    assert [failure.label for failure in bench.app.ledger.failures(_place(bench)) if failure.label == "vendor TWICE"] == []


@pytest.mark.parametrize("as_sent", [True, False])
def test_a_vendor_that_somebody_made_meanwhile_is_read_back_after_a_409(as_sent: bool) -> None:
    other = bench_of()
    add(other, "TWICE")
    other.run(vendors.stage())
    bench = bench_of(switches=AvidSwitches(known_vendors="conflict"))
    avid, system = bench.world.connection["avid_host"], int(bench.connection.companies[SYSTEM].accounting_system)
    bench.run(vendors.stage())
    add(bench, "TWICE")
    bench.world.avid.vendors[system, "TWICE"] = {**held(other, "TWICE"), **({} if as_sent else {"VendorName": "Another"})}
    bench.run(vendors.stage())
    parked = [failure.label for failure in bench.app.ledger.failures(_place(bench)) if failure.label == "vendor TWICE"]
    assert parked == ([] if as_sent else ["vendor TWICE"])
    assert 409 in [one.status for one in bench.network.requests(avid, "POST")]


def test_refused_tokens_stop_the_sending_after_one_renewal(bench: Bench) -> None:
    avid = bench.world.connection["avid_host"]
    bench.run(vendors.stage())
    add(bench, "NEW")
    before = len(bench.network.requests(avid))
    bench.world.avid.rotate(user_token="another")
    with pytest.raises(FixConfiguration, match="sign-in for the vendors"):
        bench.run(vendors.stage())
    assert [one.status for one in bench.network.requests(avid)[before:] if one.method == "POST"] == [401, 401]


def test_an_outage_ends_the_slice_and_the_next_run_finishes(bench: Bench) -> None:
    avid = bench.world.connection["avid_host"]
    bench.network.faults.add(gateway(503, avid, "/vendors", "POST", times=5))
    assert runs_until_done(bench) > 1
    assert bench.network.faults.unfired == []
    assert differences(bench) == []


def test_pages_of_a_large_company_are_crawled_one_by_one(bench: Bench) -> None:
    company = bench.connection.companies[SYSTEM].id
    _add_many(bench.world.d365, company, 250)
    document = bench.connection.model_dump(mode="json")
    document["d365"]["page_size"] = 100
    bench.connection = parse_connection(json.dumps(document))
    assert bench.run(vendors.stage()).counts["sent"] == 280
    crawled = [request for request in bench.network.requests(bench.world.d365.host, path="VendorsV3") if "skiptoken" in request.target]
    assert len(crawled) == 2
    assert differences(bench) == []


def test_the_name_of_a_person_and_an_empty_vendor() -> None:
    row = Vendor(company="one", account="P", first_name="Ann", last_name="Lee", on_hold="No")
    fitting = Fitting("vendor P", cut=False)
    mapped = VendorMapping("7", date(2026, 3, 2), VendorSettings(), shipped_profile().lengths).map(row, None, fitting)
    assert (mapped.name, mapped.is_active, mapped.address.line1, fitting.causes) == ("Ann Lee", True, "", [])


def _add_many(world: D365World, company: str, count: int) -> None:
    for number in range(count):
        named = {"VendorAccountNumber": f"MANY{number:04d}", "VendorOrganizationName": f"Many {number}"}
        world.add("VendorsV3", dataAreaId=company, OnHoldStatus="No", **named)


def _place(bench: Bench) -> Place:
    return Place(bench.connection.id, "vendors", bench.connection.companies[SYSTEM].id)

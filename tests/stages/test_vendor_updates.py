"""A tenant that takes over only new vendors and the active flag, and a profile that says so (contracts/avidxchange.md §3, Vendors)."""

import json
from dataclasses import replace

import pytest

from sandbox.avid import AvidSwitches
from sandbox.avid.wire import Row
from sandbox.simulator.seams import VirtualClock
from sandbox.worlds import PropertyFirmSize, build_property_firm
from sync.connections.document import parse_connection
from sync.ledger.model import Failure, Place, State, Step
from sync.stages import vendors
from tests.support.bench import Bench

DAY = 24


@pytest.fixture
def bench() -> Bench:
    clock = VirtualClock()
    switches = AvidSwitches(vendor_updates="active_only")
    made = Bench(clock, build_property_firm(7, clock.now(), size=PropertyFirmSize.small(), now=clock.now, avid_switches=switches))
    document = made.connection.model_dump(mode="json")
    document["avidxchange"]["profile"]["capabilities.vendor_updates"] = False
    made.connection = parse_connection(json.dumps(document))
    for account in ("A", "B"):
        made.world.d365.add(
            "VendorsV3", dataAreaId=company(made), VendorAccountNumber=account, VendorOrganizationName=account, OnHoldStatus="No"
        )
    return made


def company(bench: Bench) -> str:
    return bench.connection.companies[0].id


def change(bench: Bench, account: str, **fields: str) -> None:
    bench.world.d365.change("VendorsV3", {"dataAreaId": company(bench), "VendorAccountNumber": account}, **fields)


def held(bench: Bench, account: str) -> Row:
    return bench.world.avid.vendors[int(bench.connection.companies[0].accounting_system), account]


def run(bench: Bench, hours: int = DAY) -> dict[str, int]:
    """One run, after so many hours. `drift` and `drift_expected` come with a reading back, once a day."""
    bench.clock.advance(hours=hours)
    names = ("sent", "not_taken_over", "drift", "drift_expected")
    counts = bench.run(vendors.stage()).counts
    return {name: counts[name] for name in names if counts.get(name)}


def failures(bench: Bench) -> list[Failure]:
    return list(bench.app.ledger.failures(Place(bench.connection.id, "vendors", company(bench))))


def settled(bench: Bench) -> None:
    """Everything is sent, and what the firm's AvidXchange had under other names before is reported and resolved."""
    run(bench)
    resolve(bench)
    assert failures(bench) == []


def resolve(bench: Bench) -> None:
    ledger, place = bench.app.ledger, Place(bench.connection.id, "vendors", company(bench))
    for failure in failures(bench):
        record = ledger.get(place, failure.key)
        assert record is not None
        ledger.move(record, Step("resolved", "Known."), run="by hand", state=State.RESOLVED, causes=(), due=None)


def test_a_change_that_would_not_be_taken_over_is_not_sent_and_is_reported_as_expected_once(bench: Bench) -> None:
    before = run(bench)
    expected = before["drift_expected"]
    writes = len(bench.world.avid.writes)
    change(bench, "A", VendorOrganizationName="Another name")
    assert run(bench) == {"not_taken_over": 1, "drift_expected": expected + 1}
    assert run(bench) == {"drift_expected": expected + 1}
    assert len(bench.world.avid.writes) == writes
    [failure] = failures(bench)
    assert failure.cause.code == "drift"
    assert "vendor A" in failure.cause.sentence
    assert "avidxchange.profile.capabilities.vendor_updates" in failure.cause.sentence


def test_what_a_person_has_resolved_does_not_come_back_with_the_next_name(bench: Bench) -> None:
    settled(bench)
    for account in ("A", "B"):
        change(bench, account, VendorOrganizationName="Another name")
        assert run(bench)["not_taken_over"] == 1
        assert failures(bench) == []


def test_the_active_flag_is_sent_and_taken_over(bench: Bench) -> None:
    settled(bench)
    change(bench, "A", OnHoldStatus="All", VendorOrganizationName="Another name")
    assert run(bench)["sent"] == 1
    assert (held(bench, "A")["IsActive"], held(bench, "A")["VendorName"]) == (False, "A")
    assert failures(bench) == []
    change(bench, "A", OnHoldStatus="No")
    assert run(bench)["sent"] == 1
    assert held(bench, "A")["IsActive"] is True


def test_a_vendor_that_was_there_under_another_name_is_not_sent_and_shows_as_expected(bench: Bench) -> None:
    bench.world.avid.add_vendor(int(bench.connection.companies[0].accounting_system), "A", "Another name")
    run(bench)
    assert [write for write in bench.world.avid.writes if write.key[-1] == "A"] == []
    [failure] = failures(bench)
    assert "vendor A" in failure.cause.sentence


def test_a_flag_that_avidxchange_shows_otherwise_is_drift_and_comes_back(bench: Bench) -> None:
    settled(bench)
    held(bench, "A")["IsActive"] = False
    assert run(bench)["drift"] == 1
    [failure] = failures(bench)
    assert failure.cause.sentence.startswith(f"1 vendors of {company(bench)} were sent and AvidXchange shows them otherwise: vendor A.")


def test_with_updates_the_same_change_is_sent(bench: Bench) -> None:
    document = bench.connection.model_dump(mode="json")
    del document["avidxchange"]["profile"]["capabilities.vendor_updates"]
    bench.connection = parse_connection(json.dumps(document))
    bench.world.avid.switches = replace(bench.world.avid.switches, vendor_updates="all")
    run(bench)
    change(bench, "A", VendorOrganizationName="Another name")
    assert run(bench) == {"sent": 1}

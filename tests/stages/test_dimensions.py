"""Dimension values from D365 to AvidXchange's codes, over the sandbox's two systems."""

import json
from datetime import date, timedelta

import pytest

from sandbox.simulator.seams import NetworkTransport, VirtualClock
from sandbox.worlds import PropertyFirmSize, build_property_firm
from sandbox.worlds.report import Comparison
from sandbox.worlds.truth_reference import compare_codes
from sync.connections.document import parse_connection
from sync.engine.model import End
from sync.stages import dimensions, gl_accounts
from sync.storage.names import CRAWLS
from tests.support.bench import Bench
from tests.support.settings import amended


@pytest.fixture
def bench() -> Bench:
    clock = VirtualClock()
    return Bench(clock, build_property_firm(7, clock.now(), size=PropertyFirmSize.small(), now=clock.now))


def add(bench: Bench, value: str, owner: str = "", dimension: str = "Department", /, **fields: str | date) -> None:
    """A value; `owner` is its LegalEntityId, blank for all companies."""
    known = {"Description": f"Value {value} {owner}".strip(), **fields}
    bench.world.d365.add("FinancialDimensionValues", FinancialDimension=dimension, LegalEntityId=owner, DimensionValue=value, **known)


def held(bench: Bench, value: str, dimension: str = "Department") -> list[bool | None]:
    """Whether the value is active, company by company; None where it is not there."""
    group = bench.connection.code_groups[dimension]
    rows = [bench.world.avid.codes.get((int(company.accounting_system), group, value)) for company in bench.connection.companies]
    return [None if row is None else row["IsActive"] is True for row in rows]


def test_every_value_arrives_where_it_is_valid_and_a_second_run_writes_nothing(bench: Bench) -> None:
    bench.run(gl_accounts.stage())
    bench.run(dimensions.stage())
    comparison = Comparison()
    compare_codes(bench.world, comparison)
    assert comparison.differences == []
    writes = len(bench.world.avid.writes)
    assert bench.run(dimensions.stage()).counts["sent"] == 0
    assert len(bench.world.avid.writes) == writes


def test_a_value_of_one_company_goes_there_only(bench: Bench) -> None:
    add(bench, "OWN", bench.connection.companies[1].id)
    bench.run(dimensions.stage())
    assert held(bench, "OWN") == [None, True, None]


def test_the_same_value_of_two_dimensions_is_two_codes(bench: Bench) -> None:
    add(bench, "SAME", "", "Department")
    add(bench, "SAME", "", "Building", IsSuspended="Yes")
    bench.run(dimensions.stage())
    assert held(bench, "SAME", "Department") == [True, True, True]
    assert held(bench, "SAME", "Building") == [False, False, False]
    assert bench.run(dimensions.stage()).counts["sent"] == 0


def test_a_company_s_own_row_wins_over_the_shared_one(bench: Bench) -> None:
    own = bench.connection.companies[0].id
    add(bench, "BOTH")
    add(bench, "BOTH", own, IsSuspended="Yes")
    counts = bench.run(dimensions.stage()).counts
    assert "incomplete" not in counts
    assert held(bench, "BOTH") == [False, True, True]


@pytest.mark.parametrize(
    "fields", [{"IsSuspended": "Yes"}, {"IsTotal": "Yes"}, {"IsBlockedForManualEntry": "Yes"}, {"ActiveTo": date(2020, 1, 1)}]
)
def test_what_cannot_be_used_is_inactive(bench: Bench, fields: dict[str, str | date]) -> None:
    add(bench, "BAD", **fields)
    bench.run(dimensions.stage())
    assert held(bench, "BAD") == [False, False, False]


def test_what_one_company_suspends_is_inactive_there_only(bench: Bench) -> None:
    add(bench, "HERE")
    bench.world.d365.add(
        "FinancialDimensionValueLegalEntityOverridesV2",
        FinancialDimension="Department",
        DimensionValue="HERE",
        LegalEntityId=bench.connection.companies[2].id,
        IsSuspended="Yes",
    )
    bench.run(dimensions.stage())
    assert held(bench, "HERE") == [True, True, False]


def test_a_value_opens_and_closes_by_the_calendar_alone(bench: Bench) -> None:
    today = bench.clock.now().date()
    add(bench, "TERM", ActiveFrom=today + timedelta(days=1), ActiveTo=today + timedelta(days=2))
    seen = []
    for _ in range(4):
        before = len(bench.world.avid.writes)
        bench.run(dimensions.stage())
        seen.append((held(bench, "TERM"), [write.key[-1] for write in bench.world.avid.writes[before:] if write.key[-1] == "TERM"]))
        bench.clock.advance(days=1)
    closed, opened = [False] * 3, [True] * 3
    assert seen == [(closed, ["TERM"] * 3), (opened, ["TERM"] * 3), (opened, []), (closed, ["TERM"] * 3)]


def test_an_override_closes_a_value_for_its_company_by_the_calendar_alone(bench: Bench) -> None:
    today, company = bench.clock.now().date(), bench.connection.companies[1].id
    key = {"FinancialDimension": "Building", "DimensionValue": "HERE", "LegalEntityId": company}
    add(bench, "HERE", "", "Building")
    dates = {"ActiveFrom": today - timedelta(days=9), "ActiveTo": today}
    bench.world.d365.add("FinancialDimensionValueLegalEntityOverridesV2", **key, **dates)
    bench.run(dimensions.stage())
    assert held(bench, "HERE", "Building") == [True, True, True]
    bench.clock.advance(days=1)
    assert bench.run(dimensions.stage()).counts["sent"] == 1
    assert held(bench, "HERE", "Building") == [True, False, True]


def test_the_customer_decides_what_makes_a_value_inactive(bench: Bench) -> None:
    bench.connection = amended(bench.connection, dimension_values={"inactive_when": ["suspended", "out_of_date"]})
    add(bench, "TOTAL", IsTotal="Yes")
    add(bench, "BLOCKED", IsBlockedForManualEntry="Yes")
    add(bench, "BOTH", IsBlockedForManualEntry="Yes", IsSuspended="Yes")
    bench.run(dimensions.stage())
    assert [held(bench, value)[0] for value in ("TOTAL", "BLOCKED", "BOTH")] == [True, True, False]


def test_a_lost_memory_is_rebuilt_group_by_group_in_slices(bench: Bench) -> None:
    bench.run(dimensions.stage())
    writes = len(bench.world.avid.writes)
    for company in bench.connection.companies:
        bench.storage.blobs.delete(CRAWLS, f"{bench.connection.id}/dimensions/{company.id}")
    host = bench.world.connection["avid_host"]
    assert isinstance(bench.ports.transport, NetworkTransport)
    bench.ports.transport.before = lambda request: bench.clock.advance(minutes=2) if request.url.startswith(f"https://{host}") else None
    before, ends = len(bench.network.requests(host, path="/enterpriseCodes")), 0
    while dimensions.stage().work(bench.slice("dimensions", minutes=1)) is End.MORE:
        ends += 1
    assert ends > len(bench.connection.companies)
    assert len(bench.world.avid.writes) == writes
    pages = len(bench.network.requests(host, path="/enterpriseCodes")) - before
    every = len(bench.connection.companies) * len(bench.connection.dimensions)
    assert pages == 2 * every, "each group's page twice: for the memory and for the reading back"


def test_a_deleted_value_is_deactivated_and_the_placeholder_is_not(bench: Bench) -> None:
    add(bench, "GONE")
    bench.run(dimensions.stage())
    bench.world.d365.remove("FinancialDimensionValues", {"FinancialDimension": "Department", "LegalEntityId": "", "DimensionValue": "GONE"})
    bench.run(dimensions.stage())
    assert bench.run(dimensions.stage()).counts["deactivated"] == 3
    assert held(bench, "GONE") == [False, False, False]
    assert held(bench, bench.connection.null_placeholder) == [True, True, True]


def test_a_connection_without_dimensions_has_nothing_to_do(bench: Bench) -> None:
    document = bench.connection.model_dump(mode="json")
    document["code_groups"] = {"MainAccount": document["code_groups"]["MainAccount"]}
    bench.connection = parse_connection(json.dumps(document))
    assert bench.run(dimensions.stage()).counts["read"] == 0
    assert bench.world.avid.writes == []
    company = bench.connection.companies[0].id
    assert bench.app.runs.progress(bench.connection.id, "dimensions", company).completed_at is not None


def test_d365_is_only_read(bench: Bench) -> None:
    bench.run(gl_accounts.stage())
    bench.run(dimensions.stage())
    assert bench.world.d365.writes == []
    assert bench.network.writes(bench.world.d365.host) == 0

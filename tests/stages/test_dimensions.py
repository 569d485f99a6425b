"""Dimension values from D365 to AvidXchange's codes, over the sandbox's two systems."""

import json
from datetime import date

import pytest

from sandbox.worlds import PropertyFirmSize, build_property_firm
from sandbox.worlds.report import Comparison
from sandbox.worlds.truth_reference import compare_codes
from sync.connections.document import parse_connection
from sync.stages import dimensions, gl_accounts
from tests.support.inprocess import Bench, VirtualClock


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

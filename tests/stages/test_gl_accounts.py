"""GL accounts from D365 to AvidXchange's codes, over the sandbox's two systems."""

import json
from datetime import date, timedelta

import pytest

from sandbox.simulator.seams import VirtualClock
from sandbox.worlds import PropertyFirmSize, build_property_firm
from sandbox.worlds.report import Comparison
from sandbox.worlds.truth_reference import compare_codes
from sync.connections.document import parse_connection
from sync.errors import FixConfiguration
from sync.stages import gl_accounts
from tests.support.bench import Bench
from tests.support.settings import amended

ACCOUNT = "777100"


@pytest.fixture
def bench() -> Bench:
    clock = VirtualClock()
    return Bench(clock, build_property_firm(7, clock.now(), size=PropertyFirmSize.small(), now=clock.now))


def chart(bench: Bench) -> str:
    """The chart that all companies share."""
    return bench.world.d365.one("Ledgers", LegalEntityId=bench.connection.companies[0].id).text("ChartOfAccounts")


def add(bench: Bench, account: str = ACCOUNT, /, **fields: str | date) -> None:
    """An account of the shared chart."""
    known = {"Name": f"Account {account}", "MainAccountType": "Expense", **fields}
    bench.world.d365.add("MainAccounts", ChartOfAccounts=chart(bench), MainAccountId=account, **known)


def active(bench: Bench, account: str = ACCOUNT) -> list[bool]:
    """Whether the account is active, company by company."""
    group = bench.connection.code_groups["MainAccount"]
    systems = [int(company.accounting_system) for company in bench.connection.companies]
    return [bench.world.avid.codes[system, group, account]["IsActive"] is True for system in systems]


def test_every_account_arrives_in_every_company_and_a_second_run_writes_nothing(bench: Bench) -> None:
    first = bench.run(gl_accounts.stage())
    comparison = Comparison()
    compare_codes(bench.world, comparison)
    assert [line for line in comparison.differences if "GL" in line] == []
    assert first.counts["read"] == 3 * 40
    assert first.counts["matched"] == 3 * 6
    writes = len(bench.world.avid.writes)
    assert bench.run(gl_accounts.stage()).counts["sent"] == 0
    assert len(bench.world.avid.writes) == writes


def test_codes_that_only_avidxchange_has_are_left_alone(bench: Bench) -> None:
    for _ in range(3):
        bench.run(gl_accounts.stage())
    assert active(bench, "000001") == [True, True, True]
    assert [write for write in bench.world.avid.writes if write.key[-1] == "000001"] == []


@pytest.mark.parametrize(
    "fields",
    [
        {"IsSuspended": "Yes"},
        {"DoNotAllowManualEntry": "Yes"},
        {"MainAccountType": "Total"},
        {"MainAccountType": "Reporting"},
        {"ActiveFrom": date(2030, 1, 1)},
        {"ActiveTo": date(2020, 1, 1)},
    ],
)
def test_what_cannot_be_posted_to_is_inactive_everywhere(bench: Bench, fields: dict[str, str | date]) -> None:
    add(bench, **fields)
    bench.run(gl_accounts.stage())
    assert active(bench) == [False, False, False]


@pytest.mark.parametrize("field", ["IsSuspended", "DoNotAllowManualEntry"])
def test_what_one_company_closes_is_inactive_there_only(bench: Bench, field: str) -> None:
    add(bench)
    company = bench.connection.companies[1].id
    key = {"ChartOfAccounts": chart(bench), "MainAccountId": ACCOUNT, "LegalEntityId": company}
    bench.world.d365.add("MainAccountLegalEntities", **key, **{field: "Yes"})
    bench.run(gl_accounts.stage())
    assert active(bench) == [True, False, True]


def test_an_account_opens_on_its_day(bench: Bench) -> None:
    add(bench, ActiveFrom=bench.clock.now().date() + timedelta(days=1))
    bench.run(gl_accounts.stage())
    assert active(bench) == [False, False, False]
    bench.clock.advance(days=1)
    assert bench.run(gl_accounts.stage()).counts["sent"] == 3
    assert active(bench) == [True, True, True]


def test_an_account_of_one_company_closes_after_its_last_day_there(bench: Bench) -> None:
    add(bench)
    key = {"ChartOfAccounts": chart(bench), "MainAccountId": ACCOUNT, "LegalEntityId": bench.connection.companies[1].id}
    bench.world.d365.add("MainAccountLegalEntities", **key, ActiveTo=bench.clock.now().date())
    bench.run(gl_accounts.stage())
    assert active(bench) == [True, True, True]
    bench.clock.advance(days=1)
    assert bench.run(gl_accounts.stage()).counts["sent"] == 1
    assert active(bench) == [True, False, True]


def test_companies_of_different_charts_get_their_own_accounts(bench: Bench) -> None:
    company = bench.connection.companies[2]
    bench.world.d365.change("Ledgers", {"LegalEntityId": company.id}, ChartOfAccounts="Another")
    bench.world.d365.add("MainAccounts", ChartOfAccounts="Another", MainAccountId=ACCOUNT, Name="Other", MainAccountType="Expense")
    add(bench, IsSuspended="Yes")
    bench.run(gl_accounts.stage())
    assert active(bench) == [False, False, True]


CLOSED: dict[str, dict[str, str | date]] = {
    "total": {"MainAccountType": "Total"},
    "suspended": {"IsSuspended": "Yes"},
    "out_of_date": {"ActiveTo": date(2020, 1, 1)},
    "manual_entry_blocked": {"DoNotAllowManualEntry": "Yes"},
}


@pytest.mark.parametrize("rule", CLOSED)
def test_the_customer_decides_what_makes_an_account_inactive(bench: Bench, rule: str) -> None:
    bench.connection = amended(bench.connection, accounts={"inactive_when": [name for name in CLOSED if name != rule]})
    add(bench, "777001", **CLOSED[rule])
    for number, (other, fields) in enumerate(CLOSED.items(), 2):
        if other != rule:
            add(bench, f"77700{number}", **{**CLOSED[rule], **fields})
    bench.run(gl_accounts.stage())
    assert active(bench, "777001") == [True, True, True]
    for number in [number for number, other in enumerate(CLOSED, 2) if other != rule]:
        assert active(bench, f"77700{number}") == [False, False, False], "a rule that counts is not hidden by one that does not"


def test_no_rule_at_all_makes_every_account_active(bench: Bench) -> None:
    bench.connection = amended(bench.connection, accounts={"inactive_when": []})
    add(bench, **{name: value for fields in CLOSED.values() for name, value in fields.items()})
    bench.run(gl_accounts.stage())
    assert active(bench) == [True, True, True]


@pytest.mark.parametrize(
    ("part", "settings", "problem"),
    [
        ("accounts", {"inactive_when": ["closed"]}, r"accounts\.inactive_when\.0: Input should be 'total'"),
        ("accounts", {"inactive_when": "total"}, r"accounts\.inactive_when: Input should be a valid"),
        ("accounts", {"inactive_if": []}, r"accounts\.inactive_if: Extra inputs"),
        ("dimension_values", {"inactive_when": ["expired"]}, r"dimension_values\.inactive_when\.0"),
    ],
)
def test_what_the_document_cannot_mean_is_refused(bench: Bench, part: str, settings: dict[str, object], problem: str) -> None:
    with pytest.raises(FixConfiguration, match=problem):
        amended(bench.connection, **{part: settings})


def test_a_long_name_is_cut_and_counted(bench: Bench) -> None:
    add(bench, Name="n" * 60)
    counts = bench.run(gl_accounts.stage()).counts
    assert counts["shortened"] == 3
    assert "parked" not in counts or counts["parked"] == 0
    group = bench.connection.code_groups["MainAccount"]
    system = int(bench.connection.companies[0].accounting_system)
    assert bench.world.avid.codes[system, group, ACCOUNT]["EnterpriseCodeValueDescription"] == "n" * 50


def test_the_profile_says_how_long_a_description_may_be(bench: Bench) -> None:
    add(bench, Name="n" * 60)
    document = bench.connection.model_dump(mode="json")
    document["avidxchange"]["profile"]["lengths.code_description"] = 30
    bench.connection = parse_connection(json.dumps(document))
    bench.run(gl_accounts.stage())
    group, system = bench.connection.code_groups["MainAccount"], int(bench.connection.companies[0].accounting_system)
    assert bench.world.avid.codes[system, group, ACCOUNT]["EnterpriseCodeValueDescription"] == "n" * 30


def test_a_company_without_a_ledger_is_a_setting_to_mend_and_holds_up_nobody(bench: Bench) -> None:
    add(bench)
    company = bench.connection.companies[0].id
    bench.world.d365.remove("Ledgers", {"LegalEntityId": company})
    with pytest.raises(FixConfiguration, match=f"company {company}"):
        bench.run(gl_accounts.stage())
    group = bench.connection.code_groups["MainAccount"]
    assert [key[0] for key in bench.world.avid.codes if key[1:] == (group, ACCOUNT)] == [
        int(company.accounting_system) for company in bench.connection.companies[1:]
    ]


def test_a_code_group_that_avidxchange_does_not_have_is_a_setting_to_mend(bench: Bench) -> None:
    bench.world.avid.code_groups[:] = [
        group for group in bench.world.avid.code_groups if group.name != bench.connection.code_groups["MainAccount"]
    ]
    with pytest.raises(FixConfiguration):
        bench.run(gl_accounts.stage())
    assert bench.world.avid.writes == []

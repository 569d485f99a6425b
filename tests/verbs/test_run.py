"""`run`: the app does the work while the command line watches; a dry run shows everything and writes nothing."""

import pytest

from sync.connections.document import STAGES
from sync.engine.runner import run_stage
from sync.engine.schedule import new_run
from tests.verbs.desk import ID, Desk


def test_all_stages_are_run_by_the_app_and_followed_to_their_end(desk: Desk) -> None:
    desk.while_waiting(desk.drain)
    seen = desk.call("run", ID, "--json")
    assert seen.code == 0, seen.err
    assert [(stage["stage"], stage["done"]) for stage in seen.document["stages"]] == [(stage, True) for stage in STAGES]
    assert seen.document["stages"][0]["counts"]["sent"] == 30
    assert "payments: done" in seen.err.splitlines()


def test_the_table_of_a_run(desk: Desk) -> None:
    desk.while_waiting(desk.drain)
    lines = desk.call("run", ID).out.splitlines()
    assert lines[0].split() == ["stage", "end", "read", "sent", "unchanged", "parked", "else"]
    assert lines[2].split() == ["vendors", "done", "30", "30", "matched", "2"]


def test_when_nobody_works_on_the_queue_it_says_so(desk: Desk) -> None:
    started = desk.clock.now()
    seen = desk.call("run", ID, "--stage", "vendors", "--wait", "30")
    assert seen.code == 1
    assert "Nothing picked it up in 30 s: no function app seems to be working on the queue stage-runs." in " ".join(seen.out.split())
    assert 30 <= (desk.clock.now() - started).total_seconds() < 40


def test_without_waiting_only_the_messages_are_put(desk: Desk) -> None:
    assert desk.call("run", ID, "--no-wait").code == 0
    assert desk.queued() == len(STAGES)


def test_a_stage_that_cannot_run_is_told_with_its_reason(desk: Desk) -> None:
    desk.deployment.secrets.values[f"{ID}-d365-client-secret"] = "wrong"
    desk.while_waiting(desk.drain)
    seen = desk.call("run", ID, "--stage", "vendors")
    assert seen.code == 1
    assert "the client secret is wrong" in " ".join(seen.out.split())


def test_a_run_that_was_under_way_is_followed(desk: Desk) -> None:
    message = new_run(desk.works, ID, "vendors")
    assert desk.works.leases.take(ID, "vendors", message.token, 90) is not None
    desk.works.runs.start(ID, "vendors", message.run)
    ended: list[str] = []
    desk.while_waiting(lambda: ended.append(run_stage(desk.works, message)))
    seen = desk.call("run", ID, "--stage", "vendors", "--json")
    assert seen.document["stages"][0]["run"] == message.run
    assert "running already" in seen.document["stages"][0]["note"]
    assert seen.code == 0


def test_a_stage_whose_ground_is_not_laid_is_not_asked_for(desk: Desk) -> None:
    seen = desk.call("run", ID, "--stage", "invoices")
    assert (seen.code, desk.queued()) == (2, 0)
    assert "invoices waits for vendors, gl_accounts, dimensions to complete once: run that first." in seen.err


@pytest.mark.parametrize("stage", [(), ("--stage", "payments")])
def test_what_is_paused_says_how_to_resume_it(desk: Desk, stage: tuple[str, ...]) -> None:
    assert desk.call("pause", ID, *stage).code == 0
    seen = desk.call("run", ID, "--stage", "payments")
    assert (seen.code, desk.queued()) == (2, 0)
    assert f"python -m sync resume {' '.join([ID, *stage])}" in seen.err


@pytest.mark.parametrize("cycles", [0, 1])
def test_a_dry_run_shows_what_would_be_sent_and_writes_nothing_anywhere(desk: Desk, cycles: int) -> None:
    for _ in range(cycles):
        desk.cycle()
    writes, queued, versions = desk.writes(), desk.queued(), int(desk.storage_versions())
    seen = desk.call("run", ID, "--dry-run")
    assert seen.code == 0, seen.out + seen.err
    assert (desk.writes(), desk.queued()) == (writes, queued)
    assert int(desk.storage_versions()) == versions + 1, "nothing was stored"
    assert ("would send" in seen.out) == (cycles == 0)
    assert "Vendor GONE-700004 does not exist in company tqn." in seen.out
    assert ('POST VendorInvoiceHeaders {"dataAreaId":' in seen.out) == (cycles == 0)
    assert ("would adopt invoice" in seen.out) == (cycles == 0)
    assert f"== vendors of {ID}: read 30" in seen.out


def test_a_dry_run_shows_the_differences_of_what_avidxchange_holds(worked: Desk) -> None:
    vendor = next(row for row in worked.world.d365.rows("VendorsV3") if row["VendorOrganizationName"] and row["OnHoldStatus"] == "No")
    keys = {"dataAreaId": vendor.text("dataAreaId"), "VendorAccountNumber": vendor.text("VendorAccountNumber")}
    old = vendor.text("VendorOrganizationName")
    worked.world.d365.change("VendorsV3", keys, VendorOrganizationName="Renamed")
    out = worked.call("run", ID, "--dry-run", "--stage", "vendors").out
    assert f'it differs in (now, then): {{"VendorName":["{old}","Renamed"]}}' in out

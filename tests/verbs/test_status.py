"""`status`: what ran when, and what is left; the HTTP function answers the same."""

import json
from datetime import timedelta

from sync import triggers
from sync.verbs.plain import as_plain
from sync.verbs.status import status
from tests.verbs.desk import ID, Desk


def stages(desk: Desk) -> dict[str, dict[str, object]]:
    """The stages of the printed JSON by name."""
    document = desk.call("status", ID, "--json").document
    return {stage["stage"]: stage for stage in document["connections"][0]["stages"]}


def test_a_connection_that_never_ran(desk: Desk) -> None:
    found = stages(desk)
    assert {stage["lag_seconds"] for stage in found.values()} == {None}
    assert "never" in desk.call("status").out


def test_lag_counts_and_backlog_after_a_cycle(worked: Desk) -> None:
    worked.clock.advance(minutes=7)
    found = stages(worked)
    assert found["vendors"]["lag_seconds"] == 7 * 60
    assert found["vendors"]["counts"] == {"read": 30, "sent": 30, "unchanged": 0, "parked": 0, "deactivated": 0, "matched": 2}
    assert found["invoices"]["backlog"] == {"waiting": 0, "parked": 5, "unknown": 0, "written": 5, "exceptions": 0}
    assert found["invoices"]["totals"] == {"parked": 5, "written": 5, "adopted": 1}


def test_written_and_posted_are_told_apart(worked: Desk) -> None:
    header = next(row for row in worked.world.d365.rows("VendorInvoiceHeaders") if "AVX-" in row.text("Comment"))
    worked.world.d365.post_invoice(header.text("dataAreaId"), header.text("HeaderReference"))
    worked.clock.advance(minutes=30)
    worked.cycle()
    totals = stages(worked)["invoices"]["totals"]
    assert totals == {"parked": 5, "written": 4, "posted": 1, "adopted": 1}
    left, did = [line.split() for line in worked.call("status", ID).out.splitlines() if line.strip().startswith("invoices")]
    assert left == ["invoices", "0", "s", "5", "4", "1", "1"], "parked, written, posted, adopted"
    assert " ".join(did).endswith("posted 1, parked 5")


def test_a_broken_document_and_a_stage_that_cannot_run_show_their_error(desk: Desk) -> None:
    desk.deployment.secrets.values[f"{ID}-d365-client-secret"] = "wrong"
    desk.cycle()
    out = desk.call("status").out
    assert "error" in out
    assert "1 case" not in out, "three stages cannot run: three cases"
    assert f"3 cases of no record: python -m sync failures {ID}" in out


def test_the_http_function_answers_the_same(worked: Desk) -> None:
    code, body = triggers.status(lambda: worked.app)
    assert (code, json.loads(body)) == (200, as_plain(status(worked.app)))
    assert json.loads(body)["connections"][0]["stages"][0]["stage"] == "vendors"


def test_a_running_stage_is_running(worked: Desk) -> None:
    worked.clock.advance(minutes=1)
    worked.works.runs.start(ID, "vendors", "a" * 32)
    worked.works.leases.take(ID, "vendors", "b" * 32, 90)
    assert stages(worked)["vendors"]["running"] is True
    worked.clock.advance(seconds=timedelta(minutes=5).total_seconds())
    assert stages(worked)["vendors"]["running"] is False, "its worker died"

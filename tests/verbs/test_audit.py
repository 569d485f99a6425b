"""`audit`: one record's life by whatever names it, a day, and whether the trail is whole."""

import logging
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from sync.engine.housekeeping import keep_house
from sync.storage.model import Delete, Upsert
from tests.verbs.desk import ID, Desk


def a_parked_invoice(desk: Desk) -> dict[str, str]:
    """Key, number and id of an invoice that is parked."""
    [group] = desk.call("failures", ID, "--cause", "vendor-missing", "--json").document["groups"]
    label = group["examples"][0]["label"]
    return {"key": group["examples"][0]["key"], "label": label, "number": label.split()[1]}


@pytest.mark.parametrize("named", ["key", "label", "number"])
def test_a_record_is_found_by_what_names_it(worked: Desk, named: str) -> None:
    record = a_parked_invoice(worked)
    [life] = worked.call("audit", ID, "--record", record[named], "--json").document["lives"]
    assert (life["key"], life["state"]) == (record["key"], "parked")
    assert [step["name"] for step in life["steps"]] == ["found", "parked"]
    by_id = worked.call("audit", ID, "--record", life["source_id"], "--json").document["lives"]
    assert [other["key"] for other in by_id] == [record["key"]]


def test_what_was_only_sent_has_a_life_too(worked: Desk) -> None:
    out = worked.call("audit", ID, "--record", "vendor V-00007").out
    assert "vendor V-00007 (vendors, tqw): sent" in out
    assert "Sent to AvidXchange." in out


def test_the_steps_of_a_written_payment_in_order(worked: Desk) -> None:
    out = worked.call("audit", ID, "--record", "5200001", "--verify").out
    steps = [line.split()[3] for line in out.splitlines() if line.strip()[:1].isdigit()]
    assert steps == ["found", "sending", "sending", "written"]
    assert "The trail is whole" in out


def test_a_day_shows_every_step_and_no_other_day(worked: Desk) -> None:
    day = worked.clock.now().date()
    document = worked.call("audit", ID, "--day", day.isoformat(), "--verify", "--json").document
    assert document["problems"] == []
    assert len(document["steps"]) > 250
    assert [step["at"] for step in document["steps"]] == sorted(step["at"] for step in document["steps"])
    assert "No step on that day." in worked.call("audit", ID, "--day", (day - timedelta(days=1)).isoformat()).out


def test_an_edited_step_shows(worked: Desk) -> None:
    record, tables, partition = a_parked_invoice(worked), worked.app.ports.tables, f"{ID}|invoices|tqn"
    row = tables.get("ledger", partition, f"a:{record['key']}:00000002")
    assert row is not None
    tables.commit("ledger", partition, [Upsert(replace(row, values={**row.values, "Note": "Written."}))])
    seen = worked.call("audit", ID, "--record", record["key"], "--verify")
    assert seen.code == 1
    assert "Step 2 (parked) was changed" in seen.out
    assert worked.call("audit", ID, "--record", record["key"]).code == 0, "nobody asked"


def test_a_tail_cut_together_with_the_record_shows_by_the_seal_of_its_day(worked: Desk) -> None:
    record, tables, partition = a_parked_invoice(worked), worked.app.ports.tables, f"{ID}|invoices|tqn"
    day = worked.clock.now().date().isoformat()
    worked.clock.advance(days=1, hours=2)
    keep_house(worked.works)
    assert worked.call("audit", ID, "--day", day, "--verify").code == 0
    keys = [row.key for row in tables.scan("ledger", partition) if record["key"] in row.key]
    tables.commit("ledger", partition, [Delete(key) for key in keys])
    seen = worked.call("audit", ID, "--day", day, "--verify")
    assert seen.code == 1
    assert f"The seal of {day} of thornquill/invoices/tqn counts" in seen.out
    assert "there are" in seen.out
    assert worked.call("audit", ID, "--all").code == 1


def test_the_whole_trail_and_the_seal_to_compare_with_the_log_of_the_app(worked: Desk, caplog: pytest.LogCaptureFixture) -> None:
    assert "Nothing of thornquill is sealed yet." in worked.call("audit", ID, "--all").out
    worked.clock.advance(days=1, hours=2)
    with caplog.at_level(logging.INFO):
        keep_house(worked.works)
    seen = worked.call("audit", ID, "--all")
    assert (seen.code, seen.out.splitlines()[0][:23]) == (0, "The trail is whole: eve")
    [logged] = [entry.getMessage() for entry in caplog.records if entry.getMessage().startswith("Sealed 2026-03-02: seal 1, code ")]
    named = re.search(r"The last seal is number 1, of 2026-03-02, made [0-9: -]+ UTC, code ([0-9a-f]{16})…", seen.out)
    assert named is not None
    assert f"code {named[1]}" in logged
    assert worked.call("audit", ID, "--all", "--json").document["problems"] == []


def test_days_that_nobody_seals_show(worked: Desk) -> None:
    worked.clock.advance(days=2, hours=15)
    assert worked.call("audit", ID, "--all").code == 0
    worked.clock.advance(days=1)
    seen = worked.call("audit", ID, "--all")
    assert seen.code == 1
    assert "Steps of 2026-03-02 and later are not sealed" in " ".join(seen.out.split())


def test_what_retention_removed_is_said_and_is_no_problem(worked: Desk) -> None:
    worked.clock.advance(days=2_600)
    keep_house(worked.works)
    day = worked.call("audit", ID, "--day", "2026-03-02", "--verify")
    assert (day.code, "The steps of 2026-03-02 were removed by retention on 2033-04-14, but" in day.out) == (0, True)
    vendor = worked.call("audit", ID, "--record", "vendor V-00007", "--verify").out
    assert "1 step before these removed by retention" in vendor
    assert "The trail is whole" in vendor
    [life] = worked.call("audit", ID, "--record", "vendor V-00007", "--json").document["lives"]
    assert (life["removed"], life["steps"]) == (1, [])
    assert worked.call("audit", ID, "--record", life["key"]).code == 0
    whole = worked.call("audit", ID, "--all")
    assert whole.code == 0
    assert "Steps removed by retention: 1 day, 2026-03-02 to 2026-03-02." in whole.out


def test_nothing_of_that_name(worked: Desk) -> None:
    seen = worked.call("audit", ID, "--record", "no such thing")
    assert seen.code == 2
    assert "Nothing of thornquill is named 'no such thing'" in seen.err

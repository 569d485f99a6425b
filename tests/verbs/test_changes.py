"""`replay`, `resolve`, `pause` and `resume`: what a person changes, and what stays in the audit trail."""

import getpass
from dataclasses import replace

from sync.ledger.model import Place, Record, State, Step
from tests.verbs.desk import ID, Desk


def parked(desk: Desk, code: str = "vendor-missing") -> Record:
    """The one record that is parked for this cause."""
    [group] = desk.call("failures", ID, "--cause", code, "--json").document["groups"]
    example = group["examples"][0]
    return the(desk, Place(ID, example["stage"], example["company"]), example["key"])


def the(desk: Desk, place: Place, key: str) -> Record:
    """The record as it is now."""
    record = desk.app.ledger.get(place, key)
    assert record is not None
    return record


def add_vendor(desk: Desk, record: Record) -> None:
    """Create the missing vendor in D365, like another one."""
    other = next(row for row in desk.world.d365.rows("VendorsV3") if row["dataAreaId"] == record.place.company)
    fields = {**other.stored, "VendorAccountNumber": record.facts["vendor"], "OnHoldStatus": "No", "InvoiceVendorAccountNumber": ""}
    desk.world.d365.add("VendorsV3", **fields)


def test_a_replay_is_done_by_the_app_with_its_reason_in_the_trail(worked: Desk) -> None:
    record = parked(worked)
    add_vendor(worked, record)
    seen = worked.call("replay", ID, "--cause", "vendor-missing", "--reason", "the vendor was added")
    assert seen.code == 0
    assert "Selected now: 1 record (1 of invoices)." in seen.out
    assert the(worked, record.place, record.key).state is State.PARKED, "the app does it, not the command line"
    worked.drain()
    assert the(worked, record.place, record.key).state is State.WRITTEN
    notes = [row.step.note for row in worked.app.ledger.history(record.place, record.key)]
    assert f"{getpass.getuser()} asked to try again: the vendor was added" in notes


def test_a_replay_of_one_record_by_its_number(worked: Desk) -> None:
    record = parked(worked)
    seen = worked.call("replay", ID, "--record", record.facts["number"], "--reason", "again", "--json")
    assert (seen.code, seen.document["selected"]) == (0, {"invoices": 1})


def test_a_replay_that_selects_nothing_puts_nothing(worked: Desk) -> None:
    seen = worked.call("replay", ID, "--state", "posted", "--reason", "again")
    assert (seen.code, worked.queued()) == (1, 0)


def test_a_replay_that_names_nothing_is_refused(worked: Desk) -> None:
    seen = worked.call("replay", ID, "--reason", "again")
    assert (seen.code, worked.queued()) == (2, 0)
    assert "name at least one of stage, company, key, state, cause, since" in seen.err
    assert worked.call("replay", ID, "--stage", "invoices", "--reason", " ").code == 2


def test_a_parked_record_is_resolved_with_the_reason_in_the_trail(worked: Desk) -> None:
    record = parked(worked)
    seen = worked.call("resolve", ID, "--record", record.key, "--as", "done", "--reason", "entered by hand")
    assert seen.code == 0
    now = the(worked, record.place, record.key)
    assert (now.state, now.causes, now.due) == (State.RESOLVED, (), None)
    last = worked.app.ledger.history(record.place, record.key)[-1].step
    assert last.note == f"It was done elsewhere, says {getpass.getuser()}: entered by hand"
    assert "vendor-missing" not in worked.call("failures", ID).out
    again = worked.call("resolve", ID, "--record", record.key, "--as", "done", "--reason", "entered by hand")
    assert again.code == 2


def test_a_change_in_avidxchange_after_it_was_resolved_is_shown_and_cleared_again(worked: Desk) -> None:
    record, avid = parked(worked), worked.world.avid
    worked.call("resolve", ID, "--record", record.key, "--as", "done", "--reason", "entered by hand", "--yes")
    [batch] = [batch for batch in avid.batches.values() if int(record.source_id) in [invoice.id for invoice in batch.invoices]]
    avid.reopen_batch(batch.guid)
    batch.invoices[:] = [replace(invoice, memo="Changed") for invoice in batch.invoices]
    worked.clock.advance(minutes=30)
    avid.close_batch(batch.guid)
    worked.cycle()
    now = the(worked, record.place, record.key)
    assert (now.state, [cause.code for cause in now.causes]) == (State.RESOLVED, ["changed-after-write"])
    shown = worked.call("failures", ID, "--cause", "changed-after-write").out
    assert "changed in AvidXchange" in " ".join(shown.split())
    seen = worked.call("resolve", ID, "--record", record.key, "--as", "done", "--reason", "seen", "--yes")
    assert (seen.code, the(worked, record.place, record.key).causes) == (0, ())


def test_without_a_yes_nothing_is_resolved(worked: Desk) -> None:
    record = parked(worked)
    worked.answer = ""
    seen = worked.call("resolve", ID, "--record", record.key, "--as", "ignored", "--reason", "x")
    assert (seen.code, seen.out) == (1, "")
    assert "Resolve invoice" in seen.err
    assert the(worked, record.place, record.key) == record
    assert worked.call("resolve", ID, "--record", record.key, "--as", "ignored", "--reason", "x", "--yes").code == 0


def test_an_exception_of_a_written_record_is_cleared_and_its_state_stays(worked: Desk) -> None:
    cause = parked(worked).causes
    [written] = [item for item in worked.app.ledger.records(Place(ID, "payments")) if item.source_id == "5200001"]
    worked.app.ledger.move(written, Step("changed", "For a person."), run="r" * 32, causes=cause)
    assert worked.call("status", ID, "--json").document["connections"][0]["stages"][4]["backlog"]["exceptions"] == 1
    seen = worked.call("resolve", ID, "--record", "5200001", "--as", "done", "--reason", "corrected in D365", "--yes")
    assert "stays written; 1 exception cleared" in seen.out
    now = the(worked, written.place, written.key)
    assert (now.state, now.causes, now.due) == (State.WRITTEN, (), written.due)


def test_what_is_in_doubt_is_not_resolved(worked: Desk) -> None:
    record = parked(worked)
    worked.app.ledger.move(record, Step("unknown", "?"), run="r" * 32, state=State.UNKNOWN, causes=(), due=worked.clock.now())
    seen = worked.call("resolve", ID, "--record", record.key, "--as", "done", "--reason", "x", "--yes")
    assert seen.code == 2
    assert "Let the next run settle it first." in seen.err


def test_several_records_of_a_name_are_told_apart_by_key(worked: Desk) -> None:
    seen = worked.call("resolve", ID, "--record", "of", "--as", "done", "--reason", "x", "--yes")
    assert seen.code == 2
    assert "Give the key of one." in seen.err


def test_a_stage_is_paused_and_resumed_and_keeps_its_interval(desk: Desk) -> None:
    desk.call("pause", ID, "--stage", "payments")
    desk.cycle()
    connection = desk.app.connections.get(ID)
    assert connection is not None
    assert (connection.schedules.payments.paused, connection.schedules.payments.every_minutes) == (True, 0)
    assert connection.paused is False
    assert desk.app.runs.latest(ID, "payments", 1) == []
    assert desk.call("resume", ID, "--stage", "payments").out == "thornquill is active.\n"
    desk.clock.advance(minutes=30)
    desk.cycle()
    assert len(desk.app.runs.latest(ID, "payments", 1)) == 1


def test_a_paused_connection_runs_nothing(desk: Desk) -> None:
    assert "thornquill is paused." in desk.call("pause", ID).out
    desk.cycle()
    assert desk.writes() == 0
    assert "(paused)" in desk.call("status").out
    assert desk.call("resume", "nobody").code == 2

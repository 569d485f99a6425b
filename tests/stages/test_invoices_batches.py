"""Closed batches that are opened again: invoices that change, vanish or move, in every state; and what is acknowledged when."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from sandbox.avid import AvidSwitches, Invoice
from sandbox.faults import Fault, Kind
from sandbox.web import Response
from sandbox.worlds.model import ExpectedInvoice
from sync.engine.cases import RUNS
from sync.ledger.model import NO_COMPANY, Failure, Place, State
from tests.support.deliveries import Firm

HEADER = r"^/data/VendorInvoiceHeaders\b"
ABSENT = Fault("drop_request", method="POST", path=HEADER)
LATE = Fault("late_effect", method="POST", path=HEADER, delay=timedelta(minutes=10))
ACKNOWLEDGE = "exportHistories"


def with_one_in_doubt(fault: Fault) -> tuple[Firm, ExpectedInvoice]:
    """The firm after a cycle in which nobody knows whether one header was written."""
    firm = Firm.build(unknown_settle_minutes=15)
    firm.deployment.network.faults.add(fault)
    firm.cycle()
    records = [record for company in companies(firm) for record in firm.app.ledger.records(company)]
    [unknown] = [record.source_id for record in records if record.state is State.UNKNOWN]
    return firm, next(item for item in firm.world.expected.invoices.values() if str(item.id) == unknown)


def companies(firm: Firm) -> list[Place]:
    facts = firm.world.connection
    return [Place(facts["id"], "invoices", company["id"].lower()) for company in facts["companies"]]


def described(firm: Firm, item: ExpectedInvoice, memo: str) -> Sequence[Invoice]:
    """The invoice's batch, the invoice with another memo."""
    return [replace(held, memo=memo) if held.id == item.id else held for held in firm.batch_of(item)]


def without(firm: Firm, item: ExpectedInvoice) -> Sequence[Invoice]:
    return [held for held in firm.batch_of(item) if held.id != item.id]


def codes(firm: Firm, item: ExpectedInvoice) -> list[str]:
    return [cause.code for cause in firm.record(item).causes]


def settle(firm: Firm) -> None:
    """Long enough for two looks, and a run after them."""
    for _ in range(4):
        firm.cycle(minutes=16)


# --- while the outcome is unknown --------------------------------------------------------------------------------------------------


def test_an_invoice_that_changed_in_doubt_and_was_not_written_is_written_as_it_is_now() -> None:
    firm, item = with_one_in_doubt(ABSENT)
    firm.close_again(item, described(firm, item, "Approved anew"))
    settle(firm)
    [header] = firm.world.d365.find("VendorInvoiceHeaders", dataAreaId=item.company.lower(), InvoiceNumber=item.number)
    assert header.text("InvoiceDescription") == "Approved anew"
    assert (firm.record(item).state, codes(firm, item)) == (State.WRITTEN, [])


def test_an_invoice_that_changed_in_doubt_and_was_written_is_for_a_person() -> None:
    firm, item = with_one_in_doubt(LATE)
    firm.close_again(item, described(firm, item, "Approved anew"))
    settle(firm)
    assert (firm.record(item).state, codes(firm, item)) == (State.WRITTEN, ["changed-after-write"])
    assert len(firm.headers(item)) == 1


def test_an_invoice_that_vanished_in_doubt_and_was_not_written_is_withdrawn() -> None:
    firm, item = with_one_in_doubt(ABSENT)
    firm.close_again(item, without(firm, item))
    settle(firm)
    assert firm.record(item).state is State.WITHDRAWN
    assert firm.headers(item) == []


def test_an_invoice_that_vanished_in_doubt_and_was_written_is_for_a_person() -> None:
    firm, item = with_one_in_doubt(LATE)
    firm.close_again(item, without(firm, item))
    settle(firm)
    assert (firm.record(item).state, codes(firm, item)) == (State.WRITTEN, ["changed-after-write"])
    assert "vanished" in firm.record(item).causes[0].sentence


def test_a_batch_with_an_invoice_in_doubt_is_acknowledged_when_the_doubt_and_its_change_are_settled() -> None:
    firm, item = with_one_in_doubt(ABSENT)
    guid = firm.closed_batch(item).guid
    firm.close_again(item, described(firm, item, "Approved anew"))
    firm.cycle(minutes=1)
    assert guid not in acknowledged(firm)
    settle(firm)
    assert acknowledged(firm).count(guid) == 1


@pytest.mark.parametrize("what", ["changes", "vanishes"])
def test_a_posted_invoice_that_changes_or_vanishes_is_for_a_person(what: str) -> None:
    firm = Firm.build()
    item = firm.to_write()
    firm.cycle()
    header = firm.world.d365.one("VendorInvoiceHeaders", dataAreaId=item.company.lower(), InvoiceNumber=item.number)
    firm.world.d365.post_invoice(item.company.lower(), header.text("HeaderReference"))
    firm.cycle(minutes=15)
    writes = len(firm.world.d365.writes)
    firm.close_again(item, described(firm, item, "Another memo") if what == "changes" else without(firm, item))
    firm.cycle(minutes=15)
    assert (firm.record(item).state, codes(firm, item)) == (State.POSTED, ["changed-after-write"])
    assert len(firm.world.d365.writes) == writes


# --- from batch to batch -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("listed_first", ["the old batch", "the new batch"])
def test_an_invoice_that_moves_to_another_batch_is_not_lost(listed_first: str) -> None:
    firm = Firm.build()
    item = next(item for item in firm.world.expected.invoices.values() if item.fate.why == "sum-differs")
    firm.cycle()
    avid, old = firm.world.avid, firm.closed_batch(item)
    new = next(batch for batch in avid.batches.values() if batch.accounting_system == item.accounting_system and batch is not old)
    moved = avid.invoice(item.id)
    for batch, content in ((old, without(firm, item)), (new, [*new.invoices, moved])):
        avid.reopen_batch(batch.guid)
        avid.close_batch(batch.guid, content)
    pair = {old.guid: old, new.guid: new} if listed_first == "the old batch" else {new.guid: new, old.guid: old}
    others = {guid: batch for guid, batch in avid.batches.items() if guid not in pair}
    avid.batches.clear()
    avid.batches.update(pair | others)
    firm.cycle(minutes=15)
    assert (firm.record(item).state, codes(firm, item)) == (State.PARKED, ["sum-differs"])
    firm.close_again(item, without(firm, item))
    firm.cycle(minutes=15)
    assert firm.record(item).state is State.WITHDRAWN, "it belongs to its new batch by now"


# --- the acknowledgement -----------------------------------------------------------------------------------------------------------


def acknowledged(firm: Firm) -> list[str]:
    return [one.batch_guid for one in firm.world.avid.acknowledgements]


def cases(firm: Firm) -> list[Failure]:
    return firm.failures(Place(firm.world.connection["id"], RUNS))


def last_error(firm: Firm) -> str:
    return firm.app.runs.progress(firm.world.connection["id"], "invoices", NO_COMPANY).last_error


def test_a_batch_that_is_open_again_is_acknowledged_when_it_is_closed_anew() -> None:
    firm, item = with_one_in_doubt(ABSENT)
    guid, content = firm.closed_batch(item).guid, firm.batch_of(item)
    firm.world.avid.reopen_batch(guid)
    settle(firm)
    assert guid not in acknowledged(firm)
    assert (last_error(firm), cases(firm)) == ("", [])
    firm.world.avid.close_batch(guid, content)
    firm.cycle(minutes=15)
    assert acknowledged(firm).count(guid) == 1


def test_a_batch_that_one_list_lacked_is_acknowledged_all_the_same() -> None:
    """A list can miss a row that moves while it is paged."""
    firm, item = with_one_in_doubt(ABSENT)
    batch = firm.closed_batch(item)
    closed, batch.date_closed = batch.date_closed, None
    settle(firm)
    batch.date_closed = closed
    firm.cycle(minutes=15)
    assert acknowledged(firm).count(batch.guid) == 1


def refused() -> Response:
    body = {"Results": {"Successful": "false", "Errors": {"Message": "The batch is being edited."}}}
    return Response(200, {"content-type": "application/json"}, json.dumps(body).encode())


def test_a_refused_acknowledgement_is_shown_and_holds_up_no_other_until_it_is_taken() -> None:
    firm = Firm.build()
    place = Place(firm.world.connection["id"], RUNS)
    firm.deployment.network.faults.add(Fault("status", method="POST", path=ACKNOWLEDGE, reply=refused()))
    firm.cycle()
    [case] = firm.app.ledger.records(place)
    failed, recovered = firm.app.ledger.history(place, case.key)
    assert (failed.step.name, recovered.step.name) == ("failed", "recovered")
    assert "The batch is being edited." in failed.step.note
    assert len(acknowledged(firm)) == len(let_in(firm)), "the run went on, and the next one told the refused one again"
    assert (last_error(firm), cases(firm)) == ("", [])


def let_in(firm: Firm) -> set[str]:
    """The batches that were closed from the first day on."""
    first = firm.world.connection["start_from"]
    return {batch.guid for batch in firm.world.avid.batches.values() if batch.date_closed and batch.date_closed.date() >= first}


@pytest.mark.shipped_names("it counts with the shipped overlap")
@pytest.mark.parametrize(
    ("kind", "still_listed", "repeated"),
    [("drop_reply", True, 1), ("drop_reply", False, 0), ("drop_request", True, 0), ("drop_request", False, 0)],
)
def test_an_acknowledgement_without_an_answer_is_made_again_only_while_its_batch_is_listed(
    kind: Kind, still_listed: bool, repeated: int
) -> None:
    firm = Firm.build(avid=AvidSwitches(acknowledged_batches_listed=still_listed))
    firm.deployment.network.faults.add(Fault(kind, method="POST", path=ACKNOWLEDGE))
    firm.cycle()
    firm.cycle(minutes=15)
    told = acknowledged(firm)
    assert set(told) == let_in(firm)
    assert len(told) == len(set(told)) + repeated
    firm.cycle(minutes=15)
    assert acknowledged(firm) == told, "then it is done"
    firm.cycle(minutes=31 * 24 * 60)
    before = len(firm.deployment.network.exchanges)
    firm.cycle(minutes=15)
    asked = [one.target for one in firm.deployment.network.exchanges[before:] if "closeDateFrom" in one.target]
    first = (firm.deployment.clock.now() - timedelta(days=2)).date()
    assert all(f"closeDateFrom={first}" in target for target in asked), "no window reaches back to it for ever"

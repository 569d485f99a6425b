"""What AvidXchange hears of a batch that is not all well, and of one that was opened again meanwhile."""

import pytest

from sandbox.faults import Fault
from sync.engine.cases import RUNS
from sync.ledger.model import Place, State
from sync.stages.invoices.batches import batch_key
from tests.support.deliveries import Firm

ACKNOWLEDGEMENT = "/exportHistories"


def guid_of_parked(firm: Firm) -> str:
    """A batch that holds an invoice which is parked."""
    parked = {item.id for item in firm.world.expected.invoices.values() if item.fate.action == "park"}
    return next(guid for guid, batch in firm.world.avid.batches.items() if {invoice.id for invoice in batch.invoices} & parked)


def told(firm: Firm) -> dict[str, object]:
    """The status that AvidXchange was sent for each batch."""
    writes = [write for write in firm.world.avid.writes if write.resource == "exportHistories"]
    return {write.key[0]: write.sent["ExportHistoryStatusId"] for write in writes}


def let_in(firm: Firm) -> set[str]:
    """The batches that are closed, since the first day that the customer lets in."""
    start = firm.world.connection["start_from"]
    closed = {batch.guid: batch.date_closed for batch in firm.world.avid.batches.values() if batch.date_closed is not None}
    return {guid for guid, moment in closed.items() if moment.date() >= start}


def test_without_an_id_for_failures_every_batch_is_told_as_exported() -> None:
    firm = Firm.build()
    firm.cycle()
    assert {*told(firm).values()} == {1}
    assert guid_of_parked(firm) in told(firm)


@pytest.mark.shipped_names("it gives an id of its own")
def test_with_an_id_for_failures_a_batch_with_a_parked_invoice_is_told_by_it() -> None:
    firm = Firm.build()
    firm.configure(avidxchange={"profile": {"values.failed_status": 3}})
    parked = guid_of_parked(firm)
    firm.cycle()
    assert told(firm)[parked] == 3
    failed = {guid for guid, status in told(firm).items() if status == 3}
    for guid in failed:
        numbers = {invoice.id for invoice in firm.world.avid.batches[guid].invoices}
        states = {firm.record(item).state for item in firm.world.expected.invoices.values() if item.id in numbers}
        assert State.PARKED in states
    assert {status for guid, status in told(firm).items() if guid not in failed} == {1}


def test_a_batch_that_was_opened_before_it_could_be_acknowledged_holds_up_nothing() -> None:
    firm = Firm.build()
    fault = Fault("drop_request", method="POST", path=ACKNOWLEDGEMENT, times=99)
    firm.deployment.network.faults.add(fault)
    firm.cycle()
    assert told(firm) == {}
    first = min(let_in(firm), key=batch_key)
    batches = firm.world.avid.batches
    systems = [batches[guid].accounting_system for guid in let_in(firm)]
    assert systems.count(batches[first].accounting_system) > 1, "others of its company could be held up"
    firm.deployment.network.faults.clear()
    firm.world.avid.reopen_batch(first)
    firm.cycle(minutes=30)
    assert {acknowledged.batch_guid for acknowledged in firm.world.avid.acknowledgements} == let_in(firm)
    assert firm.failures(Place(firm.world.connection["id"], RUNS)) == [], "it is not listed, so nobody tries"
    firm.world.avid.close_batch(first)
    firm.cycle(minutes=30)
    assert firm.failures(Place(firm.world.connection["id"], RUNS)) == []
    assert first in {acknowledged.batch_guid for acknowledged in firm.world.avid.acknowledgements}

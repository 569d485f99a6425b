"""A batch is closed again while the outcome of one of its invoices is not known: what changed is found again, whatever the outcome."""

from dataclasses import replace
from decimal import Decimal

from sandbox.faults import Fault
from sandbox.worlds.model import ExpectedInvoice
from sync.ledger.model import State
from tests.support.deliveries import Firm

HEADERS = "VendorInvoiceHeaders"


def firm_in_doubt(kind: str) -> tuple[Firm, ExpectedInvoice]:
    """A firm of which one header was sent and nobody knows yet what became of it; `kind` of the fault says what did.

    Its AvidXchange lists a batch no longer once it is acknowledged.
    """
    firm, blocked = Firm.build(), list[bool]()
    firm.world.avid.switches = replace(firm.world.avid.switches, acknowledged_batches_listed=False)
    faults = firm.deployment.network.faults
    faults.add(Fault(kind, method="POST", path=rf"^/data/{HEADERS}\b"))  # type: ignore[arg-type]  # one of the faults' words

    def step() -> None:
        if not blocked and firm.deployment.network.requests(firm.world.d365.host, "POST", f"/data/{HEADERS}"):
            blocked.append(True)
            faults.add(Fault("drop_request", method="GET", path=rf"^/data/{HEADERS}\b", times=10_000))

    firm.deployment.step = step
    firm.cycle()
    firm.deployment.step = lambda: None
    to_write = [item for item in firm.world.expected.invoices.values() if item.fate.action == "write"]
    [found] = [item for item in to_write if firm.record(item).state is State.UNKNOWN]
    return firm, found


def change(firm: Firm, item: ExpectedInvoice) -> Decimal:
    """Its batch is closed again with it worth more; the new amount."""
    amount = item.gross + Decimal(10)
    line = firm.world.avid.invoice(item.id).distributions[0]
    lines = (replace(line, amount=line.amount + 10), *firm.world.avid.invoice(item.id).distributions[1:])
    batch = firm.batch_of(item)
    firm.close_again(item, [replace(held, gross=amount, distributions=lines) if held.id == item.id else held for held in batch])
    return amount


def still_in_doubt(firm: Firm, item: ExpectedInvoice) -> None:
    """A run finds the change, and can do nothing with it."""
    acknowledged = len(firm.world.avid.acknowledgements)
    firm.cycle(minutes=1)
    assert firm.record(item).state is State.UNKNOWN
    assert len(firm.world.avid.acknowledgements) == acknowledged


def settle(firm: Firm) -> None:
    """D365 answers again."""
    firm.deployment.network.faults.clear()
    for _ in range(4):
        firm.cycle(minutes=16)


def acknowledged_as_closed(firm: Firm, item: ExpectedInvoice) -> bool:
    batch = next(batch for batch in firm.world.avid.batches.values() if batch.invoices is firm.batch_of(item))
    return any((ack.batch_guid, ack.date_closed) == (batch.guid, batch.date_closed) for ack in firm.world.avid.acknowledgements)


def test_an_invoice_that_changed_in_doubt_and_was_written_is_for_a_person() -> None:
    firm, item = firm_in_doubt("drop_reply")
    change(firm, item)
    still_in_doubt(firm, item)
    settle(firm)
    record = firm.record(item)
    assert record.state is State.WRITTEN
    assert [cause.code for cause in record.causes] == ["changed-after-write"]
    assert firm.world.d365.one(HEADERS, InvoiceNumber=item.number)["ImportedAmount"] == item.gross
    assert acknowledged_as_closed(firm, item)


def test_an_invoice_that_changed_in_doubt_and_is_absent_is_written_as_it_is_now() -> None:
    firm, item = firm_in_doubt("drop_request")
    amount = change(firm, item)
    still_in_doubt(firm, item)
    settle(firm)
    assert firm.record(item).state is State.WRITTEN
    assert firm.record(item).causes == ()
    assert firm.world.d365.one(HEADERS, InvoiceNumber=item.number)["ImportedAmount"] == amount
    assert acknowledged_as_closed(firm, item)


def without(firm: Firm, item: ExpectedInvoice) -> None:
    firm.close_again(item, [held for held in firm.batch_of(item) if held.id != item.id])


def test_an_invoice_that_vanished_in_doubt_and_was_written_is_for_a_person() -> None:
    firm, item = firm_in_doubt("drop_reply")
    without(firm, item)
    still_in_doubt(firm, item)
    settle(firm)
    assert firm.record(item).state is State.WRITTEN
    assert [cause.code for cause in firm.record(item).causes] == ["changed-after-write"]


def test_an_invoice_that_vanished_in_doubt_and_is_absent_is_not_written() -> None:
    firm, item = firm_in_doubt("drop_request")
    without(firm, item)
    still_in_doubt(firm, item)
    settle(firm)
    assert firm.record(item).state is State.WITHDRAWN
    assert firm.headers(item) == []

"""Payments from AvidXchange to D365 where something is unusual. The plain way is covered by the full cycle."""

from datetime import timedelta
from decimal import Decimal

from sandbox.d365.switches import D365Switches
from sandbox.faults import Fault
from sandbox.worlds.model import ExpectedPayment
from sandbox.worlds.truth import compare
from sync.ledger.model import State
from tests.stages.test_invoices import refusal
from tests.support.deliveries import Firm


def test_a_payment_leaves_an_audit_trail_in_order() -> None:
    firm = Firm.build()
    firm.cycle()
    assert firm.steps(firm.to_pay()) == ["found", "sending", "sending", "written"]


def test_lines_of_one_journal_are_numbered_from_one_without_gaps() -> None:
    firm = Firm.build()
    firm.cycle()
    numbers: dict[tuple[str, str], list[int]] = {}
    for row in firm.world.d365.rows("VendorPaymentJournalLines"):
        numbers.setdefault((row.text("dataAreaId"), row.text("JournalBatchNumber")), []).append(int(row.amount("LineNumber")))
    assert numbers
    assert all(found == list(range(1, len(found) + 1)) for found in numbers.values())


def test_a_posted_journal_gets_no_further_line() -> None:
    firm = Firm.build()
    firm.cycle()
    journals = {(row.text("dataAreaId"), row.text("JournalBatchNumber")) for row in firm.world.d365.rows("VendorPaymentJournalHeaders")}
    paid = [item for item in firm.world.expected.payments.values() if item.fate.action == "write"]
    for company, batch in journals:
        firm.world.d365.post_journal(company, batch)
    waiting = next(item for item in firm.world.expected.payments.values() if item.fate.why == "invoice-not-posted")
    for key in waiting.pays:
        invoice = firm.world.expected.invoices[key]
        header = firm.world.d365.one("VendorInvoiceHeaders", dataAreaId=invoice.company.lower(), InvoiceNumber=invoice.number)
        firm.world.d365.post_invoice(invoice.company.lower(), header.text("HeaderReference"))
    firm.cycle(minutes=15)
    record = firm.record(waiting)
    assert record.state is State.WRITTEN
    assert (waiting.company.lower(), record.progress["journal"]) not in journals
    assert [firm.record(item).state for item in paid] == [State.POSTED] * len(paid)


def test_a_settlement_that_d365_drops_in_silence_is_written_once_more() -> None:
    firm = Firm.build(switches=D365Switches(silent_settlements=1))
    firm.cycle()
    assert compare(firm.world).agrees, compare(firm.world).differences


def test_a_settlement_that_d365_drops_again_is_reported() -> None:
    firm = Firm.build(switches=D365Switches(silent_settlements=99))
    firm.cycle()
    record = firm.record(firm.to_pay())
    assert record.state is State.WRITTEN
    assert {cause.code for cause in record.causes} == {"written-differs"}
    assert "not marked" in record.causes[0].sentence


def test_a_line_whose_settlements_are_refused_stays_and_is_reported() -> None:
    firm = Firm.build()
    path = r"^/data/VendorPaymentJournalLineSettledInvoices\b"
    firm.deployment.network.faults.add(Fault("status", method="POST", path=path, times=99, reply=refusal("The settlement is refused")))
    firm.cycle()
    item = firm.to_pay()
    record = firm.record(item)
    assert record.state is State.WRITTEN
    assert {"refused", "written-differs"} <= {cause.code for cause in record.causes}
    assert len(firm.lines(item)) == 1


def test_a_net_settlement_amount_where_the_environment_wants_it() -> None:
    firm = Firm.build(switches=D365Switches(settlement_amount="net"), settlement_amount="net")
    firm.cycle()
    assert compare(firm.world).agrees, compare(firm.world).differences


def test_a_written_payment_that_is_voided_is_for_a_person_and_says_whether_its_journal_is_posted() -> None:
    firm = Firm.build()
    item = firm.to_pay()
    firm.cycle()
    writes = len(firm.world.d365.writes)
    firm.world.avid.void_payment(item.id)
    firm.cycle(minutes=15)
    record = firm.record(item)
    assert [cause.code for cause in record.causes] == ["payment-reversed"]
    assert "is not posted" in record.causes[0].sentence
    assert len(firm.world.d365.writes) == writes, "nothing was deleted or reversed"


def test_a_payment_that_changes_right_before_it_is_written_is_written_as_it_is_then() -> None:
    """The amount moves between discovery and the write: the sum no longer fits, so it is parked whole."""
    firm = Firm.build()
    item = firm.to_pay()
    changed = False

    def change(_: object) -> None:
        nonlocal changed
        if not changed and firm.deployment.network.requests(firm.world.avid.host, "GET", "/v1/payments?lastModifiedFrom"):
            changed = True
            firm.world.avid.change_amount(item.id, item.amount + Decimal("0.01"))

    firm.deployment.step = lambda: change(None)
    firm.cycle()
    record = firm.record(item)
    assert changed
    assert record.state is State.PARKED
    assert [cause.code for cause in record.causes] == ["sum-differs"]
    assert firm.lines(item) == []


def test_a_payment_is_found_when_its_journal_was_posted_after_the_reply_was_lost() -> None:
    firm = Firm.build()
    firm.deployment.network.faults.add(Fault("drop_reply", method="POST", path=r"^/data/VendorPaymentJournalHeaders\b"))
    firm.cycle()
    firm.cycle(minutes=20)
    firm.cycle(minutes=20)
    assert compare(firm.world).agrees, compare(firm.world).differences
    descriptions = [row.text("Description") for row in firm.world.d365.rows("VendorPaymentJournalHeaders")]
    assert len(descriptions) == len(set(descriptions)), "one journal per marker"


def test_a_payment_that_was_voided_during_a_long_doubt_is_for_a_person_when_it_is_found_written() -> None:
    firm = Firm.build()
    faults, lines = firm.deployment.network.faults, r"^/data/VendorPaymentJournalLines\b"
    faults.add(Fault("late_effect", method="POST", path=lines, delay=timedelta(minutes=1)))
    firm.cycle()
    [item] = [item for item in payments_to_write(firm) if firm.record(item).state is State.UNKNOWN]
    faults.add(Fault("status", host=firm.world.d365.host, method="GET", path=lines, times=10_000))
    firm.cycle(minutes=1)
    firm.world.avid.void_payment(item.id)
    for _ in range(4):
        firm.cycle(minutes=24 * 60)
    assert firm.record(item).state is State.UNKNOWN, "D365 could not be asked"
    faults.clear()
    firm.cycle(minutes=15)
    firm.cycle(minutes=15)
    record = firm.record(item)
    assert (record.state, [cause.code for cause in record.causes]) == (State.WRITTEN, ["payment-reversed"])
    assert len(firm.lines(item)) == 1


def payments_to_write(firm: Firm) -> list[ExpectedPayment]:
    return [item for item in firm.world.expected.payments.values() if item.fate.action == "write"]

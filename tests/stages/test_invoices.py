"""Invoices from AvidXchange to D365 where something is unusual. The plain way is covered by the full cycle."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from sandbox.d365.switches import D365Switches
from sandbox.faults import Fault
from sandbox.web import Response
from sandbox.worlds.truth import compare
from sync.ledger.model import State
from tests.support.deliveries import Firm


def refusal(text: str) -> Response:
    """A 400 as D365 words it."""
    inner = {"message": f"Write failed for table row of type 'VendorInvoiceLineEntity'. Infolog: Error: {text}."}
    error = {"code": "", "message": "An error has occurred.", "innererror": inner}
    return Response(400, {"content-type": "application/json"}, json.dumps({"error": error}).encode())


def test_an_invoice_leaves_an_audit_trail_in_order() -> None:
    firm = Firm.build()
    firm.cycle()
    assert firm.steps(firm.to_write()) == ["found", "sending", "sending", "written"]


def test_refused_lines_take_their_header_with_them_and_park_the_invoice() -> None:
    firm = Firm.build()
    firm.deployment.network.faults.add(
        Fault("status", method="POST", path=r"^/data/\$batch", times=99, reply=refusal("The line is refused"))
    )
    firm.cycle()
    item = firm.to_write()
    record = firm.record(item)
    assert record.state is State.PARKED
    assert [cause.code for cause in record.causes] == ["refused"]
    assert "The line is refused" in record.causes[0].sentence
    assert firm.headers(item) == []
    assert record.alias == ""
    writes = len(firm.world.d365.writes)
    firm.cycle(minutes=60)
    assert len(firm.world.d365.writes) == writes, "what D365 refused for good has no timed retry"


def test_a_row_that_was_stored_behind_a_refusal_is_found() -> None:
    firm = Firm.build()
    fault = Fault("status_after_effect", method="POST", path=r"^/data/VendorInvoiceHeaders\b", reply=refusal("An unhandled exception"))
    firm.deployment.network.faults.add(fault)
    firm.cycle()
    assert compare(firm.world).agrees, compare(firm.world).differences


def test_a_write_that_is_not_found_is_sent_again_only_after_two_looks_past_the_settle_time() -> None:
    firm = Firm.build(unknown_settle_minutes=15)
    firm.deployment.network.faults.add(Fault("drop_request", method="POST", path=r"^/data/VendorInvoiceHeaders\b"))
    firm.cycle()
    unknown = next(
        item for item in firm.world.expected.invoices.values() if firm_has(firm, item) and firm.record(item).state is State.UNKNOWN
    )
    for minutes in (1, 5, 8):
        firm.cycle(minutes=minutes)
        assert firm.record(unknown).state is State.UNKNOWN, "too early to believe that it is absent"
    firm.cycle(minutes=2)
    assert firm.record(unknown).looks == 1
    firm.cycle(minutes=5)
    assert firm.record(unknown).state is State.WRITTEN
    assert len(firm.headers(unknown)) == 1
    assert firm.steps(unknown) == ["found", "sending", "unknown", "looked", "looked", "absent", "sending", "sending", "written"]


def firm_has(firm: Firm, item: object) -> bool:
    """Whether the ledger has noted the invoice."""
    try:
        firm.record(item)  # type: ignore[arg-type]  # only invoices come here
    except AssertionError:
        return False
    return True


def test_a_batch_is_not_acknowledged_while_an_invoice_of_it_is_unknown() -> None:
    firm = Firm.build()
    firm.deployment.network.faults.add(Fault("drop_request", method="POST", path=r"^/data/VendorInvoiceHeaders\b"))
    firm.cycle()
    acknowledged = len(firm.world.avid.acknowledgements)
    let_in = len({batch.guid for batch in firm.world.avid.batches.values()})
    assert acknowledged < let_in
    firm.cycle(minutes=16)
    firm.cycle(minutes=16)
    assert compare(firm.world).agrees, compare(firm.world).differences


def test_an_invoice_that_changes_before_it_is_written_counts_as_changed() -> None:
    firm = Firm.build()
    item = next(item for item in firm.world.expected.invoices.values() if item.fate.why == "sum-differs")
    firm.cycle()
    assert firm.record(item).state is State.PARKED
    mended = [
        replace(held, gross=sum((line.amount for line in held.distributions), start=held.gross * 0)) if held.id == item.id else held
        for held in firm.batch_of(item)
    ]
    firm.close_again(item, mended)
    firm.cycle(minutes=15)
    assert firm.record(item).state is State.WRITTEN
    assert firm.failures(firm.invoice_place(item)) == [
        failure for failure in firm.failures(firm.invoice_place(item)) if failure.key != firm.record(item).key
    ]


def test_an_invoice_that_changes_after_it_was_written_is_for_a_person() -> None:
    firm = Firm.build()
    item = firm.to_write()
    firm.cycle()
    before = len(firm.world.d365.writes)
    changed = [replace(held, gross=held.gross + 1) if held.id == item.id else held for held in firm.batch_of(item)]
    firm.close_again(item, changed)
    firm.cycle(minutes=15)
    record = firm.record(item)
    assert record.state is State.WRITTEN
    assert [cause.code for cause in record.causes] == ["changed-after-write"]
    assert "amount" in record.causes[0].sentence
    assert len(firm.world.d365.writes) == before, "nothing in D365 was touched"
    firm.cycle(minutes=15)
    assert len(firm.steps(item)) == 5, "said once, not at every run"


def test_an_invoice_that_vanishes_is_withdrawn_or_reported() -> None:
    firm = Firm.build()
    firm.cycle()
    written, parked = firm.to_write(), next(item for item in firm.world.expected.invoices.values() if item.fate.why == "sum-differs")
    for item in (written, parked):
        firm.close_again(item, [held for held in firm.batch_of(item) if held.id != item.id])
    firm.cycle(minutes=15)
    assert firm.record(parked).state is State.WITHDRAWN
    assert firm.record(written).state is State.WRITTEN
    assert [cause.code for cause in firm.record(written).causes] == ["changed-after-write"]


def test_an_invoice_is_parked_with_all_its_reasons_at_once() -> None:
    firm = Firm.build()
    item = firm.to_write()
    held = firm.batch_of(item)
    wrong = replace(
        firm.world.avid.invoice(item.id), vendor_id="NOBODY", number=None, currency="XXX", po_number="PO-1", gross=item.gross + 1
    )
    held[:] = [wrong if each.id == item.id else each for each in held]
    firm.cycle()
    codes = {cause.code for cause in firm.record(item).causes}
    assert codes == {"vendor-missing", "field-missing", "currency-differs", "purchase-order", "sum-differs"}
    assert len(firm.failures(firm.invoice_place(item))) >= len(codes)


def test_a_re_closed_batch_is_acknowledged_again() -> None:
    firm = Firm.build()
    item = firm.to_write()
    firm.cycle()
    before = len(firm.world.avid.acknowledgements)
    firm.close_again(item, firm.batch_of(item))
    firm.cycle(minutes=15)
    assert len(firm.world.avid.acknowledgements) == before + 1


def test_a_dimension_string_that_d365_blanks_in_silence_is_reported() -> None:
    firm = Firm.build(switches=D365Switches(blank_dimension_stores=99))
    firm.cycle()
    record = firm.record(firm.to_write())
    assert record.state is State.WRITTEN
    assert {cause.code for cause in record.causes} == {"written-differs"}
    assert any("DimensionDisplayValue" in cause.field for cause in record.causes)


def test_a_posted_invoice_is_told_from_a_written_one_and_its_amount_compared() -> None:
    firm = Firm.build()
    item = firm.to_write()
    firm.cycle()
    header = firm.world.d365.one("VendorInvoiceHeaders", dataAreaId=item.company.lower(), InvoiceNumber=item.number)
    firm.world.d365.post_invoice(item.company.lower(), header.text("HeaderReference"))
    firm.cycle(minutes=15)
    record = firm.record(item)
    assert record.state is State.POSTED
    assert record.causes == ()
    assert record.due is None


@pytest.mark.parametrize("duplicates", ["accept", "warn", "reject"])
def test_a_hand_made_invoice_is_never_doubled_whatever_the_duplicate_parameter(duplicates: str) -> None:
    firm = Firm.build(switches=D365Switches(duplicate_invoice=duplicates))  # type: ignore[arg-type]  # the parameter's three words
    firm.cycle()
    assert compare(firm.world).agrees, compare(firm.world).differences


def test_a_header_that_comes_late_is_completed_not_doubled() -> None:
    firm = Firm.build()
    late = Fault("late_effect", method="POST", path=r"^/data/VendorInvoiceHeaders\b", delay=timedelta(minutes=14))
    firm.deployment.network.faults.add(late)
    firm.cycle()
    firm.cycle(minutes=15.5)
    firm.cycle(minutes=15)
    assert compare(firm.world).agrees, compare(firm.world).differences

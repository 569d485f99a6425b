"""What happens to documents after they were written or parked, one case of each kind: the third cycle of the firm in full.

Nothing that is in D365 may be touched for it: a person is told (contracts/avidxchange.md §3, Invoices 6 and Payments).
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal

from sandbox.avid import Invoice
from sandbox.d365.table import Row
from sandbox.worlds.model import ExpectedInvoice, ExpectedPayment, Fate, World

LINES, HEADERS = "VendorPaymentJournalLines", "VendorInvoiceHeaders"
Move = Callable[[World, ExpectedPayment], None]


def aftermath(world: World) -> list[str]:
    """Written invoices change, vanish, are deleted or corrected by hand; a parked one is taken back; written payments move. In sentences.

    Raises LookupError when the world has too few written documents.
    """
    return [*_invoices(world), *_payments(world)]


# --- invoices --------------------------------------------------------------------------------------------------------------------


def _invoices(world: World) -> Iterator[str]:
    free = _pending(world)
    yield _changed(world, next(free))
    yield _vanished(world, next(free))
    yield _deleted(world, next(free))
    yield _corrected(world, next(free))
    yield _taken_back(world)


def _pending(world: World) -> Iterator[ExpectedInvoice]:
    """Written invoices that nothing else happens to: not posted, not paid, no twin, no cause."""
    paid = {key for payment in world.expected.payments.values() for key in payment.pays}
    numbers = Counter((item.company, item.number.casefold()) for item in world.expected.invoices.values())
    for key, item in list(world.expected.invoices.items()):
        alone = numbers[item.company, item.number.casefold()] == 1 and key not in paid and not item.number.endswith("-N")
        if item.fate == Fate("write") and alone and item.gross > 0 and _header(world, item) is not None:
            yield item


def _header(world: World, item: ExpectedInvoice) -> Row | None:
    found = world.d365.find(HEADERS, dataAreaId=item.company, InvoiceAccount=item.invoice_account, InvoiceNumber=item.number)
    return found[0] if found else None


def _told(world: World, item: ExpectedInvoice, fate: Fate, gross: Decimal | None = None) -> None:
    changed = replace(item, fate=fate, gross=item.gross if gross is None else gross)
    world.expected.invoices[item.accounting_system, item.id] = changed


def _changed(world: World, item: ExpectedInvoice) -> str:
    guid, invoices = _batch(world, item)
    world.avid.reopen_batch(guid)
    world.avid.close_batch(guid, [replace(each, gross=each.gross + 10) if each.id == item.id else each for each in invoices])
    _told(world, item, Fate("write", reported=("changed-after-write",)))
    return f"AvidXchange: the batch of invoice {item.number}, which is in D365, is closed again with another amount."


def _vanished(world: World, item: ExpectedInvoice) -> str:
    _close_without(world, item)
    _told(world, item, Fate("write", reported=("changed-after-write",)))
    return f"AvidXchange: invoice {item.number}, which is in D365, is taken out of its batch."


def _deleted(world: World, item: ExpectedInvoice) -> str:
    header = _header(world, item)
    assert header is not None
    for line in world.d365.find("VendorInvoiceLines", dataAreaId=item.company, HeaderReference=header["HeaderReference"]):
        world.d365.remove_row("VendorInvoiceLines", line)
    world.d365.remove_row(HEADERS, header)
    _told(world, item, Fate("leave", "deleted by hand", ("written-gone",)))
    return f"D365: someone deletes the pending invoice {item.number}."


def _corrected(world: World, item: ExpectedInvoice) -> str:
    """The truth is then what the person made of it."""
    header = _header(world, item)
    assert header is not None
    line = world.d365.find("VendorInvoiceLines", dataAreaId=item.company, HeaderReference=header["HeaderReference"])[0]
    price, more = line.amount("UnitPrice") + Decimal(1), Decimal(1)
    world.d365.change_row("VendorInvoiceLines", line, {"UnitPrice": price, "Amount": line.amount("Amount") + more})
    world.d365.post_invoice(item.company, header.text("HeaderReference"))
    _told(world, item, Fate("write", reported=("written-differs",)), item.gross + more)
    return f"D365: someone raises the pending invoice {item.number} by {more} and posts it."


def _taken_back(world: World) -> str:
    item = next(each for each in world.expected.invoices.values() if each.fate == Fate("park", "sum-differs"))
    _close_without(world, item)
    _told(world, item, Fate("leave", "withdrawn"))
    return f"AvidXchange: invoice {item.number}, which is parked, is taken out of its batch."


def _batch(world: World, item: ExpectedInvoice) -> tuple[str, list[Invoice]]:
    batch = next(batch for batch in world.avid.batches.values() for held in batch.invoices if held.id == item.id)
    return batch.guid, batch.invoices


def _close_without(world: World, item: ExpectedInvoice) -> None:
    guid, invoices = _batch(world, item)
    world.avid.reopen_batch(guid)
    world.avid.close_batch(guid, [each for each in invoices if each.id != item.id])


# --- payments --------------------------------------------------------------------------------------------------------------------


def _payments(world: World) -> Iterator[str]:
    free = _written(world)
    first = next(free)
    yield _post_journal(world, first)
    yield _moved(world, first, "is voided; its journal is posted", _void)
    for what, move in MOVES.items():
        yield _moved(world, next(each for each in free if not _is_posted(world, each)), what, move)
    yield _line_deleted(world, next(each for each in free if not _is_posted(world, each)))
    yield _void_unwritten(world)


def _written(world: World) -> Iterator[ExpectedPayment]:
    for item in list(world.expected.payments.values()):
        if (
            item.fate == Fate("write")
            and world.avid.payments[item.id].status == "Cleared"
            and world.d365.find(LINES, PaymentId=str(item.id))
        ):
            yield item


def _is_posted(world: World, item: ExpectedPayment) -> bool:
    line = world.d365.one(LINES, PaymentId=str(item.id))
    key = {"dataAreaId": line["dataAreaId"], "JournalBatchNumber": line["JournalBatchNumber"]}
    return world.d365.one("VendorPaymentJournalHeaders", **key)["IsPosted"] == "Yes"


def _post_journal(world: World, item: ExpectedPayment) -> str:
    batch = world.d365.one(LINES, PaymentId=str(item.id)).text("JournalBatchNumber")
    world.d365.post_journal(item.company, batch)
    return f"D365: payment journal {batch} of {item.company} is posted."


def _void(world: World, item: ExpectedPayment) -> None:
    world.avid.void_payment(item.id)


def _fail(world: World, item: ExpectedPayment) -> None:
    world.avid.set_status(item.id, "Error", ((7, "Supplier account closed"),))


def _unknown(world: World, item: ExpectedPayment) -> None:
    world.avid.set_status(item.id, "Returned to Sender")


def _sent_again(world: World, item: ExpectedPayment) -> None:
    world.avid.set_status(item.id, "Issued to Supplier")


def _other_method(world: World, item: ExpectedPayment) -> None:
    known = world.avid.payments[item.id].method
    world.avid.change_method(item.id, "ACH" if "Check" in known else "AvidPay Check", check_number="00990001")


def _other_amount(world: World, item: ExpectedPayment) -> None:
    world.avid.change_amount(item.id, item.amount - 1)


MOVES: dict[str, Move] = {
    "is voided; its journal is not posted": _void,
    "fails": _fail,
    "has a status that nobody knows": _unknown,
    "came back and is sent again": _sent_again,
    "is made by another method": _other_method,
    "has another amount": _other_amount,
}
"""What AvidXchange may do to a payment that is in D365."""


def _moved(world: World, item: ExpectedPayment, what: str, move: Move) -> str:
    move(world, item)
    world.expected.payments[item.id] = replace(item, fate=replace(item.fate, reported=("payment-reversed",)))
    return f"AvidXchange: payment {item.id}, which is in D365, {what}."


def _line_deleted(world: World, item: ExpectedPayment) -> str:
    line = world.d365.one(LINES, PaymentId=str(item.id))
    place = {"JournalBatchNumber": line["JournalBatchNumber"], "JournalLineNumber": line["LineNumber"]}
    for row in world.d365.find("VendorPaymentJournalLineSettledInvoices", **place):
        if row.text("JournalLineCompany").lower() == item.company:
            world.d365.remove_row("VendorPaymentJournalLineSettledInvoices", row)
    world.d365.remove_row(LINES, line)
    world.expected.payments[item.id] = replace(item, fate=Fate("leave", "deleted by hand", ("written-gone",)))
    return f"D365: someone deletes the journal line of payment {item.id}."


def _void_unwritten(world: World) -> str:
    item = [each for each in world.expected.payments.values() if (each.fate.action, each.fate.why) == ("leave", "issued")][-1]
    world.avid.void_payment(item.id)
    world.expected.payments[item.id] = replace(item, fate=Fate("leave", "voided"))
    return f"AvidXchange: payment {item.id}, which is not in D365, is voided."

"""How the firm's world moves on between the demo's second and third cycle, in both systems and in the truth about them."""

from dataclasses import replace
from datetime import date

from sandbox.faults import Fault, busy
from sandbox.worlds.aftermath import aftermath
from sandbox.worlds.model import WRITE, ExpectedInvoice, ExpectedPayment, Fate, World

SETTLING = 3
"""How many issued payments settle."""

NO_DATE = date(1900, 1, 1)
"""An empty day in D365."""

NEW_ID = 900_000
"""Invoices that appear in the third cycle have their originals' Ids moved up by so much."""


def third_cycle(world: World) -> list[str]:
    """A vendor renamed, one put on hold, one released; a new batch; two invoices posted in D365; payments settle. Returns it in sentences.

    Raises LookupError when an invoice to be posted is not pending in D365 (the first cycle has to have run), or the world is too small.
    """
    released = _release_vendor(world)
    held, free = _two_vendors(world, apart_from=released)
    return [
        *([] if released is None else [f"D365: vendor {released.vendor_account} of {released.company} is released from its hold."]),
        _rename_vendor(world),
        _hold_vendor(world, held),
        _new_batches(world, held, free),
        *_post_invoices(world),
        *_settle_payments(world),
        *(aftermath(world) if world.cases else ()),
    ]


def third_cycle_faults(world: World) -> list[Fault]:
    """A storm of 429 on both systems, then one lost reply each on an invoice header and on a payment line: both took effect."""
    host = world.d365.host
    return [
        busy("2", host=host, times=6),
        busy("1", host=world.avid.host, times=4),
        Fault("drop_reply", host, "POST", r"^/data/VendorInvoiceHeaders\b"),
        Fault("drop_reply", host, "POST", r"^/data/VendorPaymentJournalLines\b"),
    ]


def _release_vendor(world: World) -> ExpectedInvoice | None:
    """The vendor of one parked invoice comes off hold: all invoices parked for that alone are to be written."""
    parked = [item for item in world.expected.invoices.values() if item.fate.why == "vendor-on-hold"]
    if not parked:
        return None
    world.d365.change("VendorsV3", _vendor_key(parked[0]), OnHoldStatus="No")
    for key, item in world.expected.invoices.items():
        if _vendor_key(item) == _vendor_key(parked[0]) and "vendor-on-hold" in item.fate.causes:
            left = tuple(cause for cause in item.fate.reported if cause != "vendor-on-hold")
            world.expected.invoices[key] = replace(item, fate=replace(item.fate, reported=left) if left else WRITE)
    return parked[0]


def _two_vendors(world: World, apart_from: ExpectedInvoice | None) -> tuple[ExpectedInvoice, ExpectedInvoice]:
    """Written invoices of two vendors, not the one of the invoice apart, that are invoiced under their own accounts."""
    found: dict[tuple[str, str], ExpectedInvoice] = {}
    for item in world.expected.invoices.values():
        if item.fate == WRITE and item.invoice_account == item.vendor_account:
            found.setdefault((item.company, item.vendor_account), item)
    if apart_from is not None:
        found.pop((apart_from.company, apart_from.vendor_account), None)
    if len(found) < 2:
        raise LookupError("The world has too few invoices for a third cycle: build a larger one.")
    first, second, *_ = found.values()
    return first, second


def _rename_vendor(world: World) -> str:
    row = next(row for row in world.d365.rows("VendorsV3") if row["OnHoldStatus"] == "No" and row["VendorOrganizationName"])
    account, company, name = row.text("VendorAccountNumber"), row.text("dataAreaId"), f"{row['VendorOrganizationName']} (new owners)"
    world.d365.change("VendorsV3", {"dataAreaId": company, "VendorAccountNumber": account}, VendorOrganizationName=name)
    return f"D365: vendor {account} of {company} is now called {name}."


def _hold_vendor(world: World, item: ExpectedInvoice) -> str:
    world.d365.change("VendorsV3", _vendor_key(item), OnHoldStatus="All", VendorHoldReleaseDate=NO_DATE)
    for key, other in world.expected.invoices.items():
        if _vendor_key(other) == _vendor_key(item) and other.fate.action == "park":
            world.expected.invoices[key] = replace(other, fate=_also(other.fate, "vendor-on-hold"))
    return f"D365: vendor {item.vendor_account} of {item.company} is put on hold for all."


def _new_batches(world: World, held: ExpectedInvoice, free: ExpectedInvoice) -> str:
    """Two new invoices like earlier ones: the one of the vendor on hold is parked, the other written."""
    for item, fate in ((held, Fate("park", "vendor-on-hold")), (free, WRITE)):
        number, new_id = f"{item.number}-N", item.id + NEW_ID
        original = world.avid.invoice(item.id)
        invoice = replace(original, id=new_id, number=number, last_changed=world.avid.now())
        world.avid.add_batch(item.accounting_system, [invoice], name=f"New {number}")
        world.expected.invoices[item.accounting_system, new_id] = replace(item, id=new_id, number=number, fate=fate)
    return f"AvidXchange: two more batches are closed, with {held.number}-N of the vendor on hold and {free.number}-N."


def _post_invoices(world: World) -> list[str]:
    """The invoices that two payments wait for are posted; the payments are to be written then."""
    waiting = [item for item in world.expected.payments.values() if item.fate.why == "invoice-not-posted"][:2]
    said = [_post(world, world.expected.invoices[key]) for payment in waiting for key in payment.pays]
    for payment in waiting:
        world.expected.payments[payment.id] = replace(payment, fate=_written(world, payment))
    return said


def _post(world: World, item: ExpectedInvoice) -> str:
    found = {"dataAreaId": item.company, "InvoiceAccount": item.invoice_account, "InvoiceNumber": item.number}
    header = world.d365.one("VendorInvoiceHeaders", **found)
    world.d365.post_invoice(item.company, header.text("HeaderReference"))
    return f"D365: invoice {item.number} of {item.invoice_account} in {item.company} is posted."


def _settle_payments(world: World) -> list[str]:
    issued = [item for item in world.expected.payments.values() if (item.fate.action, item.fate.why) == ("leave", "issued")]
    return [_settle(world, item) for item in issued[:SETTLING]]


def _settle(world: World, item: ExpectedPayment) -> str:
    world.avid.settle_payment(item.id, world.avid.now().date())
    world.expected.payments[item.id] = replace(item, fate=_written(world, item))
    return f"AvidXchange: payment {item.id} over {item.amount} {item.currency} has cleared."


def _written(world: World, item: ExpectedPayment) -> Fate:
    """A vendor that is on hold by now is reported; it stops nothing."""
    payee = {"dataAreaId": item.company, "VendorAccountNumber": world.avid.payments[item.id].payee_id}
    held = world.d365.one("VendorsV3", **payee)["OnHoldStatus"] in ("All", "Payment")
    return replace(WRITE, reported=("vendor-payment-hold",)) if held else WRITE


def _also(fate: Fate, cause: str) -> Fate:
    return fate if cause in fate.causes else replace(fate, reported=(*fate.reported, cause))


def _vendor_key(item: ExpectedInvoice) -> dict[str, str]:
    return {"dataAreaId": item.company, "VendorAccountNumber": item.vendor_account}

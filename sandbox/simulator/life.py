"""What people and the other systems do while the connector works: each event keeps the world's truth, and waits until it can be.

An event returns what happened in a sentence, or "" when there is nothing for it to happen to now.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from typing import Final

from sandbox.d365.table import Row
from sandbox.worlds.cycle import NEW_ID
from sandbox.worlds.model import WRITE, ExpectedInvoice, ExpectedPayment, Fate, World

MARK: Final = "-SIM"
"""Ends the key of what the simulator adds and takes away again."""
CHANGED: Final = " (changed after it was written)"
"""Ends the memo of an invoice that D365 must go on showing as it was."""
COPIED: Final = {
    "vendors": ("VendorsV3", "VendorAccountNumber"),
    "gl_accounts": ("MainAccounts", "MainAccountId"),
    "dimensions": ("FinancialDimensionValues", "DimensionValue"),
}


def rename_vendor(world: World, chance: Random) -> str:
    """A vendor has another name in D365."""
    row = chance.choice([row for row in world.d365.rows("VendorsV3") if row["VendorOrganizationName"]])
    account, company = row.text("VendorAccountNumber"), row.text("dataAreaId")
    name = f"{row['VendorOrganizationName']} II"[:60]
    world.d365.change("VendorsV3", {"dataAreaId": company, "VendorAccountNumber": account}, VendorOrganizationName=name)
    return f"D365: vendor {account} of {company} is now called {name}."


def close_batch(world: World, chance: Random) -> str:
    """A new batch is closed in AvidXchange, with an invoice like an earlier one."""
    like = [item for item in world.expected.invoices.values() if item.fate == WRITE and item.id < NEW_ID and not _is_changed(world, item)]
    if not like:
        return ""
    item = chance.choice(like)
    count = sum(known.number.startswith(f"{item.number}-N") for known in world.expected.invoices.values()) + 1
    original, number = world.avid.invoice(item.id), f"{item.number}-N{count}"
    invoice = replace(original, id=item.id + NEW_ID * count, number=number, last_changed=world.avid.now())
    world.avid.add_batch(item.accounting_system, [invoice], name=f"New {number}")
    world.expected.invoices[item.accounting_system, invoice.id] = replace(item, id=invoice.id, number=number)
    return f"AvidXchange: a batch is closed with {number} of {item.vendor_account} in {item.company}."


def close_batch_again(world: World, chance: Random) -> str:
    """A batch is reopened and closed again as it was."""
    batch = chance.choice([batch for batch in world.avid.batches.values() if batch.date_closed is not None])
    if batch.date_closed is None or batch.date_closed.date() < world.connection["start_from"]:
        return ""
    world.avid.reopen_batch(batch.guid)
    world.avid.close_batch(batch.guid)
    return f"AvidXchange: the batch {batch.name} is closed again."


def change_written_invoice(world: World, chance: Random) -> str:
    """Somebody changes in AvidXchange what is in D365 already, posted or not: a person is told, and D365 stays as it is."""
    whole = [item for item in world.expected.invoices.values() if item.fate == WRITE and not _is_changed(world, item)]
    whole = [item for item in whole if _is_posted(world, (item.accounting_system, item.id)) or _is_whole(world, item)]
    if not whole:
        return ""
    item = chance.choice(whole)
    batch = next(batch for batch in world.avid.batches.values() if any(one.id == item.id for one in batch.invoices))
    if batch.date_closed is None:
        return ""
    known = world.avid.invoice(item.id)
    other = chance.choice((replace(known, number=f"{known.number}-C"), replace(known, gross=known.gross + 1), known))
    changed = replace(other, memo=f"{known.memo}{CHANGED}", last_changed=world.avid.now())
    world.avid.reopen_batch(batch.guid)
    world.avid.close_batch(batch.guid, [changed if one.id == item.id else one for one in batch.invoices])
    return f"AvidXchange: {item.number} of {item.vendor_account} is changed, though D365 holds it."


def post_invoices(world: World, chance: Random) -> str:
    """D365 posts pending invoices that are whole; the payments that wait for them can be written from then on."""
    whole = [item for item in world.expected.invoices.values() if item.fate == WRITE and _is_whole(world, item)]
    chosen = whole[: chance.randint(1, 3)]
    for item in chosen:
        world.d365.post_invoice(item.company, _header(world, item)[0].text("HeaderReference"))
    for payment in list(world.expected.payments.values()):
        if payment.fate.why == "invoice-not-posted" and all(_is_posted(world, key) for key in payment.pays):
            world.expected.payments[payment.id] = replace(payment, fate=WRITE)
    return f"D365: {', '.join(item.number for item in chosen)} posted." if chosen else ""


def settle_payment(world: World, chance: Random) -> str:
    """A payment that was issued has cleared."""
    issued = [item for item in world.expected.payments.values() if item.fate == Fate("leave", "issued")]
    if not issued:
        return ""
    item = chance.choice(issued)
    world.avid.settle_payment(item.id, world.avid.now().date())
    world.expected.payments[item.id] = replace(item, fate=WRITE)
    return f"AvidXchange: payment {item.id} over {item.amount} has cleared."


def void_written_payment(world: World, chance: Random) -> str:
    """A payment whose journal line is whole in D365 is void: a person is told, and D365 stays as it is."""
    lines = [line for line in world.d365.rows("VendorPaymentJournalLines") if _settles(world, line)]
    written = [int(line.text("PaymentId")) for line in lines]
    cleared = [
        number for number in written if world.expected.payments[number].fate == WRITE and world.avid.payments[number].status == "Cleared"
    ]
    if not cleared:
        return ""
    chosen = chance.choice(cleared)
    world.avid.void_payment(chosen)
    return f"AvidXchange: payment {chosen} is void, though D365 holds it."


def post_journal(world: World, _: Random) -> str:
    """D365 posts a payment journal in which every line settles what it must."""
    for journal in world.d365.rows("VendorPaymentJournalHeaders"):
        company, number = journal.text("dataAreaId"), journal.text("JournalBatchNumber")
        lines = world.d365.find("VendorPaymentJournalLines", dataAreaId=company, JournalBatchNumber=number)
        if journal["IsPosted"] == "No" and lines and all(_settles(world, line) for line in lines):
            world.d365.post_journal(company, number)
            return f"D365: journal {number} of {company} posted."
    return ""


def rotate_tokens(world: World, chance: Random) -> str:
    """AvidXchange has a new company token; the customer puts it into Key Vault (see `Simulation`)."""
    world.avid.rotate(company_token=f"rotated-company-token-{chance.getrandbits(40):010x}")
    return "AvidXchange: the company token is another one."


def move_rows(world: World, stage: str, chance: Random) -> str:
    """Rows come and go in what a stage reads."""
    if stage not in COPIED:
        return close_batch(world, chance) if stage == "invoices" else settle_payment(world, chance)
    name, field = COPIED[stage]
    added = [row for row in world.d365.rows(name) if row.text(field).endswith(MARK)]
    if added and chance.random() < 0.5:
        world.d365.remove_row(name, added[0])
        return f"D365: {added[0].text(field)} of {name} is gone."
    row = chance.choice([row for row in world.d365.rows(name) if not row.text(field).endswith(MARK)])
    known = {known.text(field) for known in world.d365.rows(name)}
    value = next(text for count in range(len(known) + 1) if (text := f"{row.text(field)}{count}{MARK}") not in known)
    world.d365.add(name, **{**row.stored, field: value})
    return f"D365: {value} of {name} is new."


Event = Callable[[World, Random], str]

EVENTS: Final[Mapping[str, Event]] = {
    "rename vendor": rename_vendor,
    "close batch": close_batch,
    "close batch again": close_batch_again,
    "change written invoice": change_written_invoice,
    "post invoices": post_invoices,
    "settle payment": settle_payment,
    "void written payment": void_written_payment,
    "post journal": post_journal,
    "rotate tokens": rotate_tokens,
    "move vendors": lambda world, chance: move_rows(world, "vendors", chance),
    "move accounts": lambda world, chance: move_rows(world, "gl_accounts", chance),
    "move values": lambda world, chance: move_rows(world, "dimensions", chance),
}


def _header(world: World, item: ExpectedInvoice) -> list[Row]:
    return world.d365.find("VendorInvoiceHeaders", dataAreaId=item.company, InvoiceAccount=item.invoice_account, InvoiceNumber=item.number)


def _is_whole(world: World, item: ExpectedInvoice) -> bool:
    headers = _header(world, item)
    if len(headers) != 1:
        return False
    lines = world.d365.find("VendorInvoiceLines", dataAreaId=item.company, HeaderReference=headers[0].text("HeaderReference"))
    return len(lines) == len(item.lines)


def _is_changed(world: World, item: ExpectedInvoice) -> bool:
    return world.avid.invoice(item.id).memo.endswith(CHANGED)


def _is_posted(world: World, key: tuple[int, int]) -> bool:
    item = world.expected.invoices[key]
    found = world.d365.find("VendInvoiceJourBiEntities", dataAreaId=item.company, InvoiceAccount=item.invoice_account)
    return any(row.text("InvoiceId") == item.number for row in found)


def _settles(world: World, line: Row) -> bool:
    payment: ExpectedPayment | None = world.expected.payments.get(int(line.text("PaymentId") or 0))
    journal = {"JournalLineCompany": line.text("dataAreaId"), "JournalBatchNumber": line.text("JournalBatchNumber")}
    found = world.d365.find("VendorPaymentJournalLineSettledInvoices", **journal)
    rows = [row for row in found if row["JournalLineNumber"] == line["LineNumber"]]
    return payment is not None and len(rows) == len(payment.settlements)

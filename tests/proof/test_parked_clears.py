"""Every kind of parked record clears by itself when its cause is gone: nobody replays, resolves or restarts anything."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

import pytest

from sandbox.avid import Code, Invoice
from sandbox.d365.table import Row
from sandbox.simulator.deployment import Deployment
from sandbox.worlds.contoso import SYSTEM
from sandbox.worlds.model import World
from tests.proof.virtual import Document, codes_of, deployed_contoso, run, writes

HEADERS, PAYMENT_LINES = "VendorInvoiceHeaders", "VendorPaymentJournalLines"
INVOICE, NUMBER, PAYMENT = 9001, "AO-20417", 8001
AMOUNT = Decimal("184.20")
NO_DATE = date(1900, 1, 1)
VENDOR = {"dataAreaId": "usmf", "VendorAccountNumber": "1001"}
ACCOUNT = {"ChartOfAccounts": "Shared", "MainAccountId": "606300"}
CENTER = {"FinancialDimension": "CostCenter", "DimensionValue": "007", "LegalEntityId": ""}

Hand = Callable[[Deployment, World], None]


@dataclass(frozen=True)
class Kind:
    """What is wrong, the cause that a person then reads, and what puts it right."""

    cause: str
    harm: Hand
    mend: Hand


def taken_away_and_put_back(cause: str, set_name: str, key: Mapping[str, str]) -> Kind:
    """A row of D365 that is missing for a while."""
    taken: list[Row] = []

    def harm(_: Deployment, world: World) -> None:
        taken[:] = [world.d365.one(set_name, **key)]
        world.d365.remove_row(set_name, taken[0])

    def mend(_: Deployment, world: World) -> None:
        world.d365.add(set_name, **taken[0].stored)

    return Kind(cause, harm, mend)


def changed_and_changed_back(cause: str, set_name: str, key: Mapping[str, str], field: str, bad: str, good: str) -> Kind:
    """A field of D365 that is wrong for a while."""

    def to(value: str) -> Hand:
        def act(_: Deployment, world: World) -> None:
            world.d365.change(set_name, key, **{field: value})

        return act

    return Kind(cause, to(bad), to(good))


def spoiled_and_corrected(cause: str, spoil: Callable[[Invoice], Invoice]) -> Kind:
    """An invoice that is wrong in AvidXchange, until its batch is reopened, corrected and closed again."""
    kept: list[Invoice] = []

    def harm(_: Deployment, world: World) -> None:
        kept[:] = [world.avid.invoice(INVOICE)]
        close_with(world, spoil(kept[0]))

    def mend(deployment: Deployment, world: World) -> None:
        deployment.clock.advance(minutes=3)
        close_with(world, kept[0])

    return Kind(cause, harm, mend)


def close_with(world: World, *invoices: Invoice) -> None:
    """Reopen the batch of the invoice and close it with these in its place."""
    [batch] = world.avid.batches.values()
    world.avid.reopen_batch(batch.guid)
    world.avid.close_batch(batch.guid, [*invoices, *(one for one in batch.invoices if one.id != INVOICE)])


def settings(cause: str, bad: Callable[[Document], None], good: Callable[[Document], None]) -> Kind:
    """The connection document is wrong for a while."""
    return Kind(
        cause,
        lambda deployment, world: deployment.amend(world, bad),
        lambda deployment, world: deployment.amend(world, good),
    )


def first_open_day(day: date) -> Callable[[Document], None]:
    return lambda document: document["companies"][0].update(first_open_day=day.isoformat())


def without_code(invoice: Invoice) -> Invoice:
    [line] = invoice.distributions
    return replace(invoice, distributions=(replace(line, codes=tuple(code for code in line.codes if code.group != "Business Unit")),))


def with_two_codes(invoice: Invoice) -> Invoice:
    [line] = invoice.distributions
    return replace(invoice, distributions=(replace(line, codes=(*line.codes, Code("Cost Center", "250"))),))


def with_a_fraction_of_a_cent(invoice: Invoice) -> Invoice:
    [line] = invoice.distributions
    more = Decimal("0.005")
    return replace(invoice, gross=invoice.gross + more, distributions=(replace(line, amount=line.amount + more),))


def by_hand(amount: Decimal) -> Hand:
    def harm(_: Deployment, world: World) -> None:
        day = world.avid.invoice(INVOICE).invoice_date
        assert day is not None
        common = {"dataAreaId": "usmf", "HeaderReference": "HAND-1", "InvoiceAccount": "1001", "VendorAccount": "1001"}
        world.d365.add(HEADERS, InvoiceNumber=NUMBER, InvoiceDate=day, Date=day, Currency="USD", **common)
        world.d365.add("VendorInvoiceLines", InvoiceLineNumber=1, ReceiveNow=1, UnitPrice=amount, Amount=amount, **common)

    return harm


def take_back(_: Deployment, world: World) -> None:
    for line in world.d365.find("VendorInvoiceLines", HeaderReference="HAND-1"):
        world.d365.remove_row("VendorInvoiceLines", line)
    world.d365.remove_row(HEADERS, world.d365.one(HEADERS, HeaderReference="HAND-1"))


INVOICE_KINDS = {
    "the vendor is created": taken_away_and_put_back("vendor-missing", "VendorsV3", VENDOR),
    "the hold is released": changed_and_changed_back("vendor-on-hold", "VendorsV3", VENDOR, "OnHoldStatus", "Invoice", "No"),
    "the account is created": taken_away_and_put_back("account-missing", "MainAccounts", ACCOUNT),
    "the account is opened": changed_and_changed_back("account-not-usable", "MainAccounts", ACCOUNT, "IsSuspended", "Yes", "No"),
    "the value is created": taken_away_and_put_back("dimension-missing", "FinancialDimensionValues", CENTER),
    "the value is opened": changed_and_changed_back(
        "dimension-not-usable", "FinancialDimensionValues", CENTER, "IsBlockedForManualEntry", "Yes", "No"
    ),
    "the total is corrected": spoiled_and_corrected("sum-differs", lambda invoice: replace(invoice, gross=invoice.gross + 1)),
    "the number is given": spoiled_and_corrected("field-missing", lambda invoice: replace(invoice, number=None)),
    "the date is given": spoiled_and_corrected("field-missing", lambda invoice: replace(invoice, invoice_date=None)),
    "the lines are coded": spoiled_and_corrected("no-lines", lambda invoice: replace(invoice, distributions=())),
    "the required code is given": spoiled_and_corrected("code-missing", without_code),
    "the second code is taken off": spoiled_and_corrected("code-twice", with_two_codes),
    "the currency is corrected": spoiled_and_corrected("currency-differs", lambda invoice: replace(invoice, currency="EUR")),
    "the purchase order is taken off": spoiled_and_corrected("purchase-order", lambda invoice: replace(invoice, po_number="PO-1")),
    "the period is opened": settings("period-closed", first_open_day(date(2026, 3, 1)), first_open_day(date(2026, 1, 1))),
    "the dimension is in the format again": changed_and_changed_back(
        "dimension-not-in-format",
        "DimensionIntegrationFormats",
        {"DimensionFormatName": "Default entities", "DimensionFormatType": "DataEntityDefaultDimensionFormat"},
        "FinancialDimensionFormat",
        "BusinessUnit-Department",
        "BusinessUnit-CostCenter-Department",
    ),
    "the fraction of a cent is gone": spoiled_and_corrected("field-invalid", with_a_fraction_of_a_cent),
    "the document by hand is taken back": Kind("conflict", by_hand(AMOUNT + 1), take_back),
}


@pytest.mark.parametrize("name", INVOICE_KINDS)
def test_a_parked_invoice_is_written_when(name: str) -> None:
    kind = INVOICE_KINDS[name]
    deployment, world = deployed_contoso()
    kind.harm(deployment, world)
    run(deployment)
    label = "(no number)" if name == "the number is given" else NUMBER
    assert kind.cause in codes_of(deployment, f"invoice {label}")
    assert written_by_us(world) == []

    kind.mend(deployment, world)
    run(deployment)
    assert len(written_by_us(world)) == 1
    assert codes_of(deployment, f"invoice {NUMBER}") == set()
    assert_nothing_more_to_do(deployment)


def written_by_us(world: World) -> list[Row]:
    rows = world.d365.find(HEADERS, dataAreaId="usmf", InvoiceAccount="1001", InvoiceNumber=NUMBER)
    return [row for row in rows if row["HeaderReference"] != "HAND-1"]


def assert_nothing_more_to_do(deployment: Deployment) -> None:
    before = writes(deployment)
    run(deployment)
    assert writes(deployment) == before


def test_a_parked_twin_clears_when_it_is_taken_out_of_its_batch() -> None:
    deployment, world = deployed_contoso()
    original = world.avid.invoice(INVOICE)
    close_with(world, original, replace(original, id=9101, number=NUMBER.lower()))
    run(deployment)
    assert codes_of(deployment, f"invoice {NUMBER.lower()}") | codes_of(deployment, f"invoice {NUMBER}") == {"duplicate-number"}
    assert len(written_by_us(world)) == 1

    deployment.clock.advance(minutes=3)
    [batch] = world.avid.batches.values()
    world.avid.reopen_batch(batch.guid)
    world.avid.close_batch(batch.guid, [one for one in batch.invoices if one.id != 9101])
    run(deployment)
    assert codes_of(deployment, f"invoice {NUMBER.lower()}") == set()
    assert len(written_by_us(world)) == 1


# --- payments --------------------------------------------------------------------------------------------------------------------


def spoiled_payment(cause: str, status: str, *reasons: tuple[int, str]) -> Kind:
    """A payment in a status that is not paid, until it clears."""
    return Kind(
        cause,
        lambda _, world: world.avid.set_status(PAYMENT, status, reasons),
        lambda _, world: world.avid.settle_payment(PAYMENT, world.avid.now().date()),
    )


def unmapped(document: Document) -> None:
    document["companies"][0]["payment_methods"].pop("check")


def mapped(document: Document) -> None:
    document["companies"][0]["payment_methods"]["check"] = {"d365_method": "CHECK", "bank_account": "USMF OPER"}


def settled_elsewhere(amount: Decimal) -> Hand:
    """So much of the paid invoice is settled in D365; all of it closes the transaction."""

    def act(_: Deployment, world: World) -> None:
        key = {"dataAreaId": "usmf", "SourceKey": posted(world)["SourceKey"]}
        closed = world.d365.now().date() if amount == AMOUNT else NO_DATE
        world.d365.change("VendTransBiEntities", key, SettleAmountCur=-amount, Closed=closed)

    return act


def posted(world: World) -> Row:
    """The vendor transaction of the invoice."""
    voucher = world.d365.one("VendInvoiceJourBiEntities", InvoiceId=NUMBER).text("LedgerVoucher")
    return world.d365.one("VendTransBiEntities", Invoice=NUMBER, Voucher=voucher)


def split(_: Deployment, world: World) -> None:
    """The posted invoice gets a second due date."""
    row = posted(world)
    record_id = world.d365.next_record_id()
    world.d365.add("VendTransBiEntities", **{**row.stored, "SourceKey": record_id, "Voucher": "SPLIT"})


def join(_: Deployment, world: World) -> None:
    world.d365.remove_row("VendTransBiEntities", world.d365.one("VendTransBiEntities", Voucher="SPLIT"))


def mark(_: Deployment, world: World) -> None:
    """A person's journal marks the invoice for settlement."""
    common = {"dataAreaId": "usmf", "JournalBatchNumber": "HAND-J"}
    world.d365.add("VendorPaymentJournalHeaders", JournalName="VendPay", Description="By hand", **common)
    world.d365.add(PAYMENT_LINES, LineNumber=1, AccountDisplayValue="1001", DebitAmount=AMOUNT, CurrencyCode="USD", **common)
    world.d365.add(
        "VendorPaymentJournalLineSettledInvoices",
        JournalLineCompany="usmf",
        JournalBatchNumber="HAND-J",
        JournalLineNumber=1,
        InvoiceNumber=NUMBER,
        InvoiceCompany="usmf",
        invoiceAccount="1001",
    )


def unmark(_: Deployment, world: World) -> None:
    for name in ("VendorPaymentJournalLineSettledInvoices", PAYMENT_LINES, "VendorPaymentJournalHeaders"):
        for row in world.d365.find(name, JournalBatchNumber="HAND-J"):
            world.d365.remove_row(name, row)


def policy(name: str, value: object) -> Callable[[Document], None]:
    return lambda document: document["policies"].update({name: value})


def in_part_by_mark(deployment: Deployment, world: World) -> None:
    """The payment settles its invoice in part, which a mark cannot."""
    world.d365.change("VendTransBiEntities", {"dataAreaId": "usmf", "SourceKey": posted(world)["SourceKey"]}, AmountCur=-AMOUNT - 1)
    deployment.amend(world, policy("settlement", "marked_invoice"))


def in_part_by_rows(deployment: Deployment, world: World) -> None:
    deployment.amend(world, policy("settlement", "child_rows"))


def issued_for_long(deployment: Deployment, world: World) -> None:
    deployment.amend(world, policy("issued_too_long_days", 1))
    world.avid.set_status(PAYMENT, "Issued to Supplier")


def cleared(_: Deployment, world: World) -> None:
    world.avid.settle_payment(PAYMENT, world.avid.now().date())


PAYMENT_KINDS = {
    "it clears": spoiled_payment("not-settled", "Issued to Supplier"),
    "its error is gone": spoiled_payment("payment-error", "Error"),
    "its error clears by itself": spoiled_payment("payment-error-clears", "Error", (4, "Address is being verified")),
    "its status is known": spoiled_payment("payment-status", "Awaiting Courier"),
    "its amount is corrected": Kind(
        "sum-differs",
        lambda _, world: world.avid.change_amount(PAYMENT, AMOUNT - 1),
        lambda _, world: world.avid.change_amount(PAYMENT, AMOUNT),
    ),
    "its method is mapped": settings("not-mapped", unmapped, mapped),
    "its vendor is created": taken_away_and_put_back("vendor-missing", "VendorsV3", VENDOR),
    "the settlement of its invoice is taken back": Kind("already-settled", settled_elsewhere(AMOUNT), settled_elsewhere(Decimal(0))),
    "enough of its invoice is open": Kind("remaining-too-small", settled_elsewhere(Decimal(100)), settled_elsewhere(Decimal(0))),
    "its invoice has one due date": Kind("due-dates", split, join),
    "the mark of another journal is taken off": Kind("marked-elsewhere", mark, unmark),
    "the period is opened": settings("period-closed", first_open_day(date(2026, 3, 1)), first_open_day(date(2026, 1, 1))),
    "settlement rows are allowed": Kind("settlement-mode", in_part_by_mark, in_part_by_rows),
    "it was issued for long, and clears": Kind("issued-too-long", issued_for_long, cleared),
}


@pytest.mark.parametrize("name", PAYMENT_KINDS)
def test_a_parked_payment_is_written_when(name: str) -> None:
    kind = PAYMENT_KINDS[name]
    deployment, world = deployed_contoso()
    run(deployment)
    post(world)
    deployment.clock.advance(minutes=3)
    kind.harm(deployment, world)
    run(deployment)
    assert kind.cause in codes_of(deployment, f"payment {PAYMENT}")
    assert world.d365.find(PAYMENT_LINES, PaymentId=str(PAYMENT)) == []

    deployment.clock.advance(minutes=3)
    kind.mend(deployment, world)
    run(deployment)
    assert world.d365.one(PAYMENT_LINES, PaymentId=str(PAYMENT)).amount("DebitAmount") == AMOUNT
    assert codes_of(deployment, f"payment {PAYMENT}") == set()
    assert_nothing_more_to_do(deployment)


def post(world: World) -> None:
    header = world.d365.one(HEADERS, dataAreaId="usmf", InvoiceAccount="1001", InvoiceNumber=NUMBER)
    world.d365.post_invoice("usmf", header.text("HeaderReference"))


def test_a_parked_payment_is_written_when_its_invoice_is_posted() -> None:
    deployment, world = deployed_contoso()
    run(deployment)
    assert codes_of(deployment, f"payment {PAYMENT}") == {"invoice-not-posted"}
    post(world)
    run(deployment)
    assert world.d365.one(PAYMENT_LINES, PaymentId=str(PAYMENT)).amount("DebitAmount") == AMOUNT
    assert codes_of(deployment, f"payment {PAYMENT}") == set()


def test_a_parked_payment_is_written_when_its_unknown_invoice_turns_up() -> None:
    deployment, world = deployed_contoso()
    kind = spoiled_and_corrected("vendor-missing", lambda invoice: replace(invoice, vendor_id="NOBODY"))
    kind.harm(deployment, world)
    run(deployment)
    assert codes_of(deployment, f"payment {PAYMENT}") == {"invoice-unknown"}
    kind.mend(deployment, world)
    run(deployment)
    post(world)
    deployment.clock.advance(days=1)
    run(deployment)
    assert world.d365.one(PAYMENT_LINES, PaymentId=str(PAYMENT)).amount("DebitAmount") == AMOUNT
    assert codes_of(deployment, f"payment {PAYMENT}") == set()
    assert (SYSTEM, INVOICE) in world.expected.invoices


def test_a_parked_payment_of_mixed_dimensions_is_written_when_they_may_be_left_blank() -> None:
    deployment, world = deployed_contoso(mixed_dimensions="park")
    run(deployment)
    header = world.d365.one(HEADERS, dataAreaId="usmf", InvoiceAccount="US-108", InvoiceNumber="CPL 00311")
    world.d365.post_invoice("usmf", header.text("HeaderReference"))
    deployment.clock.advance(minutes=31)
    world.avid.settle_payment(8002, world.avid.now().date())
    run(deployment)
    assert codes_of(deployment, "payment 8002") == {"dimensions-mixed"}
    deployment.amend(world, policy("mixed_dimensions", "blank"))
    run(deployment)
    assert world.d365.one(PAYMENT_LINES, PaymentId="8002").amount("DebitAmount") == Decimal(1000)
    assert codes_of(deployment, "payment 8002") == set()

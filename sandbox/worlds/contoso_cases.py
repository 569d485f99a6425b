"""Contoso with other decisions than the firm's: what is parked only under these policies has its case here.

Purchase orders are referenced, payments settle by MarkedInvoice, mixed dimensions are parked, what lies in a closed period posts on the
first open day, lines may carry a tax code, and a dimension is mapped that D365's formats do not have.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random

from sandbox.avid import AvidWorld, Code, Distribution, Invoice, Payment, Remittance
from sandbox.web import Now
from sandbox.worlds.by_hand import add_posted
from sandbox.worlds.contoso import CODE_GROUPS, DIMENSIONS, METHODS, SYSTEM, VENDORS, build_contoso
from sandbox.worlds.firm import Firm
from sandbox.worlds.firm_ledger import Ledger
from sandbox.worlds.firm_setup import Company
from sandbox.worlds.firm_vendors import Vendor
from sandbox.worlds.model import WRITE, ExpectedInvoice, ExpectedLine, ExpectedPayment, Fate, Settlement, World, beginning_of
from sandbox.worlds.strings import MAIN_ACCOUNT, display_value, shared_values

PROJECT, TAX = "Project", "Tax Code"
POLICIES = {
    "purchase_orders": "reference",
    "settlement": "marked_invoice",
    "mixed_dimensions": "park",
    "posting_dates": "first_open_day",
}
USMF = Company("USMF", "Contoso demo company USMF", "USD", SYSTEM, "USMF-OPER", "USA")
VALUES = {"BusinessUnit": "001", "CostCenter": "007", "Department": "022"}
OPEN_SINCE = timedelta(days=30)


def build_contoso_cases(today: datetime, *, now: Now | None = None) -> World:
    """Contoso as `build_contoso` makes it, with these decisions and their documents."""
    world = build_contoso(today, now=now)
    facts, first_open = world.connection, today.date() - OPEN_SINCE
    facts["policies"], facts["sales_tax_code_group"] = dict(POLICIES), TAX
    facts["code_groups"] = {**facts["code_groups"], PROJECT: PROJECT}
    facts["companies"][0]["first_open_day"] = first_open
    for group in (PROJECT, TAX):
        world.avid.add_code_group(SYSTEM, group)
    world.d365.add("DimensionAttributes", DimensionName=PROJECT, UseValuesFrom="CustomList")
    world.d365.add("FinancialDimensionValues", FinancialDimension=PROJECT, DimensionValue="P-100", Description="Roof")
    _add_invoices(world, today, first_open)
    _add_payments(world, today)
    return replace(world, beginning=beginning_of(world.d365, world.avid), cases=True)


def contoso_goes_on(world: World) -> list[str]:
    """The third cycle: the invoice of two business units is posted, so that its payment is examined against it."""
    item = world.expected.invoices[SYSTEM, 9002]
    header = world.d365.one("VendorInvoiceHeaders", InvoiceAccount=item.invoice_account, InvoiceNumber=item.number)
    world.d365.post_invoice("usmf", header.text("HeaderReference"))
    payment = world.expected.payments[8103]
    world.expected.payments[8103] = replace(payment, fate=Fate("park", "dimensions-mixed"))
    return [f"D365: invoice {item.number} of {item.invoice_account} in usmf is posted."]


# --- invoices --------------------------------------------------------------------------------------------------------------------


def _add_invoices(world: World, today: datetime, first_open: date) -> None:
    dated = today.date() - timedelta(days=9)
    for number, vendor in (("PO-1001", "1001"), ("PO-104", "US-104")):
        world.d365.add(
            "PurchaseOrderHeadersV2",
            dataAreaId="usmf",
            PurchaseOrderNumber=number,
            OrderVendorAccountNumber=vendor,
            InvoiceVendorAccountNumber=vendor,
            PurchaseOrderStatus="Received",
            CurrencyCode="USD",
        )
    rows: tuple[tuple[int, str, date, str, tuple[Code, ...], Fate], ...] = (
        (9101, "PO-A", dated, "PO-1001", (), WRITE),
        (9102, "PO-B", dated, "PO-NONE", (), Fate("park", "purchase-order")),
        (9103, "PO-C", dated, "PO-104", (), Fate("park", "purchase-order")),
        (9104, "OLD-1", first_open - timedelta(days=3), "", (), WRITE),
        (9105, "TAX-1", dated, "", (Code(TAX, "FULL"),), Fate("park", "not-mapped")),
        (9106, "TAX-2", dated, "", (Code(TAX, "FULL"), Code(TAX, "RED")), Fate("park", "several", ("code-twice", "not-mapped"))),
        (9107, "PRJ-1", dated, "", (Code(PROJECT, "P-100"),), Fate("park", "dimension-not-in-format")),
    )
    closed = today - timedelta(days=2)
    invoices = [_invoice(number, text, day, order, extra, closed) for number, text, day, order, extra, _ in rows]
    for invoice, (*_, fate) in zip(invoices, rows, strict=True):
        world.expected.invoices[SYSTEM, invoice.id] = _expected(invoice, first_open, fate)
    world.avid.add_batch(SYSTEM, invoices, closed, "USMF cases")


def _invoice(number: int, text: str, dated: date, order: str, extra: tuple[Code, ...], closed: datetime) -> Invoice:
    coded = {MAIN_ACCOUNT: "606300", **VALUES}
    codes = tuple(Code(CODE_GROUPS[name], value) for name, value in coded.items())
    line = Distribution(Decimal("75.25"), VENDORS["1001"], (*codes, *extra))
    due = dated + timedelta(days=30)
    return Invoice(number, text, dated, due, line.amount, "1001", VENDORS["1001"], (line,), closed, terms="Net30", po_number=order)


def _expected(invoice: Invoice, first_open: date, fate: Fate) -> ExpectedInvoice:
    assert invoice.invoice_date is not None
    ledger = display_value((MAIN_ACCOUNT, *DIMENSIONS), {MAIN_ACCOUNT: "606300", **VALUES})
    return ExpectedInvoice(
        accounting_system=SYSTEM,
        id=invoice.id,
        company="usmf",
        vendor_account="1001",
        invoice_account="1001",
        number=str(invoice.number),
        dated=invoice.invoice_date,
        posted_on=max(invoice.invoice_date, first_open),
        due=invoice.due_date,
        currency="USD",
        gross=invoice.gross,
        header=display_value(DIMENSIONS, shared_values((VALUES,))),
        lines=(ExpectedLine(invoice.gross, ledger, display_value(DIMENSIONS, VALUES)),),
        values=(VALUES,),
        fate=fate,
    )


# --- payments --------------------------------------------------------------------------------------------------------------------


def _add_payments(world: World, today: datetime) -> None:
    """Of one whole posted invoice, of two, of one less a discount; and of the approved invoice whose lines are of two business units."""
    firm = Firm(world.d365, world.avid, Random(0), today.date(), Ledger(), [])
    vendor = Vendor(USMF, "US-101", VENDORS["US-101"], "plain")
    dated = today.date() - timedelta(days=40)
    due = dated + timedelta(days=30)
    for text in ("FE-1", "FE-2", "FE-3", "FE-4"):
        add_posted(firm, vendor, text, Decimal("400.00"), dated, due)
    whole = {text: Settlement(text, due, Decimal("400.00"), Decimal(0)) for text in ("FE-1", "FE-2", "FE-3")}
    discounted = Settlement("FE-4", due, Decimal("400.00"), Decimal("8.00"))
    mixed = world.expected.invoices[SYSTEM, 9002]
    unposted = Settlement(mixed.number, mixed.due or due, mixed.gross, Decimal(0))
    rows: tuple[tuple[int, str, tuple[Settlement, ...], Fate], ...] = (
        (8101, "US-101", (whole["FE-1"],), WRITE),
        (8102, "US-101", (whole["FE-2"], whole["FE-3"]), Fate("park", "settlement-mode")),
        (8104, "US-101", (discounted,), Fate("park", "settlement-mode")),
        (8103, mixed.vendor_account, (unposted,), Fate("park", "invoice-not-posted")),
    )
    for number, account, settlements, fate in rows:
        _add_payment(world.avid, number, account, settlements, dated, today.date() - timedelta(days=2))
        world.expected.payments[number] = _expected_payment(number, account, settlements, today.date() - timedelta(days=2), fate)


def _add_payment(avid: AvidWorld, number: int, account: str, settlements: tuple[Settlement, ...], dated: date, day: date) -> None:
    remittances = tuple(Remittance(each.number, "", dated, each.gross, each.discount, each.net) for each in settlements)
    avid.add_payment(
        Payment(
            number,
            number // 10,
            sum((each.net for each in settlements), Decimal(0)),
            "Cleared",
            "AvidPay Check",
            account,
            VENDORS[account],
            datetime.combine(day, time(20), UTC),
            remittances,
            bank_client_ids=(USMF.bank_client_id,),
            avidpay_check_number=f"00{number}",
            payment_date=day,
            cleared_date=day,
        )
    )


def _expected_payment(number: int, account: str, settlements: tuple[Settlement, ...], day: date, fate: Fate) -> ExpectedPayment:
    method, bank = METHODS["check"]
    return ExpectedPayment(
        id=number,
        company="usmf",
        account=account,
        amount=sum((each.net for each in settlements), Decimal(0)),
        currency="USD",
        method=method,
        bank=bank,
        check_number=f"00{number}",
        reference="",
        dated=day,
        settlements=settlements,
        dimensions=display_value(DIMENSIONS, {}),
        fate=fate,
    )

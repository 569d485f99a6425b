"""The payments of the firm in every status and method, sound and unsound (contracts/avidxchange.md §3, Payments)."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import TypeAlias

from sandbox.worlds.by_hand import add_posted, add_transaction
from sandbox.worlds.firm import Firm
from sandbox.worlds.firm_setup import COMPANIES
from sandbox.worlds.firm_vendors import Vendor
from sandbox.worlds.model import ExpectedInvoice, Fate, Settlement
from sandbox.worlds.payment_drafts import Paid, PaymentDraft

FIRST_ID = 5_200_001
CENT = Decimal("0.01")
METHODS_BY_SHARE = ("AvidPay Check", "AvidPay Check", "Check", "ACH", "AvidPay Direct", "Virtual Credit Card", "VCC", "e-Payment")
NOT_YET = {
    "Pending Approval": "pending",
    "Held": "pending",
    "Processing": "in-flight",
    "Debit Requested": "in-flight",
    "Funds Received": "in-flight",
    "Sent to Check Printer": "issued",
    "Issued to Supplier": "issued",
    "ACH Credit Issued": "issued",
    "VCC Processing": "issued",
    "Void": "voided",
    "Void Requested": "voided",
    "Voided": "voided",
}
Kind: TypeAlias = Callable[[Firm, PaymentDraft], None]


def add_payments(firm: Firm, count: int) -> list[PaymentDraft]:
    """Make `count` payments; the kinds come first, then plain ones, of which every sixth has not been settled yet."""
    kinds = (list(KINDS.values()) * max(1, count // 150))[:count]
    drafts = [plain_payment(firm, FIRST_ID + index) for index in range(count)]
    for draft, kind in zip(drafts, kinds, strict=False):
        kind(firm, draft)
    for index, draft in enumerate(drafts[len(kinds) :]):
        if index % 6 == 0:
            _issued(firm, draft)
    for draft in drafts:
        firm.avid.add_payment(draft.payment())
        firm.expected.payments[draft.id] = draft.expected()
    return drafts


def plain_payment(firm: Firm, payment_id: int) -> PaymentDraft:
    """A settled payment of one posted invoice, by any method, some days ago."""
    rng, vendor = firm.rng, firm.vendor()
    day = firm.today - timedelta(days=rng.randint(3, 22))
    draft = PaymentDraft(payment_id, vendor, "", day, day + timedelta(days=2), [])
    draft.cleared = draft.modified
    _pay_by(firm, draft, rng.choice(METHODS_BY_SHARE))
    draft.paid = [_posted(firm, vendor, firm.amount())]
    return draft


def _pay_by(firm: Firm, draft: PaymentDraft, method: str) -> None:
    """Set the method and the numbers that go with it; check numbers have leading zeros."""
    draft.method, serial = method, draft.id % 1_000_000
    draft.avidpay_check = f"00{serial:06d}" if "Check" in method else ""
    draft.check = f"{serial:06d}" if method == "Check" else ""
    draft.trace = f"0910{firm.rng.randint(0, 9)}{serial:010d}" if method in ("ACH", "AvidPay Direct") else ""
    draft.card = f"{firm.rng.randint(0, 9_999):04d}" if method in ("VCC", "Virtual Credit Card") else ""


def _posted(firm: Firm, vendor: Vendor, gross: Decimal, remitted: Decimal | None = None, discount: Decimal = Decimal(0)) -> Paid:
    """A posted open invoice and a remittance of it (default: of all of it)."""
    dated = firm.today - timedelta(days=firm.rng.randint(40, 70))
    due, number = dated + timedelta(days=30), firm.number()
    add_posted(firm, vendor, number, gross, dated, due)
    return Paid(Settlement(number, due, gross if remitted is None else remitted, discount), dated)


def _park(why: str, mutate: Kind) -> Kind:
    def kind(firm: Firm, draft: PaymentDraft) -> None:
        mutate(firm, draft)
        draft.fate = Fate("park", why)

    return kind


def _by(method: str) -> Kind:
    return lambda firm, draft: _pay_by(firm, draft, method)


def _status(status: str) -> Kind:
    def kind(_: Firm, draft: PaymentDraft) -> None:
        draft.status, draft.cleared = status, None
        draft.fate = Fate("leave", NOT_YET[status])

    return kind


def _issued(firm: Firm, draft: PaymentDraft) -> None:
    issued = {"Check": "Sent to Check Printer", "ACH": "ACH Credit Issued", "AvidPay Direct": "ACH Credit Issued", "VCC": "VCC Processing"}
    _status(issued.get(draft.method, "Issued to Supplier"))(firm, draft)


def _several(firm: Firm, draft: PaymentDraft) -> None:
    draft.paid += [_posted(firm, draft.vendor, firm.amount()) for _ in range(3)]


def _credit(firm: Firm, draft: PaymentDraft) -> None:
    credit = (draft.paid[0].settlement.gross / 4).quantize(CENT)
    draft.paid.append(_posted(firm, draft.vendor, -credit))


def _discount(firm: Firm, draft: PaymentDraft) -> None:
    gross = firm.amount()
    draft.paid = [_posted(firm, draft.vendor, gross, discount=(gross / 50).quantize(CENT))]


def _partial(firm: Firm, draft: PaymentDraft) -> None:
    gross = firm.amount()
    draft.paid = [_posted(firm, draft.vendor, gross, (gross / 3).quantize(CENT))]


def _too_much(firm: Firm, draft: PaymentDraft) -> None:
    gross = firm.amount()
    draft.paid = [_posted(firm, draft.vendor, gross, gross + 100)]


def _sum_differs(_: Firm, draft: PaymentDraft) -> None:
    draft.amount_off = Decimal("-0.01")


def _amount_zero(_: Firm, draft: PaymentDraft) -> None:
    settlement = draft.paid[0].settlement
    draft.paid[0] = Paid(Settlement(settlement.number, settlement.due, Decimal(0), Decimal(0)), draft.paid[0].dated)


def _not_posted(firm: Firm, draft: PaymentDraft) -> None:
    """Pays one of the approved invoices, which at best is a pending invoice in D365."""
    invoice = firm.rng.choice(_payable(firm))
    vendor = next(vendor for vendor in firm.vendors if (vendor.company.area, vendor.account) == (invoice.company, invoice.vendor_account))
    if invoice.dated is None or invoice.due is None:
        raise ValueError(f"Invoice {invoice.id} has no dates")
    draft.vendor = vendor
    draft.day = draft.cleared = draft.modified = firm.today - timedelta(days=1)
    draft.paid = [Paid(Settlement(invoice.number, invoice.due, invoice.gross, Decimal(0)), invoice.dated, invoice)]
    draft.pays = [(invoice.accounting_system, invoice.id)]
    firm.paid.update(draft.pays)


def _payable(firm: Firm) -> list[ExpectedInvoice]:
    """Invoices that will be written, are no credits, have no twin, and are not paid by another payment yet."""
    invoices = list(firm.expected.invoices.values())
    numbers = Counter((invoice.company, invoice.number.casefold()) for invoice in invoices)
    return [
        invoice
        for invoice in invoices
        if invoice.fate.action == "write"
        and invoice.gross > 0
        and numbers[invoice.company, invoice.number.casefold()] == 1
        and (invoice.accounting_system, invoice.id) not in firm.paid
    ]


def _settled_already(firm: Firm, draft: PaymentDraft) -> None:
    settlement = draft.paid[0].settlement
    row = firm.d365.one("VendTransBiEntities", dataAreaId=draft.company.area, AccountNum=draft.vendor.billed_to, Invoice=settlement.number)
    key = {"dataAreaId": row["dataAreaId"], "SourceKey": row["SourceKey"]}
    closed = firm.today - timedelta(days=6)
    firm.d365.change("VendTransBiEntities", key, SettleAmountCur=row["AmountCur"], Closed=closed)


def _in_d365_unknown(firm: Firm, draft: PaymentDraft) -> None:
    settlement = draft.paid[0].settlement
    draft.paid[0].settlement = Settlement(firm.number(), settlement.due, settlement.gross, settlement.discount)


def _several_due_dates(firm: Firm, draft: PaymentDraft) -> None:
    paid = draft.paid[0]
    due = paid.settlement.due + timedelta(days=30)
    add_transaction(firm, draft.vendor, paid.settlement.number, paid.settlement.gross, paid.dated, due, "OLDSPLIT")


def _other_bank(_: Firm, draft: PaymentDraft) -> None:
    draft.bank_client_id = next(company.bank_client_id for company in COMPANIES if company != draft.company)


def _other_currency(_: Firm, draft: PaymentDraft) -> None:
    draft.currency = "EUR"


def _no_date(_: Firm, draft: PaymentDraft) -> None:
    draft.day = draft.cleared = None


def _cleared_date_only(_: Firm, draft: PaymentDraft) -> None:
    draft.day = None


def _remittances_elsewhere(_: Firm, draft: PaymentDraft) -> None:
    draft.listed = False


def _no_remittances(_: Firm, draft: PaymentDraft) -> None:
    draft.remitted = False


def _unknown_status(_: Firm, draft: PaymentDraft) -> None:
    draft.status = "Awaiting Courier"


def _error(_: Firm, draft: PaymentDraft) -> None:
    draft.status, draft.cleared = "Error", None
    draft.exceptions = ((7, "Supplier account closed"),)


def _unknown_method(firm: Firm, draft: PaymentDraft) -> None:
    _pay_by(firm, draft, "Wire")


def _to(*kinds: str) -> Kind:
    def kind(firm: Firm, draft: PaymentDraft) -> None:
        _given_to(firm, draft, firm.rng.choice([vendor for vendor in firm.vendors if vendor.kind in kinds]))

    return kind


def _given_to(firm: Firm, draft: PaymentDraft, vendor: Vendor) -> None:
    """Give the payment to another vendor, with a posted invoice of that vendor."""
    draft.vendor = vendor
    draft.paid = [_posted(firm, vendor, firm.amount())]


def _number_with_blank(firm: Firm, draft: PaymentDraft) -> None:
    number, dated = f" {firm.number()}", firm.today - timedelta(days=50)
    gross, due = firm.amount(), dated + timedelta(days=30)
    add_posted(firm, draft.vendor, number, gross, dated, due)
    draft.paid = [Paid(Settlement(number, due, gross, Decimal(0)), dated)]


def _plain_check_number(firm: Firm, draft: PaymentDraft) -> None:
    """A paper check without AvidXchange's own number: CheckNumber stands."""
    _pay_by(firm, draft, "Check")
    draft.avidpay_check = ""


def _before_start(firm: Firm, draft: PaymentDraft) -> None:
    draft.day = firm.start - timedelta(days=4)
    draft.cleared = draft.modified = firm.start - timedelta(days=3)
    draft.fate = Fate("leave", "before-start")


KINDS: dict[str, Kind] = {
    "check": _by("AvidPay Check"),
    "ach": _by("ACH"),
    "virtual-card": _by("VCC"),
    "several": _several,
    "not-posted": _park("invoice-not-posted", _not_posted),
    "not-posted-either": _park("invoice-not-posted", _not_posted),
    "issued": _status("Issued to Supplier"),
    "void": _status("Void"),
    "sum-differs": _park("sum-differs", _sum_differs),
    "pending": _status("Pending Approval"),
    "in-flight": _status("Processing"),
    "credit": _credit,
    "discount": _discount,
    "partial": _partial,
    "internal": _by("e-Payment"),
    "unknown-status": _park("payment-status", _unknown_status),
    "already-settled": _park("already-settled", _settled_already),
    "remittances-elsewhere": _remittances_elsewhere,
    "no-remittances": _park("field-missing", _no_remittances),
    "company-unclear": _park("company-unclear", _other_bank),
    "amount-zero": _park("field-invalid", _amount_zero),
    "no-date": _park("field-missing", _no_date),
    "too-much": _park("remaining-too-small", _too_much),
    "currency": _park("currency-differs", _other_currency),
    "unknown-method": _park("not-mapped", _unknown_method),
    "error": _park("payment-status", _error),
    "invoice-unknown": _park("invoice-unknown", _in_d365_unknown),
    "due-dates": _park("due-dates", _several_due_dates),
    "invoice-account": _to("invoice-account"),
    "before-start": _before_start,
    "cleared-date-only": _cleared_date_only,
    "payment-hold": _to("hold-payment", "hold-payment-until"),
    "number-with-blank": _number_with_blank,
    "plain-check-number": _plain_check_number,
    "held": _status("Held"),
    "debit-requested": _status("Debit Requested"),
    "funds-received": _status("Funds Received"),
    "check-printer": _status("Sent to Check Printer"),
    "ach-issued": _status("ACH Credit Issued"),
    "card-processing": _status("VCC Processing"),
    "void-requested": _status("Void Requested"),
    "voided": _status("Voided"),
    "apostrophe": _to("apostrophe"),
    "hyphen": _to("hyphen"),
    "leading-blank": _to("leading-blank"),
    "direct": _by("AvidPay Direct"),
    "card": _by("Virtual Credit Card"),
    "paper-check": _by("Check"),
}

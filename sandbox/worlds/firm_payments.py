"""The payments of the firm in every status and method, sound and unsound (contracts/avidxchange.md §3, Payments)."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TypeAlias

from sandbox.worlds.by_hand import add_posted, add_transaction
from sandbox.worlds.firm import Firm
from sandbox.worlds.firm_setup import CLOSED_COMPANY, COMPANIES, UNMAPPED, Company
from sandbox.worlds.firm_vendors import Vendor
from sandbox.worlds.model import WRITE, ExpectedInvoice, Fate, Settlement
from sandbox.worlds.payment_drafts import KIND_OF_METHOD, Paid, PaymentDraft

FIRST_ID = 5_200_001
CENT = Decimal("0.01")
ISSUED_TOO_LONG = 10
"""Days (contracts/avidxchange.md §3)."""
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


def add_payments(firm: Firm, count: int, kinds: Mapping[str, Kind]) -> list[PaymentDraft]:
    """Make `count` payments; the kinds come first, then plain ones, of which every sixth has not been settled yet."""
    chosen = (list(kinds.values()) * max(1, count // (3 * len(kinds))))[:count]
    drafts = [plain_payment(firm, FIRST_ID + index) for index in range(count)]
    for draft, kind in zip(drafts, chosen, strict=False):
        kind(firm, draft)
    for index, draft in enumerate(drafts[len(chosen) :]):
        if index % 6 == 0:
            _issued(firm, draft)
    for draft in drafts:
        draft.fate = _fate(firm, draft)
        firm.avid.add_payment(draft.payment())
        firm.expected.payments[draft.id] = draft.expected()
    return drafts


def _fate(firm: Firm, draft: PaymentDraft) -> Fate:
    """An issued one is written or reported, by its company's policy and how long ago it went out; else its kind has said it."""
    if (draft.fate.action, draft.fate.why) != ("leave", "issued") or draft.day is None:
        return draft.fate
    if firm.writes_issued(draft.company):
        return WRITE
    waits = (firm.today - draft.day).days
    return replace(draft.fate, reported=("issued-too-long" if waits > ISSUED_TOO_LONG else "not-settled",))


def plain_payment(firm: Firm, payment_id: int) -> PaymentDraft:
    """A settled payment of one posted invoice, by any method, some days ago."""
    rng, vendor = firm.rng, firm.vendor()
    day = firm.today - timedelta(days=rng.randint(3, 22))
    draft = PaymentDraft(payment_id, vendor, "", day, day + timedelta(days=2), [])
    draft.cleared = draft.modified
    method = rng.choice(METHODS_BY_SHARE)
    pay_by(firm, draft, "Check" if _is_unmapped(firm, vendor.company, method) else method)
    draft.paid = [posted(firm, vendor, firm.amount())]
    return draft


def pay_by(firm: Firm, draft: PaymentDraft, method: str) -> None:
    """Set the method and the numbers that go with it; check numbers have leading zeros."""
    draft.method, serial = method, draft.id % 1_000_000
    draft.avidpay_check = f"00{serial:06d}" if "Check" in method else ""
    draft.check = f"{serial:06d}" if method == "Check" else ""
    draft.trace = f"0910{firm.rng.randint(0, 9)}{serial:010d}" if method in ("ACH", "AvidPay Direct") else ""
    draft.card = f"{firm.rng.randint(0, 9_999):04d}" if method in ("VCC", "Virtual Credit Card") else ""


def posted(firm: Firm, vendor: Vendor, gross: Decimal, remitted: Decimal | None = None, discount: Decimal = Decimal(0)) -> Paid:
    """A posted open invoice and a remittance of it (default: of all of it)."""
    dated = firm.today - timedelta(days=firm.rng.randint(40, 70))
    due, number = dated + timedelta(days=30), firm.number()
    add_posted(firm, vendor, number, gross, dated, due)
    return Paid(Settlement(number, due, gross if remitted is None else remitted, discount), dated)


def park(why: str, mutate: Kind) -> Kind:
    """A kind that is parked for one cause."""

    def kind(firm: Firm, draft: PaymentDraft) -> None:
        mutate(firm, draft)
        draft.fate = Fate("park", why)

    return kind


def _by(method: str) -> Kind:
    """By this method, in a company that has mapped it."""

    def kind(firm: Firm, draft: PaymentDraft) -> None:
        if _is_unmapped(firm, draft.company, method):
            given_to(firm, draft, firm.vendor(COMPANIES[0]))
        pay_by(firm, draft, method)

    return kind


def _is_unmapped(firm: Firm, company: Company, method: str) -> bool:
    return firm.cases and company == CLOSED_COMPANY and KIND_OF_METHOD[method] == UNMAPPED


def status(text: str) -> Kind:
    """Not settled: a status of NOT_YET."""

    def kind(_: Firm, draft: PaymentDraft) -> None:
        draft.status, draft.cleared = text, None
        draft.fate = Fate("leave", NOT_YET[text])

    return kind


def _issued(firm: Firm, draft: PaymentDraft) -> None:
    issued = {"Check": "Sent to Check Printer", "ACH": "ACH Credit Issued", "AvidPay Direct": "ACH Credit Issued", "VCC": "VCC Processing"}
    status(issued.get(draft.method, "Issued to Supplier"))(firm, draft)


def _several(firm: Firm, draft: PaymentDraft) -> None:
    draft.paid += [posted(firm, draft.vendor, firm.amount()) for _ in range(3)]


def _credit(firm: Firm, draft: PaymentDraft) -> None:
    credit = (draft.paid[0].settlement.gross / 4).quantize(CENT)
    draft.paid.append(posted(firm, draft.vendor, -credit))


def _discount(firm: Firm, draft: PaymentDraft) -> None:
    gross = firm.amount()
    draft.paid = [posted(firm, draft.vendor, gross, discount=(gross / 50).quantize(CENT))]


def _partial(firm: Firm, draft: PaymentDraft) -> None:
    gross = firm.amount()
    draft.paid = [posted(firm, draft.vendor, gross, (gross / 3).quantize(CENT))]


def _too_much(firm: Firm, draft: PaymentDraft) -> None:
    gross = firm.amount()
    draft.paid = [posted(firm, draft.vendor, gross, gross + 100)]


def _sum_differs(_: Firm, draft: PaymentDraft) -> None:
    draft.amount_off = Decimal("-0.01")


def _amount_zero(_: Firm, draft: PaymentDraft) -> None:
    settlement = draft.paid[0].settlement
    draft.paid[0] = Paid(Settlement(settlement.number, settlement.due, Decimal(0), Decimal(0)), draft.paid[0].dated)


def _not_posted(firm: Firm, draft: PaymentDraft) -> None:
    """Pays one of the approved invoices, which at best is a pending invoice in D365."""
    invoice = firm.rng.choice(payable(firm))
    vendor = next(vendor for vendor in firm.vendors if (vendor.company.area, vendor.account) == (invoice.company, invoice.vendor_account))
    if invoice.dated is None or invoice.due is None:
        raise ValueError(f"Invoice {invoice.id} has no dates")
    draft.vendor = vendor
    draft.day = draft.cleared = draft.modified = firm.today - timedelta(days=1)
    draft.paid = [Paid(Settlement(invoice.number, invoice.due, invoice.gross, Decimal(0)), invoice.dated, invoice)]
    draft.pays = [(invoice.accounting_system, invoice.id)]
    firm.paid.update(draft.pays)


def payable(firm: Firm) -> list[ExpectedInvoice]:
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
    pay_by(firm, draft, "Wire")


def _to(*kinds: str) -> Kind:
    def kind(firm: Firm, draft: PaymentDraft) -> None:
        given_to(firm, draft, firm.rng.choice([vendor for vendor in firm.vendors if vendor.kind in kinds]))

    return kind


def given_to(firm: Firm, draft: PaymentDraft, vendor: Vendor) -> None:
    """Give the payment to another vendor, with a posted invoice of that vendor."""
    draft.vendor = vendor
    draft.paid = [posted(firm, vendor, firm.amount())]


def _to_held(firm: Firm, draft: PaymentDraft) -> None:
    _to("hold-payment", "hold-payment-until")(firm, draft)
    draft.fate = replace(WRITE, reported=("vendor-payment-hold",))


def _number_with_blank(firm: Firm, draft: PaymentDraft) -> None:
    number, dated = f" {firm.number()}", firm.today - timedelta(days=50)
    gross, due = firm.amount(), dated + timedelta(days=30)
    add_posted(firm, draft.vendor, number, gross, dated, due)
    draft.paid = [Paid(Settlement(number, due, gross, Decimal(0)), dated)]


def _plain_check_number(firm: Firm, draft: PaymentDraft) -> None:
    """A paper check without AvidXchange's own number: CheckNumber stands."""
    pay_by(firm, draft, "Check")
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
    "not-posted": park("invoice-not-posted", _not_posted),
    "not-posted-either": park("invoice-not-posted", _not_posted),
    "issued": status("Issued to Supplier"),
    "void": status("Void"),
    "sum-differs": park("sum-differs", _sum_differs),
    "pending": status("Pending Approval"),
    "in-flight": status("Processing"),
    "credit": _credit,
    "discount": _discount,
    "partial": _partial,
    "internal": _by("e-Payment"),
    "unknown-status": park("payment-status", _unknown_status),
    "already-settled": park("already-settled", _settled_already),
    "remittances-elsewhere": _remittances_elsewhere,
    "no-remittances": park("field-missing", _no_remittances),
    "company-unclear": park("company-unclear", _other_bank),
    "amount-zero": park("field-invalid", _amount_zero),
    "no-date": park("field-missing", _no_date),
    "too-much": park("remaining-too-small", _too_much),
    "currency": park("currency-differs", _other_currency),
    "unknown-method": park("not-mapped", _unknown_method),
    "error": park("payment-error", _error),
    "invoice-unknown": park("invoice-unknown", _in_d365_unknown),
    "due-dates": park("due-dates", _several_due_dates),
    "invoice-account": _to("invoice-account"),
    "before-start": _before_start,
    "cleared-date-only": _cleared_date_only,
    "payment-hold": _to_held,
    "number-with-blank": _number_with_blank,
    "plain-check-number": _plain_check_number,
    "held": status("Held"),
    "debit-requested": status("Debit Requested"),
    "funds-received": status("Funds Received"),
    "check-printer": status("Sent to Check Printer"),
    "ach-issued": status("ACH Credit Issued"),
    "card-processing": status("VCC Processing"),
    "void-requested": status("Void Requested"),
    "voided": status("Voided"),
    "apostrophe": _to("apostrophe"),
    "hyphen": _to("hyphen"),
    "leading-blank": _to("leading-blank"),
    "direct": _by("AvidPay Direct"),
    "card": _by("Virtual Credit Card"),
    "paper-check": _by("Check"),
}

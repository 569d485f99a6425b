"""The approved invoices of the firm: plain ones, and every kind that is adopted, parked or left alone (contracts/avidxchange.md §3)."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TypeAlias

from sandbox.avid import Code
from sandbox.worlds.by_hand import add_pending_by_hand, add_posted
from sandbox.worlds.drafts import Draft, Line, add_batches
from sandbox.worlds.firm import BLOCKS_INVOICES, Firm
from sandbox.worlds.firm_setup import CLOSED_COMPANY, COMPANIES, DIMENSIONS, PLACEHOLDER
from sandbox.worlds.firm_vendors import Vendor
from sandbox.worlds.model import Fate
from sandbox.worlds.words import WORKS

FIRST_ID = 700_001
Kind: TypeAlias = Callable[[Firm, Draft], None]


def add_invoices(firm: Firm, count: int, kinds: Mapping[str, Kind]) -> list[Draft]:
    """Make `count` invoices and put them into closed batches; the kinds come first, at most two thirds of all, the rest is plain."""
    chosen = (list(kinds.values()) * max(1, count // 150))[: count * 2 // 3]
    drafts = [plain_invoice(firm, FIRST_ID + index) for index in range(count)]
    for draft, kind in zip(drafts, chosen, strict=False):
        kind(firm, draft)
    if firm.cases:
        _post_in_the_open_period(firm, drafts)
    _add_twins(firm, drafts)
    add_batches(firm, drafts)
    return drafts


def plain_invoice(firm: Firm, invoice_id: int, vendor: Vendor | None = None) -> Draft:
    """An invoice with nothing wrong: 1 to 12 lines, all required codes, a free vendor, closed in the days before today."""
    rng, vendor = firm.rng, vendor or firm.vendor()
    closed = firm.today - timedelta(days=rng.randint(1, 22))
    dated = closed - timedelta(days=rng.randint(1, 18))
    lines = [_line(firm, vendor) for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4, 5, 8, 12)))]
    return Draft(invoice_id, vendor, firm.number(), dated, dated + timedelta(days=30), closed, lines)


def _line(firm: Firm, vendor: Vendor) -> Line:
    rng, values = firm.rng, firm.ledger.values[vendor.company.area]
    coded = {name: rng.choice(values[name]) for name in DIMENSIONS}
    for optional in ("CostCenter", "Department"):
        chance = rng.random()
        if chance < 0.15:
            del coded[optional]
        elif chance < 0.35:
            coded[optional] = PLACEHOLDER
    return Line(firm.amount(), rng.choice(WORKS), rng.choice(firm.ledger.accounts), coded)


def _post_in_the_open_period(firm: Firm, drafts: list[Draft]) -> None:
    """AvidXchange gives the invoices of the company with a closed period posting dates of their own."""
    for draft in drafts:
        if draft.company == CLOSED_COMPANY and draft.posting_date is None:
            draft.posting_date = max(draft.closed, firm.first_open_day)


def given_to(firm: Firm, draft: Draft, vendor: Vendor) -> None:
    """Give the invoice to another vendor; its lines are coded anew for that vendor's company."""
    draft.vendor = vendor
    draft.lines = [_line(firm, vendor) for _ in draft.lines]


def parked(why: str, mutate: Kind) -> Kind:
    """A kind that is parked for one cause."""

    def kind(firm: Firm, draft: Draft) -> None:
        mutate(firm, draft)
        draft.fate = Fate("park", why)

    return kind


def _credit(_: Firm, draft: Draft) -> None:
    for line in draft.lines:
        line.amount = -line.amount


def _adopt_pending(firm: Firm, draft: Draft) -> None:
    draft.fate = Fate("adopt")
    add_pending_by_hand(firm, draft, draft.gross)


def _conflict_pending(firm: Firm, draft: Draft) -> None:
    add_pending_by_hand(firm, draft, draft.gross + Decimal("12.50"))


def _adopt_posted(firm: Firm, draft: Draft) -> None:
    draft.fate = Fate("adopt")
    add_posted(firm, draft.vendor, str(draft.number), draft.gross, draft.invoice_date or firm.today, draft.due)


def _conflict_posted(firm: Firm, draft: Draft) -> None:
    add_posted(firm, draft.vendor, str(draft.number), draft.gross * 2, draft.invoice_date or firm.today, draft.due)


def _no_such_vendor(_: Firm, draft: Draft) -> None:
    draft.vendor = replace(draft.vendor, account=f"GONE-{draft.id}", invoice_account="", name="Nobody in D365")


def _sum_differs(_: Firm, draft: Draft) -> None:
    draft.gross_off = Decimal("0.01")


def _code_missing(_: Firm, draft: Draft) -> None:
    del draft.lines[-1].values["BusinessUnit"]


def _no_lines(_: Firm, draft: Draft) -> None:
    draft.gross_off, draft.lines = draft.total, []


def _code_twice(_: Firm, draft: Draft) -> None:
    other = "COM" if draft.lines[0].values["BusinessUnit"] != "COM" else "RES"
    draft.lines[0].extra = (Code("Business Unit", other),)


def _number_missing(_: Firm, draft: Draft) -> None:
    draft.number = None


def _date_missing(_: Firm, draft: Draft) -> None:
    draft.invoice_date = None


def _currency(_: Firm, draft: Draft) -> None:
    draft.currency = "EUR"


def coded_to(account: str) -> Kind:
    """A line coded to this account."""

    def kind(_: Firm, draft: Draft) -> None:
        draft.lines[0].account = account

    return kind


def bad_account(name: str) -> Kind:
    """A line coded to one of the ledger's bad accounts."""

    def kind(firm: Firm, draft: Draft) -> None:
        if name.endswith("-here"):
            given_to(firm, draft, firm.vendor(COMPANIES[0]))
        draft.lines[0].account = firm.ledger.bad_accounts[name]

    return kind


def _bad_value(name: str) -> Kind:
    def kind(firm: Firm, draft: Draft) -> None:
        if name.endswith("-here"):
            given_to(firm, draft, firm.vendor(COMPANIES[0]))
        dimension, value = firm.ledger.bad_values[name]
        draft.lines[0].values[dimension] = value

    return kind


def _unknown_value(_: Firm, draft: Draft) -> None:
    draft.lines[0].values["Building"] = "NOWHERE-1"


def _value_of_another_company(firm: Firm, draft: Draft) -> None:
    others = [company for company in COMPANIES if company != draft.company]
    own = set(firm.ledger.values[draft.company.area]["Building"])
    foreign = [value for company in others for value in firm.ledger.values[company.area]["Building"] if value not in own]
    draft.lines[0].values["Building"] = firm.rng.choice(foreign)


def _usable_elsewhere(firm: Firm, draft: Draft) -> None:
    """What is suspended in the first company only can be used in the second."""
    given_to(firm, draft, firm.vendor(COMPANIES[1]))
    draft.lines[0].account = firm.ledger.bad_accounts["suspended-here"]
    draft.lines[0].values["Building"] = firm.ledger.bad_values["suspended-here"][1]


def _on_hold(firm: Firm, draft: Draft) -> None:
    given_to(firm, draft, firm.vendor_on_hold(*BLOCKS_INVOICES))


def _payment_hold(firm: Firm, draft: Draft) -> None:
    given_to(firm, draft, firm.vendor_on_hold("Payment"))


def _of_kind(name: str) -> Kind:
    return lambda firm, draft: given_to(firm, draft, firm.vendor_of_kind(name))


def _po(firm: Firm, draft: Draft) -> None:
    draft.po = f"PO-{draft.id}"
    firm.d365.add(
        "PurchaseOrderHeadersV2",
        dataAreaId=draft.company.area,
        PurchaseOrderNumber=draft.po,
        OrderVendorAccountNumber=draft.vendor.account,
        InvoiceVendorAccountNumber=draft.vendor.billed_to,
        PurchaseOrderStatus="Received",
        CurrencyCode=draft.company.currency,
    )


def _unknown_po(_: Firm, draft: Draft) -> None:
    draft.po = f"LOST-{draft.id}"


def _several_reasons(firm: Firm, draft: Draft) -> None:
    _on_hold(firm, draft)
    draft.lines[0].account = "999999"
    draft.gross_off = Decimal("-1.00")
    draft.fate = Fate("park", "several", ("vendor-on-hold", "account-missing", "sum-differs"))


def _number_as_number(_: Firm, draft: Draft) -> None:
    draft.number = 40_000_000 + draft.id


def _remit_suffix(_: Firm, draft: Draft) -> None:
    draft.vendor_ref = f"{draft.vendor.account}|LOCKBOX"


def _other_terms(_: Firm, draft: Draft) -> None:
    draft.terms = "2% 10 Net 30"


def _posting_date(_: Firm, draft: Draft) -> None:
    draft.posting_date = draft.closed


def _no_currency(firm: Firm, draft: Draft) -> None:
    """Without a code the contract's default holds: USD, so only for a company that keeps its books in it."""
    given_to(firm, draft, firm.vendor(COMPANIES[0]))
    draft.currency = None


def _before_start(firm: Firm, draft: Draft) -> None:
    draft.closed = firm.start - timedelta(days=firm.rng.randint(1, 3))
    draft.invoice_date = draft.closed - timedelta(days=9)
    draft.fate = Fate("leave", "before-start")


def _twin_of_previous(_: Firm, draft: Draft) -> None:
    """Marked here, made a copy of a plain invoice once all are there."""
    draft.fate = Fate("park", "duplicate-number")


KINDS: dict[str, Kind] = {
    "credit": _credit,
    "adopt-pending": _adopt_pending,
    "conflict-pending": parked("conflict", _conflict_pending),
    "vendor-missing": parked("vendor-missing", _no_such_vendor),
    "vendor-on-hold": parked("vendor-on-hold", _on_hold),
    "sum-differs": parked("sum-differs", _sum_differs),
    "code-missing": parked("code-missing", _code_missing),
    "before-start": _before_start,
    "duplicate": _twin_of_previous,
    "account-missing": parked("account-missing", coded_to("999999")),
    "dimension-missing": parked("dimension-missing", _unknown_value),
    "purchase-order": parked("purchase-order", _po),
    "account-suspended": parked("account-not-usable", bad_account("suspended")),
    "value-suspended": parked("dimension-not-usable", _bad_value("suspended")),
    "value-ended": parked("dimension-not-usable", _bad_value("ended")),
    "value-of-another-company": parked("dimension-not-usable", _value_of_another_company),
    "number-missing": parked("field-missing", _number_missing),
    "currency": parked("currency-differs", _currency),
    "date-missing": parked("field-missing", _date_missing),
    "account-suspended-here": parked("account-not-usable", bad_account("suspended-here")),
    "account-total": parked("account-not-usable", bad_account("total")),
    "account-ended": parked("account-not-usable", bad_account("ended")),
    "account-no-manual": parked("account-not-usable", bad_account("no-manual")),
    "value-suspended-here": parked("dimension-not-usable", _bad_value("suspended-here")),
    "value-future": parked("dimension-not-usable", _bad_value("future")),
    "value-total": parked("dimension-not-usable", _bad_value("total")),
    "value-blocked": parked("dimension-not-usable", _bad_value("blocked")),
    "adopt-posted": _adopt_posted,
    "conflict-posted": parked("conflict", _conflict_posted),
    "duplicate-case": _twin_of_previous,
    "purchase-order-unknown": parked("purchase-order", _unknown_po),
    "no-lines": parked("no-lines", _no_lines),
    "code-twice": parked("code-twice", _code_twice),
    "several-reasons": _several_reasons,
    "usable-elsewhere": _usable_elsewhere,
    "payment-hold": _payment_hold,
    "hold-released": _of_kind("released-invoice"),
    "invoice-account": _of_kind("invoice-account"),
    "leading-blank": _of_kind("leading-blank"),
    "apostrophe": _of_kind("apostrophe"),
    "number-as-number": _number_as_number,
    "remit-suffix": _remit_suffix,
    "other-terms": _other_terms,
    "posting-date": _posting_date,
    "no-currency": _no_currency,
}


def _add_twins(firm: Firm, drafts: list[Draft]) -> None:
    """Copies under a later Id, closed two days after the original; every second one in another case. Either of the two may be written."""
    early = firm.today - timedelta(days=3)
    plain = [draft for draft in drafts if draft.fate.action == "write" and isinstance(draft.number, str) and draft.closed <= early]
    marked = [index for index, draft in enumerate(drafts) if draft.fate.why == "duplicate-number"]
    for position, index in enumerate(marked):
        original, twin = plain[-1 - position], drafts[index]
        number = str(original.number)
        closed = original.closed + timedelta(days=2)
        original.id, later = sorted((original.id, twin.id))
        drafts[index] = replace(original, id=later, closed=closed, fate=twin.fate, number=number.swapcase() if position % 2 else number)

"""Further kinds of payments: every check has its case, and every status comes with every method under both policies; for the firm in full
(contracts/avidxchange.md §3, Payments).
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from sandbox.worlds.by_hand import add_journal_by_hand, add_posted
from sandbox.worlds.firm import Firm
from sandbox.worlds.firm_payments import CENT, NOT_YET, Kind, given_to, park, pay_by, posted, status
from sandbox.worlds.firm_setup import CLOSED_COMPANY, COMPANIES, ISSUE_COMPANY
from sandbox.worlds.model import Fate, Settlement
from sandbox.worlds.more_invoices import HALF_A_CHARACTER
from sandbox.worlds.payment_drafts import PaymentDraft

NO_DATE_YEAR = 1900
METHODS: Mapping[str, str] = {"check": "AvidPay Check", "ach": "ACH", "virtual_card": "VCC", "internal": "e-Payment"}
"""Each kind of payment by one of its texts."""
UNKNOWN_STATUS = "Returned to Sender"
REASONS = ((7, "Supplier account closed"),)
CLEARING = ((4, "Address is being verified"), (9, "Waiting for the bank file"))
"""Reasons that AvidXchange clears by itself."""


def _error(*reasons: tuple[int, str]) -> Kind:
    def kind(_: Firm, draft: PaymentDraft) -> None:
        draft.status, draft.cleared, draft.exceptions = "Error", None, reasons
        draft.fate = Fate("park", "payment-error")

    return kind


def _error_that_clears(firm: Firm, draft: PaymentDraft) -> None:
    _error(*CLEARING)(firm, draft)
    draft.fate = Fate("park", "payment-error-clears")


def _unknown_status(_: Firm, draft: PaymentDraft) -> None:
    draft.status, draft.cleared = UNKNOWN_STATUS, None


def _plain(_: Firm, draft: PaymentDraft) -> None:
    draft.status = "Cleared"


def _of(company_index: int, kind: Kind) -> Kind:
    """The same for a vendor of one of the companies."""

    def given(firm: Firm, draft: PaymentDraft) -> None:
        given_to(firm, draft, firm.vendor(COMPANIES[company_index]))
        kind(firm, draft)

    return given


def _too_long(firm: Firm, draft: PaymentDraft) -> None:
    given_to(firm, draft, firm.vendor(COMPANIES[0]))
    draft.day = firm.today - timedelta(days=15)
    status("Issued to Supplier")(firm, draft)


def _method_not_mapped(firm: Firm, draft: PaymentDraft) -> None:
    given_to(firm, draft, firm.vendor(CLOSED_COMPANY))
    pay_by(firm, draft, "e-Payment")


def _period_closed(firm: Firm, draft: PaymentDraft) -> None:
    given_to(firm, draft, firm.vendor(CLOSED_COMPANY))
    draft.day = firm.first_open_day - timedelta(days=1)
    draft.cleared = draft.modified = firm.first_open_day


def _vendor_missing(_: Firm, draft: PaymentDraft) -> None:
    draft.payee = f"GONE-{draft.id}"
    draft.fate = Fate("park", "several", ("vendor-missing", "invoice-unknown"))


def _vendor_none(_: Firm, draft: PaymentDraft) -> None:
    draft.payee = ""
    draft.fate = Fate("park", "several", ("vendor-missing", "invoice-unknown"))


def _net_differs(_: Firm, draft: PaymentDraft) -> None:
    draft.paid[0].net_off = -CENT


def _no_due_date(firm: Firm, draft: PaymentDraft) -> None:
    """D365 shows 1900-01-01 for no day."""
    settlement = draft.paid[0].settlement
    row = firm.d365.one("VendTransBiEntities", dataAreaId=draft.company.area, AccountNum=draft.vendor.billed_to, Invoice=settlement.number)
    key = {"dataAreaId": row["dataAreaId"], "SourceKey": row["SourceKey"]}
    firm.d365.change("VendTransBiEntities", key, DueDate=settlement.due.replace(year=NO_DATE_YEAR, month=1, day=1))


def _no_company(firm: Firm, draft: PaymentDraft) -> None:
    """Neither its bank account nor its invoice says of which company it is."""
    draft.bank_client_id = "TQ-OLD-ACCOUNT"
    settlement = draft.paid[0].settlement
    draft.paid[0].settlement = Settlement(firm.number(), settlement.due, settlement.gross, settlement.discount)


def _two_companies(firm: Firm, draft: PaymentDraft) -> None:
    """Two vendors of one account in two companies, each with an invoice of that number; its bank account says nothing."""
    first, second = COMPANIES[0], COMPANIES[1]
    given_to(firm, draft, firm.vendor(first, "plain"))
    draft.bank_client_id = "TQ-OLD-ACCOUNT"
    twin = replace(draft.vendor, company=second)
    name = {"VendorGroupId": "TRADE", "VendorPartyType": "Organization", "VendorOrganizationName": twin.name, "OnHoldStatus": "No"}
    firm.d365.add("VendorsV3", dataAreaId=second.area, VendorAccountNumber=twin.account, CurrencyCode=second.currency, **name)
    paid = draft.paid[0]
    add_posted(firm, twin, paid.settlement.number, paid.settlement.gross, paid.dated, paid.settlement.due)


def _marked_elsewhere(firm: Firm, draft: PaymentDraft) -> None:
    add_journal_by_hand(firm, draft, draft.amount, "", marks=True)


def _adopted(firm: Firm, draft: PaymentDraft) -> None:
    add_journal_by_hand(firm, draft, draft.amount, str(draft.id))
    draft.fate = Fate("adopt")


def _conflict(firm: Firm, draft: PaymentDraft) -> None:
    add_journal_by_hand(firm, draft, draft.amount + 1, str(draft.id))


def _unreadable(_: Firm, draft: PaymentDraft) -> None:
    draft.card = HALF_A_CHARACTER


def _credit_too_large(firm: Firm, draft: PaymentDraft) -> None:
    """More is taken of a credit than is left of it."""
    credit = (draft.paid[0].settlement.gross / 4).quantize(CENT)
    draft.paid.append(posted(firm, draft.vendor, -credit, -(credit + Decimal(1))))


MORE_PAYMENT_KINDS: dict[str, Kind] = {
    "error-clears": _error_that_clears,
    "error-some-clear": _error((5, "Waiting for the bank file"), *REASONS),
    "error-without-reason": _error(),
    "issued-too-long": _too_long,
    "method-not-mapped": park("not-mapped", _method_not_mapped),
    "period-closed": park("period-closed", _period_closed),
    "vendor-missing": _vendor_missing,
    "vendor-none": _vendor_none,
    "net-differs": park("sum-differs", _net_differs),
    "no-due-date": park("due-dates", _no_due_date),
    "no-company": park("company-unclear", _no_company),
    "two-companies": park("company-unclear", _two_companies),
    "marked-elsewhere": park("marked-elsewhere", _marked_elsewhere),
    "adopted": _adopted,
    "conflict": park("conflict", _conflict),
    "unreadable": park("field-invalid", _unreadable),
    "credit-too-large": park("remaining-too-small", _credit_too_large),
}

STATES: dict[str, Kind] = {
    **{text: status(text) for text in NOT_YET},
    "Cleared": _plain,
    "Error": _error(*REASONS),
    UNKNOWN_STATUS: park("payment-status", _unknown_status),
}


def every_state() -> dict[str, Kind]:
    """Every status with every method in a company that writes what has settled and in one that writes what is issued."""
    return {
        f"{text} {method} {company.id}": _in_state(method, state, COMPANIES.index(company))
        for company in (COMPANIES[0], ISSUE_COMPANY)
        for text, state in STATES.items()
        for method in METHODS.values()
    }


def _in_state(method: str, state: Kind, company_index: int) -> Kind:
    def kind(firm: Firm, draft: PaymentDraft) -> None:
        pay_by(firm, draft, method)
        state(firm, draft)

    return _of(company_index, kind)

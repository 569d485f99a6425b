"""Whose books a payment belongs to: every source that is there must name one and the same (contracts/avidxchange.md §3, Payments)."""

from collections.abc import Callable, Sequence

from sync.avid.models import AvidPayment
from sync.causes import Cause
from sync.connections.document import Company

Named = frozenset[str]
"""The ids of the companies that one source names."""


def company_of(payment: AvidPayment, companies: Sequence[Company], companies_with: Callable[[str], Named]) -> Company | Cause:
    """The company, or why it is not clear. `companies_with` gives the companies in which the payee has an invoice of this number."""
    sources = [*_by_bank(payment, companies), *_by_system(payment, companies), *_by_invoices(payment, companies_with)]
    first = sources[0] if sources else Named()
    if len(first) == 1 and all(named == first for named in sources):
        return next(company for company in companies if company.id in first)
    named = " / ".join(sorted({", ".join(sorted(source)) or "none of the companies" for source in sources})) or "nothing"
    name, payee = f"Payment {payment.id}", payment.payee_name or payment.payee_id
    sentence = f"{name} of {payee}: its bank account, accounting system and invoices name {named}."
    return Cause("company-unclear", name, sentence, "BankAccount.ClientIds")


def _by_bank(payment: AvidPayment, companies: Sequence[Company]) -> list[Named]:
    """No source where the payment names no bank account, or the customer maps none; one that is not in the map names no company."""
    ids = set(payment.bank_client_ids)
    if not ids or not any(company.bank_client_ids for company in companies):
        return []
    return [Named(company.id for company in companies if ids & set(company.bank_client_ids))]


def _by_system(payment: AvidPayment, companies: Sequence[Company]) -> list[Named]:
    """No source where the payment names no accounting system; one that is not connected names no company."""
    system = payment.accounting_system
    return [Named(company.id for company in companies if company.accounting_system == system)] if system else []


def _by_invoices(payment: AvidPayment, companies_with: Callable[[str], Named]) -> list[Named]:
    """An invoice that D365 does not have says nothing: the check of the settlements parks its payment."""
    found = (companies_with(item.number) for item in payment.remittances)
    return [companies for companies in found if companies]

"""A payment while it is being made up: its AvidXchange form and the journal line it must become come from the same draft."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal

from sandbox.avid import Payment, Remittance
from sandbox.worlds.firm_setup import DIMENSIONS, METHODS, Company
from sandbox.worlds.firm_vendors import Vendor
from sandbox.worlds.model import WRITE, ExpectedInvoice, ExpectedPayment, Fate, Settlement
from sandbox.worlds.strings import display_value, shared_values

KIND_OF_METHOD = {
    "Check": "check",
    "AvidPay Check": "check",
    "AvidPay Direct": "ach",
    "ACH": "ach",
    "Virtual Credit Card": "virtual_card",
    "VCC": "virtual_card",
    "e-Payment": "internal",
}


@dataclass
class Paid:
    """One remittance: what it settles, when that invoice was dated, and the AvidXchange invoice where it is one of ours."""

    settlement: Settlement
    dated: date
    invoice: ExpectedInvoice | None = None
    net_off: Decimal = Decimal(0)
    """What makes its net amount differ from gross less discount."""


@dataclass
class PaymentDraft:
    """One payment. `day` is its PaymentDate, `modified` the day of its last change; `amount_off` makes it differ from its remittances."""

    id: int
    vendor: Vendor
    method: str
    day: date | None
    modified: date
    paid: list[Paid]
    status: str = "Cleared"
    cleared: date | None = None
    avidpay_check: str = ""
    check: str = ""
    trace: str = ""
    card: str = ""
    currency: str = ""
    bank_client_id: str = ""
    payee: str | None = None
    """Whom AvidXchange names as the vendor; None: the vendor's account."""
    amount_off: Decimal = Decimal(0)
    listed: bool = True
    remitted: bool = True
    exceptions: tuple[tuple[int, str], ...] = ()
    fate: Fate = WRITE
    pays: list[tuple[int, int]] = field(default_factory=list)

    @property
    def company(self) -> Company:
        """The company whose invoices it pays."""
        return self.vendor.company

    @property
    def amount(self) -> Decimal:
        """What the payment says it is worth: the sum of its net amounts unless the draft is off on purpose."""
        return sum((paid.settlement.net for paid in self.paid), self.amount_off)

    def payment(self) -> Payment:
        """The AvidXchange form."""
        return Payment(
            id=self.id,
            batch_id=self.id // 10,
            amount=self.amount,
            status=self.status,
            method=self.method,
            payee_id=self.vendor.account if self.payee is None else self.payee,
            payee_name=self.vendor.name,
            last_modified=datetime.combine(self.modified, time(20, 5), UTC),
            remittances=tuple(_remittance(paid) for paid in self.paid) if self.remitted else (),
            bank_client_ids=(self.bank_client_id or self.company.bank_client_id,),
            accounting_system=self.company.accounting_system,
            check_number=self.check,
            avidpay_check_number=self.avidpay_check,
            payment_date=self.day,
            cleared_date=self.cleared,
            ach_trace_number=self.trace,
            card_last_four=self.card,
            currency=self.currency or self.company.currency,
            external_payment_ids=(f"X{self.id}",),
            exceptions=self.exceptions,
            remittances_listed=self.listed and self.remitted,
        )

    def expected(self) -> ExpectedPayment:
        """The journal line it must become, and its fate."""
        kind = KIND_OF_METHOD.get(self.method, "check")
        method, bank = METHODS[kind]
        return ExpectedPayment(
            id=self.id,
            company=self.company.area,
            account=self.vendor.billed_to,
            amount=self.amount,
            currency=self.company.currency,
            method=method,
            bank=bank,
            check_number=(self.avidpay_check or self.check) if kind == "check" else "",
            reference=self.trace if kind == "ach" else "",
            dated=self.day or self.cleared,
            settlements=tuple(paid.settlement for paid in self.paid),
            dimensions=self._dimensions(),
            fate=self.fate,
            pays=tuple(self.pays),
        )

    def _dimensions(self) -> str:
        """Per dimension the value that all paid distributions share; nothing where the coding of an invoice is not known."""
        invoices = [paid.invoice for paid in self.paid]
        known = [values for invoice in invoices if invoice is not None for values in invoice.values]
        return display_value(DIMENSIONS, shared_values(known) if None not in invoices else {})


def _remittance(paid: Paid) -> Remittance:
    settlement, invoice = paid.settlement, paid.invoice
    external = "" if invoice is None else str(invoice.id)
    return Remittance(settlement.number, external, paid.dated, settlement.gross, settlement.discount, settlement.net + paid.net_off)

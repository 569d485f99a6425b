"""What will be written for one payment: one journal line and one settlement row per remittance (contracts/d365-fo.md §6)."""

from datetime import date
from decimal import Decimal

from pydantic import BaseModel, ConfigDict


class PlannedSettlement(BaseModel):
    """One paid invoice. `number` is D365's exact text; amounts are positive for an invoice, negative for a credit."""

    model_config = ConfigDict(frozen=True)

    invoice_account: str
    number: str
    due_day: date
    gross: Decimal
    discount: Decimal
    net: Decimal


class PaymentPlan(BaseModel):
    """One vendor payment journal line. The journal and the line number are fixed at the claim and stand in the record's progress."""

    model_config = ConfigDict(frozen=True)

    payment_id: str
    company: str
    journal_name: str
    bank_account: str
    currency: str
    invoice_account: str
    account_display: str
    amount: Decimal
    method: str
    day: date
    check_number: str
    reference: str
    text: str
    account_dimensions: str
    offset_dimensions: str
    marked_invoice: str = ""
    """The one invoice that the line settles whole, where settlement rows are refused (policy `settlement`)."""
    held: str = ""
    """The hold that the vendor is on: reported, never in the way (contracts/d365-fo.md §6)."""
    settlements: tuple[PlannedSettlement, ...]

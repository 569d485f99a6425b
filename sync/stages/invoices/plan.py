"""What will be written for one invoice: fixed at the claim, durable before the first write, compared with what D365 stored afterwards."""

from datetime import date
from decimal import Decimal

from pydantic import BaseModel, ConfigDict

from sync.values import key_digest

MARKER = "AVX-"


class PlannedLine(BaseModel):
    """One line of the pending invoice. `amount` is signed; the strings are D365 display values (contracts/d365-fo.md §7)."""

    model_config = ConfigDict(frozen=True)

    number: int
    amount: Decimal
    description: str
    main_account: str
    values: dict[str, str]
    account_string: str = ""
    dimension_string: str = ""
    tax_group: str = ""
    item_tax_group: str = ""


class InvoicePlan(BaseModel):
    """One pending vendor invoice (contracts/d365-fo.md §5). Days are dates; the wire makes them noon UTC."""

    model_config = ConfigDict(frozen=True)

    company: str
    vendor: str
    invoice_account: str
    number: str
    amount: Decimal
    currency: str
    invoice_day: date
    posting_day: date
    due_day: date | None
    terms: str
    method: str
    description: str
    document_number: str
    comment: str
    marker: str
    header_dimensions: str
    category: str
    category_hierarchy: str
    image_url: str = ""
    lines: tuple[PlannedLine, ...]

    @property
    def alias(self) -> str:
        """The second natural key: company, invoice account, number, folded as D365 compares (design §1)."""
        return invoice_alias(self.company, self.invoice_account, self.number)


def invoice_alias(company: str, invoice_account: str, number: str) -> str:
    """The digest of an invoice's natural key in D365."""
    return key_digest(company, invoice_account, number)


def invoice_marker(record_key: str) -> str:
    """What tells our pending invoice from one entered by hand; it stands first in the header's Comment, so that a cut text keeps it."""
    return MARKER + record_key[:20]

"""An invoice while it is being made up: its AvidXchange form and what D365 must hold of it come from the same draft."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal

from sandbox.avid import Code, Distribution, Invoice
from sandbox.worlds.firm import Firm
from sandbox.worlds.firm_setup import CODE_GROUPS, DIMENSIONS, LEDGER_FORMAT, PLACEHOLDER, Company
from sandbox.worlds.firm_vendors import Vendor
from sandbox.worlds.model import WRITE, ExpectedInvoice, ExpectedLine, Fate
from sandbox.worlds.strings import MAIN_ACCOUNT, display_value, shared_values

IMAGE_HOST = "images.thornquill.example"


@dataclass
class Line:
    """One distribution. `values` are dimension values as coded; an absent one is not coded, the placeholder stands for none."""

    amount: Decimal
    description: str
    account: str
    values: dict[str, str]
    extra: tuple[Code, ...] = ()

    def clean(self) -> dict[str, str]:
        """The dimension values as D365 gets them, every dimension named."""
        coded = {name: self.values.get(name, "") for name in DIMENSIONS}
        return {name: "" if value == PLACEHOLDER else value for name, value in coded.items()}


@dataclass
class Draft:
    """One invoice. `closed` is the day its batch is closed; `vendor_ref` is what AvidXchange names as the vendor."""

    id: int
    vendor: Vendor
    number: str | int | None
    invoice_date: date | None
    due: date
    closed: date
    lines: list[Line]
    vendor_ref: str = ""
    gross_off: Decimal = Decimal(0)
    po: str = ""
    currency: str | None = ""
    terms: str = ""
    posting_date: date | None = None
    memo: str = ""
    image: str = ""
    """The path of its image on the firm's own host, or a whole address elsewhere."""
    fate: Fate = WRITE
    codes: list[Code] = field(default_factory=list)

    @property
    def company(self) -> Company:
        """The company it belongs to."""
        return self.vendor.company

    @property
    def total(self) -> Decimal:
        """The sum of its lines."""
        return sum((line.amount for line in self.lines), Decimal(0))

    @property
    def gross(self) -> Decimal:
        """What the invoice says it is worth: the sum of its lines unless the draft is off on purpose."""
        return self.total + self.gross_off

    def invoice(self, names: Mapping[tuple[str, str], str]) -> Invoice:
        """The AvidXchange form. `names` are the descriptions by (dimension, value)."""
        return Invoice(
            id=self.id,
            number=self.number,
            invoice_date=self.invoice_date,
            due_date=self.due,
            gross=self.gross,
            vendor_id=self.vendor_ref or self.vendor.account,
            vendor_name=self.vendor.name,
            distributions=tuple(_distribution(line, names) for line in self.lines),
            last_changed=datetime.combine(self.closed, time(15, 10), UTC),
            memo=self.memo or (self.lines[0].description if self.lines else ""),
            terms=self.terms or self.vendor.terms,
            po_number=self.po,
            posting_date=self.posting_date,
            image_url=f"https://{IMAGE_HOST}{self.image}" if self.image.startswith("/") else self.image,
            currency=self.company.currency if self.currency == "" else self.currency,
        )

    def expected(self) -> ExpectedInvoice:
        """What must become of it."""
        values = tuple(line.clean() for line in self.lines)
        return ExpectedInvoice(
            accounting_system=self.company.accounting_system,
            id=self.id,
            company=self.company.area,
            vendor_account=self.vendor.account,
            invoice_account=self.vendor.billed_to,
            number="" if self.number is None else str(self.number),
            dated=self.invoice_date,
            posted_on=self.posting_date or self.invoice_date,
            due=self.due,
            currency=self.company.currency,
            gross=self.gross,
            header=display_value(DIMENSIONS, shared_values(values)),
            lines=tuple(_expected_line(line) for line in self.lines),
            values=values,
            fate=self.fate,
        )


def _distribution(line: Line, names: Mapping[tuple[str, str], str]) -> Distribution:
    coded = {MAIN_ACCOUNT: line.account, **line.values}
    codes = [Code(CODE_GROUPS[name], value, names.get((name, value), "")) for name, value in coded.items() if value]
    return Distribution(line.amount, line.description, (*codes, *line.extra))


def _expected_line(line: Line) -> ExpectedLine:
    values = line.clean()
    ledger = display_value(LEDGER_FORMAT, {MAIN_ACCOUNT: line.account, **values})
    return ExpectedLine(line.amount, ledger, display_value(DIMENSIONS, values))


def add_batches(firm: Firm, drafts: list[Draft]) -> None:
    """Put all drafts into closed batches, by company and close day, and note what must become of them."""
    grouped: dict[tuple[date, Company], list[Draft]] = {}
    for draft in drafts:
        grouped.setdefault((draft.closed, draft.company), []).append(draft)
        firm.expected.invoices[draft.company.accounting_system, draft.id] = draft.expected()
    for day, company in sorted(grouped, key=lambda key: (key[0], key[1].id)):
        invoices = [draft.invoice(firm.ledger.names) for draft in grouped[day, company]]
        firm.avid.add_batch(
            company.accounting_system, invoices, datetime.combine(day, time(17, 30), UTC), f"{company.id} {day.isoformat()}"
        )

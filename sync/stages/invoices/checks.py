"""Every check before D365, with all its causes, and the plan when there are none (contracts/avidxchange.md §3, contracts/d365-fo.md §5)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from sync.avid.models import AvidInvoice, CodeGroup, Distribution
from sync.causes import Cause
from sync.connections.document import MAIN_ACCOUNT, Company, Connection, PostingDates, PurchaseOrders
from sync.d365.reference import CompanyReference, Reason
from sync.d365.rows import PurchaseOrder, Vendor
from sync.engine.delivery import Park, Ready, Verdict
from sync.stages.invoices.plan import InvoicePlan, PlannedLine, invoice_marker
from sync.values import CENT, money_text


@dataclass(frozen=True)
class Books:
    """What the checks of one company's invoices ask: the customer's document, D365's reference data, AvidXchange's code groups."""

    connection: Connection
    company: Company
    reference: CompanyReference
    required_groups: frozenset[str]
    purchase_order: Callable[[str], PurchaseOrder | None]

    @classmethod
    def required(cls, groups: Iterable[CodeGroup]) -> frozenset[str]:
        """The names of the code groups that AvidXchange requires."""
        return frozenset(group.name for group in groups if group.is_required)


class InvoiceCheck:
    """The checks of one invoice. Causes are collected in the order a person reads an invoice."""

    def __init__(self, books: Books, invoice: AvidInvoice, record_key: str) -> None:
        self._books = books
        self._invoice = invoice
        self._record_key = record_key
        self._causes: list[Cause] = []
        self._name = f"Invoice {invoice.number or '(no number)'}"

    def verdict(self) -> Verdict:
        """Ready with the plan, or Park with every cause."""
        vendor = self._vendor()
        self._required_fields()
        self._currency(vendor)
        self._causes += total_causes(self._invoice, self._name)
        posting_day = self._posting_day()
        self._purchase_order(vendor)
        lines = [self._line(number, line, vendor, posting_day) for number, line in enumerate(self._invoice.distributions, start=1)]
        if self._causes or vendor is None or posting_day is None:
            return Park(tuple(self._causes))
        plan = self._plan(vendor, posting_day, [self._with_strings(line) for line in lines])
        facts = {"invoice_account": plan.invoice_account, "image": "1" if plan.image_url else ""}
        return Ready(plan.model_dump_json(), alias=plan.alias, facts=facts)

    # --- header ------------------------------------------------------------------------------------------------------------------

    def _vendor(self) -> Vendor | None:
        account = self._invoice.vendor_id
        if not account:
            self._park(
                "field-missing",
                self._name,
                f"{self._name} (AvidXchange id {self._invoice.id}) names no vendor of D365.",
                "BuyerVendor.VendorExternalSystemID",
            )
            return None
        vendor = self._books.reference.vendor(account)
        if vendor is None:
            self._park("vendor-missing", f"vendor {account}", f"Vendor {account} does not exist in company {self._books.company.id}.")
        elif self._books.reference.blocked_for_invoices(vendor):
            self._park(
                "vendor-on-hold",
                f"vendor {account}",
                f"Vendor {account} is on hold ({vendor.on_hold}) in company {self._books.company.id}.",
            )
        return vendor

    def _required_fields(self) -> None:
        fields = (("Number", "number", self._invoice.number), ("InvoiceDate", "invoice date", self._invoice.invoice_date))
        for field, called, value in fields:
            if not value:
                self._park("field-missing", self._name, f"{self._name} (AvidXchange id {self._invoice.id}) has no {called}.", field)

    def _currency(self, vendor: Vendor | None) -> None:
        usual = {self._books.company.currency, *([vendor.currency] if vendor and vendor.currency else [])}
        if self._invoice.currency not in usual:
            expected = " or ".join(sorted(usual))
            self._park("currency-differs", self._name, f"{self._name} is in {self._invoice.currency}; expected {expected}.", "CurrencyCode")

    def _posting_day(self) -> date | None:
        day = self._invoice.posting_date or self._invoice.invoice_date
        first = self._books.company.first_open_day
        if day is None or first is None or day >= first:
            return day
        if self._books.connection.policies.posting_dates is PostingDates.FIRST_OPEN_DAY:
            return first
        self._park(
            "period-closed",
            f"company {self._books.company.id}",
            f"{self._name} would post on {day}, before the first open day {first}.",
            "PostingDate",
        )
        return day

    def _purchase_order(self, vendor: Vendor | None) -> None:
        number = self._invoice.po_number
        if not number:
            return
        if self._books.connection.policies.purchase_orders is PurchaseOrders.PARK:
            self._park("purchase-order", f"purchase order {number}", f"{self._name} names purchase order {number}.", "PONumber")
            return
        order = self._books.purchase_order(number)
        if order is None:
            self._park("purchase-order", f"purchase order {number}", f"{self._name}: purchase order {number} does not exist.", "PONumber")
        elif vendor is not None and vendor.account.lower() not in (order.vendor.lower(), order.invoice_vendor.lower()):
            self._park(
                "purchase-order",
                f"purchase order {number}",
                f"{self._name}: purchase order {number} is vendor {order.vendor}'s.",
                "PONumber",
            )

    # --- lines -------------------------------------------------------------------------------------------------------------------

    def _line(self, number: int, line: Distribution, vendor: Vendor | None, day: date | None) -> PlannedLine:
        account = self._coded(number, line, MAIN_ACCOUNT, required=True)
        values = {name: self._coded(number, line, name, required=False) for name in self._books.connection.dimensions}
        self._unmapped_groups(number, line)
        if account and day is not None:
            self._check_account(number, account, day)
        for name, value in values.items():
            if value and day is not None:
                self._check_value(number, name, value, day)
        item_tax_group = self._item_tax_group(number, line)
        return PlannedLine(
            number=number,
            amount=line.amount,
            description=line.description or self._invoice.memo,
            main_account=account,
            values={name: value for name, value in values.items() if value},
            tax_group=self._tax_group(number, vendor) if item_tax_group else "",
            item_tax_group=item_tax_group,
        )

    def _with_strings(self, line: PlannedLine) -> PlannedLine:
        formats = self._books.reference.formats
        strings = {
            "account_string": formats.ledger_string(line.main_account, line.values),
            "dimension_string": formats.default_string(line.values),
        }
        return line.model_copy(update=strings)

    def _coded(self, number: int, line: Distribution, name: str, *, required: bool) -> str:
        group = self._books.connection.code_groups[name]
        placeholder = self._books.connection.null_placeholder
        codes = [value for value in line.values_of(group) if value and value != placeholder]
        if len(codes) > 1:
            self._park("code-twice", self._name, f"{self._name}, line {number}: {len(codes)} codes of {group}.", group)
        if not codes and (required or group in self._books.required_groups) and not self._is_placeholder(line, group):
            self._park("code-missing", self._name, f"{self._name}, line {number}: no code of {group}.", group)
        return codes[0] if codes else ""

    def _is_placeholder(self, line: Distribution, group: str) -> bool:
        placeholder = self._books.connection.null_placeholder
        return bool(placeholder) and group != self._books.connection.code_groups[MAIN_ACCOUNT] and placeholder in line.values_of(group)

    def _unmapped_groups(self, number: int, line: Distribution) -> None:
        connection = self._books.connection
        known = {*connection.code_groups.values(), *connection.ignored_code_groups, connection.sales_tax_code_group}
        for group in sorted({coding.group for coding in line.codings} - known):
            sentence = f"{self._name}, line {number}: code group {group} is neither under code_groups nor under ignored_code_groups."
            self._park("not-mapped", f"code group {group}", sentence, "code_groups")

    def _tax_group(self, number: int, vendor: Vendor | None) -> str:
        """D365 reckons tax only on lines with both groups, so a line with an item group gets the company's setting, else the vendor's."""
        group = self._books.company.sales_tax_group or (vendor.sales_tax_group if vendor is not None else "")
        if not group and vendor is not None:
            subject = f"sales tax group of company {self._books.company.id}"
            sentence = (
                f"{self._name}, line {number}: it carries an item sales tax group, but vendor {vendor.account} has no sales tax group; "
                "set companies.sales_tax_group, or the vendor's group in D365."
            )
            self._park("not-mapped", subject, sentence, "companies.sales_tax_group")
        return group

    def _item_tax_group(self, number: int, line: Distribution) -> str:
        group = self._books.connection.sales_tax_code_group
        codes = line.values_of(group) if group else ()
        if len(codes) > 1:
            self._park("code-twice", self._name, f"{self._name}, line {number}: {len(codes)} codes of {group}.", group)
        return codes[0] if codes else ""

    def _check_account(self, number: int, account: str, day: date) -> None:
        reason = self._books.reference.usable_account(account, day)
        if reason is not None:
            code = "account-missing" if reason == "missing" else "account-not-usable"
            self._park(
                code, f"main account {account}", f"{self._name}, line {number}: main account {account} {said(reason, day)}.", MAIN_ACCOUNT
            )

    def _check_value(self, number: int, name: str, value: str, day: date) -> None:
        reason = self._books.reference.usable_value(name, value, day)
        if reason is not None:
            code = "dimension-missing" if reason == "missing" else "dimension-not-usable"
            self._park(code, f"{name} {value}", f"{self._name}, line {number}: {name} {value} {said(reason, day)}.", name)
        elif self._books.reference.formats.missing([name]):
            sentence = f"{name} is not in both active dimension formats of D365, so D365 would drop it without a word."
            self._park("dimension-not-in-format", f"dimension {name}", sentence, name)

    # --- plan --------------------------------------------------------------------------------------------------------------------

    def _plan(self, vendor: Vendor, posting_day: date, lines: list[PlannedLine]) -> InvoicePlan:
        invoice, company = self._invoice, self._books.company
        assert invoice.invoice_date is not None
        marker = invoice_marker(self._record_key)
        shared = shared_values(lines)
        return InvoicePlan(
            company=company.id,
            vendor=vendor.account,
            invoice_account=vendor.invoice_account,
            number=invoice.number,
            amount=invoice.gross,
            currency=invoice.currency,
            invoice_day=invoice.invoice_date,
            posting_day=posting_day,
            due_day=invoice.due_date,
            terms=invoice.terms if invoice.terms in self._books.reference.terms else "",
            method=company.invoice_payment_method,
            description=invoice.memo,
            document_number=invoice.po_number,
            comment=f"{marker} Approved in AvidXchange, invoice id {invoice.id}.",
            marker=marker,
            header_dimensions=self._books.reference.formats.default_string(shared) if shared else "",
            category=company.procurement_category,
            category_hierarchy=company.procurement_hierarchy,
            image_url=invoice.image_url if self._books.connection.avidxchange.image_hosts else "",
            lines=tuple(lines),
        )

    def _park(self, code: str, subject: str, sentence: str, field: str = "") -> None:
        self._causes.append(Cause(code, subject, sentence, field))


def total_causes(invoice: AvidInvoice, name: str) -> list[Cause]:
    """There are lines, they add up to the invoice to the cent, and nothing has fractions of a cent. `name` is what a person calls it."""
    lines = invoice.distributions
    if not lines:
        return [Cause("no-lines", name, f"{name} has no lines.", "Distributions")]
    causes = [
        Cause("field-invalid", name, f"{name}: the amount {amount} has fractions of a cent.", "Amount")
        for amount in (invoice.gross, *(line.amount for line in lines))
        if amount != amount.quantize(CENT)
    ]
    total = sum((line.amount for line in lines), Decimal(0))
    if total != invoice.gross:
        sentence = f"{name}: the lines add up to {money_text(total)}, the invoice says {money_text(invoice.gross)}."
        causes.append(Cause("sum-differs", name, sentence, "GrossAmount"))
    return causes


def said(reason: Reason, day: date) -> str:
    """Why an account or a value cannot be used, as the end of a sentence."""
    if reason in ("not yet active", "expired"):
        return f"is {'not active yet' if reason == 'not yet active' else 'no longer active'} on {day}"
    return REASONS[reason]


REASONS: Final[Mapping[Reason, str]] = {
    "missing": "does not exist",
    "suspended": "is suspended",
    "total": "is a total, nothing can be posted to it",
    "manual entry blocked": "is blocked for manual entry",
    "other company": "belongs to another company",
}


def shared_values(lines: list[PlannedLine]) -> dict[str, str]:
    """The dimension values that every line carries: only these go on the header (contracts/d365-fo.md §5)."""
    first, *others = lines
    return {name: value for name, value in first.values.items() if all(line.values.get(name) == value for line in others)}

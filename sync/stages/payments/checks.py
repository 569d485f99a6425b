"""Every check of a payment before D365, with all its causes, and the plan when there are none (contracts/avidxchange.md §3,
contracts/d365-fo.md §6).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Protocol

from sync.avid.models import AvidPayment, PaymentKind, PaymentState, Remittance
from sync.causes import Cause
from sync.connections.document import Company, Connection, MixedDimensions, PaymentMethod, Policy, PostingDates, Settlement
from sync.d365.reference import CompanyReference
from sync.d365.rows import Vendor, VendorTransaction
from sync.engine.delivery import Leave, Park, Ready, Verdict
from sync.stages.payments.company import company_of
from sync.stages.payments.plan import PaymentPlan, PlannedSettlement
from sync.values import money_text

Coding = tuple[Decimal, Mapping[str, str]]
"""The amount of one distribution of a paid invoice, and its dimension values."""


class PaymentBooks(Protocol):
    """What the checks ask of D365 and of the ledger."""

    connection: Connection

    def reference(self, company: Company) -> CompanyReference:
        """The reference data of a company."""
        ...

    def open_items(self, vendor: str, number: str) -> Sequence[VendorTransaction]:
        """The vendor transactions of this invoice number in all mapped companies, where `vendor` or its invoice account owns them."""
        ...

    def pending(self, company: Company, invoice_account: str, number: str) -> bool:
        """Whether the invoice waits unposted in D365."""
        ...

    def companies_of(self, vendor: str, number: str) -> frozenset[str]:
        """The mapped companies in which the vendor has this invoice, posted or pending."""
        ...

    def marked_by(self, company: Company, invoice_account: str, number: str) -> str:
        """The unposted journal that marks the invoice for settlement, "" when there is none."""
        ...

    def codings(self, company: Company, invoice_account: str, number: str) -> Sequence[Coding]:
        """The coding of the invoice as this connector wrote it; empty when it did not."""
        ...


@dataclass
class PaymentCheck:
    """The checks of one payment at one moment. `noted` is when it was found first."""

    books: PaymentBooks
    payment: AvidPayment
    now: datetime
    noted: datetime | None = None

    def __post_init__(self) -> None:
        self._causes: list[Cause] = []
        self._name = f"Payment {self.payment.id}"
        self._mixed: list[str] = []

    def verdict(self) -> Verdict:
        """Ready with the plan, Park with every cause, or Leave when it is never written."""
        left = self._leave()
        if left is not None:
            return left
        self._status()
        company = None if self._causes else self._company()
        if company is None:
            return Park(tuple(self._causes))
        method = self._method(company)
        self._policy(method)
        if self._causes:
            return Park(tuple(self._causes))
        day = self._day(company)
        self._causes += amount_causes(self.payment)
        vendor = self._vendor(company)
        account = vendor.invoice_account if vendor is not None else self.payment.payee_id
        settlements = [
            settlement for item in self.payment.remittances if (settlement := self._settlement(company, account, item)) is not None
        ]
        account_dimensions, offset_dimensions = self._dimensions(company, settlements)
        if self._causes or method is None or day is None or vendor is None:
            return Park(tuple(self._causes))
        plan = self._plan(company, method, day, vendor, settlements, account_dimensions, offset_dimensions)
        facts = {"company": company.id, "invoice_account": account, "day": day.isoformat(), "mixed": ", ".join(self._mixed)}
        return Ready(plan.model_dump_json(), facts=facts)

    # --- state and policy --------------------------------------------------------------------------------------------------------

    def _leave(self) -> Leave | None:
        if self.payment.state is PaymentState.VOIDED:
            return Leave("Voided in AvidXchange: never written.")
        if self.payment.state in (PaymentState.PENDING, PaymentState.IN_FLIGHT):
            return Leave(f"Not paid yet ({self.payment.status}): it comes again when AvidXchange moves it.")
        return None

    def _status(self) -> None:
        payment = self.payment
        if payment.state is PaymentState.ERROR:
            code = "payment-error-clears" if payment.clears_by_itself else "payment-error"
            self._park(code, self._name, f"{self._name}: AvidXchange reports an error: {reasons_text(payment)}.", "Status")
        elif payment.state is PaymentState.UNKNOWN:
            self._park("payment-status", f"status {payment.status}", f"{self._name} has the unknown status {payment.status!r}.", "Status")

    def _policy(self, method: PaymentMethod | None) -> None:
        """Under on_settled an issued payment waits, and is reported when it waits for long."""
        if method is None or self.payment.state is not PaymentState.ISSUED or method.policy is not Policy.ON_SETTLED:
            return
        limit = timedelta(days=self.books.connection.policies.issued_too_long_days)
        issued = self._issued()
        since = f" since {issued}" if issued else ""
        code = "issued-too-long" if issued is not None and self.now.date() - issued > limit else "not-settled"
        self._park(code, self._name, f"{self._name} is issued ({self.payment.status}){since} and waits for settlement.", "Status")

    def _issued(self) -> date | None:
        """Since when it is issued at the latest: its own date, else when it was changed last or noted first. None when nobody knows."""
        known = [moment for moment in (self.payment.last_modified, self.noted) if moment is not None]
        return self.payment.payment_date or (min(known).date() if known else None)

    def _method(self, company: Company) -> PaymentMethod | None:
        kind = self.payment.kind
        if kind is PaymentKind.UNKNOWN:
            self._park(
                "not-mapped",
                f"payment method {self.payment.method}",
                f"{self._name}: the payment method {self.payment.method!r} is not known; "
                f"say what kind it is under avidxchange.profile: payment_methods.{self.payment.method}.",
                "avidxchange.profile.payment_methods",
            )
            return None
        method = {str(name): value for name, value in company.payment_methods.items()}.get(kind.value)
        if method is None:
            sentence = f"{self._name}: company {company.id} does not say under companies.payment_methods what {kind.value} is in D365."
            self._park("not-mapped", f"payment method {kind.value} of company {company.id}", sentence, "companies.payment_methods")
        return method

    def _company(self) -> Company | None:
        companies, payee = self.books.connection.companies, self.payment.payee_id
        found = company_of(self.payment, companies, lambda number: self.books.companies_of(payee, number))
        if isinstance(found, Company):
            return found
        self._causes.append(found)
        return None

    # --- amounts and dates -------------------------------------------------------------------------------------------------------

    def _day(self, company: Company) -> date | None:
        day = self.payment.payment_date or self.payment.cleared_date
        if day is None:
            self._park("field-missing", self._name, f"{self._name} has neither a payment date nor a cleared date.", "PaymentDate")
            return None
        first = company.first_open_day
        if first is None or day >= first:
            return day
        if self.books.connection.policies.posting_dates is PostingDates.FIRST_OPEN_DAY:
            return first
        self._park(
            "period-closed", f"company {company.id}", f"{self._name} is dated {day}, before the first open day {first}.", "PaymentDate"
        )
        return None

    def _vendor(self, company: Company) -> Vendor | None:
        account = self.payment.payee_id
        vendor = self.books.reference(company).vendor(account) if account else None
        if vendor is None:
            what = f"vendor {account} does not exist in company {company.id}" if account else "it names no vendor of D365"
            self._park("vendor-missing", f"vendor {account or '(none)'}", f"{self._name}: {what}.")
        return vendor

    # --- settlements -------------------------------------------------------------------------------------------------------------

    def _settlement(self, company: Company, account: str, item: Remittance) -> PlannedSettlement | None:
        name = f"invoice {item.number} of {account}"
        items = [
            row
            for row in self.books.open_items(account, item.number)
            if row.company.lower() == company.id and row.invoice == item.number and (row.amount < 0) == (item.net >= 0)
        ]
        if not items:
            self._not_posted(company, account, item, name)
            return None
        open_items = [row for row in items if row.is_open]
        if not open_items:
            self._park("already-settled", name, f"{self._name}: {name} is already settled in D365.", "Remittances.Number")
            return None
        if len(open_items) > 1:
            self._park("due-dates", name, f"{self._name}: {name} has {len(open_items)} open transactions in D365.", "Remittances.Number")
            return None
        return self._against(company, account, item, open_items[0], name)

    def _not_posted(self, company: Company, account: str, item: Remittance, name: str) -> None:
        if self.books.pending(company, account, item.number):
            self._park("invoice-not-posted", name, f"{self._name}: {name} is not posted in D365 yet.", "Remittances.Number")
        else:
            self._park("invoice-unknown", name, f"{self._name}: {name} is not in D365.", "Remittances.Number")

    def _against(self, company: Company, account: str, item: Remittance, row: VendorTransaction, name: str) -> PlannedSettlement | None:
        if abs(item.gross) > row.remaining:
            sentence = f"{self._name}: {name} has {money_text(row.remaining)} left, the payment takes {money_text(abs(item.gross))}."
            self._park("remaining-too-small", name, sentence, "Remittances.Gross")
        if row.currency.upper() != self.payment.currency.upper():
            sentence = f"{self._name} is in {self.payment.currency}, {name} in {row.currency}."
            self._park("currency-differs", name, sentence, "CurrencyCode")
        journal = self.books.marked_by(company, account, row.invoice)
        if journal:
            self._park(
                "marked-elsewhere", name, f"{self._name}: {name} is marked for settlement by journal {journal}.", "Remittances.Number"
            )
        if row.due_day is None:
            self._park("due-dates", name, f"{self._name}: {name} has no due date in D365.", "Remittances.Number")
            return None
        self._mode(item, row, name)
        return PlannedSettlement(
            invoice_account=account, number=row.invoice, due_day=row.due_day, gross=item.gross, discount=item.discount, net=item.net
        )

    def _mode(self, item: Remittance, row: VendorTransaction, name: str) -> None:
        """MarkedInvoice settles one whole invoice without discount, nothing else (contracts/d365-fo.md §6)."""
        if self.books.connection.policies.settlement is not Settlement.MARKED_INVOICE:
            return
        if len(self.payment.remittances) > 1 or item.discount or item.gross != row.remaining:
            sentence = f"{self._name}: {name} is paid in part, with others or less a discount; here a payment settles one whole invoice."
            self._park("settlement-mode", self._name, sentence, "policies.settlement")

    # --- dimensions --------------------------------------------------------------------------------------------------------------

    def _dimensions(self, company: Company, settlements: Sequence[PlannedSettlement]) -> tuple[str, str]:
        """Per dimension the value that all paid distributions share (contracts/d365-fo.md §6, Dimensions)."""
        codings = [coding for item in settlements for coding in self.books.codings(company, item.invoice_account, item.number)]
        values = {name: value for name in self.books.connection.dimensions if (value := self._shared(name, codings))}
        text = self.books.reference(company).formats.default_string(values) if values else ""
        policies = self.books.connection.policies
        return (text if policies.dimensions_on_account else "", text if policies.dimensions_on_offset else "")

    def _shared(self, name: str, codings: Sequence[Coding]) -> str:
        weights: dict[str, Decimal] = {}
        for amount, values in codings:
            value = values.get(name, "")
            weights[value] = weights.get(value, Decimal(0)) + abs(amount)
        if len(weights) <= 1:
            return next(iter(weights), "")
        self._mixed.append(name)
        policy = self.books.connection.policies.mixed_dimensions
        if policy is MixedDimensions.PARK:
            sentence = f"{self._name} pays invoice lines of different {name}: {', '.join(sorted(weights))}."
            self._park("dimensions-mixed", self._name, sentence, name)
        return max(sorted(weights), key=lambda value: weights[value]) if policy is MixedDimensions.LARGEST else ""

    # --- plan --------------------------------------------------------------------------------------------------------------------

    def _plan(
        self,
        company: Company,
        method: PaymentMethod,
        day: date,
        vendor: Vendor,
        settlements: Sequence[PlannedSettlement],
        account_dimensions: str,
        offset_dimensions: str,
    ) -> PaymentPlan:
        payment, account, reference = self.payment, vendor.invoice_account, self.books.reference(company)
        marked = self.books.connection.policies.settlement is Settlement.MARKED_INVOICE
        is_check = payment.kind is PaymentKind.CHECK
        shown = " ".join(part for part in ("AvidPay", payment.id, payment.method, payment.card_last_four) if part)
        return PaymentPlan(
            payment_id=payment.id,
            company=company.id,
            journal_name=company.payment_journal,
            bank_account=method.bank_account,
            currency=payment.currency,
            invoice_account=account,
            account_display=reference.formats.escape_account(account),
            amount=payment.amount,
            method=method.d365_method,
            day=day,
            check_number=(payment.avidpay_check_number or payment.check_number) if is_check else "",
            reference=payment.ach_trace_number if payment.kind is PaymentKind.ACH else "",
            text=shown,
            account_dimensions=account_dimensions,
            offset_dimensions=offset_dimensions,
            marked_invoice=settlements[0].number if marked else "",
            held=vendor.on_hold if reference.on_payment_hold(vendor) else "",
            settlements=tuple(settlements),
        )

    def _park(self, code: str, subject: str, sentence: str, field: str = "") -> None:
        self._causes.append(Cause(code, subject, sentence, field))


def reasons_text(payment: AvidPayment) -> str:
    """Why AvidXchange reports an error, as it says it."""
    return "; ".join(f"{reason.description} (reason {reason.id})".strip() for reason in payment.exceptions) or "it gives no reason"


def amount_causes(payment: AvidPayment) -> list[Cause]:
    """The amount is positive, each remittance and all together add up to the cent (contracts/avidxchange.md §3, Methods)."""
    name = f"Payment {payment.id}"
    causes: list[Cause] = []
    if payment.amount <= 0:
        sentence = f"{name}: the amount {money_text(payment.amount)} is not positive."
        causes.append(Cause("field-invalid", name, sentence, "Amount"))
    if not payment.remittances:
        return [*causes, Cause("field-missing", name, f"{name} names no invoices.", "Remittances")]
    for item in payment.remittances:
        if item.gross - item.discount != item.net:
            sentence = f"{name}, invoice {item.number}: {item.gross} less {item.discount} is not {item.net}."
            causes.append(Cause("sum-differs", name, sentence, "Remittances.Net"))
    total = sum((item.net for item in payment.remittances), Decimal(0))
    if total != payment.amount:
        sentence = f"{name}: its invoices add up to {money_text(total)}, the payment is {money_text(payment.amount)}."
        causes.append(Cause("sum-differs", name, sentence, "Amount"))
    return causes

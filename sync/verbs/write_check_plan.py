"""What `ping --write-check` writes: a document of a cent, made as the invoices stage makes them, from the first things that are usable."""

from datetime import date
from decimal import Decimal
from typing import Final

from sync.app import App
from sync.connections.document import Company, Connection
from sync.d365.client import D365Client
from sync.d365.entity import read_rows
from sync.d365.literals import eq
from sync.d365.reference import CompanyReference, active_vendor, chart_of
from sync.d365.rows import DimensionValue, MainAccount, Vendor
from sync.errors import FixConfiguration
from sync.stages.invoices.plan import InvoicePlan, PlannedLine

NUMBER: Final = "AVX-CHECK-"
ID_LETTERS: Final = 10
"""With the text before it 20 characters, which every environment takes for an invoice number."""
CENT: Final = Decimal("0.01")
VENDORS_PAGE: Final = 100
FIRST_CHOICE: Final = "Expense"
"""MainAccountType that is looked through first: an account that an invoice would be coded to."""
COMMENT: Final = "Written by the connector to learn what this environment accepts. It is deleted at once; if you see it, delete it by hand."


def plan_of(app: App, connection: Connection, d365: D365Client, company_id: str, vendor: str) -> InvoicePlan:
    """The document. Reads only. FixConfiguration when vendor or account are not there or not usable; a dimension may stay blank."""
    company = connection.company(company_id) if company_id else connection.companies[0]
    today = app.ports.clock.now().date()
    day = max(today, company.first_open_day or today)
    reference = CompanyReference(d365, company.id, today)
    chosen = _named_vendor(reference, vendor) if vendor else _first_vendor(d365, reference, company)
    number = f"{NUMBER}{app.ports.ids.new()[:ID_LETTERS]}"
    line = _line(d365, reference, connection, day)
    return InvoicePlan(
        company=company.id,
        vendor=chosen.account,
        invoice_account=chosen.invoice_account,
        number=number,
        amount=CENT,
        currency=company.currency,
        invoice_day=day,
        posting_day=day,
        due_day=None,
        terms="",
        method=company.invoice_payment_method,
        description="Write check",
        document_number="",
        comment=f"{number} {COMMENT}",
        marker=number,
        header_dimensions=line.dimension_string if line.values else "",
        category="",
        category_hierarchy="",
        lines=(line,),
    )


def _named_vendor(reference: CompanyReference, account: str) -> Vendor:
    vendor = reference.vendor(account)
    if vendor is None:
        raise FixConfiguration(f"Vendor {account} is not in company {reference.company}: correct --vendor.", field="--vendor")
    if reference.blocked_for_invoices(vendor):
        raise FixConfiguration(f"Vendor {account} is on hold for {vendor.on_hold}: name another --vendor.", field="--vendor")
    return vendor


def _first_vendor(d365: D365Client, reference: CompanyReference, company: Company) -> Vendor:
    """The first active vendor that is invoiced on its own account in the company's currency."""
    rows = d365.rows(Vendor.SET, select=Vendor.SELECT, company=company.id, page_size=VENDORS_PAGE)
    for vendor in read_rows(Vendor, rows, reference.bad.append):
        own = vendor.invoice_account == vendor.account and not vendor.is_one_time
        if own and vendor.currency in {"", company.currency} and active_vendor(vendor, reference.today):
            return vendor
    raise FixConfiguration(f"Company {company.id} has no active vendor in {company.currency}: name one with --vendor.", field="--vendor")


def _line(d365: D365Client, reference: CompanyReference, connection: Connection, day: date) -> PlannedLine:
    formats, account = reference.formats, _first_account(d365, reference, day)
    lacking = formats.missing(connection.dimensions)
    values = {name: value for name in connection.dimensions if name not in lacking and (value := _first_value(d365, reference, name, day))}
    return PlannedLine(
        number=1,
        amount=CENT,
        description="Write check",
        main_account=account,
        values=values,
        account_string=formats.ledger_string(account, values),
        dimension_string=formats.default_string(values),
    )


def _first_account(d365: D365Client, reference: CompanyReference, day: date) -> str:
    chart = eq("ChartOfAccounts", chart_of(d365, reference.company))
    rows = d365.rows(MainAccount.SET, where=chart, select=MainAccount.SELECT)
    accounts = sorted(read_rows(MainAccount, rows, reference.bad.append), key=lambda item: (item.type != FIRST_CHOICE, item.account))
    for account in accounts:
        if reference.usable_account(account.account, day) is None:
            return account.account
    raise FixConfiguration(f"Company {reference.company} has no main account that can be posted to.", field="MainAccounts")


def _first_value(d365: D365Client, reference: CompanyReference, dimension: str, day: date) -> str:
    """The first usable value, "" when there is none."""
    rows = d365.rows(DimensionValue.SET, where=eq("FinancialDimension", dimension), select=DimensionValue.SELECT)
    values = (item.value for item in read_rows(DimensionValue, rows, reference.bad.append))
    return next((value for value in values if reference.usable_value(dimension, value, day) is None), "")

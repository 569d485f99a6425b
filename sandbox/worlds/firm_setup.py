"""The firm itself: its companies, and what D365 and AvidXchange are set up with before any master data."""

from dataclasses import dataclass
from datetime import date

from sandbox.avid import AvidWorld
from sandbox.d365.world import D365World
from sandbox.worlds.model import CompanyFacts, MethodFacts
from sandbox.worlds.strings import MAIN_ACCOUNT

CHART = "Thornquill shared"
DIMENSIONS = ("BusinessUnit", "CostCenter", "Department", "Building")
LEDGER_FORMAT = (MAIN_ACCOUNT, *DIMENSIONS)
CODE_GROUPS = {
    MAIN_ACCOUNT: "GL Account",
    "BusinessUnit": "Business Unit",
    "CostCenter": "Cost Center",
    "Department": "Department",
    "Building": "Building",
}
REQUIRED = frozenset({MAIN_ACCOUNT, "BusinessUnit", "Building"})
PLACEHOLDER = "N/A"
JOURNAL = "AVXPAY"
INVOICE_METHOD = "AVIDPAY"
TERMS = {"Net15": 15, "Net30": 30, "Net45": 45, "OnReceipt": 0}
METHODS = {"check": ("AVX-CHK", "OPER"), "ach": ("AVX-ACH", "OPER"), "virtual_card": ("AVX-CARD", "CARD"), "internal": ("AVX-INT", "OPER")}
"""AvidXchange's kinds of payment: the D365 method of payment and the bank account."""


@dataclass(frozen=True)
class Company:
    """One legal entity of the firm. `id` is upper case as in LegalEntities; dataAreaId is its lower case."""

    id: str
    name: str
    currency: str
    accounting_system: int
    bank_client_id: str
    country: str

    @property
    def area(self) -> str:
        """The company as dataAreaId shows it."""
        return self.id.lower()


COMPANIES = (
    Company("TQE", "Thornquill East LLC", "USD", 4101, "TQ-OPER-EAST", "USA"),
    Company("TQW", "Thornquill West LLC", "USD", 4102, "TQ-OPER-WEST", "USA"),
    Company("TQN", "Thornquill North Ltd.", "CAD", 4103, "TQ-OPER-NORTH", "CAN"),
)


ISSUE_COMPANY, CLOSED_COMPANY = COMPANIES[1], COMPANIES[2]
"""Where the firm has every case: the company whose payments are written when they are issued; the one with a closed period, which has
not mapped internal payments."""
UNMAPPED = "internal"


def company_facts(company: Company, first_open_day: date | None = None, *, cases: bool = False) -> CompanyFacts:
    """What the connection document says of a company."""
    policy = "on_issue" if cases and company == ISSUE_COMPANY else "on_settled"
    mapped = {kind: pair for kind, pair in METHODS.items() if not (cases and company == CLOSED_COMPANY and kind == UNMAPPED)}
    methods = {kind: MethodFacts(d365_method=name, bank_account=bank, policy=policy) for kind, (name, bank) in mapped.items()}
    facts = _company_facts(company, methods)
    if cases and company == CLOSED_COMPANY and first_open_day is not None:
        facts["first_open_day"] = first_open_day
    return facts


def _company_facts(company: Company, methods: dict[str, MethodFacts]) -> CompanyFacts:
    return {
        "id": company.area,
        "accounting_system": company.accounting_system,
        "currency": company.currency,
        "payment_journal": JOURNAL,
        "invoice_payment_method": INVOICE_METHOD,
        "payment_methods": methods,
        "bank_client_ids": [company.bank_client_id],
    }


def set_up_d365(world: D365World, start: date) -> None:
    """Companies, ledgers, terms, methods, journals, banks, currencies, dimension formats."""
    for code, name in (("USD", "US dollar"), ("CAD", "Canadian dollar"), ("EUR", "Euro")):
        world.add("Currencies", CurrencyCode=code, Name=name, Symbol={"EUR": "€"}.get(code, "$"))
    world.add("ChartOfAccounts", ChartOfAccounts=CHART, Description="Shared by all companies")
    for company in COMPANIES:
        _set_up_company(world, company, start)
    for name in DIMENSIONS:
        world.add("DimensionAttributes", DimensionName=name, UseValuesFrom="CustomList", ReportColumnName=name)
    world.add("DimensionParameters", Key=0, DimensionSegmentDelimiter="Hyphen")
    _add_formats(world)


def _set_up_company(world: D365World, company: Company, start: date) -> None:
    area = company.area
    world.add("LegalEntities", LegalEntityId=company.id, Name=company.name, CompanyName=company.name, CompanyCountry=company.country)
    world.add("Companies", DataArea=area, Name=company.name)
    world.add(
        "Ledgers",
        LegalEntityId=company.id,
        Name=company.id,
        ChartOfAccounts=CHART,
        FiscalCalendar="Year",
        AccountingCurrency=company.currency,
    )
    for term, days in TERMS.items():
        world.add("PaymentTerms", dataAreaId=area, Name=term, Description=f"{days} days", NumberOfDays=days)
    for name in (INVOICE_METHOD, *(method for method, _ in METHODS.values())):
        world.add("VendorPaymentMethods", dataAreaId=area, Name=name, Description=f"AvidXchange {name}", AccountType="Bank")
    journal = {"dataAreaId": area, "VoucherSeriesCode": "GNJL", "Currency": company.currency}
    world.add("JournalNames", Name=JOURNAL, Description="AvidXchange payments", Type="Payment", **journal)
    world.add("JournalNames", Name="APINV", Description="Vendor invoices by hand", Type="VendInvoiceRegister", **journal)
    for bank, name in (("OPER", "Operating"), ("CARD", "Card clearing"), ("PAYRL", "Payroll")):
        world.add(
            "BankAccounts",
            dataAreaId=area,
            BankAccountId=bank,
            Name=f"{company.id} {name}",
            CurrencyCode=company.currency,
            ActiveFrom=start,
        )
    world.add("VendorGroups", dataAreaId=area, VendorGroupId="TRADE", Description="Trades and services")


def _add_formats(world: D365World) -> None:
    ledger, default = "-".join(LEDGER_FORMAT), "-".join(DIMENSIONS)
    formats = (
        ("Ledger entities", "DataEntityLedgerDimensionFormat", ledger, "Yes"),
        ("Default entities", "DataEntityDefaultDimensionFormat", default, "Yes"),
        ("Old ledger entities", "DataEntityLedgerDimensionFormat", "MainAccount-Department-BusinessUnit", "No"),
    )
    for name, kind, text, active in formats:
        world.add(
            "DimensionIntegrationFormats",
            DimensionFormatName=name,
            DimensionFormatType=kind,
            FinancialDimensionFormat=text,
            IsActive=active,
        )


def set_up_avid(world: AvidWorld) -> None:
    """Accounting systems and their code groups, the required ones marked."""
    for company in COMPANIES:
        world.accounting_systems[company.accounting_system] = company.name
        for dimension, group in CODE_GROUPS.items():
            world.add_code_group(company.accounting_system, group, dimension in REQUIRED)

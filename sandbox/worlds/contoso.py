"""Contoso's demo company USMF: of D365 only the public facts of contracts/d365-fo.md §11; the AvidXchange side is ours."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple

from sandbox.avid import AvidWorld, Code, Distribution, Invoice, Payment, Remittance
from sandbox.d365.world import D365World
from sandbox.web import Now
from sandbox.worlds.model import (
    WRITE,
    CompanyFacts,
    ConnectionFacts,
    Expected,
    ExpectedInvoice,
    ExpectedLine,
    ExpectedPayment,
    Fate,
    MethodFacts,
    Settlement,
    World,
    beginning_of,
)
from sandbox.worlds.strings import MAIN_ACCOUNT, display_value, shared_values

TENANT = "91c4c1f2-6c7b-4a6e-9e57-0b6a1d2f3a11"
CLIENT_ID = "5e8a7d10-3f42-4b7c-8d19-6a2c4e9b7f12"
ENVIRONMENT_URL = "https://contoso-usmf.operations.dynamics.com"
AVID_HOST = "avidconnect.contoso.example"
SYSTEM = 3001
CHART = "Shared"
DIMENSIONS = ("BusinessUnit", "CostCenter", "Department")
CODE_GROUPS = {MAIN_ACCOUNT: "GL Account", "BusinessUnit": "Business Unit", "CostCenter": "Cost Center", "Department": "Department"}
METHODS = {"check": ("CHECK", "USMF OPER"), "ach": ("ELECTRONIC", "USMF OPER"), "virtual_card": ("CC", "USMF OPER")}
BANKS = (("USMF OPER", "USD"), ("USMF EUR", "EUR"), ("USMF PAYRL", "USD"))
TERMS = {"Net7": 7, "Net10": 10, "Net15": 15, "Net30": 30, "Net45": 45, "COD": 0}
VENDORS = {
    "1001": "Acme Office Supplies",
    "1002": "Lande Packaging Supplies",
    "1003": "Ade Supply Company",
    "US-101": "Fabrikam Electronics",
    "US-103": "Rain Projectors",
    "US-104": "Fabrikam Supplier",
    "US-105": "Datum Receivers",
    "US-108": "City Power & Light",
    "US-111": "Contoso Office Supply",
}
ACCOUNTS = (
    ("110110", "Bank account USD", "Asset"),
    ("110130", "Bank account EUR", "Asset"),
    ("130100", "Accounts receivable", "Asset"),
    ("140200", "Inventory", "Asset"),
    ("200100", "Accounts payable", "Liability"),
    ("202100", "Sales tax", "Liability"),
    ("401100", "Sales", "Revenue"),
    ("520200", "Vendor cash discount", "Revenue"),
    ("600150", "600150", "Expense"),
    ("601500", "Travel", "Expense"),
    ("601600", "Promotional", "Expense"),
    ("605160", "605160", "Expense"),
    ("606300", "Office supplies", "Expense"),
)
VALUES = {
    "BusinessUnit": ("001", "002", "004"),
    "CostCenter": ("007", "008", "009", "010", "020", "086", "250"),
    "Department": ("022", "023", "024", "025", "026", "027", "028", "032"),
}


class _Coded(NamedTuple):
    """One line: amount, account, business unit, cost center, department."""

    amount: str
    account: str
    unit: str
    center: str
    department: str

    @property
    def values(self) -> dict[str, str]:
        """The dimension values of the line."""
        return {"BusinessUnit": self.unit, "CostCenter": self.center, "Department": self.department}


INVOICES: tuple[tuple[int, str, str, tuple[_Coded, ...], Fate], ...] = (
    (9001, "1001", "AO-20417", (_Coded("184.20", "606300", "001", "007", "022"),), WRITE),
    (9002, "US-108", "CPL 00311", (_Coded("912.75", "600150", "001", "007", "022"), _Coded("87.25", "600150", "002", "", "")), WRITE),
    (9003, "US-111", "COS-77", (_Coded("-45.10", "606300", "004", "010", "028"),), WRITE),
    (9004, "US-104", "FS/5521", (_Coded("1250.00", "601600", "001", "086", "022"),), WRITE),
    (9005, "US-105", "DR-8", (_Coded("600.00", "999999", "001", "", "025"),), Fate("park", "account-missing")),
)


def build_contoso(today: datetime, *, now: Now | None = None, seed: int = 0) -> World:
    """Company USMF as it stands on `today` (timezone-aware UTC). Nothing in it is drawn by chance; the seed is only carried along."""
    clock = now or (lambda: today)
    d365 = D365World(ENVIRONMENT_URL, TENANT, CLIENT_ID, clock, default_company="usmf")
    avid = AvidWorld(AVID_HOST, "contoso-company-token", "contoso-user-token", clock)
    _add_master_data(d365)
    _add_set_up(d365)
    avid.accounting_systems[SYSTEM] = "Contoso USMF"
    for dimension, group in CODE_GROUPS.items():
        avid.add_code_group(SYSTEM, group, dimension in (MAIN_ACCOUNT, "BusinessUnit"))
    expected = Expected()
    _add_invoices(avid, expected, today)
    _add_payments(avid, expected, today)
    return World(seed, today, d365, avid, _facts(avid, today), expected, beginning_of(d365, avid))


def _add_master_data(world: D365World) -> None:
    for account, name in VENDORS.items():
        world.add(
            "VendorsV3",
            dataAreaId="usmf",
            VendorAccountNumber=account,
            VendorGroupId="10",
            VendorPartyType="Organization",
            VendorOrganizationName=name,
            CurrencyCode="CAD" if account == "1003" else "USD",
            DefaultPaymentTermsName="Net30" if account == "1001" else "",
        )
    for number, name, kind in ACCOUNTS:
        world.add("MainAccounts", ChartOfAccounts=CHART, MainAccountId=number, Name=name, MainAccountType=kind)
    for dimension, values in VALUES.items():
        world.add("DimensionAttributes", DimensionName=dimension, UseValuesFrom="CustomList")
        for value in values:
            text = "Sales & Marketing" if (dimension, value) == ("Department", "022") else ""
            world.add("FinancialDimensionValues", FinancialDimension=dimension, DimensionValue=value, Description=text)


def _add_set_up(world: D365World) -> None:
    world.add("LegalEntities", LegalEntityId="USMF", Name="Contoso demo company USMF")
    world.add("Companies", DataArea="usmf", Name="Contoso demo company USMF")
    world.add("ChartOfAccounts", ChartOfAccounts=CHART)
    world.add("Ledgers", LegalEntityId="USMF", Name="USMF", ChartOfAccounts=CHART, FiscalCalendar="Fiscal", AccountingCurrency="USD")
    for code in ("USD", "EUR", "CAD"):
        world.add("Currencies", CurrencyCode=code, Name=code)
    for term, days in TERMS.items():
        world.add("PaymentTerms", dataAreaId="usmf", Name=term, NumberOfDays=days, IsCashPayment="Yes" if term == "COD" else "No")
    for method, _ in METHODS.values():
        world.add("VendorPaymentMethods", dataAreaId="usmf", Name=method, AccountType="Bank")
    for name, kind in (("VendPay", "Payment"), ("APInvoice", "VendInvoiceRegister")):
        world.add("JournalNames", dataAreaId="usmf", Name=name, VoucherSeriesCode=name, Type=kind)
    for bank, currency in BANKS:
        world.add("BankAccounts", dataAreaId="usmf", BankAccountId=bank, Name=bank, CurrencyCode=currency)
    for group in ("10", "20", "30", "40", "50"):
        world.add("VendorGroups", dataAreaId="usmf", VendorGroupId=group)
    for name, kind, text in (
        ("Ledger entities", "DataEntityLedgerDimensionFormat", "-".join((MAIN_ACCOUNT, *DIMENSIONS))),
        ("Default entities", "DataEntityDefaultDimensionFormat", "-".join(DIMENSIONS)),
    ):
        world.add(
            "DimensionIntegrationFormats", DimensionFormatName=name, DimensionFormatType=kind, FinancialDimensionFormat=text, IsActive="Yes"
        )
    world.add("DimensionParameters", Key=0, DimensionSegmentDelimiter="Hyphen")


def _add_invoices(avid: AvidWorld, expected: Expected, today: datetime) -> None:
    dated, closed = today.date() - timedelta(days=8), today - timedelta(days=3)
    invoices = []
    for number, vendor, text, lines, fate in INVOICES:
        gross = sum((Decimal(line.amount) for line in lines), Decimal(0))
        distributions = tuple(Distribution(Decimal(line.amount), VENDORS[vendor], _codes(line)) for line in lines)
        due = dated + timedelta(days=30)
        invoices.append(Invoice(number, text, dated, due, gross, vendor, VENDORS[vendor], distributions, closed, terms="Net30"))
        values = tuple(line.values for line in lines)
        expected.invoices[SYSTEM, number] = ExpectedInvoice(
            accounting_system=SYSTEM,
            id=number,
            company="usmf",
            vendor_account=vendor,
            invoice_account=vendor,
            number=text,
            dated=dated,
            posted_on=dated,
            due=due,
            currency="USD",
            gross=gross,
            header=display_value(DIMENSIONS, shared_values(values)),
            lines=tuple(_line(line) for line in lines),
            values=values,
            fate=fate,
        )
    avid.add_batch(SYSTEM, invoices, closed, "USMF week")


def _codes(line: _Coded) -> tuple[Code, ...]:
    coded = {MAIN_ACCOUNT: line.account, **line.values}
    return tuple(Code(CODE_GROUPS[name], value) for name, value in coded.items() if value)


def _line(line: _Coded) -> ExpectedLine:
    ledger = display_value((MAIN_ACCOUNT, *DIMENSIONS), {MAIN_ACCOUNT: line.account, **line.values})
    return ExpectedLine(Decimal(line.amount), ledger, display_value(DIMENSIONS, line.values))


def _add_payments(avid: AvidWorld, expected: Expected, today: datetime) -> None:
    """A settled check that waits for its invoice, an ACH payment on its way, a voided card."""
    rows = (
        (8001, 9001, "AvidPay Check", "Cleared", "check", Fate("park", "invoice-not-posted")),
        (8002, 9002, "ACH", "Processing", "ach", Fate("leave", "in-flight")),
        (8003, 9004, "VCC", "Void", "virtual_card", Fate("leave", "voided")),
    )
    day = today.date() - timedelta(days=2)
    for number, invoice_id, method, status, kind, fate in rows:
        invoice = expected.invoices[SYSTEM, invoice_id]
        check = f"00{number}" if kind == "check" else ""
        remittance = Remittance(invoice.number, str(invoice_id), day, invoice.gross, Decimal(0), invoice.gross)
        vendor = invoice.vendor_account
        modified = datetime.combine(day, time(20), UTC)
        avid.add_payment(
            Payment(
                number,
                number // 10,
                invoice.gross,
                status,
                method,
                vendor,
                VENDORS[vendor],
                modified,
                (remittance,),
                bank_client_ids=("USMF-OPER",),
                avidpay_check_number=check,
                payment_date=day,
                cleared_date=day if status == "Cleared" else None,
            )
        )
        expected.payments[number] = _expected_payment(number, invoice, kind, check, day, fate)


def _expected_payment(number: int, invoice: ExpectedInvoice, kind: str, check: str, day: date, fate: Fate) -> ExpectedPayment:
    method, bank = METHODS[kind]
    return ExpectedPayment(
        id=number,
        company="usmf",
        account=invoice.invoice_account,
        amount=invoice.gross,
        currency="USD",
        method=method,
        bank=bank,
        check_number=check,
        reference="",
        dated=day,
        settlements=(Settlement(invoice.number, invoice.due or day, invoice.gross, Decimal(0)),),
        dimensions=display_value(DIMENSIONS, shared_values(invoice.values)),
        fate=fate,
        pays=((SYSTEM, invoice.id),),
    )


def _facts(avid: AvidWorld, today: datetime) -> ConnectionFacts:
    methods = {kind: MethodFacts(d365_method=method, bank_account=bank, policy="on_settled") for kind, (method, bank) in METHODS.items()}
    company: CompanyFacts = {
        "id": "usmf",
        "accounting_system": SYSTEM,
        "currency": "USD",
        "payment_journal": "VendPay",
        "invoice_payment_method": "CHECK",
        "payment_methods": methods,
        "bank_client_ids": ["USMF-OPER"],
    }
    return {
        "id": "contoso",
        "name": "Contoso USMF",
        "tenant": TENANT,
        "environment_url": ENVIRONMENT_URL,
        "client_id": CLIENT_ID,
        "client_secret": "contoso-client-secret",
        "avid_host": AVID_HOST,
        "company_token": avid.company_token,
        "user_token": avid.user_token,
        "companies": [company],
        "code_groups": dict(CODE_GROUPS),
        "null_placeholder": "",
        "ledger_format": [MAIN_ACCOUNT, *DIMENSIONS],
        "start_from": today.date() - timedelta(days=25),
    }

"""A very small D365 environment for the tests of the sandbox's own D365: two companies, a few vendors, one chart, one journal name."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import quote

from sandbox.d365 import D365, D365World
from sandbox.d365.jsontext import dumps, loads
from sandbox.entra import Entra
from sandbox.web import Request, Response

URL = "https://tiny.operations.dynamics.com"
TENANT = "11111111-1111-1111-1111-111111111111"
CLIENT = "22222222-2222-2222-2222-222222222222"
SECRET = "made-up"

Json = dict[str, object]


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **length: float) -> None:
        """Move on by a length as timedelta takes it."""
        self.now += timedelta(**length)


class Tiny:
    """The environment, its clock and authority, and short calls as a signed-in client."""

    def __init__(self, while_inserting: Callable[[], None] = lambda: None) -> None:
        self.clock = Clock()
        self.entra = Entra(self.clock)
        self.entra.register_app(TENANT, CLIENT, SECRET)
        self.world = D365World(URL, TENANT, CLIENT, self.clock)
        self.system = D365(self.world, self.entra, while_inserting)
        self.token = self.entra.issue(TENANT, CLIENT, URL).text
        fill(self.world)

    def send(self, method: str, target: str, body: object = None, headers: Mapping[str, str] | None = None) -> Response:
        """One request; a body that is not bytes is sent as JSON."""
        content = body if isinstance(body, bytes) else b"" if body is None else dumps(body)
        return self.system.handle(
            Request(method, self.world.host, target, {"authorization": f"Bearer {self.token}", **(headers or {})}, content)
        )

    def get(self, set_name: str, cross_company: bool = True, **options: str) -> Json:
        """The body of a read that must succeed; options are given without their dollar."""
        response = self.send("GET", url(set_name, cross_company, **options))
        assert response.status == 200, response
        return body_of(response)

    def values(self, set_name: str, cross_company: bool = True, **options: str) -> list[Json]:
        """The rows of one page."""
        value = self.get(set_name, cross_company, **options)["value"]
        assert isinstance(value, list)
        return value

    def post(self, set_name: str, **fields: object) -> Json:
        """A created row."""
        response = self.send("POST", f"/data/{set_name}?cross-company=true", fields)
        assert response.status == 201, response.body
        return body_of(response)

    def refused(self, set_name: str, **fields: object) -> str:
        """The text of a POST that must answer 400."""
        response = self.send("POST", f"/data/{set_name}?cross-company=true", fields)
        assert response.status == 400, response
        return inner_message(response)

    def invoice(self, number: str = "A-1", amount: str = "100.10", vendor: str = "V-1") -> str:
        """A pending invoice with one line; returns its HeaderReference."""
        header = self.post(
            "VendorInvoiceHeaders", dataAreaId="usmf", InvoiceAccount=vendor, InvoiceNumber=number, InvoiceDate="2026-03-01T12:00:00Z"
        )
        reference = str(header["HeaderReference"])
        value = Decimal(amount)
        quantity = Decimal(1 if value >= 0 else -1)
        line = {"Amount": value, "UnitPrice": abs(value), "ReceiveNow": quantity, "SalesTaxGroup": "", "ItemSalesTax": ""}
        self.post("VendorInvoiceLines", dataAreaId="usmf", HeaderReference=reference, MainAccountDisplayValue="600150-001-", **line)
        return reference

    def journal(self) -> str:
        """A payment journal; returns its batch number."""
        return str(self.post("VendorPaymentJournalHeaders", dataAreaId="usmf", JournalName="VendPay")["JournalBatchNumber"])

    def payment_fields(self, batch: str, line: int = 1, amount: str = "100.10", vendor: str = r"V\-1") -> Json:
        """The body of a payment line."""
        return {
            "dataAreaId": "usmf",
            "JournalBatchNumber": batch,
            "LineNumber": Decimal(line),
            "CurrencyCode": "USD",
            "AccountType": "Vend",
            "AccountDisplayValue": vendor,
            "OffsetAccountType": "Bank",
            "OffsetAccountDisplayValue": "USMF OPER",
            "DebitAmount": Decimal(amount),
            "PaymentId": f"P{line}",
            "TransactionDate": "2026-03-02T12:00:00Z",
        }

    def settlement_fields(self, batch: str, number: str = "A-1", amount: str = "100.10", discount: str | None = "0", line: int = 1) -> Json:
        """The body of a settlement row for an invoice that is posted."""
        invoice = next(row for row in self.world.rows("VendTransBiEntities") if row["Invoice"] == number)
        body: Json = {
            "JournalLineCompany": "usmf",
            "JournalBatchNumber": batch,
            "JournalLineNumber": Decimal(line),
            "InvoiceNumber": number,
            "InvoiceCompany": "usmf",
            "InvoiceDueDate": invoice["DueDate"],
            "SettlementAmountInInvoiceCurrency": Decimal(amount),
        }
        return body if discount is None else {**body, "CashDiscountToTakeInInvoiceCurrency": Decimal(discount)}


def fill(world: D365World) -> None:
    """The rows of the environment."""
    world.add("DimensionParameters", DimensionSegmentDelimiter="Hyphen")
    for kind, names in (("Default", "BusinessUnit-CostCenter"), ("Ledger", "MainAccount-BusinessUnit-CostCenter")):
        kind_name = f"DataEntity{kind}DimensionFormat"
        world.add(
            "DimensionIntegrationFormats",
            DimensionFormatName=kind,
            DimensionFormatType=kind_name,
            FinancialDimensionFormat=names,
            IsActive="Yes",
        )
    for value in ("001", "002"):
        world.add("FinancialDimensionValues", FinancialDimension="BusinessUnit", DimensionValue=value)
    world.add("FinancialDimensionValues", FinancialDimension="CostCenter", DimensionValue="0-7")
    world.add("FinancialDimensionValues", FinancialDimension="CostCenter", DimensionValue="OLD", IsSuspended="Yes")
    world.add("MainAccounts", ChartOfAccounts="Shared", MainAccountId="600150", Name="Sales promotions")
    for company in ("usmf", "frsi"):
        world.add("Ledgers", LegalEntityId=company, ChartOfAccounts="Shared")
        world.add("LegalEntities", LegalEntityId=company)
        world.add("PaymentTerms", dataAreaId=company, Name="Net30", NumberOfDays=30)
        world.add("VendorPaymentMethods", dataAreaId=company, Name="CHECK")
        world.add("JournalNames", dataAreaId=company, Name="VendPay", Type="Payment", VoucherSeriesCode="APPM", Description="Payments")
        world.add("BankAccounts", dataAreaId=company, BankAccountId="USMF OPER")
        _vendors(world, company)
    world.add("Currencies", CurrencyCode="USD")


def _vendors(world: D365World, company: str) -> None:
    defaults = {"CurrencyCode": "USD", "DefaultPaymentTermsName": "Net30", "DefaultVendorPaymentMethodName": "CHECK"}
    world.add("VendorsV3", dataAreaId=company, VendorAccountNumber="V-1", VendorOrganizationName="Ünïcode & Söhne", **defaults)
    world.add("VendorsV3", dataAreaId=company, VendorAccountNumber="O'Neil/1", SalesTaxGroupCode="CA", **defaults)
    world.add("VendorsV3", dataAreaId=company, VendorAccountNumber="HELD", OnHoldStatus="All", **defaults)


def url(set_name: str, cross_company: bool = True, **options: str) -> str:
    """The target of a read."""
    pairs = [f"${name}={quote(value)}" for name, value in options.items()] + (["cross-company=true"] if cross_company else [])
    return f"/data/{set_name}?{'&'.join(pairs)}"


def body_of(response: Response) -> Json:
    """The JSON object of a response."""
    body = loads(response.body)
    assert isinstance(body, dict)
    return body


def inner_message(response: Response) -> str:
    """The text of `error.innererror.message`."""
    error = body_of(response)["error"]
    assert isinstance(error, dict)
    return str(error["innererror"]["message"])

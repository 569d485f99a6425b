"""A connector that makes no mistakes because it reads the truth: what the comparison must find in order."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from sandbox.avid.wire import Row
from sandbox.d365 import D365
from sandbox.d365.jsontext import dumps, loads
from sandbox.d365.schema import noon
from sandbox.d365.table import Row as D365Row
from sandbox.entra import Entra
from sandbox.web import Request
from sandbox.worlds import ExpectedInvoice, ExpectedPayment, World
from sandbox.worlds.strings import MAIN_ACCOUNT, escaped
from tests.sandbox.avid_client import Caller

EMPTY = "1900-01-01"


class Ideal:
    """Writes into both systems what must be there, over their own interfaces; what is there already is not written again."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.avid = Caller(world.avid)
        facts = world.connection
        entra = Entra(world.d365.now)
        entra.register_app(facts["tenant"], facts["client_id"], facts["client_secret"])
        self._d365 = D365(world.d365, entra)
        self._token = entra.issue(facts["tenant"], facts["client_id"], facts["environment_url"]).text
        self._journals: dict[tuple[str, str, str], tuple[str, int]] = {}
        self._written: set[object] = set()

    def run(self) -> None:
        """One cycle."""
        self._send_reference()
        for invoice in self.world.expected.invoices.values():
            key = ("invoice", invoice.accounting_system, invoice.id)
            if invoice.fate.action == "write" and key not in self._written:
                self._written.add(key)
                self._write_invoice(invoice)
        for payment in self.world.expected.payments.values():
            if payment.fate.action == "write" and payment.id not in self._written:
                self._written.add(payment.id)
                self._write_payment(payment)
        self._acknowledge()

    def post(self, set_name: str, **fields: object) -> dict[str, object]:
        """Create a row in D365, which must take it."""
        headers = {"authorization": f"Bearer {self._token}"}
        response = self._d365.handle(Request("POST", self.world.d365.host, f"/data/{set_name}?cross-company=true", headers, dumps(fields)))
        assert response.status == 201, (fields, response.body)
        row = loads(response.body)
        assert isinstance(row, dict)
        return row

    # ---- reference data ----

    def _send_reference(self) -> None:
        vendors: list[Row] = []
        codes: list[Row] = []
        for company in self.world.connection["companies"]:
            system, area = company["accounting_system"], company["id"]
            vendors += [self._vendor(row, system) for row in self.world.d365.find("VendorsV3", dataAreaId=area)]
            codes += [*self._accounts(area, system), *self._values(area, system)]
        for path, rows, size in (("vendors", vendors, 100), ("enterpriseCodes", codes, 500)):
            for start in range(0, len(rows), size):
                results = self.avid.post(f"/v1/{path}", [*rows[start : start + size]])
                assert all(result["Successful"] is True for result in results), results

    def _vendor(self, row: D365Row, system: int) -> Row:
        release = row.text("VendorHoldReleaseDate")[:10]
        held = row["OnHoldStatus"] in ("Invoice", "All", "Payment") and not EMPTY < release <= self._today.isoformat()
        name = row.text("VendorOrganizationName") or f"{row['PersonFirstName']} {row['PersonLastName']}"
        return {
            "AccountingSystemId": system,
            "VendorExternalSystemID": row.text("VendorAccountNumber"),
            "VendorName": name,
            "EmailAddress": row.text("PrimaryEmailAddress"),
            "IsActive": not held,
        }

    def _accounts(self, area: str, system: int) -> Iterable[Row]:
        for row in self.world.d365.rows("MainAccounts"):
            own = self.world.d365.find("MainAccountLegalEntities", MainAccountId=row["MainAccountId"], LegalEntityId=area)
            closed = any(part["IsSuspended"] == "Yes" or part["DoNotAllowManualEntry"] == "Yes" for part in (row, *own))
            active = not closed and row["MainAccountType"] not in ("Total", "Reporting") and self._in_date(row)
            yield self._code(system, MAIN_ACCOUNT, row.text("MainAccountId"), row.text("Name"), active)

    def _values(self, area: str, system: int) -> Iterable[Row]:
        for row in self.world.d365.rows("FinancialDimensionValues"):
            if row.text("LegalEntityId").lower() not in ("", area):
                continue
            set_name = "FinancialDimensionValueLegalEntityOverridesV2"
            own = self.world.d365.find(set_name, DimensionValue=row["DimensionValue"], LegalEntityId=area)
            closed = row["IsTotal"] == "Yes" or row["IsBlockedForManualEntry"] == "Yes"
            active = not closed and self._in_date(row) and not any(part["IsSuspended"] == "Yes" for part in (row, *own))
            yield self._code(system, row.text("FinancialDimension"), row.text("DimensionValue"), row.text("Description"), active)

    def _code(self, system: int, dimension: str, value: str, text: str, active: bool) -> Row:
        group = self.world.connection["code_groups"][dimension]
        identity: Row = {"AccountingSystemId": system, "CodeGroupName": group, "EnterpriseCodeValue": value}
        return {**identity, "EnterpriseCodeValueDescription": text, "IsActive": active}

    def _in_date(self, row: D365Row) -> bool:
        starts, ends, today = row.text("ActiveFrom")[:10], row.text("ActiveTo")[:10], self._today.isoformat()
        return starts <= today and (ends == EMPTY or ends >= today)

    @property
    def _today(self) -> date:
        return self.world.d365.now().date()

    # ---- documents ----

    def _write_invoice(self, item: ExpectedInvoice) -> None:
        assert item.dated is not None
        assert item.due is not None
        header = self.post(
            "VendorInvoiceHeaders",
            dataAreaId=item.company,
            InvoiceAccount=item.invoice_account,
            VendorAccount=item.vendor_account,
            InvoiceNumber=item.number,
            InvoiceDate=noon(item.dated),
            Date=noon(item.posted_on or item.dated),
            DueDate=noon(item.due),
            Currency=item.currency,
            ImportedAmount=item.gross,
            MethodOfPayment=self.world.company(item.company)["invoice_payment_method"],
            DimensionDisplayValue=item.header,
        )
        for number, line in enumerate(item.lines, 1):
            self.post(
                "VendorInvoiceLines",
                dataAreaId=item.company,
                HeaderReference=header["HeaderReference"],
                InvoiceLineNumber=Decimal(number),
                ReceiveNow=Decimal(1 if line.amount > 0 else -1),
                UnitPrice=abs(line.amount),
                Amount=line.amount,
                MainAccountDisplayValue=line.ledger,
                DimensionDisplayValue=line.default,
                SalesTaxGroup="",
                ItemSalesTax="",
            )

    def _write_payment(self, item: ExpectedPayment) -> None:
        assert item.dated is not None
        batch, number = self._next_line(item)
        self.post(
            "VendorPaymentJournalLines",
            dataAreaId=item.company,
            JournalBatchNumber=batch,
            LineNumber=Decimal(number),
            AccountType="Vend",
            AccountDisplayValue=escaped(item.account),
            OffsetAccountType="Bank",
            OffsetAccountDisplayValue=escaped(item.bank),
            DebitAmount=item.amount,
            CurrencyCode=item.currency,
            PaymentMethodName=item.method,
            PaymentId=str(item.id),
            CheckNumber=item.check_number,
            PaymentReference=item.reference,
            TransactionDate=noon(item.dated),
            DefaultDimensionsForAccountDisplayValue=item.dimensions,
            DefaultDimensionsForOffsetAccountDisplayValue=item.dimensions,
        )
        for settlement in item.settlements:
            self.post(
                "VendorPaymentJournalLineSettledInvoices",
                JournalLineCompany=item.company,
                JournalBatchNumber=batch,
                JournalLineNumber=Decimal(number),
                InvoiceNumber=settlement.number,
                InvoiceCompany=item.company,
                InvoiceDueDate=noon(settlement.due),
                SettlementAmountInInvoiceCurrency=settlement.gross,
                CashDiscountToTakeInInvoiceCurrency=settlement.discount,
            )

    def _next_line(self, item: ExpectedPayment) -> tuple[str, int]:
        key = (item.company, item.bank, item.currency)
        if key not in self._journals:
            name = self.world.company(item.company)["payment_journal"]
            journal = self.post("VendorPaymentJournalHeaders", dataAreaId=item.company, JournalName=name)
            self._journals[key] = str(journal["JournalBatchNumber"]), 0
        batch, number = self._journals[key]
        self._journals[key] = batch, number + 1
        return batch, number + 1

    def _acknowledge(self) -> None:
        done = {(ack.batch_guid, ack.date_closed) for ack in self.world.avid.acknowledgements}
        for batch in self.world.avid.batches.values():
            if (
                batch.date_closed is None
                or batch.date_closed.date() < self.world.connection["start_from"]
                or (batch.guid, batch.date_closed) in done
            ):
                continue
            stamp = self.world.avid.now().strftime("%Y-%m-%dT%H:%M:%S")
            history: Row = {"BatchId": batch.guid, "FileId": None, "ExportedByUserId": None, "StartDate": stamp, "EndDate": stamp}
            (result,) = self.avid.post("/v1/invoices/batches/exportHistories", {**history, "ExportHistoryStatusId": 1})
            assert result["Successful"] is True

"""What is asked of D365 about a payment, what its answers are taken for, and what is sent: without a stage around it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import cast
from urllib.parse import unquote

import pytest

from sync.avid.profile import shipped_profile
from sync.connections.document import Company, Policies, parse_connection
from sync.d365.entity import typed
from sync.d365.reference import CompanyReference
from sync.d365.rows import JournalLine, SettledInvoice
from sync.d365.wire import Json, read_row, write_json
from sync.engine.delivery import Foreign, Found, Nothing
from sync.engine.model import Slice
from sync.errors import FixData
from sync.http.wire import HttpRequest, HttpResponse
from sync.ledger.model import Place, Record, State
from sync.stages.payments.books import Books
from sync.stages.payments.plan import PaymentPlan, PlannedSettlement
from sync.stages.payments.readback import differences
from sync.stages.payments.target import LinePiece, PaymentTarget, line_body, settlement_body, stated_amounts
from tests.d365.support import Environment, answer, options_of, page, refusal, scripted, set_of, tables
from tests.engine.stage_bench import document
from tests.http.support import FunctionTransport

pytestmark = pytest.mark.shipped_names("D365 alone, without an AvidXchange")


def settlement(number: str = "INV-1", gross: str = "100.00", discount: str = "2.00") -> PlannedSettlement:
    amounts = Decimal(gross), Decimal(discount)
    return PlannedSettlement(
        invoice_account="V-1", number=number, due_day=date(2026, 3, 1), gross=amounts[0], discount=amounts[1], net=amounts[0] - amounts[1]
    )


def plan(*settlements: PlannedSettlement) -> PaymentPlan:
    paid = settlements or (settlement(),)
    return PaymentPlan(
        payment_id="4711",
        company="usmf",
        journal_name="VendPay",
        bank_account="OPER",
        currency="USD",
        invoice_account="V-1",
        account_display="V\\-1",
        amount=sum((item.net for item in paid), Decimal(0)),
        method="CHECK",
        day=date(2026, 3, 2),
        check_number="000777",
        reference="",
        text="AvidPay 4711 Check",
        account_dimensions="",
        offset_dimensions="",
        settlements=paid,
    )


def test_a_plan_that_was_kept_before_there_were_marks_and_holds_is_of_neither() -> None:
    kept = PaymentPlan.model_validate_json(plan().model_dump_json(exclude={"marked_invoice", "held"}))
    assert (kept.marked_invoice, kept.held) == ("", "")
    assert line_body(kept, "00042", 3) == line_body(plan(), "00042", 3)


# --- the amounts of a settlement ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policies", "stated"),
    [
        (Policies(), ("100.00", "2.00")),
        (Policies.model_validate({"settlement_amount": "net"}), ("98.00", "2.00")),
        (Policies.model_validate({"settlement_sign": "as_invoice"}), ("-100.00", "-2.00")),
        (Policies.model_validate({"settlement_amount": "net", "settlement_sign": "as_invoice"}), ("-98.00", "-2.00")),
    ],
)
def test_a_settlement_is_stated_as_the_environment_reads_amounts(policies: Policies, stated: tuple[str, str]) -> None:
    assert tuple(map(str, stated_amounts(settlement(), policies))) == stated


# --- reading back ------------------------------------------------------------------------------------------------------------------


def held(body: Mapping[str, Json]) -> dict[str, Json]:
    return dict(read_row(write_json(body)))


def line(**changes: Json) -> JournalLine:
    return typed(JournalLine, held({"CreditAmount": 0, **line_body(plan(), "00042", 3), **changes}))


def settled(item: PlannedSettlement, **changes: Json) -> SettledInvoice:
    body = settlement_body(plan(), "00042", 3, item, stated_amounts(item, Policies()))
    return typed(SettledInvoice, held({**body, **changes}))


def told(wanted: PaymentPlan, stored: JournalLine | None, rows: Sequence[SettledInvoice]) -> list[str]:
    return [cause.sentence for cause in differences(wanted, stored, [*rows], lambda item: stated_amounts(item, Policies()))]


def test_a_line_that_is_not_there_is_told_as_missing() -> None:
    assert told(plan(), None, [settled(settlement())]) == ["Payment 4711, line: sent written, D365 holds missing."]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"InvoiceDueDate": "2026-03-31T12:00:00Z"}, "due date of invoice INV-1: sent 2026-03-01, D365 holds 2026-03-31."),
        ({"SettlementAmountInInvoiceCurrency": Decimal("99.99")}, "settlement of invoice INV-1: sent 100.00, D365 holds 99.99."),
        ({"CashDiscountToTakeInInvoiceCurrency": Decimal(0)}, "discount of invoice INV-1: sent 2.00, D365 holds 0.00."),
    ],
)
def test_a_settlement_that_d365_changed_is_told_with_both_values(change: dict[str, Json], sentence: str) -> None:
    assert told(plan(), line(), [settled(settlement(), **change)]) == [f"Payment 4711, {sentence}"]


def test_marks_that_nobody_asked_for_are_told_in_order() -> None:
    numbers = [f"INV-{number}" for number in range(2, 9)]
    rows = [settled(settlement(number)) for number in ("INV-1", *reversed(numbers))]
    assert told(plan(), line(), rows) == [
        f"Payment 4711, settlement of invoice {number}: sent not marked, D365 holds marked." for number in numbers
    ]


# --- looking for a payment ---------------------------------------------------------------------------------------------------------


def target(it: Environment) -> PaymentTarget:
    return PaymentTarget(it.client, Policies())


def record(*, sent: bool = True, **progress: str) -> Record:
    return Record(
        place=Place("contoso", "payments"),
        key="k",
        label="payment 4711",
        source_id="4711",
        state=State.CLAIMED,
        version="v",
        job="j",
        payload="",
        progress=progress,
        sent_at=datetime(2026, 3, 2, tzinfo=UTC) if sent else None,
    )


def transaction(**changes: Json) -> dict[str, Json]:
    return {
        "dataAreaId": "usmf",
        "SourceKey": 1,
        "AccountNum": "V-1",
        "Invoice": "",
        "AmountCur": Decimal("98.00"),
        "SettleAmountCur": Decimal(0),
        "Closed": "1900-01-01T12:00:00Z",
        "CurrencyCode": "USD",
        "TransDate": "2026-03-02T12:00:00Z",
        "DueDate": "1900-01-01T12:00:00Z",
        "PaymId": "4711",
        **changes,
    }


@pytest.mark.parametrize(
    ("voucher", "shown"), [("PAY-9", "PAY-9"), ("", "posted")], ids=["with a voucher", "whose voucher D365 does not show"]
)
def test_a_sent_payment_that_was_posted_meanwhile_is_found(voucher: str, shown: str) -> None:
    it = tables({"VendTransBiEntities": [transaction(Voucher=voucher)]})
    assert LinePiece(target(it), plan()).look(record(journal="00042", line="3")) == Found({"posted": shown})


@pytest.mark.parametrize(("amount", "codes"), [("98.00", []), ("98.01", ["conflict"])])
def test_a_posted_payment_that_we_did_not_send_is_another_s(amount: str, codes: list[str]) -> None:
    it = tables({"VendTransBiEntities": [transaction(Voucher="PAY-9", AmountCur=Decimal(amount))]})
    sight = LinePiece(target(it), plan()).look(record(sent=False))
    assert isinstance(sight, Foreign)
    assert [cause.code for cause in sight.causes] == codes


def test_a_posted_payment_of_another_id_is_not_this_one() -> None:
    it = tables({"VendTransBiEntities": [transaction(PaymId="4712")]})
    assert LinePiece(target(it), plan()).look(record(journal="00042", line="3")) == Nothing()


def test_a_payment_that_has_no_journal_yet_is_looked_for_by_its_id_alone() -> None:
    """Asking for line 0 of a journal without a number would name any line that D365 has yet to number."""
    it = tables({})
    LinePiece(target(it), plan()).look(record(sent=False))
    LinePiece(target(it), plan()).look(record(journal="00042", line="3"))
    filters = [options_of(request)["$filter"] for request in it.sent if set_of(request) == "VendorPaymentJournalLines"]
    assert ["JournalBatchNumber eq '00042' and LineNumber eq 3" in text for text in filters] == [False, True]
    assert "JournalBatchNumber" not in filters[0]
    assert all("PaymentId eq '4711'" in text for text in filters)


def test_a_settlement_that_is_there_already_is_told_and_its_payment_is_not_taken_for_written() -> None:
    it = scripted(refusal("Cannot create a record in VendorPaymentJournalLineSettledInvoices. The record already exists"))
    with pytest.raises(FixData) as caught:
        target(it).create_settlement(plan(), "00042", 3, settlement())
    [cause] = caught.value.causes
    assert (cause.code, cause.subject) == ("refused", "payment 4711, invoice INV-1")


# --- what the checks ask -----------------------------------------------------------------------------------------------------------


@dataclass
class OneEnvironment:
    """A slice, and its systems, as far as the books ask: one D365 for all companies."""

    it: Environment

    def __post_init__(self) -> None:
        self.connection = parse_connection(document())
        self.systems = self
        self.avid = self
        self.profile = shipped_profile()

    def reference(self, company: Company) -> CompanyReference:
        return CompanyReference(self.it.client, company.id, date(2026, 3, 2))


def books(rows: Mapping[str, list[dict[str, Json]]]) -> Books:
    it = tables(rows)
    return Books(cast(Slice, OneEnvironment(it)), target(it))


def vendor(account: str = "V-1", **changes: Json) -> dict[str, Json]:
    return {"dataAreaId": "usmf", "VendorAccountNumber": account, "OnHoldStatus": "No", **changes}


def invoice(account: str, company: str = "USMF") -> dict[str, Json]:
    return transaction(dataAreaId=company, AccountNum=account, Invoice="INV-1", AmountCur=Decimal(-100))


@pytest.mark.parametrize("company", ["usmf", "USMF", "Usmf"])
@pytest.mark.parametrize(
    ("payee", "account", "companies"),
    [
        (vendor(), "V-1", {"usmf"}),
        (vendor(), "v-1", {"usmf"}),
        (vendor(InvoiceVendorAccountNumber="V-0"), "V-0", {"usmf"}),
        (vendor(InvoiceVendorAccountNumber="V-0"), "V-1", set()),
        (vendor(), "V-2", set()),
    ],
)
def test_a_vendor_s_invoice_is_in_the_companies_whose_books_have_it_on_its_invoice_account(
    company: str, payee: dict[str, Json], account: str, companies: set[str]
) -> None:
    it = books({"VendTransBiEntities": [invoice(account, company)], "VendorsV3": [payee]})
    assert it.companies_of("V-1", "INV-1") == companies


@pytest.mark.parametrize(("account", "company", "waits"), [("v-1", "USMF", True), ("V-2", "USMF", False), ("V-1", "USSI", False)])
def test_an_invoice_waits_unposted_in_its_own_company_on_its_own_account(account: str, company: str, waits: bool) -> None:
    row: dict[str, Json] = {
        "dataAreaId": company,
        "HeaderReference": "H-1",
        "InvoiceAccount": account,
        "InvoiceNumber": "INV-1",
        "InvoiceDate": "2026-03-01T12:00:00Z",
        "Date": "2026-03-01T12:00:00Z",
        "DueDate": "2026-03-01T12:00:00Z",
        "Currency": "USD",
        "ImportedAmount": Decimal(100),
    }
    it = books({"VendorInvoiceHeaders": [row]})
    assert it.pending(it.connection.companies[0], "V-1", "INV-1") is waits


def mark(company: str, account: str = "V-1", number: str = "INV-1") -> dict[str, Json]:
    return {
        "JournalLineCompany": company,
        "JournalBatchNumber": "00042",
        "JournalLineNumber": 1,
        "InvoiceNumber": number,
        "InvoiceCompany": "USMF",
        "InvoiceDueDate": "2026-03-01T12:00:00Z",
        "SettlementAmountInInvoiceCurrency": Decimal(100),
        "CashDiscountToTakeInInvoiceCurrency": Decimal(0),
        "invoiceAccount": account,
    }


def journal_of(company: str, posted: str = "No") -> dict[str, Json]:
    return {"dataAreaId": company, "JournalBatchNumber": "00042", "JournalName": "VendPay", "Description": "", "IsPosted": posted}


@pytest.mark.parametrize(("named", "asked"), [("USSI", "ussi"), ("", "usmf")])
def test_the_journal_that_marks_an_invoice_is_looked_for_in_its_own_company(named: str, asked: str) -> None:
    """A company can pay for another: the journal is then in the books of the one that pays."""
    answers = FunctionTransport(lambda request: answered(request, mark(named)))
    it = Environment(answers)
    company = OneEnvironment(it).connection.companies[0]
    assert Books(cast(Slice, OneEnvironment(it)), target(it)).marked_by(company, "V-1", "INV-1") == "00042"
    assert f"dataAreaId='{asked}'" in unquote(answers.sent[-1].url)


@pytest.mark.parametrize(
    ("row", "posted"), [(mark("usmf", account="V-2"), "No"), (mark("usmf", number="inv-1"), "No"), (mark("usmf"), "Yes")]
)
def test_marks_of_other_invoices_and_of_posted_journals_are_in_nobody_s_way(row: dict[str, Json], posted: str) -> None:
    it = Environment(FunctionTransport(lambda request: answered(request, row, posted)))
    company = OneEnvironment(it).connection.companies[0]
    assert Books(cast(Slice, OneEnvironment(it)), target(it)).marked_by(company, "V-1", "INV-1") == ""


def answered(request: HttpRequest, row: dict[str, Json], posted: str = "No") -> HttpResponse:
    if set_of(request) == "VendorPaymentJournalLineSettledInvoices":
        return page(row)
    return answer(200, journal_of("usmf", posted))

"""The checks of one payment against books that are given by hand: what is written, and what a person is told instead."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from sync.avid.fields import Fields
from sync.avid.models import AvidPayment, PaymentException, PaymentKind, PaymentState, Remittance
from sync.avid.profile import shipped_profile
from sync.causes import Cause
from sync.connections.document import Company, Connection, parse_connection
from sync.d365.entity import typed
from sync.d365.reference import CompanyReference
from sync.d365.rows import VendorTransaction
from sync.d365.wire import Json
from sync.engine.delivery import Leave, Park, Ready, Verdict
from sync.stages.payments.checks import Coding, PaymentCheck
from sync.stages.payments.plan import PaymentPlan
from tests.d365.support import tables
from tests.engine.stage_bench import document
from tests.stages.test_payments_readback import payment as bare_payment
from tests.support.settings import amended

pytestmark = pytest.mark.shipped_names("its fields are named as AvidXchange is shipped")

DAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 20, 8, tzinfo=UTC)
COMPANY: Mapping[str, object] = {
    "id": "usmf",
    "accounting_system": "1",
    "payment_journal": "VendPay",
    "payment_methods": {
        "check": {"d365_method": "CHECK", "bank_account": "OPER"},
        "ach": {"d365_method": "ACH", "bank_account": "OPER"},
        "virtual_card": {"d365_method": "CARD", "bank_account": "CARDS"},
    },
}
VENDOR: Mapping[str, Json] = {"dataAreaId": "usmf", "VendorAccountNumber": "V-1", "OnHoldStatus": "No"}
D365: Mapping[str, list[dict[str, Json]]] = {
    "VendorsV3": [dict(VENDOR)],
    "DimensionParameters": [{"Key": 0, "DimensionSegmentDelimiter": "Hyphen"}],
    "DimensionIntegrationFormats": [
        {
            "DimensionFormatName": "F",
            "DimensionFormatType": f"DataEntity{kind}DimensionFormat",
            "FinancialDimensionFormat": names,
            "IsActive": "Yes",
        }
        for kind, names in {"Default": "Site-Team", "Ledger": "MainAccount-Site-Team"}.items()
    ],
}


def remittance(number: str = "INV-1", gross: str = "100.00", discount: str = "0.00") -> Remittance:
    return Remittance(number, "", None, Decimal(gross), Decimal(discount), Decimal(gross) - Decimal(discount), "")


def paying(*items: Remittance, **changes: object) -> AvidPayment:
    """A settled check to V-1 for these invoices, or for INV-1 alone."""
    paid = list(items or (remittance(),))
    amount = sum((item.net for item in paid), Decimal(0))
    return replace(bare_payment(amount, paid), **{"payee_id": "V-1", "payment_date": DAY, "check_number": "000777", **changes})  # type: ignore[arg-type]


def transaction(number: str = "INV-1", amount: str = "-100.00", **changes: Json) -> VendorTransaction:
    """An open invoice of V-1."""
    row: dict[str, Json] = {
        "dataAreaId": "USMF",
        "SourceKey": 1,
        "AccountNum": "V-1",
        "Invoice": number,
        "AmountCur": Decimal(amount),
        "SettleAmountCur": Decimal(0),
        "Closed": "1900-01-01T12:00:00Z",
        "CurrencyCode": "USD",
        "TransDate": "2026-02-01T12:00:00Z",
        "DueDate": "2026-03-01T12:00:00Z",
    }
    return typed(VendorTransaction, row | changes)


@dataclass
class GivenBooks:
    """See `PaymentBooks`: what D365 and the ledger hold is given by hand."""

    connection: Connection
    rows: Sequence[VendorTransaction]
    coded: Sequence[Coding] = ()
    waiting: bool = False
    marked: str = ""
    names: Fields = field(default_factory=lambda: shipped_profile().fields)

    def reference(self, company: Company) -> CompanyReference:
        return CompanyReference(tables(D365).client, company.id, NOW.date())

    def open_items(self, vendor: str, number: str) -> Sequence[VendorTransaction]:
        return [row for row in self.rows if (row.account, row.invoice) == (vendor, number)]

    def pending(self, company: Company, invoice_account: str, number: str) -> bool:
        return self.waiting

    def companies_of(self, vendor: str, number: str) -> frozenset[str]:
        return frozenset({"usmf"})

    def marked_by(self, company: Company, invoice_account: str, number: str) -> str:
        return self.marked

    def codings(self, company: Company, invoice_account: str, number: str) -> Sequence[Coding]:
        return self.coded


def books(
    *rows: VendorTransaction,
    coded: Sequence[Coding] = (),
    waiting: bool = False,
    marked: str = "",
    on_issue: bool = False,
    **policies: object,
) -> GivenBooks:
    methods = {
        kind: {**method, "policy": "on_issue" if on_issue else "on_settled"}
        for kind, method in COMPANY["payment_methods"].items()  # type: ignore[attr-defined]
    }
    groups = {"MainAccount": "GL", "Site": "Sites", "Team": "Teams"}
    connection = amended(
        parse_connection(document()), companies=[{**COMPANY, "payment_methods": methods}], code_groups=groups, policies=policies
    )
    return GivenBooks(connection, rows or (transaction(),), coded, waiting, marked)


def verdict(payment: AvidPayment, given: GivenBooks | None = None, *, noted: datetime | None = None) -> Verdict:
    return PaymentCheck(given or books(), payment, NOW, noted).verdict()


def planned(payment: AvidPayment, given: GivenBooks | None = None) -> PaymentPlan:
    found = verdict(payment, given)
    assert isinstance(found, Ready), found
    return PaymentPlan.model_validate_json(found.plan)


def causes(payment: AvidPayment, given: GivenBooks | None = None, *, noted: datetime | None = None) -> list[Cause]:
    found = verdict(payment, given, noted=noted)
    assert isinstance(found, Park), found
    return list(found.causes)


# --- state -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "words"),
    [(PaymentState.PENDING, "Not paid yet"), (PaymentState.IN_FLIGHT, "Not paid yet"), (PaymentState.VOIDED, "never written")],
)
def test_money_that_did_not_move_is_left_alone_and_says_why(state: PaymentState, words: str) -> None:
    found = verdict(paying(state=state), books(on_issue=True))
    assert isinstance(found, Leave)
    assert words in found.sentence


def test_an_unknown_status_names_itself() -> None:
    [cause] = causes(paying(state=PaymentState.UNKNOWN, status="Lost"), books(on_issue=True))
    assert (cause.code, cause.subject) == ("payment-status", "status Lost")


@pytest.mark.parametrize(
    ("reasons", "words"),
    [
        ((), "it gives no reason"),
        ((("7", "Supplier account closed"),), "Supplier account closed (reason 7)"),
        ((("4", "Address"), ("7", "Account")), "Address (reason 4); Account (reason 7)"),
    ],
)
def test_a_payment_in_error_says_every_reason_or_that_there_is_none(reasons: tuple[tuple[str, str], ...], words: str) -> None:
    exceptions = tuple(PaymentException(number, text) for number, text in reasons)
    [cause] = causes(paying(state=PaymentState.ERROR, exceptions=exceptions))
    assert cause.sentence == f"Payment 1: AvidXchange reports an error: {words}."


@pytest.mark.parametrize(("clears", "code"), [(True, "payment-error-clears"), (False, "payment-error")])
def test_a_payment_in_error_says_whether_it_clears_by_itself(clears: bool, code: str) -> None:
    assert [cause.code for cause in causes(paying(state=PaymentState.ERROR, clears_by_itself=clears))] == [code]


# --- policy ------------------------------------------------------------------------------------------------------------------------

WEEKS_AGO, YESTERDAY = NOW - timedelta(days=18), NOW - timedelta(days=1)


@pytest.mark.parametrize(
    ("dated", "changed", "noted", "since"),
    [
        (True, YESTERDAY, YESTERDAY, " since 2026-03-02"),
        (False, WEEKS_AGO, YESTERDAY, " since 2026-03-02"),
        (False, YESTERDAY, WEEKS_AGO, " since 2026-03-02"),
        (False, WEEKS_AGO, None, " since 2026-03-02"),
        (False, None, None, ""),
    ],
)
def test_an_issued_payment_waits_since_the_earliest_day_that_is_known(
    dated: bool, changed: datetime | None, noted: datetime | None, since: str
) -> None:
    payment = paying(state=PaymentState.ISSUED, status="Issued", payment_date=DAY if dated else None, last_modified=changed)
    [cause] = causes(payment, noted=noted)
    assert cause.code == ("issued-too-long" if since else "not-settled")
    assert cause.sentence == f"Payment 1 is issued (Issued){since} and waits for settlement."


def test_a_payment_that_may_be_written_when_issued_is() -> None:
    assert planned(paying(state=PaymentState.ISSUED), books(on_issue=True)).payment_id == "1"


# --- the vendor, and what is paid --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("payee", "words"), [("V-9", "vendor V-9 does not exist in company usmf."), ("", "it names no vendor of D365.")])
def test_a_payee_that_d365_does_not_know_is_named(payee: str, words: str) -> None:
    """No field of AvidXchange is to blame: the vendor is to be made in D365."""
    found = [cause for cause in causes(paying(payee_id=payee)) if cause.code == "vendor-missing"]
    assert [(cause.sentence, cause.field) for cause in found] == [(f"Payment 1: {words}", "")]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (books(transaction("other")), "invoice-unknown"),
        (books(transaction("other"), waiting=True), "invoice-not-posted"),
        (books(transaction(Closed="2026-03-01T12:00:00Z")), "already-settled"),
        (books(transaction(), transaction(SourceKey=2)), "due-dates"),
        (books(transaction(DueDate="1900-01-01T12:00:00Z")), "due-dates"),
        (books(transaction(SettleAmountCur=Decimal("-0.01"))), "remaining-too-small"),
        (books(transaction(CurrencyCode="CAD")), "currency-differs"),
        (books(marked="00042"), "marked-elsewhere"),
    ],
)
def test_an_invoice_that_cannot_be_settled_parks_its_payment(given: GivenBooks, code: str) -> None:
    assert [cause.code for cause in causes(paying(), given)] == [code]


def test_a_currency_is_the_same_in_any_case() -> None:
    assert planned(paying(currency="usd")).payment_id == "1"


@pytest.mark.parametrize(
    ("items", "rows"),
    [
        ([remittance(gross="60.00")], [transaction()]),
        ([remittance(discount="2.00")], [transaction()]),
        ([remittance(), remittance("INV-2")], [transaction(), transaction("INV-2")]),
    ],
    ids=["in part", "less a discount", "with others"],
)
def test_what_a_marked_invoice_cannot_settle_is_parked_but_settled_by_rows_of_its_own(
    items: list[Remittance], rows: list[VendorTransaction]
) -> None:
    payment = paying(*items)
    assert {cause.code for cause in causes(payment, books(*rows, settlement="marked_invoice"))} == {"settlement-mode"}
    plan = planned(payment, books(*rows))
    assert (plan.marked_invoice, [item.number for item in plan.settlements]) == ("", [item.number for item in items])


def test_one_whole_invoice_is_settled_by_its_mark_where_the_customer_wants_it() -> None:
    assert planned(paying(), books(settlement="marked_invoice")).marked_invoice == "INV-1"


# --- the line ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "avidpay", "check_number", "reference"),
    [
        (PaymentKind.CHECK, "", "000777", ""),
        (PaymentKind.CHECK, "009001", "009001", ""),
        (PaymentKind.ACH, "009001", "", "T-5"),
        (PaymentKind.VIRTUAL_CARD, "009001", "", ""),
    ],
)
def test_a_check_number_goes_with_a_check_and_a_trace_number_with_ach(
    kind: PaymentKind, avidpay: str, check_number: str, reference: str
) -> None:
    """A number that AvidXchange still carries from an earlier method is no number of this payment."""
    plan = planned(paying(kind=kind, avidpay_check_number=avidpay, ach_trace_number="T-5"))
    assert (plan.check_number, plan.reference) == (check_number, reference)


# --- dimensions --------------------------------------------------------------------------------------------------------------------

SHARED = [(Decimal(70), {"Site": "001", "Team": "A"}), (Decimal(30), {"Site": "001", "Team": "B"})]


@pytest.mark.parametrize("on_account", [True, False])
@pytest.mark.parametrize("on_offset", [True, False])
def test_shared_dimensions_go_where_the_customer_wants_them(on_account: bool, on_offset: bool) -> None:
    plan = planned(paying(), books(coded=SHARED, dimensions_on_account=on_account, dimensions_on_offset=on_offset))
    assert (plan.account_dimensions, plan.offset_dimensions) == ("001-" if on_account else "", "001-" if on_offset else "")


@pytest.mark.parametrize(("policy", "text"), [("blank", "001-"), ("largest", "001-A")])
def test_a_dimension_that_differs_is_blank_or_that_of_the_larger_part(policy: str, text: str) -> None:
    found = verdict(paying(), books(coded=SHARED, mixed_dimensions=policy))
    assert isinstance(found, Ready)
    assert PaymentPlan.model_validate_json(found.plan).account_dimensions == text
    assert found.facts["mixed"] == "Team"


def test_a_dimension_that_differs_is_for_a_person_where_the_customer_says_so() -> None:
    [cause] = causes(paying(), books(coded=SHARED, mixed_dimensions="park"))
    assert (cause.code, cause.field) == ("dimensions-mixed", "Team")
    assert cause.sentence == "Payment 1 pays invoice lines of different Team: A, B."


def test_a_payment_of_invoices_of_others_has_no_dimensions() -> None:
    plan = planned(paying(), books())
    assert (plan.account_dimensions, plan.offset_dimensions) == ("", "")

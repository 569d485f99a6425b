"""What becomes of a payment by its status, its method's policy and its company, and of a written one that moves."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time

import pytest

from sandbox.avid import AvidSwitches, Payment
from sandbox.avid.records import METHOD_IDS
from sandbox.worlds.model import ExpectedPayment
from sync.ledger.model import State
from tests.support.deliveries import Firm

TODAY = date(2026, 3, 2)
NEVER = ["Pending Approval", "Held", "Processing", "Debit Requested", "Funds Received"]
ISSUED = ["Sent to Check Printer", "Issued to Supplier", "ACH Credit Issued", "VCC Processing"]
VOIDED = ["Void", "Void Requested", "Voided"]
KINDS = {
    "Check": "check",
    "AvidPay Check": "check",
    "AvidPay Direct": "ach",
    "ACH": "ach",
    "Virtual Credit Card": "virtual_card",
    "VCC": "virtual_card",
    "e-Payment": "internal",
}


def firm_with(
    change: Callable[[Payment], Payment] = lambda payment: payment, avid: AvidSwitches | None = None
) -> tuple[Firm, ExpectedPayment]:
    """The firm before its first cycle, one of its sound payments changed."""
    firm = Firm.build(avid=avid)
    item = firm.to_pay()
    put(firm, item, change(firm.world.avid.payments[item.id]))
    return firm, item


def put(firm: Firm, item: ExpectedPayment, payment: Payment) -> None:
    firm.world.avid.payments[item.id] = payment


def codes(firm: Firm, item: ExpectedPayment) -> list[str]:
    return [cause.code for cause in firm.record(item).causes]


def is_noted(firm: Firm, item: ExpectedPayment) -> bool:
    return any(record.source_id == str(item.id) for record in firm.app.ledger.records(firm.payment_place))


def set_policy(firm: Firm, kind: str, policy: str) -> None:
    """The policy of one method in every company."""
    for company in firm.world.connection["companies"]:
        company["payment_methods"][kind]["policy"] = policy
    firm.configure(companies={"payment_methods": firm.world.connection["companies"][0]["payment_methods"]})


# --- status ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", NEVER)
def test_a_payment_that_is_not_paid_yet_is_left_alone(status: str) -> None:
    firm, item = firm_with(lambda payment: replace(payment, status=status))
    firm.cycle()
    assert not is_noted(firm, item)
    assert firm.lines(item) == []


@pytest.mark.parametrize("status", NEVER)
def test_an_issued_payment_that_moves_back_waits_without_a_cause(status: str) -> None:
    firm, item = firm_with(lambda payment: replace(payment, status="Issued to Supplier"))
    firm.cycle()
    firm.world.avid.set_status(item.id, status)
    firm.cycle(minutes=15)
    assert (firm.record(item).state, codes(firm, item)) == (State.OUT_OF_SCOPE, [])
    firm.world.avid.settle_payment(item.id, firm.world.avid.now().date())
    firm.cycle(minutes=15)
    assert (firm.record(item).state, len(firm.lines(item))) == (State.WRITTEN, 1)


@pytest.mark.parametrize("status", ISSUED)
def test_an_issued_payment_waits_under_on_settled_until_it_clears(status: str) -> None:
    firm, item = firm_with(lambda payment: replace(payment, status=status, payment_date=TODAY))
    firm.cycle()
    assert (codes(firm, item), firm.lines(item)) == (["not-settled"], [])
    firm.world.avid.settle_payment(item.id, TODAY)
    firm.cycle(minutes=15)
    assert (codes(firm, item), len(firm.lines(item))) == ([], 1)


@pytest.mark.parametrize("status", ISSUED)
def test_an_issued_payment_is_written_under_on_issue(status: str) -> None:
    firm, item = firm_with(lambda payment: replace(payment, status=status, method="ACH"))
    set_policy(firm, "ach", "on_issue")
    firm.cycle()
    assert (firm.record(item).state, len(firm.lines(item))) == (State.WRITTEN, 1)


@pytest.mark.parametrize("is_own", [True, False])
@pytest.mark.parametrize("method", METHOD_IDS)
def test_every_method_has_a_policy_of_its_own(method: str, is_own: bool) -> None:
    firm, item = firm_with(lambda payment: replace(payment, status="Issued to Supplier", method=method))
    for kind in {*KINDS.values()}:
        set_policy(firm, kind, "on_issue" if (kind == KINDS[method]) == is_own else "on_settled")
    firm.cycle()
    assert len(firm.lines(item)) == (1 if is_own else 0)


@pytest.mark.parametrize("days", [10, 11])
@pytest.mark.parametrize("left_out", [(), ("PaymentDate",), ("PaymentDate", "LastModifiedDate")], ids=["dated", "changed", "found"])
def test_a_payment_that_is_issued_for_longer_than_ten_days_is_reported(left_out: tuple[str, ...], days: int) -> None:
    """Its date tells since when; else its last change; else when it was found."""
    now = datetime.combine(TODAY, time(8), UTC)
    firm, item = firm_with(
        lambda payment: replace(payment, status="Issued to Supplier", payment_date=TODAY, last_modified=now),
        AvidSwitches(left_out=frozenset(left_out)),
    )
    firm.cycle()
    assert codes(firm, item) == ["not-settled"]
    firm.cycle(minutes=days * 24 * 60)
    assert codes(firm, item) == (["issued-too-long"] if days > 10 else ["not-settled"])


@pytest.mark.parametrize("status", VOIDED)
def test_a_voided_payment_is_never_written(status: str) -> None:
    firm, item = firm_with(lambda payment: replace(payment, status=status))
    for kind in sorted({*KINDS.values()}):
        set_policy(firm, kind, "on_issue")
    firm.cycle()
    assert (firm.record(item).state, codes(firm, item), firm.lines(item)) == (State.OUT_OF_SCOPE, [], [])


@pytest.mark.parametrize("status", ["Cleared by Courier", "", "Paid"])
def test_an_unknown_status_is_never_written_and_reported(status: str) -> None:
    firm, item = firm_with(lambda payment: replace(payment, status=status))
    for kind in sorted({*KINDS.values()}):
        set_policy(firm, kind, "on_issue")
    firm.cycle()
    assert (codes(firm, item), firm.lines(item)) == (["payment-status"], [])
    assert repr(status) in firm.record(item).causes[0].sentence


@pytest.mark.shipped_names("its sentences quote AvidXchange's texts")
@pytest.mark.parametrize(
    ("reasons", "code"),
    [
        ((4,), "payment-error-clears"),
        ((5, 6), "payment-error-clears"),
        ((9,), "payment-error-clears"),
        ((4, 7), "payment-error"),
        ((7,), "payment-error"),
        ((), "payment-error"),
    ],
)
def test_an_error_is_reported_with_its_reasons_and_whether_it_clears_by_itself(reasons: tuple[int, ...], code: str) -> None:
    exceptions = tuple((number, f"Reason {number}") for number in reasons)
    firm, item = firm_with(lambda payment: replace(payment, status="Error", exceptions=exceptions))
    firm.cycle()
    assert (codes(firm, item), firm.lines(item)) == ([code], [])
    assert all(f"Reason {number} (reason {number})" in firm.record(item).causes[0].sentence for number in reasons)
    firm.world.avid.settle_payment(item.id, TODAY)
    firm.cycle(minutes=15)
    assert (codes(firm, item), len(firm.lines(item))) == ([], 1)


LIKELY = ("PaymentDate", "LastModifiedDate", "AchTraceNumber", "VirtualCard", "CurrencyCode", "Payee", "Remittances", "AccountingSystemId")


@pytest.mark.parametrize("name", LIKELY)
def test_fields_that_are_only_likely_are_not_needed_or_their_payment_is_parked(name: str) -> None:
    """Without its payee a payment cannot be placed; without its other fields it is written as far as it is known."""
    firm = Firm.build(avid=AvidSwitches(left_out=frozenset({name}), payments_name_accounting_system=True))
    cad = {company["id"].lower() for company in firm.world.connection["companies"] if company["currency"] != "USD"}
    firm.cycle()
    for item in firm.world.expected.payments.values():
        if item.fate.action == "write":
            expected = "vendor-missing" if name == "Payee" else "currency-differs" if name == "CurrencyCode" and item.company in cad else ""
            assert ({cause.code for cause in firm.record(item).causes} >= {expected}) if expected else codes(firm, item) == []
            assert len(firm.lines(item)) == (0 if expected else 1)


# --- the company -------------------------------------------------------------------------------------------------------------------


def accounts(firm: Firm, other: bool, item: ExpectedPayment) -> list[str]:
    """The bank's client ids of the payment's company, or of another one."""
    return next(facts["bank_client_ids"] for facts in firm.world.connection["companies"] if (facts["id"].lower() == item.company) != other)


def system(firm: Firm, other: bool, item: ExpectedPayment) -> int:
    facts = firm.world.connection["companies"]
    return next(company["accounting_system"] for company in facts if (company["id"].lower() == item.company) != other)


@pytest.mark.parametrize(
    ("bank", "system_named", "is_clear"),
    [
        ("own", "own", True),
        ("own", "", True),
        ("", "own", True),
        ("", "", True),
        ("other", "own", False),
        ("own", "other", False),
        ("other", "", False),
        ("", "other", False),
        ("unknown", "own", False),
        ("own", "unknown", False),
        ("unknown", "unknown", False),
    ],
)
def test_the_company_is_what_every_source_names(bank: str, system_named: str, is_clear: bool) -> None:
    """The paid invoices name the company in every case."""
    firm, item = firm_with(avid=AvidSwitches(payments_name_accounting_system=True))
    ids = {"own": accounts(firm, False, item), "other": accounts(firm, True, item), "unknown": ["B-NOWHERE"], "": []}
    systems = {"own": system(firm, False, item), "other": system(firm, True, item), "unknown": 9_999, "": None}
    payment = firm.world.avid.payments[item.id]
    put(firm, item, replace(payment, bank_client_ids=tuple(ids[bank]), accounting_system=systems[system_named]))
    firm.cycle()
    assert codes(firm, item) == ([] if is_clear else ["company-unclear"])
    assert len(firm.lines(item)) == (1 if is_clear else 0)


def test_bank_accounts_that_the_customer_does_not_map_say_nothing() -> None:
    firm, item = firm_with()
    firm.configure(companies={"bank_client_ids": []})
    firm.cycle()
    assert (codes(firm, item), len(firm.lines(item))) == ([], 1)


def test_a_payment_of_invoices_that_d365_does_not_have_has_no_company_without_another_source() -> None:
    firm, item = firm_with(lambda payment: replace(payment, bank_client_ids=(), accounting_system=None))
    payment = firm.world.avid.payments[item.id]
    put(firm, item, replace(payment, remittances=tuple(replace(paid, number=f"?{paid.number}") for paid in payment.remittances)))
    firm.cycle()
    assert codes(firm, item) == ["company-unclear"]


# --- a written payment that moves --------------------------------------------------------------------------------------------------


def test_money_that_comes_back_weeks_later_is_noticed() -> None:
    firm, item = firm_with()
    firm.cycle()
    firm.world.d365.post_journal(item.company, firm.record(item).progress["journal"])
    for _ in range(6):
        firm.cycle(minutes=7 * 24 * 60)
    firm.world.avid.void_payment(item.id)
    firm.cycle(minutes=15)
    assert codes(firm, item) == ["payment-reversed"]


def test_a_card_that_becomes_a_check_before_it_clears_is_paid_as_a_check() -> None:
    """Until a payment is final its method can change: what counts is what it is when it is written."""
    firm, item = firm_with(lambda payment: replace(payment, status="VCC Processing", method="VCC", card_last_four="1234"))
    firm.cycle()
    assert codes(firm, item) in (["not-settled"], ["issued-too-long"])
    firm.world.avid.change_method(item.id, "AvidPay Check", "000123")
    firm.world.avid.settle_payment(item.id, TODAY)
    firm.cycle(minutes=15)
    [line] = firm.world.d365.find("VendorPaymentJournalLines", PaymentId=str(item.id))
    checks = firm.world.company(item.company)["payment_methods"]["check"]
    assert (line.text("PaymentMethodName"), line.text("CheckNumber")) == (checks["d365_method"], "000123")

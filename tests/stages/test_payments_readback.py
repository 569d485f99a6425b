"""The plan of a payment and its read-back, for any payment and every reading of the amounts."""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.avid.models import AvidPayment, PaymentKind, PaymentState, Remittance
from sync.avid.profile import shipped_profile
from sync.connections.document import Policies, SettlementAmount, SettlementSign
from sync.d365.entity import typed
from sync.d365.rows import JournalLine, SettledInvoice
from sync.d365.wire import Json, read_row, write_json
from sync.stages.payments.checks import amount_causes
from sync.stages.payments.plan import PaymentPlan, PlannedSettlement
from sync.stages.payments.readback import differences
from sync.stages.payments.target import line_body, settlement_body, stated_amounts

pytestmark = pytest.mark.shipped_names("plans alone, without an AvidXchange")

texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=12)
filled = texts.filter(bool)
days = st.dates(date(2000, 1, 1), date(2100, 1, 1))
cents = st.integers(-(10**10), 10**10).map(lambda number: Decimal(number).scaleb(-2))
positive = st.integers(1, 10**10).map(lambda number: Decimal(number).scaleb(-2))
readings = st.builds(Policies, settlement_amount=st.sampled_from(SettlementAmount), settlement_sign=st.sampled_from(SettlementSign))

settlements = st.builds(
    lambda account, number, day, gross, discount: PlannedSettlement(
        invoice_account=account, number=number, due_day=day, gross=gross, discount=discount, net=gross - discount
    ),
    filled,
    filled,
    days,
    cents,
    st.just(Decimal(0)) | positive,
)
plans = st.builds(
    PaymentPlan,
    payment_id=filled,
    company=st.just("tqe"),
    journal_name=filled,
    bank_account=filled,
    currency=st.just("USD"),
    invoice_account=filled,
    account_display=filled,
    amount=positive,
    method=filled,
    day=days,
    check_number=texts,
    reference=texts,
    text=filled,
    account_dimensions=texts,
    offset_dimensions=texts,
    marked_invoice=texts,
    held=texts,
    settlements=st.lists(settlements, min_size=1, max_size=3, unique_by=lambda item: (item.invoice_account.casefold(), item.number)).map(
        tuple
    ),
)


@given(plans)
def test_a_plan_survives_json(plan: PaymentPlan) -> None:
    again = PaymentPlan.model_validate_json(plan.model_dump_json())
    assert again == plan
    assert again.model_dump_json() == plan.model_dump_json()


def stored(plan: PaymentPlan, policies: Policies) -> tuple[dict[str, Json], list[dict[str, Json]]]:
    """What D365 holds of the plan when it takes everything as it was sent: the bodies, over the wire."""
    line = read_row(write_json({"CreditAmount": 0, **line_body(plan, "00001", 1)}))
    rows = [settlement_body(plan, "00001", 1, item, stated_amounts(item, policies)) for item in plan.settlements]
    return dict(line), [dict(read_row(write_json(row))) for row in rows]


def compared(plan: PaymentPlan, policies: Policies, line: Mapping[str, Json], rows: list[dict[str, Json]]) -> list[str]:
    settled = [typed(SettledInvoice, row) for row in rows]
    found = differences(plan, typed(JournalLine, dict(line)), settled, lambda item: stated_amounts(item, policies))
    return [cause.field for cause in found]


@given(plans, readings)
def test_what_d365_took_as_it_was_sent_shows_no_difference(plan: PaymentPlan, policies: Policies) -> None:
    line, rows = stored(plan, policies)
    assert compared(plan, policies, line, rows) == []


@given(plans, readings)
def test_the_other_sign_or_reading_shows(plan: PaymentPlan, policies: Policies) -> None:
    line, rows = stored(plan, policies)
    other = SettlementSign.AS_INVOICE if policies.settlement_sign is SettlementSign.AS_PAYMENT else SettlementSign.AS_PAYMENT
    found = compared(plan, policies.model_copy(update={"settlement_sign": other}), line, rows)
    amounts = [stated_amounts(item, policies) for item in plan.settlements]
    assert len(found) == sum(bool(amount) for pair in amounts for amount in pair)


OTHER: Mapping[type, Callable[[Json], Json]] = {
    str: lambda value: "2101-02-03T12:00:00Z" if str(value)[10:] == "T12:00:00Z" else f"{value}x",
    int: lambda value: int(str(value)) + 1,
    Decimal: lambda value: Decimal(str(value)) + Decimal("0.01"),
}
COMPARED_BY_PLACE = {"dataAreaId", "JournalBatchNumber", "LineNumber", "JournalLineCompany", "JournalLineNumber", "InvoiceCompany"}
LEFT_TO_D365 = {"AccountType", "OffsetAccountType", "Company", "OffsetCompany", "MarkedInvoice", "MarkedInvoiceCompany", "SettleVoucher"}
"""Constants of every line; and the mark, which the settlement rows tell about."""


@given(plans, readings, st.data())
def test_any_single_field_that_d365_changed_is_found(plan: PaymentPlan, policies: Policies, data: st.DataObject) -> None:
    line, rows = stored(plan, policies)
    row = data.draw(st.sampled_from([line, *rows]))
    field = data.draw(st.sampled_from(sorted(row.keys() - COMPARED_BY_PLACE - LEFT_TO_D365)))
    row[field] = OTHER[type(row[field])](row[field])
    assert compared(plan, policies, line, rows), f"{field} was changed unseen"


@given(plans, readings)
def test_a_missing_and_an_additional_settlement_are_found(plan: PaymentPlan, policies: Policies) -> None:
    line, rows = stored(plan, policies)
    assert compared(plan, policies, line, rows[1:]) == [f"settlement of invoice {plan.settlements[0].number}"]
    other = {**rows[0], "InvoiceNumber": "another" + str(rows[0]["InvoiceNumber"])}
    assert compared(plan, policies, line, [*rows, other]) == [f"settlement of invoice {other['InvoiceNumber']}"]


@given(st.lists(st.tuples(cents, st.just(Decimal(0)) | positive), min_size=1, max_size=5), st.integers(-1, 1), st.integers(-1, 1))
def test_remittances_add_up_to_the_cent_or_the_payment_is_parked_whole(paid: list[tuple[Decimal, Decimal]], one: int, all_of: int) -> None:
    items = [Remittance("N", "", None, gross, discount, gross - discount, "") for gross, discount in paid]
    items[0] = Remittance("N", "", None, items[0].gross + Decimal(one).scaleb(-2), items[0].discount, items[0].net, "")
    amount = sum((item.net for item in items), Decimal(0)) + Decimal(all_of).scaleb(-2)
    causes = amount_causes(payment(amount, items), shipped_profile().fields)
    assert [cause.field for cause in causes if cause.code == "sum-differs"] == ["Remittances.Net"] * bool(one) + ["Amount"] * bool(all_of)
    assert ("field-invalid" in {cause.code for cause in causes}) == (amount <= 0)


def payment(amount: Decimal, items: list[Remittance]) -> AvidPayment:
    return AvidPayment(
        id="1",
        batch_id="",
        accounting_system="",
        amount=amount,
        currency="USD",
        status="Cleared",
        state=PaymentState.SETTLED,
        method="Check",
        kind=PaymentKind.CHECK,
        check_number="",
        avidpay_check_number="",
        ach_trace_number="",
        card_last_four="",
        payment_date=None,
        cleared_date=None,
        last_modified=None,
        payee_id="",
        payee_name="",
        bank_client_ids=(),
        external_payment_ids=(),
        exceptions=(),
        clears_by_itself=False,
        remittances=tuple(items),
        text="",
    )

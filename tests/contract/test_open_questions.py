"""The connector lives with every answer to what contracts/d365-fo.md marks L or U: one switch of the sandbox at a time."""

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from sandbox.d365.switches import D365Switches
from sandbox.worlds.truth import compare
from sync.ledger.model import State
from tests.support.deliveries import Firm

POLICIES: Mapping[tuple[str, object], Mapping[str, Any]] = {  # Any: what a connection document holds
    # What the connection says where the environment has to be told.
    ("settlement_amount", "net"): {"settlement_amount": "net"},
    ("settlement_sign", "as_invoice"): {"settlement_sign": "as_invoice"},
}
ELSEWHERE: Mapping[tuple[str, object], str] = {
    ("account_only_lines", "refuse"): "the company needs a procurement category: tests/stages",
    ("child_settlements", "refuse"): "payments with discounts or several invoices cannot be written then: tests/stages",
}


def other_values() -> Iterator[tuple[str, object]]:
    """Every switch with a choice, in every setting but the usual one."""
    usual, kinds = D365Switches(), typing.get_type_hints(D365Switches)
    for field in dataclasses.fields(D365Switches):
        if typing.get_origin(kinds[field.name]) is typing.Literal:
            values = [value for value in typing.get_args(kinds[field.name]) if value != getattr(usual, field.name)]
            yield from ((field.name, value) for value in values if (field.name, value) not in ELSEWHERE)


@pytest.mark.slow
@pytest.mark.parametrize(("switch", "value"), [*other_values()])
def test_documents_arrive_once_and_right_whatever_the_environment_does(switch: str, value: object) -> None:
    switches = D365Switches(page_cap=50)
    setattr(switches, switch, value)
    firm = Firm.build(switches=switches, **POLICIES.get((switch, value), {}))
    firm.cycle()
    assert compare(firm.world).agrees, compare(firm.world).differences
    written = len(firm.world.d365.writes)
    firm.cycle(minutes=20)
    assert len(firm.world.d365.writes) == written, "a second cycle writes nothing"
    assert firm.record(firm.to_write()).state is State.WRITTEN
    assert firm.record(firm.to_pay()).state is State.WRITTEN


@pytest.mark.parametrize("hidden", ["VendInvoiceJourBiEntities", "VendTransBiEntities"])
@pytest.mark.parametrize("how", ["hidden_sets", "denied_sets"])
def test_without_the_bi_sets_no_document_is_written(hidden: str, how: str) -> None:
    switches = D365Switches()
    setattr(switches, how, frozenset({hidden}))
    firm = Firm.build(switches=switches)
    firm.cycle()
    written = {write.set_name for write in firm.world.d365.writes}
    assert ("VendorPaymentJournalLines" if hidden == "VendTransBiEntities" else "VendorInvoiceHeaders") not in written


@pytest.mark.parametrize(
    ("field", "longest"), [("TransactionText", 9), ("PaymentId", 1), ("InvoiceDescription", 1), ("LineDescription", 1), ("Comment", 5)]
)
def test_a_cut_text_is_never_taken_for_success(field: str, longest: int) -> None:
    firm = Firm.build(switches=D365Switches(text_lengths={field: longest}))
    firm.cycle()
    item = firm.to_pay() if field in ("TransactionText", "PaymentId") else firm.to_write()
    record = firm.record(item)
    assert record.causes, f"{field} was cut to {longest} and nothing was said"
    assert record.state in (State.WRITTEN, State.UNKNOWN)


def test_a_text_that_is_refused_parks_the_document() -> None:
    firm = Firm.build(switches=D365Switches(text_lengths={"TransactionText": 9}, too_long="refuse"))
    firm.cycle()
    record = firm.record(firm.to_pay())
    assert record.state is State.PARKED
    assert record.causes[0].field == "TransactionText"
    assert firm.world.d365.rows("VendorPaymentJournalLines") == []


@pytest.mark.parametrize("when", ["insert", "posting"])
def test_the_numbers_that_a_method_demands_are_there(when: typing.Literal["insert", "posting"]) -> None:
    firm = Firm.build(switches=D365Switches(mandatory_payment_fields=when))
    for row in firm.world.d365.rows("VendorPaymentMethods"):
        flag = "ValidateCheckNumberIsMandatory" if "CHECK" in row.text("Name").upper() else "ValidatePaymentIdIsMandatory"
        firm.world.d365.change_row("VendorPaymentMethods", row, {flag: "Yes"})
    firm.cycle()
    assert compare(firm.world).agrees, compare(firm.world).differences
    for journal in firm.world.d365.rows("VendorPaymentJournalHeaders"):
        firm.world.d365.post_journal(journal.text("dataAreaId"), journal.text("JournalBatchNumber"))

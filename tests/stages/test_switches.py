"""Invoices and payments in every pair of the behaviours that the contract leaves open, each with the policies that fit it.

A run is the whole life of the small firm: everything written, journals posted, a third cycle with new work and faults, everything posted.
At its end both truths agree, but for what D365 lost in silence and does not let us mend: that is reported, each piece of it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.d365.posting import remaining
from sandbox.d365.switches import D365Switches
from sandbox.worlds.cycle import third_cycle, third_cycle_faults
from sandbox.worlds.model import ExpectedInvoice, ExpectedPayment, Fate
from sandbox.worlds.property_firm import PropertyFirmSize
from sandbox.worlds.truth import compare
from sync.ledger.model import State
from tests.support.deliveries import Firm
from tests.support.pairwise import pairwise

OPEN: Mapping[str, Sequence[object]] = {
    "duplicate_invoice": ("accept", "warn", "reject"),
    "repeated_line_number": ("refuse", "accept"),
    "account_only_lines": ("accept", "refuse"),
    "settlement_amount": ("gross", "net"),
    "settlement_sign": ("as_payment", "as_invoice"),
    "child_settlements": ("accept", "refuse"),
    "settled_rows_after_posting": ("keep", "remove"),
    "silent_settlements": (0, 1),
    "silent_marks": (0, 1),
    "blank_dimension_stores": (0, 3),
    "next_link": ("absolute", "relative"),
    "next_link_option": ("$skiptoken", "$skip"),
    "page_cap": (10_000, 7),
    "segment_count": ("refuse", "tolerate"),
    "unknown_dimension": ("error", "blank"),
    "backslash": ("escapes", "plain"),
    "total_accounts": ("refuse", "accept"),
    "line_signs": ("match", "free"),
    "text_lengths": ({}, {"Comment": 40}),
    "mandatory_payment_fields": ("insert", "posting"),
    "write_status": (204, 200),
    "own_header_reference": ("ignore", "accept"),
    "several_attachments": ("accept", "refuse"),
    "stale_if_match": (412, 400, 204),
    "missing_row_body": ("empty", "odata", "html"),
    "unauthorized_body": ("empty", "html"),
    "changeset_failure_status": (400, 500),
    "throttled_parts": (0, 2),
    "user_time_zone_hours": (-6, 11),
}
"""The switches that a sound document can meet. Sets that are hidden or denied stop the stage: that is a configuration error."""
COMBINATIONS = pairwise(OPEN)
SIZE = PropertyFirmSize(vendors=30, accounts=40, buildings=18, invoices=14, payments=16)
CATEGORY = {"procurement_category": "Property services", "procurement_hierarchy": "Procurement"}


@pytest.mark.parametrize("values", COMBINATIONS, ids=range(len(COMBINATIONS)))
def test_the_firms_whole_life(values: Mapping[str, object]) -> None:
    firm = built(values)
    only_what_can_be_settled(firm)
    locked = lock_one_header(firm)
    firm.cycle()
    assert locked, "a user had a header open while its lines were written"
    firm.world.d365.locked_headers.clear()
    firm.cycle(minutes=20)
    assert_reported_or_right(firm, values)

    written = len(firm.world.d365.writes)
    firm.cycle(minutes=20)
    assert len(firm.world.d365.writes) == written, "a further cycle writes nothing"

    post_journals(firm)
    third_cycle(firm.world)
    only_what_can_be_settled(firm)
    firm.deployment.network.faults.add(*third_cycle_faults(firm.world))
    for _ in range(4):
        firm.cycle(minutes=20)
    assert firm.deployment.network.faults.unfired == []
    assert_reported_or_right(firm, values)

    post_journals(firm)
    post_invoices(firm)
    firm.cycle(minutes=20)
    assert_reported_or_right(firm, values)
    assert {firm.record(item).state for item in documents(firm)} == {State.POSTED}


def built(values: Mapping[str, object]) -> Firm:
    """The firm with these switches, and the policies that its customer would find with `ping` or by asking."""
    switches = D365Switches()
    for name, value in values.items():
        assert hasattr(switches, name)
        setattr(switches, name, value)
    settlement = "child_rows" if switches.child_settlements == "accept" else "marked_invoice"
    firm = Firm.build(
        1,
        switches,
        size=SIZE,
        settlement=settlement,
        settlement_amount=switches.settlement_amount,
        settlement_sign=switches.settlement_sign,
        journal_per="day" if switches.write_status == 204 else "run",
    )
    if switches.account_only_lines == "refuse":
        firm.configure(companies=CATEGORY)
    return firm


def only_what_can_be_settled(firm: Firm) -> None:
    """Where settlement rows are refused, only a payment of one whole invoice can be written; the others are parked."""
    if firm.world.d365.switches.child_settlements == "accept":
        return
    for payment in list(firm.world.expected.payments.values()):
        if payment.fate.action == "write" and not is_whole(firm, payment) and not firm.lines(payment):
            firm.world.expected.payments[payment.id] = replace(payment, fate=Fate("park", "settlement-mode"))


def is_whole(firm: Firm, payment: ExpectedPayment) -> bool:
    if len(payment.settlements) != 1 or payment.settlements[0].discount:
        return False
    rows = firm.world.d365.find("VendTransBiEntities", dataAreaId=payment.company, Invoice=payment.settlements[0].number)
    return [remaining(row) for row in rows if row["AccountNum"] == payment.account] == [payment.settlements[0].gross]


def lock_one_header(firm: Firm) -> list[tuple[str, str]]:
    """A user opens one pending invoice as soon as its header is there, so that its lines are refused."""
    item = firm.to_write()
    locked: list[tuple[str, str]] = []

    def step() -> None:
        if not locked:
            rows = firm.world.d365.find("VendorInvoiceHeaders", dataAreaId=item.company, InvoiceNumber=item.number)
            locked.extend((row.text("dataAreaId"), row.text("HeaderReference")) for row in rows)
            firm.world.d365.locked_headers.update(locked)

    firm.deployment.step = step
    return locked


def post_journals(firm: Firm) -> None:
    world = firm.world.d365
    for row in world.rows("VendorPaymentJournalHeaders"):
        if row["IsPosted"] == "No":
            world.post_journal(row.text("dataAreaId"), row.text("JournalBatchNumber"))


def post_invoices(firm: Firm) -> None:
    world = firm.world.d365
    for row in world.rows("VendorInvoiceHeaders"):
        if (row.text("dataAreaId"), row.text("HeaderReference")) not in firm.world.beginning.headers:
            world.post_invoice(row.text("dataAreaId"), row.text("HeaderReference"))


def documents(firm: Firm) -> list[ExpectedInvoice | ExpectedPayment]:
    """What is to be written."""
    every: list[ExpectedInvoice | ExpectedPayment] = [*firm.world.expected.invoices.values(), *firm.world.expected.payments.values()]
    return [item for item in every if item.fate.action == "write"]


def assert_reported_or_right(firm: Firm, values: Mapping[str, object]) -> None:
    """A difference between the truths is one that D365 made in silence, not mended as nothing written is ever changed, and reported."""
    report, by_id = compare(firm.world), {str(item.id): item for item in documents(firm)}
    differing: set[str] = set()
    for difference in report.differences:
        named = re.match(r"Invoice .* \(AvidXchange (\d+)\)|Payment (\d+) in ", difference)
        assert named, difference
        differing.add(named[1] or named[2])
        record = firm.record(by_id[named[1] or named[2]])
        assert "written-differs" in {cause.code for cause in record.causes}, difference
    assert len(differing) <= lost_for_good(values), report.differences
    assert [total for total in report.totals.values() if total.expected != total.found] == [], "every amount is right to the cent"
    reported = {str(item.id) for item in documents(firm) if says_that_it_differs(firm, item)}
    assert len(reported) <= lost_for_good(values), "nothing is reported that is right"


def says_that_it_differs(firm: Firm, item: ExpectedInvoice | ExpectedPayment) -> bool:
    """But for the texts that this environment cuts."""
    cut = firm.world.d365.switches.text_lengths
    return any(cause.code == "written-differs" and cause.field not in cut for cause in firm.record(item).causes)


def lost_for_good(values: Mapping[str, object]) -> int:
    """How many documents may differ: those with a blanked dimension string, and those with a lost mark where rows are refused."""
    blanked, marks = values["blank_dimension_stores"], values["silent_marks"]
    assert isinstance(blanked, int)
    assert isinstance(marks, int)
    return blanked + (marks if values["child_settlements"] == "refuse" else 0)


@given(st.dictionaries(st.text(max_size=3), st.lists(st.integers(), min_size=1, max_size=4, unique=True), max_size=7))
def test_every_pair_of_values_of_every_two_parameters_occurs(parameters: dict[str, list[int]]) -> None:
    rows = pairwise(parameters)
    for one, other in combinations(parameters, 2):
        seen = {(row[one], row[other]) for row in rows}
        assert seen == {(first, second) for first in parameters[one] for second in parameters[other]}
    assert all(row.keys() == parameters.keys() for row in rows)


def test_the_combinations_are_few() -> None:
    assert len(COMBINATIONS) <= 20
    assert len(COMBINATIONS) >= 9, "two parameters of three values need nine"

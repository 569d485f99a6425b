"""What people and settings in D365 do to payments: taken numbers, deleted and posted journals, marks, holds, both kinds of settlement."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from sandbox.d365.switches import D365Switches
from sandbox.d365.table import Row
from sandbox.faults import Fault
from sandbox.simulator.matrix import REFUSED
from sandbox.web import Response
from sandbox.worlds.model import ExpectedPayment, Settlement
from sandbox.worlds.property_firm import PropertyFirmSize
from sandbox.worlds.truth import compare
from sync.engine import retries
from sync.ledger.model import State
from sync.messages import Replay, Selection
from tests.support.deliveries import Firm

HEADERS, LINES, SETTLED = "VendorPaymentJournalHeaders", "VendorPaymentJournalLines", "VendorPaymentJournalLineSettledInvoices"
LARGER = PropertyFirmSize(vendors=30, accounts=40, buildings=18, invoices=12, payments=34)


def codes(firm: Firm, item: ExpectedPayment) -> list[str]:
    return sorted(cause.code for cause in firm.record(item).causes)


def to_write(firm: Firm) -> list[ExpectedPayment]:
    return [item for item in firm.world.expected.payments.values() if item.fate.action == "write"]


def line(firm: Firm, item: ExpectedPayment) -> Row:
    return firm.world.d365.one(LINES, PaymentId=str(item.id))


def settled(firm: Firm, item: ExpectedPayment) -> list[Row]:
    row = line(firm, item)
    found = firm.world.d365.find(SETTLED, JournalBatchNumber=row.text("JournalBatchNumber"), JournalLineNumber=row.amount("LineNumber"))
    return [each for each in found if each.text("JournalLineCompany").lower() == item.company]


def only(firm: Firm, kept: Callable[[ExpectedPayment], bool]) -> list[ExpectedPayment]:
    """Leave only these payments to be found."""
    for item in list(firm.world.expected.payments.values()):
        if not kept(item):
            del firm.world.avid.payments[item.id], firm.world.expected.payments[item.id]
    return to_write(firm)


# --- numbers -----------------------------------------------------------------------------------------------------------------------


def add_own_line(firm: Firm, company: str, journal: str, number: int) -> None:
    """A person's own line."""
    firm.world.d365.add(
        LINES, dataAreaId=company, JournalBatchNumber=journal, LineNumber=number, AccountType="Vend", CurrencyCode="USD", DebitAmount=1
    )


@pytest.mark.parametrize("repeated", ["refuse", "accept"])
@pytest.mark.parametrize("moment", ["before the number is fixed", "after it was fixed"])
def test_a_number_that_a_persons_own_line_took_is_passed_over(moment: str, repeated: str) -> None:
    firm = Firm.build(switches=D365Switches(repeated_line_number=repeated))  # type: ignore[arg-type]  # one of the switch's two words
    taken: list[Row] = []

    def step() -> None:
        journals = firm.world.d365.rows(HEADERS)
        asked = firm.deployment.network.exchanges[-1:]
        fixed = bool(asked) and "LineNumber%20eq%201" in asked[0].target
        if journals and not taken and (moment == "before the number is fixed" or fixed):
            taken.append(journals[0])
            add_own_line(firm, journals[0].text("dataAreaId"), journals[0].text("JournalBatchNumber"), 1)

    firm.deployment.step = step
    firm.cycle()
    firm.cycle(minutes=15)
    own = {"dataAreaId": taken[0].text("dataAreaId"), "JournalBatchNumber": taken[0].text("JournalBatchNumber")}
    numbers = [int(row.amount("LineNumber")) for row in firm.world.d365.find(LINES, **own)]
    assert len(numbers) == len(set(numbers)) > 1
    assert {firm.record(item).state for item in to_write(firm)} == {State.WRITTEN}
    assert [difference for difference in compare(firm.world).differences if "PaymentId ''" not in difference] == []
    assert all(codes(firm, item) == [] for item in to_write(firm))
    for item in to_write(firm):
        assert int(firm.record(item).progress["line"]) == int(line(firm, item).amount("LineNumber"))


# --- journals ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("per", "journals"), [("day", 1), ("run", 2)])
def test_a_journal_lasts_a_day_or_a_run(per: str, journals: int) -> None:
    firm = Firm.build(size=LARGER, journal_per=per)
    together: dict[tuple[str, str], list[ExpectedPayment]] = {}
    for item in to_write(firm):
        together.setdefault((item.company, item.bank), []).append(item)
    first, second, *_ = max(together.values(), key=len)
    later = firm.world.avid.payments.pop(second.id)
    firm.cycle()
    firm.world.avid.payments[second.id] = replace(later, last_modified=firm.world.avid.now())
    firm.cycle(minutes=15)
    assert {firm.record(item).state for item in (first, second)} == {State.WRITTEN}
    assert len({line(firm, item).text("JournalBatchNumber") for item in (first, second)}) == journals
    assert compare(firm.world).agrees, compare(firm.world).differences


def test_a_deleted_journal_is_an_exception_for_each_of_its_payments_and_is_not_written_again() -> None:
    firm = Firm.build()
    item = firm.to_pay()
    firm.cycle()
    batch = {"dataAreaId": item.company, "JournalBatchNumber": line(firm, item).text("JournalBatchNumber")}
    lost = [other for other in to_write(firm) if {name: line(firm, other).text(name) for name in batch} == batch]
    for set_name in (LINES, HEADERS):
        for row in firm.world.d365.find(set_name, **batch):
            firm.world.d365.remove_row(set_name, row)
    writes = len(firm.world.d365.writes)
    for _ in range(2):
        firm.cycle(minutes=15)
    assert all(codes(firm, other) == ["written-gone"] for other in lost)
    assert all(codes(firm, other) == [] for other in to_write(firm) if other not in lost)
    assert batch["JournalBatchNumber"] in firm.record(item).causes[0].sentence
    assert firm.steps(item).count("noticed") == 1
    assert len(firm.world.d365.writes) == writes


def test_a_deleted_line_is_an_exception_too() -> None:
    firm = Firm.build()
    item = firm.to_pay()
    firm.cycle()
    firm.world.d365.remove_row(LINES, line(firm, item))
    firm.cycle(minutes=15)
    assert codes(firm, item) == ["written-gone"]
    assert all(codes(firm, other) == [] for other in to_write(firm) if other != item)


def test_a_line_that_d365_deletes_when_it_posts_is_posted() -> None:
    """DeleteLinesAfterPosting."""
    firm = Firm.build()
    item = firm.to_pay()
    firm.cycle()
    row = line(firm, item)
    firm.world.d365.post_journal(item.company, row.text("JournalBatchNumber"))
    firm.world.d365.remove_row(LINES, row)
    firm.cycle(minutes=15)
    assert firm.record(item).state is State.POSTED
    assert codes(firm, item) == []


# --- marks -------------------------------------------------------------------------------------------------------------------------


def transaction(firm: Firm, item: ExpectedPayment) -> Row:
    rows = firm.world.d365.find("VendTransBiEntities", dataAreaId=item.company, AccountNum=item.account, Invoice=item.settlements[0].number)
    assert len(rows) == 1
    return rows[0]


def mark(firm: Firm, item: ExpectedPayment) -> Row:
    """A person's unposted journal marks the payment's first invoice."""
    world, row = firm.world.d365, transaction(firm, item)
    world.add(HEADERS, dataAreaId=item.company, JournalBatchNumber="HAND1", JournalName="ByHand")
    return world.add(
        SETTLED,
        JournalLineCompany=item.company.upper(),
        JournalBatchNumber="HAND1",
        JournalLineNumber=1,
        InvoiceNumber=row.text("Invoice"),
        InvoiceCompany=item.company.upper(),
        InvoiceDueDate=row.text("DueDate"),
        invoiceAccount=row.text("AccountNum"),
    )


def test_an_invoice_that_another_journal_marks_is_parked_with_who_holds_it_until_the_mark_is_gone() -> None:
    firm = Firm.build()
    item = firm.to_pay()
    row = mark(firm, item)
    firm.cycle()
    assert firm.record(item).state is State.PARKED
    assert codes(firm, item) == ["marked-elsewhere"]
    assert "HAND1" in firm.record(item).causes[0].sentence
    assert firm.lines(item) == []
    firm.world.d365.remove_row(SETTLED, row)
    firm.cycle(minutes=15)
    assert firm.record(item).state is State.WRITTEN


def test_a_stale_mark_that_shows_only_at_the_write_is_reported_and_the_settlement_follows_when_it_is_gone() -> None:
    firm = Firm.build()
    item = firm.to_pay()
    row = transaction(firm, item)
    stale = (row.text("dataAreaId"), row.text("AccountNum"), row.text("Invoice"))
    firm.world.d365.stale_marks[stale] = "journal 00077"
    firm.cycle()
    assert firm.record(item).state is State.WRITTEN
    assert "marked-elsewhere" in codes(firm, item)
    assert any("journal 00077" in cause.sentence for cause in firm.record(item).causes)
    del firm.world.d365.stale_marks[stale]
    for _ in range(3):
        firm.cycle(minutes=31)
    assert codes(firm, item) == []
    assert compare(firm.world).agrees, compare(firm.world).differences
    assert len(firm.lines(item)) == 1, "its line was written once"


def test_a_settlement_of_another_companys_journal_with_the_same_number_is_not_taken_for_ours() -> None:
    firm = Firm.build()
    firm.cycle()
    numbers = [(row.text("JournalBatchNumber")) for row in firm.world.d365.rows(HEADERS)]
    assert len(numbers) > len(set(numbers)), "two companies have a journal of one number"
    assert all(codes(firm, item) == [] for item in to_write(firm))


# --- holds -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hold", ["Payment", "All"])
def test_a_vendor_on_payment_hold_is_reported_and_stops_nothing(hold: str) -> None:
    firm = Firm.build()
    item = firm.to_pay()
    payee = {"dataAreaId": item.company, "VendorAccountNumber": firm.world.avid.payments[item.id].payee_id}
    firm.world.d365.change("VendorsV3", payee, OnHoldStatus=hold, VendorHoldReleaseDate=date(1900, 1, 1))
    firm.cycle()
    assert firm.record(item).state is State.WRITTEN
    assert codes(firm, item) == ["vendor-payment-hold"]
    assert firm.record(item).causes[0].kind.rank == 4


# --- settlements -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", ["as_payment", "as_invoice"])
@pytest.mark.parametrize("amount", ["gross", "net"])
def test_every_kind_of_remittance_is_settled_as_the_environment_reads_amounts(sign: str, amount: str) -> None:
    """Several invoices, credits, discounts and parts."""
    switches = D365Switches(settlement_sign=sign, settlement_amount=amount)  # type: ignore[arg-type]  # the switches' own words
    firm = Firm.build(switches=switches, size=LARGER, settlement_sign=sign, settlement_amount=amount)
    firm.cycle()
    assert compare(firm.world).agrees, compare(firm.world).differences
    settlements = [each for item in to_write(firm) for each in item.settlements]
    assert any(each.gross < 0 for each in settlements), "a credit"
    assert any(each.discount for each in settlements), "a discount"
    assert any(len(item.settlements) > 1 for item in to_write(firm)), "several invoices"
    assert all(codes(firm, item) in ([], ["vendor-payment-hold"]) for item in to_write(firm))


def test_a_settlement_amount_of_the_wrong_reading_is_refused_or_seen() -> None:
    firm = Firm.build(switches=D365Switches(settlement_sign="as_invoice"))
    firm.cycle()
    assert "refused" in codes(firm, firm.to_pay())


def test_a_settlement_amount_that_d365_changes_is_reported() -> None:
    firm = Firm.build()
    item = firm.to_pay()

    def step() -> None:
        for row in firm.world.d365.find(SETTLED, InvoiceNumber=item.settlements[0].number):
            row.stored["SettlementAmountInInvoiceCurrency"] = Decimal("1.00")

    firm.deployment.step = step
    firm.cycle()
    assert codes(firm, item) == ["written-differs"]
    assert "D365 holds 1.00" in firm.record(item).causes[0].sentence


def test_marked_invoice_settles_one_whole_invoice_and_everything_else_is_parked() -> None:
    firm = Firm.build(switches=D365Switches(child_settlements="refuse"), size=LARGER, settlement="marked_invoice")
    firm.cycle()
    for item in to_write(firm):
        if whole(firm, item.settlements):
            [row] = settled(firm, item)
            assert row["InvoiceNumber"] == item.settlements[0].number
            assert codes(firm, item) in ([], ["vendor-payment-hold"])
        else:
            assert firm.record(item).state is State.PARKED
            assert set(codes(firm, item)) == {"settlement-mode"}
            assert firm.lines(item) == []
    states = {firm.record(item).state for item in to_write(firm)}
    assert states == {State.WRITTEN, State.PARKED}


def whole(firm: Firm, settlements: Sequence[Settlement]) -> bool:
    posted = [row.amount("InvoiceAmount") for row in firm.world.d365.find("VendInvoiceJourBiEntities", InvoiceId=settlements[0].number)]
    return len(settlements) == 1 and not settlements[0].discount and settlements[0].gross in posted


@pytest.mark.parametrize(("rows", "left"), [("accept", []), ("refuse", ["refused", "written-differs"])])
def test_a_mark_that_d365_loses_is_mended_with_a_row_or_reported(rows: str, left: list[str]) -> None:
    switches = D365Switches(silent_marks=1, child_settlements=rows)  # type: ignore[arg-type]  # one of the switch's two words
    firm = Firm.build(switches=switches, settlement="marked_invoice")
    [item, *_] = only(firm, lambda item: item.fate.action == "write" and len(item.settlements) == 1 and not item.pays)
    firm.cycle()
    found = sorted(code for item in to_write(firm) for code in codes(firm, item))
    assert found == left
    assert sum(len(settled(firm, item)) for item in to_write(firm)) == len(to_write(firm)) - bool(left)
    assert firm.record(item).state is State.WRITTEN


def test_a_refused_settlement_is_tried_again_on_request_only() -> None:
    firm, item = with_refused_settlements()
    assert codes(firm, item) == ["refused", "written-differs"]
    tried = firm.deployment.network.writes(path=SETTLED)
    firm.cycle(minutes=2_000)
    assert firm.deployment.network.writes(path=SETTLED) == tried, "what D365 refused has no timed retry"
    assert codes(firm, item) == ["refused", "written-differs"]

    replay_refused(firm)
    firm.cycle(minutes=20)
    assert codes(firm, item) == []
    assert [row["InvoiceNumber"] for row in settled(firm, item)] == [item.settlements[0].number]


def with_refused_settlements() -> tuple[Firm, ExpectedPayment]:
    """The firm after a cycle in which D365 refused every settlement, and a payment that settles one invoice."""
    firm = Firm.build()
    [item, *_] = only(firm, lambda item: item.fate.action == "write" and len(item.settlements) == 1 and not item.pays)
    refused = Fault("status", method="POST", path=f"/data/{SETTLED}", reply=Response(400, {"content-type": "application/json"}, REFUSED))
    firm.deployment.network.faults.add(replace(refused, times=len(to_write(firm))))
    firm.cycle()
    return firm, item


def replay_refused(firm: Firm) -> None:
    request = Replay(
        connection=firm.world.connection["id"], selection=Selection(cause="refused"), reason="mended", requested_by="clerk", job="0" * 32
    )
    retries.replay(firm.app, request)


def test_a_refused_settlement_that_d365_then_drops_in_silence_is_tried_until_it_is_there() -> None:
    firm, _ = with_refused_settlements()
    firm.world.d365.switches.silent_settlements = len(to_write(firm))
    replay_refused(firm)
    firm.cycle(minutes=1)
    assert {code for item in to_write(firm) for code in codes(firm, item)} == {"written-differs"}
    for _ in range(3):
        firm.cycle(minutes=60)
    assert [code for item in to_write(firm) for code in codes(firm, item)] == []
    assert [len(settled(firm, item)) for item in to_write(firm)] == [len(item.settlements) for item in to_write(firm)]


# --- doubt -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("per", ["day", "run"])
def test_a_line_in_doubt_keeps_its_place_over_runs(per: str) -> None:
    firm = Firm.build(journal_per=per)
    late = Fault("late_effect", method="POST", path=r"^/data/VendorPaymentJournalLines\b", delay=timedelta(minutes=14))
    firm.deployment.network.faults.add(late)
    firm.cycle()
    for _ in range(3):
        firm.cycle(minutes=16)
    assert compare(firm.world).agrees, compare(firm.world).differences


def test_a_line_that_surely_was_not_written_is_sent_again_at_its_place() -> None:
    firm = Firm.build(journal_per="run")
    firm.deployment.network.faults.add(Fault("drop_request", method="POST", path=r"^/data/VendorPaymentJournalLines\b"))
    firm.cycle()
    for _ in range(3):
        firm.cycle(minutes=16)
    assert compare(firm.world).agrees, compare(firm.world).differences
    numbers: dict[tuple[str, str], list[int]] = {}
    for row in firm.world.d365.rows(LINES):
        numbers.setdefault((row.text("dataAreaId"), row.text("JournalBatchNumber")), []).append(int(row.amount("LineNumber")))
    assert all(sorted(found) == list(range(1, len(found) + 1)) for found in numbers.values())


def test_mixed_dimensions_are_reported_with_the_payment() -> None:
    firm = Firm.build(size=LARGER)
    third = next(item for item in firm.world.expected.payments.values() if item.pays)
    firm.cycle()
    for pays in third.pays:
        invoice = firm.world.expected.invoices[pays]
        row = firm.world.d365.one("VendorInvoiceHeaders", dataAreaId=invoice.company, InvoiceNumber=invoice.number)
        firm.world.d365.post_invoice(invoice.company, row.text("HeaderReference"))
    firm.world.expected.payments[third.id] = replace(third, fate=replace(third.fate, action="write", why=""))
    firm.cycle(minutes=15)
    record = firm.record(third)
    assert record.state is State.WRITTEN
    values = [value for pays in third.pays for value in firm.world.expected.invoices[pays].values]
    mixed = sorted({name for line in values for name in line if len({other.get(name, "") for other in values}) > 1})
    assert sorted(filter(None, record.facts["mixed"].split(", "))) == mixed

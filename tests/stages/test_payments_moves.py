"""What AvidXchange does to a payment before, while and after it is written: settling goes on by itself, everything else is for a person."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from sandbox.faults import Fault
from sandbox.worlds.model import ExpectedPayment
from sync.ledger.model import State
from tests.support.deliveries import Firm

LINES = "VendorPaymentJournalLines"
Move = Callable[[Firm, ExpectedPayment], None]
CLEARING, FAILED = ((4, "Address is being verified"), (9, "Waiting for the bank file")), ((7, "Supplier account closed"),)


def change(**fields: object) -> Move:
    """Some fields of the payment are others from now on."""

    def move(firm: Firm, item: ExpectedPayment) -> None:
        payment = firm.world.avid.payments[item.id]
        firm.world.avid.payments[item.id] = replace(payment, last_modified=firm.world.avid.now(), **fields)  # type: ignore[arg-type]

    return move


MOVES: dict[str, tuple[Move, str]] = {
    "voided": (change(status="Void"), "status Cleared → Void"),
    "voided, in another text": (change(status="Void Requested"), "status Cleared → Void Requested"),
    "failed": (change(status="Error", exceptions=FAILED), "status Cleared → Error, Supplier account closed (reason 7)"),
    "failed for a while": (change(status="Error", exceptions=CLEARING), "status Cleared → Error, Address is being verified (reason 4)"),
    "a status that nobody knows": (change(status="Returned to Sender"), "status Cleared → Returned to Sender"),
    "not approved any more": (change(status="Pending Approval"), "status Cleared → Pending Approval"),
    "in flight again": (change(status="Processing"), "status Cleared → Processing"),
    "money that came back and goes out again": (change(status="Issued to Supplier"), "status Cleared → Issued to Supplier"),
    "a check instead of a card": (change(method="VCC"), "method check → virtual_card"),
    "another amount": (change(amount=Decimal("1.00")), "→ 1.00"),
    "another currency": (change(currency="EUR"), "→ EUR"),
    "another supplier": (change(payee_id="SOMEONE"), "→ SOMEONE"),
}


def check_payment(firm: Firm) -> ExpectedPayment:
    """A written payment by check."""
    payments = firm.world.avid.payments
    return next(
        item for item in firm.world.expected.payments.values() if item.fate.action == "write" and "Check" in payments[item.id].method
    )


def post(firm: Firm, item: ExpectedPayment) -> None:
    line = firm.world.d365.one(LINES, PaymentId=str(item.id))
    firm.world.d365.post_journal(item.company, line.text("JournalBatchNumber"))


@pytest.mark.shipped_names("its sentences quote AvidXchange's texts")
@pytest.mark.parametrize("posted", [False, True], ids=["not posted", "posted"])
@pytest.mark.parametrize("name", MOVES)
def test_a_written_payment_that_moves_is_for_a_person_and_nothing_is_touched(name: str, posted: bool) -> None:
    move, says = MOVES[name]
    firm = Firm.build()
    firm.cycle()
    item = check_payment(firm)
    if posted:
        post(firm, item)
        firm.cycle(minutes=15)
    writes = len(firm.world.d365.writes)
    move(firm, item)
    firm.cycle(minutes=15)
    record = firm.record(item)
    [cause] = record.causes
    assert (cause.code, cause.kind.rank) == ("payment-reversed", 0)
    assert says in cause.sentence
    assert cause.sentence.endswith("is posted." if posted else "is not posted.")
    assert record.state is (State.POSTED if posted else State.WRITTEN)
    assert len(firm.world.d365.writes) == writes
    assert firm.failures(firm.payment_place)[0].key == record.key, "it stands first"
    firm.cycle(minutes=15)
    assert firm.steps(item).count("changed") == 1, "said once, not at every run"


@pytest.mark.shipped_names("its sentences quote AvidXchange's texts")
def test_the_case_follows_the_posting_of_the_journal_and_the_next_move() -> None:
    firm = Firm.build()
    firm.cycle()
    item = check_payment(firm)
    change(status="Void")(firm, item)
    firm.cycle(minutes=15)
    post(firm, item)
    firm.cycle(minutes=15)
    [cause] = firm.record(item).causes
    assert cause.sentence.endswith(" is posted.")
    assert "status Cleared → Void" in cause.sentence
    change(status="Error", exceptions=FAILED)(firm, item)
    firm.cycle(minutes=15)
    [cause] = firm.record(item).causes
    assert "Supplier account closed" in cause.sentence
    assert cause.sentence.endswith(" is posted.")


def test_a_case_is_not_taken_back_when_the_payment_clears_again() -> None:
    firm = Firm.build()
    firm.cycle()
    item = check_payment(firm)
    change(status="Void")(firm, item)
    firm.cycle(minutes=15)
    change(status="Cleared")(firm, item)
    firm.cycle(minutes=15)
    assert [cause.code for cause in firm.record(item).causes] == ["payment-reversed"]


def test_settling_is_the_move_that_is_expected() -> None:
    firm = Firm.build()
    item = check_payment(firm)
    methods = {"check": {"d365_method": "AVX-CHK", "bank_account": "OPER", "policy": "on_issue"}}
    firm.configure(companies={"payment_methods": methods})
    change(status="Issued to Supplier", cleared_date=None)(firm, item)
    firm.cycle()
    assert firm.record(item).state is State.WRITTEN
    firm.world.avid.settle_payment(item.id, firm.world.avid.now().date())
    firm.cycle(minutes=15)
    assert firm.record(item).causes == ()


def test_a_payment_that_a_person_recorded_says_so_when_it_moves() -> None:
    firm = Firm.build()
    item = check_payment(firm)
    journal = {"dataAreaId": item.company, "JournalBatchNumber": "HAND1"}
    firm.world.d365.add("VendorPaymentJournalHeaders", JournalName="AVXPAY", **journal)
    firm.world.d365.add(LINES, LineNumber=1, CurrencyCode=item.currency, DebitAmount=item.amount, PaymentId=str(item.id), **journal)
    firm.cycle()
    assert firm.record(item).state is State.ADOPTED
    change(status="Void")(firm, item)
    firm.cycle(minutes=15)
    [cause] = firm.record(item).causes
    assert cause.sentence.endswith("it was entered in D365 by hand (journal HAND1, line 1).")


# --- before it is written --------------------------------------------------------------------------------------------------------

UNWRITTEN: dict[str, tuple[Move, State, set[str]]] = {
    "voided": (change(status="Void"), State.OUT_OF_SCOPE, set()),
    "failed": (change(status="Error", exceptions=FAILED), State.PARKED, {"payment-error"}),
    "failed for reasons of which one stays": (change(status="Error", exceptions=(*CLEARING, *FAILED)), State.PARKED, {"payment-error"}),
    "failed without a reason": (change(status="Error"), State.PARKED, {"payment-error"}),
    "failed for reasons that go away": (change(status="Error", exceptions=CLEARING), State.PARKED, {"payment-error-clears"}),
    "a status that nobody knows": (change(status="Returned to Sender"), State.PARKED, {"payment-status"}),
    "no status at all": (change(status=""), State.PARKED, {"payment-status"}),
}


@pytest.mark.parametrize("name", UNWRITTEN)
def test_a_payment_that_is_not_paid_is_never_written_and_is_seen(name: str) -> None:
    move, state, codes = UNWRITTEN[name]
    firm = Firm.build()
    item = check_payment(firm)
    change(status="Issued to Supplier", cleared_date=None)(firm, item)
    firm.cycle()
    move(firm, item)
    for _ in range(2):
        firm.cycle(minutes=15)
    record = firm.record(item)
    assert (record.state, {cause.code for cause in record.causes}) == (state, codes)
    assert firm.lines(item) == []


@pytest.mark.shipped_names("its sentences quote AvidXchange's texts")
def test_an_error_that_clears_by_itself_asks_nobody_to_act_and_is_written_when_it_has_cleared() -> None:
    firm = Firm.build()
    item = check_payment(firm)
    change(status="Error", exceptions=CLEARING)(firm, item)
    firm.cycle()
    [cause] = firm.record(item).causes
    assert (cause.kind.rank, cause.kind.who.value) == (4, "nobody has to do anything")
    assert "Waiting for the bank file (reason 9)" in cause.sentence
    firm.world.avid.settle_payment(item.id, firm.world.avid.now().date())
    firm.cycle(minutes=15)
    assert firm.record(item).state is State.WRITTEN
    assert firm.record(item).causes == ()


# --- while its outcome is not known ----------------------------------------------------------------------------------------------


def test_a_payment_that_is_voided_while_its_line_is_in_doubt_for_days_is_found_again() -> None:
    """D365 is away for longer than AvidXchange's overlap: the void must not slip past the watermark."""
    firm = Firm.build()
    faults, blocked = firm.deployment.network.faults, list[bool]()
    faults.add(Fault("drop_reply", method="POST", path=rf"^/data/{LINES}\b"))

    def step() -> None:
        if not blocked and firm.deployment.network.requests(firm.world.d365.host, "POST", f"/data/{LINES}"):
            blocked.append(True)
            faults.add(Fault("drop_request", method="GET", path=rf"^/data/{LINES}\b", times=10_000))

    firm.deployment.step = step
    firm.cycle()
    doubtful = in_doubt(firm)
    firm.world.avid.void_payment(doubtful.id)
    for _ in range(4):
        firm.cycle(minutes=24 * 60)
        assert firm.record(doubtful).state is State.UNKNOWN
    faults.clear()
    for _ in range(3):
        firm.cycle(minutes=20)
    assert firm.record(doubtful).state is State.WRITTEN
    assert [cause.code for cause in firm.record(doubtful).causes] == ["payment-reversed"]


def in_doubt(firm: Firm) -> ExpectedPayment:
    """The one payment of which nobody knows whether it was written."""
    to_write = [item for item in firm.world.expected.payments.values() if item.fate.action == "write"]
    [found] = [item for item in to_write if firm.record(item).state is State.UNKNOWN]
    return found

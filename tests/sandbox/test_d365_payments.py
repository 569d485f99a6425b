"""The sandbox's D365 takes payment journals and settles as contracts/d365-fo.md section 6 says."""

import threading
from decimal import Decimal

import pytest

from sandbox.web import Response
from tests.sandbox.tiny_d365 import Tiny, inner_message

LINES = "VendorPaymentJournalLines"
SETTLED = "VendorPaymentJournalLineSettledInvoices"


@pytest.fixture
def tiny() -> Tiny:
    return Tiny()


@pytest.fixture
def paid(tiny: Tiny) -> str:
    """A journal with one line, and the posted invoice A-1 that it could settle; its batch number."""
    tiny.world.post_invoice("usmf", tiny.invoice())
    batch = tiny.journal()
    tiny.post(LINES, **tiny.payment_fields(batch))
    return batch


def the_line(tiny: Tiny) -> object:
    return tiny.values(LINES)[0]["MarkedInvoice"]


def test_a_journal_and_its_line_are_numbered(tiny: Tiny, paid: str) -> None:
    assert paid == "00001"
    row = tiny.values(LINES, filter="dataAreaId eq 'usmf' and PaymentId eq 'P1'")[0]
    assert (row["Voucher"], row["LineNumber"], row["DebitAmount"], row["Company"]) == ("APPM0000001", 1, Decimal("100.10"), "USMF")
    assert tiny.values("VendorPaymentJournalHeaders", filter="Description eq '*ayment*'")[0]["IsPosted"] == "No"
    assert "VendorPaymentJournalHeaderEntity.JournalName" in tiny.refused(
        "VendorPaymentJournalHeaders", dataAreaId="usmf", JournalName="Nope"
    )


@pytest.mark.parametrize(
    ("changes", "clause"),
    [
        ({"AccountDisplayValue": "V-1"}, "VendorPaymentJournalLineEntity.AccountDisplayValue"),  # the delimiter is not escaped
        ({"OffsetAccountDisplayValue": "USMF X"}, "VendorPaymentJournalLineEntity.OffsetAccountDisplayValue"),
        ({"JournalBatchNumber": "99999"}, "VendorPaymentJournalLineEntity.JournalBatchNumber"),
        ({"CurrencyCode": ""}, "VendorPaymentJournalLineEntity.CurrencyCode"),
        ({"PaymentMethodName": "GOLD"}, "VendorPaymentJournalLineEntity.PaymentMethodName"),
        ({"DebitAmount": Decimal(-1)}, "VendorPaymentJournalLineEntity.DebitAmount"),
        ({"DefaultDimensionsForAccountDisplayValue": "001-9"}, "CostCenter values"),
        ({"MarkedInvoice": "A-2"}, "VendorPaymentJournalLineEntity.MarkedInvoice"),
        ({"LineNumber": 1}, "The record already exists"),
    ],
)
def test_what_a_line_is_refused_for(tiny: Tiny, paid: str, changes: dict[str, object], clause: str) -> None:
    assert clause in tiny.refused(LINES, **{**tiny.payment_fields(paid, line=2), **changes})
    assert len(tiny.world.rows(LINES)) == 1


def test_a_repeated_line_number_can_be_taken_under_the_next_free_one(tiny: Tiny, paid: str) -> None:
    tiny.world.switches.repeated_line_number = "accept"
    assert tiny.post(LINES, **tiny.payment_fields(paid))["LineNumber"] == 2


def test_two_inserts_into_one_journal_at_once_are_an_update_conflict() -> None:
    inside, go_on = threading.Event(), threading.Event()

    def stop_the_first() -> None:
        if not inside.is_set():
            inside.set()
            assert go_on.wait(10)

    tiny = Tiny(stop_the_first)
    batch, other, answers = tiny.journal(), tiny.journal(), list[Response]()
    first = threading.Thread(target=lambda: answers.append(tiny.send("POST", f"/data/{LINES}", tiny.payment_fields(batch))))
    first.start()
    assert inside.wait(10)
    assert "update conflict" in tiny.refused(LINES, **tiny.payment_fields(batch, line=2))
    tiny.post(LINES, **tiny.payment_fields(other))
    go_on.set()
    first.join()
    assert [answer.status for answer in answers] == [201]
    tiny.post(LINES, **tiny.payment_fields(batch, line=2))


def test_a_settled_invoice_is_closed_when_the_journal_is_posted(tiny: Tiny, paid: str) -> None:
    tiny.post(SETTLED, **tiny.settlement_fields(paid))
    assert the_line(tiny) == "A-1"
    rows = tiny.values(SETTLED, filter=f"JournalBatchNumber eq '{paid}' and JournalLineNumber eq 1")
    assert [(row["invoiceAccount"], row["JournalLineCompany"]) for row in rows] == [("V-1", "USMF")]
    payments = tiny.world.post_journal("usmf", paid)
    assert [(row["AmountCur"], row["PaymId"], row["SettleAmountCur"]) for row in payments] == [(Decimal("100.10"), "P1", Decimal("100.10"))]
    invoice = tiny.world.one("VendTransBiEntities", Invoice="A-1")
    assert (invoice["SettleAmountCur"], invoice["Closed"]) == (Decimal("-100.10"), "2026-03-02T12:00:00Z")
    assert tiny.values("VendorPaymentJournalHeaders")[0]["IsPosted"] == "Yes"
    assert the_line(tiny) == ""
    assert "has been posted" in tiny.refused(LINES, **tiny.payment_fields(paid, line=2))
    other = tiny.journal()
    tiny.post(LINES, **tiny.payment_fields(other))
    assert "settled already" in tiny.refused(SETTLED, **tiny.settlement_fields(other))


def test_a_credit_is_settled_with_the_opposite_sign(tiny: Tiny, paid: str) -> None:
    tiny.world.post_invoice("usmf", tiny.invoice("C-1", "-20.05"))
    assert "wrong sign" in tiny.refused(SETTLED, **tiny.settlement_fields(paid, "C-1", "20.05"))
    tiny.post(SETTLED, **tiny.settlement_fields(paid, "C-1", "-20.05"))
    tiny.post(SETTLED, **tiny.settlement_fields(paid))
    assert the_line(tiny) == "*"
    payment = tiny.world.post_journal("usmf", paid)[0]
    assert tiny.world.one("VendTransBiEntities", Invoice="C-1")["Closed"] != "1900-01-01T12:00:00Z"
    assert payment["SettleAmountCur"] == Decimal("80.05")


@pytest.mark.parametrize(("meaning", "amount"), [("gross", "100.10"), ("net", "98.10")])
def test_gross_and_net_settlement_amounts(tiny: Tiny, paid: str, meaning: str, amount: str) -> None:
    tiny.world.switches.settlement_amount = "gross" if meaning == "gross" else "net"
    if meaning == "net":
        assert "more than the open amount" in tiny.refused(SETTLED, **tiny.settlement_fields(paid, amount="100.10", discount="2.00"))
    tiny.post(SETTLED, **tiny.settlement_fields(paid, amount=amount, discount="2.00"))
    (payment,) = tiny.world.post_journal("usmf", paid)
    assert tiny.world.one("VendTransBiEntities", Invoice="A-1")["SettleAmountCur"] == Decimal("-100.10")
    assert payment["SettleAmountCur"] == Decimal("98.10")
    assert tiny.world.one("VendSettlementBiEntities")["UtilizedCashDisc"] == Decimal("2.00")


def test_the_sign_of_the_invoice_can_be_wanted(tiny: Tiny, paid: str) -> None:
    tiny.world.switches.settlement_sign = "as_invoice"
    assert "wrong sign" in tiny.refused(SETTLED, **tiny.settlement_fields(paid))
    tiny.post(SETTLED, **tiny.settlement_fields(paid, amount="-100.10"))


@pytest.mark.parametrize(("rate", "taken"), [("0.02", "2.00"), ("0", "0.00")])
def test_a_discount_that_is_not_named_is_taken_by_d365_itself(tiny: Tiny, paid: str, rate: str, taken: str) -> None:
    tiny.world.switches.own_cash_discount_rate = Decimal(rate)
    row = tiny.post(SETTLED, **tiny.settlement_fields(paid, discount=None))
    assert row["CashDiscountToTakeInInvoiceCurrency"] == Decimal(taken)


@pytest.mark.parametrize(
    ("changes", "clause"),
    [
        ({"InvoiceNumber": "A-1 "}, "SettledInvoiceEntity.InvoiceNumber"),
        ({"InvoiceNumber": "a-1"}, "SettledInvoiceEntity.InvoiceNumber"),
        ({"InvoiceDueDate": "2026-03-30T12:00:00Z"}, "SettledInvoiceEntity.InvoiceNumber"),
        ({"InvoiceCompany": "frsi"}, "SettledInvoiceEntity.InvoiceNumber"),
        ({"JournalLineNumber": 9}, "SettledInvoiceEntity.JournalLineNumber"),
        ({"SettlementAmountInInvoiceCurrency": Decimal("100.11")}, "more than the open amount"),
    ],
)
def test_what_a_settlement_is_refused_for(tiny: Tiny, paid: str, changes: dict[str, object], clause: str) -> None:
    assert clause in tiny.refused(SETTLED, **{**tiny.settlement_fields(paid), **changes})
    assert tiny.world.rows(SETTLED) == []


def test_an_invoice_is_marked_by_one_unposted_journal_only(tiny: Tiny, paid: str) -> None:
    tiny.post(SETTLED, **tiny.settlement_fields(paid))
    other = tiny.journal()
    tiny.post(LINES, **tiny.payment_fields(other))
    assert f"has been marked for settlement by journal {paid}" in tiny.refused(SETTLED, **tiny.settlement_fields(other))
    assert "marked for settlement" in tiny.refused(LINES, **{**tiny.payment_fields(other, line=2), "MarkedInvoice": "A-1"})
    assert "The record already exists" in tiny.refused(SETTLED, **tiny.settlement_fields(paid))


def test_a_stale_mark_survives(tiny: Tiny, paid: str) -> None:
    tiny.world.stale_marks["usmf", "V-1", "A-1"] = "journal 00077"
    assert "has been marked for settlement by journal 00077" in tiny.refused(SETTLED, **tiny.settlement_fields(paid))


def test_silent_failures_answer_201_and_leave_nothing(tiny: Tiny, paid: str) -> None:
    tiny.world.switches.silent_settlements = 1
    tiny.post(SETTLED, **tiny.settlement_fields(paid))
    assert (tiny.values(SETTLED), the_line(tiny)) == ([], "")
    tiny.post(SETTLED, **tiny.settlement_fields(paid))
    assert len(tiny.values(SETTLED)) == 1


def test_a_marked_invoice_of_a_line_settles_it_whole_or_is_lost(tiny: Tiny) -> None:
    tiny.world.post_invoice("usmf", tiny.invoice())
    batch = tiny.journal()
    tiny.world.switches.child_settlements = "refuse"
    tiny.world.switches.silent_marks = 1
    marked = {"MarkedInvoice": "A-1", "MarkedInvoiceCompany": "usmf", "SettleVoucher": "SelectedTransact"}
    assert tiny.post(LINES, **tiny.payment_fields(batch), **marked)["MarkedInvoice"] == ""
    assert tiny.values(SETTLED) == []
    assert "not allowed" in tiny.refused(SETTLED, **tiny.settlement_fields(batch))
    assert tiny.post(LINES, **tiny.payment_fields(batch, line=2), **marked)["MarkedInvoice"] == "A-1"
    assert [row["SettlementAmountInInvoiceCurrency"] for row in tiny.values(SETTLED)] == [Decimal("100.10")]


def test_rows_of_a_posted_journal_neither_change_nor_go(tiny: Tiny, paid: str) -> None:
    key = f"/data/VendorPaymentJournalHeaders(dataAreaId='usmf',JournalBatchNumber='{paid}')?cross-company=true"
    tiny.world.post_journal("usmf", paid)
    assert "has been posted" in inner_message(tiny.send("DELETE", key))
    other = tiny.journal()
    tiny.post(LINES, **tiny.payment_fields(other))
    assert tiny.send("DELETE", key.replace(paid, other)).status == 204
    assert len(tiny.world.rows(LINES)) == 1

"""`reconcile`: both systems, per company, currency and day, to the cent."""

from decimal import Decimal

from sandbox.d365.schema import Value
from sync.ledger.model import Place, State, Step
from tests.verbs.desk import ID, Desk, Seen

NOTHING = Decimal(0)
COLUMNS = ("written", "posted", "parked", "unknown", "resolved", "difference")


def total(seen: Seen, column: str) -> Decimal:
    """The sum of a column over all balances."""
    return sum((Decimal(balance[column]) for balance in seen.document["balances"]), Decimal(0))


def payments(desk: Desk, action: str) -> list[int]:
    """Ids of the payments with this fate."""
    return [item.id for item in desk.world.expected.payments.values() if item.fate.action == action]


def resolve_the_rest(desk: Desk) -> None:
    """A person takes over every parked payment that was paid."""
    for number in payments(desk, "park"):
        desk.call("resolve", ID, "--record", str(number), "--as", "done", "--reason", "by hand", "--yes")


def test_paid_is_written_and_what_is_parked_stands_in_its_own_column(worked: Desk) -> None:
    seen = worked.call("reconcile", ID, "--json")
    assert (seen.code, seen.document["agrees"]) == (1, False), "two paid payments are parked"
    truth = worked.world.expected.payments.values()
    wanted = {action: sum((item.amount for item in truth if item.fate.action == action), Decimal(0)) for action in ("write", "park")}
    assert (total(seen, "written"), total(seen, "parked")) == (wanted["write"], wanted["park"])
    assert total(seen, "paid") == wanted["write"] + wanted["park"]
    assert (total(seen, "difference"), total(seen, "posted"), seen.document["notes"]) == (NOTHING, NOTHING, [])


def test_every_balance_adds_up(worked: Desk) -> None:
    for balance in worked.call("reconcile", ID, "--json").document["balances"]:
        assert Decimal(balance["paid"]) == sum(Decimal(balance[column]) for column in COLUMNS), balance


def test_it_agrees_once_a_person_has_closed_what_was_parked(worked: Desk) -> None:
    resolve_the_rest(worked)
    seen = worked.call("reconcile", ID)
    assert seen.code == 0, seen.out
    assert "Both sides agree to the cent." in seen.out


def test_posted_and_written_are_told_apart(worked: Desk) -> None:
    before = total(worked.call("reconcile", ID, "--json"), "written")
    for journal in worked.world.d365.rows("VendorPaymentJournalHeaders"):
        worked.world.d365.post_journal(journal.text("dataAreaId"), journal.text("JournalBatchNumber"))
    seen = worked.call("reconcile", ID, "--json")
    assert (total(seen, "posted"), total(seen, "written"), total(seen, "difference")) == (before, NOTHING, NOTHING)


def a_line(desk: Desk) -> dict[str, Value]:
    """The keys of a payment journal line that we wrote."""
    row = desk.world.d365.rows("VendorPaymentJournalLines")[0]
    return {name: row[name] for name in ("dataAreaId", "JournalBatchNumber", "LineNumber")}


def test_a_cent_that_was_changed_in_d365_shows(worked: Desk) -> None:
    resolve_the_rest(worked)
    keys = a_line(worked)
    amount = worked.world.d365.one("VendorPaymentJournalLines", **keys).amount("DebitAmount")
    worked.world.d365.change("VendorPaymentJournalLines", keys, DebitAmount=amount + Decimal("0.01"))
    seen = worked.call("reconcile", ID, "--json")
    assert seen.code == 1
    assert total(seen, "difference") == Decimal("-0.01")
    assert "D365 holds" in seen.document["notes"][0]


def test_a_line_that_was_deleted_in_d365_shows(worked: Desk) -> None:
    resolve_the_rest(worked)
    worked.world.d365.remove("VendorPaymentJournalLines", a_line(worked))
    seen = worked.call("reconcile", ID, "--json")
    assert seen.code == 1
    assert "is written in the ledger; D365 does not hold it" in seen.document["notes"][0]


def test_a_line_in_our_journal_that_avidxchange_does_not_know_shows(worked: Desk) -> None:
    row = worked.world.d365.rows("VendorPaymentJournalLines")[0]
    worked.world.d365.add("VendorPaymentJournalLines", **{**row.stored, "LineNumber": Decimal(99), "PaymentId": "BY-HAND"})
    notes = worked.call("reconcile", ID, "--json").document["notes"]
    assert any("payment BY-HAND" in note and "unknown to AvidXchange" in note for note in notes), notes


def test_a_payment_whose_outcome_is_unknown_is_no_agreement(worked: Desk) -> None:
    resolve_the_rest(worked)
    worked.world.d365.remove("VendorPaymentJournalLines", a_line(worked))
    held = {row.text("PaymentId") for row in worked.world.d365.rows("VendorPaymentJournalLines")}
    lost = next(
        item for item in worked.app.ledger.records(Place(ID, "payments")) if item.state is State.WRITTEN and item.source_id not in held
    )
    worked.app.ledger.move(lost, Step("unknown", "?"), run="r" * 32, state=State.UNKNOWN, due=worked.clock.now())
    seen = worked.call("reconcile", ID, "--json")
    assert (seen.code, total(seen, "difference")) == (1, NOTHING)
    assert total(seen, "unknown") == Decimal(lost.facts["amount"])


def test_before_the_first_run_everything_paid_differs(desk: Desk) -> None:
    seen = desk.call("reconcile", ID, "--json")
    assert seen.code == 1
    assert total(seen, "difference") == total(seen, "paid") > 0
    assert all("not in the ledger yet" in note for note in seen.document["notes"])


def test_the_days_can_be_chosen(worked: Desk) -> None:
    day = worked.call("reconcile", ID, "--json").document["balances"][0]["day"]
    chosen = worked.call("reconcile", ID, "--from", day, "--to", day, "--json").document
    assert {balance["day"] for balance in chosen["balances"]} == {day}
    assert worked.call("reconcile", ID, "--from", "yesterday").code == 2


def test_it_reads_only(worked: Desk) -> None:
    writes, versions = worked.writes(), int(worked.storage_versions())
    worked.call("reconcile", ID)
    assert (worked.writes(), int(worked.storage_versions())) == (writes, versions + 1)

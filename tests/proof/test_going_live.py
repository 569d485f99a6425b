"""Going live on systems that are full already: what is before the start stays out, what is there is adopted, parked or matched."""

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

import pytest

from sandbox.d365.table import Row
from sandbox.simulator.deployment import Deployment
from sandbox.worlds.contoso import SYSTEM
from sandbox.worlds.model import ExpectedInvoice, World
from sandbox.worlds.property_firm import PropertyFirmSize
from sync.connections.document import parse_connection
from sync.errors import FixConfiguration
from sync.ledger.model import State
from tests.proof.virtual import (
    Document,
    assert_truths_agree,
    codes_of,
    deployed_contoso,
    deployed_firm,
    failures,
    record,
    records,
    run,
    writes,
)

HEADERS, PAYMENT_LINES = "VendorInvoiceHeaders", "VendorPaymentJournalLines"
EVERY_KIND = PropertyFirmSize(vendors=60, accounts=40, buildings=18, invoices=48, payments=36)


@pytest.fixture(scope="module")
def live() -> tuple[Deployment, World]:
    """The firm after two cycles, with every kind of document that was there before. Read only."""
    deployment, world = deployed_firm(size=EVERY_KIND)
    run(deployment)
    run(deployment)
    return deployment, world


# --- the first day ---------------------------------------------------------------------------------------------------------------


def starting(invoices: date, payments: date) -> tuple[Deployment, World]:
    """Contoso, live from these days on, after two cycles."""

    def change(document: Document) -> None:
        document["start_from"] = {"invoices": invoices.isoformat(), "payments": payments.isoformat()}

    deployment, world = deployed_contoso()
    deployment.amend(world, change)
    run(deployment)
    run(deployment)
    return deployment, world


def days_of_contoso() -> tuple[date, date]:
    """The day on which its one batch is closed, and the day of its payments."""
    _, world = deployed_contoso()
    [batch] = world.avid.batches.values()
    assert batch.date_closed is not None
    [day] = {payment.payment_date for payment in world.avid.payments.values()}
    assert day is not None
    return batch.date_closed.date(), day


def test_the_first_day_itself_is_let_in() -> None:
    deployment, world = starting(*days_of_contoso())
    assert len(world.d365.rows(HEADERS)) == 4
    assert len(world.avid.acknowledgements) == 1
    assert record(deployment, "payments", 8001).state is State.PARKED, "it is let in and waits for its invoice"
    assert_truths_agree(deployment)


def test_what_is_a_day_older_stays_out() -> None:
    batch, payment = (day + timedelta(days=1) for day in days_of_contoso())
    deployment, world = starting(batch, payment)
    assert world.d365.writes == []
    assert world.avid.acknowledgements == []
    assert [*records(deployment, "invoices"), *records(deployment, "payments")] == []
    assert len(world.avid.vendors) == 9, "reference data has no first day"


def test_there_is_no_first_day_by_default() -> None:
    deployment, _ = deployed_contoso()
    stored = deployment.worker().connections.read("contoso")
    assert stored is not None
    without = stored.text.replace('"start_from"', '"start_form"')
    with pytest.raises(FixConfiguration, match=r"start_from: Field required"):
        parse_connection(without)


def test_old_documents_of_the_firm_stay_out(live: tuple[Deployment, World]) -> None:
    deployment, world = live
    old = [item for item in world.expected.invoices.values() if item.fate.why == "before-start"]
    old_payments = [item for item in world.expected.payments.values() if item.fate.why == "before-start"]
    assert old
    assert old_payments
    known = {item.source_id for stage in ("invoices", "payments") for item in records(deployment, stage)}
    assert not known & {str(item.id) for item in old}
    assert not known & {str(item.id) for item in old_payments}


# --- documents that are there ----------------------------------------------------------------------------------------------------


def fated(world: World, *fates: str) -> Iterator[ExpectedInvoice]:
    return (item for item in world.expected.invoices.values() if str(item.fate) in fates)


def found(world: World, item: ExpectedInvoice) -> list[Row]:
    """The invoice in D365, pending or posted."""
    pending = world.d365.find(HEADERS, dataAreaId=item.company, InvoiceAccount=item.invoice_account, InvoiceNumber=item.number)
    journal = "VendInvoiceJourBiEntities"
    return pending + world.d365.find(journal, dataAreaId=item.company, InvoiceAccount=item.invoice_account, InvoiceId=item.number)


def test_an_invoice_that_is_in_d365_and_agrees_is_adopted_and_never_touched(live: tuple[Deployment, World]) -> None:
    deployment, world = live
    adopted = list(fated(world, "adopt"))
    assert len(adopted) == 2, "one pending, one posted"
    for item in adopted:
        assert record(deployment, "invoices", item.id).state is State.ADOPTED
        assert len(found(world, item)) == 1
        assert steps(deployment, item.id).count("adopted") == 1, "listed once"
        assert not any(item.number == write.body.get("InvoiceNumber") for write in world.d365.writes)
    assert_truths_agree(deployment)


def steps(deployment: Deployment, source_id: int) -> list[str]:
    noted = record(deployment, "invoices", source_id)
    return [step.step.name for step in deployment.worker().ledger.history(noted.place, noted.key)]


def test_an_invoice_that_is_in_d365_and_differs_is_parked_and_never_touched(live: tuple[Deployment, World]) -> None:
    deployment, world = live
    differing = list(fated(world, "park:conflict"))
    assert len(differing) == 2, "one pending, one posted"
    for item in differing:
        assert record(deployment, "invoices", item.id).state is State.PARKED
        assert codes_of(deployment, item.number) == {"conflict"}
        assert len(found(world, item)) == 1
        assert not any(item.number == write.body.get("InvoiceNumber") for write in world.d365.writes)


def entered_by_hand(world: World, amount: Decimal) -> None:
    """The payment 8001 as a person entered it: a line of an own journal with its PaymentId."""
    common = {"dataAreaId": "usmf", "JournalBatchNumber": "HAND-J"}
    world.d365.add("VendorPaymentJournalHeaders", JournalName="VendPay", Description="By hand", **common)
    line = {"AccountDisplayValue": "1001", "CurrencyCode": "USD", "PaymentId": "8001"}
    world.d365.add(PAYMENT_LINES, LineNumber=1, DebitAmount=amount, **line, **common)


@pytest.mark.parametrize(("off", "state", "codes"), [("0", State.ADOPTED, set()), ("0.01", State.PARKED, {"conflict"})])
def test_a_payment_that_is_in_a_journal_is_adopted_or_parked_and_never_touched(off: str, state: State, codes: set[str]) -> None:
    deployment, world = deployed_contoso()
    run(deployment)
    header = world.d365.one(HEADERS, InvoiceAccount="1001", InvoiceNumber="AO-20417")
    world.d365.post_invoice("usmf", header.text("HeaderReference"))
    entered_by_hand(world, Decimal("184.20") + Decimal(off))
    before = writes(deployment)
    run(deployment)
    run(deployment)
    assert writes(deployment) == before
    assert len(world.d365.find(PAYMENT_LINES, PaymentId="8001")) == 1
    assert record(deployment, "payments", 8001).state is state
    assert codes_of(deployment, "payment 8001") == codes


# --- reference data that is there ------------------------------------------------------------------------------------------------


def test_vendors_that_are_in_avidxchange_are_matched_and_not_doubled(live: tuple[Deployment, World]) -> None:
    deployment, world = live
    times = Counter((system, account.casefold()) for system, account in world.avid.vendors)
    assert set(times.values()) == {1}
    before = world.beginning.vendors
    assert len(before) > 2
    assert set(before) <= set(world.avid.vendors)
    unknown = next(key for key in before if key[1] == "AVID-ONLY-1")
    assert world.avid.vendors[unknown] == before[unknown], "what D365 does not know is left alone"
    [renamed] = [key for key, row in before.items() if str(row["VendorName"]).endswith("(old name)")]
    assert not str(world.avid.vendors[renamed]["VendorName"]).endswith("(old name)")
    as_in_d365 = [key for key in before if key not in (unknown, renamed)]
    assert as_in_d365
    assert not [failure for failure in failures(deployment) if failure.place.stage == "vendors"]


def test_a_vendor_that_avidxchange_writes_in_another_case_is_the_same_vendor() -> None:
    deployment, world = deployed_contoso()
    world.avid.add_vendor(SYSTEM, "us-101", "Fabrikam Electronics")
    run(deployment)
    run(deployment)
    assert [account for _, account in world.avid.vendors if account.casefold() == "us-101"] == ["us-101"]


def test_codes_that_are_in_avidxchange_are_matched_and_not_doubled(live: tuple[Deployment, World]) -> None:
    _, world = live
    times = Counter((system, group, value.casefold()) for system, group, value in world.avid.codes)
    assert set(times.values()) == {1}
    for key, row in world.beginning.codes.items():
        if key[2] in ("000001", "N/A"):
            assert world.avid.codes[key] == row, "what D365 does not know is left alone"

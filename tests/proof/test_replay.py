"""Replays: everything three times writes nothing; what was parked and does not try again by itself is written when it is replayed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from sandbox.d365 import D365
from sandbox.faults import Fault
from sandbox.simulator.deployment import Deployment, cycle, drain
from sandbox.web import Request, Response, System
from sandbox.worlds.contoso import SYSTEM
from sandbox.worlds.model import WRITE, World
from sync.cause_kinds import KINDS
from sync.connections.document import STAGES
from sync.ledger.model import Record, State
from sync.ledger.rows import record_key
from sync.messages import Replay, Selection, encode
from sync.storage.model import Replace
from sync.storage.names import LEDGER, REPLAYS
from sync.values import job_id
from sync.verbs.resolve import Resolution, resolve
from tests.proof import test_parked_clears as parked
from tests.proof.test_bad_input import Garbling
from tests.proof.virtual import (
    Document,
    assert_truths_agree,
    codes_of,
    deployed_contoso,
    deployed_firm,
    failures,
    finish,
    places_of,
    post,
    records,
    replay_everything,
    run,
    writes,
)
from tests.stages.test_invoices import refusal

HEADERS, PAYMENT_LINES = "VendorInvoiceHeaders", "VendorPaymentJournalLines"
LONG = "x" * 2_000

# --- three times everything ------------------------------------------------------------------------------------------------------


def states(deployment: Deployment) -> dict[tuple[str, str], State]:
    """Where every record of every stage stands."""
    return {(item.place.partition, item.key): item.state for stage in STAGES for item in records(deployment, stage)}


UNREADABLE = (("VendorsV3", "VendorOrganizationName"), ("MainAccounts", "Name"), ("FinancialDimensionValues", "Description"))


def unreadable(deployment: Deployment, world: World) -> None:
    """D365 shows a name of a vendor, of an account and of a value as no text: each mirror has something parked."""
    system: System = D365(world.d365, deployment.entra)
    for name, field in UNREADABLE:
        text = next(row.text(field) for row in world.d365.rows(name) if row.text(field).replace(" ", "").isalnum())
        system = Garbling(system, f"/{name}", f'"{text}"'.encode(), b"{}")
    deployment.network.mount(world.d365.host, system)


def in_every_state(deployment: Deployment, world: World) -> None:
    """After the first cycle: one invoice is posted, one parked one leaves its batch, one is closed by a person."""
    written = next(item for item in world.expected.invoices.values() if item.fate == WRITE and item.gross > 0)
    post(world, written.company, written.invoice_account, written.number)
    stuck = [item for item in records(deployment, "invoices") if item.state is State.PARKED]
    leaving, closed = stuck[0], stuck[-1]
    batch = next(one for one in world.avid.batches.values() if leaving.source_id in {str(each.id) for each in one.invoices})
    world.avid.reopen_batch(batch.guid)
    deployment.clock.advance(minutes=5)
    world.avid.close_batch(batch.guid, [each for each in batch.invoices if str(each.id) != leaving.source_id])
    resolve(deployment.worker(), closed, as_=Resolution.IGNORED, reason="a proof", by="a test")


def test_everything_replayed_three_times_writes_nothing_and_moves_nothing() -> None:
    deployment, world = deployed_firm()
    unreadable(deployment, world)
    run(deployment)
    in_every_state(deployment, world)
    for _ in range(2):
        deployment.clock.advance(minutes=31)
        run(deployment)
    before, stood = writes(deployment), states(deployment)
    assert {*stood.values()} >= {
        State.PARKED,
        State.WRITTEN,
        State.POSTED,
        State.ADOPTED,
        State.WITHDRAWN,
        State.OUT_OF_SCOPE,
        State.RESOLVED,
    }
    for _ in range(3):
        replay_everything(deployment)
        assert writes(deployment) == before
        assert states(deployment) == stood
    assert replayed_stages(deployment) == {*STAGES}


def replayed_stages(deployment: Deployment) -> set[str]:
    ledger = deployment.worker().ledger
    return {
        place.stage
        for place in places_of(deployment)
        for item in ledger.records(place)
        if [step.step.name for step in ledger.history(place, item.key)].count("replay") >= 3
    }


# --- what tries again only when it is asked to -----------------------------------------------------------------------------------


def replay_cause(deployment: Deployment, cause: str) -> None:
    """What `replay --cause` asks for, and all that follows from it."""
    job = job_id("contoso", "-", "replay", cause)
    message = Replay(connection="contoso", selection=Selection(cause=cause), reason="mended", requested_by="a test", job=job)
    deployment.storage.queues.put(REPLAYS, encode(message))
    app = deployment.worker()
    drain(deployment, app)
    finish(deployment, app)


Hand = Callable[[Deployment, World], None]


@dataclass(frozen=True)
class Case:
    """What is wrong, and what puts it right; `label` is a word of the record's label."""

    cause: str
    label: str
    harm: Hand
    mend: Hand


def refused(path: str, text: str) -> Hand:
    """Every write to that set is refused for good, until it is `allowed_again`."""

    def harm(deployment: Deployment, _: World) -> None:
        deployment.network.faults.add(Fault("status", method="POST", path=path, times=1_000, reply=refusal(text)))

    return harm


def allowed_again(deployment: Deployment, _: World) -> None:
    """Nothing is refused any more."""
    deployment.network.faults.clear()


def name_of(set_name: str, key: dict[str, str], field: str, good: str) -> tuple[Hand, Hand]:
    """A name that is too long for AvidXchange, and the same name as it was."""

    def to(value: str) -> Hand:
        def act(_: Deployment, world: World) -> None:
            world.d365.change(set_name, key, **{field: value})

        return act

    return to(LONG), to(good)


SEGMENTS = "The number of dimension values 4 is different from the number set up in the active format 5"
CASES = {
    "an invoice that was refused": Case("refused", parked.NUMBER, refused(r"^/data/VendorInvoiceHeaders\b", "Not now"), allowed_again),
    "a payment that was refused": Case("refused", "payment 8001", refused(r"^/data/VendorPaymentJournalLines\b", "Not now"), allowed_again),
    "another number of segments": Case(
        "dimension-segments", parked.NUMBER, refused(r"^/data/VendorInvoiceHeaders\b", SEGMENTS), allowed_again
    ),
    "a vendor's name": Case(
        "field-too-long", "vendor 1001", *name_of("VendorsV3", parked.VENDOR, "VendorOrganizationName", "Acme Office Supplies")
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_replay_after_mending_writes_it_once(name: str) -> None:
    case = CASES[name]
    deployment, world = deployed_contoso()
    if case.label.startswith("payment"):
        run(deployment)
        parked.post(world)
        deployment.clock.advance(minutes=31)
    case.harm(deployment, world)
    run(deployment)
    assert case.cause in codes_of(deployment, case.label)

    case.mend(deployment, world)
    replay_cause(deployment, case.cause)
    assert codes_of(deployment, case.label) <= {"invoice-not-posted"}
    assert len(world.d365.find(HEADERS, InvoiceNumber=parked.NUMBER)) <= 1
    assert len(world.d365.find(PAYMENT_LINES, PaymentId="8001")) == (1 if case.label.startswith("payment") else 0)
    parked.assert_nothing_more_to_do(deployment)


def invoice(deployment: Deployment, number: str) -> Record:
    return next(item for item in records(deployment, "invoices") if number in item.label)


def test_a_write_without_an_answer_is_found_by_a_replay_and_not_written_again() -> None:
    deployment, world = deployed_contoso()
    deployment.network.faults.add(Fault("drop_reply", method="POST", path=r"^/data/VendorInvoiceHeaders\b"))
    deployment.network.mount(world.d365.host, Hiding(D365(world.d365, deployment.entra)))
    cycle(deployment, deployment.worker())
    [doubtful] = {failure.label for failure in failures(deployment) if failure.cause.code == "outcome-unknown"}
    deployment.network.mount(world.d365.host, D365(world.d365, deployment.entra))
    replay_cause(deployment, "outcome-unknown")
    assert "outcome-unknown" not in codes_of(deployment, doubtful)
    run(deployment)
    numbers = [row.text("InvoiceNumber") for row in world.d365.rows(HEADERS)]
    assert len(numbers) == len({*numbers}) == 4


@dataclass
class Hiding:
    """D365 that shows no pending invoice: what was written cannot be seen yet."""

    system: D365

    def handle(self, request: Request) -> Response:
        """An empty page for every look."""
        if request.method == "GET" and request.path.startswith(f"/data/{HEADERS}"):
            return Response(200, {"content-type": "application/json"}, b'{"value":[]}')
        return self.system.handle(request)


def test_an_error_of_our_own_is_replayed_once_it_is_mended() -> None:
    deployment, world = deployed_contoso()
    missing = parked.taken_away_and_put_back("vendor-missing", "VendorsV3", parked.VENDOR)
    missing.harm(deployment, world)
    run(deployment)
    item = invoice(deployment, parked.NUMBER)
    spoiled = payload(deployment, item, "no pointer to a text")
    run(deployment)
    assert codes_of(deployment, parked.NUMBER) == {"internal-error"}

    missing.mend(deployment, world)
    payload(deployment, item, spoiled)
    replay_cause(deployment, "internal-error")
    assert codes_of(deployment, parked.NUMBER) == set()
    assert len(parked.written_by_us(world)) == 1


def payload(deployment: Deployment, item: Record, pointer: str) -> str:
    """Point the record at another text; returns what it pointed at."""
    tables = deployment.storage.tables
    row = tables.get(LEDGER, item.place.partition, record_key(item.key))
    assert row is not None
    tables.commit(LEDGER, item.place.partition, [Replace(replace(row, values={**row.values, "Payload": pointer}))])
    return str(row.values["Payload"])


# --- what has another world --------------------------------------------------------------------------------------------------------


def test_payments_whose_company_is_not_clear_are_written_when_the_bank_map_is_put_right() -> None:
    deployment, world = deployed_firm()

    def swap(document: Document) -> None:
        one, other = document["companies"][:2]
        one["bank_client_ids"], other["bank_client_ids"] = other["bank_client_ids"], one["bank_client_ids"]

    deployment.amend(world, swap)
    run(deployment)
    unclear = {failure.label for failure in failures(deployment) if failure.cause.code == "company-unclear"}
    assert unclear
    deployment.amend(world, swap)
    before = len(world.d365.rows(PAYMENT_LINES))
    deployment.clock.advance(minutes=31)
    run(deployment)
    still = {failure.label for failure in failures(deployment) if failure.cause.code == "company-unclear"}
    assert len(unclear & still) == 0
    assert len(world.d365.rows(PAYMENT_LINES)) > before


def test_a_stage_that_could_not_run_goes_on_when_its_secret_is_right() -> None:
    deployment, _ = deployed_contoso()
    name = "contoso-d365-client-secret"
    good, deployment.secrets.values[name] = deployment.secrets.values[name], "wrong"
    run(deployment)
    assert "stage-failed" in {failure.cause.code for failure in failures(deployment)}
    deployment.secrets.values[name] = good
    deployment.clock.advance(hours=2)
    run(deployment)
    assert "stage-failed" not in {failure.cause.code for failure in failures(deployment)}
    assert_truths_agree(deployment)


def test_too_many_gone_clears_when_they_are_back() -> None:
    deployment, world = deployed_contoso(deactivation_guard_rows=0)
    run(deployment)
    rows = [world.d365.one("VendorsV3", dataAreaId="usmf", VendorAccountNumber=account) for account in ("US-101", "US-103")]
    for row in rows:
        world.d365.remove_row("VendorsV3", row)
    for _ in range(3):
        deployment.clock.advance(minutes=31)
        run(deployment)
    assert "too-many-gone" in {failure.cause.code for failure in failures(deployment)}
    for row in rows:
        world.d365.add("VendorsV3", **row.stored)
    before = writes(deployment)
    replay_cause(deployment, "too-many-gone")
    assert "too-many-gone" not in {failure.cause.code for failure in failures(deployment)}
    assert writes(deployment) == before


def test_drift_clears_when_a_replay_sees_that_it_is_mended() -> None:
    deployment, world = deployed_contoso()
    run(deployment)
    vendors, key = world.avid.vendors, (SYSTEM, "1001")
    good = vendors[key]
    vendors[key] = {**good, "VendorName": "Changed by hand"}
    deployment.clock.advance(days=1, minutes=31)
    run(deployment)
    assert codes_of(deployment, "drift of vendors") == {"drift"}
    vendors[key] = good
    replay_cause(deployment, "drift")
    assert codes_of(deployment, "drift of vendors") == set()


# --- every cause has its case ------------------------------------------------------------------------------------------------------

CLEARED_HERE = {
    *(case.cause for case in CASES.values()),
    "outcome-unknown",
    "internal-error",
    "company-unclear",
    "stage-failed",
    "too-many-gone",
    "drift",
}
CLEARED_THERE = {kind.cause for kinds in (parked.INVOICE_KINDS, parked.PAYMENT_KINDS) for kind in kinds.values()} | {
    "duplicate-number",
    "invoice-not-posted",
    "invoice-unknown",
    "dimensions-mixed",
}
"""`tests/proof/test_parked_clears.py`; the last four have a test of their own there."""
ROOT = Path(__file__).parents[2]
CLEARED_ELSEWHERE = {"attachment": "tests/stages/test_invoices_images.py", "written-gone": "tests/stages/test_invoices_trouble.py"}
A_PERSON_ENDS_IT = {
    "changed-after-write": "the document is in D365 and never changed by us: a person corrects it there and resolves",
    "written-differs": "the document is in D365 and never changed by us: a person corrects it there and resolves",
    "payment-reversed": "the payment is in D365 and never changed by us: a person reverses it there and resolves",
    "vendor-payment-hold": "the payment is written and nothing is left to write: a person looks and resolves",
    "poison": "a message that failed belongs to no source record: a person reads its body and resolves",
}
"""Causes after which a replay must write nothing, and why."""


def test_every_cause_can_be_cleared_by_a_case_here_or_says_why_only_a_person_can() -> None:
    cleared = CLEARED_HERE | CLEARED_THERE | {*CLEARED_ELSEWHERE}
    assert {*KINDS} - cleared - {*A_PERSON_ENDS_IT} == set(), "give the cause a case, or say why a replay cannot help"
    assert (cleared | {*A_PERSON_ENDS_IT}) <= {*KINDS}
    assert cleared & {*A_PERSON_ENDS_IT} == set()
    for code, path in CLEARED_ELSEWHERE.items():
        assert f'"{code}"' in (ROOT / path).read_text(encoding="utf-8")

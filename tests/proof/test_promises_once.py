"""What the connector promises to write: once, checked before and after, and nothing where it has no business."""

import json
from dataclasses import replace

import pytest

from sandbox.d365 import D365
from sandbox.simulator.deployment import Deployment, cycle, drain
from sandbox.web import Request, Response
from sandbox.worlds.firm_setup import COMPANIES
from sandbox.worlds.model import WRITE, World
from sync.engine import schedule
from sync.ledger.model import State
from sync.messages import encode
from sync.storage.names import STAGE_RUNS
from sync.values import job_id
from tests.proof.virtual import (
    assert_truths_agree,
    codes_of,
    deployed_contoso,
    deployed_firm,
    failures,
    finish,
    post,
    record,
    replay_everything,
    run,
    writes,
)

HEADERS, LINES = "VendorInvoiceHeaders", "VendorInvoiceLines"
JOURNALS, PAYMENT_LINES, SETTLED = "VendorPaymentJournalHeaders", "VendorPaymentJournalLines", "VendorPaymentJournalLineSettledInvoices"
EAST, WEST = COMPANIES[0], COMPANIES[1]


def test_dimension_strings_are_checked_before_the_write() -> None:
    deployment, world = deployed_firm()
    run(deployment)
    [item] = [item for item in world.expected.invoices.values() if item.fate.why == "dimension-missing"][:1]
    assert "dimension-missing" in codes_of(deployment, item.number)
    assert not any("NOWHERE" in str(write.body) for write in world.d365.writes)


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_dimension_strings_are_checked_after_the_write(nth: int) -> None:
    deployment, world = deployed_contoso()
    blanked = Blanking(D365(world.d365, deployment.entra), nth)
    deployment.network.mount(world.d365.host, blanked)
    run(deployment)
    assert blanked.number
    differing = {failure.label: failure.cause for failure in failures(deployment) if failure.cause.code == "written-differs"}
    [(label, cause)] = differing.items()
    assert blanked.number in label
    assert "DisplayValue" in cause.field
    assert "D365 holds (blank)" in cause.sentence


class Blanking:
    """D365 that stores the dimension string of the n-th invoice header blank, in silence (contracts/d365-fo.md §7)."""

    def __init__(self, system: D365, nth: int) -> None:
        self.number = ""
        self._system = system
        self._nth = nth
        self._seen = 0

    def handle(self, request: Request) -> Response:
        """Answer as if all were well."""
        if request.method == "POST" and request.path == f"/data/{HEADERS}":
            self._seen += 1
            if self._seen == self._nth:
                self._system.world.switches.blank_dimension_stores = 1
                self.number = json.loads(request.body)["InvoiceNumber"]
        return self._system.handle(request)


def test_what_is_written_is_never_written_again_by_its_natural_key_and_job_id() -> None:
    deployment, world = deployed_firm()
    app = deployment.worker()
    cycle(deployment, app)
    finish(deployment, app)
    item = next(item for item in world.expected.invoices.values() if item.fate == WRITE)
    noted = record(deployment, "invoices", item.id)
    assert noted.job == job_id("thornquill", "invoices", noted.key, noted.version)
    assert {step.job for step in app.ledger.history(noted.place, noted.key)} == {noted.job}

    batch = next(batch for batch in world.avid.batches.values() if item.id in [invoice.id for invoice in batch.invoices])
    world.avid.reopen_batch(batch.guid)
    changed = [replace(invoice, memo="Changed after approval", gross=invoice.gross) for invoice in batch.invoices]
    first, *rest = changed[[invoice.id for invoice in changed].index(item.id)].distributions
    more = replace(first, amount=first.amount + 1)
    changed = [replace(one, gross=one.gross + 1, distributions=(more, *rest)) if one.id == item.id else one for one in changed]
    deployment.clock.advance(minutes=5)
    world.avid.close_batch(batch.guid, changed)
    before = len(world.d365.writes)
    run(deployment)
    assert len(world.d365.writes) == before, "a new version never permits a second write"
    assert codes_of(deployment, item.number) >= {"changed-after-write"}
    assert record(deployment, "invoices", item.id).job != noted.job


def test_a_message_that_comes_twice_does_its_work_once() -> None:
    deployment, _ = deployed_contoso()
    app = run(deployment)
    message = schedule.new_run(app, "contoso", "invoices", forced=True)
    for _ in range(3):
        deployment.storage.queues.put(STAGE_RUNS, encode(message))
    drain(deployment, app)
    runs = [one for one in app.runs.latest("contoso", "invoices", 10) if one.id == message.run]
    assert len(runs) == 1
    assert_truths_agree(deployment)


def test_a_posted_invoice_is_never_touched() -> None:
    deployment, world = deployed_firm()
    run(deployment)
    item = next(item for item in world.expected.invoices.values() if item.fate == WRITE and item.gross > 0)
    post(world, item.company, item.invoice_account, item.number)
    picture = {name: [dict(row) for row in world.d365.rows(name)] for name in ("VendInvoiceJourBiEntities", "VendTransBiEntities")}
    before = writes(deployment)
    replay_everything(deployment)
    run(deployment)
    assert record(deployment, "invoices", item.id).state is State.POSTED
    assert {name: [dict(row) for row in world.d365.rows(name)] for name in picture} == picture
    touched = [exchange for exchange in deployment.network.exchanges if exchange.method in ("PATCH", "DELETE")]
    assert touched == []
    assert writes(deployment) == before
    assert_truths_agree(deployment)


def test_nothing_is_written_to_accounts_or_dimensions_of_d365(finished: tuple[Deployment, World]) -> None:
    _, world = finished
    assert world.d365.forbidden_writes == []
    assert {write.set_name for write in world.d365.writes} == {HEADERS, LINES, JOURNALS, PAYMENT_LINES, SETTLED}
    assert {write.method for write in world.d365.writes} == {"POST"}

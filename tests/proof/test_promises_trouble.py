"""What the connector promises when things go wrong: busy systems, lost answers, edited audit rows, replays."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from sandbox.faults import Fault, busy
from sandbox.network import Exchange
from sandbox.simulator.deployment import Deployment, cycle
from sandbox.simulator.turns import Turns
from sandbox.worlds.model import WRITE
from sync.ledger.model import State
from sync.storage.model import Replace
from sync.storage.names import LEDGER
from tests.proof.virtual import (
    assert_truths_agree,
    deployed_firm,
    finish,
    places_of,
    record,
    records,
    replay_everything,
    run,
    writes,
)

HEADERS, PAYMENT_LINES = "VendorInvoiceHeaders", "VendorPaymentJournalLines"


@pytest.mark.parametrize("seed", range(4))
def test_429_with_retry_after_is_obeyed_by_every_worker(seed: int) -> None:
    deployment, world = deployed_firm(seed)
    network, hosts = deployment.network, (world.d365.host, world.avid.host)
    for host in hosts:
        network.faults.add(busy("17", host, method="GET", after=20, times=2), busy("90", host, method="POST", after=2, times=2))
    turns = Turns(seed)
    deployment.step = turns.step
    apps = [deployment.worker(number) for number in range(2)]
    assert turns.run([partial(cycle, deployment, app) for app in apps]) == []
    deployment.step = lambda: None
    finish(deployment, apps[0])
    run(deployment)
    assert network.faults.unfired == []
    for host in hosts:
        assert_waited(network.requests(host=host))
    assert_truths_agree(deployment)


def assert_waited(exchanges: list[Exchange]) -> None:
    """No request began between a 429 and its time; one second is the age of a worker's copy of the gate."""
    for index, exchange in enumerate(exchanges):
        if exchange.status == 429:
            seconds = 90 if exchange.is_write else 17
            after = [other.time - exchange.time for other in exchanges[index + 1 :]]
            assert [time for time in after if timedelta(seconds=1) < time < timedelta(seconds=seconds)] == []


def test_what_fails_for_a_moment_is_tried_again() -> None:
    deployment, world = deployed_firm()
    host = world.d365.host
    deployment.network.faults.add(
        Fault("status", host=host, method="GET", times=3, after=5),
        Fault("drop_reply", host=host, method="GET", after=9),
        Fault("refuse_connection", host=host, after=12),
        Fault("drop_request", host=world.avid.host, method="POST", times=2),
        Fault("status_after_effect", host=host, method="POST", path=f"^/data/{HEADERS}", after=1),
        Fault("drop_reply", host=host, method="POST", path=f"^/data/{PAYMENT_LINES}", after=1),
    )
    run(deployment)
    deployment.clock.advance(minutes=20)
    run(deployment)
    assert deployment.network.faults.unfired == []
    assert_truths_agree(deployment)


def test_every_record_has_an_audit_trail_in_which_an_edit_shows() -> None:
    deployment, world = deployed_firm()
    app = run(deployment)
    known = [(place, item) for place in places_of(deployment) for item in app.ledger.records(place)]
    assert len(known) > 30
    for place, item in known:
        assert app.ledger.verify(place, item.key) == []
    written = next(item for item in world.expected.invoices.values() if item.fate == WRITE)
    noted = record(deployment, "invoices", written.id)
    names = [step.step.name for step in app.ledger.history(noted.place, noted.key)]
    assert (names[0], names[-1]) == ("found", "written")
    assert "sending" in names, "the intent stands before the outcome"

    tables = deployment.storage.tables
    steps = list(tables.scan(LEDGER, noted.place.partition, f"a:{noted.key}:", f"a:{noted.key};"))
    row, name = next((row, name) for row in steps for name, value in row.values.items() if value == "sending")
    tables.commit(LEDGER, noted.place.partition, [Replace(replace(row, values={**row.values, name: "nothing"}))])
    [problem] = app.ledger.verify(noted.place, noted.key)
    assert "was changed" in problem


def test_a_replay_of_everything_writes_nothing() -> None:
    deployment, _ = deployed_firm()
    run(deployment)
    before, stood = writes(deployment), states(deployment)
    replayed = replay_everything(deployment)
    assert writes(deployment) == before
    assert states(deployment) == stood
    assert replayed > 10, "there was something to replay"
    assert_truths_agree(deployment)


def states(deployment: Deployment) -> dict[str, State]:
    """Where every invoice and payment stands."""
    return {item.key: item.state for stage in ("invoices", "payments") for item in records(deployment, stage)}

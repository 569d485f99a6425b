"""What the proofs in virtual time share: a firm or Contoso deployed in-process, whole cycles, and a look at ledger and storage."""

from collections.abc import Iterator
from typing import Any, Final

from sandbox.avid import AvidSwitches
from sandbox.d365.switches import D365Switches
from sandbox.d365.table import Row
from sandbox.simulator.deployment import Deployment, cycle, deploy, drain, next_delayed
from sandbox.simulator.seams import VirtualClock
from sandbox.worlds.contoso import build_contoso
from sandbox.worlds.model import World
from sandbox.worlds.property_firm import PropertyFirmSize, build_property_firm
from sandbox.worlds.truth import compare
from sync.app import App
from sync.engine.cases import NO_CONNECTION, case_places, places
from sync.ledger.model import Failure, Place, Record, State
from sync.messages import Replay, Selection, encode
from sync.storage.names import CONTAINERS, QUEUES, REPLAYS, TABLES
from sync.values import job_id

MIDDLING: Final = PropertyFirmSize(vendors=45, accounts=40, buildings=18, invoices=24, payments=20)
LONGEST_WAIT: Final = 3_600.0
Document = dict[str, Any]  # Any: JSON


def deployed_firm(
    seed: int = 1,
    *,
    size: PropertyFirmSize = MIDDLING,
    d365_switches: D365Switches | None = None,
    avid_switches: AvidSwitches | None = None,
    **policies: object,
) -> tuple[Deployment, World]:
    """The property firm as the one customer of a deployment; nothing has run yet."""
    deployment = deploy(VirtualClock())
    now = deployment.clock.now
    world = build_property_firm(seed, now(), size=size, now=now, d365_switches=d365_switches, avid_switches=avid_switches)
    deployment.add(world, **policies)
    return deployment, world


def deployed_contoso(**policies: object) -> tuple[Deployment, World]:
    """Contoso as the one customer of a deployment; nothing has run yet."""
    deployment = deploy(VirtualClock())
    world = build_contoso(deployment.clock.now(), now=deployment.clock.now)
    deployment.add(world, **policies)
    return deployment, world


def run(deployment: Deployment) -> App:
    """All timers once, every message, and what is delayed until nothing is left. Returns the worker."""
    app = deployment.worker()
    cycle(deployment, app)
    finish(deployment, app)
    return app


def finish(deployment: Deployment, app: App) -> None:
    """Let time pass until no message is delayed any more."""
    while (wait := next_delayed(deployment)) is not None:
        assert wait <= LONGEST_WAIT
        deployment.clock.advance(seconds=max(0.0, wait))
        drain(deployment, app)


def places_of(deployment: Deployment) -> list[Place]:
    """Every place that can hold records, of all customers and of none."""
    stored = [item.connection for item in deployment.worker().connections.list()]
    return [*(place for item in stored if item is not None for place in places(item)), *case_places(NO_CONNECTION)]


def failures(deployment: Deployment) -> list[Failure]:
    """Every open cause."""
    ledger = deployment.worker().ledger
    return [failure for place in places_of(deployment) for failure in ledger.failures(place)]


def codes_of(deployment: Deployment, label: str) -> set[str]:
    """The codes of the open causes of the records with this in their label."""
    return {failure.cause.code for failure in failures(deployment) if label in failure.label}


def records(deployment: Deployment, stage: str) -> Iterator[Record]:
    """The records of a stage, of all customers."""
    ledger = deployment.worker().ledger
    for place in places_of(deployment):
        if place.stage == stage:
            yield from ledger.records(place)


def record(deployment: Deployment, stage: str, source_id: int | str) -> Record:
    """The one record of a source document."""
    [found] = [item for item in records(deployment, stage) if item.source_id == str(source_id)]
    return found


def everything_stored(deployment: Deployment) -> str:
    """The text of every row, message and blob."""
    storage = deployment.storage
    rows = [str(row) for table in TABLES for partition in storage.tables.partitions(table) for row in storage.tables.scan(table, partition)]
    bodies = [message.body for queue in QUEUES for message in storage.queues.messages(queue)]
    names = [(container, name) for container in CONTAINERS for name in storage.blobs.names(container, "")]
    blobs = [blob.data.decode(errors="replace") for container, name in names if (blob := storage.blobs.read(container, name)) is not None]
    return "\n".join([*rows, *bodies, *(name for _, name in names), *blobs])


def writes(deployment: Deployment) -> int:
    """Requests with an effect on D365 or AvidXchange; signing in is none."""
    return deployment.network.writes() - deployment.network.writes(path="/oauth2/v2.0/token")


def assert_truths_agree(deployment: Deployment) -> None:
    """The two truths of every customer agree, and no request went to a host that nobody plays."""
    for world in deployment.worlds.values():
        comparison = compare(world)
        assert comparison.agrees, comparison.differences
    assert deployment.network.refused == []


def post(world: World, company: str, account: str, number: str) -> Row:
    """D365 posts a pending invoice; its vendor transaction."""
    header = world.d365.one("VendorInvoiceHeaders", dataAreaId=company, InvoiceAccount=account, InvoiceNumber=number)
    return world.d365.post_invoice(company, header.text("HeaderReference"))


def replay_everything(deployment: Deployment) -> int:
    """Replay every state of every customer; returns how many records were marked due."""
    app = deployment.worker()
    for world in deployment.worlds.values():
        for state in State:
            job = job_id(world.connection["id"], "-", "replay", str(state))
            message = Replay(
                connection=world.connection["id"], selection=Selection(state=state), reason="a proof", requested_by="a test", job=job
            )
            deployment.storage.queues.put(REPLAYS, encode(message))
    drain(deployment, app)
    finish(deployment, app)
    return sum(
        any(step.step.name == "replay" for step in app.ledger.history(place, item.key))
        for place in places_of(deployment)
        for item in app.ledger.records(place)
    )

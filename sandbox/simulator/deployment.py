"""A whole deployment without a machine: a world, its systems, storage, and workers that take messages one at a time."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sandbox import hosts
from sandbox.avid import AvidSystem, AvidTokens
from sandbox.avid.settings import auth_entry, auth_secrets, token_host
from sandbox.d365 import D365
from sandbox.entra import Entra
from sandbox.images import scans
from sandbox.network import Network
from sandbox.simulator.seams import NetworkTransport, PlainAuditKeys, PlainIdentity, PlainSecrets, VirtualClock, make_ports
from sandbox.storage import LocalStorage, Message
from sandbox.worlds.connection import connection_document, secret_names
from sandbox.worlds.model import World
from sync.app import App
from sync.connections.document import STAGES, Connection, parse_connection
from sync.engine import retries, runner, schedule
from sync.errors import StorageConflict
from sync.messages import RecordRetry, Replay, StageRun, decode
from sync.settings import Settings
from sync.storage.names import RECORD_RETRIES, REPLAYS, STAGE_RUNS, WORKING_QUEUES, ensure

VISIBILITY = 600.0


def settings() -> Settings:
    """The settings of a deployment whose vault and storage are played."""
    return Settings(storage_connection="in-process", key_vault_url="https://kv.vault.azure.net", audit_key_secret="audit")


@dataclass
class Deployment:
    """The world of one or more customers, the storage of one deployment, and a clock for all."""

    clock: VirtualClock
    network: Network
    entra: Entra
    storage: LocalStorage
    secrets: PlainSecrets
    step: Callable[[], None]
    """Called before every storage operation and every request: where workers take turns and die."""
    worlds: dict[str, World] = field(default_factory=dict)
    _workers: int = 0

    def worker(self, seed: int = 0) -> App:
        """One worker: its own composition root over the shared storage and network. No two workers ever give the same ids."""
        self._workers += 1
        transport = NetworkTransport(self.network, before=lambda _: self.step())
        ports = make_ports(self.clock, transport, self.storage, seed=seed * 1_000_003 + self._workers)
        return App(ports, settings(), self.secrets, PlainAuditKeys(), PlainIdentity())

    def add(self, world: World, **policies: object) -> Connection:
        """Mount a customer's systems, put its secrets into the vault and store its connection document."""
        facts = world.connection
        self.entra.register_app(facts["tenant"], facts["client_id"], facts["client_secret"])
        self.network.mount(world.d365.environment_url.removeprefix("https://"), D365(world.d365, self.entra))
        self.network.mount(world.avid.host, AvidSystem(world.avid))
        self.network.mount(token_host(world.avid), AvidTokens(world.avid))
        for host in facts.get("image_hosts", []):
            self.network.mount(host, scans())
        self.secrets.values.update({**secret_names(facts), **auth_secrets(world.avid, facts["id"])})
        document = connection_document(facts, **policies)
        document["avidxchange"]["auth"] = auth_entry(world.avid, facts["id"])
        text = json.dumps(document, default=str)
        connection = parse_connection(text)
        self.worker().connections.put(text)
        self.worlds[connection.id] = world
        return connection

    def amend(self, world: World, change: Callable[[dict[str, Any]], None]) -> None:  # Any: JSON
        """Change the stored connection document of a customer."""
        connections = self.worker().connections
        stored = connections.read(world.connection["id"])
        assert stored is not None
        document = json.loads(stored.text)
        change(document)
        connections.put(json.dumps(document))


def deploy(clock: VirtualClock) -> Deployment:
    """An empty deployment."""
    entra = Entra(clock.now)
    storage = LocalStorage(clock, before=lambda _: made.step())
    network = Network(clock.now, {hosts.LOGIN: entra})
    made = Deployment(clock, network, entra, storage, PlainSecrets({}), step=lambda: None)
    ensure(storage)
    return made


def handle(app: App, queue: str, message: Message) -> None:
    """What the queue triggers do with a message."""
    if queue == STAGE_RUNS:
        runner.run_stage(app, decode(StageRun, message.body))
    elif queue == RECORD_RETRIES:
        retries.retry_record(app, decode(RecordRetry, message.body))
    elif queue == REPLAYS:
        retries.replay(app, decode(Replay, message.body))


def drain(deployment: Deployment, app: App) -> None:
    """Work on messages until none is visible. A receipt that was lost meanwhile is swallowed, as the host does."""
    for queue in WORKING_QUEUES:
        while (message := deployment.storage.queues.receive(queue, VISIBILITY)) is not None:
            handle(app, queue, message)
            with suppress(StorageConflict):
                deployment.storage.queues.delete(queue, message)
            drain(deployment, app)


def cycle(deployment: Deployment, app: App) -> None:
    """All timers once, then every message."""
    for stage in STAGES:
        schedule.tick(app, stage)
    drain(deployment, app)


def next_delayed(deployment: Deployment) -> float | None:
    """In how many seconds the next message becomes visible; None when there is none."""
    queues, now = deployment.storage.queues, deployment.clock.now()
    waits = [(message.visible_at - now).total_seconds() for queue in WORKING_QUEUES for message in queues.messages(queue)]
    return min(waits, default=None)

"""What the runner, the schedule and the triggers' work need of the deployment. `sync.app.App` is it."""

from typing import Protocol

from sync.connections.document import Connection
from sync.connections.store import ConnectionStore
from sync.engine.model import Stage, Systems
from sync.ledger.leases import Leases
from sync.ledger.retention import Retention
from sync.ledger.runs import RunStore
from sync.ledger.seals import Seals
from sync.ledger.store import Ledger
from sync.ports import Ports
from sync.settings import Settings


class Deployment(Protocol):
    """The parts, put together."""

    ports: Ports
    settings: Settings
    stages: tuple[Stage, ...]
    connections: ConnectionStore
    ledger: Ledger
    runs: RunStore
    leases: Leases
    seals: Seals
    retention: Retention

    def stage(self, name: str) -> Stage:
        """The stage by its name. FixConfiguration when there is none."""
        ...

    def systems(self, connection: Connection) -> Systems:
        """The two systems of a connection, opened for one slice."""
        ...

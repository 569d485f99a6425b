"""The one list of the tables, queues and containers of a deployment, and the making of those that are missing.

In Azure the infrastructure template makes them; a check keeps both lists the same.
"""

from typing import Final, Protocol

CONNECTIONS: Final = "connections"
LEDGER: Final = "ledger"
RUNS: Final = "runs"
GATES: Final = "gates"
TABLES: Final = (CONNECTIONS, LEDGER, RUNS, GATES)

STAGE_RUNS: Final = "stage-runs"
RECORD_RETRIES: Final = "record-retries"
REPLAYS: Final = "replays"
WORKING_QUEUES: Final = (STAGE_RUNS, RECORD_RETRIES, REPLAYS)
POISON_QUEUES: Final = tuple(f"{queue}-poison" for queue in WORKING_QUEUES)
QUEUES: Final = WORKING_QUEUES + POISON_QUEUES

PAYLOADS: Final = "payloads"
CRAWLS: Final = "crawls"
SEALS: Final = "seals"
CONTAINERS: Final = (PAYLOADS, CRAWLS, SEALS)


class Makes(Protocol):
    """A service that can make what it holds."""

    def create(self, name: str) -> None:
        """Make the table, queue or container; one that exists is fine."""
        ...


class Storage(Protocol):
    """The three services of one storage account."""

    @property
    def tables(self) -> Makes:
        """The tables."""
        ...

    @property
    def queues(self) -> Makes:
        """The queues."""
        ...

    @property
    def blobs(self) -> Makes:
        """The blob containers."""
        ...


def ensure(storage: Storage) -> None:
    """Make every table, queue and container that is missing. Raises FixConfiguration when the account does not allow it."""
    for service, names in ((storage.tables, TABLES), (storage.queues, QUEUES), (storage.blobs, CONTAINERS)):
        for name in names:
            service.create(name)

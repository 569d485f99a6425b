"""A ledger to test with: one storage, and as many workers over it as a test needs."""

from dataclasses import dataclass, field

from sandbox.storage import LocalStorage
from sync.causes import Cause
from sync.errors import FixConfiguration
from sync.ledger.model import NewRecord, Place, State, Step
from sync.ledger.proof import Proof
from sync.ledger.retention import Retention
from sync.ledger.seals import Seals
from sync.ledger.store import Ledger
from sync.ports import Ports
from sync.storage.model import Blobs, Queues, Row, Tables, Value
from sync.storage.names import LEDGER, ensure
from tests.storage.support import HandClock, ports_over

NOTED = Step("found", "Found in AvidXchange.")
WENT_ON = Step("went-on", "Went on.", {"amount": "12.50"})


@dataclass
class PlainKeys:
    """Audit keys in the open."""

    keys: dict[str, bytes] = field(default_factory=lambda: {"one": b"first key"})
    now: str = "one"

    def current(self) -> tuple[str, bytes]:
        return self.now, self.keys[self.now]

    def of(self, key_id: str) -> bytes:
        if key_id not in self.keys:
            raise FixConfiguration(f"There is no audit key {key_id}.")
        return self.keys[key_id]


class Bench:
    """One storage account with a ledger over it, and the hands of somebody who can write the tables."""

    def __init__(self, tables: Tables, queues: Queues, blobs: Blobs, clock: HandClock, connection: str) -> None:
        self.clock = clock
        self.tables, self.blobs = tables, blobs
        self.ports: Ports = ports_over(tables, queues, blobs, clock)
        self.keys = PlainKeys()
        self.ledger = Ledger(self.ports, self.keys)
        self.seals = Seals(self.ports, self.keys)
        self.proof = Proof(self.ports, self.keys)
        self.retention = Retention(self.ports, self.keys, self.seals, self.proof)
        self.place = Place(connection, "invoices", "USMF")

    def row(self, key: str) -> Row:
        found = self.tables.get(LEDGER, self.place.partition, key)
        assert found is not None, key
        return found

    def keys_from(self, prefix: str) -> list[str]:
        return [row.key for row in self.tables.scan(LEDGER, self.place.partition) if row.key.startswith(prefix)]


def local_bench() -> tuple[Bench, LocalStorage]:
    clock = HandClock()
    storage = LocalStorage(clock)
    ensure(storage)
    return Bench(storage.tables, storage.queues, storage.blobs, clock, "contoso"), storage


def new(
    key: str, text: str = "{}", version: str = "v1", batch: str = "", state: State = State.FOUND, causes: tuple[Cause, ...] = ()
) -> NewRecord:
    return NewRecord(key, f"invoice {key}", f"id-{key}", version, text, {"amount": "12.50"}, batch, state=state, causes=causes)


def edited(row: Row, partition: str = "", **values: Value) -> Row:
    return Row(partition or row.partition, row.key, {**row.values, **values})


VENDOR = Cause("vendor-missing", "vendor US-101", "Vendor US-101 does not exist in USMF.", "vendor")
ACCOUNT = Cause("account-missing", "account 6000", "Main account 6000 does not exist.", "lines")
MAPPING = Cause("not-mapped", "company x", "Company x is not mapped.")
EXCEPTION = Cause("changed-after-write", "invoice 1", "Invoice 1 was changed in AvidXchange.")

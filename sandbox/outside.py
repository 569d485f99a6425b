"""A look into a place from outside: what its storage and its two systems hold, whatever the processes in it say."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Final

from sandbox.place import Place, utc_now
from sandbox.simulator.seams import PlainAuditKeys
from sandbox.worlds.model import World
from sandbox.worlds.truth import compare
from sync.connections.document import Connection
from sync.connections.store import ConnectionStore
from sync.engine.cases import places
from sync.http.transport import RequestsTransport
from sync.ledger.model import Failure, State
from sync.ledger.runs import Progress, RunStore
from sync.ledger.store import Ledger
from sync.ports import Ports
from sync.storage.azure import open_storage
from sync.storage.patient import patient
from sync.system import SystemClock, SystemIds, SystemRandomness, ThreadExecutor, system_sleep

IN_DOUBT: Final = frozenset({State.FOUND, State.RETRYING, State.CLAIMED, State.UNKNOWN})
KEYS: Final = {
    "VendorInvoiceHeaders": ("dataAreaId", "InvoiceAccount", "InvoiceNumber"),
    "VendorInvoiceLines": ("dataAreaId", "HeaderReference", "InvoiceLineNumber"),
    "VendorPaymentJournalHeaders": ("dataAreaId", "Description"),
    "VendorPaymentJournalLines": ("dataAreaId", "PaymentId"),
    "VendorPaymentJournalLineSettledInvoices": ("dataAreaId", "JournalBatchNumber", "JournalLineNumber", "InvoiceNumber"),
}
"""What may be written once only, by the names of the bodies that are sent."""


def ports_of(place: Place) -> Ports:
    """The storage of the place, past everything that goes wrong on the way."""
    randomness, ids = SystemRandomness(), SystemIds()
    storage = patient(open_storage(connection_string=place.storage), system_sleep, randomness, ids)
    return Ports(
        clock=SystemClock(),
        sleep=system_sleep,
        ids=ids,
        randomness=randomness,
        executor=ThreadExecutor(),
        transport=RequestsTransport(),
        tables=storage.tables,
        queues=storage.queues,
        blobs=storage.blobs,
    )


def add_customer(place: Place, world: World, **policies: object) -> None:
    """Mount the customer's systems and store its connection document."""
    place.mount(world)
    ConnectionStore(ports_of(place).tables).put(place.document(world, **policies))


def connections(ports: Ports) -> list[Connection]:
    """Every customer whose document is valid."""
    return [stored.connection for stored in ConnectionStore(ports.tables).list() if stored.connection is not None]


def unsettled(place: Place) -> list[str]:
    """The records whose outcome is still open, as `state key`."""
    ports = ports_of(place)
    ledger = Ledger(ports, PlainAuditKeys())
    return [
        f"{work.state} {work.key}"
        for connection in connections(ports)
        for where in places(connection)
        for work in ledger.open_work(where)
        if work.state in IN_DOUBT
    ]


def failures(place: Place) -> list[Failure]:
    """Every open cause of every customer."""
    ports = ports_of(place)
    ledger = Ledger(ports, PlainAuditKeys())
    return [failure for connection in connections(ports) for where in places(connection) for failure in ledger.failures(where)]


def progress(place: Place, connection: str) -> list[Progress]:
    """What every stage of a customer has reached."""
    return list(RunStore(ports_of(place)).every_progress(connection))


def agree(place: Place) -> bool:
    """Whether the two truths of every customer agree."""
    return all(compare(world).agrees for world in place.worlds.values())


def writes(place: Place) -> int:
    """Requests with an effect on D365 or AvidXchange; signing in is none."""
    return place.network.writes() - sum(place.network.writes(path=path) for path in ("/oauth2/v2.0/token", "/authorizations"))


def written_twice(world: World) -> list[str]:
    """What took effect in D365 more than once under one natural key, by D365's own record of what reached it."""
    with world.d365.lock:
        created = [(write.set_name, write.body) for write in world.d365.writes if write.method == "POST" and write.set_name in KEYS]
    times = Counter((name, *(str(body.get(part)) for part in KEYS[name])) for name, body in created)
    return [f"{' '.join(key)}: {count} times" for key, count in times.items() if count > 1]


def broken_trails(place: Place) -> list[str]:
    """What `audit --verify` says of the days of the last hour, per customer; nothing when every chain is whole."""
    days = sorted({moment.date().isoformat() for moment in (utc_now() - timedelta(hours=1), utc_now())})
    return [text for name in place.worlds for day in days for text in _verified(place, name, day)]


def _verified(place: Place, connection: str, day: str) -> Iterator[str]:
    done = place.sync("audit", connection, "--day", day, "--verify", check=False)
    if done.returncode != 0:
        yield f"audit of {connection}, {day}: ended with {done.returncode}: {_last_lines(done.stdout.splitlines())} {done.stderr}"


def _last_lines(lines: Iterable[str]) -> str:
    return " / ".join([*lines][-5:])

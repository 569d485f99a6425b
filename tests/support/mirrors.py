"""A made-up mirror stage: things in a warehouse are to stand on a shelf. Both sides can be changed, and can fail, by hand."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import cast

from sandbox.simulator.seams import PlainAuditKeys, VirtualClock, make_ports
from sandbox.storage import LocalStorage
from sync.causes import Cause
from sync.connections.document import Company, Connection, parse_connection
from sync.engine.memory import Memory
from sync.engine.mirror import Mirror
from sync.engine.mirroring import Held, Page, Target, Unfit
from sync.engine.model import End, Report, Slice, Systems
from sync.errors import FixConfiguration
from sync.http.wire import HttpRequest, HttpResponse, NotSent
from sync.ledger.model import AuditRow, Failure, Place, Record
from sync.ledger.runs import Progress, RunStore
from sync.ledger.store import Ledger
from sync.outcomes import ItemResult
from sync.storage.names import CRAWLS, ensure
from sync.values import key_digest


@dataclass(frozen=True)
class Thing:
    """One row. A thing without a name does not fit."""

    key: str
    name: str
    active: bool = True


@dataclass
class Warehouse:
    """The source of one company. `on_page` is called with the number of every page that is about to be given out."""

    things: list[Thing] = field(default_factory=list)
    page_size: int = 10
    on_page: Callable[[int], None] = lambda _: None
    pages_read: int = 0
    not_set_up: bool = False

    def stock(self, *names: str) -> None:
        """One thing for each name, with the name as its key."""
        self.things += [Thing(name, name) for name in names]

    def rename(self, key: str, name: str) -> None:
        """Another name for a thing."""
        self.things = [replace(thing, name=name) if thing.key == key else thing for thing in self.things]

    def remove(self, *keys: str) -> None:
        """Things that are gone."""
        self.things = [thing for thing in self.things if thing.key not in keys]


@dataclass
class Shelf:
    """The target of one company, with every write it took. `refused` keys are refused, `known` ones because they are there already.

    `before_send`, `after_send` and `on_page` may raise.
    """

    things: dict[str, Thing] = field(default_factory=dict)
    writes: list[Thing] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    known: set[str] = field(default_factory=set)
    before_send: Callable[[Sequence[Thing]], None] = lambda _: None
    after_send: Callable[[Sequence[Thing]], None] = lambda _: None
    page_size: int = 10
    on_page: Callable[[int], None] = lambda _: None
    pages_listed: int = 0

    def put(self, *things: Thing) -> None:
        """Things that stand there before anybody sends."""
        self.things.update({thing.key: thing for thing in things})

    def taken(self) -> list[str]:
        """The keys of all writes since the last call."""
        keys = [thing.key for thing in self.writes]
        self.writes.clear()
        return keys


class ThingFlow:
    """Warehouse to shelf."""

    def __init__(self, warehouse: Warehouse, shelf: Shelf, mapping: str) -> None:
        self._warehouse = warehouse
        self._shelf = shelf
        self._mapping = mapping
        self.batch = 3

    def count(self) -> int:
        """See `Flow`, as all below."""
        return len(self._warehouse.things)

    def pages(self, cursor: str) -> Iterator[Page[Thing]]:
        """The cursor is an offset, as D365's is."""
        start = int(cursor or 0)
        while True:
            self._warehouse.on_page(start // self._warehouse.page_size)
            self._warehouse.pages_read += 1
            rows = self._warehouse.things[start : start + self._warehouse.page_size]
            start += self._warehouse.page_size
            more = start < len(self._warehouse.things)
            yield Page([_row(thing) for thing in rows], len(rows), str(start) if more else "")
            if not more:
                return

    def existing(self, cursor: str) -> Iterator[Held[Thing]]:
        """What stands there. The cursor is an offset."""
        start = int(cursor or 0)
        things = [*self._shelf.things.values()]
        for first in range(start, len(things), self._shelf.page_size):
            self._shelf.pages_listed += 1
            self._shelf.on_page(first // self._shelf.page_size)
            after = first + self._shelf.page_size
            held = [Target((thing.key,), f"thing {thing.key}", thing) for thing in things[first:after]]
            yield Held(held, str(after) if after < len(things) else "")

    def body(self, item: Thing) -> Mapping[str, object]:
        """The mapping's name stands for what a new version of the connector would send."""
        return {"Key": item.key, "Name": item.name, "Active": item.active, **({"Mapping": self._mapping} if self._mapping else {})}

    def public(self, item: Thing) -> Thing:
        """Nothing is secret."""
        return item

    def respelled(self, item: Thing, key: tuple[str, ...]) -> Thing:
        """Another spelling of the key."""
        return replace(item, key=key[0])

    def inactive(self, item: Thing) -> Thing:
        """Not active."""
        return replace(item, active=False)

    def send(self, items: Sequence[Thing]) -> list[ItemResult]:
        """Put on the shelf what is not refused."""
        self._shelf.before_send(items)
        results: list[ItemResult] = []
        for item in items:
            self._shelf.writes.append(item)
            if item.key in self._shelf.refused:
                results.append(ItemResult(False, ("It does not fit on the shelf.",)))
            elif item.key in self._shelf.known:
                results.append(ItemResult(False, ("It stands there.",), is_known=True))
            else:
                self._shelf.things[item.key] = item
                results.append(ItemResult(True))
        self._shelf.after_send(items)
        return results


def _row(thing: Thing) -> Target[Thing] | Unfit:
    label = f"thing {thing.key}"
    if thing.name:
        return Target((thing.key,), label, thing)
    no_name = Cause("field-missing", label, f"{label}: it has no name.", "Name")
    dusty = Cause("field-invalid", label, f"{label}: it is dusty.", "Dust")
    return Unfit((thing.key,), label, json.dumps({"Key": thing.key}), (no_name, dusty))


class MirrorBench:
    """The stage `things` of a connection with one or several companies, over in-process storage."""

    def __init__(self, *companies: str, **policies: object) -> None:
        names = companies or ("one",)
        self.clock = VirtualClock()
        self.storage = LocalStorage(self.clock)
        ensure(self.storage)
        self.ports = make_ports(self.clock, _NoNetwork(), self.storage)
        self.ledger = Ledger(self.ports, PlainAuditKeys())
        self.runs = RunStore(self.ports)
        self.systems = {name: f"system of {name}" for name in names}
        self.connection = _connection(self.systems, policies)
        self.warehouses = {name: Warehouse() for name in names}
        self.shelves = {name: Shelf() for name in names}
        self.mapping = ""
        self.minutes = 60.0
        self.stage = Mirror(self)

    name = "things"
    after: tuple[str, ...] = ()

    def open(self, slice_: Slice, company: Company) -> ThingFlow:
        """See `Mirroring.open`."""
        if self.warehouses[company.id].not_set_up:
            raise FixConfiguration(f"{company.id} has no warehouse.", field="companies.id")
        return ThingFlow(self.warehouses[company.id], self.shelves[company.id], self.mapping)

    @property
    def warehouse(self) -> Warehouse:
        """Of the first company."""
        return next(iter(self.warehouses.values()))

    @property
    def shelf(self) -> Shelf:
        """Of the first company."""
        return next(iter(self.shelves.values()))

    def set_policies(self, **policies: object) -> None:
        """Other policies from now on."""
        self.connection = _connection(self.systems, policies)

    def move(self, company: str, system: str) -> None:
        """The company's shelf is another one from now on, in another accounting system."""
        self.systems[company] = system
        self.shelves[company] = Shelf()
        self.connection = _connection(self.systems, {})

    def slice(self, *, dry_run: bool = False) -> tuple[End, Report]:
        """One slice."""
        report = Report()
        end = self.stage.work(
            Slice(
                connection=self.connection,
                stage="things",
                run=self.ports.ids.new(),
                ports=self.ports,
                ledger=self.ledger,
                progress=self.runs,
                systems=cast(Systems, None),
                deadline=self.clock.now() + timedelta(minutes=self.minutes),
                beat=lambda: None,
                report=report,
                dry_run=dry_run,
            )
        )
        return end, report

    def run(self) -> dict[str, int]:
        """One whole run in one slice, half an hour after the last. Returns its counts."""
        self.clock.advance(minutes=30)
        end, report = self.slice()
        assert end is End.DONE
        return report.counts

    def place(self, company: str = "one") -> Place:
        """The company's part of the ledger."""
        return Place("customer", "things", company)

    def key(self, key: str, company: str = "one") -> str:
        """The ledger key of a thing."""
        return key_digest(self.systems[company], key)

    def record(self, key: str) -> Record | None:
        """The ledger record of a thing."""
        return self.ledger.get(self.place(), self.key(key))

    def history(self, key: str) -> list[AuditRow]:
        """The steps of a thing."""
        return self.ledger.history(self.place(), self.key(key))

    def failures(self) -> list[Failure]:
        """The list that a person sees."""
        return list(self.ledger.failures(self.place()))

    def progress(self, company: str = "one") -> Progress:
        """What the stage has reached for a company."""
        return self.runs.progress("customer", "things", company)

    def memory(self) -> Memory | None:
        """The memory as stored."""
        blob = self.storage.blobs.read(CRAWLS, "customer/things/one")
        return None if blob is None else Memory.unpack(blob.data)

    def lose_memory(self) -> None:
        """The blob is gone."""
        self.storage.blobs.delete(CRAWLS, "customer/things/one")


class _NoNetwork:
    def send(self, request: HttpRequest) -> HttpResponse:
        raise NotSent(f"nothing goes out in these tests, not even {request.method}")


def _connection(systems: Mapping[str, str], policies: Mapping[str, object]) -> Connection:
    named = [{"id": name, "accounting_system": system, "payment_journal": "Pay"} for name, system in systems.items()]
    document = {
        "id": "customer",
        "name": "Customer",
        "d365": {
            "environment_url": "https://x.operations.dynamics.com",
            "tenant": "t",
            "client_id": "c",
            "sign_in": {"method": "client_secret", "secret": "s"},
        },
        "avidxchange": {"host": "avid.example", "auth": {"company_token": "a", "user_token": "b"}},
        "companies": named,
        "code_groups": {"MainAccount": "GL Account"},
        "start_from": {"invoices": "2026-01-01", "payments": "2026-01-01"},
        "policies": dict(policies),
    }
    return parse_connection(json.dumps(document))

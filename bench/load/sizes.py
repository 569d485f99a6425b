"""The sizes of the design's section 7: what each stage asks for, how many slices it takes, how much memory one takes, and that all agrees.

Memory is `tracemalloc`'s peak within a slice: what was in use at once of all that was allocated since the slice began. What the
in-process systems and storage grew by meanwhile is in it, so it is told apart what was in use no more when the slice had ended: the
product keeps nothing of a slice, they keep every row.
"""

import gc
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from time import perf_counter
from typing import Final

from bench.load.customers import AVID_HOST
from bench.load.fairness import near
from bench.load.hosting import DistantNetwork
from bench.load.virtual import SharedExecutor, SharedTime
from sandbox.simulator.deployment import Deployment, deploy, settings
from sandbox.simulator.seams import PlainAuditKeys, PlainIdentity, make_ports
from sandbox.worlds.drafts import Draft, add_batches
from sandbox.worlds.firm import Firm
from sandbox.worlds.firm_invoices import plain_invoice
from sandbox.worlds.model import World
from sandbox.worlds.property_firm import PropertyFirmSize, build_property_firm
from sandbox.worlds.truth import compare
from sync.app import App
from sync.connections.document import STAGES
from sync.engine.runner import run_stage
from sync.engine.schedule import new_run
from sync.messages import StageRun, decode
from sync.storage.names import LEDGER, STAGE_RUNS

SMALL: Final = PropertyFirmSize(vendors=45, accounts=40, buildings=18, invoices=24, payments=20)
FAR: Final = timedelta(days=60)
EXTRA_ID: Final = 8_000_000
More = Callable[[Firm], None]


@dataclass(frozen=True)
class Case:
    """A world of some size. `more` adds documents that are large themselves; `stages` are the ones that are measured and shown."""

    size: PropertyFirmSize
    stages: tuple[str, ...]
    more: More = lambda _: None
    delta: Callable[[World], int] | None = None
    """Changes the world when it has come to rest and says how many records that makes differ; only they are to be sent then."""
    shared: bool = False
    """Whether its size is the share that was asked for; else it is always full."""


def long_invoice(lines: int) -> More:
    """One invoice with so many lines."""

    def add(firm: Firm) -> None:
        draft = plain_invoice(firm, EXTRA_ID)
        draft.lines = [replace(draft.lines[number % len(draft.lines)], description=f"Line {number}") for number in range(lines)]
        add_batches(firm, [draft])

    return add


def rename_vendors(world: World) -> int:
    """Every hundredth vendor that is not on hold has another name in D365."""
    rows = [row for row in world.d365.rows("VendorsV3") if row["OnHoldStatus"] == "No" and row["VendorOrganizationName"]][::100]
    for row in rows:
        key = {"dataAreaId": row.text("dataAreaId"), "VendorAccountNumber": row.text("VendorAccountNumber")}
        world.d365.change("VendorsV3", key, VendorOrganizationName=f"{row['VendorOrganizationName']} (new owners)")
    return len(rows)


def large_batch(invoices: int) -> More:
    """One closed batch with so many invoices."""

    def add(firm: Firm) -> None:
        first = plain_invoice(firm, EXTRA_ID)
        rest = [plain_invoice(firm, EXTRA_ID + number, firm.vendor(first.company)) for number in range(1, invoices)]
        add_batches(firm, [_closed_with(first, draft) for draft in (first, *rest)])

    return add


def _closed_with(first: Draft, draft: Draft) -> Draft:
    return replace(draft, closed=first.closed)


def cases(share: float = 1.0) -> Mapping[str, Case]:
    """The sizes of section 7; of vendors, of a month's documents and of the large batch that share."""
    vendors, invoices, payments, batch = (max(45, int(number * share)) for number in (100_000, 20_000, 15_000, 5_000))
    return {
        f"{vendors:,} vendors": Case(replace(SMALL, vendors=vendors), ("vendors",), delta=rename_vendors, shared=True),
        "500 accounts, 2,000 dimension values": Case(replace(SMALL, accounts=500, buildings=2_000), ("gl_accounts", "dimensions")),
        f"{invoices:,} invoices and {payments:,} payments": Case(
            replace(SMALL, vendors=max(300, invoices // 20), accounts=500, buildings=200, invoices=invoices, payments=payments),
            ("invoices", "payments"),
            shared=True,
        ),
        "an invoice with 2,000 lines": Case(SMALL, ("invoices",), long_invoice(2_000)),
        f"a batch with {batch:,} invoices": Case(replace(SMALL, vendors=300), ("invoices",), large_batch(batch), shared=True),
    }


@dataclass(frozen=True)
class Pass:
    """One run of one stage, from its first slice to its end.

    `peak` is the largest of the slices that were traced, in bytes; `passing` the most of a slice that was in use no more at its end.
    """

    stage: str
    counts: Mapping[str, int]
    requests: int
    minutes: float
    slices: int
    peak: int
    passing: int
    seconds: float
    """Of real time; tracing is in it."""


@dataclass
class Measured:
    """What a case showed."""

    first: list[Pass] = field(default_factory=list)
    second: list[Pass] = field(default_factory=list)
    """Half an hour later, when nothing had changed."""
    delta: list[Pass] = field(default_factory=list)
    """Another half an hour later, of the stages that are shown, after `changed` records of the source had changed."""
    changed: int = 0
    rows: int = 0
    """In the ledger."""
    differences: list[str] = field(default_factory=list)

    def of(self, stage: str) -> Pass:
        """The first run of a stage."""
        return next(one for one in self.first if one.stage == stage)


def measure(case: Case, *, traced: Callable[[int], bool] = lambda number: number % 10 == 1) -> Measured:
    """Run all stages, then all again. `traced` says of which slices (from 1) the memory is measured: that takes three times as long."""
    bench = _Bench(case)
    measured = Measured()
    bench.play(lambda: _both(bench, measured, traced))
    measured.rows = sum(len(list(bench.made.storage.tables.scan(LEDGER, name))) for name in bench.made.storage.tables.partitions(LEDGER))
    measured.differences = [difference for world in bench.made.worlds.values() for difference in compare(world).differences]
    return measured


def _both(bench: "_Bench", measured: Measured, traced: Callable[[int], bool]) -> None:
    for stage in STAGES:
        measured.first.append(bench.stage(stage, traced))
    bench.time.sleep(1_800)
    for stage in STAGES:
        measured.second.append(bench.stage(stage, traced))
    if bench.case.delta is not None:
        measured.changed = bench.case.delta(bench.world)
        bench.time.sleep(1_800)
        measured.delta = [bench.stage(stage, traced) for stage in bench.case.stages]


class _Bench:
    """One customer and one worker, in shared virtual time, so that a slice's requests go side by side."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.time = SharedTime()
        self.made: Deployment = deploy(self.time)
        self.world = world = build_property_firm(1, self.time.now(), size=case.size, now=self.time.now, more=case.more)
        world.avid.host, world.connection["avid_host"] = AVID_HOST, AVID_HOST
        self.connection = self.made.add(world).id
        ports = make_ports(self.time, DistantNetwork(self.made, self.time, near), self.made.storage)
        ports = replace(ports, executor=SharedExecutor(self.time))
        self.app = App(ports, settings(), self.made.secrets, PlainAuditKeys(), PlainIdentity())

    def play(self, work: Callable[[], None]) -> None:
        """Run `work` where it can sleep beside others."""
        ended: list[bool] = []

        def all_of_it() -> None:
            work()
            ended.append(True)

        self.time.start(all_of_it)
        self.time.run(self.time.now() + FAR, lambda: bool(ended))

    def stage(self, name: str, traced: Callable[[int], bool]) -> Pass:
        """A run of a stage: its first message and every continuation."""
        message: StageRun | None = new_run(self.app, self.connection, name, forced=True)
        start, begun, before, peak, slices = self.time.now(), perf_counter(), len(self.made.network.exchanges), 0, 0
        passing = 0
        while message is not None:
            slices += 1
            with _traced(wanted=traced(slices)) as memory:
                run_stage(self.app, message)
            peak, passing = max(peak, memory.peak), max(passing, memory.peak - memory.kept)
            message = self._next(name)
        [run] = self.app.runs.latest(self.connection, name, 1)
        requests = len(self.made.network.exchanges) - before
        minutes = (self.time.now() - start).total_seconds() / 60
        return Pass(name, run.counts, requests, minutes, slices, peak, passing, perf_counter() - begun)

    def _next(self, stage: str) -> StageRun | None:
        """The continuation; messages that start other stages are done with: those run in their turn."""
        queues = self.made.storage.queues
        while (message := queues.receive(STAGE_RUNS, 60)) is not None:
            queues.delete(STAGE_RUNS, message)
            body = decode(StageRun, message.body)
            if body.stage == stage:
                return body
        return None


@dataclass
class Memory:
    """What is allocated inside a slice, in bytes: in use at once at most, and still when it has ended."""

    peak: int = 0
    kept: int = 0


@contextmanager
def _traced(*, wanted: bool) -> Iterator[Memory]:
    """Filled when it is over; zeros when it is not wanted."""
    memory = Memory()
    if not wanted:
        yield memory
        return
    tracemalloc.start()
    try:
        yield memory
        memory.peak = tracemalloc.get_traced_memory()[1]
        gc.collect()
        memory.kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

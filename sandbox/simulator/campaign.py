"""Many simulations: in several processes side by side, in blocks, so that a campaign that was stopped goes on where it was."""

import hashlib
import json
import multiprocessing
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any, Final

from sandbox.simulator.matrix import Cell, all_cells, cells
from sandbox.simulator.scenario import Scenario, from_cell, from_seed
from sandbox.simulator.simulation import Simulation
from sandbox.simulator.watch import Violation

ROOT: Final = Path(__file__).resolve().parents[2]
BLOCK: Final = 50
FIRST_OF_A_CELL: Final = 7
SEEDS_OF_A_CELL: Final = 40
SHOWN: Final = 20
"""Failures that are shown one by one."""


@dataclass(frozen=True)
class Job:
    """One simulation: a seed, with the stage its faults strike, or a cell of the matrix."""

    seed: int = 0
    flow: str = ""
    cell: Cell | None = None

    @property
    def scenario(self) -> Scenario:
        """What it plays."""
        return from_seed(self.seed, self.flow) if self.cell is None else from_cell(self.cell, self.seed)

    @property
    def command(self) -> str:
        """How to play it again, with its story."""
        if self.cell is not None:
            return f'python3 dev.py simulate --cell "{self.cell}" --seed {self.seed}'
        return f"python3 dev.py simulate --seed {self.seed}" + (f" --flow {self.flow}" if self.flow else "")


@dataclass(frozen=True)
class Outcome:
    """How a simulation ended. `violation` is empty when nothing was wrong."""

    job: Job
    violation: str
    kind: str
    struck: tuple[Cell, ...]
    steps: int
    hours: float
    """Virtual hours."""


def play(job: Job) -> Outcome:
    """Play a job to its end, whatever that is. The fault of a cell must strike: as long as it does not, the next seed is played."""
    outcome = played(job)
    for seed in range(job.seed + 1, job.seed + SEEDS_OF_A_CELL):
        if outcome.kind != "unfired":
            break
        outcome = played(replace(job, seed=seed))
    return outcome


def played(job: Job) -> Outcome:
    """One simulation."""
    simulation = Simulation(job.scenario)
    violation = kind = ""
    try:
        simulation.run()
    except Violation as error:
        violation, kind = str(error), error.kind
    except Exception as error:  # noqa: BLE001 - an error of the simulator itself is a finding like any other
        violation, kind = f"simulator: {type(error).__name__}: {error}", "simulator"
    struck = tuple(simulation.fired.counts)
    if job.cell is not None and not violation and job.cell not in struck:
        violation, kind = "unfired: the fault of the cell never struck.", "unfired"
    hours = (simulation.clock.now() - simulation.world.day).total_seconds() / 3600
    return Outcome(job, violation, kind, struck, simulation.crew.steps, hours)


def seed_jobs(first: int, count: int, flow: str = "") -> list[Job]:
    """Seeds in a row."""
    return [Job(seed=seed, flow=flow) for seed in range(first, first + count)]


def cell_jobs() -> list[Job]:
    """Every cell that can be."""
    return [Job(seed=FIRST_OF_A_CELL, cell=cell) for cell in cells()]


@dataclass
class Tally:
    """What a campaign has seen so far."""

    commit: str
    product: str
    """Digest of all that decides how a simulation goes."""
    jobs: str
    done: int = 0
    steps: int = 0
    hours: float = 0.0
    seconds: float = 0.0
    faults: int = 0
    places: list[str] = field(default_factory=list)
    """The cells that were struck, without their occurrence."""
    violations: dict[str, int] = field(default_factory=dict)
    failed: list[list[str]] = field(default_factory=list)
    """The commands that show a violation, each with its text."""

    def add(self, outcomes: Sequence[Outcome], seconds: float) -> None:
        """A block more."""
        self.done += len(outcomes)
        self.seconds = round(self.seconds + seconds, 1)
        self.steps += sum(outcome.steps for outcome in outcomes)
        self.hours = round(self.hours + sum(outcome.hours for outcome in outcomes), 1)
        struck = [f"{cell.stage} / {cell.boundary} / {cell.kind}" for outcome in outcomes for cell in outcome.struck]
        self.faults += len(struck)
        self.places = sorted({*self.places, *struck})
        self.violations = dict(Counter(self.violations) + Counter(outcome.kind for outcome in outcomes if outcome.violation))
        self.failed += [[outcome.job.command, outcome.violation] for outcome in outcomes if outcome.violation]


@dataclass
class Campaign:
    """All jobs, `workers` at a time, at most `minutes` when at least `least` are done. `report`: where the tally is kept."""

    jobs: Sequence[Job]
    workers: int
    minutes: float | None = None
    least: int = 0
    report: str | None = None
    block: int = BLOCK
    """Simulations between two savings of the tally."""

    def run(self) -> int:
        """Play what is not done yet; prints as it goes. Returns 0 when nothing was wrong."""
        tally = self._begun()
        started = time.monotonic()
        context = multiprocessing.get_context("spawn")
        with context.Pool(self.workers, maxtasksperchild=BLOCK * 4) as pool:
            for outcomes, seconds in self._blocks(pool, tally.done):
                tally.add(outcomes, seconds)
                self._keep(tally)
                _print_violations(outcomes)
                _print_progress(tally, len(self.jobs), time.monotonic() - started)
                if self._is_over(tally, time.monotonic() - started):
                    break
        _print_end(tally)
        return 1 if tally.failed else 0

    def _blocks(self, pool: Pool, done: int) -> Iterator[tuple[list[Outcome], float]]:
        todo = iter(self.jobs[done:])
        while block := list(islice(todo, self.block)):
            begun = time.monotonic()
            yield list(pool.imap(play, block)), time.monotonic() - begun

    def _is_over(self, tally: Tally, seconds: float) -> bool:
        return self.minutes is not None and seconds >= self.minutes * 60 and tally.done >= self.least

    def _begun(self) -> Tally:
        """The kept tally when it is of the same product and jobs, else a new one."""
        first, last = self.jobs[0], self.jobs[-1]
        named = f"{len(self.jobs)} from {first.cell or first.seed} to {last.cell or last.seed}" + (f", {first.flow}" if first.flow else "")
        new = Tally(commit(), product_digest(), named)
        path = Path(self.report) if self.report else None
        if path is None or not path.exists():
            return new
        kept = Tally(**json.loads(path.read_text(encoding="utf-8")))
        return kept if (kept.product, kept.jobs) == (new.product, new.jobs) else new

    def _keep(self, tally: Tally) -> None:
        if self.report:
            path = Path(self.report)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(vars(tally), indent=1) + "\n", encoding="utf-8")


def product_digest() -> str:
    """Of the product and of the sandbox, but for what only breaks the product on purpose or plays it in real time."""
    content = hashlib.sha256()
    for path in sorted([*ROOT.glob("sync/**/*.py"), *ROOT.glob("sync/**/*.json"), *ROOT.glob("sandbox/**/*.py"), ROOT / "function_app.py"]):
        if path.parent.name != "chaos" and not path.name.startswith("sabotage"):
            content.update(path.read_bytes())
    return content.hexdigest()[:16]


def commit() -> str:
    """The commit that is checked out; with a plus when files differ from it."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    return (git("rev-parse", "HEAD") or "unknown") + ("+" if git("status", "--porcelain", "--", "sync", "sandbox") else "")


def _print_progress(tally: Tally, jobs: int, seconds: float) -> None:
    each = f"{tally.seconds / tally.done:.2f} s each" if tally.done else ""
    print(f"{tally.done:,} of {jobs:,} in {seconds:.0f} s ({each}): {len(tally.failed)} with a violation", flush=True)


def _print_end(tally: Tally) -> None:
    facts: dict[str, Any] = {  # Any: numbers of two kinds
        "simulations": tally.done,
        "virtual days": round(tally.hours / 24),
        "steps": tally.steps,
        "faults that struck": tally.faults,
        "different cells struck": f"{len(tally.places)} of {sum(1 for _ in cells())} that can be ({all_cells()} in all)",
        "violations": sum(tally.violations.values()),
    }
    for name, value in facts.items():
        print(f"{name:24} {value:,}" if isinstance(value, int) else f"{name:24} {value}")
    for command, text in tally.failed[:SHOWN]:
        print(f"\n{text}\n  {command}")


def _print_violations(outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.violation:
            print(f"{outcome.violation[:300]}\n  {outcome.job.command}", flush=True)

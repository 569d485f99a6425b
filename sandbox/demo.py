"""`python3 dev.py demo`: three cycles of the whole connector against the sandbox, and what a person wants to see of them."""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from sandbox.network import Network
from sandbox.place import Place, utc_now
from sandbox.worlds.connection import connection_document
from sandbox.worlds.contoso import build_contoso
from sandbox.worlds.contoso_cases import build_contoso_cases, contoso_goes_on
from sandbox.worlds.cycle import third_cycle, third_cycle_faults
from sandbox.worlds.model import World
from sandbox.worlds.property_firm import PropertyFirmSize, build_property_firm
from sandbox.worlds.report import Comparison
from sandbox.worlds.truth import compare
from sandbox.worlds.truth_causes import cause_differences
from sync.app import open_app
from sync.connections.document import STAGES
from sync.engine.cases import places

SEED = 7
PROGRESS_SECONDS = 5.0
COUNTS = ("read", "sent", "unchanged", "written", "adopted", "parked", "posted")


@dataclass
class Demo:
    """The demo's two customers in their place."""

    place: Place
    firm: World
    contoso: World

    @classmethod
    def build(cls, place: Place, seed: int, *, small: bool) -> Self:
        """Both customers with their systems answering; nothing has run yet."""
        today = utc_now()
        size = PropertyFirmSize.small() if small else PropertyFirmSize.full()
        contoso = build_contoso(today, now=utc_now) if small else build_contoso_cases(today, now=utc_now)
        demo = cls(place, build_property_firm(seed, today, size=size, now=utc_now), contoso)
        for world in demo.worlds:
            place.mount(world)
        return demo

    @property
    def worlds(self) -> tuple[World, World]:
        """Both customers."""
        return self.firm, self.contoso

    def run(self) -> bool:
        """All three cycles; whether the two truths agree after each."""
        self.add_customers()
        agreed = [self._cycle("First cycle: everything moves", settled=False)]
        before = effects(self.place.network, self.worlds)
        agreed.append(self._cycle("Second cycle: nothing has changed"))
        written = effects(self.place.network, self.worlds) - before
        say(f"Writes to D365 and AvidXchange in the second cycle: {written}." + (" Nothing to do." if written == 0 else ""))
        agreed.append(written == 0)
        agreed.append(self._third_cycle())
        self._show_results()
        return all(agreed)

    def add_customers(self) -> None:
        """Their connection documents, as an operator adds them."""
        heading("Two customers are added, each with its own tenant, environment and AvidXchange host")
        for world in self.worlds:
            document = json.dumps(connection_document(world.connection), default=str)
            with written_to_file(document) as path:
                print(self.place.sync("connections", "add", str(path)).stdout.rstrip())

    def _third_cycle(self) -> bool:
        heading("The world changes")
        for sentence in [*third_cycle(self.firm), *(contoso_goes_on(self.contoso) if self.contoso.cases else ())]:
            print(f"  {sentence}")
        faults = third_cycle_faults(self.firm)
        self.place.network.faults.add(*faults)
        planned = sum(fault.times for fault in faults)
        print(f"  {planned} faults are planned: storms of 429 on both systems, and two replies that get lost.")
        self._invoices_before = len(self.firm.d365.writes)
        agrees = self._cycle("Third cycle: renamed, held, posted, settled, throttled, and with lost replies")
        say(f"Faults that struck: {len(self.place.network.faults.fired)}, left over: {len(self.place.network.faults.unfired)}.")
        return agrees and not self.place.network.faults.unfired

    # --- a cycle -----------------------------------------------------------------------------------------------------------------

    def _cycle(self, title: str, *, settled: bool = True) -> bool:
        """Whether the truths agree afterwards. Not `settled`: a payment may have been looked at before its invoice was there."""
        heading(title)
        began, start, before = utc_now(), time.monotonic(), len(self.place.network.exchanges)
        self._watch(self.place.start_runner("--until-idle"), start, before)
        self._show_stages(began)
        agrees = self._compare()
        return (self._compare_causes() if settled else True) and agrees

    def _show_stages(self, began: datetime) -> None:
        """What every stage did in the runs of this cycle."""
        runs = open_app(self.place.environment).runs
        print(f"\n  {'':24}" + "".join(f"{name:>14}" for name in COUNTS))
        for world in self.worlds:
            connection = world.connection["id"]
            for stage in STAGES:
                counts = added_up([run.counts for run in runs.latest(connection, stage, 10) if run.started_at >= began])
                print(f"  {connection:12}{stage:12}" + "".join(f"{counts[name] or '-':>14}" for name in COUNTS))

    def _watch(self, runner: subprocess.Popen[bytes], start: float, before: int) -> None:
        """Wait for the runner, showing that it works."""
        while True:
            try:
                code = runner.wait(timeout=PROGRESS_SECONDS)
            except subprocess.TimeoutExpired:
                print(f"  {time.monotonic() - start:4.0f} s, {len(self.place.network.exchanges) - before:,} requests", flush=True)
                continue
            if code != 0:
                raise RuntimeError(f"the runner ended with {code}")
            took, requests = time.monotonic() - start, len(self.place.network.exchanges) - before
            print(f"  done after {took:.0f} s and {requests:,} requests; {len(self.place.network.refused)} to unknown hosts", flush=True)
            return

    def _compare(self) -> bool:
        comparisons = {world.connection["name"]: compare(world) for world in self.worlds}
        for name, comparison in comparisons.items():
            show_comparison(name, comparison)
        return all(comparison.agrees for comparison in comparisons.values())

    def _compare_causes(self) -> bool:
        """Whether every document is in the list of failures for exactly the causes that it must be."""
        differences = [sentence for world in self.worlds for sentence in cause_differences(world, self._causes(world))]
        for sentence in differences[:20]:
            print(f"  DIFFERS: {sentence}")
        say("OTHER CAUSES ARE SHOWN." if differences else "Every document shows exactly the causes that it must, and no other.")
        return not differences

    def _causes(self, world: World) -> dict[tuple[str, str], frozenset[str]]:
        """The open causes of every invoice and payment of a customer."""
        app = open_app(self.place.environment)
        stored = app.connections.get(world.connection["id"])
        assert stored is not None
        documents = [place for place in places(stored) if place.stage in ("invoices", "payments")]
        records = [record for place in documents for record in app.ledger.records(place)]
        return {(record.place.stage, record.source_id): frozenset(cause.code for cause in record.causes) for record in records}

    # --- what a person wants to see ----------------------------------------------------------------------------------------------

    def _show_status(self) -> None:
        heading("Per stage (python -m sync status)")
        print(self.place.sync("status").stdout.rstrip())

    def _show_results(self) -> None:
        name = self.firm.connection["id"]
        self._show_status()
        heading(f"What is parked, and why (python -m sync failures {name})")
        print(self.place.sync("failures", name).stdout.rstrip())
        for set_name, field, what in (
            ("VendorInvoiceHeaders", "InvoiceNumber", "An invoice whose reply was lost"),
            ("VendorPaymentJournalLines", "PaymentId", "A payment whose reply was lost"),
        ):
            record = self._first_written(set_name, field)
            heading(f"{what} (python -m sync audit {name} --record {record})")
            print(self.place.sync("audit", name, "--record", record).stdout.rstrip())

    def _first_written(self, set_name: str, field: str) -> str:
        """The first document of the third cycle: its reply is the one that was lost."""
        return next(str(write.body[field]) for write in self.firm.d365.writes[self._invoices_before :] if write.set_name == set_name)


def added_up(runs: Sequence[Mapping[str, int]]) -> Counter[str]:
    """What several runs did together. Each run counts anew what is parked, so that is not added up."""
    counts: Counter[str] = Counter()
    for run in runs:
        counts.update(run)
    counts["parked"] = max((run.get("parked", 0) for run in runs), default=0)
    return counts


def effects(network: Network, worlds: tuple[World, ...]) -> int:
    """Requests that can have an effect on the customers' systems so far."""
    return sum(network.writes(host) for world in worlds for host in (world.d365.host, world.avid.host))


def show_comparison(name: str, comparison: Comparison) -> None:
    """The two truths side by side, to the cent."""
    print(f"\n  {name}: what AvidXchange says must be in D365, and what is there")
    print(f"  {'':12}{'company':>9}{'currency':>10}{'expected':>18}{'in D365':>18}{'difference':>14}")
    for (what, company, currency), total in sorted(comparison.totals.items()):
        gap = total.found - total.expected
        print(f"  {what:12}{company:>9}{currency:>10}{total.expected:>18,.2f}{total.found:>18,.2f}{gap:>14,.2f}")
    counts = "checked: " + ", ".join(f"{number:,} {what}" for what, number in sorted(comparison.counts.items()))
    print(textwrap.fill(counts, 118, initial_indent="  ", subsequent_indent="    "))
    for sentence in comparison.differences[:20]:
        print(f"  DIFFERS: {sentence}")
    print(
        f"  {'The two truths agree.' if comparison.agrees else f'THE TWO TRUTHS DIFFER in {len(comparison.differences)} places.'}",
        flush=True,
    )


def heading(text: str) -> None:
    """A line that stands out."""
    print(f"\n== {text}", flush=True)


def say(text: str) -> None:
    """A result."""
    print(f"  {text}", flush=True)


@contextmanager
def written_to_file(text: str) -> Iterator[Path]:
    """The text in a file that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "connection.json")
        path.write_text(text, encoding="utf-8")
        yield path


def keep(place: Place) -> None:
    """Stay until Ctrl-C, with the variables that lead another terminal into this place."""
    heading("The sandbox stays up until Ctrl-C. In another terminal, from this folder:")
    for name, value in place.environment.items():
        if name not in ("PATH", "HOME", "LANG"):
            print(f"export {name}='{value}'")
    python = Path(sys.executable)
    print(f"{python} -m sync --help\n{python} -m sync ping thornquill\n{python} -m sandbox.runner --until-idle --verbose", flush=True)
    signal.sigwait({signal.SIGINT, signal.SIGTERM})


CLOSING = """
To look further:    python3 dev.py demo --keep     (the sandbox stays up; the commands are printed)
To use it for real: README.md, "Deploy it", and docs/deployment.md: a connection document for each customer, its secrets in
                    Key Vault, then `python -m sync ping <connection>` says what fits and what does not."""


def main(arguments: list[str]) -> int:
    """Run the demo; 0 only if the two truths agree in every cycle."""
    parser = argparse.ArgumentParser(prog="python3 dev.py demo", description=__doc__)
    parser.add_argument("--small", action="store_true", help="a small firm: 30 vendors, 12 invoices, 8 payments")
    parser.add_argument("--seed", type=int, default=SEED, help=f"another world (default {SEED})")
    parser.add_argument("--keep", action="store_true", help="stay up afterwards, to look around")
    given = parser.parse_args(arguments)
    with Place() as place:
        demo = Demo.build(place, given.seed, small=given.small)
        agrees = demo.run()
        heading("Everything agrees, to the cent." if agrees else "NOT EVERYTHING AGREES: see DIFFERS above.")
        print(CLOSING, flush=True)
        if given.keep:
            keep(place)
    return 0 if agrees else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

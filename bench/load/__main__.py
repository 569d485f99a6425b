"""Measures the load that the connector is to bear, and prints one Markdown table.

    python3 dev.py load [--what sizes,fairness,outage,azurite] [--only TEXT] [--report FILE]
                        [--connections 200] [--share 1.0] [--azurite-vendors 10000]

Time is virtual but for `azurite`; real seconds are information only. The exit code is 1 when something that must hold did not.
Without options everything is played in full: better part of an hour for the sizes alone. `--share` makes the vendors, a month's
documents and the large batch fewer, `--only` plays just the loads with that text in their names, and `--report` keeps each line in a file
beside those of other playings, so that the loads can be played one at a time.
"""

import argparse
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.load import fairness, outage, sizes
from bench.load.azurite import VENDORS
from bench.load.azurite import measure as measure_on_azurite
from bench.load.report import keep
from bench.load.table import CONNECTIONS, HEAD, Line, of_equals, of_outage, of_sizes, of_trouble

PARTS = ("sizes", "fairness", "outage", "azurite")
MOST = 1.5
"""How much longer others may take beside one bad connection, as a ratio."""
AWAY = 4
"""Customers in each outage."""


def main(arguments: list[str]) -> int:
    """Prints a line as soon as it is measured."""
    parser = argparse.ArgumentParser(prog="python3 dev.py load", description="Sizes, fair shares and outages.")
    parser.add_argument("--what", default=",".join(PARTS), help="some of sizes, fairness, outage, azurite, with commas between")
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--azurite-vendors", type=int, default=VENDORS)
    parser.add_argument("--only", default="", metavar="TEXT", help="only the loads with this text in their names")
    parser.add_argument("--report", type=Path, metavar="FILE", help="keep each line in this file")
    chosen = parser.parse_args(arguments)
    parts = chosen.what.split(",")
    if not set(parts) <= set(PARTS):
        parser.error(f"--what: some of {', '.join(PARTS)}")
    logging.disable(logging.CRITICAL)  # the troubles are meant, and the table says what came of them
    print(HEAD, flush=True)
    well = True
    for line in _lines(parts, chosen):
        print(line, flush=True)
        if chosen.report:
            keep(chosen.report, line)
        well = well and line.well
    return 0 if well else 1


def _lines(parts: list[str], chosen: argparse.Namespace) -> Iterator[Line]:
    only: str = chosen.only
    if "sizes" in parts:
        for name, case in sizes.cases(chosen.share).items():
            if only in name:
                yield from of_sizes(name, case.stages, sizes.measure(case), chosen.share if case.shared else 1.0)
    if "fairness" in parts:
        yield from _fairness(chosen.connections, only)
    if "outage" in parts:
        yield from _outages(only)
    if "azurite" in parts:
        yield measure_on_azurite(chosen.azurite_vendors)


def _fairness(connections: int, only: str) -> Iterator[Line]:
    equal = fairness.play(connections)
    yield of_equals(equal)
    for name, trouble in fairness.TROUBLES.items():
        if only in name:
            yield of_trouble(name, fairness.play(connections, trouble), equal, MOST)


def _outages(only: str) -> Iterator[Line]:
    for side in outage.SIDES:
        for kind in outage.KINDS:
            if only in f"{side}: {kind}":
                yield of_outage(side, kind, AWAY, outage.play(side, kind, AWAY))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Measures the load that the connector is to bear, and prints one Markdown table.

    python3 dev.py load [--what sizes,fairness,outage,azurite] [--connections 200] [--share 1.0] [--azurite-vendors 3000]

Time is virtual but for `azurite`; real seconds are information only. The exit code is 1 when something that must hold did not.
`--share` makes the vendors and a month's documents of the sizes fewer: all of them take the better part of an hour.
"""

import argparse
import logging
import sys
from collections.abc import Iterator

from bench.load import fairness, outage, sizes
from bench.load.azurite import measure as measure_on_azurite
from bench.load.table import HEAD, Line, of_equals, of_outage, of_sizes, of_trouble

PARTS = ("sizes", "fairness", "outage", "azurite")
MOST = 1.5
"""How much longer others may take beside one bad connection, as a ratio."""
AWAY = 4
"""Customers in each outage."""


def main(arguments: list[str]) -> int:
    """Prints a line as soon as it is measured."""
    parser = argparse.ArgumentParser(prog="python3 dev.py load", description="Sizes, fair shares and outages.")
    parser.add_argument("--what", default=",".join(PARTS), help="some of sizes, fairness, outage, azurite, with commas between")
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--azurite-vendors", type=int, default=3_000)
    chosen = parser.parse_args(arguments)
    parts = chosen.what.split(",")
    if not set(parts) <= set(PARTS):
        parser.error(f"--what: some of {', '.join(PARTS)}")
    logging.disable(logging.CRITICAL)  # the troubles are meant, and the table says what came of them
    print(HEAD, flush=True)
    well = True
    for line in _lines(parts, chosen):
        print(line, flush=True)
        well = well and line.well
    return 0 if well else 1


def _lines(parts: list[str], chosen: argparse.Namespace) -> Iterator[Line]:
    if "sizes" in parts:
        for name, case in sizes.cases(chosen.share).items():
            yield from of_sizes(name, case.stages, sizes.measure(case))
    if "fairness" in parts:
        yield from _fairness(chosen.connections)
    if "outage" in parts:
        for side in outage.SIDES:
            for kind in outage.KINDS:
                yield of_outage(side, kind, AWAY, outage.play(side, kind, AWAY))
    if "azurite" in parts:
        yield measure_on_azurite(chosen.azurite_vendors)


def _fairness(connections: int) -> Iterator[Line]:
    equal = fairness.play(connections)
    yield of_equals(equal)
    for name, trouble in fairness.TROUBLES.items():
        yield of_trouble(name, fairness.play(connections, trouble), equal, MOST)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

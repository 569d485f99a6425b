"""`python3 dev.py sandbox`: both customers' systems, storage and vault stay up, for commands and runners in other terminals."""

import argparse
import sys

from sandbox.demo import SEED, Demo, add_forms, dialect_of, keep
from sandbox.place import Place


def main(arguments: list[str]) -> int:
    """Stay until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python3 dev.py sandbox", description=__doc__)
    parser.add_argument("--small", action="store_true", help="a small firm: 30 vendors, 12 invoices, 8 payments")
    parser.add_argument("--seed", type=int, default=SEED, help=f"another world (default {SEED})")
    add_forms(parser)
    given = parser.parse_args(arguments)
    with Place(dialect=dialect_of(given)) as place:
        Demo.build(place, given.seed, small=given.small, auth=given.auth).add_customers()
        keep(place)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`python3 dev.py simulate`: plays scenarios from their seeds, one after another, and says what happened.

    --seeds N          so many seeds, from --from on (default: 200 from 0)
    --seed S           this one seed, with its story
    --flow STAGE       faults strike this stage only
    --matrix           every cell of the matrix instead of seeds
    --part K/N         of the cells only every Nth, from the Kth on (from 1)
    --cell TEXT        this one cell ("invoices / claim / killed after / 1"), with its story; --seed says in which order of things
    --minutes M        stop after so many minutes, when at least --least seeds are done
    --jobs J           so many processes side by side (default: as many as the machine has cores)
    --report FILE      keep what was done in FILE and go on from there when called again with the same product

Exit code 0 only when nothing that must never be was seen.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Final

from sandbox.simulator.campaign import FIRST_OF_A_CELL, Campaign, Job, cell_jobs, seed_jobs
from sandbox.simulator.matrix import STAGES, parse_cell
from sandbox.simulator.replay import replay

HASHES: Final = "PYTHONHASHSEED"


def main(arguments: Sequence[str]) -> int:
    """The command. Returns the exit code."""
    options = _options(arguments)
    if options.cell is not None:
        return replay(Job(seed=FIRST_OF_A_CELL if options.seed is None else options.seed, cell=parse_cell(options.cell)))
    if options.seed is not None:
        return replay(Job(seed=options.seed, flow=options.flow))
    jobs = part_of(cell_jobs(), options.part) if options.matrix else seed_jobs(options.first, options.seeds, options.flow)
    campaign = Campaign(jobs, workers=options.jobs, minutes=options.minutes, least=options.least, report=options.report)
    return campaign.run()


def part_of(jobs: Sequence[Job], part: str) -> Sequence[Job]:
    """Every Nth job from the Kth on, for `K/N`."""
    first, step = (int(number) for number in part.split("/"))
    return jobs[first - 1 :: step]


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dev.py simulate", description="Plays the connector in virtual time, with faults, from seeds.")
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--flow", choices=STAGES, default="")
    parser.add_argument("--matrix", action="store_true")
    parser.add_argument("--part", default="1/1")
    parser.add_argument("--cell")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--least", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--report")
    return parser.parse_args(arguments)


def with_fixed_hashes() -> None:
    """Start again with fixed hashes of texts, on which the order of sets rests: a seed must play the same in every process."""
    if os.environ.get(HASHES) != "0":
        os.execve(sys.executable, [sys.executable, "-m", "sandbox.simulator", *sys.argv[1:]], {**os.environ, HASHES: "0"})


if __name__ == "__main__":
    with_fixed_hashes()
    sys.exit(main(sys.argv[1:]))

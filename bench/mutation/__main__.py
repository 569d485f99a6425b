"""Mutation testing of what moves money: engines, ledger, retry decision, dimension strings, settlement.

    python -m bench.mutation --sample 500 --seed 1 [--report] [--cache FOLDER]

Stopped and started again, it goes on where it was; what is known and still holds is not tried again (bench/mutation/verdicts.jsonl).
`--report` writes docs/mutation.md. It ends with 1 when the score is below 90% or, with `--report`, when a survivor is not judged in
bench/mutation/judgements.toml.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.mutation.campaign import Campaign
from bench.mutation.mutants import AREAS, ROOT, every_mutant, sample
from bench.mutation.report import Result, page, read_judgements, score, unjudged
from bench.mutation.verdicts import Verdicts

HERE: Final = ROOT / "bench" / "mutation"
CACHE: Final = ROOT / ".venv" / ".cache" / "mutation"
PAGE: Final = ROOT / "docs" / "mutation.md"
GOAL: Final = 90.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the sample and say how many were noticed. Returns the exit code."""
    parser = argparse.ArgumentParser(description="Puts small faults into the code one at a time; the tests must notice each.")
    parser.add_argument("--sample", type=int, default=500, help="how many mutants are tried")
    parser.add_argument("--seed", type=int, default=1, help="decides which")
    parser.add_argument("--report", action="store_true", help="write docs/mutation.md")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of what can be made anew, one for each working tree")
    options = parser.parse_args(arguments)
    verdicts = Verdicts(HERE / "verdicts.jsonl")
    chosen = sample(every_mutant(), options.sample, options.seed)
    outcomes = Campaign(ROOT, options.cache, verdicts).run(chosen, [path for area in AREAS for path in area.paths(ROOT)])
    results = [Result(mutant, outcomes[mutant.key]) for mutant in chosen]
    judgements = read_judgements(HERE / "judgements.toml")
    open_ones = unjudged(results, judgements)
    print("\n".join([*open_ones, f"{len(results)} tried, score {score(results):.1f}%, {len(open_ones)} survivors without a judgement."]))
    if options.report:
        verdicts.keep_only(chosen)
        PAGE.write_text(page(results, judgements, options.sample, options.seed, ROOT), encoding="utf-8")
    return 1 if score(results) < GOAL or (options.report and open_ones) else 0


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # sets must have the same order in every run
        command = [sys.executable, "-m", "bench.mutation", *sys.argv[1:]]
        sys.exit(subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": "0"}, check=False).returncode)
    sys.exit(main())

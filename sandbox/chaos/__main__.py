"""`python3 dev.py chaos --seed S --minutes M`: rounds of chaos, each from its own seed, until the time is over."""

import argparse
import sys
import time
from pathlib import Path
from tempfile import mkdtemp

from sandbox.chaos.plan import MEANINGS, events
from sandbox.chaos.report import table
from sandbox.chaos.round import Outcome, play


def main(arguments: list[str]) -> int:
    """0 when every round ended as promised, 1 when one did not."""
    options = parse(arguments)
    folder = options.logs or Path(mkdtemp(prefix="chaos-"))
    print("What is done:\n" + "\n".join(f"  {kind:8} {meaning}" for kind, meaning in MEANINGS.items()) + "\n", flush=True)
    outcomes: list[Outcome] = []
    end, seed = time.monotonic() + options.minutes * 60, options.seed
    while not outcomes or time.monotonic() < end:
        print(f"Round with seed {seed}", flush=True)
        logs = folder / str(seed)
        logs.mkdir(parents=True, exist_ok=True)
        outcomes.append(play(seed, events(seed, options.events), logs, say=lambda text: print(text, flush=True)))
        seed += 1
    print("\n" + table(outcomes) + f"\nWhat the workers said is in {folder}.", flush=True)
    return 1 if any(outcome.problems for outcome in outcomes) else 0


def parse(arguments: list[str]) -> argparse.Namespace:
    """The options from the command line."""
    parser = argparse.ArgumentParser(prog="python3 dev.py chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the first round; each further round takes the next (default: 1)")
    parser.add_argument("--minutes", type=float, default=0.0, help="begin no further round after so long (default: one round)")
    parser.add_argument("--events", type=int, default=8, help="events in a round; no kind comes again before every kind came (default: 8)")
    parser.add_argument("--logs", type=Path, help="the folder for what the workers say (default: a temporary one)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

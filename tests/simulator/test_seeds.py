"""Every run of the tests plays seeds that none played before; what fails says how to play it again.

They follow from the commit: another commit plays others, and a run of the same one repeats them.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.simulator.campaign import commit

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
MINUTES, LEAST = 8, 200
LONGEST_SECONDS = 1_800


def of_this_commit() -> int:
    """A number that is another for every commit; 0 without git."""
    name = commit().rstrip("+")
    return 0 if name == "unknown" else int(name[:7], 16)


def played(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sandbox.simulator", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=LONGEST_SECONDS)


def test_as_many_fresh_seeds_as_fit_eight_minutes_show_nothing_wrong() -> None:
    first = of_this_commit() * 10_000
    done = played("--seeds", 10_000, "--from", first, "--minutes", MINUTES, "--least", LEAST)
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]

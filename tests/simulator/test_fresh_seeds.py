"""Every run of the tests plays seeds that nobody has played before, and a part of the matrix; what fails says how to play it again."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
MINUTES, LEAST, MORE_THAN_FIT = 8, 200, 20_000
PARTS = 6
LONGEST_SECONDS = 1_800


def simulate(*words: str) -> None:
    command = [sys.executable, "-m", "sandbox.simulator", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=LONGEST_SECONDS)
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]


def test_fresh_seeds_show_nothing_wrong() -> None:
    first = random.randrange(10_000, 2**40)
    simulate("--from", str(first), "--seeds", str(MORE_THAN_FIT), "--minutes", str(MINUTES), "--least", str(LEAST))


def test_a_part_of_the_matrix_shows_nothing_wrong() -> None:
    simulate("--matrix", "--part", f"{random.randint(1, PARTS)}/{PARTS}")

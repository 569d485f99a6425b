"""Every run of the tests plays the first two hundred seeds; what fails says how to play it again."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SEEDS = 200
LONGEST_SECONDS = 1_800


def test_the_first_seeds_show_nothing_wrong() -> None:
    command = [sys.executable, "-m", "sandbox.simulator", "--seeds", str(SEEDS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=LONGEST_SECONDS)
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]

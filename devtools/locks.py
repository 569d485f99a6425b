"""Writes requirements.txt and requirements-dev.txt from their .in files."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence

from devtools.environment import NETWORK_REMEDY, ROOT, TOOLS, in_venv, only_one_setup, run_logged, step
from devtools.interpreter import Problem, clean_environment

UV_VERSION = "0.13.9"


def compile_lock(source: str, options: Sequence[str]) -> None:
    """Writes the lock file of `source` (x.in to x.txt): hashes, markers for every supported Python, no registry's name."""
    target = ROOT / source.replace(".in", ".txt")
    content = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url", "--no-header", "--no-config"]
    uv = [sys.executable, "-m", "uv", "--quiet", "pip", "compile"]
    # uv reads the pins that stand in the target, and writes the result there and to its output.
    done = subprocess.run(
        [*uv, *content, *options, source, "--output-file", str(target)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        check=False,
        env=clean_environment(os.environ) | {"PYTHONPATH": str(TOOLS / "uv")},
    )
    if done.returncode:
        raise Problem(f"{source} has no solution, see above. Loosen a bound in it, or check that the package registry is reachable.")
    header = f"# Made by `python3 dev.py lock` from {source}; edit that file instead.\n"
    pins = re.sub(r"^#.*\n", "", target.read_text(encoding="utf-8"), flags=re.MULTILINE)
    target.write_text(header + pins, encoding="utf-8")


def write_locks(options: Sequence[str]) -> None:
    """Pins stay as they are where they still fit; the option --upgrade takes the newest.

    Azurite's lock is npm's: `npm install --package-lock-only` in sandbox/azurite.
    """
    with only_one_setup(), step("Fetching uv, which makes the lock files"):
        pip = [in_venv("python"), "-m", "pip", "install", "--quiet", "--upgrade", "--target", str(TOOLS / "uv"), f"uv=={UV_VERSION}"]
        run_logged(pip, NETWORK_REMEDY.format("PIP_INDEX_URL or HTTPS_PROXY"))
    with step("Writing requirements.txt"):
        compile_lock("requirements.in", options)
    with step("Writing requirements-dev.txt"):
        compile_lock("requirements-dev.in", ["--constraint", "requirements.txt", *options])

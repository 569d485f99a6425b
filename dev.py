"""The developer's one entry: makes the environment from the lock files and runs the demo, the tests and the checks in it.

    python3 dev.py demo                everything end to end against the sandbox
    python3 dev.py test [pytest ...]   lint, types and all tests
    python3 dev.py check [pytest ...]  lint, types and the fast tests, a few minutes
    python3 dev.py sandbox             the sandbox alone, for trying things by hand
    python3 dev.py simulate [...]      the whole connector in virtual time, with faults, from seeds (--help tells more)
    python3 dev.py chaos [--seed S]    real workers killed, frozen, cut off, on spoilt storage: do both systems agree in the end?
    python3 dev.py bench               how fast a crawl is, as a ratio to a bare loop over the same pages
    python3 dev.py load                sizes, 200 connections at once, and outages, as a table
    python3 dev.py setup               only make or renew the environment
    python3 dev.py lock [--upgrade]    write the lock files anew from the .in files

Needs Python 3.11 or newer and nothing else; packages come from the package registries that pip and npm are set up for.
Python 3.13 is preferred where the machine has it (it is what runs in Azure); DEV_PYTHON names another interpreter to use.
"""

import sys

if sys.version_info < (3, 11):
    sys.exit("This needs Python 3.11 or newer; this is Python {}.{}. Try: python3.13 dev.py".format(*sys.version_info[:2]))

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from devtools.environment import ROOT, VENV, in_venv, setup
from devtools.interpreter import PREFERRED, Interpreter, Problem, clean_environment
from devtools.locks import write_locks

WORKER_LIBRARY_TESTS = "tests/test_worker_library.py"
CHECKED = ("sync", "sandbox", "bench", "tests", "devtools", "function_app.py", "dev.py")


def run_in_venv(*command: str) -> int:
    """Runs a program of the virtualenv from the root, its output passed through; returns its exit code.

    A signal to stop reaches the program, which ends in its own way, and this waits for it.
    """
    with subprocess.Popen([in_venv(command[0]), *command[1:]], cwd=ROOT, env=clean_environment(os.environ)) as process:
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:  # the terminal sent it to the program too
                continue


def with_python(root: Path, names: Sequence[str]) -> list[str]:
    """Those of `names` that exist and are or hold Python files (mypy refuses others)."""
    return [name for name in names if (root / name).is_file() or any((root / name).rglob("*.py"))]


def lint_and_types() -> int:
    """ruff and mypy over everything; returns the exit code of the first that finds something, 0 when none does."""
    ruff, types = in_venv("ruff"), with_python(ROOT, CHECKED)
    checks = {
        ("ruff", "check"): f"Correct it, or try: {ruff} check --fix",
        ("ruff", "format", "--check"): f"Run: {ruff} format",
        ("mypy", *types): "Correct the types named above.",
    }
    for command, remedy in checks.items():
        code = run_in_venv(*command)
        if code:
            print(remedy, flush=True)
            return code
    return 0


def left_out(version: tuple[int, int, int]) -> list[str]:
    """The pytest options that leave out what this interpreter cannot run."""
    return [] if version[:2] >= PREFERRED else [f"--ignore={WORKER_LIBRARY_TESTS}"]


def notice(version: tuple[int, int, int]) -> str:
    """The one line that says what is left out."""
    running = "{}.{}".format(*version)
    return f"Left out: {WORKER_LIBRARY_TESTS} needs Python 3.13 or newer (found: {running}); install Python 3.13 to run it too."


def refused_in_ci(version: tuple[int, int, int], environment: Mapping[str, str]) -> bool:
    """Whether leaving something out is a failure: a build server must run everything."""
    return bool(left_out(version)) and environment.get("CI") == "true"


def command_test(interpreter: Interpreter, arguments: list[str]) -> int:
    if left_out(interpreter.version):
        print(notice(interpreter.version), flush=True)
    if refused_in_ci(interpreter.version, os.environ):
        return 1
    return lint_and_types() or run_in_venv("python", "-m", "pytest", *left_out(interpreter.version), *arguments)


def command_check(interpreter: Interpreter, arguments: list[str]) -> int:
    quick = ("-m", "not slow and not whole")
    return lint_and_types() or run_in_venv("python", "-m", "pytest", *quick, *left_out(interpreter.version), *arguments)


def command_demo(_: Interpreter, arguments: list[str]) -> int:
    return run_in_venv("python", "-m", "sandbox.demo", *arguments)


def command_sandbox(_: Interpreter, arguments: list[str]) -> int:
    return run_in_venv("python", "-m", "sandbox", *arguments)


def command_simulate(_: Interpreter, arguments: list[str]) -> int:
    return run_in_venv("python", "-m", "sandbox.simulator", *arguments)


def command_bench(_: Interpreter, arguments: list[str]) -> int:
    return run_in_venv("python", "-m", "bench.crawl", *arguments)


def command_load(_: Interpreter, arguments: list[str]) -> int:
    return run_in_venv("python", "-m", "bench.load", *arguments)


def command_chaos(_: Interpreter, arguments: list[str]) -> int:
    return run_in_venv("python", "-m", "sandbox.chaos", *arguments)


def command_setup(interpreter: Interpreter, _: list[str]) -> int:
    print(f"Ready: {VENV.relative_to(ROOT)} with {interpreter.name}.")
    return 0


def command_lock(_: Interpreter, arguments: list[str]) -> int:
    write_locks(arguments)
    return 0


COMMANDS: dict[str, Callable[[Interpreter, list[str]], int]] = {
    "demo": command_demo,
    "test": command_test,
    "check": command_check,
    "sandbox": command_sandbox,
    "simulate": command_simulate,
    "bench": command_bench,
    "load": command_load,
    "chaos": command_chaos,
    "setup": command_setup,
    "lock": command_lock,
}


def main(arguments: Sequence[str]) -> int:
    command = COMMANDS.get(arguments[0]) if arguments else None
    if command is None:
        print(__doc__, file=sys.stderr if arguments else sys.stdout)
        return 2 if arguments else 0
    try:
        return command(setup(), list(arguments[1:]))
    except Problem as problem:
        print(f"\n{problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. Run the same command again to go on.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

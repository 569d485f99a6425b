"""Which Python the environment is made with: 3.13, which runs in Azure, where the machine has one that works."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

MINIMUM = (3, 11)
PREFERRED = (3, 13)


class Problem(Exception):
    """Something a person must put right; the text says what to do."""


class Interpreter(NamedTuple):
    path: str
    version: tuple[int, int, int]
    can_make_venv: bool

    @property
    def name(self) -> str:
        return "Python " + ".".join(map(str, self.version))


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without what would bend Python's own paths."""
    bending = {"PYTHONHOME", "PYTHONPATH", "PYTHONSAFEPATH", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"}
    return {name: value for name, value in environment.items() if name not in bending} | {"PYTHONUTF8": "1"}


_PROBE = (
    "import importlib.util as u, json, sys; "
    "print(json.dumps([sys.executable, sys.version_info[:3], all(map(u.find_spec, ('venv', 'ensurepip')))]))"
)


def probe(command: Sequence[str]) -> Interpreter | None:
    """What `command` really is, or None when it does not run (a pyenv shim can be on PATH and still fail)."""
    try:
        done = subprocess.run(
            [*command, "-c", _PROBE], capture_output=True, text=True, timeout=30, check=False, env=clean_environment(os.environ)
        )
        path, version, can_make_venv = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return Interpreter(path, tuple(version), can_make_venv)


def pyenv_roots(environment: Mapping[str, str]) -> Iterator[Path]:
    """The folders where pyenv may keep its versions, with HOME set or not."""
    if "PYENV_ROOT" in environment:
        yield Path(environment["PYENV_ROOT"])
    try:
        home = Path.home()
    except RuntimeError:
        return
    yield home / ".pyenv"
    yield home / ".pyenv" / "pyenv-win"


def preferred_commands(environment: Mapping[str, str]) -> Iterator[list[str]]:
    """Every way to call the preferred Python that this machine may have, most explicit first."""
    name = "{}.{}".format(*PREFERRED)
    for folder in environment.get("PATH", "").split(os.pathsep):
        found = shutil.which("python" + name, path=folder) if folder else None
        if found:
            yield [found]
    if shutil.which("py", path=environment.get("PATH")):
        yield ["py", "-" + name]
    for root in pyenv_roots(environment):
        for version in sorted((root / "versions").glob(name + ".*"), reverse=True):
            yield from ([str(python)] for python in (version / "bin" / "python", version / "python.exe") if python.exists())


def choose_interpreter(
    commands: Iterator[list[str]], running: Interpreter, look: Callable[[Sequence[str]], Interpreter | None] = probe
) -> Interpreter:
    """The first of `commands` that runs, is the preferred version and can make a venv; else the running interpreter."""
    if running.version[:2] == PREFERRED and running.can_make_venv:
        return running
    for command in commands:
        found = look(command)
        if found and found.version[:2] == PREFERRED and found.can_make_venv:
            return found
    return running


def interpreter_to_use() -> Interpreter:
    wanted = os.environ.get("DEV_PYTHON")
    if wanted:
        named = probe([wanted])
        if named is None or named.version < MINIMUM:
            raise Problem(f"DEV_PYTHON={wanted} is not a Python 3.11 or newer that runs. Correct it or unset it.")
        return named
    running = probe([sys.executable])
    if running is None:
        raise Problem(f"{sys.executable} cannot start itself again. Call dev.py with the full path of a Python 3.11 or newer.")
    return choose_interpreter(preferred_commands(os.environ), running)

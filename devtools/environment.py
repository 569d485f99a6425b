"""Makes .venv and .tools from the lock files, once for each content of them, with a line of progress for each step."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from devtools.interpreter import Interpreter, Problem, clean_environment, interpreter_to_use, probe

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
TOOLS = ROOT / ".tools"
LOG = TOOLS / "setup.log"


def in_venv(program: str) -> str:
    """The path of a program of the virtualenv, on any platform."""
    return str(VENV / "Scripts" / f"{program}.exe" if os.name == "nt" else VENV / "bin" / program)


def stamp_of(version: tuple[int, int, int], *locks: bytes) -> str:
    """What a finished environment is known by: the interpreter's version and the lock files' contents."""
    digest = hashlib.sha256(b"\0".join(locks)).hexdigest()
    return "{}.{}.{} {}".format(*version, digest)


def is_current(stamp_file: Path, expected: str) -> bool:
    """True only when the set-up that wrote `stamp_file` came to its end, for the same inputs."""
    return stamp_file.is_file() and stamp_file.read_text(encoding="utf-8") == expected


@contextmanager
def only_one_setup() -> Iterator[None]:
    """Holds off a second dev.py on the same tree.

    The system drops the lock when its last holder dies. Commands of the set-up hold it too: one that outlives a killed
    dev.py must not write into what the next one makes.
    """
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / "setup.lock").open("a") as lock:
        if sys.platform == "win32":
            import msvcrt

            try:
                msvcrt.locking(lock.fileno(), msvcrt.LK_LOCK, 1)
            except OSError:
                raise Problem("Another dev.py is setting up the same tree. Run the command again when it has ended.") from None
        else:
            import fcntl

            os.set_inheritable(lock.fileno(), True)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print("Waiting for another set-up of this tree to end.", flush=True)
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def step(title: str) -> Iterator[None]:
    """One line of progress, ended by the seconds that the step took."""
    print(f"{title} ... ", end="", flush=True)
    start = time.monotonic()
    try:
        yield
    except BaseException:
        print("failed", flush=True)
        raise
    print(f"{time.monotonic() - start:.1f} s", flush=True)


def run_logged(command: Sequence[str], remedy: str) -> None:
    """Runs a set-up command with its output in the log; raises Problem with the end of it and `remedy`."""
    with LOG.open("w", encoding="utf-8") as log:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=clean_environment(os.environ),
            stdout=log,
            stderr=subprocess.STDOUT,
            close_fds=False,  # the lock of only_one_setup
            check=False,
        )
    if done.returncode:
        tail = LOG.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
        raise Problem("\n".join([*tail, "", f"{remedy} (whole output: {LOG.relative_to(ROOT)})"]))


NETWORK_REMEDY = (
    "A package could not be installed. Is the package registry reachable? Behind a proxy or a mirror set {}, "
    "then run the same command again: what is half done is made anew."
)


def make_venv(interpreter: Interpreter) -> None:
    expected = stamp_of(interpreter.version, (ROOT / "requirements-dev.txt").read_bytes())
    if is_current(VENV / "stamp", expected) and probe([in_venv("python")]):
        return
    if not interpreter.can_make_venv:
        raise Problem(
            f"{interpreter.path} cannot make virtual environments: its venv or ensurepip is missing. "
            "On Debian and Ubuntu: apt-get install python3-venv; elsewhere install Python from python.org."
        )
    with step(f"Making .venv with {interpreter.name}"):
        shutil.rmtree(VENV, ignore_errors=True)
        run_logged([interpreter.path, "-m", "venv", str(VENV)], "The virtual environment could not be made. Is the disk full or read-only?")
    with step("Installing the locked Python packages"):
        pip = [in_venv("python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
        install = ["install", "--require-hashes", "--requirement", "requirements-dev.txt"]
        run_logged([*pip, *install], NETWORK_REMEDY.format("PIP_INDEX_URL or HTTPS_PROXY"))
    (VENV / "stamp").write_text(expected, encoding="utf-8")


def make_azurite() -> None:
    stamp_file = TOOLS / "azurite" / "stamp"
    expected = stamp_of((0, 0, 0), (ROOT / "sandbox" / "azurite" / "package-lock.json").read_bytes())
    if is_current(stamp_file, expected):
        return
    with step("Installing Azurite, the storage emulator"):
        stamp_file.unlink(missing_ok=True)
        run_logged(
            [in_venv("python"), "-m", "sandbox.azurite.install", str(stamp_file.parent)],
            NETWORK_REMEDY.format("npm's registry or HTTPS_PROXY"),
        )
    stamp_file.write_text(expected, encoding="utf-8")


def setup() -> Interpreter:
    """Makes what is missing or stale; returns the interpreter of the virtualenv."""
    with only_one_setup():
        interpreter = interpreter_to_use()
        make_venv(interpreter)
        make_azurite()
    return interpreter

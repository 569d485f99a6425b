"""dev.py and what it relies on: the choice of Python, the stamp, what is left out, the lock files, the linter's bans, Azurite's end."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.data.tables import TableServiceClient
from hypothesis import given
from hypothesis import strategies as st

import dev
from devtools.environment import is_current, stamp_of
from devtools.interpreter import Interpreter, choose_interpreter, clean_environment, preferred_commands, probe
from sandbox.azurite.node import machine_node, wheel_node
from sandbox.azurite.server import listening_ports

ROOT = Path(dev.__file__).parent
OLD = Interpreter("old", (3, 11, 7), True)
GOOD = Interpreter("good", (3, 13, 0), True)
NEWER = Interpreter("newer", (3, 14, 1), True)
NO_VENV = Interpreter("no-venv", (3, 13, 2), False)


def looking_at(machine: dict[str, Interpreter]) -> Callable[[Sequence[str]], Interpreter | None]:
    return lambda command: machine.get(command[0])


@pytest.mark.parametrize(
    ("commands", "running", "expected"),
    [
        (["good"], OLD, GOOD),
        (["shim-that-fails", "good"], OLD, GOOD),
        (["no-venv", "good"], OLD, GOOD),
        (["newer", "old"], OLD, OLD),
        (["good"], NEWER, GOOD),
        (["good"], NO_VENV, GOOD),
        ([], OLD, OLD),
    ],
)
def test_the_preferred_python_is_the_first_that_really_works(commands: list[str], running: Interpreter, expected: Interpreter) -> None:
    machine = {found.path: found for found in (OLD, GOOD, NEWER, NO_VENV)}
    assert choose_interpreter(iter([name] for name in commands), running, looking_at(machine)) == expected


def test_a_running_preferred_python_is_used_without_a_search() -> None:
    assert choose_interpreter(iter([["old"]]), GOOD, looking_at({})) == GOOD


@pytest.mark.skipif(os.name == "nt", reason="makes shell scripts")
def test_every_python_on_the_path_and_under_pyenv_is_tried(tmp_path: Path) -> None:
    shims, real, pyenv = tmp_path / "shims", tmp_path / "bin", tmp_path / "pyenv"
    for python in (shims / "python3.13", real / "python3.13", pyenv / "versions" / "3.13.9" / "bin" / "python"):
        python.parent.mkdir(parents=True)
        python.write_text("#!/bin/sh\nexit 127\n")
        python.chmod(0o755)
    commands = list(preferred_commands({"PATH": f"{shims}{os.pathsep}{os.pathsep}{real}", "PYENV_ROOT": str(pyenv)}))
    assert commands[:3] == [[str(shims / "python3.13")], [str(real / "python3.13")], [str(pyenv / "versions/3.13.9/bin/python")]]
    assert probe(commands[0]) is None


def test_probe_tells_what_an_interpreter_is() -> None:
    assert probe([sys.executable]) == Interpreter(sys.executable, sys.version_info[:3], True)
    assert probe(["no-such-python"]) is None


def test_python_paths_of_the_caller_do_not_leak_into_the_environment() -> None:
    assert clean_environment({"PATH": "/bin", "PYTHONPATH": "/x", "VIRTUAL_ENV": "/y"}) == {"PATH": "/bin", "PYTHONUTF8": "1"}


@given(st.binary(), st.binary())
def test_the_stamp_changes_with_the_lock_file(one: bytes, other: bytes) -> None:
    assert (stamp_of((3, 13, 0), one) == stamp_of((3, 13, 0), other)) == (one == other)


def test_only_a_finished_set_up_for_the_same_inputs_is_current(tmp_path: Path) -> None:
    stamp = tmp_path / "stamp"
    assert not is_current(stamp, stamp_of((3, 13, 0), b"lock"))
    stamp.write_text(stamp_of((3, 13, 0), b"lock"))
    assert is_current(stamp, stamp_of((3, 13, 0), b"lock"))
    assert not is_current(stamp, stamp_of((3, 13, 1), b"lock"))
    assert not is_current(stamp, stamp_of((3, 13, 0), b"new lock"))


def test_below_3_13_the_worker_library_tests_are_left_out_in_one_line() -> None:
    assert dev.left_out((3, 12, 1)) == ["--ignore=tests/test_worker_library.py"]
    assert dev.left_out((3, 13, 0)) == dev.left_out((3, 14, 0)) == []
    assert "tests/test_worker_library.py" in dev.notice((3, 12, 1))
    assert "\n" not in dev.notice((3, 12, 1))


def test_in_ci_leaving_them_out_is_a_failure() -> None:
    assert dev.refused_in_ci((3, 12, 1), {"CI": "true"})
    assert not dev.refused_in_ci((3, 12, 1), {})
    assert not dev.refused_in_ci((3, 13, 0), {"CI": "true"})


def test_mypy_gets_only_what_holds_python(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "package" / "inner").mkdir(parents=True)
    (tmp_path / "package" / "inner" / "module.py").touch()
    (tmp_path / "file.py").touch()
    assert dev.with_python(tmp_path, ["empty", "package", "file.py", "absent.py"]) == ["package", "file.py"]


def test_an_unknown_command_shows_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert dev.main(["no-such-command"]) == 2
    assert "python3 dev.py test" in capsys.readouterr().err


# ---- lock files ----


LOCKS = ("requirements.txt", "requirements-dev.txt")


@pytest.mark.parametrize("name", LOCKS)
def test_the_python_locks_hold_hashes_and_no_registry(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    pins = re.split(r"\n(?=[a-z0-9])", text)[1:]
    assert len(pins) > 20
    assert [pin for pin in pins if "--hash=sha256:" not in pin] == []
    assert re.findall(r"https?://|--index|--extra|--find-links", text) == []


def test_both_lines_of_the_functions_sdk_are_locked() -> None:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert re.search(r"^azure-functions==1\.\S+ ; python_full_version < '3\.13'", text, re.MULTILINE)
    assert re.search(r"^azure-functions==2\.\S+ ; python_full_version >= '3\.13'", text, re.MULTILINE)


def test_development_runs_on_the_versions_that_are_deployed() -> None:
    deployed, developed = ({*re.findall(r"^\S+==\S+", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)} for name in LOCKS)
    assert deployed <= developed


def test_the_npm_lock_holds_hashes_and_no_registry() -> None:
    lock = json.loads((ROOT / "sandbox/azurite/package-lock.json").read_text(encoding="utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages["node_modules/azurite"]["version"] == "3.35.0"
    assert [name for name, entry in packages.items() if "integrity" not in entry or "resolved" in entry] == []


# ---- the linter's bans ----

BANNED = (
    "import time; time.time()",
    "import time; time.sleep(1)",
    "from time import monotonic; monotonic()",
    "from time import perf_counter; perf_counter()",
    "import datetime; datetime.datetime.now(datetime.UTC)",
    "from datetime import UTC, datetime; datetime.now(UTC)",
    "from datetime import datetime; datetime.utcnow()",
    "from datetime import datetime; datetime.today()",
    "from datetime import date; date.today()",
    "import uuid; uuid.uuid1()",
    "from uuid import uuid4; uuid4()",
    "import random; random.Random(1)",
    "from random import randint; randint(1, 2)",
    "import secrets; secrets.token_hex()",
    "from secrets import token_urlsafe; token_urlsafe()",
    "import os; os.urandom(1)",
    "from concurrent.futures import ThreadPoolExecutor; ThreadPoolExecutor()",
    "import threading; threading.Thread()",
    "from threading import Timer; Timer(1, print)",
    "from unittest import mock; mock.Mock()",
    "from unittest.mock import Mock; Mock()",
)


def banned_lines(code: str, filename: str) -> list[int]:
    """The lines of `code` on which ruff finds a banned name, were it the file `filename`."""
    ruff = [sys.executable, "-m", "ruff", "check", "--no-cache", "--select=TID251", "--output-format=json"]
    done = subprocess.run([*ruff, f"--stdin-filename={filename}", "-"], input=code, capture_output=True, text=True, cwd=ROOT, check=False)
    return sorted({found["location"]["row"] for found in json.loads(done.stdout)})


@pytest.mark.parametrize("filename", ["sync/engine/mirror.py", "function_app.py"])
def test_the_product_cannot_reach_clock_chance_ids_or_threads(filename: str) -> None:
    found = banned_lines("\n".join(BANNED), filename)
    assert [code for line, code in enumerate(BANNED, start=1) if line not in found] == []


def test_the_system_ports_may_reach_them() -> None:
    assert banned_lines("import time\ntime.time()\n", "sync/system.py") == []


def test_no_file_uses_unittest_mock() -> None:
    ours = [ROOT / "dev.py", *(path for name in ("sandbox", "tests", "bench", "devtools") for path in (ROOT / name).rglob("*.py"))]
    pattern = re.compile(r"^\s*(import|from) +unittest", re.MULTILINE)
    assert [path for path in ours if pattern.search(path.read_text(encoding="utf-8"))] == []


# ---- Azurite ----


def test_either_node_is_the_real_binary() -> None:
    for node in filter(None, (machine_node(), wheel_node())):
        asked = subprocess.run([str(node.binary), "-p", "process.pid"], capture_output=True, text=True, check=True)
        assert asked.stdout.strip().isdigit()
        assert subprocess.run([*node.npm, "--version"], capture_output=True, check=True).returncode == 0


def test_ports_are_read_from_what_azurite_says() -> None:
    said = (
        "Azurite Blob service is starting at http://127.0.0.1:0\nAzurite Blob service is successfully listening at http://127.0.0.1:40411\n"
    )
    assert listening_ports(said) == {"Blob": 40411}


def test_azurite_stores_what_tests_put_in_it(azurite: str, unique_prefix: str) -> None:
    with TableServiceClient.from_connection_string(azurite) as service:
        table = service.create_table(unique_prefix)
        table.create_entity({"PartitionKey": "p", "RowKey": "r", "Amount": "12.30"})
        assert table.get_entity("p", "r")["Amount"] == "12.30"


START_AND_WAIT = """
from sandbox.azurite import Azurite
with Azurite() as server:
    print(server.connection_string, flush=True)
    input()
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_azurite_ends_with_a_killed_parent() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", START_AND_WAIT], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        connection_string = parent.stdout.readline().strip()
        assert answers(connection_string)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    deadline = time.monotonic() + 30
    while answers(connection_string):
        assert time.monotonic() < deadline, "Azurite outlived its parent"
        time.sleep(0.05)


def answers(connection_string: str) -> bool:
    """Whether a table service is there."""
    with TableServiceClient.from_connection_string(connection_string, retry_total=0) as service:
        try:
            service.get_service_properties()
        except (ServiceRequestError, ServiceResponseError):
            return False
        return True

"""`function_app.py` as the Functions SDK indexes it: which triggers there are, what they are bound to, and that they are thin."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.runner.functions import HTTP, QUEUE, TIMER, Function, load_functions
from sandbox.runner.host import read_rules
from sandbox.runner.ncrontab import parse
from sync.connections.document import STAGES
from sync.settings import TIMERS, Settings
from sync.storage.names import QUEUES

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def functions() -> list[Function]:
    """The app's functions. A fresh import each time: an app can be indexed once only."""
    sys.modules.pop("function_app", None)
    found = load_functions(ROOT)
    sys.modules.pop("function_app", None)
    return found


def of_kind(functions: list[Function], kind: str) -> list[Function]:
    """Those with this kind of trigger."""
    return [function for function in functions if function.kind == kind]


def test_every_stage_has_a_timer_whose_schedule_is_a_setting(functions: list[Function]) -> None:
    schedules = [function.text("schedule") for function in of_kind(functions, TIMER)]
    assert schedules == [f"%{name}%" for name in TIMERS]
    assert [f"SYNC_TIMER_{stage.upper()}" for stage in STAGES] == [*TIMERS][:-1]
    for usual in TIMERS.values():
        parse(usual)


def test_every_queue_has_its_trigger_the_poison_queues_too(functions: list[Function]) -> None:
    triggers = of_kind(functions, QUEUE)
    assert sorted(function.text("queueName") for function in triggers) == sorted(QUEUES)
    assert {function.text("connection") for function in triggers} == {"AzureWebJobsStorage"}


def test_health_is_open_and_status_asks_for_a_key(functions: list[Function]) -> None:
    levels = {function.text("route"): function.text("authLevel") for function in of_kind(functions, HTTP)}
    assert levels == {"status": "FUNCTION", "health": "ANONYMOUS"}


def test_indexing_needs_no_setting_and_no_network() -> None:
    code = "import socket; socket.socket.connect = None; import function_app; print(len(function_app.app.get_functions()))"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "14"


def test_the_triggers_are_thin() -> None:
    tree = ast.parse((ROOT / "function_app.py").read_text(encoding="utf-8"))
    for function in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
        assert len(function.body) <= 4, f"{function.name} does too much: move it to sync/triggers.py"
        assert not [node for node in ast.walk(function) if isinstance(node, (ast.If, ast.For, ast.While, ast.Try))], function.name


def test_host_json_holds_the_rules_of_the_design() -> None:
    rules = read_rules(ROOT / "host.json").queues
    assert (rules.batch_size, rules.new_batch_threshold, rules.max_dequeue_count, rules.encoded) == (1, 3, 5, True)
    document = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))
    assert document["functionTimeout"] == "00:10:00"
    assert document["telemetryMode"] == "OpenTelemetry"
    assert document["extensionBundle"]["version"] == "[4.*, 5.0.0)"


def test_the_example_settings_name_every_setting_and_no_other() -> None:
    document = json.loads((ROOT / "local.settings.example.json").read_text(encoding="utf-8"))
    by_the_code = {str(field.alias) for field in Settings.model_fields.values()} | set(TIMERS)
    identity = {name for name in by_the_code if "__" in name}
    of_the_platform = {"FUNCTIONS_WORKER_RUNTIME", "PYTHON_THREADPOOL_THREAD_COUNT"}
    assert set(document["Values"]) == (by_the_code - identity) | of_the_platform
    assert document["IsEncrypted"] is False
    for name in TIMERS:
        assert document["Values"][name] == TIMERS[name]


def test_no_setting_is_read_anywhere_but_in_the_settings() -> None:
    readers = re.compile(r"os\.environ|getenv")
    files = [path for path in (ROOT / "sync").rglob("*.py") if readers.search(path.read_text(encoding="utf-8"))]
    assert {path.relative_to(ROOT).as_posix() for path in files} <= {"sync/triggers.py", "sync/__main__.py"}

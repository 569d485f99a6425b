"""Microsoft's own worker library (Python 3.13 or newer) indexes the same `function_app.py` and invokes each kind of function.

It does so in a process of its own, as in Azure: the library keeps its registry, its settings and its threads in the module.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.azurite import Azurite
from sync.storage.azure import AzureStorage, open_storage
from sync.storage.names import CONNECTIONS, LEDGER, ensure

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
HOST = ROOT / "tests" / "support" / "worker_library.py"


@pytest.fixture(scope="module")
def azurite() -> Iterator[str]:
    """An emulator of its own: the app uses its real table names, and what other tests left there would be its customers."""
    with Azurite() as server:
        yield server.connection_string


@dataclass
class Worker:
    """What the worker library answered: the indexed functions, then one answer per invocation."""

    functions: dict[str, list[dict[str, object]]]
    answers: list[dict[str, object]]


def invoke(connection: str, *calls: dict[str, str]) -> Worker:
    """Let the worker library index the app and invoke its functions, one after the other."""
    settings = {
        "AzureWebJobsStorage": connection,
        "KEY_VAULT_URL": "https://nowhere.vault.azure.net",
        "AUDIT_KEY_SECRET": "audit-keys",
        "PYTHON_THREADPOOL_THREAD_COUNT": "8",
    }
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "SYSTEMROOT")}
    command = [sys.executable, str(HOST), str(ROOT)]
    done = subprocess.run(
        command,
        check=False,
        cwd=ROOT,
        env={**kept, **settings, "PYTHONPATH": str(ROOT)},
        input=json.dumps(calls),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    return Worker(said["functions"], said["answers"])


@pytest.fixture
def storage(azurite: str) -> AzureStorage:
    """The tables, queues and containers of the product in Azurite."""
    storage = open_storage(connection_string=azurite)
    ensure(storage)
    return storage


TIMER = {"function": "tick_vendors", "parameter": "timer", "type": "json", "value": json.dumps({"IsPastDue": False})}
HEALTH = {"function": "health", "parameter": "req", "type": "http", "value": "health"}
STATUS = {"function": "status", "parameter": "req", "type": "http", "value": "status"}
RUN = {
    "function": "run_stage",
    "parameter": "message",
    "type": "string",
    "value": json.dumps({"connection": "nobody", "stage": "vendors", "run": "a" * 32, "token": "b" * 32, "job": "c" * 32}),
}


def test_the_worker_library_indexes_every_function_and_invokes_each_kind(azurite: str, storage: AzureStorage) -> None:
    worker = invoke(azurite, TIMER, RUN, HEALTH, STATUS)
    assert len(worker.functions) == 14
    kinds = [str(bindings[0]["type"]) for bindings in worker.functions.values()]
    assert {kind: kinds.count(kind) for kind in kinds} == {"timerTrigger": 6, "queueTrigger": 6, "httpTrigger": 2}
    timer, run, health, status = worker.answers
    assert (timer["ok"], run["ok"]) == (True, True), (timer, run)
    assert (health["ok"], health["status"], health["body"]) == (True, "200", "ok")
    assert (status["ok"], status["status"]) == (True, "200"), status
    assert json.loads(str(status["body"]))["connections"] == []
    assert list(storage.tables.scan(CONNECTIONS, "connections")) == []
    assert list(storage.tables.scan(LEDGER, "nobody|vendors|-")) == []


def test_a_message_that_is_not_valid_fails_its_invocation_with_the_field(azurite: str, storage: AzureStorage) -> None:
    worker = invoke(azurite, {**RUN, "value": '{"connection": "nobody"}'})
    [answer] = worker.answers
    assert answer["ok"] is False
    assert "stage: Field required" in str(answer["error"])

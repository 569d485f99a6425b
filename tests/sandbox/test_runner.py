"""The local runner against Azurite: what the host does with queues, timers and HTTP functions, with apps of a few lines."""

import base64
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from azure.storage.queue import QueueClient

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0

pytestmark = pytest.mark.slow

HEAD = """
    import os, pathlib, time
    import azure.functions as func

    app = func.FunctionApp()
    QUEUE = os.environ["QUEUE"]
    def note(text):
        with open(pathlib.Path(__file__).with_name("notes.txt"), "a") as notes:
            notes.write(text + "\\n")
"""


@dataclass
class App:
    """An app in a folder of its own, its queue in Azurite, and the runner as a process."""

    folder: Path
    queue: str
    connection: str

    def write(self, code: str, **queues: object) -> None:
        """The app's code (with a helper `note` and QUEUE) and host.json's queue settings."""
        (self.folder / "the_app.py").write_text(textwrap.dedent(HEAD) + textwrap.dedent(code))
        (self.folder / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"queues": queues}}))

    def client(self, suffix: str = "") -> QueueClient:
        """The queue, or another whose name ends differently."""
        return QueueClient.from_connection_string(self.connection, self.queue + suffix)

    def put(self, *bodies: str, raw: bool = False) -> None:
        """Make the queue and put messages, in base64 unless `raw`."""
        client = self.client()
        client.create_queue()
        for body in bodies:
            client.send_message(body if raw else base64.b64encode(body.encode()).decode())

    def start(self, *options: str, **settings: str) -> "subprocess.Popen[str]":
        """The runner, started."""
        environment = {**os.environ, "AzureWebJobsStorage": self.connection, "QUEUE": self.queue, **settings}
        command = [sys.executable, "-m", "sandbox.runner", "--root", str(self.folder), "--module", "the_app", *options]
        return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run_until_idle(self, *options: str, **settings: str) -> str:
        """Run it until nothing is left; what it said on stderr."""
        with self.start("--until-idle", "--verbose", *options, **settings) as process:
            said = process.communicate(timeout=PATIENCE)[1]
        assert process.returncode == 0, said
        return said

    @property
    def notes(self) -> list[str]:
        """What the functions noted, in order."""
        path = self.folder / "notes.txt"
        return path.read_text().splitlines() if path.exists() else []

    def poison_bodies(self) -> list[str]:
        """The decoded bodies in the poison queue."""
        return [base64.b64decode(message.content).decode() for message in self.client("-poison").peek_messages(32)]


@pytest.fixture
def app(tmp_path: Path, azurite: str, unique_prefix: str) -> App:
    """An empty app."""
    return App(tmp_path, unique_prefix, azurite)


def wait_for(condition: Callable[[], object], process: "subprocess.Popen[str]") -> None:
    """Until the condition holds; fails when the runner ends before, or after a minute."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, "the runner ended"
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def test_until_idle_fires_each_timer_once_in_order_then_works_until_the_queues_are_empty(app: App) -> None:
    app.write("""
        from azure.storage.queue import QueueClient, TextBase64EncodePolicy
        queue = QueueClient.from_connection_string(os.environ["AzureWebJobsStorage"], QUEUE, message_encode_policy=TextBase64EncodePolicy())

        @app.timer_trigger(arg_name="timer", schedule="%EVERY%")
        def second_in_name_first_in_order(timer: func.TimerRequest) -> None:
            queue.create_queue()
            queue.send_message("chain 3", time_to_live=-1)
            note(f"timer one past_due={timer.past_due}")

        @app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
        def another(timer: func.TimerRequest) -> None:
            note("timer two")

        @app.queue_trigger(arg_name="message", queue_name=QUEUE, connection="AzureWebJobsStorage")
        def chain(message: func.QueueMessage) -> None:
            left = int(message.get_body().decode().split()[1])
            note(f"chain {left} try {message.dequeue_count} {message.insertion_time is not None}")
            if left:
                queue.send_message(f"chain {left - 1}", time_to_live=-1, visibility_timeout=1)
    """)
    said = app.run_until_idle(EVERY="0 */5 * * * *")
    assert [note for note in app.notes if note.startswith("timer")] == ["timer one past_due=False", "timer two"]
    assert [note for note in app.notes if note.startswith("chain")] == [f"chain {left} try 1 True" for left in (3, 2, 1, 0)]
    assert "chain ok (" in said
    assert app.client().get_queue_properties().approximate_message_count == 0


def test_a_message_that_fails_is_tried_max_dequeue_count_times_and_then_lies_in_the_poison_queue(app: App) -> None:
    app.write(
        """
        @app.queue_trigger(arg_name="message", queue_name=QUEUE, connection="AzureWebJobsStorage")
        def fails(message: func.QueueMessage) -> None:
            note(f"{message.get_body().decode()} {message.dequeue_count}")
            raise ValueError("never works")
        """,
        maxDequeueCount=3,
    )
    app.put("broken")
    said = app.run_until_idle()
    assert app.notes == ["broken 1", "broken 2", "broken 3"]
    assert app.poison_bodies() == ["broken"]
    [poison] = app.client("-poison").receive_messages(max_messages=1)
    assert poison.expires_on is not None
    assert poison.inserted_on is not None
    assert (poison.expires_on - poison.inserted_on).days == 7
    assert "ValueError: never works" in said


def test_what_is_no_base64_is_poison_at_once_with_its_body_as_it_was(app: App) -> None:
    app.write("""
        @app.queue_trigger(arg_name="message", queue_name=QUEUE, connection="AzureWebJobsStorage")
        def never(message: func.QueueMessage) -> None:
            note("called")
    """)
    app.put('{"not": "base64"}', raw=True)
    app.run_until_idle()
    assert app.notes == []
    assert app.poison_bodies() == ['{"not": "base64"}']


def test_a_poison_trigger_that_fails_is_hidden_and_tried_again_and_has_no_poison_queue_of_its_own(app: App) -> None:
    app.write(
        """
        @app.queue_trigger(arg_name="message", queue_name=QUEUE + "-poison", connection="AzureWebJobsStorage")
        def keep(message: func.QueueMessage) -> None:
            note(f"try {message.dequeue_count}")
            if message.dequeue_count <= 2:
                raise ValueError("not yet")
        """,
        maxDequeueCount=1,
    )
    poison = app.client("-poison")
    poison.create_queue()
    poison.send_message(base64.b64encode(b"case").decode())
    app.run_until_idle("--visibility", "1")
    assert app.notes == ["try 1", "try 2", "try 3"]


def test_no_more_than_batch_size_run_at_once(app: App) -> None:
    app.write(
        """
        import threading
        lock, running, peak = threading.Lock(), 0, 0

        @app.queue_trigger(arg_name="message", queue_name=QUEUE, connection="AzureWebJobsStorage")
        def slow(message: func.QueueMessage) -> None:
            global running, peak
            with lock:
                running += 1
                peak = max(peak, running)
            time.sleep(0.1)
            with lock:
                running -= 1
                note(f"{message.get_body().decode()} peak={peak}")
        """,
        batchSize=2,
        newBatchThreshold=0,
    )
    app.put("a", "b", "c", "d", "e")
    app.run_until_idle(PYTHON_THREADPOOL_THREAD_COUNT="8")
    assert sorted(note.split()[0] for note in app.notes) == ["a", "b", "c", "d", "e"]
    assert {note.split()[1] for note in app.notes} <= {"peak=1", "peak=2"}
    assert any("peak=2" in note for note in app.notes)


def test_a_message_stays_hidden_while_its_function_runs_longer_than_the_visibility(app: App) -> None:
    app.write(
        """
        @app.queue_trigger(arg_name="message", queue_name=QUEUE, connection="AzureWebJobsStorage")
        def slow(message: func.QueueMessage) -> None:
            note(f"begun {message.dequeue_count}")
            time.sleep(5)
        """,
        batchSize=2,
        newBatchThreshold=1,
    )
    app.put("long")
    app.run_until_idle("--visibility", "2")
    assert app.notes == ["begun 1"]


def test_killed_while_a_function_runs_the_message_comes_back_and_nothing_is_lost(app: App) -> None:
    app.write("""
        @app.queue_trigger(arg_name="message", queue_name=QUEUE, connection="AzureWebJobsStorage")
        def work(message: func.QueueMessage) -> None:
            note(f"begun {message.dequeue_count}")
            while message.dequeue_count == 1:
                time.sleep(0.05)
    """)
    app.put("once")
    with app.start("--visibility", "2") as process:
        wait_for(lambda: app.notes, process)
        process.kill()
    app.run_until_idle("--visibility", "2")
    assert app.notes == ["begun 1", "begun 2"]


def test_a_signal_lets_what_runs_end_and_then_stops(app: App) -> None:
    app.write("""
        @app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
        def slow(timer: func.TimerRequest) -> None:
            note("begun")
            while not pathlib.Path(__file__).with_name("go").exists():
                time.sleep(0.02)
            note("ended")
    """)
    with app.start("--fire-now") as process:
        wait_for(lambda: app.notes, process)
        process.send_signal(signal.SIGTERM)
        (app.folder / "go").touch()
        said = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 0, said
    assert app.notes == ["begun", "ended"]


def test_timers_fire_on_their_schedule(app: App) -> None:
    app.write("""
        @app.timer_trigger(arg_name="timer", schedule="* * * * * *")
        def each_second(timer: func.TimerRequest) -> None:
            note("tick")
    """)
    with app.start() as process:
        wait_for(lambda: len(app.notes) >= 2, process)
        process.terminate()


def test_http_functions_answer_on_loopback(app: App) -> None:
    app.write("""
        @app.route(route="hello/{name}", methods=["GET"])
        def hello(req: func.HttpRequest) -> func.HttpResponse:
            return func.HttpResponse(f"{req.route_params['name']} {req.params.get('q')}", status_code=202, headers={"x-extra": "1"})

        @app.route(route="broken", methods=["GET"])
        def broken(req: func.HttpRequest) -> func.HttpResponse:
            raise ValueError("a secret detail")
    """)
    with app.start("--port", "0") as process:
        assert process.stderr is not None
        base = process.stderr.readline().split()[-1]
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(f"{base}/hello/me?q=1%2B1")
            assert (answer.status_code, answer.headers["x-extra"], answer.text) == (202, "1", "me 1+1")
            for path, status in (("broken", 500), ("nowhere", 404)):
                refused = session.get(f"{base}/{path}")
                assert refused.status_code == status
                assert "secret" not in refused.text
        process.terminate()
        process.communicate(timeout=PATIENCE)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ('@app.timer_trigger(arg_name="timer", schedule="%NOT_SET%")\ndef f(timer): ...', "NOT_SET"),
        ('@app.timer_trigger(arg_name="timer", schedule="0 61 * * * *")\ndef f(timer): ...', "minute"),
        ('@app.timer_trigger(arg_name="timer", schedule="* * * * *")\ndef f(timer): ...', "six"),
        ('@app.queue_trigger(arg_name="m", queue_name="q", connection="OTHER")\ndef f(m): ...', "OTHER__accountName"),
        ('@app.queue_trigger(arg_name="m", queue_name="q", connection="AzureWebJobsStorage")\ndef f(n): ...', "parameters"),
    ],
)
def test_an_app_that_the_host_would_refuse_is_refused_with_its_reason(app: App, code: str, says: str) -> None:
    app.write("")
    with (app.folder / "the_app.py").open("a") as file:
        file.write(f"\n{code}\n")
    with app.start("--until-idle") as process:
        said = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 2
    assert says in said
    assert "Traceback" not in said

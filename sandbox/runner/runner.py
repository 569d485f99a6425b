"""The whole runner: starts what listens, fires what is due, and ends when it is told to or when there is nothing left to do."""

import sys
import threading
from collections.abc import Mapping
from concurrent.futures import wait
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox.runner import ncrontab
from sandbox.runner.functions import HTTP, QUEUE, TIMER, Function, load_functions
from sandbox.runner.host import POISON, HostError, Rules, queue_client, read_rules, resolve
from sandbox.runner.invocations import Invocations
from sandbox.runner.queues import QueueListener
from sandbox.runner.timers import Timer, keep_time, utc_now
from sandbox.runner.web import WebServer, route_of

IDLE_PAUSE: Final = 0.2
"""Seconds between two looks at whether everything is empty."""


@dataclass(frozen=True)
class Options:
    """How to run. `port` None serves no HTTP; `visibility` is in seconds."""

    root: Path
    module: str = "function_app"
    visibility: int = 600
    port: int | None = None
    fire_now: bool = False
    until_idle: bool = False
    verbose: bool = False


class Runner:
    """One app, run until `stop` is set (or, with `until_idle`, until nothing is left to do). HostError when it cannot be started."""

    def __init__(self, options: Options, environment: Mapping[str, str]) -> None:
        self._options = options
        self._environment = environment
        self._rules = read_rules(options.root / "host.json")
        self._invocations = Invocations(threads=_threads(environment), verbose=options.verbose)
        functions = load_functions(options.root, options.module)
        self._timers = [self._timer(function) for function in functions if function.kind == TIMER]
        self._listeners = [self._listener(function) for function in functions if function.kind == QUEUE]
        self._web = self._server([function for function in functions if function.kind == HTTP], self._rules)
        self.stop = threading.Event()

    def run(self) -> None:
        """Work. Returns when everything that was started has ended."""
        renewals_end = threading.Event()
        renewals = [threading.Thread(target=listener.renew, args=(renewals_end,), daemon=True) for listener in self._listeners]
        workers = [threading.Thread(target=listener.listen, args=(self.stop,), daemon=True) for listener in self._listeners]
        if not self._options.until_idle:
            workers.append(threading.Thread(target=keep_time, args=(self._timers, self._invocations, self.stop), daemon=True))
        for thread in (*renewals, *workers):
            thread.start()
        self._serve()
        self._drive()
        self.stop.set()
        for worker in workers:
            worker.join()
        if self._web is not None:
            self._web.shutdown()
            self._web.server_close()
        self._invocations.close()
        renewals_end.set()
        for renewal in renewals:
            renewal.join()

    def _drive(self) -> None:
        """Until the end: wait for `stop`, or for idleness."""
        if self._options.until_idle:
            for timer in self._timers:
                wait([timer.fire(self._invocations, utc_now())])
            while not self.stop.is_set() and not self._idle():
                self.stop.wait(IDLE_PAUSE)
            return
        if self._options.fire_now:
            for timer in self._timers:
                timer.fire(self._invocations, utc_now())
        # In short waits, so that a signal is handled on every system.
        while not self.stop.wait(1.0):
            pass

    def _idle(self) -> bool:
        """Whether all queues were empty twice in a row while nothing ran. Hidden messages count as there."""
        before = self._invocations.started
        for _ in range(2):
            if self._invocations.in_flight or any(listener.waiting for listener in self._listeners):
                return False
            self.stop.wait(IDLE_PAUSE)
        return self._invocations.started == before

    def _timer(self, function: Function) -> Timer:
        try:
            schedule = ncrontab.parse(resolve(function.text("schedule"), self._environment))
            return Timer(function, schedule, schedule.next_after(utc_now()))
        except ValueError as error:
            raise HostError(f"function {function.name}: {error}") from error

    def _listener(self, function: Function) -> QueueListener:
        name = resolve(function.text("queueName"), self._environment)
        connection = function.text("connection") or "AzureWebJobsStorage"
        poison = None if name.endswith(POISON) else queue_client(connection, name + POISON, self._environment)
        queue = queue_client(connection, name, self._environment)
        return QueueListener(function, queue, poison, self._rules.queues, self._options.visibility, self._invocations)

    def _server(self, functions: list[Function], rules: Rules) -> WebServer | None:
        if self._options.port is None:
            return None
        return WebServer(self._options.port, [route_of(function, rules.route_prefix) for function in functions], self._invocations)

    def _serve(self) -> None:
        if self._web is None:
            return
        threading.Thread(target=self._web.serve_forever, daemon=True).start()
        print(f"HTTP functions: http://127.0.0.1:{self._web.server_port}/{self._rules.route_prefix}", file=sys.stderr, flush=True)


def _threads(environment: Mapping[str, str]) -> int | None:
    """The size of the worker's thread pool: its setting, or Python's own default."""
    text = environment.get("PYTHON_THREADPOOL_THREAD_COUNT", "")
    if text and not (text.isdecimal() and 1 <= int(text) <= 32):
        raise HostError(f"PYTHON_THREADPOOL_THREAD_COUNT: {text!r} is no number from 1 to 32")
    return int(text) if text else None

"""The workers of a place: real processes of the app under the local runner, killed, frozen and started as they are told."""

import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from sandbox.place import Place

VISIBILITY: Final = 5
"""Seconds that a received message stays hidden."""
END_SECONDS: Final = 600.0


@dataclass(frozen=True)
class Worker:
    """One process, and the file in which stands what it says."""

    process: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        """What it has said so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def freeze(self) -> None:
        """Let it stand still."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)


class Crew:
    """Context manager: ends with all its workers gone. What each says is in a file of its own in the folder `logs`."""

    def __init__(self, place: Place, logs: Path, count: int) -> None:
        self._place = place
        self._logs = logs
        self._count = count
        self._started = 0
        self._workers: list[Worker] = []

    def __enter__(self) -> Self:
        for _ in range(self._count):
            self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for worker in self._workers:
            worker.process.kill()
            worker.process.wait()

    def start(self, *arguments: str, **settings: str) -> Worker:
        """One more worker, with further settings."""
        self._started += 1
        log = self._logs / f"worker-{self._started}.log"
        process = self._place.start_runner("--visibility", str(VISIBILITY), *arguments, log=log, **settings)
        worker = Worker(process, log)
        self._workers.append(worker)
        return worker

    def one(self, number: int) -> Worker:
        """One of those that have begun to work, counted round."""
        at_work = [worker for worker in self._workers if worker.said()] or self._workers
        return at_work[number % len(at_work)]

    def kill(self, worker: Worker) -> None:
        """End it at once, in the middle of whatever it does."""
        worker.process.kill()
        worker.process.wait()
        self._workers.remove(worker)

    def end(self) -> bool:
        """Ask all to end as the platform does, and wait for them. Whether all did; one that had hardly started just goes."""
        for worker in self._workers:
            worker.process.send_signal(signal.SIGTERM)
        return {worker.process.wait(END_SECONDS) for worker in self._workers} <= {0, -signal.SIGTERM}

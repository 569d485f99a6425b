"""The workers of a place: real processes of the app under the local runner, killed, frozen and started as they are told."""

import os
import signal
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from sandbox.place import Place

VISIBILITY: Final = 5
"""Seconds that a received message stays hidden."""
END_SECONDS: Final = 120.0


class Crew:
    """Context manager: ends with all its workers gone."""

    def __init__(self, place: Place, log: Path, count: int) -> None:
        self.log = log
        self._place = place
        self._count = count
        self._workers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        for _ in range(self._count):
            self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for worker in self._workers:
            worker.kill()
            worker.wait()

    def start(self, *arguments: str, **settings: str) -> subprocess.Popen[bytes]:
        """One more worker, with further settings."""
        worker = self._place.start_runner("--visibility", str(VISIBILITY), *arguments, log=self.log, **settings)
        self._workers.append(worker)
        return worker

    def one(self, number: int) -> subprocess.Popen[bytes]:
        """One of those that run, counted round."""
        return self._workers[number % len(self._workers)]

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        """End it at once, in the middle of whatever it does."""
        worker.kill()
        worker.wait()
        self._workers.remove(worker)

    def freeze(self, worker: subprocess.Popen[bytes]) -> None:
        """Let it stand still."""
        os.kill(worker.pid, signal.SIGSTOP)

    def thaw(self, worker: subprocess.Popen[bytes]) -> None:
        """Let it go on."""
        os.kill(worker.pid, signal.SIGCONT)

    def end(self) -> bool:
        """Ask all to end as the platform does, and wait for them. Whether all did; one that had hardly started just goes."""
        for worker in self._workers:
            worker.send_signal(signal.SIGTERM)
        return {worker.wait(END_SECONDS) for worker in self._workers} <= {0, -signal.SIGTERM}

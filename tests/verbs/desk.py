"""A person at the command line of a deployment whose world is small: what they type, and what they see."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from sandbox.avid import AvidSwitches
from sandbox.avid.dialect import Dialect
from sandbox.simulator.deployment import Deployment, cycle, deploy, drain
from sandbox.simulator.seams import VirtualClock
from sandbox.worlds.model import World
from sandbox.worlds.property_firm import PropertyFirmSize, build_property_firm
from sync import cli
from sync.app import App
from sync.connections.document import Connection

ID = "thornquill"
WIDEST = 120


@dataclass(frozen=True)
class Seen:
    """What one command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:  # Any: JSON
        """The printed JSON."""
        return json.loads(self.out)


class Desk:
    """The deployment, its function app (`works`), and the command line beside it (`app`)."""

    def __init__(
        self, capsys: pytest.CaptureFixture[str], seed: int = 1, avid: AvidSwitches | None = None, dialect: Dialect | None = None
    ) -> None:
        self.clock = VirtualClock()
        self.deployment: Deployment = deploy(self.clock, dialect)
        size, now = PropertyFirmSize.small(), self.clock.now
        self.world: World = build_property_firm(seed, now(), size=size, now=now, avid_switches=avid)
        self.connection: Connection = self.deployment.add(self.world)
        self.works: App = self.deployment.worker(7)
        self.app: App = self.deployment.worker(8)
        self.answer = "y"
        self._capsys = capsys

    def call(self, *argv: str, opened: Callable[[], App] | None = None) -> Seen:
        """One command."""
        self._capsys.readouterr()
        code = cli.main([*argv], opened or (lambda: self.app), lambda: self.answer)
        printed = self._capsys.readouterr()
        return Seen(code, printed.out, printed.err)

    def cycle(self) -> None:
        """All timers of the function app once, then every message."""
        cycle(self.deployment, self.works)

    def drain(self) -> None:
        """The function app works on what is in the queues."""
        drain(self.deployment, self.works)

    def while_waiting(self, happens: Callable[[], None]) -> None:
        """Whenever the command line waits, time passes and this happens."""

        def sleep(seconds: float) -> None:
            self.clock.advance(seconds=seconds)
            happens()

        self.app.ports = replace(self.app.ports, sleep=sleep)

    def storage_versions(self) -> str:
        """Changes with every write to tables and blobs."""
        return self.deployment.storage.next_etag().strip('W/"')

    def queued(self) -> int:
        """Messages in all queues."""
        queues = self.deployment.storage.queues
        return sum(len(queues.messages(queue)) for queue in ("stage-runs", "record-retries", "replays"))

    def writes(self) -> int:
        """Requests with an effect on D365 or AvidXchange; signing in is none."""
        network = self.deployment.network
        return network.writes() - sum(network.writes(path=path) for path in ("/oauth2/v2.0/token", "/authorizations"))

"""A whole place to run the connector in, on this machine: worlds on local TLS, a vault, an identity, Azurite, and the app's settings."""

import base64
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox import hosts
from sandbox.avid.dialect import Dialect
from sandbox.azurite import Azurite
from sandbox.azurite.forwarder import Forwarder
from sandbox.entra import Entra, ManagedIdentity
from sandbox.network import Network
from sandbox.tls import Sandbox
from sandbox.vault import Vault
from sandbox.worlds.customer import customer_document, customer_secrets, mount_customer
from sandbox.worlds.model import World
from sync.storage.azure import open_storage
from sync.storage.names import ensure

ROOT = Path(__file__).resolve().parents[1]
OPERATOR_TENANT = "0c1f6d0e-8a35-4b52-9a57-3b1d7f2e4c10"
IDENTITY = "6f2d3c4b-1a5e-4d7f-9b8c-2e3f4a5b6c7d"
VAULT = "avx-sync"
AUDIT_KEY = "audit-key"
TIMERS = ("VENDORS", "GL_ACCOUNTS", "DIMENSIONS", "INVOICES", "PAYMENTS", "HOUSEKEEPING")


def utc_now() -> datetime:
    """The time of this machine, for systems that live in real time."""
    return datetime.now(UTC)


class Place:
    """Everything around the app. `environment` is what its processes are started with; nothing in it is known to the app's code.

    `dialect` is what the customers' AvidXchange speaks; None: the shipped one. `forwarded`: they reach the storage by way of `forwarder`,
    where things can go wrong. `storage` is the connection string past that.
    """

    def __init__(self, *, every_seconds: int = 300, dialect: Dialect | None = None, forwarded: bool = False) -> None:
        self.dialect = dialect
        self.entra = Entra(utc_now)
        self.network = Network(utc_now, {hosts.LOGIN: self.entra})
        self.vault = Vault(VAULT, OPERATOR_TENANT, self.entra, utc_now)
        self.worlds: dict[str, World] = {}
        self.environment: dict[str, str] = {}
        self.sandbox = Sandbox(self.network, ManagedIdentity(self.entra, OPERATOR_TENANT, IDENTITY))
        self.storage = ""
        self._forwarded = forwarded
        self._forwarder: Forwarder | None = None
        self._every_seconds = every_seconds
        self._stack = ExitStack()
        self._runners: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self.network.mount(self.vault.host, self.vault)
        self.vault.allow(IDENTITY)
        self.vault.set(AUDIT_KEY, f"k1:{base64.b64encode(os.urandom(32)).decode()}")
        self._stack.enter_context(self.sandbox)
        azurite = self._stack.enter_context(Azurite())
        self.storage = azurite.connection_string
        ensure(open_storage(connection_string=self.storage))
        if self._forwarded:
            self._forwarder = self._stack.enter_context(Forwarder(azurite))
        schedule = f"*/{self._every_seconds} * * * * *" if self._every_seconds < 60 else "0 */5 * * * *"
        self.environment = {
            **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "SYSTEMROOT", "TEMP", "TMP")},
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            **self.sandbox.environment(),
            **self.sandbox.identity_environment(),
            "AzureWebJobsStorage": self._forwarder.connection_string if self._forwarder else self.storage,
            "KEY_VAULT_URL": f"https://{self.vault.host}",
            "AUDIT_KEY_SECRET": AUDIT_KEY,
            **{f"SYNC_TIMER_{name}": schedule for name in TIMERS},
        }
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for runner in self._runners:
            if runner.poll() is None:
                runner.kill()
                runner.wait()
        self._stack.close()

    @property
    def forwarder(self) -> Forwarder:
        """The way to the storage that can be spoilt. RuntimeError when the place has none."""
        if self._forwarder is None:
            raise RuntimeError("This place has no forwarder: make it with Place(forwarded=True), and use it in a `with` block.")
        return self._forwarder

    def mount(self, world: World) -> None:
        """Let a customer's systems answer, and put the customer's secrets into the vault."""
        mount_customer(self.network, self.entra, world, self.dialect)
        self.store_secrets(world)
        self.worlds[world.connection["id"]] = world

    def store_secrets(self, world: World) -> None:
        """Put the customer's secrets into the vault as they are now: after a rotation the new ones."""
        for name, value in customer_secrets(world).items():
            self.vault.set(name, value)

    def document(self, world: World, **policies: object) -> str:
        """The customer's connection document, as JSON text."""
        return json.dumps(customer_document(world, self.dialect, **policies), default=str)

    def start_runner(self, *arguments: str, log: Path | None = None, **settings: str) -> subprocess.Popen[bytes]:
        """The app under the local runner, in a process of its own, with further settings. It does not outlive the place.

        With a `log` it says a line per invocation, and all that it says goes to the end of that file.
        """
        command = [sys.executable, "-m", "sandbox.runner", "--root", str(ROOT), *arguments]
        environment = {**self.environment, **settings}
        if log is None:
            self._runners.append(subprocess.Popen(command, env=environment, cwd=ROOT))
        else:
            with log.open("ab") as file:
                self._runners.append(subprocess.Popen([*command, "--verbose"], env=environment, cwd=ROOT, stdout=file, stderr=file))
        return self._runners[-1]

    def sync(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`python -m sync …` as a person would call it."""
        return self._run([sys.executable, "-m", "sync", *arguments], check=check)

    def _run(self, command: Sequence[str], *, check: bool) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(command, env=self.environment, cwd=tempfile.gettempdir(), capture_output=True, text=True, check=False)
        if check and done.returncode != 0:
            raise RuntimeError(f"{' '.join(command[1:])} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

"""A running Azurite: Microsoft's emulator of blob, queue and table storage, speaking the real protocol on loopback."""

import re
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox.azurite.node import find_node

HERE = Path(__file__).parent
INSTALLED = HERE.parents[1] / ".tools" / "azurite"
PROGRAM = INSTALLED / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"

# The account and key that every Azurite has and that Microsoft publishes; they open nothing else.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

SERVICES = ("Blob", "Queue", "Table")
READY_SECONDS = 60.0
# The newest storage SDKs speak an API version that Azurite does not know, hence the fourth flag.
FLAGS = ["--inMemoryPersistence", "--silent", "--disableTelemetry", "--skipApiVersionCheck"]
PORTS = ["--blobPort", "0", "--queuePort", "0", "--tablePort", "0"]


class AzuriteError(Exception):
    """Azurite is not installed or did not start; the text says what to do."""


class Azurite:
    """Context manager: an empty storage account on three free loopback ports, gone without a trace at the end.

    It also ends when the process that started it dies, killed or not. Raises AzuriteError when it cannot start.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._ports: dict[str, int] = {}

    def __enter__(self) -> Self:
        if not PROGRAM.is_file():
            raise AzuriteError(f"Azurite is not installed in {INSTALLED}: run python3 dev.py setup")
        command = [str(find_node().binary), "--require", str(HERE / "exit_with_parent.cjs"), str(PROGRAM), *FLAGS, *PORTS]
        # A file, not a pipe: nobody would empty a pipe later, and a full one would stop Azurite.
        with tempfile.TemporaryDirectory(prefix="azurite-", ignore_cleanup_errors=True) as folder:
            said = Path(folder) / "said.txt"
            with said.open("wb") as output:
                self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, cwd=INSTALLED)
            try:
                self._ports = wait_for_ports(self._process, said)
            except BaseException:
                self.stop()
                raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Kills it at once (what it holds is in memory only) and waits until it is gone; harmless when repeated."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None

    @property
    def pid(self) -> int:
        """The process id of Azurite itself. Raises AzuriteError when it is not running."""
        if self._process is None:
            raise AzuriteError("Azurite is not running: use it inside its with block")
        return self._process.pid

    def endpoint(self, service: str) -> str:
        """The base URL of "Blob", "Queue" or "Table", without a slash at its end."""
        return f"http://127.0.0.1:{self._ports[service]}/{ACCOUNT}"

    @property
    def connection_string(self) -> str:
        """What the storage SDKs and the Functions host take to reach all three services."""
        return connection_string({service: self.endpoint(service) for service in SERVICES})

    def env(self) -> dict[str, str]:
        """The environment by which a Functions app finds this storage."""
        return {"AzureWebJobsStorage": self.connection_string}


def connection_string(endpoints: Mapping[str, str]) -> str:
    """The connection string of the emulator's account behind these base URLs, by service."""
    ends = "".join(f"{service}Endpoint={url};" for service, url in endpoints.items())
    return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};{ends}"


def wait_for_ports(process: subprocess.Popen[bytes], said: Path) -> dict[str, int]:
    """The port of each service, once Azurite said that all three listen. Raises AzuriteError with what it said instead."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        ended = process.poll() is not None
        text = said.read_text(encoding="utf-8", errors="replace")
        ports = listening_ports(text)
        if not ended and len(ports) == len(SERVICES):
            return ports
        if ended or time.monotonic() > deadline:
            raise AzuriteError(
                f"Azurite did not start. If its files are damaged: remove .tools, run python3 dev.py setup. It said:\n{text}"
            )
        time.sleep(0.02)


def listening_ports(said: str) -> dict[str, int]:
    """The ports of the services that Azurite's output names as listening."""
    found = re.findall(r"Azurite (\w+) service is successfully listening at https?://[^\s:]+:(\d+)", said)
    return {service: int(port) for service, port in found}

"""A deployment with stages that do what a test tells them, over the local storage, in virtual time, and its queues worked by hand."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sandbox.simulator.seams import PlainAuditKeys, PlainIdentity, PlainSecrets, VirtualClock, make_ports
from sandbox.storage import LocalStorage
from sync.app import App
from sync.engine.model import End, Slice
from sync.engine.runner import run_stage
from sync.http.wire import HttpRequest, HttpResponse
from sync.messages import StageRun, decode
from sync.settings import read_settings
from sync.storage.names import STAGE_RUNS, ensure

Work = Callable[[Slice], End]


def done(_: Slice) -> End:
    """A stage that has nothing to do."""
    return End.DONE


@dataclass
class ToldStage:
    """A stage that works as it is told: one call of `script` after the other, then `done`."""

    name: str
    after: tuple[str, ...] = ()
    script: list[Work] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)

    def work(self, slice_: Slice) -> End:
        """See `sync.engine.model.Stage`. At its end every company has completed."""
        self.runs.append(slice_.connection.id)
        end = self.script.pop(0)(slice_) if self.script else End.DONE
        if end is End.DONE:
            complete(slice_)
        return end


def complete(slice_: Slice) -> None:
    """Note that every company of the connection went through the stage, as the engines do."""
    for company in slice_.connection.companies:
        progress = slice_.progress.progress(slice_.connection.id, slice_.stage, company.id)
        slice_.progress.save(replace(progress, completed_at=slice_.ports.clock.now()))


class NoNetwork:
    """No test here sends anything."""

    def send(self, request: HttpRequest) -> HttpResponse:
        """Fail."""
        raise AssertionError(f"a request went out: {request.method} {request.url}")


def document(connection: str = "contoso", /, **changes: object) -> str:
    """A connection document with two companies."""
    return json.dumps(
        {
            "id": connection,
            "name": "Contoso",
            "d365": {
                "environment_url": f"https://{connection}.operations.dynamics.com",
                "tenant": "t",
                "client_id": "c",
                "sign_in": {"method": "client_secret", "secret": "d365-secret"},
            },
            "avidxchange": {"host": "avid.example.com", "auth": {"company_token": "ct", "user_token": "ut"}},
            "companies": [
                {"id": "usmf", "accounting_system": "1", "payment_journal": "VendPay"},
                {"id": "ussi", "accounting_system": "2", "payment_journal": "VendPay"},
            ],
            "code_groups": {"MainAccount": "GL"},
            "start_from": {"invoices": "2026-01-01", "payments": "2026-01-01"},
            **changes,
        }
    )


SETTINGS = read_settings(
    {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "KEY_VAULT_URL": "https://v.vault.azure.net", "AUDIT_KEY_SECRET": "audit-keys"}
)


class StageBench:
    """Workers over one storage. `vendors` and `invoices` (which waits for `vendors`) are the stages."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.storage = LocalStorage(self.clock)
        ensure(self.storage)
        self.vendors = ToldStage("vendors")
        self.invoices = ToldStage("invoices", after=("vendors",))
        self.app = self.worker()
        self.outcomes: list[str] = []

    def worker(self, seed: int = 0) -> App:
        """One more worker over the same storage and stages."""
        ports = make_ports(self.clock, NoNetwork(), self.storage, seed=seed)
        return App(ports, SETTINGS, PlainSecrets({}), PlainAuditKeys(), PlainIdentity(), (self.vendors, self.invoices))

    def waiting(self, queue: str = STAGE_RUNS) -> list[StageRun]:
        """The stage runs in the queue, hidden ones too."""
        return [decode(StageRun, message.body) for message in self.storage.queues.messages(queue)]

    def work_one(self, app: App | None = None) -> str | None:
        """Take the next visible stage run, as the platform does; None when there is none. A failing one stays in the queue."""
        message = self.storage.queues.receive(STAGE_RUNS, 600)
        if message is None:
            return None
        try:
            outcome = run_stage(app or self.app, decode(StageRun, message.body))
        except BaseException:
            self.storage.queues.update(STAGE_RUNS, message, 0)
            raise
        self.storage.queues.delete(STAGE_RUNS, message)
        self.outcomes.append(outcome)
        return outcome

    def work_all(self) -> list[str]:
        """Work until nothing is visible; returns how the slices ended."""
        start = len(self.outcomes)
        while self.work_one() is not None:
            assert len(self.outcomes) - start < 100, "it never ends"
        return self.outcomes[start:]

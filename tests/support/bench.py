"""A sandbox world, the connector's parts around it, and one stage at a time, in virtual time."""

import json
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from sandbox import hosts
from sandbox.avid import AvidSystem
from sandbox.avid.settings import profile_of
from sandbox.d365 import D365
from sandbox.entra import Entra
from sandbox.network import Network
from sandbox.simulator.seams import NetworkTransport, PlainAuditKeys, PlainIdentity, PlainSecrets, VirtualClock, make_ports
from sandbox.storage import LocalStorage
from sandbox.web import System
from sandbox.worlds import World
from sandbox.worlds.model import ConnectionFacts
from sync.app import App
from sync.connections.document import Connection, parse_connection
from sync.engine.model import End, Report, Slice, Stage
from sync.settings import Settings
from sync.storage.names import ensure
from tests.support.dialects import spoken


def connection_of(facts: ConnectionFacts, policies: Mapping[str, object]) -> Connection:
    """The connection document of a world's customer. Secrets are named `client-secret`, `company-token` and `user-token`."""
    companies = [{**company, "accounting_system": str(company["accounting_system"])} for company in facts["companies"]]
    document = {
        "id": facts["id"],
        "name": facts["name"],
        "d365": {
            "environment_url": facts["environment_url"],
            "tenant": facts["tenant"],
            "client_id": facts["client_id"],
            "sign_in": {"method": "client_secret", "secret": "client-secret"},
        },
        "avidxchange": {
            "host": facts["avid_host"],
            "auth": {"company_token": "company-token", "user_token": "user-token"},
            "profile": profile_of(spoken()),
        },
        "companies": companies,
        "code_groups": facts["code_groups"],
        "null_placeholder": facts["null_placeholder"],
        "start_from": {stage: facts["start_from"].isoformat() for stage in ("invoices", "payments")},
        "policies": dict(policies),
    }
    return parse_connection(json.dumps(document))


class Bench:
    """A sandbox world, the connector's parts around it, and one stage at a time. `world` is made with this clock's `now`."""

    def __init__(self, clock: VirtualClock, world: World, *, seed: int = 0, policies: Mapping[str, object] = MappingProxyType({})) -> None:
        facts = world.connection
        self.clock = clock
        self.world = world
        self.connection = connection_of(facts, policies)
        entra = Entra(clock.now)
        entra.register_app(facts["tenant"], facts["client_id"], facts["client_secret"])
        systems: dict[str, System] = {
            hosts.LOGIN: entra,
            world.d365.host: D365(world.d365, entra),
        }
        self.network = Network(clock.now, systems)
        self.network.mount(facts["avid_host"], AvidSystem(world.avid), spoken())
        self.storage = LocalStorage(clock)
        ensure(self.storage)
        self.ports = make_ports(clock, NetworkTransport(self.network), self.storage, seed=seed)
        secrets = {
            "client-secret": facts["client_secret"],
            "company-token": facts["company_token"],
            "user-token": facts["user_token"],
        }
        settings = Settings(storage_connection="local", key_vault_url="https://test.vault.azure.net", audit_key_secret="audit")
        self.app = App(self.ports, settings, PlainSecrets(secrets), PlainAuditKeys(), PlainIdentity(), stages=())

    def slice(self, stage: str, *, minutes: float = 60, dry_run: bool = False) -> Slice:
        """A slice of a stage that may work for so many virtual minutes."""
        return Slice(
            connection=self.connection,
            stage=stage,
            run=self.ports.ids.new(),
            ports=self.ports,
            ledger=self.app.ledger,
            progress=self.app.runs,
            systems=self.app.systems(self.connection),
            deadline=self.clock.now() + timedelta(minutes=minutes),
            beat=lambda: None,
            report=Report(),
            dry_run=dry_run,
        )

    def run(self, stage: Stage, *, dry_run: bool = False) -> Report:
        """Work through a stage, slice by slice, until it is done. Returns the counts of all slices together."""
        total = Report()
        for _ in range(1_000):
            part = self.slice(stage.name, dry_run=dry_run)
            end = stage.work(part)
            for name, number in part.report.counts.items():
                total.count(name, number)
            total.shown += part.report.shown
            if end is End.DONE:
                return total
        raise AssertionError(f"{stage.name} is not done after 1,000 slices")

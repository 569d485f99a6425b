"""The composition root: the one place where the seams of `sync/ports.py` are filled and the parts are put together."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date

from azure.core.credentials import TokenCredential
from azure.identity import AzureCliCredential, EnvironmentCredential, ManagedIdentityCredential

from sync.avid.auth import authorizer_of
from sync.avid.auth_sign_in import SignIns
from sync.avid.client import AvidClient
from sync.avid.profile import shipped_profile
from sync.connections.document import Company, Connection
from sync.connections.store import ConnectionStore
from sync.d365.auth import EntraAuthorizer
from sync.d365.auth_proofs import AppIdentity
from sync.d365.client import D365Client
from sync.d365.reference import CompanyReference
from sync.engine.model import Stage, Systems
from sync.errors import FixConfiguration
from sync.http.client import Crowd, HttpClient, Times
from sync.http.tokens import Tokens
from sync.http.transport import RequestsTransport
from sync.identity import CredentialIdentity
from sync.ledger.audit import AuditKeys
from sync.ledger.gates import Gates
from sync.ledger.leases import Leases
from sync.ledger.proof import Proof
from sync.ledger.refusals import Refusals
from sync.ledger.retention import Retention
from sync.ledger.runs import RunStore
from sync.ledger.seals import Seals
from sync.ledger.store import Ledger
from sync.ports import Clock, Ports
from sync.secrets import Secrets, VaultAuditKeys, VaultSecrets
from sync.settings import Settings, read_settings
from sync.stages.registry import every_stage
from sync.storage.azure import open_storage
from sync.storage.patient import patient
from sync.system import SystemClock, SystemIds, SystemRandomness, ThreadExecutor, system_sleep


class OpenedSystems:
    """The two systems of one connection, see `sync.engine.model.Systems`."""

    def __init__(self, d365: D365Client, avid: AvidClient, today: date, without_credentials: Callable[[str], HttpClient]) -> None:
        self.d365 = d365
        self.avid = avid
        self.without_credentials = without_credentials
        self._today = today
        self._references: dict[str, CompanyReference] = {}

    def reference(self, company: Company) -> CompanyReference:
        """What D365 knows of the company; the same object whenever the slice asks."""
        return self._references.setdefault(company.id, CompanyReference(self.d365, company.id, self._today))


class App:
    """Everything a trigger or a verb works with. `stages` None: the registered ones."""

    def __init__(
        self,
        ports: Ports,
        settings: Settings,
        secrets: Secrets,
        audit_keys: AuditKeys,
        identity: AppIdentity,
        stages: Sequence[Stage] | None = None,
    ) -> None:
        self.ports = ports
        self.settings = settings
        self.secrets = secrets
        self.identity = identity
        self.stages = every_stage() if stages is None else tuple(stages)
        self.connections = ConnectionStore(ports.tables)
        self.ledger = Ledger(ports, audit_keys)
        self.runs = RunStore(ports)
        self.leases = Leases(ports)
        self.gates = Gates(ports)
        self._crowd = Crowd()
        self._tokens = Tokens()
        self._avid_sign_ins = SignIns(Refusals(ports, audit_keys))
        self.seals = Seals(ports, audit_keys)
        self.proof = Proof(ports, audit_keys)
        self.retention = Retention(ports, audit_keys, self.seals, self.proof)

    def stage(self, name: str) -> Stage:
        """The stage by its name. FixConfiguration when there is none."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise FixConfiguration(f"There is no stage {name}: it is one of {', '.join(stage.name for stage in self.stages)}.", field="stage")

    def systems(self, connection: Connection) -> Systems:
        """The two systems of a connection, each behind the client that is bound to its host. Sends nothing yet.

        FixConfiguration when the connection overrides an entry that the AvidXchange profile does not have.
        """
        d365, avid = connection.d365, connection.avidxchange
        profile = shipped_profile().with_overrides(avid.profile)
        to_d365 = HttpClient(
            d365.host,
            "D365",
            self.ports,
            self.gates,
            EntraAuthorizer(self.ports, self.gates, self.secrets, self.identity, d365, self._tokens),
            times=Times(connection.policies.d365_read_timeout_seconds, connection.policies.write_seconds),
            courtesy_cap=d365.courtesy_requests_per_5_minutes,
            crowd=self._crowd,
        )
        signed = authorizer_of(avid, profile, self.secrets, self.ports, self.gates, self._avid_sign_ins, self._crowd)
        to_avid = HttpClient(avid.host, "AvidXchange", self.ports, self.gates, signed, crowd=self._crowd)
        return OpenedSystems(
            D365Client(to_d365, d365.environment_url, d365.page_size),
            AvidClient(to_avid, f"https://{avid.host}/{avid.version}", profile),
            self.ports.clock.now().date(),
            lambda host: HttpClient(host, host, self.ports, self.gates, None, crowd=self._crowd),
        )


def open_app(environment: Mapping[str, str], clock: Clock | None = None) -> App:
    """The app of this deployment from its app settings, by the machine's clock or another. Sends nothing yet.

    FixConfiguration names what is missing.
    """
    settings = read_settings(environment)
    credential = credential_of(environment, settings)
    clock, ids, randomness = clock or SystemClock(), SystemIds(), SystemRandomness()
    raw = open_storage(connection_string=settings.storage_connection, account=settings.storage_account, credential=credential)
    storage = patient(raw, system_sleep, randomness, ids)
    ports = Ports(
        clock=clock,
        sleep=system_sleep,
        ids=ids,
        randomness=randomness,
        executor=ThreadExecutor(),
        transport=RequestsTransport(),
        tables=storage.tables,
        queues=storage.queues,
        blobs=storage.blobs,
    )
    secrets = VaultSecrets(settings.key_vault_url, credential, clock)
    return App(ports, settings, secrets, VaultAuditKeys(secrets, settings.audit_key_secret), CredentialIdentity(credential))


def credential_of(environment: Mapping[str, str], settings: Settings) -> TokenCredential:
    """Who the app is towards Azure: its managed identity, the service principal of AZURE_CLIENT_SECRET, or who signed in with `az login`.

    Not DefaultAzureCredential: that tries up to eight ways one after the other, waits for each that is not there, and on failure lists them
    all. What is set decides here, so a failure names the one thing to mend.
    """
    if environment.get("IDENTITY_ENDPOINT"):
        client_id = environment.get("AZURE_CLIENT_ID") or settings.storage_client_id
        return ManagedIdentityCredential(client_id=client_id or None)
    if environment.get("AZURE_CLIENT_SECRET"):
        return EnvironmentCredential()
    return AzureCliCredential()

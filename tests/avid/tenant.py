"""One AvidXchange of the sandbox and the connector's client of it, signed in by any of the three ways."""

from collections.abc import Mapping

from sandbox.avid import AvidSwitches, AvidSystem, AvidTokens, AvidWorld
from sandbox.avid.settings import auth_entry, auth_secrets, secret_name, token_host
from sandbox.avid.switches import Auth
from sandbox.network import Network
from sandbox.simulator.seams import NetworkTransport, PlainAuditKeys, PlainSecrets, VirtualClock, make_ports
from sandbox.storage import LocalStorage
from sync.avid.auth import authorizer_of
from sync.avid.auth_sign_in import SignIns
from sync.avid.client import AvidClient
from sync.connections.document import AvidSettings
from sync.http.client import HttpClient
from sync.http.wire import HttpRequest
from sync.ledger.refusals import Refusals
from sync.storage.names import ensure
from tests.http.support import MemoryGates
from tests.support.dialects import spoken, spoken_profile

HOST = "api.avid.example"
PREFIX = "it"
AUTHS: tuple[Auth, ...] = ("company_user_tokens", "two_layer", "client_credentials")


class CachedSecrets(PlainSecrets):
    """Secrets that are read once, and again only when somebody asks for it: as Key Vault's within its minutes."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self._cache: dict[str, str] = {}

    def get(self, name: str) -> str:
        """The cached value."""
        return self._cache.setdefault(name, super().get(name))

    def forget(self, name: str) -> None:
        """Read it again at the next `get`."""
        super().forget(name)
        self._cache.pop(name, None)


class Tenant:
    """The world, the network in front of it, and a client with the overrides of a profile. `sent` holds every request."""

    def __init__(self, switches: AvidSwitches, **overrides: str | int | bool) -> None:
        self.clock = VirtualClock()
        self.world = AvidWorld(HOST, "c0mpany", "us3r", self.clock.now, switches, accounting_systems={12: "USMF", 13: "DEMF"})
        self.network = Network(self.clock.now)
        self.network.mount(HOST, AvidSystem(self.world), spoken())
        self.network.mount(token_host(self.world), AvidTokens(self.world), spoken())
        self.secrets = CachedSecrets(auth_secrets(self.world, PREFIX))
        self.sent: list[HttpRequest] = []
        self.gates = MemoryGates()
        self.storage = LocalStorage(self.clock)
        ensure(self.storage)
        self.ports = make_ports(self.clock, NetworkTransport(self.network, self.sent.append), self.storage)
        self.settings = AvidSettings.model_validate({"host": HOST, "auth": auth_entry(self.world, PREFIX)})
        self.profile = spoken_profile().with_overrides({name.replace("__", "."): value for name, value in overrides.items()})
        self.authorizer = authorizer_of(
            self.settings, self.profile, self.secrets, self.ports, self.gates, SignIns(Refusals(self.ports, PlainAuditKeys()))
        )
        self.http = HttpClient(HOST, "AvidXchange", self.ports, self.gates, self.authorizer)
        self.client = AvidClient(self.http, f"https://{HOST}/v1", self.profile)

    @property
    def sign_ins(self) -> list[bool]:
        """Every sign-in that AvidXchange counts against the account: whether it was accepted."""
        return [sign_in.accepted for sign_in in self.world.access.sign_ins]

    @property
    def asked(self) -> int:
        """How many requests for a token were sent, whoever refused them."""
        return sum(request.method != "GET" for request in self.sent)

    def store(self, entry: str, value: str) -> None:
        """Put another value of a secret into the vault."""
        self.secrets.values[secret_name(PREFIX, entry)] = value

    def read(self) -> int:
        """One call, and how many rows it gave: 2."""
        return len(self.client.accounting_systems())

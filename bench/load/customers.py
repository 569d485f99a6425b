"""Many customers of one deployment, light to make: each a small firm with an environment of its own, all at one AvidXchange host."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sandbox.avid import AvidSystem
from sandbox.simulator.deployment import Deployment, deploy
from sandbox.simulator.seams import VirtualClock
from sandbox.web import Request, Response, System
from sandbox.worlds.model import World
from sandbox.worlds.property_firm import PropertyFirmSize, build_property_firm

AVID_HOST: Final = "avidconnect.example"
SMALL: Final = PropertyFirmSize(vendors=30, accounts=40, buildings=18, invoices=6, payments=4)
Document = dict[str, Any]  # Any: JSON


@dataclass
class OneHost:
    """AvidXchange for all customers: the company token says whose data is asked for."""

    systems: dict[str, System] = field(default_factory=dict)

    def handle(self, request: Request) -> Response:
        """The customer's answer; 401 for a token that nobody has."""
        system = self.systems.get(request.headers.get("companytoken", ""))
        return Response(401) if system is None else system.handle(request)


def name_of(number: int) -> str:
    """The id of a customer's connection."""
    return f"c{number:03d}"


def environment_of(number: int) -> str:
    """The host of a customer's D365."""
    return f"{name_of(number)}.operations.dynamics.com"


def make_customer(number: int, clock: VirtualClock, size: PropertyFirmSize = SMALL, companies: int = 1) -> World:
    """A firm under names of its own. Only its first companies are connected, so that a run is short."""
    world = build_property_firm(number, clock.now(), size=size, now=clock.now)
    name = name_of(number)
    world.d365.environment_url = f"https://{environment_of(number)}"
    world.d365.tenant = f"{name}.example"
    world.avid.host, world.avid.company_token, world.avid.user_token = AVID_HOST, f"{name}-company", f"{name}-user"
    facts = world.connection
    world.connection = {
        **facts,
        "id": name,
        "name": f"Customer {number}",
        "tenant": world.d365.tenant,
        "environment_url": world.d365.environment_url,
        "avid_host": AVID_HOST,
        "company_token": world.avid.company_token,
        "user_token": world.avid.user_token,
        "companies": facts["companies"][:companies],
    }
    return world


def deploy_customers(
    clock: VirtualClock,
    count: int,
    *,
    size: PropertyFirmSize = SMALL,
    sizes: Mapping[int, PropertyFirmSize] | None = None,
    companies: int = 1,
) -> Deployment:
    """A deployment with that many customers under the schedules that a connection has by default; `sizes` for the unlike ones."""
    made, together = deploy(clock), OneHost()
    for number in range(count):
        world = make_customer(number, clock, (sizes or {}).get(number, size), companies)
        made.add(world)
        together.systems[world.avid.company_token] = AvidSystem(world.avid)
        amend(made, name_of(number), lambda document: document.pop("schedules"))
    made.network.mount(AVID_HOST, together)
    return made


def amend(made: Deployment, connection: str, change: Callable[[Document], object]) -> None:
    """Change a stored connection document."""
    connections = made.worker().connections
    stored = connections.read(connection)
    assert stored is not None
    document: Document = json.loads(stored.text)
    change(document)
    connections.put(json.dumps(document))

"""The HTTP face of the sandbox's AvidXchange: who may call, which address is which resource."""

import re
from collections.abc import Callable
from typing import TypeAlias

from sandbox.avid.access import TOKEN_PATH, Door, GatewayRefused
from sandbox.avid.documents import Documents
from sandbox.avid.reference import Reference
from sandbox.avid.wire import RefusedError, refuse
from sandbox.avid.world import AvidWorld
from sandbox.web import Request, Response

Handler: TypeAlias = Callable[..., Response]


class AvidSystem:
    """AvidXchange under its host (contracts/avidxchange.md). Requests are answered one after another."""

    def __init__(self, world: AvidWorld) -> None:
        self.world = world
        self._door = Door(world.switches, world.access, world.now)
        reference, documents = Reference(world), Documents(world)
        routes: list[tuple[str, dict[str, Handler]]] = [
            (r"/accountingSystems", {"GET": reference.accounting_systems}),
            (r"/vendors", {"GET": reference.vendors, "POST": reference.write_vendors}),
            (r"/enterpriseCodeGroups", {"GET": reference.code_groups}),
            (r"/enterpriseCodes", {"GET": reference.codes, "POST": reference.write_codes}),
            (r"/invoices/batches/closed/acctgSysId/(\d+)", {"GET": documents.closed_batches}),
            (r"/invoices/batches/([0-9a-f-]{36})/fullDetails", {"GET": documents.full_details}),
            (r"/invoices/batches/exportHistories", {"POST": documents.acknowledge}),
            (r"/payments", {"GET": documents.payments}),
            (r"/payments/(\d+)/remittances", {"GET": documents.remittances}),
        ]
        self._routes = [(re.compile(f"/v1{path}"), methods) for path, methods in routes]

    def handle(self, request: Request) -> Response:
        """Answer one request; what is refused comes in the application's error envelope."""
        try:
            with self.world.lock:
                return self._route(request)
        except GatewayRefused as refusal:
            return refusal.response
        except RefusedError as refusal:
            return refuse(refusal, self.world.switches.error_bodies)

    def _route(self, request: Request) -> Response:
        if request.host.lower() != self.world.host.lower():
            raise RefusedError(404, f"No service answers under {request.host}.")
        if request.path == f"/v1{self.world.switches.sign_in_path}" and self.world.switches.auth == "two_layer":
            return self._door.sign_in(request)
        self._door.check(request, self.world.company_token, self.world.user_token)
        for pattern, methods in self._routes:
            match = pattern.fullmatch(request.path)
            if match is None:
                continue
            if request.method not in methods:
                raise RefusedError(405, f"{request.method} is not allowed here; use {' or '.join(methods)}.")
            return methods[request.method](request, *match.groups())
        raise RefusedError(404, f"There is no resource {request.path}.")


class AvidTokens:
    """The host that gives out tokens for client credentials: `sign-in.` before AvidXchange's own."""

    def __init__(self, world: AvidWorld) -> None:
        self.world = world
        self._door = Door(world.switches, world.access, world.now)

    def handle(self, request: Request) -> Response:
        """POST with client id and client secret; everything else is 404."""
        with self.world.lock:
            return self._door.sign_in(request) if request.path == TOKEN_PATH else Response(404)

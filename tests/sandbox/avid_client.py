"""A plain caller of the sandbox's AvidXchange: signed in, JSON in and out with exact numbers."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sandbox.avid import AvidSystem, AvidWorld
from sandbox.avid.wire import Json, dump
from sandbox.web import Request, Response

Loaded = Any
"""What json.loads gives; the tests look into it by hand."""


class Caller:
    """Requests to one AvidXchange with its tokens."""

    def __init__(self, world: AvidWorld) -> None:
        self.world = world
        self.system = AvidSystem(world)

    @property
    def tokens(self) -> dict[str, str]:
        """The headers of the default auth profile."""
        return {"companytoken": self.world.company_token, "usertoken": self.world.user_token}

    def send(self, method: str, target: str, body: Json = None, headers: Mapping[str, str] | None = None) -> Response:
        """One request, whatever comes of it."""
        content = b"" if body is None else dump(body).encode()
        return self.system.handle(Request(method, self.world.host, target, self.tokens if headers is None else headers, content))

    def get(self, target: str) -> Loaded:
        """A read that must succeed."""
        return loaded(self.send("GET", target), 200)

    def post(self, target: str, body: Json) -> Loaded:
        """The results of a write that must be answered 200."""
        return loaded(self.send("POST", target, body), 200)["Results"]

    def refused(self, method: str, target: str, status: int, body: Json = None) -> str:
        """The detail of the error envelope of a request that must be refused."""
        detail = loaded(self.send(method, target, body), status)["exception"]["detail"]
        assert isinstance(detail, str)
        return detail

    def all(self, target: str) -> list[Loaded]:
        """All items of a paged list, following the next links."""
        items: list[Loaded] = []
        while target:
            page = self.get(target)
            items += page["Items"]
            links = [link["Href"] for link in page["Paging"]["Links"] if link["Rel"] == "next"]
            target = links[0].removeprefix(f"https://{self.world.host}") if links else ""
        return items


def loaded(response: Response, status: int) -> Loaded:
    """The JSON body of an answer that must have this status; amounts are Decimal."""
    assert response.status == status, response.body
    return json.loads(response.body, parse_float=Decimal)

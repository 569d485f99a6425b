"""Nothing that AvidXchange is told, and nothing that a person reads of its fields, has a name from anywhere but the profile."""

import re
from collections.abc import Callable

import pytest

from sandbox.avid.dialect import Dialect
from sandbox.avid.dialects import Document, leaves, shipped_document
from sandbox.web import Request, Response
from sync.engine.cases import places
from sync.ledger.model import Failure
from tests.support.deliveries import Firm
from tests.support.dialects import speaking

pytestmark = pytest.mark.shipped_names("it looks for them in a dialect of its own")

SHORT = 3
"""Names up to this length stand in any text."""


def shipped_names(*sections: str) -> set[str]:
    """The words of the shipped names: paths by segment, fields by part."""
    document = {section: entries for section, entries in shipped_document().items() if section in sections}
    found = {part for _, value in leaves(document) if isinstance(value, str) for part in re.split(r"[./{}]", value)}
    return {name for name in found if len(name) > SHORT}


class Overheard(Dialect):
    """Remembers every request as the connector sent it."""

    def __init__(self, spoken: Document) -> None:
        super().__init__(spoken)
        self.requests: list[Request] = []

    def heard(self, request: Request) -> tuple[Request, Callable[[Response], Response]]:
        self.requests.append(request)
        return super().heard(request)


@pytest.fixture(scope="module")
def told() -> tuple[list[Request], list[Failure]]:
    """What went to the firm's AvidXchange in two cycles, and every cause that was open then."""
    dialect = Overheard.scrambled(3)
    with speaking(dialect):
        firm = Firm.build()
    firm.cycle()
    firm.cycle(minutes=30)
    stored = firm.app.connections.read(firm.world.connection["id"])
    assert stored is not None
    assert stored.connection is not None
    return dialect.requests, [failure for place in places(stored.connection) for failure in firm.app.ledger.failures(place)]


def test_every_request_speaks_the_dialect_of_the_connection(told: tuple[list[Request], list[Failure]]) -> None:
    requests, _ = told
    names = shipped_names("paths", "query", "headers", "fields")
    assert len(requests) > 30
    assert {request.method for request in requests} & {"PUT", "PATCH"}
    for request in requests:
        words = {*re.split(r"[^A-Za-z0-9]+", f"{request.target.partition('/v1/')[2]} {' '.join(request.headers)}")}
        words |= {*re.findall(r'"(\w+)":', request.body.decode())}
        assert not words & names, request


def test_a_cause_names_the_field_as_avidxchange_calls_it(told: tuple[list[Request], list[Failure]]) -> None:
    _, failures = told
    fields = {failure.cause.field for failure in failures} - {""}
    assert fields
    assert not fields & {name for _, name in leaves(shipped_document()["fields"])}

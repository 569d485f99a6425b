"""`ping`: reach both systems with the customer's credentials and say whether they fit (design §5).

The checks of D365 are in `ping_d365.py`, those of AvidXchange in `ping_avid.py`; none stops at the first problem. Nothing is written,
unless the write check of `write_check.py` is asked for.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from sync.app import App
from sync.connections.document import Company, Connection
from sync.d365.auth import EntraAuthorizer
from sync.errors import SyncError
from sync.ledger.model import Failure, Place
from sync.verbs.finding import the_connection
from sync.verbs.lines import Line, Verdict, guarded, look, not_ok, ok
from sync.verbs.ping_avid import AvidChecks
from sync.verbs.ping_d365 import D365Checks
from sync.verbs.write_check import PART, Order, write_check


@dataclass(frozen=True)
class Ping:
    """What was found of one connection."""

    connection: str
    fits: bool
    lines: tuple[Line, ...]

    def count(self, verdict: Verdict) -> int:
        """How many lines say so."""
        return sum(line.verdict is verdict for line in self.lines)


def ping(app: App, connection_id: str, shown: Callable[[Line], None] = lambda _: None, order: Order | None = None) -> Ping:
    """All checks, each line given to `shown` when it is known; with an order the write check after them.

    FixConfiguration when there is no such connection, or when it has no such company.
    """
    connection = the_connection(app, connection_id)
    if order is not None and order.company:
        connection.company(order.company)
    lines: list[Line] = []
    for line in _lines(app, connection, order):
        lines.append(line)
        shown(line)
    return Ping(connection_id, all(line.verdict is not Verdict.NOT_OK for line in lines), tuple(lines))


def _lines(app: App, connection: Connection, order: Order | None) -> Iterator[Line]:
    yield from _secrets(app, connection)
    try:
        systems = app.systems(connection)
    except SyncError as error:
        yield not_ok("AvidXchange profile", error.sentence)
        return
    signed_in: list[Line] = []
    for line in guarded("D365 sign-in", lambda: _d365_sign_in(app, connection)):
        signed_in.append(line)
        yield line
    d365_answers = all(line.verdict is Verdict.OK for line in signed_in)
    if d365_answers:
        yield from D365Checks(connection, systems.d365).lines()
    else:
        yield look("D365", "Nothing else of D365 could be checked, because the sign-in does not work.")
    yield from AvidChecks(connection, systems.avid, app.ports.clock.now().date(), partial(_drift, app, connection)).lines()
    if order is not None and d365_answers:
        yield from guarded(PART, lambda: write_check(app, connection, systems.d365, order))


def _drift(app: App, connection: Connection, company: Company) -> list[Failure]:
    """What the runs read back of the company's vendors that was not as sent."""
    open_cases = app.ledger.failures(Place(connection.id, "vendors", company.id))
    return [failure for failure in open_cases if failure.cause.code == "drift"]


def _secrets(app: App, connection: Connection) -> Iterator[Line]:
    of_avid = {f"avidxchange.auth.{entry}": name for entry, name in connection.avidxchange.auth.secrets.items()}
    names = {"d365.sign_in": connection.d365.secret, **of_avid}
    for field, name in names.items():
        if name:
            yield from guarded("secrets", partial(_secret, app, field, name))


def _secret(app: App, field: str, name: str) -> Iterator[Line]:
    app.secrets.forget(name)
    app.secrets.get(name)
    yield ok("secrets", f"{field}: the secret {name} is there.")


def _d365_sign_in(app: App, connection: Connection) -> Iterator[Line]:
    EntraAuthorizer(app.ports, app.gates, app.secrets, app.identity, connection.d365).headers()
    yield ok("D365 sign-in", f"Entra ID gives a token for {connection.d365.environment_url}.")

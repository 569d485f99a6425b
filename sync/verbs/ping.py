"""`ping`: reach both systems with the customer's credentials and say whether they fit (design §5). Nothing is written.

The checks of D365 are in `ping_d365.py`, those of AvidXchange in `ping_avid.py`; none stops at the first problem.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from sync.app import App
from sync.connections.document import Connection
from sync.d365.auth import EntraAuthorizer
from sync.errors import SyncError
from sync.verbs.finding import the_connection
from sync.verbs.lines import Line, Verdict, guarded, look, not_ok, ok
from sync.verbs.ping_avid import AvidChecks
from sync.verbs.ping_d365 import D365Checks


@dataclass(frozen=True)
class Ping:
    """What was found of one connection."""

    connection: str
    fits: bool
    lines: tuple[Line, ...]

    def count(self, verdict: Verdict) -> int:
        """How many lines say so."""
        return sum(line.verdict is verdict for line in self.lines)


def ping(app: App, connection_id: str, shown: Callable[[Line], None] = lambda _: None) -> Ping:
    """All checks, each line given to `shown` when it is known. FixConfiguration when there is no such connection."""
    lines: list[Line] = []
    for line in _lines(app, the_connection(app, connection_id)):
        lines.append(line)
        shown(line)
    return Ping(connection_id, all(line.verdict is not Verdict.NOT_OK for line in lines), tuple(lines))


def _lines(app: App, connection: Connection) -> Iterator[Line]:
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
    if all(line.verdict is Verdict.OK for line in signed_in):
        yield from D365Checks(connection, systems.d365).lines()
    else:
        yield look("D365", "Nothing else of D365 could be checked, because the sign-in does not work.")
    yield from AvidChecks(connection, systems.avid, app.ports.clock.now().date()).lines()


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

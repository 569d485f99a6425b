"""A connection document with some of its parts replaced."""

import json

from sync.connections.document import Connection, parse_connection


def amended(connection: Connection, **parts: object) -> Connection:
    """The connection with other top-level parts: `vendors={"groups": ["TRADE"]}`. FixConfiguration when the document is not valid then."""
    return parse_connection(json.dumps({**connection.model_dump(mode="json"), **parts}))

"""`pause` and `resume`: a connection, or one stage of it. A change of the connection document, so it holds until it is taken back."""

import json
from dataclasses import dataclass

from sync.app import App
from sync.connections.document import Connection
from sync.verbs.finding import stored_connection, the_connection


@dataclass(frozen=True)
class Paused:
    """How the connection and its stages stand now. A run under way ends its slice first."""

    connection: str
    paused: bool
    paused_stages: tuple[str, ...]


def set_paused(app: App, connection_id: str, *, paused: bool, stage: str | None = None) -> Paused:
    """Pause or resume. FixConfiguration when there is no such connection or stage, StorageConflict when it is changed in this moment."""
    if stage is None:
        app.connections.set_paused(connection_id, paused)
    else:
        _set_stage(app, the_connection(app, connection_id), app.stage(stage).name, paused=paused)
    now = the_connection(app, connection_id)
    stages = tuple(item.name for item in app.stages if now.schedules.of(item.name).paused)
    return Paused(now.id, now.paused, stages)


def _set_stage(app: App, connection: Connection, stage: str, *, paused: bool) -> None:
    stored = stored_connection(app, connection.id)
    document = json.loads(stored.text)
    schedules = document.get("schedules") or {}
    usual = {"every_minutes": connection.schedules.of(stage).every_minutes}
    schedules[stage] = {**usual, **(schedules.get(stage) or {}), "paused": paused}
    text = json.dumps({**document, "schedules": schedules}, ensure_ascii=False, indent=2)
    app.connections.put(text, etag=stored.etag)

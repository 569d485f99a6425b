"""`replay`: ask for records to be tried again. The app does it through its queue; nothing is written to a target here (design §2)."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from sync.app import App
from sync.engine.retries import selected
from sync.errors import FixConfiguration
from sync.messages import Replay, Selection, encode
from sync.storage.names import REPLAYS
from sync.verbs.finding import check_reason, the_connection


@dataclass(frozen=True)
class ReplayResult:
    """How many records are selected now, by stage, and the job that is in their audit trail. No job: nothing was selected or asked for."""

    connection: str
    selected: Mapping[str, int]
    job: str

    @property
    def count(self) -> int:
        """All stages together."""
        return sum(self.selected.values())


def selection_of(fields: Mapping[str, str | None]) -> Selection:
    """The selection that a person wrote. FixConfiguration names every field that is wrong."""
    try:
        return Selection.model_validate_json(_json(fields))
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}".removeprefix(": ").replace("Value error, ", "")
            for item in error.errors(include_url=False, include_input=False)
        ]
        raise FixConfiguration(f"The selection is not valid: {'; '.join(problems)}.", field="selection") from None


def _json(fields: Mapping[str, str | None]) -> str:
    return json.dumps({name: value for name, value in fields.items() if value is not None})


def replay(app: App, connection_id: str, selection: Selection, *, reason: str, requested_by: str) -> ReplayResult:
    """Count what is selected now and put the message. Records at rest are never selected.

    FixConfiguration when there is no such connection, or the reason is empty or too long.
    """
    connection = the_connection(app, connection_id)
    check_reason(reason)
    message = Replay(connection=connection.id, selection=selection, reason=reason, requested_by=requested_by, job=app.ports.ids.new())
    counted = Counter(record.place.stage for _, record in selected(app, connection, message))
    if not counted:
        return ReplayResult(connection.id, {}, "")
    app.ports.queues.put(REPLAYS, encode(message))
    return ReplayResult(connection.id, dict(counted), message.job)

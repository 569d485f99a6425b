"""Queue messages: what is written is read back, what is wrong is named."""

import json
from datetime import UTC, datetime

import pytest

from sync.errors import Bug, FixData
from sync.ledger.model import State
from sync.messages import RecordRetry, Replay, Selection, StageRun, connection_of, decode, encode

ID = "0123456789abcdef" * 2
RUN = StageRun(connection="contoso", stage="vendors", run=ID, token=ID, slice=3, tries=1, counts={"read": 5}, job=ID)


def test_every_kind_of_message_is_read_back_as_it_was_written() -> None:
    assert decode(StageRun, encode(RUN)) == RUN
    retry = RecordRetry(connection="contoso", stage="invoices", company="usmf", key=ID, job=ID)
    assert decode(RecordRetry, encode(retry)) == retry
    selection = Selection(state=State.PARKED, cause="vendor-missing", since=datetime(2026, 3, 1, tzinfo=UTC))
    replay = Replay(connection="contoso", selection=selection, reason="fixed", requested_by="ann", job=ID)
    assert decode(Replay, encode(replay)) == replay


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", "body"),
        ("not json", "body"),
        ("[]", "body"),
        ("{}", "connection"),
        (encode(RUN).replace("vendors", "vendor"), "stage"),
        (encode(RUN).replace('"slice":3', '"slice":"3"'), "slice"),
        (encode(RUN).replace('"slice":3', '"slice":0'), "slice"),
        (encode(RUN).replace('"slice":3', '"slcie":3'), "slcie"),
        (encode(RUN).replace("contoso", "Con toso"), "connection"),
    ],
)
def test_a_malformed_message_names_its_queue_and_field(body: str, says: str) -> None:
    with pytest.raises(FixData) as error:
        decode(StageRun, body)
    assert "stage-runs" in error.value.sentence
    assert f"{says}: " in error.value.sentence
    assert error.value.causes[0].code == "poison"


@pytest.mark.parametrize(
    ("selection", "says"),
    [({}, "at least one"), ({"cause": "bad-luck"}, "bad-luck"), ({"since": "2026-03-01T00:00:00"}, "zone"), ({"state": "lost"}, "state")],
)
def test_a_replay_must_select_something_that_there_is(selection: dict[str, str], says: str) -> None:
    body = json.dumps({"connection": "contoso", "selection": selection, "reason": "r", "requested_by": "a", "job": ID})
    with pytest.raises(FixData, match=says):
        decode(Replay, body)


def test_a_message_larger_than_a_queue_takes_is_never_sent() -> None:
    with pytest.raises(Bug):
        encode(RUN.model_copy(update={"counts": {f"count number {number}": number for number in range(5_000)}}))


@pytest.mark.parametrize(("body", "name"), [(encode(RUN), "contoso"), ("[1]", ""), ('{"connection": 5}', ""), ("[" * 50_000, ""), ("", "")])
def test_the_connection_of_any_body(body: str, name: str) -> None:
    assert connection_of(body) == name

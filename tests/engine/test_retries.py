"""Record retries, replays and poison messages: they mark what is due and ask for a run, and nothing disappears."""

from datetime import timedelta

import pytest

from sync.causes import Cause
from sync.engine.cases import NO_CONNECTION, POISON
from sync.engine.retries import keep_poison, replay, retry_record
from sync.ledger.model import NewRecord, Place, Record, State, Step
from sync.messages import RecordRetry, Replay, Selection, decode
from sync.storage.names import REPLAYS, STAGE_RUNS
from sync.values import digest
from tests.engine.stage_bench import StageBench, document

PLACE = Place("contoso", "invoices", "usmf")
MISSING = Cause("vendor-missing", "vendor US-1", "Vendor US-1 does not exist.")


@pytest.fixture
def bench() -> StageBench:
    """A connection, nothing in its ledger."""
    bench = StageBench()
    bench.app.connections.put(document())
    return bench


def noted(bench: StageBench, name: str, *, place: Place = PLACE, state: State = State.PARKED, days: int = 3) -> Record:
    """A record that is due in some days (or at rest)."""
    due = None if state is State.POSTED else bench.clock.now() + timedelta(days=days)
    causes = (MISSING,) if state is State.PARKED else ()
    new = NewRecord(digest(name), f"invoice {name}", name, digest("v", name), "{}", {}, state=state, due=due, causes=causes)
    [record] = bench.app.ledger.note(place, [new], "r" * 32, Step("found", "Found."))
    return record


def due_now(bench: StageBench, place: Place = PLACE) -> set[str]:
    """The keys of the records that are due."""
    return {work.key for work in bench.app.ledger.due(place, bench.clock.now())}


def asked(selection: Selection, **changes: object) -> Replay:
    """A person's request."""
    message = Replay(connection="contoso", selection=selection, reason="vendor was created", requested_by="ann", job=digest("job"))
    return message.model_copy(update=changes)


def retry(record: Record, job: str = "") -> RecordRetry:
    """The message of a record whose time has come."""
    place = record.place
    return RecordRetry(connection=place.connection, stage=place.stage, company=place.company, key=record.key, job=job or record.job)


def test_a_retried_record_is_due_and_its_stage_runs_even_outside_its_interval(bench: StageBench) -> None:
    record = noted(bench, "1", state=State.RETRYING)
    assert record.due is not None
    bench.clock.advance(seconds=(record.due - bench.clock.now()).total_seconds())
    assert retry_record(bench.app, retry(record)) == "due"
    assert due_now(bench) == {record.key}
    [message] = bench.waiting()
    assert (message.stage, message.forced) == ("invoices", True)


def test_many_records_that_are_due_ask_for_one_run(bench: StageBench) -> None:
    records = [noted(bench, str(number), state=State.RETRYING) for number in range(5)]
    bench.clock.advance(days=30)
    outcomes = [retry_record(bench.app, retry(record)) for record in records]
    assert outcomes == ["due", *["due: a run of its stage waits or is under way"] * 4]
    assert len(bench.waiting()) == 1


@pytest.mark.parametrize("case", ["other job", "at rest", "missing", "not yet due"])
def test_a_retry_with_nothing_to_do_does_nothing(bench: StageBench, case: str) -> None:
    record = noted(bench, "1", state=State.POSTED if case == "at rest" else State.RETRYING)
    if case in ("other job", "missing"):
        bench.clock.advance(days=30)
    message = retry(record, job="f" * 32 if case == "other job" else "")
    if case == "missing":
        message = message.model_copy(update={"key": "e" * 32})
    assert "nothing to do" in retry_record(bench.app, message)
    assert bench.waiting() == []
    assert len(bench.app.ledger.history(PLACE, record.key)) == 1


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        (Selection(key=digest("1")), {"1"}),
        (Selection(state=State.PARKED), {"1", "2"}),
        (Selection(cause="vendor-missing"), {"1", "2"}),
        (Selection(stage="invoices"), {"1", "2", "3"}),
        (Selection(company="USSI"), set()),
        (Selection(stage="payments"), set()),
    ],
)
def test_a_replay_makes_what_is_selected_due_and_says_who_asked(bench: StageBench, selection: Selection, names: set[str]) -> None:
    for name, state in (("1", State.PARKED), ("2", State.PARKED), ("3", State.RETRYING), ("4", State.POSTED)):
        noted(bench, name, state=state)
    replay(bench.app, asked(selection))
    assert due_now(bench) == {digest(name) for name in names}
    for name in names:
        last = bench.app.ledger.history(PLACE, digest(name))[-1]
        assert last.step.note == "ann asked to try again: vendor was created"
    assert [message.stage for message in bench.waiting()] == (["invoices"] if names else [])


def test_a_replay_selects_by_when_a_record_last_changed(bench: StageBench) -> None:
    noted(bench, "old")
    bench.clock.advance(hours=1)
    since = bench.clock.now()
    new = noted(bench, "new")
    replay(bench.app, asked(Selection(since=since)))
    assert due_now(bench) == {new.key}


def test_a_replay_leaves_a_record_alone_that_a_worker_is_about_to_write(bench: StageBench) -> None:
    record = noted(bench, "1", state=State.CLAIMED)
    replay(bench.app, asked(Selection(key=record.key)))
    assert bench.app.ledger.get(PLACE, record.key) == record


def test_a_replay_that_is_too_long_goes_on_in_another_message_and_misses_none(bench: StageBench) -> None:
    places = (PLACE, Place("contoso", "invoices", "ussi"))
    records = [noted(bench, f"{place.company} {number}", place=place) for place in places for number in range(5)]
    bench.storage.before = lambda operation: bench.clock.advance(seconds=20 if operation.verb == "commit" else 0)
    message, rounds = asked(Selection(cause="vendor-missing")), 0
    while rounds < 20:
        rounds += 1
        replay(bench.app, message)
        waiting = bench.storage.queues.receive(REPLAYS, 600)
        if waiting is None:
            break
        bench.storage.queues.delete(REPLAYS, waiting)
        message = decode(Replay, waiting.body)
    assert rounds > 1
    assert {key for place in places for key in due_now(bench, place)} == {record.key for record in records}
    assert all(len(bench.app.ledger.history(record.place, record.key)) == 2 for record in records)


@pytest.mark.parametrize(
    ("body", "connection"),
    [
        ('{"connection": "contoso", "stage": "invoices"}', "contoso"),
        ('{"connection": "nobody"}', NO_CONNECTION),
        ('{"connection": ["x"]}', NO_CONNECTION),
        ("not json at all \\xff", NO_CONNECTION),
        ("[" * 20_000, NO_CONNECTION),
        ("", NO_CONNECTION),
    ],
)
def test_a_poison_message_is_kept_with_its_body_once(bench: StageBench, body: str, connection: str) -> None:
    for _ in range(2):
        keep_poison(bench.app, STAGE_RUNS, body)
    place = Place(connection, POISON)
    [failure] = bench.app.ledger.failures(place)
    record = bench.app.ledger.get(place, failure.key)
    assert record is not None
    assert bench.app.ledger.text(record.payload) == body
    assert (failure.cause.code, record.seq) == ("poison", 1)


def test_a_poison_message_that_comes_again_after_it_was_resolved_is_open_again(bench: StageBench) -> None:
    place = Place(NO_CONNECTION, POISON)
    keep_poison(bench.app, STAGE_RUNS, "x")
    [failure] = bench.app.ledger.failures(place)
    record = bench.app.ledger.get(place, failure.key)
    assert record is not None
    bench.app.ledger.move(record, Step("resolved", "Done."), run="r", state=State.RESOLVED, due=None, causes=())
    keep_poison(bench.app, STAGE_RUNS, "x")
    assert len(list(bench.app.ledger.failures(place))) == 1

"""What is due at a tick, and that ticks never pile up."""

from datetime import UTC, datetime, timedelta

import pytest

from sandbox.storage import Operation
from sync.connections.document import QuietHours, parse_connection
from sync.engine.cases import RUNS
from sync.engine.model import End
from sync.engine.schedule import LONGEST_WAIT, is_quiet, reason_to_wait, tick
from sync.errors import TryLater
from sync.ledger.model import Place
from sync.ledger.runs import Progress
from sync.storage.model import Row, Upsert
from tests.engine.stage_bench import StageBench, document

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def progress(minutes_ago: float | None) -> Progress:
    """A stage that started so long ago, or never."""
    return Progress("contoso", "invoices", last_started=None if minutes_ago is None else NOW - timedelta(minutes=minutes_ago))


@pytest.mark.parametrize(
    ("minutes_ago", "waits"),
    [(None, False), (0, True), (10, True), (13.9, True), (14.1, False), (15, False), (60, False), (-5, True)],
)
def test_a_stage_is_due_an_interval_after_its_last_start_give_or_take_a_tick(minutes_ago: float | None, waits: bool) -> None:
    connection = parse_connection(document())
    assert bool(reason_to_wait(connection, "invoices", progress(minutes_ago), NOW)) is waits


def test_an_interval_of_zero_is_due_at_every_tick() -> None:
    connection = parse_connection(document(schedules={"invoices": {"every_minutes": 0}}))
    assert reason_to_wait(connection, "invoices", progress(0), NOW) == ""


def test_an_interval_of_a_minute_is_not_due_at_once() -> None:
    connection = parse_connection(document(schedules={"invoices": {"every_minutes": 1}}))
    assert reason_to_wait(connection, "invoices", progress(0.1), NOW) != ""


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"paused": True}, "connection"),
        ({"schedules": {"invoices": {"every_minutes": 15, "paused": True}}}, "stage"),
        ({"schedules": {"quiet_hours": {"from_hour": 11, "until_hour": 14}}}, "14:00 UTC"),
    ],
)
def test_paused_and_quiet_wait_even_when_never_run(changes: dict[str, object], says: str) -> None:
    assert says in reason_to_wait(parse_connection(document(**changes)), "invoices", progress(None), NOW)


@pytest.mark.parametrize(
    ("first", "until", "quiet"),
    [(22, 6, {22, 23, 0, 1, 2, 3, 4, 5}), (1, 3, {1, 2}), (5, 5, set()), (23, 0, {23})],
)
def test_quiet_hours_may_run_over_midnight(first: int, until: int, quiet: set[int]) -> None:
    hours = QuietHours(from_hour=first, until_hour=until)
    assert {hour for hour in range(24) if is_quiet(hours, NOW.replace(hour=hour))} == quiet


def test_a_tick_puts_one_message_for_each_connection_that_is_due() -> None:
    bench = StageBench()
    for name in ("a-one", "b-two"):
        bench.app.connections.put(document(name))
    bench.app.connections.put(document("c-three", paused=True))
    assert tick(bench.app, "vendors") == ["a-one", "b-two"]
    messages = bench.waiting()
    assert [(message.connection, message.stage, message.slice, message.forced) for message in messages] == [
        ("a-one", "vendors", 1, False),
        ("b-two", "vendors", 1, False),
    ]
    assert len({message.token for message in messages} | {message.run for message in messages}) == 4


def test_ticks_do_not_pile_up_while_messages_wait_or_run() -> None:
    bench = StageBench()
    bench.app.connections.put(document(schedules={"vendors": {"every_minutes": 0}}))
    assert tick(bench.app, "vendors") == ["contoso"]
    assert tick(bench.app, "vendors") == []
    assert len(bench.waiting()) == 1
    for _ in range(5):
        bench.clock.advance(minutes=5)
        assert tick(bench.app, "vendors") == [], "the queue is slow, and the message still waits"
    # After half an hour it may have been lost: the first message to arrive works, the other is dropped.
    bench.clock.advance(seconds=LONGEST_WAIT - 25 * 60)
    assert tick(bench.app, "vendors") == ["contoso"]
    bench.work_all()
    assert bench.vendors.runs == ["contoso"]


def test_a_continuation_that_waits_long_gets_no_company() -> None:
    bench = StageBench()
    bench.app.connections.put(document(schedules={"vendors": {"every_minutes": 0}}))
    bench.vendors.script = [lambda _: End.MORE]
    tick(bench.app, "vendors")
    bench.work_one()
    bench.clock.advance(minutes=20)
    assert tick(bench.app, "vendors") == []
    assert len(bench.waiting()) == 1


def test_a_tick_that_dies_before_its_message_is_put_costs_one_tick() -> None:
    bench = StageBench()
    bench.app.connections.put(document())

    def die(operation: Operation) -> None:
        if operation.service == "queues":
            raise KeyboardInterrupt

    bench.storage.before = die
    with pytest.raises(KeyboardInterrupt):
        tick(bench.app, "vendors")
    bench.storage.before = lambda _: None
    bench.clock.advance(minutes=5)
    assert tick(bench.app, "vendors") == ["contoso"]


def test_a_message_is_durable_even_when_its_lease_cannot_be_kept() -> None:
    bench = StageBench()
    bench.app.connections.put(document())
    commits = 0

    def busy(operation: Operation) -> None:
        nonlocal commits
        commits += operation.verb == "commit"
        if commits == 2:
            raise TryLater("storage is busy")

    bench.storage.before = busy
    assert tick(bench.app, "vendors") == ["contoso"]
    assert commits == 2
    assert len(bench.waiting()) == 1


def test_a_broken_document_is_shown_once_and_the_others_go_on() -> None:
    bench = StageBench()
    bench.app.connections.put(document("good"))
    bench.storage.tables.commit("connections", "connections", [Upsert(Row("connections", "bad", {"Parts": 1, "Document0": "{"}))])
    for _ in range(2):
        tick(bench.app, "vendors")
    assert [message.connection for message in bench.waiting()] == ["good"]
    [failure] = bench.app.ledger.failures(Place("bad", RUNS))
    assert failure.cause.subject == "connection bad"
    assert len(bench.app.ledger.history(Place("bad", RUNS), failure.key)) == 1


def test_a_connection_whose_tick_fails_leaves_the_others_alone() -> None:
    bench = StageBench()
    for name in ("a-one", "b-two"):
        bench.app.connections.put(document(name))

    troubles = [TryLater("storage is busy")]

    def before(operation: Operation) -> None:
        if operation.target == "runs" and troubles:
            raise troubles.pop()

    bench.storage.before = before
    assert tick(bench.app, "vendors") == ["b-two"]

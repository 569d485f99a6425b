"""The runner of slices: leases, continuations, waiting, and what each kind of trouble leads to."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from sandbox.storage import Operation
from sync.connections.document import STAGES
from sync.engine.cases import RUNS, case_places
from sync.engine.model import End, Slice
from sync.engine.runner import run_stage
from sync.engine.schedule import new_run, tick
from sync.errors import FixConfiguration, SignInAgain, StorageConflict, SyncError, Throttled, TryLater
from sync.ledger.leases import LeaseLost
from sync.ledger.model import Place, State
from sync.messages import StageRun, encode
from sync.stages.registry import every_stage
from sync.storage.model import Row, Upsert, Value
from sync.storage.names import STAGE_RUNS
from tests.engine.stage_bench import StageBench, document, done

NAME = "contoso"


@pytest.fixture
def bench() -> StageBench:
    """One connection with two companies, nothing run yet."""
    bench = StageBench()
    bench.app.connections.put(document())
    return bench


def failing(error: Exception) -> Callable[[Slice], End]:
    """A stage that raises."""

    def work(_: Slice) -> End:
        raise error

    return work


def more(slice_: Slice) -> End:
    """A stage that counted something and is out of time."""
    slice_.report.count("read", 5)
    return End.MORE


def start(bench: StageBench, stage: str = "vendors", *, forced: bool = True) -> StageRun:
    """Put the first message of a run."""
    message = new_run(bench.app, NAME, stage, forced=forced)
    bench.storage.queues.put(STAGE_RUNS, encode(message))
    return message


def failures(bench: StageBench) -> list[str]:
    """The sentences in the failures list of the connection's cases."""
    return [failure.cause.sentence for place in case_places(NAME) for failure in bench.app.ledger.failures(place)]


def test_a_run_is_recorded_with_its_counts_and_frees_the_lease(bench: StageBench) -> None:
    def work(slice_: Slice) -> End:
        slice_.report.count("sent", 3)
        bench.clock.advance(seconds=7)
        return End.DONE

    bench.vendors.script = [work]
    message = start(bench)
    bench.work_one()
    [run] = bench.app.runs.latest(NAME, "vendors", 9)
    assert (run.id, run.counts, run.error) == (message.run, {"sent": 3}, "")
    assert run.finished_at == run.started_at + timedelta(seconds=7)
    progress = bench.app.runs.progress(NAME, "vendors")
    assert (progress.completed_at, progress.counts, progress.last_error) == (run.finished_at, {"sent": 3}, "")
    assert bench.app.leases.held_until(NAME, "vendors") is None


def test_a_slice_that_is_out_of_time_goes_on_under_the_same_token_and_keeps_the_lease(bench: StageBench) -> None:
    bench.vendors.script = [more, more, done]
    first = start(bench)
    bench.work_one()
    [second] = bench.waiting()
    assert (second.run, second.token, second.slice, second.counts) == (first.run, first.token, 2, {"read": 5})
    assert bench.app.leases.take(NAME, "vendors", "f" * 32, 90) is None
    bench.work_all()
    [run] = bench.app.runs.latest(NAME, "vendors", 9)
    assert run.counts == {"read": 10}
    assert run.finished_at is not None


def test_a_message_that_finds_the_lease_held_is_dropped(bench: StageBench) -> None:
    other = bench.app.leases.take(NAME, "vendors", "f" * 32, 90)
    assert other is not None
    start(bench)
    assert "lease" in (bench.work_one() or "")
    assert bench.vendors.runs == []
    assert bench.waiting() == []


def test_a_stage_has_until_the_slice_is_nearly_over(bench: StageBench) -> None:
    seen: list[bool] = []

    def work(slice_: Slice) -> End:
        for _ in range(2):
            bench.clock.advance(seconds=90)
            slice_.beat()
            seen.append(slice_.out_of_time)
        return End.DONE

    bench.vendors.script = [work]
    start(bench)
    bench.work_one()
    assert seen == [False, True]


def test_the_beat_keeps_the_lease_and_says_when_it_was_lost(bench: StageBench) -> None:
    def work(slice_: Slice) -> End:
        for _ in range(4):
            bench.clock.advance(seconds=60)
            slice_.beat()
        assert bench.app.leases.take(NAME, "vendors", "f" * 32, 90) is None
        bench.clock.advance(seconds=91)
        assert bench.app.leases.take(NAME, "vendors", "e" * 32, 90) is not None
        with pytest.raises(LeaseLost):
            slice_.beat()
        raise LeaseLost("gone")

    bench.vendors.script = [work]
    start(bench)
    assert "ended" in (bench.work_one() or "")
    assert bench.waiting() == []
    assert bench.app.leases.take(NAME, "vendors", "d" * 32, 90) is None
    assert bench.app.runs.progress(NAME, "vendors").last_finished is None


def test_invoices_wait_for_vendors_of_every_company_and_start_at_once_when_those_are_done(bench: StageBench) -> None:
    tick(bench.app, "invoices")
    bench.work_all()
    assert bench.invoices.runs == []
    assert bench.app.runs.progress(NAME, "invoices").last_error == "Waiting for vendors to complete once."
    assert bench.app.runs.progress(NAME, "invoices").last_started is None
    tick(bench.app, "vendors")
    bench.work_all()
    assert bench.invoices.runs == [NAME]
    assert bench.app.runs.progress(NAME, "invoices").last_error == ""


def test_one_company_that_never_completed_keeps_the_others_waiting(bench: StageBench) -> None:
    start(bench)
    bench.work_all()
    bench.invoices.runs.clear()
    progress = bench.app.runs.progress(NAME, "vendors", "ussi")
    bench.app.runs.save(replace(progress, completed_at=None))
    start(bench, "invoices")
    bench.work_all()
    assert bench.invoices.runs == []


def test_the_first_completion_only_starts_who_waited(bench: StageBench) -> None:
    start(bench)
    bench.work_all()
    assert bench.invoices.runs == [NAME]
    bench.clock.advance(minutes=40)
    start(bench)
    bench.work_all()
    assert bench.vendors.runs == [NAME, NAME]
    assert bench.invoices.runs == [NAME]


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (TryLater("busy", delay=120), 120),
        (TryLater("busy"), 30),
    ],
)
def test_a_busy_system_ends_the_run_which_goes_on_later(bench: StageBench, error: TryLater, seconds: int) -> None:
    bench.vendors.script = [failing(error), done]
    first = start(bench)
    bench.work_one()
    assert bench.app.runs.progress(NAME, "vendors").last_error == "busy"
    assert failures(bench) == []
    bench.clock.advance(seconds=seconds - 1)
    assert bench.work_one() is None
    bench.clock.advance(seconds=1)
    assert "done" in (bench.work_one() or "")
    [run] = bench.app.runs.latest(NAME, "vendors", 9)
    assert (run.id, run.error) == (first.run, "")


def test_a_throttled_run_goes_on_when_the_gate_opens_and_never_after_seven_days(bench: StageBench) -> None:
    opens = bench.clock.now() + timedelta(hours=2)
    bench.vendors.script = [failing(Throttled("busy", host="h", not_before=opens))]
    start(bench)
    bench.work_one()
    [message] = bench.storage.queues.messages(STAGE_RUNS)
    assert message.visible_at == opens
    bench.storage.queues.receive(STAGE_RUNS, 0)
    bench.clock.advance(hours=3)
    bench.work_all()
    later = bench.clock.now() + timedelta(days=8)
    bench.vendors.script = [failing(Throttled("busy", host="h", not_before=later))]
    start(bench)
    assert "schedule" in (bench.work_one() or "")
    assert bench.waiting() == []


def test_the_pause_grows_while_a_system_stays_busy_and_no_further_than_a_quarter_of_an_hour(bench: StageBench) -> None:
    bench.vendors.script = [failing(TryLater("busy"))] * 8
    start(bench)
    pauses = []
    for _ in range(8):
        bench.work_one()
        [message] = bench.storage.queues.messages(STAGE_RUNS)
        pauses.append((message.visible_at - bench.clock.now()).total_seconds())
        bench.clock.advance(seconds=pauses[-1])
    assert pauses == [30, 60, 120, 240, 480, 900, 900, 900]


def test_while_a_busy_run_waits_ticks_add_nothing(bench: StageBench) -> None:
    bench.vendors.script = [failing(TryLater("busy", delay=7_200))]
    for _ in range(20):
        tick(bench.app, "vendors")
        bench.work_all()
        bench.clock.advance(minutes=5)
    assert len(bench.waiting()) == 1
    bench.clock.advance(minutes=20)
    assert bench.work_all()[-1].startswith("done")
    assert len(bench.vendors.runs) == 2


def test_while_a_busy_run_waits_a_forced_one_takes_over_and_the_old_one_ends(bench: StageBench) -> None:
    bench.vendors.script = [failing(TryLater("busy", delay=7_200))] * 3
    for _ in range(3):
        start(bench, forced=True)
        bench.work_all()
        bench.clock.advance(minutes=30)
    assert len(bench.waiting()) == 3
    bench.clock.advance(hours=3)
    outcomes = bench.work_all()
    assert sum("a newer run took over" in outcome for outcome in outcomes) == 2
    assert len(bench.vendors.runs) == 4


def test_a_forced_run_does_not_wait_for_a_message_on_the_queue_but_for_one_that_is_worked_on(bench: StageBench) -> None:
    def forced_meanwhile(_: Slice) -> End:
        forced = new_run(bench.app, NAME, "vendors", forced=True)
        assert run_stage(bench.app, forced) == "dropped: another runner holds the lease"
        return End.MORE

    bench.vendors.script = [forced_meanwhile, done]
    tick(bench.app, "vendors")
    bench.work_one()
    bench.clock.advance(seconds=1)
    assert run_stage(bench.app, new_run(bench.app, NAME, "vendors", forced=True)).startswith("done")
    assert bench.work_all()[0] == "dropped: a newer run took over"


@pytest.mark.parametrize(
    "error", [FixConfiguration("The secret x does not exist.", field="x"), SignInAgain("The credentials were refused.")]
)
def test_a_wrong_setting_stands_in_the_failures_until_a_run_goes_well(bench: StageBench, error: SyncError) -> None:
    bench.vendors.script = [failing(error), failing(error)]
    for _ in range(2):
        start(bench)
        bench.work_all()
    assert failures(bench) == [error.sentence]
    assert bench.app.runs.progress(NAME, "vendors").last_error == error.sentence
    assert bench.app.leases.held_until(NAME, "vendors") is None
    assert tick(bench.app, "vendors") == []
    bench.clock.advance(minutes=30)
    assert tick(bench.app, "vendors") == [NAME]
    bench.work_all()
    assert failures(bench) == []
    records = list(bench.app.ledger.records(Place(NAME, RUNS)))
    assert [record.state for record in records] == [State.RESOLVED]
    assert [row.step.name for row in bench.app.ledger.history(Place(NAME, RUNS), records[0].key)] == ["failed", "recovered"]


def test_when_the_ledger_cannot_be_written_a_wrong_setting_still_shows_in_the_progress(bench: StageBench) -> None:
    def before(operation: Operation) -> None:
        if (operation.verb, operation.target) == ("commit", "ledger"):
            raise FixConfiguration("The audit key is not there.")

    bench.storage.before = before
    bench.vendors.script = [failing(FixConfiguration("The vault is not there."))]
    start(bench)
    assert bench.work_one() == "failed: The vault is not there."
    assert bench.app.runs.progress(NAME, "vendors").last_error == "The vault is not there."


def test_one_connection_with_a_wrong_secret_leaves_the_others_alone(bench: StageBench) -> None:
    bench.app.connections.put(document("other"))

    def work(slice_: Slice) -> End:
        if slice_.connection.id == NAME:
            raise FixConfiguration("wrong")
        return End.DONE

    bench.vendors.script = [work, work]
    assert tick(bench.app, "vendors") == [NAME, "other"]
    bench.work_all()
    assert bench.app.runs.progress("other", "vendors").completed_at is not None
    assert bench.app.runs.progress(NAME, "vendors").completed_at is None


def test_a_faster_worker_ends_the_run_quietly(bench: StageBench) -> None:
    bench.vendors.script = [failing(StorageConflict("changed"))]
    start(bench)
    assert "ended" in (bench.work_one() or "")
    assert bench.waiting() == []
    assert failures(bench) == []


def test_an_unknown_error_is_recorded_and_left_to_the_queue_which_can_go_on_with_it(bench: StageBench) -> None:
    bench.vendors.script = [failing(ZeroDivisionError("division by zero")), done]
    start(bench)
    with pytest.raises(ZeroDivisionError):
        bench.work_one()
    assert bench.app.runs.progress(NAME, "vendors").last_error == "ZeroDivisionError: division by zero"
    assert bench.app.leases.held_until(NAME, "vendors") is None
    assert "done" in (bench.work_one() or "")
    [run] = bench.app.runs.latest(NAME, "vendors", 9)
    assert run.error == ""


def test_a_repeated_message_of_a_run_that_is_done_does_nothing(bench: StageBench) -> None:
    message = start(bench)
    bench.work_all()
    bench.storage.queues.put(STAGE_RUNS, encode(message))
    assert "the run is done" in (bench.work_one() or "")
    assert bench.vendors.runs == [NAME]


def test_after_a_killed_worker_the_same_message_goes_on_with_the_run(bench: StageBench) -> None:
    class KilledError(BaseException):
        pass

    def killed(_: Slice) -> End:
        raise KilledError

    bench.vendors.script = [killed, done]
    message = start(bench, forced=False)
    with pytest.raises(KilledError):
        bench.work_one()
    assert bench.app.leases.held_until(NAME, "vendors") is not None
    assert "done" in (bench.work_one() or "")
    assert [run.id for run in bench.app.runs.latest(NAME, "vendors", 9)] == [message.run]


def test_two_workers_with_two_messages_never_work_on_one_stage_at_once(bench: StageBench) -> None:
    other = bench.worker(seed=1)
    outcomes: list[str | None] = []

    def work(_: Slice) -> End:
        outcomes.append(bench.work_one(other))
        return End.DONE

    bench.vendors.script = [work]
    start(bench)
    start(bench)
    bench.work_one()
    assert outcomes == ["dropped: another runner holds the lease"]
    assert bench.vendors.runs == [NAME]


@pytest.mark.parametrize(
    "changes",
    [{"paused": True}, {"schedules": {"vendors": {"every_minutes": 30, "paused": True}}}],
)
def test_what_is_paused_does_not_run_even_when_forced_and_frees_the_lease(bench: StageBench, changes: dict[str, object]) -> None:
    bench.app.connections.put(document(**changes))
    start(bench)
    assert bench.work_one() == "dropped: paused"
    assert bench.app.leases.held_until(NAME, "vendors") is None


def test_messages_of_a_removed_or_broken_connection_are_dropped_and_the_broken_one_is_shown(bench: StageBench) -> None:
    start(bench)
    bench.app.connections.remove(NAME)
    assert "removed" in (bench.work_one() or "")
    assert failures(bench) == []
    bench.app.connections.put(document())
    break_document(bench)
    start(bench)
    assert "not valid" in (bench.work_one() or "")
    assert len(failures(bench)) == 1
    assert "companies" in failures(bench)[0]


def test_a_message_that_is_dropped_for_a_broken_document_frees_the_stage_for_when_it_is_mended(bench: StageBench) -> None:
    tick(bench.app, "vendors")
    break_document(bench)
    assert "not valid" in (bench.work_one() or "")
    bench.app.connections.put(document())
    assert tick(bench.app, "vendors") == [NAME]


def break_document(bench: StageBench) -> None:
    """Store what no longer is a valid document, as an older version could have."""
    values: dict[str, Value] = {"Parts": 1, "Document0": '{"id": "contoso"}'}
    bench.storage.tables.commit("connections", "connections", [Upsert(Row("connections", NAME, values))])


def test_every_registered_stage_is_one_that_the_connection_document_knows_in_order() -> None:
    stages = every_stage()
    assert tuple(stage.name for stage in stages) == STAGES
    known: set[str] = set()
    for stage in stages:
        assert set(stage.after) <= known
        known.add(stage.name)

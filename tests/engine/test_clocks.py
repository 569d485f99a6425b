"""A worker whose clock differs from storage's does nothing."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from sandbox.simulator.seams import PlainAuditKeys, PlainIdentity, PlainSecrets, VirtualClock
from sync.app import App
from sync.engine.clocks import TOLERANCE, check_clock
from sync.engine.model import End, Slice
from sync.engine.schedule import new_run
from sync.errors import FixConfiguration
from sync.messages import encode
from sync.storage.names import STAGE_RUNS
from sync.triggers import Process
from tests.engine.stage_bench import SETTINGS, StageBench, document

SECOND = timedelta(seconds=1)


class OffClock:
    """A clock that is wrong by so much."""

    def __init__(self, right: VirtualClock, wrong_by: timedelta = timedelta(0)) -> None:
        self._right = right
        self.wrong_by = wrong_by

    def now(self) -> datetime:
        """The time as this clock shows it."""
        return self._right.now() + self.wrong_by


def worker(bench: StageBench, clock: OffClock) -> App:
    """A worker over the bench's storage with a clock of its own."""
    ports = replace(bench.app.ports, clock=clock)
    return App(ports, SETTINGS, PlainSecrets({}), PlainAuditKeys(), PlainIdentity(), (bench.vendors, bench.invoices))


def process_of(app: App) -> Process:
    """A process of that app."""
    process = Process()
    process.opened = lambda: app
    return process


@pytest.mark.parametrize("wrong_by", [timedelta(0), TOLERANCE, -TOLERANCE])
def test_a_clock_that_is_nearly_right_is_good_enough(wrong_by: timedelta) -> None:
    bench = StageBench()
    app = worker(bench, OffClock(bench.clock, wrong_by))
    assert process_of(app).ready() is app


@pytest.mark.parametrize(
    ("wrong_by", "sentence"),
    [
        (TOLERANCE + 3 * SECOND, r"32 seconds ahead of storage's"),
        (-TOLERANCE - 3 * SECOND, r"33 seconds behind storage's"),
        (timedelta(days=1), r"86399 seconds ahead of storage's"),
    ],
)
def test_a_wrong_clock_is_told_and_nothing_is_done(wrong_by: timedelta, sentence: str) -> None:
    bench = StageBench()
    app = worker(bench, OffClock(bench.clock, wrong_by))
    with pytest.raises(FixConfiguration, match=sentence) as caught:
        process_of(app).ready()
    assert caught.value.field == "clock"


def test_a_storage_that_answers_slowly_is_no_wrong_clock() -> None:
    bench = StageBench()
    bench.storage.before = lambda operation: bench.clock.advance(minutes=5) if operation.verb == "time" else None
    check_clock(bench.app.ports)
    bench.storage.before, bench.storage.after = bench.storage.after, bench.storage.before
    check_clock(bench.app.ports)


def test_a_clock_that_goes_wrong_in_the_middle_of_a_slice_ends_it() -> None:
    bench = StageBench()
    bench.app.connections.put(document())
    clock = OffClock(bench.clock)
    app = worker(bench, clock)

    def work(slice_: Slice) -> End:
        clock.wrong_by = timedelta(hours=2)
        slice_.beat()
        raise AssertionError("it went on")

    bench.vendors.script.append(work)
    bench.storage.queues.put(STAGE_RUNS, encode(new_run(app, "contoso", "vendors", forced=True)))
    assert "7199 seconds ahead" in (bench.work_one(app) or "")
    assert "7199 seconds ahead" in app.runs.progress("contoso", "vendors").last_error

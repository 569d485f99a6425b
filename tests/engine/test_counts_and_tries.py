"""What a run counts, and what a replay and a continuation begin anew."""

from datetime import timedelta

import pytest

from sync.engine.extras import on_request
from sync.engine.retries import replay
from sync.errors import TryLater
from sync.ledger.model import State, Step
from sync.messages import Selection
from tests.engine.stage_bench import StageBench, document
from tests.engine.test_retries import asked, noted
from tests.engine.test_runner import failing, more, start
from tests.support.mirrors import MirrorBench, Thing


@pytest.fixture
def bench() -> StageBench:
    bench = StageBench()
    bench.app.connections.put(document())
    return bench


def test_what_is_refused_because_it_stands_there_as_sent_counts_as_matched() -> None:
    bench = MirrorBench()
    bench.warehouse.stock("a")
    bench.run()
    bench.warehouse.stock("b")
    bench.shelf.known = {"b"}
    bench.shelf.put(Thing("b", "b"))
    counts = bench.run()
    assert (counts["matched"], counts["sent"], counts["parked"]) == (1, 0, 0)


def test_a_replay_asks_for_what_was_refused_beside_a_written_record(bench: StageBench) -> None:
    """An image that AvidXchange refused to give is tried again on request only: a replay is that request."""
    record = noted(bench, "1")
    refused = on_request("image")
    later = bench.clock.now() + timedelta(days=300)
    bench.app.ledger.move(record, Step("written", "Written."), run="r", state=State.WRITTEN, causes=(), due=later, progress=refused)
    assert replay(bench.app, asked(Selection(state=State.WRITTEN))) == "1 of invoices"
    replayed = bench.app.ledger.get(record.place, record.key)
    assert replayed is not None
    assert replayed.due == bench.clock.now()
    assert all(replayed.progress.get(mark) != value for mark, value in refused.items())


def test_a_run_that_goes_on_after_trouble_counts_its_tries_anew(bench: StageBench) -> None:
    """The pause after the next trouble is a short one again."""
    bench.vendors.script = [failing(TryLater("busy")), more]
    start(bench)
    bench.work_one()
    assert [message.tries for message in bench.waiting()] == [1]
    bench.clock.advance(hours=1)
    bench.work_one()
    assert [message.tries for message in bench.waiting()] == [0]

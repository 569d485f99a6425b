"""What only the log can say: an operator who reads it finds every trouble that stopped nothing else."""

import logging

import pytest

from sandbox.storage import Operation
from sync.engine.cases import POISON
from sync.engine.housekeeping import keep_house
from sync.engine.retries import keep_poison
from sync.engine.schedule import tick
from sync.errors import FixConfiguration, TryLater
from sync.ledger.model import Place
from sync.storage.names import STAGE_RUNS
from tests.engine.stage_bench import StageBench, document
from tests.engine.test_housekeeping import KilledError, killed
from tests.engine.test_runner import failing, start


@pytest.fixture
def bench() -> StageBench:
    bench = StageBench()
    bench.app.connections.put(document())
    return bench


def said(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    """Without the marks of where it belongs."""
    return [entry.getMessage().partition(" [")[0] for entry in caplog.records if entry.levelno == level]


def test_a_tick_that_fails_says_why(bench: StageBench, caplog: pytest.LogCaptureFixture) -> None:
    def before(operation: Operation) -> None:
        if operation.target == "runs":
            raise TryLater("The storage is busy.")

    bench.storage.before = before
    assert tick(bench.app, "vendors") == []
    assert said(caplog, logging.ERROR) == ["The tick failed; the next one tries again: The storage is busy."]


def test_a_stage_that_cannot_run_and_cannot_be_put_into_the_failures_says_both(bench: StageBench, caplog: pytest.LogCaptureFixture) -> None:
    def before(operation: Operation) -> None:
        if (operation.verb, operation.target) == ("commit", "ledger"):
            raise FixConfiguration("The audit key is not there.")

    bench.storage.before = before
    bench.vendors.script = [failing(FixConfiguration("The vault is not there."))]
    start(bench)
    bench.work_one()
    assert said(caplog, logging.ERROR) == [
        "The stage cannot run: The vault is not there. (no detail)",
        "The case could not be put into the failures: The audit key is not there.",
    ]


def test_housekeeping_says_what_it_found(bench: StageBench, caplog: pytest.LogCaptureFixture) -> None:
    bench.vendors.script = [killed]
    start(bench)
    with pytest.raises(KilledError):
        bench.work_one()
    bench.clock.advance(days=2)
    found = keep_house(bench.app)
    sentences = [f"{kind}: {sentence}" for kind, each in found.items() for sentence in each]
    assert sentences
    assert said(caplog, logging.WARNING)[-len(sentences) :] == sentences


def test_a_message_of_no_connection_is_kept_where_earlier_versions_kept_it(bench: StageBench) -> None:
    """Another name would hide what nobody has resolved yet."""
    keep_poison(bench.app, STAGE_RUNS, "x")
    assert len(list(bench.app.ledger.failures(Place("-", POISON)))) == 1

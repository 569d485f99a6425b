"""Seals of yesterday, runs whose worker died, stages that are overdue."""

import pytest

from sandbox.storage import Operation
from sync.engine.housekeeping import keep_house
from sync.engine.model import End, Slice
from sync.engine.schedule import tick
from sync.errors import TryLater
from sync.ledger.model import NewRecord, Place, Step
from sync.values import digest
from tests.engine.stage_bench import StageBench, document

PLACE = Place("contoso", "invoices", "usmf")


@pytest.fixture
def bench() -> StageBench:
    """A connection, nothing run yet."""
    bench = StageBench()
    bench.app.connections.put(document())
    return bench


class KilledError(BaseException):
    """The worker is gone."""


def killed(_: Slice) -> End:
    raise KilledError


def busy(_: Slice) -> End:
    raise TryLater("AvidXchange is busy.", delay=7_200)


def test_yesterday_is_sealed_once_an_hour_after_its_end_and_an_edit_shows(bench: StageBench) -> None:
    yesterday = bench.clock.now().date()
    new = NewRecord(digest("1"), "invoice 1", "1", digest("v"), "{}", {}, due=bench.clock.now())
    [record] = bench.app.ledger.note(PLACE, [new], "r", Step("found", "Found."))
    bench.clock.advance(hours=16)
    keep_house(bench.app)
    assert bench.app.seals.verify_seal(PLACE, yesterday) != []
    bench.clock.advance(hours=1)
    for _ in range(2):
        assert keep_house(bench.app)["unsealed"] == []
    assert bench.app.seals.verify_seal(PLACE, yesterday) == []
    bench.app.ledger.move(record, Step("later", "Today."), run="r", due=bench.clock.now())
    assert bench.app.seals.verify_seal(PLACE, yesterday) == []


def test_a_place_that_cannot_be_sealed_is_said_and_sealed_the_next_time(bench: StageBench) -> None:
    yesterday = bench.clock.now().date()

    def before(operation: Operation) -> None:
        if operation.verb == "append" and "contoso" in str(operation):
            raise TryLater("storage is busy")

    bench.storage.before = before
    bench.clock.advance(days=1)
    [sentence] = keep_house(bench.app)["unsealed"]
    assert "contoso|vendors|usmf" in sentence
    assert "storage is busy" in sentence
    bench.storage.before = lambda _: None
    assert keep_house(bench.app)["unsealed"] == []
    assert bench.app.seals.verify_seal(Place("contoso", "vendors", "usmf"), yesterday) == []


def test_a_run_whose_worker_died_is_said_once_its_lease_has_run_out(bench: StageBench) -> None:
    bench.vendors.script = [killed]
    tick(bench.app, "vendors")
    with pytest.raises(KilledError):
        bench.work_one()
    assert keep_house(bench.app)["dead"] == []
    bench.clock.advance(seconds=91)
    assert "vendors of contoso" in keep_house(bench.app)["dead"][0]


def test_a_stage_that_did_not_go_through_for_long_is_overdue_with_its_last_error(bench: StageBench) -> None:
    tick(bench.app, "vendors")
    bench.work_all()
    bench.clock.advance(minutes=55)
    assert keep_house(bench.app)["overdue"] == []
    bench.vendors.script = [busy]
    tick(bench.app, "vendors")
    bench.work_one()
    bench.clock.advance(minutes=36)
    [vendors] = [sentence for sentence in keep_house(bench.app)["overdue"] if sentence.startswith("vendors of contoso")]
    assert vendors.endswith("Last error: AvidXchange is busy.")
    bench.app.connections.put(document(paused=True))
    assert keep_house(bench.app)["overdue"] == []

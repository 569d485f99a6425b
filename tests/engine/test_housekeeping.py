"""Seals, retention, runs whose worker died, stages that are overdue."""

import logging
from dataclasses import replace

import pytest

from sandbox.storage import Operation
from sync.engine.housekeeping import keep_house
from sync.engine.model import End, Slice
from sync.engine.schedule import tick
from sync.errors import TryLater
from sync.ledger.model import NewRecord, Place, Record, State, Step
from sync.storage.model import Delete, Insert, Upsert
from sync.storage.names import LEDGER
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


def new_record(number: str, bench: StageBench) -> NewRecord:
    return NewRecord(digest(number), f"invoice {number}", number, digest("v"), "{}", {}, due=bench.clock.now())


def noted(bench: StageBench) -> Record:
    return bench.app.ledger.note(PLACE, [new_record("1", bench)], "r", Step("found", "Found."))[0]


def sealed(bench: StageBench) -> list[str]:
    return [line.day for line in bench.app.seals.chain("contoso").lines]


def test_yesterday_is_sealed_once_an_hour_after_its_end_and_the_log_names_the_seal(
    bench: StageBench, caplog: pytest.LogCaptureFixture
) -> None:
    yesterday, record = bench.clock.now().date(), noted(bench)
    bench.clock.advance(hours=16)
    keep_house(bench.app)
    assert sealed(bench) == []
    bench.clock.advance(hours=1)
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            assert keep_house(bench.app)["unsealed"] == []
    [line] = bench.app.seals.chain("contoso").lines
    assert line.day == yesterday.isoformat()
    named = [entry.getMessage() for entry in caplog.records if entry.getMessage().startswith("Sealed")]
    assert named == [f"Sealed {yesterday}: seal 1, code {line.mac} [connection=contoso]"]
    bench.app.ledger.move(record, Step("later", "Today."), run="r", due=bench.clock.now())
    assert bench.app.proof.day(PLACE, yesterday, bench.app.seals.chain("contoso")) == []


def test_what_cannot_be_sealed_is_said_and_sealed_the_next_time(bench: StageBench) -> None:
    noted(bench)

    def before(operation: Operation) -> None:
        if operation.verb == "append" and "contoso" in str(operation):
            raise TryLater("storage is busy")

    bench.storage.before = before
    bench.clock.advance(days=1)
    assert keep_house(bench.app)["unsealed"] == ["It stopped at contoso: storage is busy"]
    bench.storage.before = lambda _: None
    assert keep_house(bench.app)["unsealed"] == []
    assert len(sealed(bench)) == 1


def test_the_days_of_a_week_in_which_nobody_kept_house_are_sealed_afterwards(bench: StageBench) -> None:
    record = noted(bench)
    days = [bench.clock.now().date().isoformat()]
    for _ in range(6):
        bench.clock.advance(days=1)
        days.append(bench.clock.now().date().isoformat())
        record = bench.app.ledger.move(record, Step("later", "Later."), run="r", due=bench.clock.now())
    bench.clock.advance(days=2)
    keep_house(bench.app)
    assert sealed(bench) == days


def test_a_head_of_the_seals_that_is_not_ours_is_said_and_stops_nobody_else(bench: StageBench) -> None:
    bench.app.connections.put(document(id="another"))
    noted(bench)
    bench.clock.advance(days=2)
    keep_house(bench.app)
    tables = bench.storage.tables
    [row] = tables.scan(LEDGER, "contoso|seals|-")
    tables.commit(LEDGER, row.partition, [Upsert(replace(row, values={**row.values, "Number": 9}))])
    bench.app.ledger.note(Place("another", "invoices", "usmf"), [new_record("2", bench)], "r", Step("found", "Found."))
    bench.clock.advance(days=2)
    [told] = keep_house(bench.app)["unsealed"]
    assert "The row that names the last seal of contoso was changed" in told
    assert len(bench.app.seals.chain("another").lines) == 1


def test_audit_steps_older_than_the_setting_go_and_the_record_stays(bench: StageBench) -> None:
    record = noted(bench)
    bench.app.ledger.move(record, Step("posted", "Posted."), run="r", state=State.POSTED, due=None)
    bench.clock.advance(days=2_557)
    assert keep_house(bench.app)["kept"] == []
    assert len(bench.app.ledger.history(PLACE, record.key)) == 2
    bench.clock.advance(days=1)
    keep_house(bench.app)
    assert bench.app.ledger.history(PLACE, record.key) == []
    assert bench.app.ledger.get(PLACE, record.key) is not None
    assert [*bench.app.proof.everything(PLACE, bench.app.seals.chain("contoso"))] == []


def test_with_the_setting_0_audit_steps_stay_for_ever(bench: StageBench) -> None:
    record = noted(bench)
    bench.app.ledger.move(record, Step("posted", "Posted."), run="r", state=State.POSTED, due=None)
    bench.app.settings = bench.app.settings.model_copy(update={"audit_retention_days": 0})
    bench.clock.advance(days=36_000)
    keep_house(bench.app)
    keep_house(bench.app)
    assert len(bench.app.ledger.history(PLACE, record.key)) == 2


def test_audit_steps_that_do_not_fit_their_seal_stay_and_are_said(bench: StageBench) -> None:
    record = noted(bench)
    bench.clock.advance(days=2)
    keep_house(bench.app)
    tables = bench.storage.tables
    [entry] = tables.scan(LEDGER, PLACE.partition, "d:", "d;")
    tables.commit(LEDGER, PLACE.partition, [Delete(entry.key), Insert(replace(entry, key=entry.key[:-1] + "2"))])
    bench.clock.advance(days=2_600)
    [told] = keep_house(bench.app)["kept"]
    assert "are left alone: Steps of" in told
    assert len(bench.app.ledger.history(PLACE, record.key)) == 1


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

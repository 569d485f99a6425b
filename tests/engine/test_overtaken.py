"""What is done when another worker was faster, and small things that only show over many letters."""

import json
from dataclasses import replace

import pytest

from sandbox.storage import Operation
from sync.engine.attempt import FIRST_BACK_OFF_SECONDS
from sync.engine.retries import replay
from sync.errors import OutcomeUnknown, TryLater
from sync.ledger.model import State, Step
from sync.messages import Selection
from tests.engine.stage_bench import StageBench, document
from tests.engine.test_attempt import office, once
from tests.engine.test_deliver import parked
from tests.engine.test_retries import asked, noted
from tests.support.letters import ENVELOPE, PLACE, STAMP, PostOffice

MEANWHILE = Step("meanwhile", "Another worker moved it.")


def overtake(it: PostOffice) -> None:
    """Another worker moves letter a while this one looks for it."""
    it.box.on_look = lambda *_: None
    it.ledger.move(it.record(), MEANWHILE, run="other")


def test_a_letter_that_another_worker_moved_is_left_to_that_worker() -> None:
    """Its second key is nobody's: that is no twin, and nothing for a person to mend."""
    it = office()
    it.post.aliases["a"] = "second key"
    it.box.on_look = lambda *_: overtake(it)
    it.run()
    assert (it.record().state, it.record().causes, it.box.sent) == (State.FOUND, (), [])
    it.run(minutes=1)
    assert it.record().state is State.WRITTEN


@pytest.mark.parametrize("others", [1, 3])
def test_a_replay_leaves_a_record_that_a_worker_has_in_hand_to_that_worker(others: int) -> None:
    bench = StageBench()
    bench.app.connections.put(document())
    records = [noted(bench, str(number)) for number in range(1 + others)]
    busy = min(records, key=lambda record: record.key)

    def first_write(operation: Operation) -> None:
        if (operation.service, operation.verb) == ("tables", "commit"):
            bench.storage.before = lambda _: None
            bench.app.ledger.move(busy, MEANWHILE, run="other")

    bench.storage.before = first_write
    assert replay(bench.app, asked(Selection(state=State.PARKED))) == f"{others} of invoices"
    assert [row.step.name for row in bench.app.ledger.history(busy.place, busy.key)] == ["found", "meanwhile"]


def test_a_replay_says_how_many_records_of_each_stage_it_made_due() -> None:
    bench = StageBench()
    bench.app.connections.put(document())
    assert replay(bench.app, asked(Selection(state=State.PARKED))) == "no record is selected"
    noted(bench, "1")
    noted(bench, "2")
    assert replay(bench.app, asked(Selection(state=State.PARKED))) == "2 of invoices"


def test_in_doubt_only_the_piece_that_was_in_flight_is_looked_for() -> None:
    """What is known to be there needs no request to D365."""
    it = office()
    it.box.before = once(None, OutcomeUnknown("No answer came."))
    it.run()
    assert it.box.sent == [("a", ENVELOPE), ("a", STAMP)]
    it.box.looks.clear()
    it.run(minutes=20)
    assert it.box.looks
    assert set(it.box.looks) == {("a", STAMP)}


def test_chance_spreads_the_tries_over_the_whole_second_half_of_the_back_off() -> None:
    """Letters that met one busy moment do not come back together."""
    names = [f"l{number}" for number in range(60)]
    it = office(*names, concurrency=1)
    it.box.before = once(*[TryLater("Busy.")] * len(names))
    it.run()
    parts = sorted(it.due_in(name) / FIRST_BACK_OFF_SECONDS for name in names)
    assert 0.5 <= parts[0] < 0.6
    assert 0.9 < parts[-1] < 1


def test_a_run_that_ends_early_keeps_what_else_the_stage_had_noted_of_its_progress() -> None:
    it = parked("p0", "p1", concurrency=1)
    before = it.runs.progress("contoso", "invoices", PLACE.company)
    it.runs.save(replace(before, checkpoint=json.dumps({"seen": "batch 7"})))
    it.post.documents = []
    it.post.on_examine = lambda _: it.clock.advance(minutes=1)
    it.minutes = 1
    it.run(minutes=1)
    kept = json.loads(it.runs.progress("contoso", "invoices", PLACE.company).checkpoint)
    assert (kept["seen"], "parked_from" in kept) == ("batch 7", True)

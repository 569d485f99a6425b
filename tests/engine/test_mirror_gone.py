"""Rows that are gone from the source: who is deactivated, when, and who never is."""

import pytest

from sync.engine.memory import Flag
from sync.errors import Throttled
from sync.ledger.model import State
from tests.support.mirrors import MirrorBench, Thing

NAMES = [f"n{number:02d}" for number in range(30)]


@pytest.fixture
def bench() -> MirrorBench:
    """All things sent, one whole crawl done."""
    bench = MirrorBench()
    bench.warehouse.stock(*NAMES)
    bench.run()
    bench.shelf.taken()
    return bench


def test_ours_is_deactivated_after_two_whole_crawls_without_it(bench: MirrorBench) -> None:
    bench.warehouse.remove("n03")
    assert bench.run()["deactivated"] == 0
    assert bench.run()["deactivated"] == 1
    assert bench.shelf.taken() == ["n03"]
    assert bench.shelf.things["n03"] == Thing("n03", "n03", active=False)
    assert [row.step.name for row in bench.history("n03")] == ["sent", "deactivated"]
    assert bench.run()["deactivated"] == 0
    assert bench.shelf.taken() == []


def test_what_we_did_not_send_is_never_deactivated() -> None:
    bench = MirrorBench()
    bench.warehouse.stock("a", "b")
    bench.shelf.put(Thing("b", "b"), Thing("theirs", "theirs"))
    bench.run()
    bench.warehouse.remove("a", "b")
    for _ in range(4):
        bench.run()
    assert [thing.key for thing in bench.shelf.things.values() if not thing.active] == ["a"]


def test_what_differed_and_was_sent_is_ours() -> None:
    bench = MirrorBench()
    bench.warehouse.stock("a")
    bench.shelf.put(Thing("a", "outdated"))
    bench.run()
    bench.warehouse.remove("a")
    bench.run()
    assert bench.run()["deactivated"] == 1


def test_a_crawl_that_was_not_whole_does_not_count(bench: MirrorBench) -> None:
    bench.warehouse.remove("n03")
    bench.run()
    bench.warehouse.on_page = lambda page: bench.warehouse.stock(f"late {bench.clock.now()}") if page == 1 else None
    assert bench.run()["incomplete"] == 1
    assert bench.shelf.things["n03"].active
    bench.warehouse.on_page = lambda _: None
    assert bench.run()["deactivated"] == 1


def test_what_a_broken_crawl_saw_is_not_gone(bench: MirrorBench) -> None:
    bench.warehouse.remove("n03")
    bench.run()
    bench.warehouse.stock("n03")
    bench.warehouse.on_page = lambda page: bench.warehouse.stock("late") if page == 2 else None
    assert bench.run()["incomplete"] == 1
    bench.warehouse.on_page = lambda _: None
    bench.warehouse.remove("n03")
    assert bench.run()["deactivated"] == 0
    assert bench.run()["deactivated"] == 1


def test_too_many_are_not_deactivated_but_reported(bench: MirrorBench) -> None:
    bench.warehouse.remove(*NAMES[:11])
    bench.run()
    counts = bench.run()
    assert (counts["deactivated"], counts["held_back"]) == (0, 11)
    assert bench.shelf.taken() == []
    [failure] = bench.failures()
    assert "11 of 30 rows of things in one are gone from D365" in failure.cause.sentence
    assert failure.cause.field == "policies.deactivation_guard_percent"
    assert bench.progress().completed_at == bench.clock.now()


def test_the_guard_lets_go_when_a_person_raises_it(bench: MirrorBench) -> None:
    bench.warehouse.remove(*NAMES[:11])
    bench.run()
    bench.run()
    bench.set_policies(deactivation_guard_percent=50)
    assert bench.run()["deactivated"] == 11
    assert bench.failures() == []


def test_ten_rows_may_always_go(bench: MirrorBench) -> None:
    bench.warehouse.remove(*NAMES[:10])
    bench.run()
    assert bench.run()["deactivated"] == 10


def test_the_guard_outlives_a_lost_memory(bench: MirrorBench) -> None:
    bench.warehouse.remove(*NAMES[:11])
    bench.run()
    bench.run()
    bench.lose_memory()
    bench.run()
    assert bench.run()["held_back"] == 11
    assert len(bench.failures()) == 1


def test_after_a_lost_memory_the_ledger_knows_what_is_ours(bench: MirrorBench) -> None:
    bench.shelf.put(Thing("theirs", "theirs"))
    bench.lose_memory()
    bench.warehouse.remove("n03")
    bench.run()
    assert bench.shelf.taken() == []
    assert bench.run()["deactivated"] == 1
    assert bench.shelf.taken() == ["n03"]
    assert bench.shelf.things["theirs"].active


def test_what_comes_back_is_sent_active_again(bench: MirrorBench) -> None:
    bench.warehouse.remove("n03")
    bench.run()
    bench.run()
    bench.warehouse.stock("n03")
    assert bench.run()["sent"] == 1
    assert bench.shelf.things["n03"].active
    bench.warehouse.remove("n03")
    bench.run()
    assert bench.run()["deactivated"] == 1


def test_parked_and_gone_is_withdrawn(bench: MirrorBench) -> None:
    bench.warehouse.things.append(Thing("unfit", ""))
    bench.run()
    assert bench.failures() != []
    bench.warehouse.remove("unfit")
    bench.run()
    assert bench.run()["withdrawn"] == 1
    record = bench.record("unfit")
    assert record is not None
    assert (record.state, bench.failures()) == (State.WITHDRAWN, [])


def test_sent_then_parked_then_gone_is_deactivated_and_withdrawn(bench: MirrorBench) -> None:
    bench.warehouse.rename("n03", "")
    bench.run()
    bench.warehouse.remove("n03")
    bench.run()
    assert bench.run()["deactivated"] == 1
    record = bench.record("n03")
    assert record is not None
    assert (record.state, bench.failures()) == (State.WITHDRAWN, [])


def test_a_refused_deactivation_is_parked_and_tried_again_when_it_is_due(bench: MirrorBench) -> None:
    bench.warehouse.remove("n03")
    bench.shelf.refused = {"n03"}
    bench.run()
    bench.run()
    assert bench.shelf.taken() == ["n03"]
    assert [failure.cause.code for failure in bench.failures()] == ["refused"]
    bench.run()
    assert bench.shelf.taken() == []
    bench.shelf.refused.clear()
    bench.clock.advance(days=1)
    assert bench.run()["deactivated"] == 1
    assert bench.failures() == []


def test_what_somebody_deactivated_by_hand_is_left_alone(bench: MirrorBench) -> None:
    bench.warehouse.remove("n03", "n04")
    bench.shelf.put(Thing("n03", "n03", active=False))
    del bench.shelf.things["n04"]
    bench.run()
    assert bench.run()["deactivated"] == 0
    assert bench.shelf.taken() == []
    memory = bench.memory()
    assert memory is not None
    entry = memory.get(bench.key("n03"))
    assert entry is not None
    assert entry.flags == Flag.OURS | Flag.INACTIVE
    assert memory.get(bench.key("n04")) is None


def test_a_throttled_deactivation_goes_on_without_crawling_again(bench: MirrorBench) -> None:
    bench.warehouse.remove("n03")
    bench.run()

    def busy(_: object) -> None:
        raise Throttled("The shelf is busy.", host="shelf", not_before=bench.clock.now())

    bench.shelf.before_send = busy
    with pytest.raises(Throttled):
        bench.slice()
    pages = bench.warehouse.pages_read
    bench.shelf.before_send = lambda _: None
    assert bench.run()["deactivated"] == 1
    assert bench.warehouse.pages_read == pages


def test_a_dry_run_says_what_it_would_deactivate(bench: MirrorBench) -> None:
    bench.warehouse.remove("n03")
    bench.run()
    _, report = bench.slice(dry_run=True)
    assert report.counts["would_deactivate"] == 1
    body, difference = '{"Active":false,"Key":"n03","Name":"n03"}', '{"Active":[true,false]}'
    assert report.shown == [f"would send thing n03 (deactivated): {body}; it differs in (now, then): {difference}"]
    assert bench.shelf.taken() == []
    assert bench.run()["deactivated"] == 1

"""Many rows that are gone at once, after the memory was lost: the ledger is asked about a bounded number of them in one crawl."""

from collections.abc import Sequence

import pytest

from sync.engine.mirror_gone import DOUBTS_PER_CRAWL
from sync.ledger.model import State
from tests.support.mirrors import MirrorBench, Thing

FEW = 20


def names(letter: str, count: int) -> list[str]:
    return [f"{letter}{number:03d}" for number in range(count)]


def stocked(*groups: Sequence[str]) -> MirrorBench:
    """All sent, and any number of them may go."""
    bench = MirrorBench(deactivation_guard_percent=100, concurrency=1)
    bench.warehouse.page_size = bench.shelf.page_size = 2 * DOUBTS_PER_CRAWL
    for group in groups:
        bench.warehouse.stock(*group)
    bench.run()
    return bench


def test_the_ledger_is_asked_about_a_bounded_number_of_rows_in_one_crawl() -> None:
    """What is left over waits for the next crawl, and none is forgotten."""
    old = names("a", DOUBTS_PER_CRAWL + FEW)
    bench = stocked(old)
    bench.lose_memory()
    bench.run()
    bench.warehouse.remove(*old)
    assert bench.run()["deactivated"] == 0
    assert [bench.run()["deactivated"] for _ in range(3)] == [DOUBTS_PER_CRAWL, FEW, 0]
    assert not any(thing.active for thing in bench.shelf.things.values())


def test_rows_whose_origin_is_known_do_not_count_towards_that_bound() -> None:
    old, unfit, new = names("a", DOUBTS_PER_CRAWL - FEW), names("u", 2 * FEW), names("n", 2 * FEW)
    bench = stocked(old)
    bench.lose_memory()
    bench.warehouse.things += [Thing(name, "") for name in unfit]
    bench.warehouse.stock(*new)
    bench.run()
    bench.warehouse.remove(*old, *unfit, *new)
    bench.run()
    counts = bench.run()
    assert (counts["deactivated"], counts["withdrawn"]) == (len(old) + len(new), len(unfit))
    assert bench.failures() == []


def test_a_parked_row_that_went_while_the_memory_was_lost_is_withdrawn_when_it_is_due() -> None:
    bench = stocked(["a"])
    bench.warehouse.things.append(Thing("unfit", ""))
    bench.run()
    bench.warehouse.remove("unfit")
    bench.lose_memory()
    for _ in range(2):
        bench.clock.advance(days=1)
        bench.run()
    record = bench.record("unfit")
    assert record is not None
    assert (record.state, bench.failures()) == (State.WITHDRAWN, [])


@pytest.mark.parametrize("refused", ["n00", "n03"])
def test_of_several_deactivations_only_the_refused_one_is_for_a_person(refused: str) -> None:
    gone = [f"n{number:02d}" for number in range(5)]
    bench = stocked(gone)
    bench.warehouse.remove(*gone)
    bench.shelf.refused = {refused}
    bench.run()
    counts = bench.run()
    assert (counts["deactivated"], counts["parked"]) == (4, 1)
    assert [failure.label for failure in bench.failures()] == [f"thing {refused}"]
    assert [thing.key for thing in bench.shelf.things.values() if thing.active] == [refused]


def test_a_dry_run_says_what_it_would_withdraw() -> None:
    bench = stocked(["a"])
    bench.warehouse.things.append(Thing("unfit", ""))
    bench.run()
    bench.warehouse.remove("unfit")
    bench.run()
    _, report = bench.slice(dry_run=True)
    assert (report.counts["would_withdraw"], "withdrawn" in report.counts) == (1, False)
    assert len(bench.failures()) > 0
    assert bench.run()["withdrawn"] == 1

"""A worker that dies, or is overtaken, in the middle of a mirror's crawl: what the next one repeats, and what a person still reads."""

import pytest

from sandbox.storage import Operation
from sync.engine.mirror_crawl import PAGES_PER_SAVE
from sync.errors import OutcomeUnknown, TryLater
from sync.ledger.model import State
from tests.engine.test_mirror import PowerCut
from tests.support.mirrors import MirrorBench, Thing

PAGES = 2 * PAGES_PER_SAVE + 5
NAMES = [f"n{number:03d}" for number in range(10 * PAGES)]


@pytest.fixture
def bench() -> MirrorBench:
    return MirrorBench()


def power_cut_after_parking(bench: MirrorBench, name: str) -> None:
    """The worker dies when the ledger has the row but the memory is not saved yet."""

    def cut(operation: Operation) -> None:
        if operation.service == "blobs" and operation.verb == "write" and is_parked(bench, name):
            raise PowerCut

    bench.storage.before = cut
    with pytest.raises(PowerCut):
        bench.slice()
    bench.storage.before = lambda _: None


def is_parked(bench: MirrorBench, name: str) -> bool:
    record = bench.record(name)
    return record is not None and record.state is State.PARKED


def days_pass(bench: MirrorBench, days: int = 3) -> None:
    for _ in range(days):
        bench.clock.advance(days=1)
        bench.run()


@pytest.mark.parametrize("page", [PAGES_PER_SAVE + 1, 2 * PAGES_PER_SAVE + 1, 2 * PAGES_PER_SAVE + 4])
def test_a_crash_repeats_the_pages_since_the_last_save_alone(bench: MirrorBench, page: int) -> None:
    bench.warehouse.stock(*NAMES)

    def cut(number: int) -> None:
        if number == page:
            raise PowerCut

    bench.warehouse.on_page = cut
    with pytest.raises(PowerCut):
        bench.slice()
    bench.warehouse.on_page = lambda _: None
    bench.warehouse.pages_read = 0
    bench.run()
    assert bench.warehouse.pages_read == PAGES - page // PAGES_PER_SAVE * PAGES_PER_SAVE
    assert sorted(bench.shelf.things) == NAMES


def test_a_row_that_was_parked_before_a_crash_and_went_is_withdrawn(bench: MirrorBench) -> None:
    bench.warehouse.stock("a")
    bench.run()
    bench.warehouse.things.append(Thing("unfit", ""))
    power_cut_after_parking(bench, "unfit")
    bench.warehouse.remove("unfit")
    days_pass(bench)
    record = bench.record("unfit")
    assert record is not None
    assert (record.state, bench.failures()) == (State.WITHDRAWN, [])


def test_a_sent_row_that_was_parked_before_a_crash_and_went_is_deactivated_and_withdrawn(bench: MirrorBench) -> None:
    bench.warehouse.stock("a", "b")
    bench.run()
    bench.warehouse.rename("a", "")
    power_cut_after_parking(bench, "a")
    bench.warehouse.remove("a")
    days_pass(bench)
    record = bench.record("a")
    assert record is not None
    assert (bench.shelf.things["a"].active, record.state, bench.failures()) == (False, State.WITHDRAWN, [])


def test_one_row_without_a_clear_answer_is_looked_for_up_to_where_it_stands(bench: MirrorBench) -> None:
    """AvidXchange can only be asked for whole pages: it is not asked for more of them than are needed."""
    bench.warehouse.stock(*NAMES[:50])
    bench.run()
    bench.warehouse.rename(NAMES[15], "renamed")

    def lost(_: object) -> None:
        raise OutcomeUnknown("No answer came.")

    bench.shelf.after_send = lost
    with pytest.raises(TryLater):
        bench.slice()
    bench.shelf.after_send = lambda _: None
    listed = bench.shelf.pages_listed
    assert bench.run()["sent"] == 1
    assert bench.shelf.pages_listed - listed == 2

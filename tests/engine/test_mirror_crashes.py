"""A worker that dies, or is overtaken, in the middle of a mirror's crawl: what the next one repeats, and what a person still reads."""

from collections.abc import Sequence

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
    bench.run()
    for name in NAMES:
        bench.warehouse.rename(name, f"{name} again")

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
    assert {thing.name for thing in bench.shelf.things.values()} == {f"{name} again" for name in NAMES}


def power_cut_after_sending(bench: MirrorBench, name: str) -> None:
    """The worker dies as soon as a row was sent, whatever it would have noted of it."""

    def cut(sent: Sequence[Thing]) -> None:
        if name in {thing.key for thing in sent}:
            raise PowerCut

    bench.shelf.after_send = cut
    with pytest.raises(PowerCut):
        bench.slice()
    bench.shelf.after_send = lambda _: None


@pytest.mark.parametrize("known", [(), ("a", "b")], ids=["in the first crawl", "in a later one"])
def test_a_row_that_was_sent_right_before_a_crash_and_went_is_deactivated(bench: MirrorBench, known: tuple[str, ...]) -> None:
    bench.warehouse.stock("a", "b")
    for _ in known:
        bench.run()
    bench.warehouse.stock("sent")
    power_cut_after_sending(bench, "sent")
    assert bench.shelf.things["sent"].active
    bench.warehouse.remove("sent")
    days_pass(bench)
    assert {key: thing.active for key, thing in bench.shelf.things.items()} == {"a": True, "b": True, "sent": False}


def test_a_row_that_was_sent_right_before_a_crash_is_not_sent_again(bench: MirrorBench) -> None:
    bench.warehouse.stock("a")
    power_cut_after_sending(bench, "a")
    bench.run()
    days_pass(bench)
    assert bench.shelf.taken() == ["a"]


def test_a_row_that_was_not_sent_yet_at_a_crash_and_went_is_forgotten(bench: MirrorBench) -> None:
    bench.warehouse.stock("a")
    bench.run()
    bench.warehouse.stock("unsent")

    def cut(_: object) -> None:
        raise PowerCut

    bench.shelf.before_send = cut
    with pytest.raises(PowerCut):
        bench.slice()
    bench.shelf.before_send = lambda _: None
    bench.warehouse.remove("unsent")
    days_pass(bench)
    assert sorted(bench.shelf.things) == ["a"]
    assert bench.failures() == []


def test_a_row_of_others_that_was_refused_is_never_ours(bench: MirrorBench) -> None:
    bench.warehouse.stock("a")
    bench.run()
    bench.warehouse.stock("theirs")
    bench.shelf.refused = {"theirs"}
    bench.run()
    bench.shelf.put(Thing("theirs", "entered by hand"))
    bench.warehouse.remove("theirs")
    days_pass(bench)
    assert bench.shelf.things["theirs"].active


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

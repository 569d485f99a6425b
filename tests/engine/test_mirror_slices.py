"""What AvidXchange holds is listed in slices too: for a lost memory, for rows that are gone, and for reading back."""

import pytest

from sandbox.storage import Operation
from sync.engine.memory import Flag
from sync.engine.model import End
from sync.errors import FixConfiguration, TryLater
from sync.ledger.model import Record, State, Step
from tests.support.mirrors import MirrorBench, Thing

NAMES = [f"n{number:02d}" for number in range(35)]


class PowerCut(BaseException):
    """The worker dies here."""


@pytest.fixture
def bench() -> MirrorBench:
    return MirrorBench()


@pytest.fixture
def full() -> MirrorBench:
    """All things sent and read back."""
    bench = MirrorBench()
    bench.warehouse.stock(*NAMES)
    bench.run()
    bench.shelf.taken()
    bench.shelf.pages_listed = 0
    return bench


def cut_at_every_listed_page(bench: MirrorBench) -> None:
    """From now on a slice is over after one page of what stands on the shelf."""
    bench.minutes = 1
    bench.shelf.on_page = lambda _: bench.clock.advance(minutes=2)


def slices(bench: MirrorBench) -> dict[str, int]:
    """Slices until it is done. Returns their counts together, and how many there were."""
    total: dict[str, int] = {"slices": 0}
    for _ in range(50):
        end, report = bench.slice()
        total["slices"] += 1
        for name, count in report.counts.items():
            total[name] = total.get(name, 0) + count
        if end is End.DONE:
            return total
    raise AssertionError("it never ends")


def test_a_rebuilding_is_cut_and_nothing_is_sent_before_its_end(bench: MirrorBench) -> None:
    bench.warehouse.stock(*NAMES)
    bench.shelf.put(*(Thing(name, name) for name in NAMES))
    cut_at_every_listed_page(bench)
    for pages in (1, 2, 3):
        assert bench.slice()[0] is End.MORE
        assert (bench.shelf.pages_listed, bench.warehouse.pages_read, bench.shelf.writes) == (pages, 0, [])
    bench.shelf.on_page = lambda _: None
    bench.minutes = 60
    counts = slices(bench)
    assert (counts["matched"], counts["sent"], counts["unchanged"]) == (35, 0, 35)
    assert bench.shelf.pages_listed == 4 + 4, "the rebuilding, then the reading back"


def test_a_rebuilding_outlives_the_worker_s_death(bench: MirrorBench) -> None:
    bench.warehouse.stock(*NAMES)
    bench.shelf.put(*(Thing(name, name) for name in NAMES))
    cut_at_every_listed_page(bench)
    bench.slice()

    def die(operation: Operation) -> None:
        if operation.service == "blobs" and operation.verb == "write":
            raise PowerCut

    bench.storage.before = die
    with pytest.raises(PowerCut):
        bench.slice()
    bench.storage.before = lambda _: None
    assert slices(bench)["unchanged"] == 35
    assert bench.shelf.taken() == []


def test_a_rebuilding_that_was_put_down_for_hours_starts_anew(bench: MirrorBench) -> None:
    bench.warehouse.stock(*NAMES)
    bench.shelf.put(*(Thing(name, name) for name in NAMES))
    cut_at_every_listed_page(bench)
    bench.slice()
    bench.shelf.things = {name: Thing(name, name) for name in reversed(NAMES)}
    bench.clock.advance(hours=7)
    bench.minutes = 60
    assert bench.run()["unchanged"] == 35
    assert bench.shelf.taken() == []


@pytest.mark.parametrize("error", [TryLater("The shelf is being dusted."), FixConfiguration("Nobody may see the shelf.")])
def test_a_listing_that_fails_sends_nothing_and_goes_on(bench: MirrorBench, error: Exception) -> None:
    bench.warehouse.stock(*NAMES)
    bench.shelf.put(*(Thing(name, name) for name in NAMES))

    def fail(page: int) -> None:
        if page == 2:
            raise error

    bench.shelf.on_page = fail
    with pytest.raises(type(error)):
        bench.slice()
    assert bench.shelf.writes == []
    bench.shelf.on_page = lambda _: None
    assert bench.run()["unchanged"] == 35


def test_a_dry_run_is_never_cut(bench: MirrorBench) -> None:
    bench.warehouse.stock(*NAMES)
    bench.shelf.put(*(Thing(name, "old") for name in NAMES))
    cut_at_every_listed_page(bench)
    end, report = bench.slice(dry_run=True)
    assert (end, report.counts["would_send"]) == (End.DONE, 35)
    assert bench.memory() is None


def test_a_dry_run_in_the_middle_of_a_rebuilding_sees_all_that_is_there(bench: MirrorBench) -> None:
    bench.warehouse.stock(*NAMES)
    bench.shelf.put(*(Thing(name, name) for name in NAMES))
    cut_at_every_listed_page(bench)
    bench.slice()
    _, report = bench.slice(dry_run=True)
    assert (report.counts["unchanged"], report.counts.get("would_send", 0)) == (35, 0)
    bench.slice()
    assert bench.warehouse.pages_read == 4, "the dry run's own: the rebuilding goes on where it was"


# --- reading back -----------------------------------------------------------------------------------------------------------------


def test_a_reading_back_is_cut_and_counts_every_row_once(full: MirrorBench) -> None:
    full.clock.advance(days=1)
    full.shelf.put(*(Thing(name, "by hand") for name in ("n01", "n12", "n34")))
    cut_at_every_listed_page(full)
    counts = slices(full)
    assert (counts["drift"], counts["slices"], full.shelf.pages_listed) == (3, 4, 4)
    assert full.warehouse.pages_read == 8, "the crawl itself is not done again"
    [failure] = full.failures()
    assert failure.cause.sentence == "3 things of one were sent and AvidXchange shows them otherwise: thing n01, thing n12, thing n34."
    assert full.progress().completed_at is not None
    assert slices(full)["slices"] == 1


def test_drift_is_one_entry_behind_all_others_and_names_the_first_rows(full: MirrorBench) -> None:
    full.shelf.put(*(Thing(name, "by hand") for name in NAMES[:25]))
    full.warehouse.things.append(Thing("unfit", ""))
    full.clock.advance(days=1)
    full.run()
    *others, drift = full.failures()
    assert {failure.cause.code for failure in others} == {"field-missing", "field-invalid"}
    assert (drift.cause.code, drift.cause.kind.rank, drift.label) == ("drift", 4, "drift of things of one")
    assert drift.cause.sentence.startswith("25 things of one were sent")
    assert drift.cause.sentence.endswith("thing n18, thing n19 and 5 more.")


def test_drift_is_gone_when_the_rows_are_as_sent(full: MirrorBench) -> None:
    full.shelf.put(Thing("n01", "by hand"))
    full.clock.advance(days=1)
    full.run()
    assert len(full.failures()) == 1
    full.run()
    assert len(full.failures()) == 1, "between two readings it stands"
    full.shelf.put(Thing("n01", "n01"))
    full.clock.advance(days=1)
    full.run()
    assert full.failures() == []


def test_resolved_drift_comes_back_only_when_it_changes(full: MirrorBench) -> None:
    full.shelf.put(Thing("n01", "by hand"))
    full.clock.advance(days=1)
    full.run()
    record = drift_record(full)
    full.ledger.move(record, step("resolved"), run="r", state=State.RESOLVED, causes=(), due=None)
    full.clock.advance(days=1)
    assert full.run()["drift"] == 1
    assert full.failures() == []
    full.shelf.put(Thing("n02", "by hand"))
    full.clock.advance(days=1)
    full.run()
    assert [failure.cause.sentence.split()[0] for failure in full.failures()] == ["2"]


def test_a_replayed_report_is_read_back_at_once(full: MirrorBench) -> None:
    full.shelf.put(Thing("n01", "by hand"))
    full.clock.advance(days=1)
    full.run()
    full.shelf.put(Thing("n01", "n01"))
    full.run()
    assert len(full.failures()) == 1
    full.ledger.move(drift_record(full), step("replayed"), run="r", due=full.clock.now())
    full.run()
    assert full.failures() == []


def test_the_report_outlives_a_lost_memory(full: MirrorBench) -> None:
    full.shelf.put(Thing("n01", "by hand"))
    full.clock.advance(days=1)
    full.run()
    full.lose_memory()
    full.run()
    memory = full.memory()
    assert memory is not None
    assert len(memory) == 35, "a report is no row"


def test_standing_drift_is_one_case_from_its_first_day_on(full: MirrorBench) -> None:
    full.shelf.put(Thing("n01", "by hand"))
    full.clock.advance(days=1)
    full.run()
    [first] = full.failures()
    for _ in range(3):
        full.clock.advance(days=1)
        full.run()
    assert full.failures() == [first]
    assert {row.step.name for row in full.ledger.history(full.place(), first.key)} == {"parked"}


# --- clearing up ------------------------------------------------------------------------------------------------------------------

GONE = ["n03", "n04", "n15", "n33"]


def test_a_clearing_is_cut_and_deactivates_every_row_once(full: MirrorBench) -> None:
    full.warehouse.remove(*GONE)
    full.run()
    del full.shelf.things["n04"]
    full.warehouse.pages_read = 0
    cut_at_every_listed_page(full)
    counts = slices(full)
    assert (counts["deactivated"], counts["slices"]) == (3, 4)
    assert sorted(full.shelf.taken()) == ["n03", "n15", "n33"]
    assert full.warehouse.pages_read == 4, "the crawl itself is not done again"
    memory = full.memory()
    assert memory is not None
    assert memory.get(full.key("n04")) is None, "AvidXchange has it no more"
    assert slices(full)["deactivated"] == 0


def test_the_reading_back_after_a_clearing_that_was_cut_begins_at_the_start(full: MirrorBench) -> None:
    full.warehouse.remove("n34")
    full.run()
    full.shelf.put(Thing("n01", "by hand"), Thing("n32", "by hand"))
    full.clock.advance(days=1)
    cut_at_every_listed_page(full)
    assert slices(full)["drift"] == 2


def test_a_source_that_moves_during_the_clearing_does_not_undo_the_crawl(full: MirrorBench) -> None:
    full.warehouse.remove(*GONE)
    full.run()
    cut_at_every_listed_page(full)
    full.slice()
    full.warehouse.stock("late")
    counts = slices(full)
    assert (counts.get("incomplete", 0), counts["deactivated"] > 0) == (0, True)
    assert full.progress().completed_at == full.clock.now()


def test_a_clearing_stops_listing_when_all_were_found(full: MirrorBench) -> None:
    full.warehouse.remove("n03")
    full.run()
    full.shelf.pages_listed = 0
    full.run()
    assert full.shelf.pages_listed == 1


def test_a_busy_target_in_the_middle_of_a_clearing_deactivates_nothing_twice(full: MirrorBench) -> None:
    full.warehouse.remove(*GONE)
    full.run()
    cut_at_every_listed_page(full)
    assert full.slice()[0] is End.MORE

    def busy(_: object) -> None:
        raise TryLater("The shelf is busy.")

    full.shelf.before_send = busy
    with pytest.raises(TryLater):
        slices(full)
    full.shelf.before_send = lambda _: None
    slices(full)
    assert sorted(full.shelf.taken()) == GONE


def test_what_becomes_due_behind_the_listing_is_not_taken_for_missing(full: MirrorBench) -> None:
    full.warehouse.remove("n03")
    full.shelf.refused = {"n03"}
    full.run()
    full.run()
    assert [failure.label for failure in full.failures()] == ["thing n03"]
    full.warehouse.remove("n33")
    full.run()
    full.clock.advance(hours=22, minutes=57)
    cut_at_every_listed_page(full)
    assert full.slice()[0] is End.MORE, "n03 is on the first page, and not due yet"
    full.clock.advance(hours=1)
    slices(full)
    assert [failure.label for failure in full.failures()] == ["thing n03"], "it is still refused"
    memory = full.memory()
    assert memory is not None
    entry = memory.get(full.key("n03"))
    assert entry is not None
    assert Flag.PARKED in entry.flags


# --- another accounting system ----------------------------------------------------------------------------------------------------


def test_another_accounting_system_gets_everything_and_loses_nothing(full: MirrorBench) -> None:
    old = full.shelf
    full.move("one", "another system")
    full.shelf.put(Thing("n00", "n00"), Thing("theirs", "theirs"))
    assert full.run()["sent"] == 34
    for _ in range(3):
        assert full.run()["deactivated"] == 0
    assert sorted(full.shelf.things) == sorted([*NAMES, "theirs"])
    assert (old.writes, full.failures()) == ([], [])


def test_what_was_parked_in_the_old_system_is_withdrawn(full: MirrorBench) -> None:
    full.warehouse.things.append(Thing("unfit", ""))
    full.shelf.put(Thing("n01", "by hand"))
    full.clock.advance(days=1)
    full.run()
    full.move("one", "another system")
    for _ in range(3):
        full.run()
    assert {failure.key for failure in full.failures()} == {full.key("unfit")}


def drift_record(bench: MirrorBench) -> Record:
    [record] = [record for record in bench.ledger.records(bench.place()) if record.label == "drift of things of one"]
    return record


def step(name: str) -> Step:
    return Step(name, "An operator asked.")

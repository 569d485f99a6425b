"""The mirror engine's crawl: what is sent, what is left alone, what is parked, and what a crash or a lost memory costs."""

import contextlib
import json

import pytest

from sandbox.storage import Operation
from sync.engine.model import End
from sync.errors import FixConfiguration, OutcomeUnknown, TryLater
from sync.ledger.model import State, Step
from sync.storage.names import CRAWLS
from tests.support.mirrors import MirrorBench, Thing

NAMES = [f"n{number:02d}" for number in range(25)]


class PowerCut(BaseException):
    """The worker dies here."""


@pytest.fixture
def bench() -> MirrorBench:
    return MirrorBench()


def test_a_first_crawl_sends_everything_and_a_second_nothing(bench: MirrorBench) -> None:
    bench.warehouse.stock(*NAMES)
    assert bench.run() == {"read": 25, "sent": 25, "unchanged": 0, "parked": 0, "deactivated": 0}
    assert sorted(bench.shelf.taken()) == NAMES
    assert bench.run() == {"read": 25, "sent": 0, "unchanged": 25, "parked": 0, "deactivated": 0}
    assert bench.shelf.taken() == []


def test_every_send_is_audited_with_its_job(bench: MirrorBench) -> None:
    bench.warehouse.stock("a")
    bench.run()
    bench.warehouse.rename("a", "another")
    bench.run()
    first, second = bench.history("a")
    assert (first.step.name, second.step.name) == ("sent", "sent")
    assert first.job != second.job
    assert bench.ledger.verify(bench.place(), bench.key("a")) == []


def test_what_the_target_has_already_is_matched_and_not_doubled(bench: MirrorBench) -> None:
    bench.warehouse.stock("a", "b")
    bench.shelf.put(Thing("a", "a"), Thing("b", "outdated"), Thing("theirs", "theirs"))
    counts = bench.run()
    assert (counts["matched"], counts["unchanged"], counts["sent"]) == (2, 1, 1)
    assert bench.shelf.taken() == ["b"]
    assert bench.shelf.things["theirs"] == Thing("theirs", "theirs")
    assert "matched" not in bench.run()


def test_a_key_in_other_cases_keeps_its_spelling_on_the_shelf(bench: MirrorBench) -> None:
    bench.warehouse.things = [Thing("SAME", "same"), Thing("OTHER", "other")]
    bench.shelf.put(Thing("same", "same"), Thing("Other", "outdated"))
    counts = bench.run()
    assert (counts["matched"], counts["unchanged"], counts["sent"]) == (2, 1, 1)
    assert bench.shelf.taken() == ["Other"]
    assert bench.run()["sent"] == 0
    bench.warehouse.rename("SAME", "renamed")
    assert bench.run()["sent"] == 1
    assert bench.shelf.things == {"same": Thing("same", "renamed"), "Other": Thing("Other", "other")}
    bench.lose_memory()
    assert bench.run()["sent"] == 0
    bench.warehouse.remove("SAME", "OTHER")
    bench.run()
    assert bench.run()["deactivated"] == 2
    assert bench.shelf.things == {"same": Thing("same", "renamed", active=False), "Other": Thing("Other", "other", active=False)}


def test_only_a_changed_row_is_sent_again(bench: MirrorBench) -> None:
    bench.warehouse.stock(*NAMES)
    bench.run()
    bench.shelf.taken()
    bench.warehouse.rename("n07", "renamed")
    assert bench.run()["sent"] == 1
    assert bench.shelf.taken() == ["n07"]
    assert bench.shelf.things["n07"].name == "renamed"


def test_a_changed_mapping_sends_everything_again(bench: MirrorBench) -> None:
    bench.warehouse.stock(*NAMES)
    bench.run()
    bench.mapping = "a new version"
    assert bench.run()["sent"] == 25
    assert bench.run()["sent"] == 0


def test_a_row_that_does_not_fit_is_parked_once_with_all_its_causes(bench: MirrorBench) -> None:
    bench.warehouse.things = [Thing("a", ""), Thing("b", "b")]
    assert bench.run()["parked"] == 1
    assert bench.shelf.taken() == ["b"]
    assert [failure.cause.code for failure in bench.failures()] == ["field-invalid", "field-missing"]
    before = bench.record("a")
    assert bench.run()["parked"] == 1
    assert bench.record("a") == before


def test_a_mended_row_is_sent_and_leaves_the_list(bench: MirrorBench) -> None:
    bench.warehouse.things = [Thing("a", "")]
    bench.run()
    bench.warehouse.rename("a", "mended")
    assert bench.run()["sent"] == 1
    record = bench.record("a")
    assert record is not None
    assert (record.state, record.due, bench.failures()) == (State.WRITTEN, None, [])
    assert bench.run()["sent"] == 0


def test_a_refusal_concerns_its_item_only(bench: MirrorBench) -> None:
    bench.warehouse.stock("a", "b", "c", "d")
    bench.shelf.refused = {"b"}
    counts = bench.run()
    assert (counts["sent"], counts["parked"]) == (3, 1)
    failure = bench.failures()[0]
    assert (failure.cause.code, failure.label) == ("refused", "thing b")
    assert "It does not fit on the shelf." in failure.cause.sentence
    record = bench.record("b")
    assert record is not None
    assert json.loads(bench.ledger.text(record.payload)) == {"Active": True, "Key": "b", "Name": "b"}
    assert [row.step.name for row in bench.history("b")] == ["parked"]


def test_a_refused_row_is_not_sent_again_until_it_changes_or_is_due(bench: MirrorBench) -> None:
    bench.warehouse.stock("a", "b")
    bench.shelf.refused = {"b"}
    bench.run()
    bench.shelf.taken()
    assert bench.run()["parked"] == 1
    assert bench.shelf.taken() == []
    bench.clock.advance(days=1)
    bench.run()
    assert bench.shelf.taken() == ["b"]
    assert bench.run()["parked"] == 1
    assert bench.shelf.taken() == []
    bench.shelf.refused.clear()
    bench.warehouse.rename("b", "slimmer")
    assert bench.run()["sent"] == 1
    assert bench.failures() == []


def test_a_replayed_row_is_sent_again_at_once(bench: MirrorBench) -> None:
    bench.warehouse.stock("a")
    bench.shelf.refused = {"a"}
    bench.run()
    bench.shelf.refused.clear()
    record = bench.record("a")
    assert record is not None
    from_operator = record.causes
    bench.ledger.move(record, _step("replay"), run="r", due=bench.clock.now(), causes=from_operator)
    assert bench.run()["sent"] == 1
    assert bench.failures() == []


def test_a_batch_that_fails_fails_alone(bench: MirrorBench) -> None:
    bench.warehouse.stock(*NAMES[:10])
    bench.shelf.before_send = lambda items: _fail_on("n04", items)
    with pytest.raises(TryLater):
        bench.slice()
    taken = bench.shelf.taken()
    assert len(taken) == 7
    bench.shelf.before_send = lambda _: None
    assert bench.run()["sent"] == 3
    assert sorted([*taken, *bench.shelf.taken()]) == NAMES[:10]


@pytest.mark.parametrize("is_there", [True, False])
def test_what_was_sent_without_a_clear_answer_is_looked_for_before_it_is_sent_again(bench: MirrorBench, is_there: bool) -> None:
    bench.warehouse.stock("a", "b")
    bench.run()
    bench.warehouse.stock("c")
    bench.warehouse.rename("b", "renamed")
    bench.shelf.taken()

    def lost(_: object) -> None:
        raise OutcomeUnknown("No answer came.")

    setattr(bench.shelf, "after_send" if is_there else "before_send", lost)
    with pytest.raises(TryLater, match="No answer came"):
        bench.slice()
    bench.shelf.after_send = bench.shelf.before_send = lambda _: None
    bench.shelf.taken()
    listed = bench.shelf.pages_listed
    assert bench.run()["sent"] == 2
    assert bench.shelf.pages_listed > listed
    assert bench.shelf.taken() == ([] if is_there else ["b", "c"])
    assert [row.step.name for row in bench.history("b")] == ["sent", "sent"]
    assert bench.run()["sent"] == 0


def test_what_is_gone_after_an_unclear_sending_is_deactivated_when_it_is_there(bench: MirrorBench) -> None:
    bench.warehouse.stock("a", "b")
    bench.run()
    bench.warehouse.stock("c")

    def lost(_: object) -> None:
        raise OutcomeUnknown("No answer came.")

    bench.shelf.after_send = lost
    with pytest.raises(TryLater):
        bench.slice()
    bench.shelf.after_send = lambda _: None
    bench.warehouse.remove("c")
    for _ in range(3):
        bench.run()
    assert bench.shelf.things["c"].active is False


@pytest.mark.parametrize("as_sent", [True, False])
def test_what_is_refused_because_it_is_there_is_done_when_it_is_there_as_sent(bench: MirrorBench, as_sent: bool) -> None:
    bench.warehouse.stock("a", "b")
    bench.run()
    bench.warehouse.stock("c")
    bench.shelf.known = {"c"}
    bench.shelf.put(Thing("c", "c" if as_sent else "another"))
    bench.run()
    assert [failure.label for failure in bench.failures()] == ([] if as_sent else ["thing c"])
    assert [row.step.name for row in bench.history("c")] == ([] if as_sent else ["parked"]), "we did not send it"
    bench.warehouse.remove("c")
    for _ in range(3):
        bench.run()
    assert bench.shelf.things["c"].active, "what we did not send is never deactivated"


def test_a_page_that_failed_is_not_taken_for_a_moving_source(bench: MirrorBench) -> None:
    bench.warehouse.stock(*NAMES)
    bench.shelf.before_send = lambda items: _fail_on("n14", items)
    with pytest.raises(TryLater):
        bench.slice()
    bench.shelf.before_send = lambda _: None
    assert "incomplete" not in bench.run()
    assert bench.progress().completed_at is not None


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_crash_loses_nothing_and_doubles_nothing(bench: MirrorBench, at: int) -> None:
    bench.warehouse.stock(*NAMES)
    writes = 0

    def cut(operation: Operation) -> None:
        nonlocal writes
        writes += operation.service == "blobs" and operation.verb == "write"
        if writes == at:
            raise PowerCut

    bench.storage.before = cut
    with contextlib.suppress(PowerCut):
        bench.slice()
    bench.storage.before = lambda _: None
    bench.run()
    bench.run()
    assert sorted(bench.shelf.things) == NAMES
    assert bench.run()["sent"] == 0


def test_what_was_parked_before_a_crash_is_not_parked_twice(bench: MirrorBench) -> None:
    bench.warehouse.things = [Thing("a", "")]

    def cut(operation: Operation) -> None:
        if operation.service == "blobs" and operation.verb == "write" and bench.record("a") is not None:
            raise PowerCut

    bench.storage.before = cut
    with pytest.raises(PowerCut):
        bench.slice()
    bench.storage.before = lambda _: None
    before = bench.record("a")
    assert bench.run()["parked"] == 1
    assert bench.record("a") == before


def test_what_was_not_taken_over_is_reported_once_a_day_and_not_sent_again(bench: MirrorBench) -> None:
    bench.warehouse.stock("a", "b")
    assert "drift" not in bench.run()
    bench.shelf.put(Thing("b", "changed by hand"))
    bench.shelf.taken()
    assert "drift" not in bench.run()
    bench.clock.advance(days=1)
    assert bench.run()["drift"] == 1
    assert "drift" not in bench.run()
    assert bench.shelf.taken() == []


def test_slices_end_at_page_boundaries_and_go_on_there(bench: MirrorBench) -> None:
    bench.warehouse.stock(*NAMES)
    bench.minutes = 1
    bench.warehouse.on_page = lambda _: bench.clock.advance(minutes=2)
    ends, read = [], 0
    for _ in range(3):
        end, report = bench.slice()
        ends.append(end)
        read += report.counts["read"]
    assert ends == [End.MORE, End.MORE, End.MORE]
    assert bench.slice()[0] is End.DONE
    assert (read, bench.warehouse.pages_read) == (25, 3)
    assert sorted(bench.shelf.taken()) == NAMES
    assert bench.progress().completed_at is not None


def test_a_lost_continuation_goes_on_at_the_next_tick_but_not_after_hours(bench: MirrorBench) -> None:
    bench.warehouse.stock(*NAMES)
    bench.minutes = 1
    bench.warehouse.on_page = lambda _: bench.clock.advance(minutes=2)
    bench.slice()
    bench.minutes = 60
    assert bench.run()["read"] == 15
    bench.minutes = 1
    bench.slice()
    bench.clock.advance(hours=7)
    bench.minutes = 60
    assert bench.run()["read"] == 25


def test_a_source_that_moves_makes_the_crawl_incomplete(bench: MirrorBench) -> None:
    bench.warehouse.stock(*NAMES)
    bench.warehouse.on_page = lambda page: bench.warehouse.stock("zz") if page == 1 else None
    assert bench.run()["incomplete"] == 1
    assert bench.progress().completed_at is None
    bench.warehouse.on_page = lambda _: None
    assert "incomplete" not in bench.run()
    assert bench.progress().completed_at == bench.clock.now()


def test_a_row_that_comes_twice_makes_the_crawl_incomplete(bench: MirrorBench) -> None:
    bench.warehouse.stock(*NAMES[:12])

    def push(page: int) -> None:
        """The last thing leaves and one comes in front: the number stays, the offset shows n09 again and never shows the new one."""
        if page == 1:
            bench.warehouse.things = [Thing("a00", "a00"), *bench.warehouse.things[:11]]

    bench.warehouse.on_page = push
    counts = bench.run()
    assert (counts["read"], counts["incomplete"]) == (12, 1)
    bench.warehouse.on_page = lambda _: None
    counts = bench.run()
    assert (counts["sent"], "incomplete" in counts) == (1, False)


def test_a_lost_memory_is_rebuilt_without_a_needless_write(bench: MirrorBench) -> None:
    bench.warehouse.stock(*NAMES)
    bench.warehouse.things.append(Thing("unfit", ""))
    bench.shelf.refused = {"n03"}
    bench.run()
    bench.shelf.taken()
    bench.lose_memory()
    counts = bench.run()
    assert (counts["sent"], counts["unchanged"], counts["parked"]) == (0, 24, 2)
    assert bench.shelf.taken() == []


def test_a_corrupt_memory_is_rebuilt_too(bench: MirrorBench) -> None:
    bench.warehouse.stock(*NAMES)
    bench.run()
    bench.shelf.taken()
    bench.storage.blobs.write(CRAWLS, "customer/things/one", b"not a memory")
    assert bench.run()["sent"] == 0
    assert bench.memory() is not None


def test_the_memory_is_saved_before_anything_is_sent(bench: MirrorBench) -> None:
    bench.warehouse.stock("a")
    stored: list[bool] = []
    bench.shelf.before_send = lambda _: stored.append(bench.memory() is not None)
    bench.run()
    assert stored == [True]


def test_a_company_that_is_not_set_up_does_not_hold_up_the_others() -> None:
    bench = MirrorBench("one", "two", "three")
    for name, warehouse in bench.warehouses.items():
        warehouse.stock(name)
    bench.warehouses["two"].not_set_up = True
    bench.minutes = 1
    bench.warehouses["three"].on_page = lambda _: bench.clock.advance(minutes=2)
    assert bench.slice()[0] is End.MORE
    with pytest.raises(FixConfiguration, match="two has no warehouse"):
        bench.slice()
    assert [name for name, shelf in bench.shelves.items() if shelf.things] == ["one", "three"]
    bench.warehouses["two"].not_set_up = False
    bench.minutes = 60
    bench.run()
    assert bench.shelves["two"].taken() == ["two"]


def test_a_continuation_does_not_crawl_the_companies_before_again() -> None:
    bench = MirrorBench("one", "two")
    bench.warehouses["one"].stock("a")
    bench.warehouses["two"].stock(*NAMES)
    bench.minutes = 1
    bench.warehouses["two"].on_page = lambda _: bench.clock.advance(minutes=2)
    while bench.slice()[0] is End.MORE:
        pass
    assert bench.warehouses["one"].pages_read == 1
    assert bench.warehouses["two"].pages_read == 3


def test_a_dry_run_shows_bodies_and_differences_and_writes_nothing(bench: MirrorBench) -> None:
    bench.warehouse.things = [Thing("a", "new"), Thing("b", "b"), Thing("c", ""), Thing("d", "d")]
    bench.shelf.put(Thing("a", "old"), Thing("d", "d"))
    touched: list[Operation] = []
    bench.storage.before = lambda operation: touched.append(operation) if operation.verb in {"write", "commit", "append", "put"} else None
    end, report = bench.slice(dry_run=True)
    assert end is End.DONE
    assert (touched, bench.shelf.writes) == ([], [])
    assert report.counts["would_send"] == 2
    assert report.counts["would_park"] == 1
    shown = sorted(report.shown)
    assert shown[0].startswith("would park thing c: thing c: it has no name.")
    assert shown[1].startswith('would send thing a (sent): {"Active":true,"Key":"a","Name":"new"}')
    assert '{"Name":["old","new"]}' in shown[1]
    assert shown[2] == 'would send thing b (sent): {"Active":true,"Key":"b","Name":"b"}'


def _fail_on(key: str, items: object) -> None:
    if key in str(items):
        raise TryLater("The shelf is being dusted.")


def _step(name: str) -> Step:
    return Step(name, "An operator asked.")

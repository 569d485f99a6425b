"""Retries: what broke off is tried again, what an earlier attempt wrote is recognised, another's row never is."""

from collections.abc import Callable

import pytest

from sandbox.storage import LocalStorage, Operation
from sync.errors import Bug, StorageConflict, TryLater
from sync.storage.model import Delete, Insert, Replace, Row, Upsert
from sync.storage.patient import ATTEMPTS, Patient, back_off, patient
from tests.storage.support import CountedIds, HandClock, NoChance

Event = Callable[[], None]


def busy() -> None:
    raise TryLater("Storage is busy.")


class Plan:
    """Storage that fails by plan: what happens before and after the first, second, … operation of a verb."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.raw = LocalStorage(self.clock, before=self._before, after=self._after)
        self.storage: Patient = patient(self.raw, self.clock.sleep, NoChance(), CountedIds())
        self.before: dict[str, list[Event | None]] = {}
        self.after: dict[str, list[Event | None]] = {}
        self.seen: list[str] = []
        self.starts: list[str] = []
        for service in (self.raw.tables, self.raw.queues, self.raw.blobs):
            service.create("t")

    def _before(self, operation: Operation) -> None:
        self.seen.append(operation.verb)
        self.starts.append(operation.key)
        self._next(self.before, operation.verb)

    def _after(self, operation: Operation) -> None:
        self._next(self.after, operation.verb)

    @staticmethod
    def _next(events: dict[str, list[Event | None]], verb: str) -> None:
        event = events[verb].pop(0) if events.get(verb) else None
        if event is not None:
            event()

    def other(self, change: Insert | Replace | Upsert | Delete) -> None:
        """Another worker's write, past the plan."""
        self.raw.before, self.raw.after = lambda _: None, lambda _: None
        self.raw.tables.commit("t", "p", [change])
        self.raw.before, self.raw.after = self._before, self._after


@pytest.fixture
def plan() -> Plan:
    return Plan()


def row(key: str, value: int = 1, etag: str = "") -> Row:
    return Row("p", key, {"A": value}, etag)


def test_a_write_whose_answer_was_lost_is_recognised_as_our_own(plan: Plan) -> None:
    plan.after["commit"] = [busy]
    etags = plan.storage.tables.commit("t", "p", [Insert(row("k")), Insert(row("l"))])
    assert plan.seen == ["commit", "commit", "get", "get"]
    found = plan.storage.tables.get("t", "p", "k")
    assert found == row("k", etag=etags["k"])
    assert set(etags) == {"k", "l"}


def test_a_replace_whose_answer_was_lost_is_recognised_as_our_own(plan: Plan) -> None:
    etag = plan.storage.tables.commit("t", "p", [Insert(row("k"))])["k"]
    plan.after["commit"] = [busy]
    etags = plan.storage.tables.commit("t", "p", [Replace(row("k", 2, etag)), Delete("gone")])
    assert plan.storage.tables.get("t", "p", "k") == row("k", 2, etags["k"])


def test_another_workers_row_is_a_conflict_even_when_it_holds_the_same(plan: Plan) -> None:
    plan.before["commit"] = [busy, lambda: plan.other(Insert(row("k")))]
    with pytest.raises(StorageConflict) as caught:
        plan.storage.tables.commit("t", "p", [Insert(row("k"))])
    assert caught.value.exists


def test_a_row_that_another_changed_after_ours_landed_is_a_conflict(plan: Plan) -> None:
    plan.after["commit"] = [busy]
    plan.before["commit"] = [None, lambda: plan.other(Upsert(row("l", 9)))]
    with pytest.raises(StorageConflict):
        plan.storage.tables.commit("t", "p", [Insert(row("k")), Insert(row("l"))])


def test_a_conflict_at_the_first_attempt_is_told_at_once(plan: Plan) -> None:
    plan.storage.tables.commit("t", "p", [Insert(row("k"))])
    plan.seen.clear()
    with pytest.raises(StorageConflict):
        plan.storage.tables.commit("t", "p", [Insert(row("k"))])
    assert plan.seen == ["commit"]


def test_two_commits_of_the_same_row_are_never_taken_for_one(plan: Plan) -> None:
    plan.storage.tables.commit("t", "p", [Insert(row("k"))])
    plan.before["commit"] = [busy]
    with pytest.raises(StorageConflict):
        plan.storage.tables.commit("t", "p", [Insert(row("k"))])


def test_a_lost_deletion_of_a_version_stays_a_conflict(plan: Plan) -> None:
    etag = plan.storage.tables.commit("t", "p", [Insert(row("k"))])["k"]
    plan.after["commit"] = [busy]
    with pytest.raises(StorageConflict):
        plan.storage.tables.commit("t", "p", [Delete("k", etag)])


def test_attempts_are_bounded_and_wait_longer_each_time(plan: Plan) -> None:
    plan.before["get"] = [busy] * 100
    with pytest.raises(TryLater):
        plan.storage.tables.get("t", "p", "k")
    assert len(plan.seen) == ATTEMPTS
    assert plan.clock.slept == pytest.approx([0.15, 0.3, 0.6, 1.2, 2.4])


def test_the_wait_that_storage_asks_for_is_kept(plan: Plan) -> None:
    def asks(seconds: float) -> Event:
        def event() -> None:
            raise TryLater("Storage is busy.", delay=seconds)

        return event

    plan.before["get"] = [asks(7)]
    assert plan.storage.tables.get("t", "p", "k") is None
    assert plan.clock.slept == [7]
    plan.before["get"] = [asks(60)]
    with pytest.raises(TryLater) as caught:
        plan.storage.tables.get("t", "p", "k")
    assert caught.value.delay == 60
    assert plan.clock.slept == [7], "a long wait is the caller's to plan"


@pytest.mark.parametrize(
    ("attempt", "asked", "fraction", "seconds"),
    [(1, None, 0.0, 0.1), (1, None, 0.999, 0.1999), (2, None, 0.5, 0.3), (20, None, 0.0, 5.0), (20, None, 1.0, 10.0), (1, 3.0, 0.5, 3.0)],
)
def test_back_off(attempt: int, asked: float | None, fraction: float, seconds: float) -> None:
    assert back_off(attempt, asked, fraction) == pytest.approx(seconds)


@pytest.mark.parametrize("limit", [None, 1500])
def test_a_scan_that_breaks_off_goes_on_where_it_was(plan: Plan, limit: int | None) -> None:
    names = [f"k{number:05d}" for number in range(2500)]
    for start in range(0, len(names), 100):
        plan.storage.tables.commit("t", "p", [Insert(row(name)) for name in names[start : start + 100]])
    plan.starts.clear()
    plan.before["scan"] = [busy, None, busy, busy, None, busy]
    found = [*plan.storage.tables.scan("t", "p", "k00001", limit=limit)]
    assert [each.key for each in found] == names[1:][:limit]
    assert found[0] == row("k00001", etag=found[0].etag), "the stamp is not seen"
    assert plan.starts[:5] == ["k00001", "k00001", "k01000\x00", "k01000", "k01000"], "what came is not read again"


def test_a_scan_gives_up_in_the_end(plan: Plan) -> None:
    plan.before["scan"] = [busy] * 100
    with pytest.raises(TryLater):
        [*plan.storage.tables.scan("t", "p")]
    assert len(plan.seen) == ATTEMPTS


def test_the_stamps_name_is_taken(plan: Plan) -> None:
    with pytest.raises(Bug):
        plan.storage.tables.commit("t", "p", [Insert(Row("p", "k", {"Stamp": "mine"}))])


def test_a_blob_whose_answer_was_lost_is_recognised_by_its_content(plan: Plan) -> None:
    plan.after["write"] = [busy]
    etag = plan.storage.blobs.write("t", "b", b"one", etag="")
    plan.after["write"] = [busy]
    assert plan.storage.blobs.write("t", "b", b"two", etag=etag) != etag
    plan.before["write"] = [busy]
    with pytest.raises(StorageConflict):
        plan.storage.blobs.write("t", "b", b"three", etag=etag)


def test_a_block_whose_answer_was_lost_is_not_appended_twice(plan: Plan) -> None:
    plan.storage.blobs.append("t", "log", b"one\n")
    plan.after["append"] = [busy]
    plan.storage.blobs.append("t", "log", b"two\n")
    plan.before["append"] = [busy]
    plan.storage.blobs.append("t", "log", b"three\n")
    blob = plan.storage.blobs.read("t", "log")
    assert blob is not None
    assert blob.data == b"one\ntwo\nthree\n"


def test_messages_reads_names_and_deletions_are_tried_again(plan: Plan) -> None:
    plan.before.update(put=[busy], read=[busy], names=[busy], delete=[busy])
    plan.storage.queues.put("t", "{}")
    assert len(plan.raw.queues.messages("t")) == 1
    plan.storage.blobs.write("t", "b", b"x")
    assert plan.storage.blobs.read("t", "b") is not None
    assert [*plan.storage.blobs.names("t", "")] == ["b"]
    plan.storage.blobs.delete("t", "b")
    assert plan.storage.blobs.read("t", "b") is None

"""A slice of the deliver engine: what is noted, in which order it is worked on, what is watched, and what a dry run shows."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from sync.engine.deliver import WATCHED, WAVE
from sync.engine.delivery import Foreign, Leave, Newer, Noticed, Park, Posted
from sync.engine.model import End
from sync.errors import Bug, FixConfiguration, FixData, OutcomeUnknown, Throttled, TryLater
from sync.ledger.model import NewRecord, Record, State, Step
from sync.values import digest, key_digest
from tests.support.letters import ENVELOPE, PLACE, STAMP, PostOffice, cause


def office(*names: str, **policies: object) -> PostOffice:
    """With letters that were not looked at yet."""
    made = PostOffice(**policies)
    made.arrive(*names)
    return made


def parked(*names: str, **policies: object) -> PostOffice:
    """With letters that are parked, each for a reason that stays."""
    made = office(*names, **policies)
    made.post.verdicts = {name: [Park((cause(),))] * 99 for name in names}
    made.run()
    return made


# --- order of things -----------------------------------------------------------------------------------------------------------------


def test_the_watermark_moves_after_everything_is_noted_and_the_source_is_told_last() -> None:
    it = office("a", "b")
    states = []
    it.post.on_examine = lambda _: states.append((it.post.events[:], len(it.post.noted)))
    assert it.run() is End.DONE
    assert states == [(["discover", "discovered"], 1)] * 2
    assert it.post.events == ["discover", "discovered", "close"]
    assert [record.source_id for record in it.post.noted[0]] == ["a", "b"]
    assert it.beats > 1


def test_out_of_time_in_discovery_the_watermark_stays() -> None:
    it = office("a")
    it.minutes = 0
    assert it.run() is End.MORE
    assert it.post.events == ["discover"]
    assert it.record("a").state is State.FOUND


def test_out_of_time_at_work_the_source_is_told_nothing_yet() -> None:
    it = office(*map(str, range(20)), concurrency=2)
    it.post.on_examine = lambda _: it.clock.advance(minutes=20)
    assert it.run() is End.MORE
    assert it.post.events == ["discover", "discovered"]
    assert len(it.post.examined) == 3, "no other is begun when the time is up"
    it.post.on_examine = lambda _: None
    assert it.run() is End.DONE
    assert sorted(set(it.box.sent)) == sorted((str(number), piece) for number in range(20) for piece in (ENVELOPE, STAMP))
    assert len(it.box.sent) == 40


def test_letters_of_one_group_go_one_after_another_in_the_order_they_were_found() -> None:
    it = PostOffice()
    it.post.group_of = lambda record: "all" if record.source_id != "other" else "zzz"
    for runs, name in enumerate(("b", "a", "other", "c"), 1):
        it.post.verdicts[name] = [Park((cause(),))] * runs
    for name in ("c", "other", "a", "b"):
        it.arrive(name)
        it.run(minutes=1)
    it.run(minutes=1)
    sent = list(dict.fromkeys(letter for letter, _ in it.box.sent))
    assert [name for name in sent if name != "other"] == ["c", "a", "b"]
    assert "other" in sent
    assert sorted(it.post.prepared[-1]) == ["a", "b", "c", "other"]


def test_the_urgent_come_before_the_parked_and_the_written_are_watched_between() -> None:
    it = office("w")
    it.run()
    it.arrive("p")
    it.post.verdicts["p"] = [Park((cause(),)), Park((cause(),))]
    it.run()
    it.arrive("u")
    it.post.examined.clear()
    it.post.watched.clear()
    order: list[str] = []
    it.post.on_examine = lambda name: order.append(f"{name} after {len(it.post.watched)} watches")
    it.run(minutes=5)
    assert order == ["u after 0 watches", "p after 1 watches"]
    assert it.post.watched == [["w"]]


def written(count: int) -> PostOffice:
    """With so many letters that are in the box already."""
    made = office(*map(str, range(count)))
    there = [replace(item, state=State.WRITTEN, due=made.clock.now()) for item in made.post.documents]
    made.ledger.note(PLACE, there, "r", Step("written", "Written."))
    made.post.documents = []
    return made


def test_written_ones_are_watched_many_at_a_time() -> None:
    it = written(WATCHED + 1)
    it.run(minutes=5)
    assert [len(names) for names in it.post.watched] == [WATCHED, 1]


def test_a_watch_out_of_time_leaves_the_rest_to_the_next_slice() -> None:
    it = written(WATCHED + 1)
    reads = it.post.watch

    def slow(records: list[Record]) -> list[Posted | Noticed]:
        it.clock.advance(minutes=61)
        return list(reads(records))

    it.post.watch = slow  # type: ignore[method-assign,assignment] # a declaration that takes long
    assert it.run() is End.MORE
    assert len(it.post.watched) == 1
    assert it.post.events[-1] != "close"


# --- parked ones take turns ----------------------------------------------------------------------------------------------------------


def test_a_run_that_ends_early_hands_the_rest_of_the_parked_ones_to_the_next() -> None:
    names = [f"p{number}" for number in range(10)]
    it = parked(*names, concurrency=1)
    it.post.documents = []
    it.post.on_examine = lambda _: it.clock.advance(minutes=1)
    it.minutes = 1
    examined = []
    for _ in range(len(names) + 1):
        it.post.examined.clear()
        assert it.run(minutes=1) is End.DONE, "parked ones hold nothing up"
        examined.append([text.split()[0] for text in it.post.examined])
    assert [len(part) for part in examined] == [1] * (len(names) + 1)
    assert sorted(name for part in examined[:-1] for name in part) == sorted(names), "nobody twice before everybody once"
    assert examined[-1] == examined[0]


# --- changes in the source -----------------------------------------------------------------------------------------------------------


def test_a_new_version_of_what_is_parked_counts_and_is_examined() -> None:
    it = office("a")
    it.post.verdicts["a"] = [Park((cause(),))]
    it.run()
    it.arrive("a", version="2")
    it.run(minutes=5)
    record = it.record()
    assert (record.state, record.version, it.ledger.text(record.payload)) == (State.WRITTEN, digest("a 2"), "a 2")
    assert it.steps() == ["found", "parked", "changed", "sending", "sending", "written"]
    changed = it.history()[2]
    assert changed.state is State.FOUND
    assert changed.job != it.history()[1].job


def test_a_version_that_is_the_same_changes_nothing() -> None:
    it = office("a")
    it.run()
    it.run()
    assert it.steps().count("changed") == 0


def test_what_comes_back_after_it_was_withdrawn_is_taken_up_again() -> None:
    it = office("a")
    it.post.verdicts["a"] = [Park((cause(),))]
    it.run()
    it.ledger.move(it.record(), Step("withdrawn", "It is gone."), run="r", state=State.WITHDRAWN, due=None, causes=())
    it.run()
    assert it.record().state is State.WRITTEN


@pytest.mark.parametrize("state", [State.CLAIMED, State.UNKNOWN])
def test_a_change_while_the_outcome_is_in_doubt_is_only_counted(state: State) -> None:
    it = office("a")
    it.box.before = _raise(OutcomeUnknown("No answer."))
    it.run()
    record = it.ledger.move(it.record(), Step("any", "Any."), run="r", state=state, due=it.clock.now() + timedelta(hours=1))
    it.arrive("a", version="2")
    it.run()
    assert it.record().version == record.version
    assert it.counts["changed_in_doubt"] == 1


def test_a_change_of_what_is_half_written_is_only_counted() -> None:
    it = office("a")
    it.box.before = lambda _, piece: _raise(TryLater("Busy.", delay=3600))() if piece == STAMP else None
    it.run()
    before = it.record()
    assert before.state is State.RETRYING
    it.arrive("a", version="2")
    it.run()
    assert it.record() == before
    assert it.counts["changed_in_doubt"] == 1


def test_a_change_of_what_is_written_is_shown_and_never_sent() -> None:
    it = office("a")
    it.post.differing = (cause("written-differs"),)
    it.run()
    sent = len(it.box.sent)
    it.arrive("a", version="2")
    it.post.changes = (cause("changed-after-write"),)
    it.run()
    record = it.record()
    assert [item.code for item in record.causes] == ["changed-after-write", "written-differs"]
    assert (record.version, len(it.box.sent)) == (digest("a 2"), sent)
    assert (it.history()[-1].step.name, it.history()[-1].step.note) == ("changed", "The paper is changed-after-write.")
    assert it.counts["changed_after_write"] == 1


def test_a_change_that_does_not_matter_is_noted() -> None:
    it = office("a")
    it.run()
    it.arrive("a", version="2")
    it.run()
    assert it.counts["changed"] == 1
    assert "changed_after_write" not in it.counts
    assert it.history()[-1].step.note == "Changed in the source in a way that does not matter here."


def _raise(error: Exception) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise error

    return fail


# --- one record's trouble stays with the record --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [KeyError("x"), ValueError("x"), TypeError("x"), AttributeError("x"), ZeroDivisionError("x"), Bug("It does not hold.")]
)
def test_an_error_of_ours_parks_one_letter_and_the_others_go_on(error: Exception) -> None:
    it = office("a", "b")
    it.post.on_examine = lambda name: _raise(error)() if name == "a" else None
    assert it.run() is End.DONE
    assert (it.record("a").state, it.record("b").state) == (State.PARKED, State.WRITTEN)
    [found] = it.record("a").causes
    assert (found.code, found.subject) == ("internal-error", "the connector")
    assert found.sentence.startswith("letter a: ")
    assert it.counts == {"read": 2, "errors": 1, "parked": 1, "written": 1}
    assert it.record("a").due == it.clock.now()


def test_an_error_of_ours_is_said_once() -> None:
    it = office("a")
    it.post.on_examine = _raise(KeyError("x"))
    it.run()
    it.run()
    assert it.steps() == ["found", "parked"]


def test_what_cannot_be_read_is_parked_with_its_causes() -> None:
    it = office("a")
    it.post.on_examine = _raise(FixData((cause("field-invalid"), cause("field-missing"))))
    it.run()
    assert [item.code for item in it.record().causes] == ["field-invalid", "field-missing"]
    assert it.history()[-1].step.note == "The paper is field-invalid.; The paper is field-missing."
    assert it.counts == {"read": 1, "parked": 1}


def test_a_letter_in_doubt_stays_in_doubt_when_something_around_it_breaks() -> None:
    it = office("a")
    it.box.before = _raise(OutcomeUnknown("No answer."))
    it.run()
    before = it.record()
    it.box.on_look = _raise(FixData((cause("field-invalid"),)))
    it.run(minutes=15)
    assert it.record() == before
    assert it.counts == {"read": 1, "parked": 1}


def test_a_half_written_letter_stays_half_written_when_something_around_it_breaks() -> None:
    it = office("a")
    it.box.before = lambda _, piece: _raise(TryLater("Busy.", delay=60))() if piece == STAMP else None
    it.run()
    before = it.record()
    it.box.on_look = _raise(KeyError("x"))
    it.run(minutes=1)
    assert it.record() == before


def test_a_letter_that_never_gets_an_answer_is_put_off_and_the_others_are_written() -> None:
    it = office("a", "b", "c", concurrency=1)
    it.box.on_look = lambda letter, _: _raise(TryLater("No answer."))() if letter == "a" else None
    for minutes in (0, 1, 5):
        assert it.run(minutes=minutes) is End.DONE
    assert {name: it.record(name).state for name in "abc"} == {"a": State.FOUND, "b": State.WRITTEN, "c": State.WRITTEN}
    assert [audit.step.name for audit in it.history("a")] == ["found", "put off", "put off", "put off"]
    due = it.record("a").due
    assert due is not None
    assert due > it.clock.now(), "it comes again later, each time after a longer pause"

    it.box.on_look = lambda *_: None
    it.run(minutes=60)
    assert it.record("a").state is State.WRITTEN


def test_a_letter_in_doubt_that_gets_no_answer_stays_in_doubt_and_holds_up_nothing() -> None:
    it = office("a")
    it.box.before = _raise(OutcomeUnknown("No answer."))
    it.run()
    before = it.record("a")
    it.box.before = lambda *_: None
    it.arrive("b", "c")
    it.box.on_look = lambda letter, _: _raise(TryLater("No answer."))() if letter == "a" else None
    it.run(minutes=16)
    record = it.record("a")
    assert (record.state, record.sent_at, record.looks, record.causes) == (State.UNKNOWN, before.sent_at, before.looks, before.causes)
    assert [it.record(name).state for name in "bc"] == [State.WRITTEN] * 2
    assert [letter for letter, _ in it.box.sent].count("a") == 1


def test_no_answer_for_several_in_a_row_is_trouble_of_the_whole_system() -> None:
    it = office(*"abcdefgh", concurrency=1)
    it.box.on_look = _raise(TryLater("No answer."))
    with pytest.raises(TryLater):
        it.run()
    assert len(it.box.looks) == WAVE, "no further wave is begun"
    assert it.box.sent == []
    assert {it.record(name).state for name in "abcdefgh"} == {State.FOUND}


def test_a_host_that_asks_to_wait_ends_the_slice_at_once() -> None:
    it = office("a", "b", concurrency=1)
    busy = Throttled("Wait.", host="h", not_before=it.clock.now() + timedelta(minutes=1))
    it.box.on_look = _raise(busy)
    with pytest.raises(Throttled):
        it.run()
    assert it.counts == {"read": 2}
    assert {it.record(name).due for name in "ab"} == {it.clock.now()}, "none is put off: the host said when it answers again"


def test_trouble_of_the_whole_system_ends_the_slice() -> None:
    it = office("a")
    it.post.on_examine = _raise(FixConfiguration("No permission."))
    with pytest.raises(FixConfiguration):
        it.run()
    assert it.record().state is State.FOUND


# --- after the write -----------------------------------------------------------------------------------------------------------------


def test_a_posted_letter_rests_with_what_was_noticed() -> None:
    it = office("a")
    it.post.differing = (cause("written-differs"),)
    it.run()
    it.post.seen = [Posted(it.record(), "Posted as V-1.", (cause("conflict"),))]
    it.run()
    record = it.record()
    assert (record.state, record.due) == (State.POSTED, None)
    assert [item.code for item in record.causes] == ["conflict", "written-differs"]
    assert (it.history()[-1].step.name, it.history()[-1].step.note) == ("posted", "Posted as V-1.")
    assert it.counts["posted"] == 1
    it.run()
    assert len(it.post.watched) == 1


def test_what_is_noticed_is_said_once_and_taken_back_when_it_is_over() -> None:
    it = office("a")
    it.run()
    twice = (cause("written-gone"), cause("written-gone"))
    it.post.seen = [Noticed(it.record(), "It is gone.", twice)]
    it.run()
    assert it.counts["noticed"] == 1
    it.run()
    assert "noticed" not in it.counts
    assert it.steps().count("noticed") == 1
    assert [item.code for item in it.record().causes] == ["written-gone"]
    it.post.seen = [Noticed(it.record(), "It is back.", ())]
    it.run()
    assert it.record().causes == ()
    assert it.history()[-1].step.note == "It is back."


# --- dry run -------------------------------------------------------------------------------------------------------------------------


def rehearsed(it: PostOffice) -> list[str]:
    """What a dry run shows; it writes nothing anywhere."""
    rows = [repr(row) for row in it.storage.tables.scan("ledger", PLACE.partition, "", "~")]
    sent = len(it.box.sent)
    assert it.run(dry_run=True) is End.DONE
    assert [repr(row) for row in it.storage.tables.scan("ledger", PLACE.partition, "", "~")] == rows
    assert len(it.box.sent) == sent
    assert it.post.noted == []
    return it.report.shown


def test_a_dry_run_shows_the_exact_bodies() -> None:
    it = office("a")
    assert rehearsed(it) == ["would write letter a:\n  PUT a envelope\n  PUT a stamp"]
    assert it.counts == {"read": 1, "would_write": 1}
    assert it.post.examined == ["a 1"]


def test_a_dry_run_shows_what_would_happen_to_the_others() -> None:
    it = office("a", "b", "c", "d", "e", "f")
    newer = NewRecord(key_digest("c"), "letter c", "c", digest("c 2"), "c 2", {})
    it.post.verdicts = {"a": [Park((cause("no-lines"), cause("sum-differs")))], "b": [Leave("It is void.")], "c": [Newer(newer)]}
    it.box.held["d", ENVELOPE] = "x"
    it.box.foreign = {"e": Foreign("V-7"), "f": Foreign("V-8", (cause("conflict"), cause("refused")))}
    assert rehearsed(it) == [
        "would park letter a: The paper is no-lines.; The paper is sum-differs.",
        "would leave letter b: It is void.",
        "letter c has changed in its source",
        "letter d is in the target already",
        "would adopt letter e: V-7",
        "would park letter f: The paper is conflict.; The paper is refused.",
    ]
    assert it.counts == {"read": 6, "would_park": 2, "would_leave": 1, "would_adopt": 1}


def test_a_dry_run_shows_what_is_open_once_and_nothing_that_is_written() -> None:
    it = office("a", "b", "c")
    it.post.verdicts = {"a": [Park((cause(),))], "b": [Park((cause(),))]}
    it.run()
    it.post.documents = [item for item in it.post.documents if item.source_id in {"a", "c"}]
    it.post.noted.clear()
    it.post.examined.clear()
    assert sorted(line.splitlines()[0] for line in rehearsed(it)) == ["would write letter a:", "would write letter b:"]
    assert sorted(it.post.examined) == ["a 1", "b 1"]


def test_a_dry_run_examines_the_version_in_the_source_as_the_record_it_would_become() -> None:
    it = office("a")
    seen: list[Record] = []
    examine = it.post.examine

    def spy(record: Record, text: str) -> object:
        seen.append(record)
        return examine(record, text)

    it.post.examine = spy  # type: ignore[method-assign,assignment] # to see the record that is examined
    rehearsed(it)
    it.run()
    assert replace(seen[0], payload="") == replace(seen[1], payload="", due=None, seq=0, mac="", created_at=None, updated_at=None, etag="")

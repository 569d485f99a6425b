"""One record's way through the deliver engine, with a target that does as it is told."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from sync.engine.attempt import FIRST_BACK_OFF_SECONDS, LONGEST_BACK_OFF_SECONDS, ON_REQUEST
from sync.engine.delivery import Foreign, Leave, Newer, Park, Ready, Refusal, Reservation
from sync.errors import Blocked, FixConfiguration, FixData, OutcomeUnknown, SignInAgain, Throttled, TryLater
from sync.ledger.model import NewRecord, State
from sync.storage.model import Insert, Row
from sync.values import digest, job_id, key_digest
from tests.support.letters import ENVELOPE, PLACE, STAMP, PostOffice, cause

BOTH = [("a", ENVELOPE), ("a", STAMP)]
SETTLE = 15


def office(*names: str, **policies: object) -> PostOffice:
    """With letters that were not looked at yet."""
    made = PostOffice(**policies)
    made.arrive(*(names or ("a",)))
    return made


def once(*errors: Exception | None) -> Callable[[str, str], None]:
    """Raise these, one for each call; afterwards nothing."""
    left = [*errors]

    def fail(*_: str) -> None:
        error = left.pop(0) if left else None
        if error is not None:
            raise error

    return fail


# --- the straight way ----------------------------------------------------------------------------------------------------------------


def test_every_piece_is_looked_for_claimed_and_sent_in_order_and_the_whole_is_written() -> None:
    it = office()
    it.post.aliases["a"] = "second key"
    it.run()
    assert it.box.looks == it.box.sent == BOTH
    assert it.steps() == ["found", "sending", "sending", "written"]
    record = it.record()
    assert (record.state, record.owner, record.sent_at, record.due, record.causes) == (State.WRITTEN, "", None, it.clock.now(), ())
    assert record.progress == {
        ENVELOPE: "envelope of a",
        STAMP: "stamp of a",
        "done:envelope": "1",
        "done:stamp": "1",
    }
    assert record.facts == {"text": "a 1", "weight": "20"}
    assert record.label == "letter a in the box"
    assert it.ledger.text(record.plan) == "a"
    assert it.ledger.holder(PLACE, "second key") == record.key
    assert it.counts == {"read": 1, "written": 1}


def test_the_claim_is_durable_before_the_piece_goes_out() -> None:
    it = office()
    claims = []

    def seen(_: str, piece: str) -> None:
        record = it.record()
        claims.append((piece, record.state, record.sent_at, bool(record.owner), record.progress["sending"], it.ledger.text(record.plan)))

    it.box.before = seen
    it.run()
    now = it.clock.now()
    assert claims == [(piece, State.CLAIMED, now, True, piece, "a") for piece in (ENVELOPE, STAMP)]
    details = [row.step.detail for row in it.history() if row.step.name == "sending"]
    assert details == [{"piece": ENVELOPE}, {"piece": STAMP}]


def test_what_is_there_already_is_not_sent() -> None:
    it = office()
    it.box.held["a", ENVELOPE] = "envelope of a"
    it.run()
    assert it.box.sent == [("a", STAMP)]
    assert it.record().progress[ENVELOPE] == "envelope of a"


def test_what_is_reserved_is_durable_with_the_claim() -> None:
    it = office()
    beside = Row(PLACE.partition, "j:1", {"Key": "1"})
    it.post.reserving = lambda record: Reservation({"journal": "J1"}, () if record.progress.get("journal") else (Insert(beside),))
    it.run()
    assert it.record().progress["journal"] == "J1"
    assert [row.key for row in it.storage.tables.scan("ledger", PLACE.partition, "j:", "j;")] == ["j:1"]


def test_differences_after_the_write_are_causes_of_a_written_record() -> None:
    it = office()
    it.post.differing = (cause("written-differs"), cause("refused"), cause("written-differs"))
    it.run()
    record = it.record()
    assert (record.state, [item.code for item in record.causes]) == (State.WRITTEN, ["refused", "written-differs"])
    assert it.history()[-1].step.note == "Written, but: The paper is written-differs.; The paper is refused.; The paper is written-differs."


# --- examined ------------------------------------------------------------------------------------------------------------------------


def test_a_parked_letter_holds_all_its_causes_and_is_examined_again_at_the_next_run() -> None:
    it = office()
    causes = (cause("sum-differs"), cause("no-lines"), cause("sum-differs"))
    it.post.verdicts["a"] = [Park(causes), Park(causes)]
    it.run()
    record = it.record()
    assert (record.state, [item.code for item in record.causes], it.due_in()) == (State.PARKED, ["no-lines", "sum-differs"], 0)
    assert it.history()[-1].step.note == "The paper is no-lines.; The paper is sum-differs."
    it.run(minutes=5)
    assert it.steps() == ["found", "parked"], "said once"
    assert it.counts == {"read": 1, "parked": 1}
    it.run(minutes=5)
    assert it.record().state is State.WRITTEN
    assert it.record().causes == ()
    assert it.failures() == []


def test_other_causes_are_said_again() -> None:
    it = office()
    it.post.verdicts["a"] = [Park((cause("no-lines"),)), Park((cause("sum-differs"),))]
    it.run()
    it.run()
    assert it.steps() == ["found", "parked", "parked"]
    assert [failure.cause.code for failure in it.failures()] == ["sum-differs"]


def test_what_is_never_written_rests() -> None:
    it = office()
    it.post.verdicts["a"] = [Park((cause(),)), Leave("It is void.")]
    it.run()
    it.run()
    record = it.record()
    assert (record.state, record.due, record.causes) == (State.OUT_OF_SCOPE, None, ())
    assert it.counts["out_of_scope"] == 1
    assert it.history()[-1].step.note == "It is void."


def test_a_newer_version_in_the_source_counts() -> None:
    it = office()
    newer = NewRecord(key_digest("a"), "letter a, again", "a", digest("a 2"), "a 2", {"text": "a 2"})
    it.post.verdicts["a"] = [Newer(newer)]
    it.run()
    record = it.record()
    assert it.post.examined == ["a 1", "a 2"]
    assert (record.version, record.job) == (newer.version, job_id("contoso", "invoices", record.key, newer.version))
    assert (it.ledger.text(record.payload), record.facts["text"]) == ("a 2", "a 2")
    assert it.steps() == ["found", "changed", "sending", "sending", "written"]


def test_a_newer_version_has_its_label_before_anything_else_is_known_of_it() -> None:
    it = office()
    newer = NewRecord(key_digest("a"), "letter a, again", "a", digest("a 2"), "a 2", {})
    it.post.verdicts["a"] = [Newer(newer), Park((cause(),))]
    it.run()
    assert it.record().label == "letter a, again"


def test_a_source_that_keeps_changing_is_left_for_later() -> None:
    it = office()
    newer = NewRecord(key_digest("a"), "letter a", "a", digest("a 2"), "a 2", {})
    it.post.verdicts["a"] = [Newer(newer), Newer(newer)]
    it.run()
    assert it.box.sent == []
    assert it.history()[-1].step.name == "put off"
    assert "keeps changing" in it.history()[-1].step.note


def test_an_examination_without_a_label_keeps_the_old_one() -> None:
    it = office()
    it.post.verdicts["a"] = [Ready("a")]
    it.run()
    assert it.record().label == "letter a"


# --- another's document --------------------------------------------------------------------------------------------------------------


def test_anothers_document_that_agrees_is_adopted_and_never_touched() -> None:
    it = office()
    it.post.aliases["a"] = "second key"
    it.box.foreign["a"] = Foreign("V-7")
    it.run()
    record = it.record()
    assert (record.state, record.due, record.owner, record.causes) == (State.ADOPTED, None, "", ())
    assert record.progress == {"adopted": "V-7"}
    assert it.ledger.holder(PLACE, "second key") == record.key
    assert (it.box.sent, it.counts["adopted"]) == ([], 1)


def test_anothers_document_that_differs_parks_the_letter() -> None:
    it = office()
    it.box.foreign["a"] = Foreign("V-7", (cause("conflict"),))
    it.run()
    assert (it.record().state, [item.code for item in it.record().causes]) == (State.PARKED, ["conflict"])
    assert it.box.sent == []


def test_a_letter_whose_second_key_is_held_by_one_in_doubt_says_that_the_other_comes_first() -> None:
    it = office("a")
    it.post.aliases = {"a": "same", "b": "same"}
    it.box.before = once(OutcomeUnknown("No answer."))
    it.run()
    it.arrive("b")
    it.run(minutes=1)
    assert (it.record("a").state, it.record("b").state) == (State.UNKNOWN, State.PARKED)
    assert it.record("b").causes[0].sentence.endswith("the one with the id a, which comes first.")


def test_two_letters_with_the_same_second_key_one_is_parked_and_names_the_other() -> None:
    it = office("a", "b")
    it.post.aliases = {"a": "same", "b": "same"}
    it.run()
    first, second = sorted((it.record("a"), it.record("b")), key=lambda record: record.state is State.PARKED)
    assert (first.state, second.state) == (State.WRITTEN, State.PARKED)
    [found] = second.causes
    assert (found.code, found.subject) == ("duplicate-number", f"id {first.source_id}")
    assert found.sentence.endswith(f"has the vendor and number of the one with the id {first.source_id}, which is in D365.")
    assert (second.alias, second.progress) == ("", {})
    assert [letter for letter, _ in it.box.sent] == [first.source_id] * 2


def test_a_twin_that_another_holds_is_not_adopted_either() -> None:
    it = office("a", "b")
    it.post.aliases = {"a": "same", "b": "same"}
    it.box.foreign = {"a": Foreign("V-7"), "b": Foreign("V-7")}
    it.run()
    assert sorted([it.record("a").state, it.record("b").state]) == [State.ADOPTED, State.PARKED]
    assert it.counts["adopted"] == 1


# --- busy ----------------------------------------------------------------------------------------------------------------------------


def test_a_busy_target_is_tried_again_after_longer_and_longer_times() -> None:
    it = office()
    it.box.before = once(*[TryLater("Busy.", detail="503")] * 12)
    waits = []
    for attempt in range(12):
        it.run()
        record = it.record()
        assert (record.state, record.attempts, record.owner, record.progress) == (State.RETRYING, attempt + 1, "", {})
        waits.append(it.due_in())
        assert len(it.woken()) == attempt + 1
        assert (it.woken()[-1].key, it.woken()[-1].job) == (record.key, record.job)
        it.clock.advance(seconds=it.due_in())
    longest = [min(LONGEST_BACK_OFF_SECONDS, FIRST_BACK_OFF_SECONDS * 2**number) for number in range(12)]
    assert all(most / 2 <= wait <= most for wait, most in zip(waits, longest, strict=True)), waits
    assert len({wait / most for wait, most in zip(waits, longest, strict=True)}) > 6, "chance spreads them"
    assert it.counts == {"read": 1, "retrying": 1}
    assert (it.history()[-1].step.note, it.history()[-1].step.detail) == ("Busy.", {"reason": "503"})
    it.run()
    assert (it.record().state, it.record().attempts) == (State.WRITTEN, 0)


def test_it_is_not_tried_before_its_time() -> None:
    it = office()
    it.box.before = once(TryLater("Busy.", delay=90))
    it.run()
    assert it.due_in() == 90
    it.clock.advance(seconds=89)
    it.run()
    assert len(it.box.sent) == 1
    it.clock.advance(seconds=1)
    it.run()
    assert it.record().state is State.WRITTEN


def test_a_throttled_host_ends_the_slice_and_says_when() -> None:
    it = office("a", "b")
    not_before = it.clock.now() + timedelta(seconds=77)
    it.box.before = once(*[Throttled("Too many requests.", host="h", not_before=not_before)] * 2)
    with pytest.raises(Throttled):
        it.run()
    assert {it.record(name).state for name in "ab"} <= {State.RETRYING, State.FOUND}
    assert it.due_in("a") == 77


def test_a_gate_that_is_open_by_now_needs_no_wait() -> None:
    it = office()
    it.box.before = once(Throttled("Too many requests.", host="h", not_before=it.clock.now() - timedelta(seconds=5)))
    with pytest.raises(Throttled):
        it.run()
    assert it.due_in() == 0


def test_what_waits_for_something_of_ours_sends_nothing_and_is_tried_later() -> None:
    it = office()

    def blocked(_: object) -> Reservation:
        raise Blocked("The journal is in doubt.")

    it.post.reserving = blocked
    it.run()
    assert (it.record().state, it.box.sent) == (State.RETRYING, [])
    assert it.history()[-1].step.note == "The journal is in doubt."


def test_a_half_written_letter_goes_on_with_its_old_plan_and_is_not_examined_again() -> None:
    it = office()
    it.box.before = once(None, TryLater("Busy.", delay=60))
    it.run()
    assert it.record().progress == {ENVELOPE: "envelope of a", "done:envelope": "1"}
    it.post.verdicts["a"] = [Ready("another plan")]
    it.run(minutes=1)
    assert it.box.sent == [("a", ENVELOPE), ("a", STAMP), ("a", STAMP)]
    assert it.post.examined == ["a 1"]
    assert it.record().state is State.WRITTEN


# --- refused sign-in, refused data ---------------------------------------------------------------------------------------------------


def test_a_refused_sign_in_is_followed_by_a_look_and_one_more_sending() -> None:
    it = office()
    it.box.before = once(SignInAgain("Signed out."))
    it.run()
    assert it.record().state is State.WRITTEN
    assert it.box.looks == [("a", ENVELOPE), ("a", ENVELOPE), ("a", STAMP)]
    assert it.box.sent == [("a", ENVELOPE), ("a", ENVELOPE), ("a", STAMP)]
    assert it.steps() == ["found", "sending", "sending", "sending", "written"]


def test_what_the_refused_sending_did_write_is_not_sent_again() -> None:
    it = office()
    it.box.after = once(SignInAgain("Signed out."))
    it.run()
    assert it.record().state is State.WRITTEN
    assert it.box.sent == BOTH


def test_a_sign_in_that_is_refused_twice_is_a_matter_of_configuration() -> None:
    it = office()
    it.box.before = once(SignInAgain("Signed out."), SignInAgain("Signed out.", detail="401"))
    with pytest.raises(FixConfiguration, match="Signed out") as caught:
        it.run()
    assert caught.value.detail == "401"
    assert (it.record().state, len(it.box.sent)) == (State.RETRYING, 2)


def test_a_setting_that_the_target_misses_ends_the_slice_with_the_record_retrying() -> None:
    it = office()
    it.box.before = once(FixConfiguration("No permission.", field="d365"))
    with pytest.raises(FixConfiguration, match="No permission"):
        it.run()
    assert (it.record().state, it.history()[-1].step.note) == (State.RETRYING, "No permission.")


def test_what_the_target_refuses_is_parked_until_somebody_asks() -> None:
    it = office()
    it.post.aliases["a"] = "second key"
    it.box.before = once(FixData((cause(),)))
    it.run()
    record = it.record()
    assert (record.state, record.due, record.owner, record.sent_at) == (State.PARKED, ON_REQUEST, "", None)
    assert (record.alias, record.progress, it.ledger.holder(PLACE, "second key")) == ("", {}, None)
    assert it.box.looks == [("a", ENVELOPE)] * 2
    it.run(minutes=60)
    assert len(it.box.sent) == 1


def test_what_is_refused_for_a_reason_that_goes_away_is_tried_at_the_next_run() -> None:
    it = office()
    it.post.refusing = lambda _, causes: Refusal(State.PARKED, causes, again=True)
    it.box.before = once(FixData((cause(),)))
    it.run()
    assert (it.record().state, it.due_in()) == (State.PARKED, 0)
    it.run()
    assert it.record().state is State.WRITTEN


def test_what_was_written_in_spite_of_the_refusal_is_found() -> None:
    it = office()
    it.box.after = once(FixData((cause(),)))
    it.run()
    assert it.record().state is State.WRITTEN
    assert it.box.sent == BOTH


@pytest.mark.parametrize(("state", "due"), [(State.PARKED, ON_REQUEST), (State.RETRYING, None)])
def test_a_refusal_that_leaves_a_part_behind_keeps_it_in_mind(state: State, due: object) -> None:
    it = office()
    it.box.before = once(None, FixData((cause("no-lines"),)))
    it.post.refusing = lambda _, causes: Refusal(state, causes, {ENVELOPE: "still there", "done:envelope": "1"})
    it.run()
    record = it.record()
    assert (record.state, record.owner, record.sent_at) == (state, "", None)
    assert record.due == (due or it.clock.now())
    assert record.progress == {ENVELOPE: "still there", "done:envelope": "1"}
    assert [item.code for item in record.causes] == ["no-lines"]
    assert it.steps()[-1] == "refused"
    assert it.history()[-1].step.note == "The paper is no-lines."
    assert it.counts[state.value] == 1


# --- doubt ---------------------------------------------------------------------------------------------------------------------------


def test_an_unclear_outcome_is_looked_up_at_once() -> None:
    it = office()
    it.box.after = once(OutcomeUnknown("No answer.", detail="reset"))
    it.run()
    assert it.record().state is State.WRITTEN
    assert it.box.sent == BOTH
    assert it.steps() == ["found", "sending", "unknown", "sending", "written"]
    assert it.history()[2].step.detail == {"reason": "reset"}


def test_absence_counts_after_the_settle_time_on_two_looks() -> None:
    it = office()
    it.box.before = once(OutcomeUnknown("No answer."))
    it.run()
    sent_at = it.clock.now()
    record = it.record()
    assert (record.state, record.sent_at, record.due) == (State.UNKNOWN, sent_at, sent_at + timedelta(minutes=SETTLE))
    assert [item.code for item in record.causes] == ["outcome-unknown"]
    assert record.causes[0].sentence.startswith(record.label)
    assert record.causes[0].subject == record.label
    assert it.counts == {"read": 1, "unknown": 1}
    assert [message.key for message in it.woken()] == [record.key]

    it.run(minutes=SETTLE - 1)
    assert it.box.looks == [("a", ENVELOPE)] * 2, "it is not due yet"

    it.run(minutes=1)
    record = it.record()
    assert (record.state, record.looks, record.due) == (State.UNKNOWN, 1, it.clock.now() + timedelta(minutes=SETTLE / 4))
    assert it.counts == {"read": 1, "unknown": 1}
    assert it.box.sent == [("a", ENVELOPE)]

    it.run(minutes=SETTLE / 4)
    record = it.record()
    assert (record.state, record.looks, record.causes) == (State.WRITTEN, 0, ())
    assert it.box.sent == [("a", ENVELOPE), *BOTH]
    assert it.post.examined == ["a 1", "a 1"], "nothing is there: it is examined anew"
    assert it.steps() == ["found", "sending", "unknown", "looked", "looked", "absent", "sending", "sending", "written"]


def test_a_write_that_takes_effect_late_is_found_by_the_second_look() -> None:
    it = office()
    it.box.before = once(OutcomeUnknown("No answer."))
    it.run()
    it.run(minutes=SETTLE)
    it.box.held["a", ENVELOPE] = "envelope of a"
    it.run(minutes=SETTLE / 4)
    assert it.record().state is State.WRITTEN
    assert it.box.sent == BOTH


def test_the_settle_time_is_the_customers() -> None:
    it = office(unknown_settle_minutes=40)
    it.box.before = once(OutcomeUnknown("No answer."))
    it.run()
    assert it.due_in() == 40 * 60
    it.run(minutes=40)
    assert it.due_in() == 10 * 60


def test_an_absent_second_piece_is_sent_again_under_the_old_plan() -> None:
    it = office()
    it.box.before = once(None, OutcomeUnknown("No answer."))
    it.run()
    assert it.record().progress == {ENVELOPE: "envelope of a", "done:envelope": "1", "sending": STAMP}
    it.run(minutes=SETTLE)
    it.run(minutes=SETTLE)
    assert it.record().state is State.WRITTEN
    assert it.post.examined == ["a 1"]
    assert it.box.sent == [("a", ENVELOPE), ("a", STAMP), ("a", STAMP)]


def test_a_look_that_finds_anothers_document_in_doubt_parks_the_letter() -> None:
    it = office()
    it.box.before = once(OutcomeUnknown("No answer."))
    it.run()
    it.box.foreign["a"] = Foreign("V-7", (cause("conflict"),))
    it.run(minutes=SETTLE)
    assert (it.record().state, it.counts) == (State.PARKED, {"read": 1, "parked": 1})
    assert it.box.sent == [("a", ENVELOPE)]


def test_a_worker_that_died_between_claim_and_answer_leaves_doubt_that_a_look_ends() -> None:
    it = office()

    class Died(BaseException):
        pass

    def die(*_: str) -> None:
        raise Died

    it.box.after = die
    with pytest.raises(Died):
        it.run()
    assert it.record().state is State.CLAIMED
    it.box.after = once()
    it.use_worker(1)
    it.run()
    assert it.record().state is State.WRITTEN
    assert it.box.sent == BOTH
    assert it.steps() == ["found", "sending", "unknown", "absent", "sending", "written"]

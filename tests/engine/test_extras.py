"""Writes beside a written document: tried until they are done, under the rules of every write, holding up nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import pytest

from sync.engine.delivery import Extra, Found, Nothing, Sight
from sync.engine.extras import FIRST_DELAY, LONGEST_DELAY
from sync.errors import FixConfiguration, FixData, OutcomeUnknown, Throttled, TryLater
from sync.ledger.model import Record, State
from tests.engine.test_attempt import once
from tests.support.letters import PostOffice, cause

SETTLE = timedelta(minutes=15)


@dataclass
class Seal:
    """A piece of wax that comes on a letter later."""

    name: str = "seal"
    on: bool = False
    before: Callable[[str, str], None] = lambda *_: None
    after: Callable[[str, str], None] = lambda *_: None
    looks: int = 0
    sent: int = 0

    def look(self, record: Record) -> Sight:
        """Whether it is on."""
        self.looks += 1
        return Found() if self.on else Nothing()

    def send(self, record: Record) -> Mapping[str, str]:
        """Put it on."""
        self.sent += 1
        self.before("", "")
        self.on = True
        self.after("", "")
        return {"wax": "red"}


@dataclass
class Desk:
    """A written letter that gets a seal."""

    it: PostOffice
    seal: Seal

    @classmethod
    def made(cls, *before: Exception | None, after: tuple[Exception, ...] = (), **policies: object) -> "Desk":
        """The letter is written, and the seal was tried once."""
        it, seal = PostOffice(**policies), Seal()
        seal.before, seal.after = once(*before), once(*after)
        it.arrive("a")
        it.post.extra = Extra(seal, "attachment", frozenset({"attachment", "marked-elsewhere"}))
        it.run()
        return cls(it, seal)

    @property
    def record(self) -> Record:
        """The letter."""
        return self.it.record()

    @property
    def codes(self) -> list[str]:
        """Its open causes."""
        return [item.code for item in self.record.causes]

    def next(self) -> str:
        """When the seal is tried again."""
        return self.record.progress.get("next:seal", "")


def text(moment: object) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"


def test_it_is_looked_for_noted_and_sent_beside_the_written_letter() -> None:
    desk = Desk.made()
    assert (desk.seal.looks, desk.seal.sent) == (1, 1)
    assert desk.it.steps()[-3:] == ["written", "sending", "completed"]
    assert desk.it.history()[-2].step.detail == {"piece": "seal"}
    progress = desk.record.progress
    assert (progress["done:seal"], progress["wax"]) == ("1", "red")
    assert not [name for name in progress if name.startswith(("sent:", "next:", "looks:", "tries:"))]
    assert desk.it.counts["seal_done"] == 1
    desk.it.run(minutes=60)
    assert (desk.seal.looks, desk.seal.sent) == (1, 1), "done once"


def test_what_is_on_already_is_not_sent() -> None:
    it, seal = PostOffice(), Seal(on=True)
    it.arrive("a")
    it.post.extra = Extra(seal, "attachment", frozenset())
    it.run()
    assert (seal.sent, it.record().progress["done:seal"]) == (0, "1")


def test_the_intent_is_durable_before_it_is_sent() -> None:
    it, seal = PostOffice(), Seal()
    sent: list[str] = []
    seal.before = lambda *_: sent.append(it.record().progress["sent:seal"])
    it.arrive("a")
    it.post.extra = Extra(seal, "attachment", frozenset())
    it.run()
    assert sent == [text(it.clock.now())]


def test_trouble_is_shown_and_it_is_tried_again_each_time_after_twice_as_long() -> None:
    desk = Desk.made(*[TryLater("Busy.")] * 9)
    assert desk.record.state is State.WRITTEN
    assert desk.codes == ["attachment"]
    [found] = desk.record.causes
    assert (found.subject, found.sentence) == (desk.record.label, f"{desk.record.label}, seal: Busy.")
    waits = []
    for tries in range(1, 9):
        assert desk.record.progress["tries:seal"] == str(tries)
        wait = min(LONGEST_DELAY, FIRST_DELAY * 2 ** (tries - 1))
        assert desk.next() == text(desk.it.clock.now() + wait)
        waits.append(wait)
        desk.it.run(minutes=wait.total_seconds() / 60 - 1)
        assert desk.seal.sent == tries, "not before its time"
        desk.it.run(minutes=1)
        assert desk.seal.sent == tries + 1
    assert waits[-1] == LONGEST_DELAY
    assert desk.it.counts["seal_open"] == 1
    desk.it.run(minutes=24 * 60)
    assert (desk.codes, desk.record.progress["done:seal"]) == ([], "1")


def test_refused_data_is_shown_with_its_own_causes_and_the_others_stay() -> None:
    it, seal = PostOffice(), Seal()
    seal.before = once(FixData((cause("refused"), cause("marked-elsewhere"))))
    it.post.differing = (cause("written-differs"), cause("marked-elsewhere", "old"))
    it.arrive("a")
    it.post.extra = Extra(seal, "attachment", frozenset({"marked-elsewhere"}))
    it.run()
    assert [(item.code, item.subject) for item in it.record().causes] == [
        ("marked-elsewhere", "paper"),
        ("refused", "paper"),
        ("written-differs", "paper"),
    ]
    assert it.history()[-1].step.name == "put off"
    assert it.history()[-1].step.note == "The paper is refused.; The paper is marked-elsewhere."
    assert "sent:seal" not in it.record().progress, "surely not sent"


def test_what_is_done_takes_its_causes_away_and_leaves_the_others() -> None:
    it, seal = PostOffice(), Seal()
    it.post.differing = (cause("written-differs"), cause("marked-elsewhere"))
    it.arrive("a")
    it.post.extra = Extra(seal, "attachment", frozenset({"marked-elsewhere"}))
    it.run()
    assert [item.code for item in it.record().causes] == ["written-differs"]


def test_a_setting_that_is_wrong_holds_up_nothing() -> None:
    desk = Desk.made(FixConfiguration("No permission."))
    assert (desk.record.state, desk.codes) == (State.WRITTEN, ["attachment"])


def test_a_throttled_host_ends_the_slice() -> None:
    it, seal = PostOffice(), Seal()
    seal.before = once(Throttled("Too many requests.", host="h", not_before=it.clock.now()))
    it.arrive("a")
    it.post.extra = Extra(seal, "attachment", frozenset())
    with pytest.raises(Throttled):
        it.run()
    assert it.record().state is State.WRITTEN


def test_in_doubt_it_counts_as_absent_only_after_the_settle_time_on_two_looks() -> None:
    desk = Desk.made(OutcomeUnknown("No answer."))
    sent_at = desk.it.clock.now()
    assert (desk.codes, desk.record.progress["sent:seal"]) == (["attachment"], text(sent_at))
    desk.it.run(minutes=15)
    assert (desk.seal.sent, desk.record.progress["looks:seal"]) == (1, "1")
    assert desk.next() == text(desk.it.clock.now() + SETTLE / 4)
    assert desk.it.history()[-1].step.note == "Not found; the next look decides."
    desk.it.run(minutes=3)
    assert desk.seal.looks == 2, "not due"
    desk.it.run(minutes=1)
    assert (desk.seal.sent, desk.record.progress["done:seal"], desk.codes) == (2, "1", [])


def test_a_look_before_the_settle_time_says_nothing() -> None:
    desk = Desk.made(OutcomeUnknown("No answer."), unknown_settle_minutes=60)
    sent_at = desk.it.clock.now()
    for _ in range(2):
        desk.it.run(minutes=15)
    assert desk.seal.sent == 1
    assert desk.next() == text(sent_at + timedelta(minutes=60))
    assert "looks:seal" not in desk.record.progress
    assert desk.it.history()[-1].step.note == "Not found yet; a write can take effect late."


def test_what_takes_effect_late_is_found() -> None:
    desk = Desk.made(OutcomeUnknown("No answer."))
    desk.it.run(minutes=15)
    desk.seal.on = True
    desk.it.run(minutes=4)
    assert (desk.seal.sent, desk.record.progress["done:seal"]) == (1, "1")


def test_a_worker_that_died_after_its_intent_is_in_doubt_too() -> None:
    it, seal = PostOffice(), Seal()

    class Died(BaseException):
        pass

    def die(*_: str) -> None:
        raise Died

    seal.before = die
    it.arrive("a")
    it.post.extra = Extra(seal, "attachment", frozenset())
    with pytest.raises(Died):
        it.run()
    seal.before = once()
    it.run(minutes=1)
    assert seal.sent == 1
    it.run(minutes=14)
    it.run(minutes=4)
    assert seal.sent == 2
    assert it.record().progress["done:seal"] == "1"


def test_a_letter_that_is_not_written_gets_none() -> None:
    it, seal = PostOffice(), Seal()
    it.box.before = once(FixData((cause(),)))
    it.arrive("a")
    it.post.extra = Extra(seal, "attachment", frozenset())
    it.run()
    assert seal.looks == 0

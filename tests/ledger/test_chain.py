"""What is said of a chain that does not hold."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from sync.ledger.audit import Head, Link, broken, chained
from sync.ledger.model import AuditRow, Place, State, Step
from tests.ledger.bench import PlainKeys
from tests.storage.support import START

KEYS = PlainKeys()


def chain(length: int) -> list[Link]:
    """A record's chain of so many steps."""
    links: list[Link] = []
    head = Head()
    for number in range(1, length + 1):
        row = AuditRow(Place("c", "invoices", "usmf"), "k", 0, START, "r", "j", State.FOUND, Step(f"step{number}", "Note."), mac="")
        links.append(chained(KEYS, head, row))
        head = Head(number, links[-1].row.mac)
    return links


def end(links: list[Link]) -> Head:
    return Head(links[-1].row.seq, links[-1].row.mac)


def test_a_whole_chain_holds() -> None:
    assert broken(KEYS, chain(4), end(chain(4)), Head()) == []
    assert broken(KEYS, [], Head(), Head()) == []


def without(*numbers: int) -> Callable[[list[Link]], list[Link]]:
    return lambda links: [link for link in links if link.row.seq not in numbers]


def renumbered(links: list[Link]) -> list[Link]:
    return [*links[:3], replace(links[3], row=replace(links[3].row, seq=3))]


@pytest.mark.parametrize(
    ("change", "sentences"),
    [
        (
            without(2, 3),
            [
                "After step 1 comes step 4: 2 missing.",
                "Step 4 (step4) was changed, or the step before it was: its code does not fit.",
            ],
        ),
        (
            without(1),
            ["After step 0 comes step 2: 1 missing.", "Step 2 (step2) was changed, or the step before it was: its code does not fit."],
        ),
        (without(4), ["The record's last step is 4, the last one there is 3: 1 missing."]),
        (
            renumbered,
            [
                "After step 3 comes step 3: it does not belong there.",
                "Step 3 (step4) was changed, or the step before it was: its code does not fit.",
                "The record's last step is 4, the last one there is 3: 1 missing.",
            ],
        ),
    ],
)
def test_a_chain_that_was_changed(change: Callable[[list[Link]], list[Link]], sentences: list[str]) -> None:
    assert broken(KEYS, change(chain(4)), end(chain(4)), Head()) == sentences


def test_a_head_that_was_changed() -> None:
    assert broken(KEYS, chain(2), Head(2, "other"), Head()) == ["The record's last step is 2, the last one there is 2: it was changed."]
    assert broken(KEYS, chain(2), end(chain(1)), Head()) == [
        "The record's last step is 1, the last one there is 2: it does not belong there."
    ]


def test_a_record_that_is_gone() -> None:
    assert broken(KEYS, chain(1), None, Head()) == ["The record itself is not there, its steps are still there."]
    assert broken(KEYS, [], None, Head()) == ["The record itself is not there, and there is no step of it."]


def test_a_step_whose_key_is_gone_does_not_fit() -> None:
    links = [replace(link, key_id="lost") for link in chain(1)]
    assert broken(KEYS, links, end(links), Head()) == ["Step 1 (step1) was changed, or the step before it was: its code does not fit."]

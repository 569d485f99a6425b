"""Chaos with real processes: every kind of it once, from a fixed seed, and in the end both truths agree to the cent."""

from collections import Counter
from pathlib import Path

import pytest

from sandbox.chaos.plan import KINDS, events
from sandbox.chaos.report import table
from sandbox.chaos.round import Outcome, play
from sandbox.worlds.property_firm import PropertyFirmSize

SIZE = PropertyFirmSize(vendors=45, accounts=40, buildings=18, invoices=24, payments=16)


def test_a_seed_gives_the_same_plan_always_and_every_kind_before_any_comes_again() -> None:
    plan = events(7, 3 * len(KINDS))
    assert plan == events(7, 3 * len(KINDS))
    assert plan != events(8, 3 * len(KINDS))
    assert Counter(event.kind for event in plan) == dict.fromkeys(KINDS, 3)
    assert {event.kind for event in plan[: len(KINDS)]} == set(KINDS)


@pytest.mark.slow
def test_after_every_kind_of_chaos_nothing_is_lost_doubled_or_in_doubt(tmp_path: Path) -> None:
    outcome = play(3, events(3, len(KINDS)), tmp_path, size=SIZE)
    said = "\n".join(f"--- {log.name}\n{log.read_text()[-5_000:]}" for log in sorted(tmp_path.glob("*.log")))
    assert outcome.problems == [], "\n".join([*outcome.problems, said])
    saw = {event.kind: seen for event, seen in outcome.done}
    assert saw.keys() == set(KINDS)
    assert outcome.storage_faults > 0, "requests to storage were spoilt"
    assert not saw["clock"].endswith(" 0 times"), "the worker whose clock was wrong knew it"
    assert not saw["freeze"].startswith("0 "), "others worked while one stood still"


def test_the_table_shows_every_round_and_how_to_repeat_one_that_went_wrong() -> None:
    plan = events(5, 8)
    well = Outcome(5, done=[(event, "") for event in plan], requests=1_000, notes={"invoices": 3})
    wrong = Outcome(6, done=[(event, "") for event in plan], problems=["VendorInvoiceHeaders usmf 1001 A: 2 times"], notes={"invoices": 4})
    assert "Lost, doubled or in doubt: nothing." in table([well])
    shown = table([well, wrong])
    assert "agrees" in shown
    assert "python3 dev.py chaos --seed 6 --events 8\n  VendorInvoiceHeaders usmf 1001 A: 2 times" in shown

"""Two hundred connections due at once: fair shares, no starvation, and one bad connection does not slow the others (virtual time)."""

from collections import Counter
from dataclasses import replace

import pytest

from bench.load import fairness
from bench.load.fairness import Shares, Trouble, near, play
from bench.load.hosting import FUNCTION_TIMEOUT
from sandbox.runner.host import QueueRules
from sync.connections.document import STAGES

pytestmark = pytest.mark.slow

SOME = 40
MOST = 1.5
"""How much longer the last of the others may take beside a bad connection."""
BATCHES_OF_FOUR = QueueRules(batch_size=4, new_batch_threshold=0)


@pytest.fixture(scope="module")
def equals() -> Shares:
    """Equal connections without a bad one among them."""
    return play(SOME)


def test_two_hundred_equal_connections_get_equal_shares() -> None:
    shares = play(200)
    assert len(shares.done) == 200
    assert shares.last < 1.5 * shares.median
    assert shares.widest_gap <= 2
    assert shares.most_waiting_of_one <= len(STAGES)
    assert {slice_.outcome.split(":")[0] for slice_ in shares.played} <= {"done", "dropped"}


@pytest.mark.parametrize("name", [name for name in fairness.TROUBLES if "401" not in name and "broken" not in name])
def test_one_bad_connection_does_not_slow_the_others(name: str, equals: Shares) -> None:
    shares = play(SOME, fairness.TROUBLES[name])
    assert len(shares.done) == SOME - 1
    assert shares.median < MOST * equals.median
    assert shares.last < MOST * equals.last
    assert shares.longest_slice < FUNCTION_TIMEOUT / 2


def test_with_batches_of_four_one_slow_connection_would_hold_everybody_back(equals: Shares) -> None:
    shares = play(SOME, fairness.TROUBLES["its D365 never answers"], rules=BATCHES_OF_FOUR)
    assert shares.median > 2 * equals.median


def test_a_system_that_answers_late_leaves_room_in_the_function_timeout() -> None:
    shares = play(4, replace(fairness.TROUBLES["its D365 never answers"], latency=_all_late), instances=1, minutes=60)
    assert shares.longest_slice < FUNCTION_TIMEOUT / 2


def _all_late(_: object) -> float:
    return fairness.NEVER


def test_when_there_is_too_much_to_do_messages_do_not_pile_up_and_nobody_starves() -> None:
    shares = play(SOME, Trouble(latency=lambda request: 10 * near(request)), instances=1, minutes=90, at_least=90)
    assert len(shares.done) == SOME - 1
    assert shares.most_waiting_of_one <= len(STAGES) + 1
    slices = Counter((slice_.connection, slice_.stage) for slice_ in shares.played if slice_.worked)
    for stage in STAGES:
        numbers = [slices[name, stage] for name in shares.done]
        assert max(numbers) - min(numbers) <= 2, stage

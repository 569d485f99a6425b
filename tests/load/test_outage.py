"""Two hours without D365 or without AvidXchange: few requests go into it, few messages wait, and afterwards everything is worked off."""

import pytest

from bench.load import outage
from bench.load.hosting import FUNCTION_TIMEOUT
from sync.connections.document import STAGES

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", outage.KINDS)
@pytest.mark.parametrize("side", outage.SIDES)
def test_after_two_hours_without_a_side_everything_is_worked_off(side: str, kind: str) -> None:
    seen = outage.play(side, kind, connections=1)
    assert seen.differences == []
    assert seen.refused > 0
    assert seen.minutes is not None
    assert seen.minutes <= 30
    assert seen.most_waiting_of_one <= len(STAGES) + 3, "runs, and a few records"
    assert seen.requests <= 2 * 250, "in two hours"
    assert seen.poison == 0
    assert seen.longest_slice < FUNCTION_TIMEOUT / 2

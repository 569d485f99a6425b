"""Each known way to break the product is noticed by the simulation that stands beside it in the list."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest

from sandbox.simulator.sabotage import Caught, catch, swapped
from sandbox.simulator.sabotages import SABOTAGES, Sabotage

NAMES = [sabotage.name for sabotage in SABOTAGES]


@pytest.fixture(scope="module")
def caught() -> Mapping[str, Caught]:
    """All of them, in as many processes as the machine has cores."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return {result.sabotage.name: result for result in pool.map(catch, SABOTAGES)}


@pytest.mark.parametrize("name", NAMES)
def test_a_sabotage_is_noticed(caught: Mapping[str, Caught], name: str) -> None:
    result = caught[name]
    assert result.sabotage.seed is not None, "python -m sandbox.simulator.sabotage finds the seed that belongs into the list"
    assert result.seed == result.sabotage.seed, result.violation
    assert not result.violation.startswith("'simulator"), "the damage was noticed, not an error of the simulator"


def test_there_are_enough_of_them_and_each_is_its_own() -> None:
    assert len(SABOTAGES) >= 20
    assert len({*NAMES}) == len(NAMES)
    assert len({sabotage.swaps for sabotage in SABOTAGES}) == len(SABOTAGES)


def test_a_text_that_does_not_stand_in_the_product_once_is_refused() -> None:
    sabotage = Sabotage("a test", "sync.values", (("no such text", ""),))
    spec = find_spec(sabotage.module)
    assert spec is not None
    assert spec.origin is not None
    with pytest.raises(ValueError, match="holds 'no such text' 0 times, not once"):
        swapped(sabotage, Path(spec.origin).read_text(encoding="utf-8"))
    with pytest.raises(ValueError, match="2 times"):
        swapped(Sabotage("a test", "sync.values", (("a", "b"),)), "a a")

"""A slice of `python -m bench.fuzz_d365`, which tries 200,000 broken answers for each parser."""

import random

import pytest

from bench.fuzz_d365 import PARSERS, broken, main, search


@pytest.mark.parametrize("name", PARSERS)
def test_no_broken_answer_crashes_a_parser(name: str) -> None:
    found = search(name, PARSERS[name], 1_500, seed=7)
    assert found.crashes == []
    assert len(found.outcomes) > 2, "the inputs reach more than one outcome"


def test_the_search_would_show_a_crash(capsys: pytest.CaptureFixture[str]) -> None:
    def fragile(chance: random.Random) -> str:
        return str(broken(chance, (b"abc",)).decode())

    found = search("fragile", fragile, 200, seed=1)
    assert found.crashes
    assert "fragile: seed 1, input" in found.crashes[0]
    again = search("fragile", fragile, 200, seed=1)
    assert again.crashes == found.crashes, "every input can be made again"
    assert main(["--count", "20"]) == 0
    assert "error parser: 20 inputs" in capsys.readouterr().out

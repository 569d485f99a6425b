"""A slice of `python -m bench.fuzz_avid`, which tries 200,000 broken answers."""

import random

import pytest

from bench import fuzz_avid
from bench.fuzz_d365 import search

pytestmark = pytest.mark.shipped_names("bodies in the shipped names")


def test_no_broken_answer_crashes_a_reader() -> None:
    found = search("AvidXchange's readers", fuzz_avid.try_answer, 3_000, seed=7)
    assert found.crashes == []
    assert {*found.outcomes} == {"no page", "a page without rows", "good rows", "bad rows", "good and bad rows"}


def test_the_answers_hold_rows_of_every_resource() -> None:
    assert {resource for resource, _ in fuzz_avid.answers()} == {"", *fuzz_avid.READERS}


@pytest.mark.parametrize("breaking", [fuzz_avid.broken_bytes, fuzz_avid.broken_document])
def test_every_input_can_be_made_again(breaking: fuzz_avid.Breaking) -> None:
    for number, (_, body) in enumerate(fuzz_avid.answers()):
        assert breaking(random.Random(number), body) == breaking(random.Random(number), body)


def test_the_search_answers_like_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz_avid.main(["--count", "30"]) == 0
    assert "30 inputs" in capsys.readouterr().out

"""The table of what the contract of D365 says and which tests show it holds, and its checker finds what does not."""

from dataclasses import replace
from pathlib import Path

import pytest

from devtools import coverage
from devtools.coverage import Statement

CONTRACT = coverage.CONTRACT.read_text(encoding="utf-8")
SWITCHES = coverage.switches_of(coverage.SWITCHES.read_text(encoding="utf-8"))
STATEMENTS, SYNTAX = coverage.read_table(coverage.TABLE.read_text(encoding="utf-8"))

SMALL = """# A contract
## 1. One
Long words
in a paragraph. (S) Another thing, likely. (L) And one more (S that it is so).
- A bullet, sure
  as can be. (S)
- A bullet without a mark.

| a row | of a table |
|---|---|
| x | y |
## 2. Two
Nothing here.
"""
HERE = "tests/contract/test_coverage_table.py::test_a_statement_counts_only_with_everything"
GOOD = [
    Statement(1, "S", "Long words in a paragraph.", (HERE,), (HERE,)),
    Statement(1, "S", "And one more", (HERE,), (HERE,), ("next_link",)),
    Statement(1, "S", "sure as can be.", (), (), unused="it is a bullet"),
    Statement(1, "S", "| x | y |", (HERE,), (HERE,)),
]


def test_the_table_holds() -> None:
    assert SYNTAX == []
    assert coverage.problems_of(STATEMENTS, CONTRACT, SWITCHES) == []


def test_the_page_is_up_to_date() -> None:
    assert coverage.PAGE.read_text(encoding="utf-8") == coverage.page_of(STATEMENTS), "run python -m devtools.coverage"


def test_the_contract_is_read_as_far_as_its_marks_go() -> None:
    sections = coverage.sections_of(CONTRACT)
    assert set(coverage.SECTIONS) <= set(sections)
    found = [text for number in coverage.SECTIONS for text in coverage.sure_statements(sections[number])]
    marks = [line for line in CONTRACT.split("## 11.")[0].split("## 1.")[1].splitlines() if "(S" in line or ": S)" in line]
    assert len(found) >= len(marks) > 30


def test_every_switch_belongs_to_something_open_or_to_a_choice() -> None:
    assert len(SWITCHES) > 30
    open_ones = {name for item in STATEMENTS if item.mark in ("L", "U") for name in item.switches}
    sure_ones = {name for item in STATEMENTS if item.mark == "S" for name in item.switches}
    assert open_ones | sure_ones == SWITCHES
    assert len(open_ones) > 20


def test_blocks_and_marks() -> None:
    sections = coverage.sections_of(SMALL)
    assert list(coverage.sure_statements(sections[1])) == [
        "Long words in a paragraph. (S)",
        " Another thing, likely. (L) And one more (S that it is so)",
        "- A bullet, sure as can be. (S)",
    ]
    assert "| x | y |" in sections[1]


def test_a_good_table_has_no_problem() -> None:
    assert coverage.problems_of(GOOD, SMALL, {"next_link"}) == []


@pytest.mark.parametrize(
    ("place", "change", "problem"),
    [
        (0, {"excerpt": "Long word in a paragraph."}, "does not stand in that section"),
        (0, {"section": 2}, "does not stand in that section"),
        (0, {"mark": "L"}, "nothing is listed of 'Long words"),
        (0, {"mark": "X"}, "the mark is S, L or U"),
        (0, {"product": ()}, "name a test of the product"),
        (0, {"sandbox": ()}, "name a test of the sandbox"),
        (2, {"unused": ""}, "name a test of the product"),
        (0, {"sandbox": ("tests/contract/test_coverage_table.py::test_nothing",)}, "there is no test tests/contract"),
        (0, {"product": ("tests/nowhere.py::test_a",)}, "there is no test tests/nowhere.py"),
        (1, {"switches": ("next_page",)}, "has no field next_page"),
        (1, {"switches": ()}, "The switch next_link belongs to no statement"),
        (3, {"excerpt": "sure as can be."}, "is listed twice"),
    ],
)
def test_a_statement_counts_only_with_everything(place: int, change: dict[str, object], problem: str) -> None:
    values = {**vars(GOOD[place]), **change}
    spoiled = [Statement(**values) if number == place else item for number, item in enumerate(GOOD)]
    assert any(problem in found for found in coverage.problems_of(spoiled, SMALL, {"next_link"}))


@pytest.mark.parametrize("place", range(3))
def test_every_sure_statement_has_to_be_listed(place: int) -> None:
    left = [item for number, item in enumerate(GOOD) if number != place]
    assert any("nothing is listed of" in found for found in coverage.problems_of(left, SMALL, set()))


def test_rows_of_the_table_with_unknown_or_missing_fields_are_named() -> None:
    text = '[[statement]]\nsection = 1\nmark = "S"\nexcerpt = "x"\ntest = "y"\n[[statement]]\nsection = 1\n[other]\n'
    statements, problems = coverage.read_table(text)
    assert statements == []
    assert [word in problem for word, problem in zip(("other", "test", "excerpt"), problems, strict=True)] == [True] * 3


def test_tests_of_classes_count_and_helpers_do_not(tmp_path: Path) -> None:
    path = tmp_path / "test_x.py"
    path.write_text(
        "def test_a() -> None: ...\ndef helper() -> None: ...\nclass TestB:\n    def test_c(self) -> None: ...\n", encoding="utf-8"
    )
    assert coverage.tests_in(path) == {"test_a", "TestB::test_c"}


def test_a_pipe_does_not_break_the_page() -> None:
    page = coverage.page_of([replace(GOOD[3], switches=("next_link",)), GOOD[2]])
    assert f"| \\| x \\| y \\| | S | `{HERE}` | `{HERE}` | `next_link` |" in page
    assert "| sure as can be. | S | not relied on: it is a bullet |  |  |" in page


def test_the_command_says_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert coverage.main(["--check"]) == 0
    assert f"{len(STATEMENTS)} statements, 0 problems." in capsys.readouterr().out

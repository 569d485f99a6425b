"""The tables of what the two contracts say and which tests show it hold, and their checker finds what does not."""

from dataclasses import replace
from pathlib import Path

import pytest

from devtools import coverage, coverage_checks
from devtools.coverage_checks import Facts, entries_of, facts_of, left_over, mentions, problems_of, sections_of, sure_statements
from devtools.coverage_model import CONTRACTS, Contract, Statement, read_table

D365, AVID = CONTRACTS

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
### A heading (K)
1. Nothing here.
"""
HERE = "tests/contract/test_coverage_table.py::test_a_statement_counts_only_with_everything"
GOOD = [
    Statement(1, "S", "Long words in a paragraph.", (HERE,), (HERE,)),
    Statement(1, "S", "And one more", (HERE,), (HERE,), switches=("next_link",)),
    Statement(1, "S", "sure as can be.", (), (), unused="it is a bullet"),
    Statement(1, "S", "| x | y |", (HERE,), unplayed="nobody plays it"),
]
FACTS = Facts(SMALL, frozenset({"next_link"}))
WHOLE = [
    Statement(1, "K", "Long words in a paragraph. (S) Another thing, likely. (L) And one more (S that it is so).", (HERE,), (HERE,)),
    Statement(1, "L", "A bullet, sure as can be.", (HERE,), (HERE,), profile=("paths",)),
    Statement(1, "A", "A bullet without a mark.", (HERE,), (HERE,), switches=("next_link",)),
    Statement(1, "R", "| x | y |", (HERE,)),
    Statement(2, "U", "Nothing here.", (HERE,), (HERE,)),
]
WHOLE_FACTS = Facts(SMALL.replace(" (S)\n- A", "\n- A"), frozenset({"next_link"}), frozenset({"paths.vendors", "paths.codes"}))


def statements_of(contract: Contract) -> list[Statement]:
    statements, syntax = read_table(contract.table.read_text(encoding="utf-8"))
    assert syntax == []
    return statements


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
def test_the_table_holds_and_its_page_is_up_to_date(contract: Contract) -> None:
    statements = statements_of(contract)
    assert problems_of(contract, statements, facts_of(contract)) == []
    assert contract.page.read_text(encoding="utf-8") == coverage.page_of(contract, statements), "run python -m devtools.coverage"


def test_the_contract_of_d365_is_read_as_far_as_its_marks_go() -> None:
    text = facts_of(D365).text
    sections = sections_of(text)
    assert set(D365.sections) <= set(sections)
    found = [text for number in D365.sections for text in sure_statements(sections[number])]
    marks = [line for line in text.split("## 11.")[0].split("## 1.")[1].splitlines() if "(S" in line or ": S)" in line]
    assert len(found) >= len(marks) > 30


def test_the_contract_of_avidxchange_is_read_to_its_last_word() -> None:
    """Every word behind the first heading is in a statement, but for headings, marks and the numbers of lists."""
    text = facts_of(AVID).text
    assert text.count("\n## ") == len(AVID.sections)
    excerpts = [item.excerpt for item in statements_of(AVID)]
    assert all(left_over(sections_of(text)[number], excerpts) == [] for number in AVID.sections)
    spoiled = text.replace("Stop at a repeated link or an empty page.", "Stop at a repeated link or an empty page. And wait.")
    assert any("And wait" in problem for problem in problems_of(AVID, statements_of(AVID), replace(facts_of(AVID), text=spoiled)))


@pytest.mark.parametrize(("contract", "least", "least_open"), [(D365, 30, 20), (AVID, 25, 7)], ids=["D365", "AvidXchange"])
def test_every_switch_belongs_to_something_open_or_to_a_choice(contract: Contract, least: int, least_open: int) -> None:
    switches, statements = facts_of(contract).switches, statements_of(contract)
    assert len(switches) > least
    assert {name for item in statements for name in item.switches} == switches
    assert len({name for item in statements if item.mark in "LAU" for name in item.switches}) > least_open


def test_blocks_and_marks() -> None:
    sections = sections_of(SMALL)
    assert list(sure_statements(sections[1])) == [
        "Long words in a paragraph. (S)",
        " Another thing, likely. (L) And one more (S that it is so)",
        "- A bullet, sure as can be. (S)",
    ]
    assert sections[1][-1] == "| x | y |", "without the table's head"
    assert sections[2] == ["1. Nothing here."]


def test_what_no_excerpt_takes_is_left_over() -> None:
    block = "2. The first thing (K); and the second, L."
    assert left_over([block], ["The first thing"]) == [" …  (K); and the second, L."]
    assert left_over([block], ["and the second", "The first thing"]) == []


def test_a_good_table_has_no_problem() -> None:
    assert problems_of(D365, GOOD, FACTS) == []
    assert problems_of(AVID, WHOLE, WHOLE_FACTS) == []


@pytest.mark.parametrize(
    ("place", "change", "problem"),
    [
        (0, {"excerpt": "Long word in a paragraph."}, "does not stand in that section"),
        (0, {"section": 2}, "does not stand in that section"),
        (0, {"mark": "L"}, "nothing is listed of 'Long words"),
        (0, {"mark": "X"}, "the mark is one of S, L, U"),
        (0, {"product": ()}, "name a test of the product"),
        (0, {"sandbox": ()}, "name a test of the sandbox"),
        (3, {"unplayed": ""}, "name a test of the sandbox"),
        (2, {"unused": ""}, "name a test of the product"),
        (0, {"sandbox": ("tests/contract/test_coverage_table.py::test_nothing",)}, "there is no test tests/contract"),
        (0, {"product": ("tests/nowhere.py::test_a",)}, "there is no test tests/nowhere.py"),
        (1, {"switches": ("next_page",)}, "has no field next_page"),
        (1, {"switches": ()}, "The switch next_link belongs to no statement"),
        (1, {"product": ("tests/test_docs.py::test_x",), "sandbox": ()}, "none of its tests' files uses the switch next_link"),
        (1, {"profile": ("paths",)}, "the profile has no entry paths"),
        (3, {"excerpt": "sure as can be."}, "is listed twice"),
    ],
)
def test_a_statement_counts_only_with_everything(place: int, change: dict[str, object], problem: str) -> None:
    values = {**vars(GOOD[place]), **change}
    spoiled = [Statement(**values) if number == place else item for number, item in enumerate(GOOD)]
    assert any(problem in found for found in problems_of(D365, spoiled, FACTS))


@pytest.mark.parametrize(
    ("place", "change", "problem"),
    [
        (1, {"profile": ()}, "name the profile entries or the switches"),
        (2, {"switches": ()}, "name the profile entries or the switches"),
        (1, {"profile": ("paths.vendors",)}, "The profile's entry paths.codes belongs to no statement"),
        (1, {"profile": ("paths", "path")}, "the profile has no entry path."),
        (4, {"excerpt": "Nothing"}, "nothing is listed of ' …  here.'"),
        (4, {"sandbox": ()}, "name a test of the sandbox"),
        (0, {"mark": "S"}, "the mark is one of K, L, A, U, R"),
    ],
)
def test_what_is_open_is_played_and_every_entry_of_the_profile_has_its_place(place: int, change: dict[str, object], problem: str) -> None:
    values = {**vars(WHOLE[place]), **change}
    spoiled = [Statement(**values) if number == place else item for number, item in enumerate(WHOLE)]
    assert any(problem in found for found in problems_of(AVID, spoiled, WHOLE_FACTS))


@pytest.mark.parametrize("place", range(3))
def test_every_sure_statement_has_to_be_listed(place: int) -> None:
    left = [item for number, item in enumerate(GOOD) if number != place]
    assert any("nothing is listed of" in found for found in problems_of(D365, left, FACTS))


def test_rows_of_the_table_with_unknown_or_missing_fields_are_named() -> None:
    text = '[[statement]]\nsection = 1\nmark = "S"\nexcerpt = "x"\ntest = "y"\n[[statement]]\nsection = 1\n[other]\n'
    statements, problems = read_table(text)
    assert statements == []
    assert [word in problem for word, problem in zip(("other", "test", "excerpt"), problems, strict=True)] == [True] * 3


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def test_a() -> None: ...\ndef helper() -> None: ...\n", {"test_a"}),
        ("class TestB:\n    def test_c(self) -> None: ...\n", {"TestB::test_c"}),
        ("@pytest.mark.skip\ndef test_a() -> None: ...\ndef test_b() -> None: ...\n", {"test_b"}),
        ("@pytest.mark.xfail(strict=True)\ndef test_a() -> None: ...\n", set[str]()),
        ("@pytest.mark.slow\ndef test_a() -> None: ...\n", {"test_a"}),
        ("@pytest.mark.skipif(True, reason='')\nclass TestB:\n    def test_c(self) -> None: ...\n", set[str]()),
        ("pytestmark = pytest.mark.skip\ndef test_a() -> None: ...\n", set[str]()),
    ],
)
def test_only_tests_that_run_count(tmp_path: Path, source: str, found: set[str]) -> None:
    path = tmp_path / "test_x.py"
    path.write_text(source, encoding="utf-8")
    assert coverage_checks.tests_in(path) == found
    other = tmp_path / "helpers.py"
    other.write_text(source, encoding="utf-8")
    assert coverage_checks.tests_in(other) == set(), "pytest does not look into it"


def test_a_name_is_used_only_as_a_word_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "test_y.py"
    path.write_text("switches = Switches(next_links=1, paging=2)\n", encoding="utf-8")
    assert mentions(path, "paging")
    assert not mentions(path, "next_link")
    assert not mentions(tmp_path / "nowhere.py", "paging")


def test_entries_are_named_by_their_way_into_the_profile() -> None:
    assert entries_of({"a": {"b": 1, "c": {"d": [2]}}, "e": ""}) == {"a.b", "a.c.d", "e"}


def test_a_pipe_does_not_break_the_page() -> None:
    page = coverage.page_of(D365, [replace(GOOD[3], sandbox=(HERE,), switches=("next_link",)), GOOD[2]])
    assert f"| \\| x \\| y \\| | S | `{HERE}` | `{HERE}` | `next_link` |" in page
    assert "| sure as can be. | S | not relied on: it is a bullet |  |  |" in page
    page = coverage.page_of(AVID, [replace(WHOLE[1], sandbox=(), unplayed="nobody plays it")])
    assert f"| A bullet, sure as can be. | L | `{HERE}` | nobody plays it | `paths` |  |" in page


def test_the_command_says_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert coverage.main(["--check"]) == 0
    said = capsys.readouterr().out
    assert all(f"{contract.name}: {len(statements_of(contract))} statements, 0 problems." in said for contract in CONTRACTS)

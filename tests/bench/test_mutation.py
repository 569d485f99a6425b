"""The tool that asks whether the tests bite, on an example of a few lines."""

from collections import Counter
from pathlib import Path

import pytest

from bench.mutation.campaign import Campaign
from bench.mutation.mutants import Area, Mutant, every_mutant, mutants_of, sample
from bench.mutation.report import Result, read_judgements, unjudged
from bench.mutation.trial import Outcome
from bench.mutation.verdicts import Verdicts

pytestmark = pytest.mark.slow

PRODUCT = '''"""An example."""

LIMIT = 3


def allowed(count: int) -> bool:
    """Whether so many are allowed."""
    return count < LIMIT


def countdown(count: int) -> int:
    while count > 0:
        count -= 1
    return count
'''
TESTS = """from sync.example import allowed, countdown


def test_few_are_allowed():
    assert allowed(2)


def test_many_are_not():
    assert not allowed(5)


def test_the_end():
    assert countdown(2) == 0
"""
AREAS = (Area("example", 100, ("sync/*.py",)),)
TARGETS = ["sync/example.py"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A product of one file with its tests."""
    for name, text in {"sync/example.py": PRODUCT, "tests/test_example.py": TESTS, "sync/__init__.py": "", "function_app.py": ""}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\npythonpath = ["."]\nmarkers = ["slow: long"]\n', encoding="utf-8")
    return tmp_path


def mutants(root: Path) -> list[Mutant]:
    return every_mutant(root, AREAS)


def one(root: Path, after: str) -> Mutant:
    """The mutant with this changed line."""
    [found] = [mutant for mutant in mutants(root) if mutant.after == after]
    return found


def campaign(root: Path) -> Campaign:
    return Campaign(root, root / "cache", Verdicts(root / "verdicts.jsonl"))


def judged(root: Path, *chosen: Mutant) -> list[tuple[str, str]]:
    """The verdict on each, and the test that it is by."""
    outcomes = campaign(root).run(chosen, TARGETS)
    return [(outcomes[mutant.key].verdict, outcomes[mutant.key].by.rpartition("::")[2]) for mutant in chosen]


# --- what is tried -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "operator", "after"),
    [
        ("a < b", "comparison", ["a <= b", "a >= b"]),
        ("a is not b", "comparison", ["a is b"]),
        ("a and b", "logic", ["a or b"]),
        ("a and b", "clause lost", ["b", "a"]),
        ("not a", "sign or not lost", ["a"]),
        ("a + b", "arithmetic", ["a - b"]),
        ("f(a, b=c, d=e)", "argument lost", ["f(a, d=e)", "f(a, b=c)"]),
        ("{a: b, c: d}", "element lost", ["{c: d}", "{a: b}"]),
        ("(a, b)", "element lost", ["(b,)", "(a,)"]),
        ("{a}", "element lost", ["set()"]),
        ("'text'", "text", ["'XXtextXX'"]),
        ("f'{a}:b'", "text", ["f'{a}XX:bXX'"]),
        ("f'{a}: {b}.', 'A sentence.'", "text", []),
        ("7", "constant", ["8"]),
        ("True", "constant", ["False"]),
        ("b if a else c", "condition", ["b if True else c", "b if False else c"]),
        ("[a for a in b if c]", "filter lost", ["[a for a in b]"]),
        ("min(a)", "other function", ["max(a)"]),
        ("a.lower()", "other function", ["a.upper()"]),
    ],
)
def test_a_fault_in_an_expression(source: str, operator: str, after: list[str]) -> None:
    found = mutants_of(f"def f():\n    x = {source}\n", "f.py")
    assert [mutant.after.removeprefix("x = ") for mutant in found if mutant.operator == operator] == after


@pytest.mark.parametrize(
    ("statement", "faults"),
    [
        ("if a:\n        b()", ["if True:", "if False:", "pass"]),
        ("while a:\n        b()", ["while False:", "pass"]),
        ("for a in b:\n        c()", ["for a in ():", "pass"]),
        ("raise a", ["pass"]),
        ("assert a", ["pass"]),
        ("self.a = b", ["pass"]),
        ("a += b", ["a -= b", "pass"]),
        ("return a", ["return None"]),
        ("return", ["pass"]),
        ("return None", []),
        ("try:\n        a()\n    except b:\n        c()", ["pass", "except ():", "pass"]),
        (
            "match a:\n        case b.c if d:\n            e()\n        case b.f:\n            g()",
            ["case b.f:", "", "case b.c:", "pass", "pass"],
        ),
    ],
)
def test_faults_of_a_statement(statement: str, faults: list[str]) -> None:
    assert sorted(mutant.after for mutant in mutants_of(f"def f(self):\n    {statement}\n", "f.py")) == sorted(faults)


@pytest.mark.parametrize(
    "source", ['"""Text."""', "import a", "from a import b", "x: Literal['a']", "__all__: list[str]", "@d('x')\ndef f(): ..."]
)
def test_what_is_not_logic_is_left_alone(source: str) -> None:
    assert mutants_of(source, "f.py") == []


@pytest.fixture(scope="module")
def of_the_product() -> list[Mutant]:
    return every_mutant()


def test_every_mutant_of_the_product_has_a_key_of_its_own(of_the_product: list[Mutant]) -> None:
    keys = {mutant.key for mutant in of_the_product}
    assert len(keys) == len(of_the_product) > 5_000


def test_a_mutant_keeps_its_key_when_it_moves_in_its_file() -> None:
    moved = mutants_of("\n\n" + PRODUCT, "f.py")
    assert [mutant.key for mutant in moved] == [mutant.key for mutant in mutants_of(PRODUCT, "f.py")]
    assert [mutant.source for mutant in moved] == [mutant.source for mutant in mutants_of(PRODUCT, "f.py")]


def test_the_seed_alone_decides_the_sample_and_a_new_mutant_moves_few(of_the_product: list[Mutant]) -> None:
    chosen = sample(of_the_product, 200, 1)
    assert chosen == sample(of_the_product[::-1], 200, 1)
    assert chosen != sample(of_the_product, 200, 2)
    assert Counter(mutant.area for mutant in chosen) == {
        "engines": 80,
        "ledger": 48,
        "retry decision": 24,
        "dimension strings": 16,
        "settlement": 32,
    }
    fewer = [mutant for mutant in of_the_product if mutant is not chosen[0]]
    assert len({*chosen} - {*sample(fewer, 200, 1)}) == 1


# --- verdicts ------------------------------------------------------------------------------------------------------------------------


def test_a_fault_that_a_test_notices_is_killed_and_one_at_an_untested_bound_survives(root: Path) -> None:
    chosen = one(root, "return count >= LIMIT"), one(root, "return count <= LIMIT")
    (first, by), second = judged(root, *chosen)
    assert (first, second) == ("killed", ("survived", ""))
    assert by in {"test_few_are_allowed", "test_many_are_not"}


def test_a_fault_that_never_ends_is_timed_out(root: Path) -> None:
    assert judged(root, one(root, "count += 1")) == [("timed out", "test_the_end")]


def test_a_fault_in_a_constant_is_noticed_by_tests_of_its_module(root: Path) -> None:
    change(root, "sync/example.py", "LIMIT = 3", "LIMIT = [3][0]")
    assert judged(root, one(root, "LIMIT = [][0]")) == [("killed", "")]


def change(root: Path, name: str, old: str, new: str) -> None:
    text = (root / name).read_text(encoding="utf-8")
    assert old in text
    (root / name).write_text(text.replace(old, new), encoding="utf-8")


def test_what_is_known_is_not_tried_again(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    first, second = one(root, "return count >= LIMIT"), one(root, "return count <= LIMIT")
    judged(root, first)
    capfd.readouterr()
    judged(root, first, second)
    assert [line.split()[0] for line in capfd.readouterr().out.splitlines()] == ["[2/2]"]


def test_a_verdict_falls_with_the_code_or_the_tests_that_it_rests_on(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    survivor = one(root, "return count <= LIMIT")
    judged(root, survivor)
    change(root, "tests/test_example.py", "allowed(5)", "allowed(3)")
    assert judged(root, survivor) == [("killed", "test_many_are_not")]
    capfd.readouterr()
    change(root, "sync/example.py", "    return count < LIMIT", "    count = int(count)\n    return count < LIMIT")
    judged(root, one(root, "return count <= LIMIT"))
    assert "[1/1] killed" in capfd.readouterr().out


def test_a_test_that_fails_without_a_fault_is_left_out(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    change(root, "tests/test_example.py", "allowed(5)", "allowed(1)")
    assert judged(root, one(root, "return count <= LIMIT")) == [("survived", "")]
    assert "Left out, because it fails without any fault: tests/test_example.py::test_many_are_not" in capfd.readouterr().out


# --- the page ------------------------------------------------------------------------------------------------------------------------


def results(root: Path) -> list[Result]:
    return [
        Result(one(root, "return count >= LIMIT"), Outcome("killed", "t")),
        Result(one(root, "return count <= LIMIT"), Outcome("survived")),
        Result(one(root, "count += 1"), Outcome("timed out", "t")),
    ]


def test_a_survivor_without_a_judgement_is_named_with_its_place_and_its_change(root: Path) -> None:
    found = results(root)
    [sentence] = unjudged(found, {})
    assert "sync/example.py:8 comparison" in sentence
    assert sentence.endswith("- return count < LIMIT\n+ return count <= LIMIT")
    assert unjudged(found, {found[1].mutant.key: "accepted because nobody counts to three."}) == []


def test_a_judgement_says_equivalent_or_accepted_and_why(tmp_path: Path) -> None:
    path = tmp_path / "judgements.toml"
    path.write_text('abc = "accepted because it is only a text."\n', encoding="utf-8")
    assert read_judgements(path) == {"abc": "accepted because it is only a text."}
    path.write_text('abc = "fine"\n', encoding="utf-8")
    with pytest.raises(ValueError, match="abc"):
        read_judgements(path)

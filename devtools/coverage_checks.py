"""What has to hold between a contract, its table, the tests, the profile and the sandbox's switches."""

import ast
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from devtools.coverage_model import ROOT, Contract, Statement

SURE = re.compile(r"\((?:[^()]*: )?S\b[^()]*\)")
WORD = re.compile(r"[^\W_]+")
MARKS = frozenset({"K", "L", "A", "U"})
NOT_RUN = frozenset({"skip", "skipif", "xfail"})


@dataclass(frozen=True)
class Facts:
    """What a table is held against: the contract's text, the names of switches and profile entries, and where the tests are."""

    text: str
    switches: frozenset[str]
    entries: frozenset[str] = frozenset()
    root: Path = ROOT


def facts_of(contract: Contract) -> Facts:
    """Read them."""
    path, class_name = contract.switches
    entries = entries_of(json.loads(contract.profile.read_text(encoding="utf-8"))) if contract.profile else frozenset()
    return Facts(contract.text.read_text(encoding="utf-8"), switches_of(path.read_text(encoding="utf-8"), class_name), entries)


def problems_of(contract: Contract, statements: Sequence[Statement], facts: Facts) -> list[str]:
    """Everything that does not hold."""
    sections = sections_of(facts.text)
    found = [problem for item in statements for problem in _problems_of_one(contract, item, sections, facts)]
    for number in contract.sections:
        blocks = sections.get(number, [])
        excerpts = [item.excerpt for item in statements if item.section == number]
        sure = [item.excerpt for item in statements if (item.section, item.mark) == (number, "S")]
        left = left_over(blocks, excerpts) if contract.whole else sure_and_unlisted(blocks, sure)
        found += [f"§{number}: nothing is listed of {text!r}." for text in left]
    places = [(item.section, item.excerpt) for item in statements]
    found += [f"{excerpt!r} is listed twice." for section, excerpt in sorted({place for place in places if places.count(place) > 1})]
    named = {name for item in statements for name in item.switches}
    found += [f"The switch {name} belongs to no statement." for name in sorted(facts.switches - named)]
    used = [name for item in statements for name in item.profile]
    unnamed = sorted(entry for entry in facts.entries if not any(_is_of(entry, name) for name in used))
    return found + [f"The profile's entry {entry} belongs to no statement." for entry in unnamed]


def _problems_of_one(contract: Contract, item: Statement, sections: Mapping[int, list[str]], facts: Facts) -> Iterator[str]:
    where = f"§{item.section} {item.excerpt!r}"
    if not any(item.excerpt in block for block in sections.get(item.section, ())):
        yield f"{where}: does not stand in that section of the contract."
    if len(item.mark) != 1 or item.mark not in contract.marks:
        yield f"{where}: the mark is one of {', '.join(contract.marks)}, not {item.mark!r}."
    if not item.product and not item.unused:
        yield f"{where}: name a test of the product, or say in `unused` why there is none."
    if not item.sandbox and not item.unused and not item.unplayed and item.mark not in contract.own_rules:
        yield f"{where}: name a test of the sandbox, or say in `unplayed` why there is none."
    if item.mark in contract.open_marks and not item.profile and not item.switches and not item.unused:
        yield f"{where}: name the profile entries or the switches by which both readings are played."
    yield from (f"{where}: {problem}" for problem in _problems_of_names(contract, item, facts))


def _problems_of_names(contract: Contract, item: Statement, facts: Facts) -> Iterator[str]:
    nodes = (*item.product, *item.sandbox)
    for node in nodes:
        path, _, name = node.partition("::")
        if name not in tests_in(facts.root / path):
            yield f"there is no test {node} that runs."
    for name in item.switches:
        if name not in facts.switches:
            yield f"{contract.switches[1]} has no field {name}."
        elif not any(mentions(facts.root / node.partition("::")[0], name) for node in nodes):
            yield f"none of its tests' files uses the switch {name}."
    for name in item.profile:
        if not any(_is_of(entry, name) for entry in facts.entries):
            yield f"the profile has no entry {name}."


def _is_of(entry: str, name: str) -> bool:
    """Whether `name` is the entry or a section around it."""
    return entry == name or entry.startswith(f"{name}.")


# --- the contract's text -------------------------------------------------------------------------------------------------------------


def sections_of(contract: str) -> dict[int, list[str]]:
    """The blocks (paragraphs, bullets, rows of tables) of each numbered section, each as one line of text, without headings."""
    found: dict[int, list[str]] = {}
    number = 0
    for line in contract.splitlines():
        heading = re.match(r"## (\d+)\.", line)
        if heading:
            number = int(heading[1])
            found[number] = []
        elif number:
            _append(found[number], line)
    return {number: [block for block in _without_heads(blocks) if block] for number, blocks in found.items()}


def _append(blocks: list[str], line: str) -> None:
    """A line begins a block (bullet, numbered, table row, after a blank line) or goes on with the one before. A heading only ends one."""
    text = "" if line.startswith("#") else " ".join(line.split())
    starts = not text or re.match(r"- |\||\d+\. ", line) or not blocks or not blocks[-1] or blocks[-1].startswith("|")
    if starts:
        blocks.append(text)
    else:
        blocks[-1] += f" {text}"


def _without_heads(blocks: Sequence[str]) -> Iterator[str]:
    """Without the line under a table's head, and without the head."""
    for block, after in zip(blocks, [*blocks[1:], ""], strict=True):
        if not block.startswith("|---") and not after.startswith("|---"):
            yield block


def sure_statements(blocks: Iterable[str]) -> Iterator[str]:
    """What carries an (S): the text of its block up to the mark, from the mark before it."""
    for block in blocks:
        start = 0
        for match in SURE.finditer(block):
            yield block[start : match.end()]
            start = match.end()


def sure_and_unlisted(blocks: Iterable[str], excerpts: Sequence[str]) -> list[str]:
    """The sure statements of which no excerpt is a part."""
    return [text for text in sure_statements(blocks) if not any(excerpt in text for excerpt in excerpts)]


def left_over(blocks: Iterable[str], excerpts: Sequence[str]) -> list[str]:
    """What is left of each block when all excerpts and the marks are taken out, where that is more than signs."""
    found = []
    for block in blocks:
        left = re.sub(r"^\d+\. ", "", block)
        for excerpt in sorted(excerpts, key=len, reverse=True):
            left = left.replace(excerpt, " … ")
        if {*WORD.findall(left)} - MARKS:
            found.append(left)
    return found


# --- the code ------------------------------------------------------------------------------------------------------------------------


def switches_of(source: str, class_name: str) -> frozenset[str]:
    """The fields of the class of switches."""
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == class_name]
    lines = [line for item in classes for line in item.body]
    return frozenset(line.target.id for line in lines if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name))


def entries_of(document: Mapping[str, object], around: str = "") -> frozenset[str]:
    """The names of all entries of the profile, dotted."""
    found: set[str] = set()
    for name, value in document.items():
        dotted = f"{around}{name}"
        found |= entries_of(value, f"{dotted}.") if isinstance(value, dict) else {dotted}
    return frozenset(found)


@cache
def tests_in(path: Path) -> frozenset[str]:
    """The test functions of a file that pytest runs, those of classes as `Class::test`; none when the file as a whole is left out."""
    if not path.is_file() or not path.name.startswith("test_"):
        return frozenset()
    body = ast.parse(path.read_text(encoding="utf-8")).body
    marked = [node for node in body if isinstance(node, ast.Assign) and "pytestmark" in ast.dump(node)]
    if any(_names_in(node) & NOT_RUN for node in marked):
        return frozenset()
    functions = {node.name for node in body if isinstance(node, ast.FunctionDef) and _runs(node)}
    classes = [node for node in body if isinstance(node, ast.ClassDef) and _runs(node)]
    methods = {f"{item.name}::{node.name}" for item in classes for node in item.body if isinstance(node, ast.FunctionDef) and _runs(node)}
    return frozenset(name for name in functions | methods if name.rpartition("::")[2].startswith("test_"))


def _runs(node: ast.FunctionDef | ast.ClassDef) -> bool:
    return not any(_names_in(decorator) & NOT_RUN for decorator in node.decorator_list)


def _names_in(node: ast.AST) -> set[str]:
    return {inner.attr for inner in ast.walk(node) if isinstance(inner, ast.Attribute)}


@cache
def _words_of(path: Path) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", path.read_text(encoding="utf-8"))) if path.is_file() else frozenset()


def mentions(path: Path, name: str) -> bool:
    """Whether the file has the name in it."""
    return name in _words_of(path)

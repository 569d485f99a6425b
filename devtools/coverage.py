"""Which tests show what the contract of D365 says: checks docs/contracts/d365-coverage.toml and writes docs/contract-d365.md from it.

`python -m devtools.coverage` writes the page, `--check` only looks; both end with 1 and a list when something does not hold.
"""

import argparse
import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONTRACT = ROOT / "docs" / "contracts" / "d365-fo.md"
TABLE = ROOT / "docs" / "contracts" / "d365-coverage.toml"
PAGE = ROOT / "docs" / "contract-d365.md"
SWITCHES = ROOT / "sandbox" / "d365" / "switches.py"
SECTIONS = range(1, 11)
"""The sections of the contract whose statements are facts to build on; the later ones are sample data and open questions."""

SURE = re.compile(r"\((?:[^()]*: )?S\b[^()]*\)")
HEAD = """# What shows that the contract of D365 is kept

Made by `python -m devtools.coverage` from `docs/contracts/d365-coverage.toml`; edit that file instead.

Each row is a statement of `docs/contracts/d365-fo.md`. Marks: **S** sure (or without a mark of its own there), **L** likely,
**U** unknown. The tests of the product show that it relies on the statement, or lives with it both ways; those of the sandbox show
that the sandbox behaves so. A switch is a field of `D365Switches` (`sandbox/d365/switches.py`) by which the sandbox behaves in either way.
"""


@dataclass(frozen=True)
class Statement:
    """One row of the table. `excerpt` stands in the contract's section word for word; tests are pytest node ids without parameters.

    `unused` says why the product does not rely on the statement, in place of tests on its side.
    """

    section: int
    mark: str
    excerpt: str
    product: tuple[str, ...] = ()
    sandbox: tuple[str, ...] = ()
    switches: tuple[str, ...] = ()
    unused: str = ""


def read_table(text: str) -> tuple[list[Statement], list[str]]:
    """(statements, problems) of the TOML text. Raises tomllib.TOMLDecodeError when it is none."""
    document = tomllib.loads(text)
    names = {field.name for field in fields(Statement)}
    found, problems = [], [f"The table has {name}; only [[statement]] belongs there." for name in document if name != "statement"]
    for row in document.get("statement", []):
        unknown = sorted(set(row) - names)
        missing = sorted({"section", "mark", "excerpt"} - set(row))
        if unknown or missing:
            problems.append(f"{row.get('excerpt', row)!r}: unknown {unknown}, missing {missing}.")
            continue
        found.append(_statement(row))
    return found, problems


def _statement(row: Mapping[str, object]) -> Statement:
    def texts(name: str) -> tuple[str, ...]:
        value = row.get(name, [])
        return tuple(map(str, value)) if isinstance(value, list) else ()

    section = row["section"]
    number = section if isinstance(section, int) else 0
    lists = {name: texts(name) for name in ("product", "sandbox", "switches")}
    return Statement(number, str(row["mark"]), str(row["excerpt"]), **lists, unused=str(row.get("unused", "")))


def sections_of(contract: str) -> dict[int, list[str]]:
    """The blocks (paragraphs, bullets, table rows) of each numbered section, each as one line of text."""
    found: dict[int, list[str]] = {}
    number = 0
    for line in contract.splitlines():
        heading = re.match(r"## (\d+)\.", line)
        if heading:
            number = int(heading[1])
            found[number] = []
        elif number:
            _append(found[number], line)
    return {number: [block for block in blocks if block] for number, blocks in found.items()}


def _append(blocks: list[str], line: str) -> None:
    """A line begins a block (bullet, table row, after a blank line) or goes on with the one before."""
    text = " ".join(line.split())
    starts = not text or line.startswith(("- ", "|")) or not blocks or not blocks[-1] or blocks[-1].startswith("|")
    if starts:
        blocks.append(text)
    else:
        blocks[-1] += f" {text}"


def sure_statements(blocks: Iterable[str]) -> Iterator[str]:
    """What carries an (S): the text of its block up to the mark, from the mark before it."""
    for block in blocks:
        start = 0
        for match in SURE.finditer(block):
            yield block[start : match.end()]
            start = match.end()


def switches_of(source: str) -> set[str]:
    """The fields of D365Switches."""
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == "D365Switches"]
    lines = [line for item in classes for line in item.body]
    return {line.target.id for line in lines if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)}


@cache
def tests_in(path: Path) -> frozenset[str]:
    """The test functions of a file, those of classes as `Class::test`."""
    if not path.is_file():
        return frozenset()
    body = ast.parse(path.read_text(encoding="utf-8")).body
    functions = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    classes = [node for node in body if isinstance(node, ast.ClassDef)]
    methods = {f"{item.name}::{node.name}" for item in classes for node in item.body if isinstance(node, ast.FunctionDef)}
    return frozenset(name for name in functions | methods if name.rpartition("::")[2].startswith("test_"))


def problems_of(statements: Sequence[Statement], contract: str, switches: set[str], root: Path = ROOT) -> list[str]:
    """Everything that does not hold between the table, the contract, the switches and the tests."""
    sections = sections_of(contract)
    found = [problem for item in statements for problem in _problems_of_one(item, sections, switches, root)]
    for number in SECTIONS:
        excerpts = [item.excerpt for item in statements if (item.section, item.mark) == (number, "S")]
        sure = sure_statements(sections.get(number, ()))
        found += [f"§{number}: nothing is listed of {text!r}." for text in sure if not any(excerpt in text for excerpt in excerpts)]
    twice = {item.excerpt for item in statements if sum(other.excerpt == item.excerpt for other in statements) > 1}
    found += [f"{excerpt!r} is listed twice." for excerpt in sorted(twice)]
    named = {name for item in statements for name in item.switches}
    return found + [f"The switch {name} belongs to no statement." for name in sorted(switches - named)]


def _problems_of_one(item: Statement, sections: Mapping[int, list[str]], switches: set[str], root: Path) -> Iterator[str]:
    where = f"§{item.section} {item.excerpt!r}"
    if not any(item.excerpt in block for block in sections.get(item.section, ())):
        yield f"{where}: does not stand in that section of the contract."
    if item.mark not in ("S", "L", "U"):
        yield f"{where}: the mark is S, L or U, not {item.mark!r}."
    if not item.product and not item.unused:
        yield f"{where}: name a test of the product, or say in `unused` why there is none."
    if not item.sandbox and not item.unused:
        yield f"{where}: name a test of the sandbox."
    for node in (*item.product, *item.sandbox):
        path, _, name = node.partition("::")
        if name not in tests_in(root / path):
            yield f"{where}: there is no test {node}."
    for name in item.switches:
        if name not in switches:
            yield f"{where}: D365Switches has no field {name}."


def page_of(statements: Sequence[Statement]) -> str:
    """The page as Markdown: a table for each section, then the switches."""
    lines = [HEAD]
    for number in sorted({item.section for item in statements}):
        lines += [f"## Section {number}", "", "| statement | mark | product | sandbox | switches |", "|---|---|---|---|---|"]
        lines += [_row(item) for item in statements if item.section == number]
        lines.append("")
    return "\n".join(lines)


def _row(item: Statement) -> str:
    cells = [
        item.excerpt.replace("|", "\\|"),
        item.mark,
        _tests(item.product) or f"not relied on: {item.unused}",
        _tests(item.sandbox),
        ", ".join(f"`{name}`" for name in item.switches),
    ]
    return "| " + " | ".join(cells) + " |"


def _tests(nodes: Iterable[str]) -> str:
    return "<br>".join(f"`{node}`" for node in nodes)


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the table, and write the page unless only a check is wanted. Returns the exit code."""
    parser = argparse.ArgumentParser(description="Checks the table of what the contract says and which tests show it, and writes its page.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the page is not up to date")
    options = parser.parse_args(arguments)
    statements, problems = read_table(TABLE.read_text(encoding="utf-8"))
    problems += problems_of(statements, CONTRACT.read_text(encoding="utf-8"), switches_of(SWITCHES.read_text(encoding="utf-8")))
    page = page_of(statements)
    if not options.check:
        PAGE.write_text(page, encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page:
        problems.append("docs/contract-d365.md is not up to date: run python -m devtools.coverage.")
    print("\n".join([*problems, f"{len(statements)} statements, {len(problems)} problems."]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

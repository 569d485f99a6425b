"""Which tests show what the two contracts say: checks the tables beside the contracts and writes a page from each.

`python -m devtools.coverage` writes the pages, `--check` only looks; both end with 1 and a list when something does not hold.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence

from devtools.coverage_checks import Facts, facts_of, problems_of
from devtools.coverage_model import CONTRACTS, Contract, Statement, read_table


def page_of(contract: Contract, statements: Sequence[Statement]) -> str:
    """The page as Markdown: what it is, then a table for each section."""
    lines = [contract.head]
    for number in sorted({item.section for item in statements}):
        heads = ["statement", "mark", "product", "sandbox", *(["profile"] if contract.profile else []), "switches"]
        lines += [f"## Section {number}", "", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
        lines += [_row(contract, item) for item in statements if item.section == number]
        lines.append("")
    return "\n".join(lines)


def _row(contract: Contract, item: Statement) -> str:
    cells = [
        item.excerpt.removeprefix("- ").replace("|", "\\|"),
        item.mark,
        _names(item.product) or f"not relied on: {item.unused}",
        _names(item.sandbox) or item.unplayed,
        *([_names(item.profile)] if contract.profile else []),
        ", ".join(f"`{name}`" for name in item.switches),
    ]
    return "| " + " | ".join(cells) + " |"


def _names(names: Iterable[str]) -> str:
    return "<br>".join(f"`{name}`" for name in names)


def _checked(contract: Contract, *, write: bool) -> tuple[list[Statement], list[str]]:
    """The statements of the table, and everything that does not hold; the page is written, or compared."""
    statements, problems = read_table(contract.table.read_text(encoding="utf-8"))
    facts: Facts = facts_of(contract)
    problems += problems_of(contract, statements, facts)
    page = page_of(contract, statements)
    if write:
        contract.page.write_text(page, encoding="utf-8")
    elif not contract.page.is_file() or contract.page.read_text(encoding="utf-8") != page:
        problems.append(f"docs/{contract.page.name} is not up to date: run python -m devtools.coverage.")
    return statements, problems


def main(arguments: Sequence[str] | None = None) -> int:
    """Check both tables, and write the pages unless only a check is wanted. Returns the exit code."""
    parser = argparse.ArgumentParser(
        description="Checks the tables of what the contracts say and which tests show it, and writes their pages."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a page is not up to date")
    options = parser.parse_args(arguments)
    failed = False
    for contract in CONTRACTS:
        statements, problems = _checked(contract, write=not options.check)
        print("\n".join([*problems, f"{contract.name}: {len(statements)} statements, {len(problems)} problems."]))
        failed = failed or bool(problems)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

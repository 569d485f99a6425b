"""The two contracts with their tables and pages, and the statements that a table lists."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"

D365_HEAD = """# What shows that the contract of D365 is kept

Made by `python -m devtools.coverage` from `docs/contracts/d365-coverage.toml`; edit that file instead.

Each row is a statement of `docs/contracts/d365-fo.md`. Marks: **S** sure (or without a mark of its own there), **L** likely,
**U** unknown. The tests of the product show that it relies on the statement, or lives with it both ways; those of the sandbox show
that the sandbox behaves so. A switch is a field of `D365Switches` (`sandbox/d365/switches.py`) by which the sandbox behaves in either way.
"""
AVID_HEAD = """# What shows that the contract of AvidXchange is kept

Made by `python -m devtools.coverage` from `docs/contracts/avidxchange-coverage.toml`; edit that file instead.

Each row is a statement of `docs/contracts/avidxchange.md`; together they are the whole text of its sections. Marks: **K** known,
**L** likely, **A** assumed, **U** unknown, **R** a rule of ours. The tests of the product show that it relies on the statement, keeps
the rule, or lives with it both ways; those of the sandbox show that the sandbox behaves so. What is likely or assumed is played both
ways: through entries of the profile (`sync/avid/avid-v1.json`), which a customer can change, or through switches of the sandbox, the
fields of `AvidSwitches` (`sandbox/avid/switches.py`). Every entry of the profile and every switch belongs to a statement.
"""


@dataclass(frozen=True)
class Contract:
    """One contract: its text, the table of its statements, the page made of it, and what its statements may name.

    `whole`: the statements are the whole text of the sections; else they have to cover what is marked (S). `open_marks` need a profile
    entry or a switch by which both readings are played. `profile` is the file of the profile; `switches` the file and the class.
    """

    name: str
    text: Path
    table: Path
    page: Path
    head: str
    sections: range
    marks: str
    switches: tuple[Path, str]
    whole: bool = False
    open_marks: str = ""
    own_rules: str = ""
    """The marks of rules of ours: no other system behaves so, so there is nothing to play."""
    profile: Path | None = None


CONTRACTS = (
    Contract(
        name="D365",
        text=DOCS / "contracts" / "d365-fo.md",
        table=DOCS / "contracts" / "d365-coverage.toml",
        page=DOCS / "contract-d365.md",
        head=D365_HEAD,
        sections=range(1, 11),
        marks="SLU",
        switches=(ROOT / "sandbox" / "d365" / "switches.py", "D365Switches"),
    ),
    Contract(
        name="AvidXchange",
        text=DOCS / "contracts" / "avidxchange.md",
        table=DOCS / "contracts" / "avidxchange-coverage.toml",
        page=DOCS / "contract-avidxchange.md",
        head=AVID_HEAD,
        sections=range(1, 6),
        marks="KLAUR",
        switches=(ROOT / "sandbox" / "avid" / "switches.py", "AvidSwitches"),
        whole=True,
        open_marks="LA",
        own_rules="R",
        profile=ROOT / "sync" / "avid" / "avid-v1.json",
    ),
)
"""The sections of D365's contract behind the tenth are sample data and open questions."""


@dataclass(frozen=True)
class Statement:
    """One row of the table. `excerpt` stands in the contract's section word for word; tests are pytest node ids without parameters.

    `unused` says why the product does not rely on the statement, in place of tests on its side; `unplayed` why the sandbox has no part
    in it, in place of tests on that side. `profile` names entries, or whole sections of entries.
    """

    section: int
    mark: str
    excerpt: str
    product: tuple[str, ...] = ()
    sandbox: tuple[str, ...] = ()
    profile: tuple[str, ...] = ()
    switches: tuple[str, ...] = ()
    unused: str = ""
    unplayed: str = ""


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
    return Statement(
        section=section if isinstance(section, int) else 0,
        mark=str(row["mark"]),
        excerpt=str(row["excerpt"]),
        product=texts("product"),
        sandbox=texts("sandbox"),
        profile=texts("profile"),
        switches=texts("switches"),
        unused=str(row.get("unused", "")),
        unplayed=str(row.get("unplayed", "")),
    )

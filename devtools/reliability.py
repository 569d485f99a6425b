"""The figures of docs/reliability.md, from the reports that the commands keep in docs/reliability/.

    python -m devtools.reliability           write them into the page
    python -m devtools.reliability --check   exit code 1 when the page says something else than the reports

Each part stands between `<!-- NAME -->` and `<!-- end of NAME -->`. What was not measured is said to be so.
"""

import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = ROOT / "docs" / "reliability.md"
REPORTS: Final = ROOT / "docs" / "reliability"
Report = Any  # Any: JSON


def campaign(report: Report) -> str:
    """A campaign of seeds or of cells."""
    violations = sum(report["violations"].values())
    rows = {
        "commit": f"`{report['commit'][:12]}`",
        "jobs": report["jobs"],
        "simulations played": f"{report['done']:,}",
        "virtual time": f"{report['hours'] / 24:,.0f} days",
        "steps after each of which the invariants were looked at": f"{report['steps']:,}",
        "faults that struck": f"{report['faults']:,}",
        "different cells struck": f"{len(report['places']):,}",
        "violations": f"{violations:,}",
    }
    lines = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]
    return "\n".join([*lines, *(f"\n- {text}: `{command}`" for command, text in report["failed"])])


def sabotages(report: Report) -> str:
    """What was broken, and what noticed it."""
    lines = [f"| {item['name']} | `{item['module']}` | {_seed(item)} | {item['violation'].partition(':')[0]} |" for item in report]
    caught = sum(item["seed"] is not None for item in report)
    return "\n".join([f"{caught} of {len(report)} caught.", "", "| broken | where | seed | noticed as |", "|---|---|---|---|", *lines])


def _seed(item: Report) -> str:
    return "not caught" if item["seed"] is None else str(item["seed"])


def load(report: Report) -> str:
    """What was played of each load, on which commit, and what was seen."""
    rows = [f"| {one['load']} | {one['share']:.0%} | {_seen(one)} | `{one['commit'][:12]}` |" for one in report]
    return "\n".join(["| load | of the full size | what was seen | commit |", "|---|---|---|---|", *rows])


def _seen(one: Report) -> str:
    return f"{one['seen']}{'' if one['well'] else ' **NOT WELL**'}"


PARTS: Final[dict[str, tuple[str, Callable[[Report], str]]]] = {
    "seeds": ("seeds.json", campaign),
    "matrix": ("matrix.json", campaign),
    "sabotages": ("sabotages.json", sabotages),
    "load": ("load.json", load),
}


def filled(page: str) -> str:
    """The page with every part as the reports say."""
    for name, (file, shown) in PARTS.items():
        path = REPORTS / file
        text = shown(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else "Not measured yet."
        page = put(page, name, text)
    return page


def put(page: str, name: str, text: str) -> str:
    """The page with the text in the place of that name. ValueError when it has not exactly one."""
    found = re.findall(rf"<!-- {name} -->\n.*?<!-- end of {name} -->", page, re.DOTALL)
    if len(found) != 1:
        raise ValueError(f"{PAGE.name} has {len(found)} places for {name}, not one")
    return page.replace(found[0], f"<!-- {name} -->\n{text}\n<!-- end of {name} -->")


def main(arguments: Sequence[str]) -> int:
    """The command. Returns the exit code."""
    page = PAGE.read_text(encoding="utf-8")
    wanted = filled(page)
    if "--check" in arguments:
        return 0 if page == wanted else 1
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

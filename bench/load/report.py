"""The report of the loads: one JSON file that grows by a line with each load played, whatever else was played before."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.load.table import Line
from sandbox.simulator.campaign import commit

Kept = dict[str, Any]  # Any: JSON


def keep(path: Path, line: Line) -> None:
    """Put a line into the report, in place of an earlier one of the same load; each names the commit that it was played on.

    Written at once: a long playing that is cut off leaves what it had.
    """
    kept: list[Kept] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    new = {"commit": commit(), **asdict(line)}
    places = [number for number, one in enumerate(kept) if one["load"] == line.load]
    if places:
        kept[places[0]] = new
    else:
        kept.append(new)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")

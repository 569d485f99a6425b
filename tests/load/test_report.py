"""The report of the loads: a line for each load, kept beside the others', and a table that says what was played."""

import json
from pathlib import Path

from bench.load.report import keep
from bench.load.sizes import SMALL, Case, measure, rename_vendors
from bench.load.table import Line, of_sizes
from devtools.reliability import load


def test_a_load_that_is_played_again_takes_the_place_of_its_earlier_line(tmp_path: Path) -> None:
    report = tmp_path / "reports" / "load.json"
    for line in (Line("a", "old", True), Line("b", "well", True), Line("a", "new", False, {"requests": 3}, 0.1)):
        keep(report, line)
    kept = json.loads(report.read_text(encoding="utf-8"))
    assert [(one["load"], one["seen"], one["well"], one["share"]) for one in kept] == [("a", "new", False, 0.1), ("b", "well", True, 1.0)]
    assert kept[0]["figures"] == {"requests": 3}
    assert all(one["commit"] for one in kept)


def test_the_table_says_the_share_that_was_played_and_what_did_not_hold() -> None:
    line = {"load": "10 vendors", "seen": "10 read", "well": False, "share": 0.05, "commit": "0123456789abcdef"}
    assert load([line]).splitlines()[-1] == "| 10 vendors | 5% | 10 read **NOT WELL** | `0123456789ab` |"


def test_after_a_change_of_some_vendors_only_they_are_sent() -> None:
    measured = measure(Case(SMALL, ("vendors",), delta=rename_vendors), traced=lambda _: False)
    [delta] = measured.delta
    assert measured.changed > 0
    assert delta.counts["sent"] == measured.changed
    assert measured.differences == []
    [line] = of_sizes("some", ("vendors",), measured)
    assert line.well
    measured.changed += 1
    [line] = of_sizes("some", ("vendors",), measured)
    assert not line.well

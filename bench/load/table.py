"""The figures as one Markdown table, and as the lines of the report that `docs/reliability.md` is made from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from bench.load.fairness import Shares
from bench.load.outage import Recovery
from bench.load.sizes import Measured, Pass

MEGABYTE: Final = 1_000_000
CONNECTIONS: Final = 200
"""In one deployment, as section 7 of the design says."""
HEAD: Final = "| load | what was seen |\n|---|---|"


@dataclass(frozen=True)
class Line:
    """One row of the table. `well`: what must hold for it held. `figures` are the same as numbers, `share` the part of the full size."""

    load: str
    seen: str
    well: bool
    figures: Mapping[str, object] = field(default_factory=dict)
    share: float = 1.0

    def __str__(self) -> str:
        """As Markdown."""
        return f"| {self.load} | {self.seen}{'' if self.well else ' **NOT WELL**'} |"


def of_sizes(name: str, stages: Iterable[str], measured: Measured, share: float = 1.0) -> list[Line]:
    """A line per stage: the first run, and what the second one sent."""
    lines = []
    for stage in stages:
        first = measured.of(stage)
        second = next(one for one in measured.second if one.stage == stage)
        quiet = not second.counts.get("sent", 0) and not second.counts.get("written", 0)
        figures: dict[str, object] = {"first": _figures(first), "second": _figures(second)}
        figures |= {"rows": measured.rows, "differences": len(measured.differences)}
        seen = f"{_pass(first)}; again half an hour later: {second.requests:,} requests, {'nothing sent' if quiet else 'SENT AGAIN'}"
        delta = next((one for one in measured.delta if one.stage == stage), None)
        if delta is not None:
            seen += f"; after {measured.changed:,} changed: {delta.requests:,} requests, {delta.counts.get('sent', 0):,} sent"
            figures["delta"] = {"changed": measured.changed, **_figures(delta)}
        seen += f"; {measured.rows:,} ledger rows; the truths {'agree' if not measured.differences else 'DIFFER'}"
        exact = delta is None or delta.counts.get("sent", 0) == measured.changed
        passing = max(one.passing for one in (first, second, delta) if one is not None)
        well = quiet and exact and not measured.differences and passing < 150 * MEGABYTE
        lines.append(Line(f"{name}: {stage}", seen, well, figures, share))
    return lines


def _figures(one: Pass) -> Mapping[str, object]:
    memory = {"peak_bytes": one.peak, "passing_bytes": one.passing}
    return {"counts": dict(one.counts), "requests": one.requests, "minutes": one.minutes, "slices": one.slices, **memory}


def _pass(one: Pass) -> str:
    number = one.counts.get("read", 0)
    return (
        f"{number:,} read, {one.requests:,} requests, {one.minutes:.1f} virtual minutes, {one.slices} slices, "
        f"at most {one.peak / MEGABYTE:.0f} MB a slice, {one.passing / MEGABYTE:.0f} of them its own ({one.seconds:.0f} s here)"
    )


def of_equals(shares: Shares) -> Line:
    """Equal connections."""
    seen = (
        f"all through after {shares.last:.1f} virtual minutes, the middle one after {shares.median:.1f}; "
        f"never more than {shares.widest_gap} slices ahead of another; {shares.requests:,} requests; "
        f"at a tick at most {shares.most_waiting_of_one} messages of one connection wait"
    )
    figures = {
        "connections": shares.connections,
        "median_minutes": shares.median,
        "last_minutes": shares.last,
        "widest_gap": shares.widest_gap,
        "requests": shares.requests,
        "most_waiting_of_one": shares.most_waiting_of_one,
    }
    well = len(shares.done) == shares.connections and shares.last < 2 * shares.median
    return Line(f"{shares.connections} equal connections due at once", seen, well, figures, shares.connections / CONNECTIONS)


def of_trouble(name: str, with_it: Shares, without: Shares, most: float) -> Line:
    """One bad connection among them, as a ratio to the same playing without it."""
    middle, last = with_it.median / without.median, with_it.last / without.last
    healthy = len(with_it.done) == with_it.connections - 1
    took = f"the others take {middle:.2f} times as long in the middle, {last:.2f} times at the end"
    seen = f"{took}; longest slice {with_it.longest_slice:.0f} s"
    figures = {"median_ratio": middle, "last_ratio": last, "longest_slice_seconds": with_it.longest_slice, "through": len(with_it.done)}
    share = with_it.connections / CONNECTIONS
    return Line(f"one of {with_it.connections}: {name}", seen, healthy and last < most, figures, share)


def of_outage(side: str, kind: str, connections: int, recovery: Recovery) -> Line:
    """Two hours without a side."""
    each = recovery.requests / connections / 2
    after = "not worked off" if recovery.minutes is None else f"worked off {recovery.minutes:.0f} virtual minutes after it"
    waiting = f"at most {recovery.most_waiting_of_one} messages of one connection wait"
    seen = f"{each:.0f} requests an hour and connection into it; {waiting}; {after}"
    figures = {
        "connections": connections,
        "requests_into_it": recovery.requests,
        "most_waiting_of_one": recovery.most_waiting_of_one,
        "minutes_after": recovery.minutes,
        "poison": recovery.poison,
        "differences": len(recovery.differences),
    }
    return Line(f"{side} away for 2 h: {kind}", seen, recovery.minutes is not None and not recovery.poison, figures)

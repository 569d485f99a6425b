"""The figures as one Markdown table for `docs/reliability.md`."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from bench.load.fairness import Shares
from bench.load.outage import Recovery
from bench.load.sizes import Measured, Pass

MEGABYTE: Final = 1_000_000
HEAD: Final = "| load | what was seen |\n|---|---|"


@dataclass(frozen=True)
class Line:
    """One row of the table. `well`: what must hold for it held."""

    load: str
    seen: str
    well: bool

    def __str__(self) -> str:
        """As Markdown."""
        return f"| {self.load} | {self.seen}{'' if self.well else ' **NOT WELL**'} |"


def of_sizes(name: str, stages: Iterable[str], measured: Measured) -> list[Line]:
    """A line per stage: the first run, and what the second one sent."""
    lines = []
    for stage in stages:
        first = measured.of(stage)
        second = next(one for one in measured.second if one.stage == stage)
        quiet = not second.counts.get("sent", 0) and not second.counts.get("written", 0)
        seen = f"{_pass(first)}; again half an hour later: {second.requests:,} requests, {'nothing sent' if quiet else 'SENT AGAIN'}"
        seen += f"; {measured.rows:,} ledger rows; the truths {'agree' if not measured.differences else 'DIFFER'}"
        lines.append(Line(f"{name}: {stage}", seen, quiet and not measured.differences and first.peak < 150 * MEGABYTE))
    return lines


def _pass(one: Pass) -> str:
    number = one.counts.get("read", 0)
    return (
        f"{number:,} read, {one.requests:,} requests, {one.minutes:.1f} virtual minutes, {one.slices} slices, "
        f"at most {one.peak / MEGABYTE:.0f} MB a slice ({one.seconds:.0f} s here)"
    )


def of_equals(shares: Shares) -> Line:
    """Equal connections."""
    seen = (
        f"all through after {shares.last:.1f} virtual minutes, the middle one after {shares.median:.1f}; "
        f"never more than {shares.widest_gap} slices ahead of another; {shares.requests:,} requests; "
        f"at a tick at most {shares.most_waiting_of_one} messages of one connection wait"
    )
    return Line(f"{shares.connections} equal connections due at once", seen, shares.last < 2 * shares.median)


def of_trouble(name: str, with_it: Shares, without: Shares, most: float) -> Line:
    """One bad connection among them, as a ratio to the same playing without it."""
    middle, last = with_it.median / without.median, with_it.last / without.last
    healthy = len(with_it.done) == with_it.connections - 1
    took = f"the others take {middle:.2f} times as long in the middle, {last:.2f} times at the end"
    seen = f"{took}; longest slice {with_it.longest_slice:.0f} s"
    return Line(f"one of {with_it.connections}: {name}", seen, healthy and last < most)


def of_outage(side: str, kind: str, connections: int, recovery: Recovery) -> Line:
    """Two hours without a side."""
    each = recovery.requests / connections / 2
    after = "not worked off" if recovery.minutes is None else f"worked off {recovery.minutes:.0f} virtual minutes after it"
    waiting = f"at most {recovery.most_waiting_of_one} messages of one connection wait"
    seen = f"{each:.0f} requests an hour and connection into it; {waiting}; {after}"
    return Line(f"{side} away for 2 h: {kind}", seen, recovery.minutes is not None and not recovery.poison)

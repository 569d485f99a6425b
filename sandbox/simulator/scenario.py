"""What one simulation plays, as data: made from a seed, so that a seed is all that is needed to play it again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from random import Random
from typing import Final, Literal

from sandbox.d365.switches import D365Switches
from sandbox.simulator.life import EVENTS
from sandbox.simulator.matrix import DELIVERIES, MIRRORS, SIGN_IN, STAGES, Cell, cells
from sandbox.web import Now
from sandbox.worlds.contoso import build_contoso
from sandbox.worlds.model import World
from sandbox.worlds.property_firm import PropertyFirmSize, build_property_firm

TINY: Final = PropertyFirmSize(vendors=30, accounts=30, buildings=10, invoices=10, payments=8)
RICH: Final = replace(TINY, invoices=20, payments=16)
OPEN: Final[Mapping[str, Sequence[object]]] = {
    "duplicate_invoice": ("accept", "warn", "reject"),
    "repeated_line_number": ("refuse", "accept"),
    "settlement_amount": ("gross", "net"),
    "settlement_sign": ("as_payment", "as_invoice"),
    "settled_rows_after_posting": ("keep", "remove"),
    "next_link": ("absolute", "relative"),
    "next_link_option": ("$skiptoken", "$skip"),
    "page_cap": (10_000, 10_000, 10_000, 10_000, 9),
    "unknown_dimension": ("error", "blank"),
    "backslash": ("escapes", "plain"),
    "line_signs": ("match", "free"),
    "mandatory_payment_fields": ("insert", "posting"),
    "write_status": (204, 200),
    "stale_if_match": (412, 400, 204),
    "missing_row_body": ("empty", "odata", "html"),
    "unauthorized_body": ("empty", "html"),
    "changeset_failure_status": (400, 500),
    "silent_settlements": (0, 0, 1),
    "throttled_parts": (0, 0, 1),
}
"""What D365 may do where the contract leaves it open, for the switches under which every document can be written."""
MOST_FAULTS: Final = 6
OFTEN: Final = {
    "header write": 4,
    "line write": 4,
    "claim": 2,
    "outcome stored": 2,
    "effect that comes late": 4,
    "killed before an effect that comes late": 4,
    "time-out with effect": 3,
    "reset in the body": 3,
    "killed after": 3,
    "two workers": 3,
    "429 with seconds": 2,
    "429 with a date": 2,
}
"""How many times as often these boundaries and kinds are drawn as the others: where money could be lost or doubled."""
LATE_KINDS: Final = ("effect that comes late", "killed before an effect that comes late")
NEVER_TOGETHER: Final = tuple({late, clock} for late in LATE_KINDS for clock in ("clock ahead", "clock behind"))
"""A clock that is wrong by more than the settle time cannot tell when that has passed (docs/reliability.md)."""
WORLDS: Final = 97
"""Different firms; so many are enough, for the order of things is another with every seed."""
WEEK: Final = 50
"""Of so many seeds one lives through a week."""


@dataclass(frozen=True)
class Scenario:
    """One simulation. `ticks` of the timers, `minutes` apart, see faults and events; then everything is left to heal."""

    seed: int
    world: Literal["firm", "contoso"] = "firm"
    rich: bool = False
    """The firm has more documents, discounts and credits among them."""
    processes: int = 2
    linger: float = 0.8
    eager: float = 0.3
    """See `Host`."""
    ticks: int = 3
    minutes: int = 20
    mirror_minutes: int = 0
    """How often the mirrors are due; 0: at every tick."""
    switches: Mapping[str, object] = field(default_factory=dict)
    faults: tuple[Cell, ...] = ()
    events: tuple[str, ...] = ()

    def build(self, now: Now) -> World:
        """The two systems before the first run."""
        if self.world == "firm":
            size, switches = RICH if self.rich else TINY, self.d365_switches
            return build_property_firm(self.seed % WORLDS, now(), size=size, now=now, d365_switches=switches)
        world = build_contoso(now(), now=now, seed=self.seed)
        world.d365.switches = self.d365_switches
        return world

    @property
    def d365_switches(self) -> D365Switches:
        """The behaviours of D365."""
        made = D365Switches()
        for name, value in self.switches.items():
            setattr(made, name, value)
        return made

    @property
    def schedules(self) -> dict[str, dict[str, int]]:
        """How often each stage is due."""
        return {stage: {"every_minutes": self.mirror_minutes if stage in MIRRORS else 0} for stage in STAGES}

    @property
    def policies(self) -> dict[str, object]:
        """What the customer sets to fit the behaviours."""
        made = self.d365_switches
        return {"settlement_amount": made.settlement_amount, "settlement_sign": made.settlement_sign}


def from_seed(seed: int, flow: str = "") -> Scenario:
    """The scenario of a seed; with a flow its faults strike that stage."""
    chance = Random(f"scenario {seed} {flow}")
    week = chance.randrange(WEEK) == 0
    ticks = chance.randint(14, 28) if week else chance.randint(2, 3)
    return Scenario(
        seed=seed,
        world=chance.choice(("firm", "contoso")),
        processes=chance.choice((1, 2, 2, 3)),
        linger=chance.choice((0.95, 0.8, 0.8, 0.4)),
        ticks=ticks,
        minutes=7 * 24 * 60 // ticks if week else chance.choice((6, 16, 20, 45)),
        mirror_minutes=chance.choice((0, 30, 60)),
        switches={name: chance.choice(values) for name, values in OPEN.items()},
        faults=_faults(chance, flow),
        events=tuple(chance.choice([*EVENTS]) for _ in range(ticks * 2)),
        rich=chance.randrange(5) == 0,
        eager=chance.choice((1.0, 0.5, 0.1)),
    )


def _faults(chance: Random, flow: str) -> tuple[Cell, ...]:
    """Some cells, each at one of its first occurrences. Boundaries are drawn before kinds, so that rare ones come as often."""
    chosen: list[Cell] = []
    for _ in range(chance.randint(1, MOST_FAULTS)):
        stage = flow or chance.choice(STAGES)
        possible = possible_kinds(stage)
        boundary = _drawn(chance, [*possible])
        kind = _drawn(chance, possible[boundary])
        cell = Cell(stage, boundary, kind, chance.choice((1, 1, 2, 3, 5, 8)))
        kinds = {cell.kind, *(known.kind for known in chosen)}
        if not any(pair <= kinds for pair in NEVER_TOGETHER):
            chosen.append(cell)
    return tuple(chosen)


def _drawn(chance: Random, names: Sequence[str]) -> str:
    return chance.choices(names, [OFTEN.get(name, 1) for name in names])[0]


@cache
def possible_kinds(stage: str) -> Mapping[str, Sequence[str]]:
    """The kinds of faults of a stage by boundary."""
    found: dict[str, list[str]] = {}
    for cell in cells():
        if cell.stage == stage:
            found.setdefault(cell.boundary, []).append(cell.kind)
    return found


def from_cell(cell: Cell, seed: int = 7) -> Scenario:
    """A scenario that shows one cell of the matrix: two instances, one fault, and enough rows for pages.

    Whether the fault's step comes at all, as a sign-in of this very stage does, rests with the order of things, so with the seed. A
    delivery signs in itself when a token has run out and no mirror was before it.
    """
    events = ("settle payment", "close batch", "post invoices", "rename vendor")
    rare = cell.boundary == SIGN_IN.name and cell.stage in DELIVERIES
    minutes, mirror_minutes = (61, 200) if rare else (20, 0)
    switches = {"page_cap": 9}
    return Scenario(seed=seed, switches=switches, faults=(cell,), events=events, minutes=minutes, mirror_minutes=mirror_minutes)

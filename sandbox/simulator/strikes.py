"""The faults of a scenario at the steps of the product: which is due at a step, and what it does before and after the step's effect."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Final

from sandbox.simulator import life
from sandbox.simulator.acts import Act, stage_of
from sandbox.simulator.crew import Crew, Killed, Process
from sandbox.simulator.host import Disorder, Host
from sandbox.simulator.matrix import KIND_BY_NAME, Action, Cell, Delivery, Fired, Hang, Jump, Kill, Move, Storage
from sandbox.simulator.seams import VirtualClock
from sandbox.simulator.story import Story
from sandbox.storage import Message
from sandbox.worlds.model import World
from sync.errors import StorageConflict, TryLater
from sync.storage.model import Insert

RESTART_SECONDS: Final = 30.0


@dataclass
class _Planned:
    """A fault that has not struck yet, and how often its step was seen."""

    cell: Cell
    seen: int = 0


class Strikes:
    """All faults of one simulation. Each strikes once; `fired` counts those that did."""

    def __init__(
        self, cells: Sequence[Cell], world: World, clock: VirtualClock, crew: Crew, host: Host, chance: Random, story: Story
    ) -> None:
        self.fired = Fired()
        self._planned = [_Planned(cell) for cell in cells]
        self._world = world
        self._clock = clock
        self._crew = crew
        self._host = host
        self._chance = chance
        self._story = story

    def end(self) -> None:
        """No further fault strikes, and clocks are set right."""
        self._planned.clear()
        for process in self._host.processes:
            process.skew = timedelta()

    def before(self, act: Act, process: Process) -> list[Cell]:
        """The faults that strike at this step, for `after`; what strikes before its effect has struck. Raises what the product meets."""
        struck = self._due(act)
        for cell in struck:
            self._count(cell, process)
        for cell in struck:
            self._strike(cell, process)
        return struck

    def after(self, struck: Sequence[Cell], process: Process) -> None:
        """The step has taken effect. Raises what the product meets."""
        for cell in struck:
            match action_of(cell):
                case Kill(after=True):
                    self._kill(process)
                case Storage("lost answer"):
                    raise TryLater("The storage did not answer (played).")
                case _:
                    pass

    def disorder(self, visible: Sequence[Message], process: Process) -> Disorder:
        """Whether the next message of a queue is given out in another order, or twice."""
        made = Disorder()
        for planned in [planned for planned in self._planned if isinstance(action_of(planned.cell), Delivery)]:
            last = action_of(planned.cell) == Delivery("disorder")
            if stage_of(visible[-1 if last else 0].body) == planned.cell.stage and (not last or len(visible) > 1):
                self._planned.remove(planned)
                self._count(planned.cell, process)
                made.pick_last, made.twice = made.pick_last or last, made.twice or not last
        return made

    def _due(self, act: Act) -> list[Cell]:
        struck: list[Cell] = []
        for planned in list(self._planned):
            if _is_at(planned.cell, act):
                planned.seen += 1
                if planned.seen >= planned.cell.nth:
                    self._planned.remove(planned)
                    struck.append(planned.cell)
        return struck

    def _count(self, cell: Cell, process: Process) -> None:
        self.fired.add(cell)
        self._story.tell(self._clock.now(), process.number, f"*** {cell.kind} at {cell.boundary} of {cell.stage}")

    def _strike(self, cell: Cell, process: Process) -> None:
        match action_of(cell):
            case Kill(after=False):
                self._kill(process)
            case Hang(time):
                self._hang(process, time)
            case Jump(by):
                process.skew += by
            case Move():
                self._story.tell(self._clock.now(), 0, life.move_rows(self._world, cell.stage, self._chance))
            case Storage("busy"):
                raise TryLater("The storage is busy (played).")
            case Storage("conflict"):
                raise StorageConflict("Changed by another worker (played).")
            case _:
                pass

    def _kill(self, process: Process) -> None:
        self._host.kill(process, RESTART_SECONDS)
        raise Killed

    def _hang(self, process: Process, time: timedelta) -> None:
        """Another process is there to take over."""
        if sum(not other.dead for other in self._host.processes) < 2:
            self._host.start_process()
        process.frozen_until = self._clock.now() + time
        self._crew.point()


def action_of(cell: Cell) -> Action:
    """What the cell's fault does."""
    return KIND_BY_NAME[cell.kind].action


def _is_at(cell: Cell, act: Act) -> bool:
    """Whether this is a step at which the cell's fault can strike. Deliveries strike where messages are given out."""
    if act.boundary is None or (act.stage, act.boundary.name) != (cell.stage, cell.boundary):
        return False
    kind = KIND_BY_NAME[cell.kind]
    inserts = any(isinstance(change, Insert) for change in act.changes)
    return not isinstance(kind.action, Delivery) and (kind.inserts is None or kind.inserts == inserts or act.channel != "table")

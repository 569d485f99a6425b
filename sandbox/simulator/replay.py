"""One simulation told as a story; when it shows a violation, first the smallest scenario that still does."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

from sandbox.simulator.campaign import Job
from sandbox.simulator.scenario import Scenario
from sandbox.simulator.simulation import Simulation
from sandbox.simulator.watch import Violation

Told = TypeVar("Told")

LAST_LINES = 60
"""Steps before the violation that are told one by one."""


def replay(job: Job) -> int:
    """Play it and tell it. Returns 0 when nothing was wrong."""
    scenario = job.scenario
    simulation, found = played(scenario)
    print(f"{job.command}\nsteps {simulation.crew.steps:,}, digest {simulation.story.digest}")
    if found is None:
        print("\n".join(outline(simulation)))
        print("Nothing was wrong.")
        return 0
    smallest, told, violation = shrunk(scenario, simulation, found, played)
    print(f"\n{violation}\n\nThe smallest scenario that shows it:\n{smallest}\n\nWhat happened:")
    print("\n".join([*outline(told), "...", *told.story.lines[-LAST_LINES:]]))
    return 1


def played(scenario: Scenario) -> tuple[Simulation, Violation | None]:
    """The simulation after its end, and what was wrong."""
    simulation = Simulation(scenario, tell=True)
    try:
        simulation.run()
    except Violation as violation:
        return simulation, violation
    return simulation, None


def shrunk(
    scenario: Scenario, told: Told, violation: Violation, play: Callable[[Scenario], tuple[Told, Violation | None]]
) -> tuple[Scenario, Told, Violation]:
    """Leave away faults, events, ticks and processes as long as a violation of the same kind remains."""
    smaller = True
    while smaller:
        smaller = False
        for candidate in candidates(scenario):
            seen, found = play(candidate)
            if found is not None and found.kind == violation.kind:
                scenario, told, violation, smaller = candidate, seen, found, True
                break
    return scenario, told, violation


def candidates(scenario: Scenario) -> Iterator[Scenario]:
    """Scenarios that are smaller by one thing."""
    for number in range(len(scenario.faults)):
        yield replace(scenario, faults=scenario.faults[:number] + scenario.faults[number + 1 :])
    if scenario.events:
        yield replace(scenario, events=())
    for number in range(len(scenario.events)):
        yield replace(scenario, events=scenario.events[:number] + scenario.events[number + 1 :])
    if scenario.ticks > 1:
        yield replace(scenario, ticks=scenario.ticks - 1)
    if scenario.processes > 1:
        yield replace(scenario, processes=scenario.processes - 1)
    for name in scenario.switches:
        yield replace(scenario, switches={other: value for other, value in scenario.switches.items() if other != name})


def outline(simulation: Simulation) -> list[str]:
    """The faults, the events and the starts of processes."""
    return [line for line in simulation.story.lines if line.split("  ")[1] == "-" or "***" in line or line.endswith("starts")]

"""Whole simulations: the same seed plays the same, faults strike and are survived, and a story is told."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.simulator.campaign import Campaign, Job, cell_jobs, play, played, product_digest, seed_jobs
from sandbox.simulator.matrix import DELIVERIES, STAGES, Cell
from sandbox.simulator.replay import candidates, shrunk
from sandbox.simulator.scenario import NEVER_TOGETHER, Scenario, from_cell, from_seed
from sandbox.simulator.simulation import Simulation
from sandbox.simulator.watch import Violation

ROOT = Path(__file__).resolve().parents[2]


def command(*words: str, hashes: str = "random") -> str:
    done = subprocess.run(
        [sys.executable, "-m", "sandbox.simulator", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hashes},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_a_seed_plays_the_same_in_every_process() -> None:
    told = [command("--seed", "3", hashes=hashes) for hashes in ("random", "17")]
    assert told[0] == told[1]
    assert told[0] != command("--seed", "4")


def test_a_healthy_day_moves_everything() -> None:
    simulation = Simulation(Scenario(seed=1, processes=1), tell=True)
    simulation.run()
    assert simulation.fired.counts == {}
    assert any("POST" in line and "VendorInvoiceHeaders" in line for line in simulation.story.lines)
    assert any("POST" in line and "VendorPaymentJournalLines" in line for line in simulation.story.lines)


@pytest.mark.parametrize("flow", ["", *STAGES])
def test_faults_in_every_flow_change_nothing_in_the_end(flow: str) -> None:
    outcomes = [play(job) for job in seed_jobs(100, 3, flow)]
    assert [outcome.violation for outcome in outcomes] == [""] * 3
    struck = [cell for outcome in outcomes for cell in outcome.struck]
    assert struck
    assert {cell.stage for cell in struck} <= ({flow} if flow else {*STAGES})


@pytest.mark.parametrize("boundary", ["claim", "header write", "line write", "outcome stored"])
@pytest.mark.parametrize("stage", DELIVERIES)
def test_death_around_a_write_is_survived(stage: str, boundary: str) -> None:
    for kind in ("killed before", "killed after", "two workers"):
        outcome = play(Job(cell=Cell(stage, boundary, kind)))
        assert (outcome.violation, len(outcome.struck)) == ("", 1)


def test_a_week_passes() -> None:
    seed = next(seed for seed in range(1_000) if from_seed(seed).ticks > 10)
    outcome = play(Job(seed=seed))
    assert outcome.violation == ""
    assert outcome.hours > 6 * 24


def test_what_cannot_be_promised_together_is_not_played_together() -> None:
    kinds = [{cell.kind for cell in from_seed(seed).faults} for seed in range(3_000)]
    assert not [found for found in kinds if any(pair <= found for pair in NEVER_TOGETHER)]
    assert any("effect that comes late" in found for found in kinds)
    assert any("clock ahead" in found for found in kinds)


def test_a_cell_that_does_not_strike_is_reported() -> None:
    outcome = played(Job(cell=Cell("invoices", "claim", "killed after", nth=10_000)))
    assert outcome.kind == "unfired"


class Failing:
    """A stand-in for the product's damage: what is wrong is wrong as long as one fault and one event are there."""

    fault = Cell("invoices", "claim", "killed after")

    def __init__(self, scenario: Scenario, *, tell: bool = False) -> None:
        self.scenario = scenario

    def run(self) -> None:
        if self.fault in self.scenario.faults and "post invoices" in self.scenario.events:
            raise Violation("lost", "played")


def test_a_failing_scenario_is_shrunk_to_what_is_needed() -> None:
    scenario = replace(
        from_seed(5), faults=(*from_seed(5).faults, Failing.fault), events=("rename vendor", "post invoices", "close batch"), processes=3
    )

    def tried(candidate: Scenario) -> tuple[Failing, Violation | None]:
        made = Failing(candidate)
        try:
            made.run()
        except Violation as violation:
            return made, violation
        return made, None

    told, found = tried(scenario)
    assert found is not None
    smallest, _, violation = shrunk(scenario, told, found, tried)
    assert smallest.faults == (Failing.fault,)
    assert smallest.events == ("post invoices",)
    assert (smallest.ticks, smallest.processes, dict(smallest.switches)) == (1, 1, {})
    assert violation.kind == "lost"
    assert [*candidates(smallest)] != []


def test_a_campaign_goes_on_where_it_was_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report, jobs = tmp_path / "kept" / "seeds.json", seed_jobs(0, 4)
    first = Campaign(jobs, workers=1, minutes=0.0, least=2, report=str(report), block=2)
    assert first.run() == 0
    assert "2 of 4" in capsys.readouterr().out
    second = Campaign(jobs, workers=1, report=str(report), block=2)
    assert second.run() == 0
    said = capsys.readouterr().out
    assert "4 of 4" in said
    assert "2 of 4" not in said
    assert product_digest() in report.read_text()


def test_the_jobs_of_the_matrix_are_its_cells() -> None:
    jobs = cell_jobs()
    assert len(jobs) > 800
    assert jobs[0].scenario == from_cell(jobs[0].cell or Cell("", "", ""))
    assert jobs[0].command == f'python3 dev.py simulate --cell "{jobs[0].cell}" --seed 7'


def test_a_fault_that_does_not_strike_at_first_is_played_in_another_order_of_things() -> None:
    outcome = play(Job(seed=7, cell=Cell("vendors", "sign-in", "503")))
    assert outcome.violation == ""
    assert len(outcome.struck) == 1


def test_two_payments_that_ask_for_one_journal_are_not_two_looks() -> None:
    """A seed that showed it: a journal was sent again after two looks seconds apart, by two payments of one run."""
    assert play(Job(seed=100_169)).violation == ""

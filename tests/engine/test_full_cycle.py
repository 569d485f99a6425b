"""All five stages on the seams of the product, in virtual time: two workers, one step at a time, from a seed."""

from datetime import timedelta
from functools import partial

import pytest

from sandbox.faults import Fault, busy
from sandbox.worlds.property_firm import PropertyFirmSize, build_property_firm
from sandbox.worlds.truth import compare
from tests.support.deployment import Deployment, cycle, deploy, drain, next_delayed
from tests.support.inprocess import VirtualClock
from tests.support.turns import Killed, Turns

HOUR = 3_600.0


def small_deployment(seed: int) -> Deployment:
    deployment = deploy(VirtualClock())
    deployment.add(build_property_firm(seed, deployment.clock.now(), size=PropertyFirmSize.small(), now=deployment.clock.now))
    return deployment


def run_cycle(deployment: Deployment, turns: Turns, workers: int = 2) -> list[BaseException]:
    deployment.step = turns.step
    apps = [deployment.worker(number) for number in range(workers)]
    died_of = turns.run([partial(cycle, deployment, app) for app in apps])
    deployment.step = lambda: None
    finish(deployment)
    return died_of


def finish(deployment: Deployment) -> None:
    """Let time pass until no message is delayed any more."""
    app = deployment.worker(9)
    while (wait := next_delayed(deployment)) is not None:
        assert wait <= HOUR
        deployment.clock.advance(seconds=max(0.0, wait))
        drain(deployment, app)


def assert_truths_agree(deployment: Deployment) -> None:
    for world in deployment.worlds.values():
        comparison = compare(world)
        assert comparison.agrees, comparison.differences


@pytest.mark.parametrize("seed", range(5))
def test_two_workers_move_everything_once(seed: int) -> None:
    deployment = small_deployment(seed)
    assert run_cycle(deployment, Turns(seed)) == []
    assert_truths_agree(deployment)
    assert deployment.network.refused == []

    written = writes(deployment)
    assert run_cycle(deployment, Turns(seed + 1)) == []
    assert writes(deployment) == written, "a second cycle writes nothing"
    assert_truths_agree(deployment)


def writes(deployment: Deployment) -> int:
    """Requests with an effect on D365 or AvidXchange; signing in is none."""
    return deployment.network.writes() - deployment.network.writes(path="/oauth2/v2.0/token")


def test_the_same_seed_gives_the_same_steps() -> None:
    traces = []
    for _ in range(2):
        turns = Turns(3)
        run_cycle(small_deployment(3), turns)
        traces.append(turns.trace)
    assert traces[0] == traces[1]
    assert len(set(traces[0])) == 2


@pytest.mark.parametrize("seed", range(40))
def test_a_worker_dies_at_any_step_and_the_truths_agree(seed: int) -> None:
    deployment = small_deployment(seed % 4)
    died_of = run_cycle(deployment, Turns(seed, kill_at=40 + seed * 23))
    assert [type(error) for error in died_of] in ([Killed], [])
    deployment.clock.advance(minutes=20)
    assert run_cycle(deployment, Turns(seed)) == []
    deployment.clock.advance(minutes=20)
    assert run_cycle(deployment, Turns(seed)) == []
    assert_truths_agree(deployment)


FAULTS = {
    "lost reply on an invoice header": Fault("drop_reply", method="POST", path=r"^/data/VendorInvoiceHeaders\b"),
    "lost reply on invoice lines": Fault("drop_reply", method="POST", path=r"^/data/\$batch"),
    "lost reply on a journal": Fault("drop_reply", method="POST", path=r"^/data/VendorPaymentJournalHeaders\b"),
    "lost reply on a payment line": Fault("drop_reply", method="POST", path=r"^/data/VendorPaymentJournalLines\b"),
    "lost reply on a settlement": Fault("drop_reply", method="POST", path=r"^/data/VendorPaymentJournalLineSettledInvoices\b"),
    "lost reply on an acknowledgement": Fault("drop_reply", method="POST", path="exportHistories"),
    "lost reply on vendors": Fault("drop_reply", method="POST", path=r"^/v1/vendors"),
    "header dropped without effect": Fault("drop_request", method="POST", path=r"^/data/VendorInvoiceHeaders\b"),
    "lines dropped without effect": Fault("drop_request", method="POST", path=r"^/data/\$batch"),
    "journal dropped without effect": Fault("drop_request", method="POST", path=r"^/data/VendorPaymentJournalHeaders\b"),
    "line dropped without effect": Fault("drop_request", method="POST", path=r"^/data/VendorPaymentJournalLines\b"),
    "header that takes effect late": Fault("late_effect", method="POST", path=r"^/data/VendorInvoiceHeaders\b", delay=timedelta(minutes=5)),
    "line that takes effect late": Fault(
        "late_effect", method="POST", path=r"^/data/VendorPaymentJournalLines\b", delay=timedelta(minutes=5)
    ),
    "cut reply on a header": Fault("cut_reply", method="POST", path=r"^/data/VendorInvoiceHeaders\b"),
    "503 after the effect": Fault("status_after_effect", method="POST", path=r"^/data/VendorPaymentJournalLines\b"),
    "429 on writes": busy("7", method="POST", path="^/data/", times=3),
    "429 on reads": busy("3", method="GET", times=5),
    "503 on reads": Fault("status", method="GET", times=3),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_changes_nothing_in_the_end(name: str) -> None:
    deployment = small_deployment(1)
    fault = FAULTS[name]
    deployment.network.faults.add(fault)
    for seed in range(3):
        assert run_cycle(deployment, Turns(seed), workers=1) == []
        deployment.clock.advance(minutes=20)
    assert not deployment.network.faults.unfired, "the fault was met"
    assert_truths_agree(deployment)

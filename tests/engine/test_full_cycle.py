"""All five stages on the seams of the product, in virtual time: two workers, one step at a time, from a seed."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from itertools import count

import pytest

from sandbox.avid import AvidSwitches
from sandbox.avid.settings import SECRETS, auth_secrets
from sandbox.avid.switches import Auth
from sandbox.faults import Fault, busy
from sandbox.simulator.deployment import Deployment, cycle, deploy, drain, next_delayed
from sandbox.simulator.seams import VirtualClock
from sandbox.simulator.turns import Killed, Turns
from sandbox.worlds.contoso import build_contoso
from sandbox.worlds.model import World
from sandbox.worlds.property_firm import PropertyFirmSize, build_property_firm
from sandbox.worlds.truth import compare
from sync.causes import Cause
from sync.engine.cases import RUNS
from sync.ledger.model import Place
from tests.avid.tenant import CachedSecrets
from tests.support.dialects import dialect, in_both, spoken

__all__ = ["dialect"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test here runs in both dialects of AvidXchange."""
    in_both(metafunc)


HOUR = 3_600.0
ROTATION_STEP = 300
"""At which storage operation or request a secret is rotated: in the middle of the first runs."""
MOST_SIGN_INS = 12
"""Two workers, two cycles: a sign-in each, one more each after the rotation, and those after an end of a token."""


def small_deployment(seed: int, auth: Auth = "company_user_tokens") -> Deployment:
    deployment = deploy(VirtualClock(), spoken())
    deployment.secrets = CachedSecrets({})
    now, switches = deployment.clock.now, AvidSwitches(auth=auth, token_lifetime=timedelta(minutes=20))
    deployment.add(build_property_firm(seed, now(), size=PropertyFirmSize.small(), now=now, avid_switches=switches))
    return deployment


def run_cycle(deployment: Deployment, turns: Turns, workers: int = 2, step: Callable[[], None] | None = None) -> list[BaseException]:
    deployment.step = step or turns.step
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
    signing_in = sum(deployment.network.writes(path=path) for path in ("/oauth2/v2.0/token", "/authorizations"))
    return deployment.network.writes() - signing_in


@pytest.mark.parametrize(("auth", "entry"), [(auth, entry) for auth, entries in SECRETS.items() for entry in entries])
def test_every_way_to_sign_in_moves_everything_and_a_secret_may_be_rotated_in_mid_run(auth: Auth, entry: str) -> None:
    deployment = small_deployment(1, auth)
    (world,) = deployment.worlds.values()
    turns, reads = Turns(1), count(1)

    def rotate_in_mid_run() -> None:
        turns.step()
        if next(reads) == ROTATION_STEP:
            world.avid.rotate(**{entry: "n3w"})
            deployment.secrets.values.update(auth_secrets(world.avid, world.connection["id"]))

    assert run_cycle(deployment, turns, step=rotate_in_mid_run) == []
    assert next(reads) > 2 * ROTATION_STEP
    deployment.clock.advance(minutes=20)
    assert run_cycle(deployment, Turns(2)) == []
    assert_truths_agree(deployment)
    assert deployment.network.refused == []
    assert [exchange.status for exchange in deployment.network.requests(world.avid.host)].count(401) > 0, "the rotation was met"
    assert all(sign_in.accepted for sign_in in world.avid.access.sign_ins)
    assert len(world.avid.access.sign_ins) <= MOST_SIGN_INS


@pytest.mark.parametrize(("auth", "entry"), [(auth, entry) for auth, entries in SECRETS.items() for entry in entries])
def test_a_sign_in_that_is_refused_stops_that_customer_alone_says_so_and_locks_no_account(auth: Auth, entry: str) -> None:
    deployment = small_deployment(1, auth)
    (world,) = deployment.worlds.values()
    now = deployment.clock.now
    deployment.add(build_contoso(now(), now=now))
    world.avid.rotate(**{entry: "only AvidXchange knows"})
    for seed in range(3):
        assert run_cycle(deployment, Turns(seed), workers=1) == []
        deployment.clock.advance(minutes=16)
    stopped = stopped_stages(deployment, world)
    assert {cause.subject.split()[1] for cause in stopped} == {"vendors", "gl_accounts", "dimensions"}, "the others wait for these"
    assert all(f"-avid-{entry.replace('_', '-')}" in cause.sentence for cause in stopped)
    assert all(not comparison.differences for comparison in [compare(other) for other in deployment.worlds.values() if other is not world])
    assert len(world.avid.access.sign_ins) <= 1, "what was refused is not tried again within an hour"
    deployment.secrets.values.update(auth_secrets(world.avid, world.connection["id"]))
    assert run_cycle(deployment, Turns(4)) == []
    assert stopped_stages(deployment, world) == []
    assert_truths_agree(deployment)


def stopped_stages(deployment: Deployment, world: World) -> list[Cause]:
    """What the failures say of stages that could not run."""
    place = Place(world.connection["id"], RUNS)
    return [failure.cause for failure in deployment.worker(8).ledger.failures(place) if failure.cause.code == "stage-failed"]


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
    died_of = run_cycle(deployment, Turns(seed, kill_at=40 + seed * 17))
    assert [type(error) for error in died_of] == [Killed], "the step lies within the cycle"
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

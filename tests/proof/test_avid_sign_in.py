"""Every way to sign in to AvidXchange over real TLS, by real processes: a whole run, a rotation in its middle, a refusal."""

from collections.abc import Iterator

import pytest

from sandbox.avid import AvidSwitches
from sandbox.avid.dialect import Dialect
from sandbox.avid.settings import secret_name
from sandbox.avid.switches import Auth
from sandbox.place import Place
from sandbox.worlds.model import World
from sandbox.worlds.property_firm import PropertyFirmSize
from sync.ledger.model import Failure
from tests.proof.place import (
    LONGEST_RUN,
    SOON,
    add_customer,
    agree,
    assert_truths_agree,
    failures,
    firm,
    run_until_idle,
    run_until_settled,
    wait_until,
)

WAYS: list[tuple[Auth, str, int | None]] = [
    ("company_user_tokens", "user_token", None),
    ("two_layer", "password", 5),
    ("client_credentials", "client_secret", None),
]
"""The way to sign in, the secret that is rotated, the dialect."""
BEFORE_ROTATION = 12
"""Requests to AvidXchange after which the secret is rotated."""
MOST_REFUSED = 1
"""One sign-in with refused credentials, whatever processes there are; three in a row lock the account."""


@pytest.fixture(params=WAYS, ids=[way for way, _, _ in WAYS])
def customer(request: pytest.FixtureRequest) -> Iterator[tuple[Place, World, str]]:
    """A place with one small firm that signs in so, and the secret of it that is rotated."""
    auth, entry, seed = request.param
    with Place(dialect=None if seed is None else Dialect.scrambled(seed)) as place:
        world = firm(size=PropertyFirmSize.small(), avid=AvidSwitches(auth=auth))
        add_customer(place, world, **SOON)
        yield place, world, entry


def asked(place: Place, world: World) -> int:
    return len(place.network.requests(world.avid.host))


def refused(world: World) -> int:
    return sum(not sign_in.accepted for sign_in in world.avid.access.sign_ins)


def stopped(place: Place) -> list[Failure]:
    return [failure for failure in failures(place) if failure.cause.code == "stage-failed"]


@pytest.mark.slow
def test_each_way_to_sign_in_carries_a_run_a_rotation_and_a_refusal(customer: tuple[Place, World, str]) -> None:
    place, world, entry = customer
    ping = place.sync("ping", world.connection["id"])
    assert "AvidXchange sign-in" in ping.stdout

    before = asked(place, world)
    runner = place.start_runner("--until-idle", "--visibility", "5")
    wait_until(lambda: asked(place, world) > before + BEFORE_ROTATION, "the run has begun to ask AvidXchange")
    world.avid.rotate(**{entry: "n3w"})
    place.store_secrets(world)
    assert runner.wait(LONGEST_RUN) == 0
    run_until_settled(place)
    assert_truths_agree(place)
    assert refused(world) <= MOST_REFUSED

    before = refused(world)
    world.avid.rotate(**{entry: "only AvidXchange knows"})
    run_until_idle(place)
    assert {failure.cause.subject for failure in stopped(place)} >= {f"stage invoices of {world.connection['id']}"}
    assert all(secret_name(world.connection["id"], entry) in failure.cause.sentence for failure in stopped(place))
    assert refused(world) - before <= MOST_REFUSED, "no account is locked"
    with pytest.raises(RuntimeError, match=secret_name(world.connection["id"], entry)):
        place.sync("ping", world.connection["id"])

    place.store_secrets(world)
    run_until_settled(place)
    assert agree(place)
    assert stopped(place) == []

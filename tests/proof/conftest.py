"""What several proofs only look at."""

import pytest

from sandbox.simulator.deployment import Deployment
from sandbox.worlds.model import World
from tests.proof.virtual import deployed_firm, run


@pytest.fixture(scope="session")
def finished() -> tuple[Deployment, World]:
    """The firm after its first cycle. Tests that change something make their own."""
    deployment, world = deployed_firm()
    run(deployment)
    return deployment, world

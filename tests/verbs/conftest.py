"""The desk at which the verbs are tried."""

import pytest

from tests.verbs.desk import Desk


@pytest.fixture
def desk(capsys: pytest.CaptureFixture[str]) -> Desk:
    """A customer is set up, and nothing has run yet."""
    return Desk(capsys)


@pytest.fixture
def worked(desk: Desk) -> Desk:
    """The first cycle is over."""
    desk.cycle()
    return desk

"""The dialect of AvidXchange that a test is run in: the shipped one, or one in which everything has another name.

A test that is about the shipped names themselves is marked `shipped_names`, with the reason; every other runs in both.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sandbox.avid.dialect import Dialect
from sync.avid.profile import Profile, shipped_profile

SEED = 20_261
_spoken: list[Dialect | None] = [None]


def spoken() -> Dialect | None:
    """The dialect of the test under way; None: the shipped one."""
    return _spoken[-1]


def spoken_profile() -> Profile:
    """The same as the connector's profile."""
    dialect = spoken()
    return shipped_profile() if dialect is None else shipped_profile().with_overrides(dialect.overrides)


def spoken_field(name: str) -> str:
    """What AvidXchange calls a field, by its entry: `invoice.gross`."""
    section, _, entry = name.partition(".")
    return str(getattr(getattr(spoken_profile().fields, section), entry))


def spoken_link(address: str) -> str:
    """An address in the shipped names as AvidXchange says it."""
    dialect = spoken()
    return address if dialect is None else dialect.link(address)


@contextmanager
def speaking(dialect: Dialect | None) -> Iterator[None]:
    """What is built in here speaks this dialect."""
    _spoken.append(dialect)
    try:
        yield
    finally:
        _spoken.pop()


@pytest.fixture(autouse=True)
def dialect(request: pytest.FixtureRequest) -> Iterator[Dialect | None]:
    """Lets the test speak it. Imported by the conftest.py of the folders whose tests run in both dialects."""
    with speaking(Dialect.scrambled(SEED) if getattr(request, "param", False) else None):
        yield spoken()


def in_both(metafunc: pytest.Metafunc) -> None:
    """Run a test in both dialects, if it is not about the shipped names. The second run is for `dev.py test` alone."""
    if metafunc.definition.get_closest_marker("shipped_names") is None:
        both = [pytest.param(False, id="shipped"), pytest.param(True, id="scrambled", marks=pytest.mark.whole)]
        metafunc.parametrize("dialect", both, indirect=True)

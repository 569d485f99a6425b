"""The client runs in both dialects of AvidXchange."""

import pytest

from tests.support.dialects import dialect, in_both

__all__ = ["dialect"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """See `in_both`."""
    in_both(metafunc)

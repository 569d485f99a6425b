"""Data that moves under a crawl: pages are an offset, not a snapshot. The crawl is noticed to be short, and never taken for deletions."""

from collections.abc import Callable

import pytest

from sandbox.simulator.seams import NetworkTransport, VirtualClock
from sandbox.worlds import build_contoso
from sync.http.wire import HttpRequest
from sync.stages.registry import every_stage
from tests.support.bench import Bench

FIRST = "0000"


def bench_with(move: Callable[[Bench], None]) -> tuple[Bench, list[str]]:
    """A company with 130 more vendors, in pages of 100; `move` is called once, between two pages."""
    clock = VirtualClock()
    bench = Bench(clock, build_contoso(clock.now(), now=clock.now))
    for number in range(130):
        bench.world.d365.add("VendorsV3", dataAreaId="usmf", VendorAccountNumber=f"{number:04}", VendorOrganizationName=f"Vendor {number}")
    settings = bench.connection.d365.model_copy(update={"page_size": 100})
    bench.connection = bench.connection.model_copy(update={"d365": settings})
    moved: list[str] = []

    def between_pages(request: HttpRequest) -> None:
        if "$skip" in request.url and not moved:
            moved.append(request.url)
            move(bench)

    transport = bench.ports.transport
    assert isinstance(transport, NetworkTransport)
    transport.before = between_pages
    return bench, moved


def leaves(bench: Bench) -> None:
    bench.world.d365.remove("VendorsV3", {"dataAreaId": "usmf", "VendorAccountNumber": FIRST})


def comes(bench: Bench) -> None:
    bench.world.d365.add("VendorsV3", dataAreaId="usmf", VendorAccountNumber="000", VendorOrganizationName="New in front")


@pytest.mark.parametrize("move", [leaves, comes])
def test_a_crawl_under_which_data_moved_is_not_complete(move: Callable[[Bench], None]) -> None:
    bench, moved = bench_with(move)
    stage = next(stage for stage in every_stage() if stage.name == "vendors")
    first = bench.run(stage)
    assert moved
    assert first.counts["incomplete"] == 1
    again = bench.run(stage)
    assert "incomplete" not in again.counts
    assert not again.counts.get("deactivated"), "one complete crawl is not enough to believe that something is gone"

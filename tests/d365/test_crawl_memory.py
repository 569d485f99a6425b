"""A crawl holds one page, however many rows there are."""

import json
import tracemalloc
from collections.abc import Iterator

import pytest

from sync.d365.entity import read_rows
from sync.d365.rows import Vendor
from sync.http.wire import HttpRequest, HttpResponse
from tests.d365.support import Environment, options_of
from tests.http.support import FunctionTransport

ROWS, PAGE = 100_000, 500
MIB = 1_048_576


def vendor(number: int) -> dict[str, str]:
    filled = {"VendorOrganizationName": f"Vendor number {number} with a name of its own", "AddressStreet": f"{number} Long Street"}
    return {**dict.fromkeys(Vendor.SELECT, ""), "dataAreaId": "usmf", "VendorAccountNumber": f"V{number:06}", **filled}


def serve(request: HttpRequest) -> HttpResponse:
    """The page that the link asks for, made when it is asked for."""
    start = int(options_of(request).get("$skiptoken", "0"))
    link = {"@odata.nextLink": f"VendorsV3?cross-company=true&$skiptoken={start + PAGE}"} if start + PAGE < ROWS else {}
    rows = [vendor(number) for number in range(start, start + PAGE)]
    return HttpResponse(200, {}, json.dumps({"value": rows, **link}).encode())


@pytest.mark.slow
def test_a_hundred_thousand_vendors_in_the_memory_of_one_page() -> None:
    it = Environment(FunctionTransport(serve))
    found: Iterator[Vendor] = read_rows(Vendor, it.client.rows(Vendor.SET, select=Vendor.SELECT, company="usmf", page_size=PAGE), print)
    next(found)
    tracemalloc.start()
    try:
        count = 1 + sum(1 for _ in found)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == ROWS
    one_page = len(serve(HttpRequest("GET", "https://x/data/VendorsV3")).body)
    assert peak < 12 * one_page, f"{peak / MIB:.1f} MiB for pages of {one_page / MIB:.2f} MiB"
    assert 12 * one_page < ROWS / PAGE * one_page / 10, "the bound would show a crawl that keeps its rows"

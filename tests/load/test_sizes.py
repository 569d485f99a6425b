"""Documents that are large themselves: each in few requests, in little memory, and a second time without a write."""

import pytest

from bench.load.sizes import SMALL, Case, large_batch, long_invoice, measure
from bench.load.table import MEGABYTE, of_sizes

pytestmark = pytest.mark.slow


def test_an_invoice_with_two_thousand_lines_goes_in_four_changesets() -> None:
    measured = measure(Case(SMALL, ("invoices",), long_invoice(2_000)), traced=lambda _: True)
    plain = measure(Case(SMALL, ("invoices",)), traced=lambda _: False)
    assert measured.differences == []
    assert measured.of("invoices").requests - plain.of("invoices").requests <= 11
    assert measured.of("invoices").peak < 150 * MEGABYTE
    assert all(line.well for line in of_sizes("long", ("invoices",), measured))


def test_a_large_batch_is_noted_and_written_slice_by_slice() -> None:
    measured = measure(Case(SMALL, ("invoices",), large_batch(600)))
    first = measured.of("invoices")
    assert measured.differences == []
    assert first.slices > 1
    assert first.counts["written"] >= 600
    assert first.requests < 8 * 624
    assert first.peak < 150 * MEGABYTE
    assert [one.counts.get("written", 0) for one in measured.second if one.stage == "invoices"] == [0]

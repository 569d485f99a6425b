"""The matrix: how many cells there are, and what rules them out."""

import re

import pytest

from sandbox.simulator.matrix import BOUNDARIES, BY_NAME, KIND_BY_NAME, KINDS, STAGES, Cell, all_cells, applies, cells, parse_cell


def test_the_matrix_is_as_large_as_it_must_be() -> None:
    assert all_cells() == len(BOUNDARIES) * len(KINDS) * len(STAGES) > 1_440
    assert len({*cells()}) == len([*cells()])
    assert {cell.stage for cell in cells()} == {*STAGES}
    assert {cell.boundary for cell in cells()} == {boundary.name for boundary in BOUNDARIES}
    assert {cell.kind for cell in cells()} == {kind.name for kind in KINDS}


@pytest.mark.parametrize(
    ("stage", "boundary", "kind", "possible"),
    [
        ("invoices", "claim", "killed after", True),
        ("vendors", "claim", "killed after", False),
        ("vendors", "line write", "500", False),
        ("payments", "acknowledge", "500", False),
        ("invoices", "acknowledge", "500", True),
        ("invoices", "look", "time-out with effect", False),
        ("invoices", "line write", "time-out with effect", True),
        ("invoices", "claim", "429 with seconds", False),
        ("invoices", "claim", "storage 409 for our own row", True),
        ("invoices", "claim", "storage time-out after the effect", False),
        ("invoices", "watermark", "storage 409 for our own row", False),
        ("invoices", "watermark", "storage time-out after the effect", True),
        ("invoices", "enqueue", "storage 412", False),
        ("invoices", "payload kept", "storage 412", False),
        ("gl_accounts", "memory stored", "storage 412", True),
        ("payments", "dequeue", "message delivered twice", True),
        ("payments", "enqueue", "message delivered twice", False),
        ("dimensions", "page fetched", "rows moving while paging", True),
        ("dimensions", "sign-in", "rows moving while paging", False),
        ("payments", "message delete", "two workers", True),
    ],
)
def test_a_cell_that_cannot_be_is_ruled_out(stage: str, boundary: str, kind: str, possible: bool) -> None:
    assert applies(BY_NAME[boundary], KIND_BY_NAME[kind], stage) is possible
    assert (Cell(stage, boundary, kind) in {*cells()}) is possible


def test_a_cell_is_read_as_it_is_written() -> None:
    cell = Cell("payments", "line write", "429 with a date", 3)
    assert parse_cell(str(cell)) == cell
    assert parse_cell("payments/line write/429 with a date") == Cell("payments", "line write", "429 with a date", 1)


@pytest.mark.parametrize("text", ["vendors / claim / killed after / 1", "payments / look / rain / 1"])
def test_what_is_no_cell_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"{text!r} is no cell of the matrix")):
        parse_cell(text)

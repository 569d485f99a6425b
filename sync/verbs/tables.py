"""Plain text that a person reads in a terminal: tables and paragraphs of at most 118 characters a line."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from sync.values import money_text

WIDTH: Final = 118
GAP: Final = "  "
NARROWEST: Final = 24


@dataclass(frozen=True)
class Column:
    """A column: its title, whether it stands to the right (numbers), and whether it takes what room is left and wraps."""

    title: str
    right: bool = False
    wraps: bool = False


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, indent: int = 0) -> list[str]:
    """The lines of a table under its titles. Only columns that wrap are made narrower than their content."""
    widths = _widths(columns, rows, WIDTH - indent)
    lines: list[str] = []
    for row in ([column.title for column in columns], ["-" * width for width in widths], *rows):
        cells = [_cell(text, width, column) for text, width, column in zip(row, widths, columns, strict=True)]
        for number in range(max(len(cell) for cell in cells)):
            parts = [
                _placed(cell[number] if number < len(cell) else "", width, column)
                for cell, width, column in zip(cells, widths, columns, strict=True)
            ]
            lines.append((" " * indent + GAP.join(parts)).rstrip())
    return lines


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int) -> list[int]:
    widths = [max(len(column.title), *(len(row[number]) for row in rows), 1) for number, column in enumerate(columns)]
    wrapping = [number for number, column in enumerate(columns) if column.wraps]
    fixed = sum(width for number, width in enumerate(widths) if number not in wrapping) + len(GAP) * (len(columns) - 1)
    for place, number in enumerate(wrapping):
        share = (room - fixed) // (len(wrapping) - place)
        widths[number] = min(widths[number], max(NARROWEST, share))
        fixed += widths[number]
    return widths


def _cell(text: str, width: int, column: Column) -> list[str]:
    return (textwrap.wrap(text, width, break_on_hyphens=False) or [""]) if column.wraps else [text]


def _placed(text: str, width: int, column: Column) -> str:
    return text.rjust(width) if column.right else text.ljust(width)


def paragraph(text: str, *, first: str = "", rest: str = "") -> list[str]:
    """The text wrapped, its first line after `first` and the others after `rest`."""
    wrapper = textwrap.TextWrapper(WIDTH, initial_indent=first, subsequent_indent=rest or " " * len(first), break_on_hyphens=False)
    return wrapper.wrap(text) or [first.rstrip()]


def money(amount: Decimal) -> str:
    """An amount with thousands separated, at least two decimals; nothing for zero, so that what there is stands out."""
    text = money_text(abs(amount))
    whole, _, cents = text.partition(".")
    return f"{'-' if amount < 0 else ''}{int(whole):,}.{cents}" if amount else ""


def number(count: int) -> str:
    """A count; nothing for zero."""
    return f"{count:,}" if count else ""


def moment(when: datetime | None) -> str:
    """A time in UTC, to the second; nothing when there is none."""
    return "" if when is None else f"{when:%Y-%m-%d %H:%M:%S}"


def since(seconds: float | None) -> str:
    """A time span in its largest unit."""
    if seconds is None:
        return "never"
    span = timedelta(seconds=seconds)
    if span < timedelta(minutes=2):
        return f"{seconds:.0f} s"
    if span < timedelta(hours=2):
        return f"{span // timedelta(minutes=1)} min"
    return f"{span // timedelta(hours=1)} h" if span < timedelta(days=2) else f"{span.days} days"


def counted(count: int, one: str, many: str = "") -> str:
    """`1 record`, `2 records`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"

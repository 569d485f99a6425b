"""The log of seals of one connection: its lines in an append blob, the row that names the last one, and what is wrong with both."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from sync.ledger.audit import AuditKeys, place_name
from sync.ledger.model import Place
from sync.ledger.seal_lines import HEAD, SealHead, SealLine, head_of, head_partition, head_row, line_of, signed, text_of
from sync.ports import Ports
from sync.storage.model import Insert, Replace
from sync.storage.names import LEDGER, SEALS
from sync.values import utc_text

FIRST_LINE: Final = 1


@dataclass(frozen=True)
class SealChain:
    """The lines that count, from the first, and in sentences what is wrong with the log. `head` None: nothing is sealed yet.

    `waiting` is a line that the head does not name yet: a crash came in between, or somebody set the head back. It holds for its day.
    """

    connection: str
    head: SealHead | None
    lines: tuple[SealLine, ...]
    problems: tuple[str, ...]
    waiting: tuple[SealLine, ...] = ()

    def of(self, day: date) -> SealLine | None:
        """The last line of a day, which is the one that holds for it."""
        return next((line for line in reversed((*self.lines, *self.waiting)) if line.day == day.isoformat()), None)

    def places(self, known: Iterable[Place]) -> list[Place]:
        """The known places, and those that were sealed when the connection still named them."""
        named = {place_name(place): place for place in known}
        for name in (name for line in self.lines for name in line.sealed):
            named.setdefault(name, Place(*name.split("/")))
        return [*named.values()]

    def sealed(self, day: date) -> bool:
        """Whether everything through the day is sealed."""
        return self.head is not None and day <= self.head.through


class SealLog:
    """Lines in `seals/<connection>/<yyyy-mm>.log` (the month in which a line was made). Raises TryLater when storage is busy."""

    def __init__(self, ports: Ports, keys: AuditKeys) -> None:
        self._ports = ports
        self._keys = keys

    def head(self, connection: str) -> tuple[SealHead | None, bool]:
        """The head, None when there is none or it does not carry our code; and whether there is a row at all."""
        row = self._ports.tables.get(LEDGER, head_partition(connection), HEAD)
        return (None, False) if row is None else (head_of(self._keys, connection, row), True)

    def add(self, connection: str, head: SealHead | None, line: SealLine, *, through: date) -> tuple[SealHead, SealLine]:
        """Append a line after the head and let the head name it. StorageConflict when another housekeeper was faster."""
        now = self._ports.clock.now()
        number, previous = (FIRST_LINE, "") if head is None else (head.number + 1, head.mac)
        made = signed(self._keys, replace(line, number=number, previous=previous, at=utc_text(now)))
        self._ports.blobs.append(SEALS, f"{connection}/{now:%Y-%m}.log", text_of(made))
        latest = max(made.date, made.date if head is None else head.latest)
        grown = SealHead(number, made.mac, through, latest, now, "" if head is None else head.etag)
        return self.put(connection, grown), made

    def move(self, connection: str, head: SealHead, through: date) -> SealHead:
        """The head with another day through which everything is sealed. StorageConflict as in `add`."""
        return self.put(connection, replace(head, through=through, at=self._ports.clock.now()))

    def put(self, connection: str, head: SealHead) -> SealHead:
        """Write the head over the version that was read."""
        row = head_row(self._keys, connection, head)
        etags = self._ports.tables.commit(LEDGER, row.partition, [Replace(row) if row.etag else Insert(row)])
        return replace(head, etag=etags[HEAD])

    def chain(self, connection: str) -> SealChain:
        """All lines that the head leads to, and what is wrong in between."""
        head, there = self.head(connection)
        genuine = {line.mac: line for line in self._lines(connection)}
        if head is None:
            first = tuple(line for line in genuine.values() if line.number == FIRST_LINE)
            return SealChain(connection, None, (), tuple(_headless(connection, there, genuine.values())), first)
        lines, problems = _walk(connection, head, genuine)
        problems += _beside(connection, head, lines, genuine.values())
        waiting = tuple(line for line in genuine.values() if line.previous == head.mac and line.kept is None and line.date > head.through)
        return SealChain(connection, head, tuple(lines), (*problems, *_sealed_twice(connection, lines)), waiting)

    def _lines(self, connection: str) -> Iterator[SealLine]:
        """Every line of the log that carries our code."""
        for name in self._ports.blobs.names(SEALS, f"{connection}/"):
            blob = self._ports.blobs.read(SEALS, name)
            for text in (b"" if blob is None else blob.data).splitlines():
                line = line_of(self._keys, connection, text)
                if line is not None:
                    yield line


def _headless(connection: str, there: bool, lines: Iterable[SealLine]) -> list[str]:
    """A crash in the very first seal leaves first lines only."""
    if there:
        return [f"The row that names the last seal of {connection} was changed: its code does not fit."]
    days = sorted(line.day for line in lines if line.number > FIRST_LINE)
    return [f"The row that names the last seal of {connection} was taken away: there are seals of {days[0]} to {days[-1]}."] if days else []


def _walk(connection: str, head: SealHead, genuine: dict[str, SealLine]) -> tuple[list[SealLine], list[str]]:
    """From the head back to the first line. Where one is missing it goes on with the one before it by number."""
    lines: list[SealLine] = []
    problems: list[str] = []
    wanted, where = head.mac, " (the last one)"
    for number in range(head.number, 0, -1):
        line = genuine.get(wanted)
        if line is not None and line.number == number:
            lines.append(line)
            wanted, where = line.previous, f" (before that of {line.day})"
            continue
        problems.append(f"Seal {number} of {connection}{where} was taken away or changed, or its audit key is gone.")
        before = max((each for each in genuine.values() if each.number == number - 1), key=_made, default=None)
        wanted, where = "" if before is None else before.mac, ""
    return lines[::-1], problems[::-1]


def _made(line: SealLine) -> str:
    return line.at


def _beside(connection: str, head: SealHead, lines: list[SealLine], every: Iterable[SealLine]) -> list[str]:
    """Lines with our code to which the head does not lead. A crash leaves one that says the same as a later one, or is the next one."""
    counted = {line.mac for line in lines}
    known = {(line.day, _said(line)) for line in lines}
    beside = [line for line in every if line.mac not in counted]
    last = max((line.number for line in beside), default=0)
    problems: list[str] = []
    if last > head.number + 1:
        problems.append(f"The row that names the last seal of {connection} was set back to seal {head.number}: there is seal {last}.")
    days = {line.day for line in beside if line.number <= head.number and line.kept is None and (line.day, _said(line)) not in known}
    ahead = {line.day for line in beside if _ahead(line, lines)}
    other = sorted(days - ahead)
    return problems + [f"{day} of {connection} was sealed before with other steps: the seals were set back." for day in other]


def _said(line: SealLine) -> str:
    return str(sorted(line.sealed.items()))


def _ahead(line: SealLine, lines: Iterable[SealLine]) -> bool:
    """Whether the line was made by a clock that was ahead: the line that holds for its day was made before it."""
    return any(other.day == line.day and other.at < line.at for other in lines)


def _sealed_twice(connection: str, lines: list[SealLine]) -> list[str]:
    """Days that were sealed anew with other steps, though the clock that sealed them first was not ahead."""
    found: list[str] = []
    first: dict[str, SealLine] = {}
    for line in lines:
        before = first.get(line.day)
        if before is not None and line.kept is None and _said(before) != _said(line) and before.at <= line.at:
            found.append(f"{line.day} of {connection} was sealed twice, on {before.at[:10]} and with other steps on {line.at[:10]}.")
        if line.kept is None:
            first[line.day] = line
    return found

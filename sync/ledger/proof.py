"""Whether the audit trail is whole: chains against their heads, the index by day against the chains, and days against their seals."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from itertools import groupby
from typing import Final

from sync.ledger import rows
from sync.ledger.audit import AuditKeys, Head, broken, place_name
from sync.ledger.chains import Chain, chain_of, head_in, head_row, read_chain
from sync.ledger.day_index import DAY, Entry, by_record, digest_of, entry_of, index_rows
from sync.ledger.model import AuditRow, Place
from sync.ledger.seal_lines import Kept, SealLine, Steps
from sync.ledger.seal_log import SealChain
from sync.ports import Ports
from sync.storage.model import Row
from sync.storage.names import LEDGER
from sync.values import digest

READ_WIDTH: Final = 8
NO_STEPS: Final = digest_of(())
NOTHING: Final = (0, 0)
KEY: Final = slice(2, None)


@dataclass(frozen=True)
class Problem:
    """Something that is not as it was written, as a sentence. `key` is empty when it is of a whole day."""

    place: Place
    key: str
    sentence: str


class Proof:
    """Looks only; raises TryLater when storage is busy."""

    def __init__(self, ports: Ports, keys: AuditKeys) -> None:
        self._tables = ports.tables
        self._executor = ports.executor
        self._keys = keys

    def record(self, place: Place, key: str) -> list[Problem]:
        """One record: its chain, and whether each step is in the index of its day as it is."""
        chain = read_chain(self._tables, self._keys, place, key)
        indexed = self._executor.map(lambda step: self._indexed(place, step), chain.steps, width=READ_WIDTH)
        sentences = chain.problems(self._keys, head_in(head_row(self._tables, place, key)))
        return [Problem(place, key, sentence) for sentence in (*sentences, *(text for text in indexed if text))]

    def day(self, place: Place, day: date, seals: SealChain) -> list[Problem]:
        """The day against its seal, and every record that it touched."""
        touched = [*by_record(index_rows(self._tables, place, day))]
        records = self._executor.map(lambda item: self._touched(place, day, *item), touched, width=READ_WIDTH)
        return [*self.seal(place, day, seals), *(problem for found in records for problem in found)]

    def seal(self, place: Place, day: date, seals: SealChain) -> list[Problem]:
        """The index of the day against the seal of the day. A day that is not sealed yet has nothing to differ from."""
        line = seals.of(day)
        if line is not None and line.kept is not None:
            return self._kept(place, day, line.kept)
        counted = digest_of(index_rows(self._tables, place, day))
        return [Problem(place, "", sentence) for sentence in _against(place, day, line, counted, sealed=seals.sealed(day))]

    def everything(self, place: Place, seals: SealChain) -> Iterator[Problem]:
        """All chains and all days of a place, each row read once; days that do not fit are then looked at record by record."""
        tally = Tally()
        yield from self._chains(place, tally)
        tally.index(self._tables.scan(LEDGER, place.partition, "d:", rows.after("d:")))
        for text, sentence in tally.differing():
            yield Problem(place, "", f"{text} of {place_name(place)}: {sentence}")
        sealed = {line.date for line in seals.lines if place_name(place) in line.sealed}
        differing = {day_of(text) for text, _ in tally.differing()}
        for day in sorted(sealed | tally.days()):
            yield from (self.day if day in differing else self.seal)(place, day, seals)

    def _chains(self, place: Place, tally: "Tally") -> Iterator[Problem]:
        heads, twice = self._heads(place)
        yield from (Problem(place, key, "Two rows name the last step of it.") for key in twice)
        found = self._tables.scan(LEDGER, place.partition, "a:", rows.after("a:"))
        for key, steps in groupby(found, lambda row: row.key[KEY].rpartition(":")[0]):
            chain = chain_of(self._keys, place, key, steps)
            tally.chain(chain)
            yield from (Problem(place, key, sentence) for sentence in chain.problems(self._keys, heads.pop(key, None)))
        for key, head in heads.items():
            yield from (Problem(place, key, sentence) for sentence in broken(self._keys, (), head, Head()))

    def _heads(self, place: Place) -> tuple[dict[str, Head | None], list[str]]:
        """The head of every chain by its key, and the keys that have two."""
        heads: dict[str, Head | None] = {}
        twice: list[str] = []
        for prefix in ("r:", "h:"):
            for row in self._tables.scan(LEDGER, place.partition, prefix, rows.after(prefix)):
                key = row.key[KEY]
                if key in heads:
                    twice.append(key)
                heads.setdefault(key, head_in(row))
        return heads, twice

    def _indexed(self, place: Place, step: AuditRow) -> str:
        row = self._tables.get(LEDGER, place.partition, rows.day_key(step.at, step.key, step.seq))
        if row is None:
            return f"Step {step.seq} is not in the index of its day any more."
        return "" if entry_of(row) == Entry(step.key, step.seq, step.mac) else f"Step {step.seq} was changed in the index of its day."

    def _touched(self, place: Place, day: date, key: str, entries: Sequence[Entry]) -> list[Problem]:
        """A record of the day: its chain, the steps that the index has and the chain has not, and the other way round."""
        chain = read_chain(self._tables, self._keys, place, key)
        there = {step.seq: step.mac for step in chain.steps}
        gone = [entry.seq for entry in entries if entry.seq not in there]
        other = [entry.seq for entry in entries if there.get(entry.seq, entry.mac) != entry.mac]
        listed = {entry.seq for entry in entries}
        missing = [step.seq for step in chain.steps if step.at.astimezone(UTC).date() == day and step.seq not in listed]
        sentences = [f"Step {seq} of {day} is gone." for seq in gone]
        sentences += [f"Step {seq} of {day} is another one than the index of that day has." for seq in other]
        sentences += [f"Step {seq} of {day} is not in the index of that day." for seq in missing]
        head = head_in(head_row(self._tables, place, key))
        return [Problem(place, key, sentence) for sentence in (*chain.problems(self._keys, head), *sentences)]

    def _kept(self, place: Place, day: date, kept: Iterable[Kept]) -> list[Problem]:
        """What retention left of a day must still be there; the rest may go or be gone."""
        there = {entry for row in index_rows(self._tables, place, day) for entry in [entry_of(row)]}
        mine = [item for item in kept if item.place == place_name(place) and Entry(item.key, item.seq, item.mac) not in there]
        return [Problem(place, item.key, f"Step {item.seq} of {day}, which retention left, is gone or was changed.") for item in mine]


class Tally:
    """How many steps each day has, and the sum of what stands for them, by the chains and by the index: both must be the same."""

    def __init__(self) -> None:
        self._chains: dict[str, tuple[int, int]] = {}
        self._index: dict[str, tuple[int, int]] = {}

    def chain(self, chain: Chain) -> None:
        """Count the steps of a chain."""
        for step in chain.steps:
            _count(self._chains, f"{step.at.astimezone(UTC):%Y%m%d}", Entry(step.key, step.seq, step.mac))

    def index(self, found: Iterable[Row]) -> None:
        """Count the rows of the index."""
        for row in found:
            _count(self._index, row.key[DAY], entry_of(row))

    def days(self) -> set[date]:
        """Every day that has a step."""
        return {day for text in (*self._chains, *self._index) for day in [day_of(text)] if day is not None}

    def differing(self) -> list[tuple[str, str]]:
        """The days, as they stand in keys, on which both differ, and how."""
        return [
            (text, f"the records have {self._chains.get(text, NOTHING)[0]} steps, the index by day {self._index.get(text, NOTHING)[0]}.")
            for text in sorted({*self._chains, *self._index})
            if self._chains.get(text) != self._index.get(text)
        ]


def _count(counts: dict[str, tuple[int, int]], day: str, entry: Entry) -> None:
    number, total = counts.get(day, NOTHING)
    counts[day] = (number + 1, total + int(digest(entry.key, str(entry.seq), entry.mac), 16))


def day_of(text: str) -> date | None:
    """The day of a row of the index, None when it names none."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _against(place: Place, day: date, line: SealLine | None, counted: Steps, *, sealed: bool) -> list[str]:
    """The steps of a day, as they are counted now, against its seal."""
    name = f"{day.isoformat()} of {place_name(place)}"
    if line is None:
        return [f"{name} has {counted[0]} steps that are in no seal, and was sealed without one."] if sealed and counted[0] else []
    said = line.sealed.get(place_name(place), NO_STEPS)
    if said[0] != counted[0]:
        return [f"The seal of {name} counts {said[0]} steps, there are {counted[0]}."]
    return [] if said == counted else [f"Steps of {name} were changed, taken away or added since it was sealed."]

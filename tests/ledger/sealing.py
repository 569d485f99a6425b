"""A ledger that lived for some days and was sealed, and the hands of somebody who can write the storage but has no key."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sync.ledger.model import Place, Record, State, Step
from sync.ledger.proof import Problem
from sync.ledger.seal_lines import HEAD, SealLine, head_partition
from sync.ledger.store import LogEntry
from sync.storage.model import Change, Delete, Row, Upsert
from sync.storage.names import LEDGER, SEALS
from tests.ledger.bench import NOTED, VENDOR, Bench, new
from tests.storage.support import START

HOURS_A_DAY = 24
FIRST_DAY = START.date()


def day(number: int) -> date:
    """A day of the bench, from 0."""
    return FIRST_DAY + timedelta(days=number)


@dataclass
class Trail:
    """A bench as a customer's deployment: three records of invoices and two sent vendors, with steps on three of four days."""

    bench: Bench

    @property
    def connection(self) -> str:
        return self.bench.place.connection

    @property
    def vendors(self) -> Place:
        return Place(self.connection, "vendors", "USMF")

    @property
    def places(self) -> tuple[Place, ...]:
        return (self.bench.place, self.vendors)

    def live(self) -> None:
        """Days 0, 1 and 3 have steps; k1 and k2 end at rest, k3 stays parked; it is day 5 when all is over."""
        bench = self.bench
        records = bench.ledger.note(bench.place, [new("k1"), new("k2"), new("k3")], "run1", NOTED)
        bench.ledger.log(self.vendors, [sent("v1"), sent("v2")], "run1")
        for number in (0, 1, 3):
            self.go_to(number)
            records = [self.step(record, f"Day {number}.") for record in records]
            bench.ledger.log(self.vendors, [sent("v1", f"Day {number}.")], "run2")
        self.rest(records[0])
        self.rest(records[1])
        bench.ledger.move(records[2], Step("parked", "Parked."), run="r", state=State.PARKED, causes=(VENDOR,))
        self.go_to(5)

    def go_to(self, number: int) -> None:
        """Noon or so of that day."""
        self.bench.clock.forward((START + timedelta(days=number) - self.bench.clock.now()).total_seconds())

    def step(self, record: Record, note: str) -> Record:
        return self.bench.ledger.move(record, Step("step", note), run="r", attempts=record.attempts + 1)

    def rest(self, record: Record) -> Record:
        return self.bench.ledger.move(record, Step("posted", "Posted."), run="r", state=State.POSTED, due=None)

    def seal(self, last: int = 4) -> list[SealLine]:
        return [*self.bench.seals.seal(self.connection, self.places, day(last))]

    def problems(self) -> list[str]:
        """Everything that verification finds."""
        chain = self.bench.seals.chain(self.connection)
        found: list[Problem] = [problem for place in self.places for problem in self.bench.proof.everything(place, chain)]
        return [*chain.problems, *(f"{problem.key}: {problem.sentence}" if problem.key else problem.sentence for problem in found)]

    def keep_from(self, number: int) -> int:
        """Retention removes what is from before that day; how many steps went."""
        clock = self.bench.clock
        return self.bench.retention.remove(self.connection, self.places, day(number), clock.now() + timedelta(hours=1)).steps

    # --- the hands -----------------------------------------------------------------------------------------------------------------

    def rows(self, place: Place, prefix: str = "") -> list[Row]:
        return [row for row in self.bench.tables.scan(LEDGER, place.partition) if row.key.startswith(prefix)]

    def write(self, place: Place, *changes: Change) -> None:
        self.bench.tables.commit(LEDGER, place.partition, changes)

    def forget(self, place: Place, key: str) -> None:
        """A record is gone with everything that names it."""
        self.write(place, *(Delete(row.key) for row in self.rows(place) if key in row.key))

    def lines(self) -> list[bytes]:
        """The lines of all logs of the connection."""
        return [line for name in self.logs() for line in self.log(name).splitlines(keepends=True)]

    def logs(self) -> list[str]:
        return [*self.bench.blobs.names(SEALS, f"{self.connection}/")]

    def log(self, name: str) -> bytes:
        blob = self.bench.blobs.read(SEALS, name)
        assert blob is not None
        return blob.data

    def relog(self, lines: Sequence[bytes]) -> None:
        """Put a log in place of all that are there."""
        for name in self.logs():
            self.bench.blobs.delete(SEALS, name)
        if lines:
            self.bench.blobs.append(SEALS, f"{self.connection}/2026-03.log", b"".join(lines))

    def seal_head(self) -> Row:
        row = self.bench.tables.get(LEDGER, head_partition(self.connection), HEAD)
        assert row is not None
        return row

    def set_head(self, row: Row | None) -> None:
        change = Delete(HEAD) if row is None else Upsert(row)
        self.bench.tables.commit(LEDGER, head_partition(self.connection), [change])


def sent(key: str, note: str = "Sent.") -> LogEntry:
    return LogEntry(key, f"vendor {key}", f"job-{key}", State.WRITTEN, Step("sent", note), "h1")


def lived(bench: Bench) -> Trail:
    """A trail that lived and is sealed through day 4."""
    trail = Trail(bench)
    trail.live()
    assert [line.day for line in trail.seal()] == [day(number).isoformat() for number in (0, 1, 3)]
    return trail

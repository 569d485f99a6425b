"""The deliver engine when everything takes long: a slice ends in time, goes on with every record, and starves none."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Final, NoReturn

import pytest

from sandbox.simulator.seams import VirtualClock
from sync.causes import Cause
from sync.connections.document import parse_connection
from sync.engine.deliver import WAVE, Deliver
from sync.engine.delivery import Discovery, Extra, Park, Piece, Refusal, Reservation, Verdict
from sync.engine.model import End, Report, Slice, Systems
from sync.errors import TryLater
from sync.ledger.model import NewRecord, Place, Record, State, Step
from tests.engine.stage_bench import StageBench, document

PLACE: Final = Place("contoso", "invoices", "usmf")
MISSING: Final = Cause("vendor-missing", "vendor V", "The vendor V is missing.")


class NeverReady:
    """A delivery whose documents are all examined, for so many virtual seconds each, and parked."""

    def __init__(self, clock: VirtualClock, seconds: float, preparing: float = 0) -> None:
        self._clock = clock
        self._seconds = seconds
        self._preparing = preparing
        self.examined: list[str] = []
        self.trouble: Callable[[str], None] = lambda _: None

    def places(self) -> Sequence[Place]:
        """See `Delivery`, as all below."""
        return [PLACE]

    def discover(self) -> Iterator[Discovery]:
        """Nothing new."""
        yield from ()

    def discovered(self) -> None:
        """Nothing to note."""

    def is_outdated(self, record: Record) -> bool:
        return False

    def group(self, record: Record) -> str:
        """Each for itself."""
        return record.key

    def prepare(self, records: Sequence[Record]) -> None:
        """Takes its time too."""
        self._clock.advance(seconds=self._preparing)

    def examine(self, record: Record, text: str) -> Verdict:
        """Takes its time."""
        self._clock.advance(seconds=self._seconds)
        self.examined.append(record.key)
        self.trouble(record.key)
        return Park((MISSING,))

    def reserve(self, record: Record, plan: str) -> Reservation:
        """Never asked."""
        return self._never()

    def pieces(self, plan: str) -> Sequence[Piece]:
        """Never asked."""
        return self._never()

    def bodies(self, plan: str) -> Sequence[str]:
        """Never asked."""
        return self._never()

    def refused(self, record: Record, piece: str, causes: tuple[Cause, ...]) -> Refusal:
        """Never asked."""
        return self._never()

    def verify(self, record: Record, plan: str) -> tuple[Cause, ...]:
        """Never asked."""
        return self._never()

    def extras(self, record: Record) -> Sequence[Extra]:
        """None."""
        return ()

    def watch(self, records: Sequence[Record]) -> Iterator[NoReturn]:
        """Nothing is written."""
        yield from ()

    def changed(self, record: Record, document: NewRecord) -> tuple[Cause, ...]:
        """Never asked."""
        return self._never()

    def close(self) -> None:
        """Nothing to acknowledge."""

    def _never(self) -> NoReturn:
        raise AssertionError("nothing is ever ready")


def noted(bench: StageBench, count: int, state: State = State.FOUND) -> list[str]:
    """So many records that are due; their keys."""
    keys = [f"{number:032x}" for number in range(count)]
    causes = (MISSING,) if state is State.PARKED else ()
    due = bench.clock.now()
    new = [NewRecord(key, f"invoice {key}", key, key, "{}", {}, state=state, due=due, causes=causes) for key in keys]
    bench.app.ledger.note(PLACE, new, "r" * 32, Step("found", "Found."))
    return keys


def work(bench: StageBench, delivery: NeverReady, minutes: float, policies: Mapping[str, object]) -> End:
    """One slice of so many minutes."""
    connection = parse_connection(document(policies=dict(policies)))
    systems: Systems = bench.app.systems(connection)
    until = bench.clock.now() + timedelta(minutes=minutes)
    slice_ = Slice(
        connection, "invoices", "r" * 32, bench.app.ports, bench.app.ledger, bench.app.runs, systems, until, lambda: None, Report()
    )
    return Deliver("invoices", (), lambda _: delivery).work(slice_)


def test_a_slice_ends_with_the_record_that_its_time_ends_in_and_the_next_goes_on() -> None:
    bench = StageBench()
    keys, delivery = noted(bench, 3 * WAVE), NeverReady(bench.clock, seconds=30)
    assert work(bench, delivery, minutes=2, policies={"concurrency": 4}) is End.MORE
    assert len(delivery.examined) == 4, "not the whole wave"
    while work(bench, delivery, minutes=2, policies={"concurrency": 4}) is End.MORE:
        pass
    assert set(delivery.examined) == set(keys)


def test_one_record_is_worked_on_even_when_the_time_is_over_before_it() -> None:
    bench = StageBench()
    noted(bench, 3)
    delivery = NeverReady(bench.clock, seconds=60, preparing=600)
    assert work(bench, delivery, minutes=3, policies={}) is End.MORE
    assert len(delivery.examined) == 1


@pytest.mark.parametrize("count", [WAVE + 1, 2 * WAVE, 2 * WAVE + 1])
def test_every_parked_record_has_its_turn_when_a_slice_has_time_for_a_few(count: int) -> None:
    bench = StageBench()
    keys = noted(bench, count, State.PARKED)
    delivery = NeverReady(bench.clock, seconds=30)
    for _ in range(count):
        work(bench, delivery, minutes=2, policies={"concurrency": 1})
    assert set(delivery.examined) == set(keys)
    times = [delivery.examined.count(key) for key in keys]
    assert max(times) <= min(times) + 1


def test_a_slice_without_an_answer_ends_with_the_first_record_after_its_time() -> None:
    bench = StageBench()
    noted(bench, 2 * WAVE)
    delivery = NeverReady(bench.clock, seconds=240)

    def no_answer(_: str) -> None:
        raise TryLater("D365 does not answer")

    delivery.trouble = no_answer
    with pytest.raises(TryLater):
        work(bench, delivery, minutes=3, policies={"concurrency": 4})
    assert len(delivery.examined) == 1

"""Leases with a fence, and gates that every instance obeys."""

from datetime import timedelta

import pytest

from sandbox.storage import LocalStorage, Operation
from sync.errors import TryLater
from sync.ledger.gates import Gates
from sync.ledger.leases import LeaseLost, Leases
from sync.storage.names import GATES
from tests.ledger.bench import Bench
from tests.storage.support import START


def test_one_holder_at_a_time_and_the_fence_grows(either: Bench) -> None:
    one, two = Leases(either.ports), Leases(either.ports)
    name = either.place.connection
    held = one.take(name, "invoices", "token-1", 60)
    assert held is not None
    assert (held.fence, held.until) == (1, START + timedelta(seconds=60))
    assert two.take(name, "invoices", "token-2", 60) is None
    other_stage = two.take(name, "payments", "token-2", 60)
    assert other_stage is not None
    either.clock.forward(59)
    held = one.renew(held)
    either.clock.forward(59)
    assert two.take(name, "invoices", "token-2", 60) is None, "it was renewed"
    either.clock.forward(1)
    taken = two.take(name, "invoices", "token-2", 60)
    assert taken is not None
    assert taken.fence == 2
    with pytest.raises(LeaseLost):
        one.renew(held)
    one.release(held)
    assert one.take(name, "invoices", "token-1", 60) is None, "a lost lease frees nothing"
    two.release(taken)
    again = one.take(name, "invoices", "token-1", 60)
    assert again is not None
    assert again.fence == 3


def test_a_continuation_takes_the_lease_of_its_token_and_shuts_the_old_slice_out(bench: Bench) -> None:
    leases = Leases(bench.ports)
    old = leases.take("c", "invoices", "token", 60)
    new = leases.take("c", "invoices", "token", 60)
    assert old is not None
    assert new is not None
    assert new.fence == old.fence + 1
    with pytest.raises(LeaseLost):
        leases.renew(old)
    assert leases.renew(new).fence == new.fence


def test_a_lease_that_is_kept_for_a_message_yields_only_to_who_may_take_it(either: Bench) -> None:
    leases, name = Leases(either.ports), either.place.connection
    held = leases.take(name, "invoices", "token-1", 60)
    assert held is not None
    leases.keep_waiting(held, 600)
    either.clock.forward(599)
    assert leases.take(name, "invoices", "token-2", 60) is None
    received = leases.take(name, "invoices", "token-1", 60)
    assert received is not None
    assert leases.take(name, "invoices", "token-2", 60, from_waiting=True) is None, "it is worked on"
    leases.keep_waiting(received, 600)
    taken = leases.take(name, "invoices", "token-2", 60, from_waiting=True)
    assert taken is not None
    leases.keep_waiting(received, 600)
    assert leases.renew(taken).token == "token-2", "what another works on is left alone"


def test_of_two_that_take_a_free_lease_at_once_one_gets_it(parts: tuple[Bench, LocalStorage]) -> None:
    bench, storage = parts
    leases = Leases(bench.ports)
    won = []

    def race(operation: Operation) -> None:
        if operation.verb == "commit":
            storage.before = lambda _: None
            won.append(leases.take("c", "invoices", "fast", 60))

    storage.before = race
    assert leases.take("c", "invoices", "slow", 60) is None
    assert won[0] is not None


def test_a_message_that_is_received_before_its_lease_waits_for_it_gets_the_lease(parts: tuple[Bench, LocalStorage]) -> None:
    bench, storage = parts
    leases = Leases(bench.ports)
    put = leases.take("c", "invoices", "token", 60)
    assert put is not None

    def keep(operation: Operation) -> None:
        if operation.verb == "commit":
            storage.before = lambda _: None
            leases.keep_waiting(put, 600)

    storage.before = keep
    received = leases.take("c", "invoices", "token", 60)
    assert received is not None
    leases.keep_waiting(put, 600)
    assert leases.renew(received).fence == received.fence, "what is worked on is left alone"


def test_a_gate_holds_for_every_instance_within_a_second(either: Bench) -> None:
    one, two = Gates(either.ports), Gates(either.ports)
    host = f"{either.place.connection}.operations.dynamics.com"
    assert one.not_before(host) is two.not_before(host) is None
    until = START + timedelta(days=30)
    one.close(host, until)
    assert one.not_before(host) == until, "who closes it knows it at once; it is never shortened"
    assert two.not_before(host) is None, "a copy may be one second old"
    either.clock.forward(1.001)
    assert two.not_before(host) == until


def test_a_gate_only_moves_later(bench: Bench) -> None:
    one, two = Gates(bench.ports), Gates(bench.ports)
    later = START + timedelta(hours=2)
    one.close("h", later)
    two.close("h", START + timedelta(hours=1))
    assert one.not_before("h") == two.not_before("h") == Gates(bench.ports).not_before("h") == later
    two.close("h", later + timedelta(microseconds=1))
    assert Gates(bench.ports).not_before("h") == later + timedelta(microseconds=1)
    assert one.not_before("other host") is None


def test_the_age_of_a_copy_counts_from_before_its_read(parts: tuple[Bench, LocalStorage]) -> None:
    bench, storage = parts
    one, two = Gates(bench.ports), Gates(bench.ports)

    def slow(operation: Operation) -> None:
        if (operation.target, operation.verb) == (GATES, "get"):
            storage.after = lambda _: None
            two.close("h", START + timedelta(hours=1))
            bench.clock.forward(0.9)

    storage.after = slow
    assert one.not_before("h") is None
    bench.clock.forward(0.2)
    assert one.not_before("h") == START + timedelta(hours=1)


def test_two_that_close_a_gate_at_once_leave_the_later_time(parts: tuple[Bench, LocalStorage]) -> None:
    bench, storage = parts
    early, late = START + timedelta(hours=1), START + timedelta(hours=2)
    for first, second in ((early, late), (late, early)):
        host = f"h{first.hour}"

        def race(operation: Operation, host: str = host, second: object = second) -> None:
            if operation.verb == "commit":
                storage.before = lambda _: None
                Gates(bench.ports).close(host, late if second == late else early)

        storage.before = race
        Gates(bench.ports).close(host, first)
        assert Gates(bench.ports).not_before(host) == late


def test_a_gate_that_cannot_be_stored_is_an_error(parts: tuple[Bench, LocalStorage]) -> None:
    bench, storage = parts

    def broken(operation: Operation) -> None:
        raise TryLater("Storage is busy.")

    storage.before = broken
    with pytest.raises(TryLater):
        Gates(bench.ports).close("h", START)

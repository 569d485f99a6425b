"""Refused credentials are known to every instance, by marks that tell nothing."""

from datetime import timedelta

from sandbox.simulator.seams import PlainAuditKeys, VirtualClock, make_ports
from sandbox.storage import LocalStorage
from sync.ledger.refusals import Refusals
from sync.ports import Ports
from sync.storage.names import GATES, ensure
from tests.http.support import script

HOST = "avid.example"


def instances() -> tuple[Ports, Refusals, Refusals]:
    clock = VirtualClock()
    storage = LocalStorage(clock)
    ensure(storage)
    ports = make_ports(clock, script(), storage)
    return ports, Refusals(ports, PlainAuditKeys()), Refusals(ports, PlainAuditKeys())


def test_what_one_instance_met_another_knows() -> None:
    ports, one, other = instances()
    until = ports.clock.now() + timedelta(hours=1)
    assert other.until(HOST, "mark") is None
    one.note(HOST, "mark", until)
    assert other.until(HOST, "mark") == until
    assert other.until(HOST, "another") is None
    assert other.until("elsewhere.example", "mark") is None
    one.note(HOST, "mark", until + timedelta(hours=1))
    assert other.until(HOST, "mark") == until + timedelta(hours=1)


def test_the_table_holds_no_mark_and_the_gate_of_the_host_stays_open() -> None:
    ports, one, _ = instances()
    one.note(HOST, "5ecre7-digest", ports.clock.now())
    [row] = ports.tables.scan(GATES, HOST)
    assert "5ecre7" not in repr(row)
    assert ports.tables.get(GATES, HOST, "gate") is None

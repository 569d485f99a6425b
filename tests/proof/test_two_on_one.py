"""Two real processes at once on one message, one stage, one journal, one record: exactly one write of each."""

import json
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from azure.storage.queue import QueueClient

from sandbox.chaos.crew import Crew, Worker
from sandbox.d365 import D365
from sandbox.outside import add_customer, ports_of, unsettled, written_twice
from sandbox.place import TIMERS, Place, utc_now
from sandbox.web import Request, Response, System
from sandbox.worlds.connection import connection_document
from sandbox.worlds.contoso import build_contoso
from sandbox.worlds.model import World
from sandbox.worlds.property_firm import PropertyFirmSize
from sync.connections.store import ConnectionStore
from sync.messages import StageRun, encode
from sync.storage.names import RECORD_RETRIES, STAGE_RUNS
from tests.proof.place import LONGEST_RUN, assert_truths_agree, firm, run_until_idle, run_until_settled, wait_until

HEADERS: Final = "/data/VendorInvoiceHeaders"
JOURNALS: Final = "/data/VendorPaymentJournalHeaders"
LINES: Final = "/data/VendorPaymentJournalLines"
PATIENT: Final = {"unknown_settle_minutes": 0.5, "d365_read_timeout_seconds": 12, "concurrency": 1}
"""One request at a time, so that two requests at once are two processes; a client that waits while the other comes."""
PATIENT_RECEIVER: Final = ("--visibility", "60")
NEVER: Final = "0 0 0 1 1 *"


class Meeting:
    """A system that lets requests like one wait until two of them are there at once; from then on all pass."""

    def __init__(self, system: System, method: str, path: str) -> None:
        self.one_waits, self.met = threading.Event(), threading.Event()
        self._system, self._method, self._path = system, method, re.compile(path)
        self._lock = threading.Lock()

    def handle(self, request: Request) -> Response:
        """Answer as the system does, once the other has come."""
        if request.method == self._method and self._path.search(request.target):
            with self._lock:
                (self.met if self.one_waits.is_set() else self.one_waits).set()
            assert self.met.wait(LONGEST_RUN)
        return self._system.handle(request)


@contextmanager
def prepared(until: str, world: World) -> Iterator[Place]:
    """The place of a customer whose stages before `until` have run; no timer fires by itself."""
    order = ("vendors", "gl_accounts", "dimensions", "invoices", "payments")
    with Place() as place:
        place.environment |= {f"SYNC_TIMER_{name}": NEVER for name in TIMERS} | {"SYNC_LEASE_SECONDS": "10"}
        add_customer(place, world, **PATIENT)
        pause(place, world, order[order.index(until) :])
        run_until_idle(place)
        pause(place, world, ())
        yield place


def pause(place: Place, world: World, stages: tuple[str, ...], **policies: object) -> None:
    """Exactly these stages are paused; policies as given."""
    document = connection_document(world.connection, **{**PATIENT, **policies})
    for name, schedule in document["schedules"].items():
        schedule["paused"] = name in stages
    store = ConnectionStore(ports_of(place).tables)
    stored = store.read(world.connection["id"])
    assert stored is not None
    store.put(json.dumps(document, default=str), etag=stored.etag)


def message(world: World, stage: str) -> str:
    """The first message of a forced run."""
    run, token, job = (uuid.uuid4().hex for _ in range(3))
    return encode(StageRun(connection=world.connection["id"], stage=stage, run=run, token=token, forced=True, job=job))


def put(place: Place, body: str) -> None:
    ports_of(place).queues.put(STAGE_RUNS, body)


def waiting(place: Place) -> int:
    """How many messages there are, hidden ones too."""
    counts = []
    for name in (STAGE_RUNS, RECORD_RETRIES):
        with QueueClient.from_connection_string(place.storage, name) as queue:
            counts.append(queue.get_queue_properties().approximate_message_count or 0)
    return sum(counts)


def meet(place: Place, world: World, method: str, path: str) -> Meeting:
    """Let two processes meet at a request to D365."""
    meeting = Meeting(D365(world.d365, place.entra), method, path)
    place.network.mount(world.d365.host, meeting)
    return meeting


def at_once(crew: Crew, place: Place, body: str, meeting: Meeting) -> None:
    """Two processes, each with a copy of the message, in the same request at the same time; then to their end."""
    first = crew.start(*PATIENT_RECEIVER)
    put(place, body)
    assert meeting.one_waits.wait(LONGEST_RUN)
    first.freeze()  # in the middle of its request: so the other copy goes to the other process
    workers = [first, crew.start(*PATIENT_RECEIVER)]
    put(place, body)
    assert meeting.met.wait(LONGEST_RUN)
    first.thaw()
    wait_until(lambda: all("run_stage ok" in worker.said() for worker in workers), "both have worked")
    assert crew.end()


def contoso() -> World:
    """Contoso as of now: four invoices to write."""
    return build_contoso(utc_now(), now=utc_now)


def assert_once(place: Place, world: World, *paths: str) -> None:
    """Nothing was written twice, and when all has settled every request to write that was sent has written something."""
    assert written_twice(world) == []
    run_until_settled(place)
    assert_truths_agree(place)
    assert written_twice(world) == []
    for path in paths:
        sent = place.network.requests(host=world.d365.host, method="POST", path=path)
        assert len(sent) == len(world.d365.rows(path.rpartition("/")[2])) - existing(world, path)


def existing(world: World, path: str) -> int:
    """Rows of the set that nobody sent."""
    name = path.rpartition("/")[2]
    return len(world.d365.rows(name)) - sum(write.set_name == name and write.method == "POST" for write in world.d365.writes)


@pytest.mark.slow
def test_one_message_that_two_processes_receive_is_written_once(tmp_path: Path) -> None:
    world = contoso()
    with prepared("invoices", world) as place, Crew(place, tmp_path, 0) as crew:
        meeting = meet(place, world, "GET", rf"^{HEADERS}\b")
        at_once(crew, place, message(world, "invoices"), meeting)
        assert_once(place, world, HEADERS)


@pytest.mark.slow
def test_one_journal_that_two_processes_ask_for_is_made_once_and_each_payment_is_in_it_once(tmp_path: Path) -> None:
    world = firm(size=PropertyFirmSize.small())
    with prepared("payments", world) as place, Crew(place, tmp_path, 0) as crew:
        meeting = meet(place, world, "GET", rf"^{JOURNALS}\b")
        at_once(crew, place, message(world, "payments"), meeting)
        assert_once(place, world, JOURNALS, LINES)


@pytest.mark.slow
def test_one_stage_that_two_processes_are_to_run_is_run_by_one(tmp_path: Path) -> None:
    world = contoso()
    with prepared("invoices", world) as place, Crew(place, tmp_path, 0) as crew:
        pause(place, world, (), unknown_settle_minutes=3, d365_read_timeout_seconds=100)
        held = meet(place, world, "GET", rf"^{HEADERS}\b")
        workers = [crew.start(*PATIENT_RECEIVER) for _ in range(2)]
        put(place, message(world, "invoices"))
        assert held.one_waits.wait(LONGEST_RUN)
        put(place, message(world, "invoices"))
        wait_until(lambda: any("dropped: another runner holds the lease" in worker.said() for worker in workers), "the other gives way")
        held.met.set()
        wait_until(lambda: waiting(place) == 0, "the first has worked")
        assert crew.end()
        assert_once(place, world, HEADERS)


class Closing:
    """D365 on a connection per request: every request of the connector has to connect anew."""

    def __init__(self, system: System) -> None:
        self._system = system

    def handle(self, request: Request) -> Response:
        """Answer as the system does, and close."""
        response = self._system.handle(request)
        return replace(response, headers={**response.headers, "connection": "close"})


class Stopper:
    """Stops a process at the moment at which it opens the connection for its first write of a document: claimed, and not sent."""

    def __init__(self, place: Place, host: str, worker: Worker) -> None:
        self.stopped = threading.Event()
        self._place, self._host, self._worker = place, host, worker

    def connecting(self, host: str) -> None:
        """See `Network.on_connect`."""
        if host != self._host or self.stopped.is_set():
            return
        if any(record.startswith("claimed") for record in unsettled(self._place)):
            self._worker.freeze()
            self.stopped.set()


@pytest.mark.slow
def test_a_process_that_stood_still_between_claim_and_write_does_not_write_what_another_wrote(tmp_path: Path) -> None:
    world = contoso()
    with prepared("invoices", world) as place, Crew(place, tmp_path, 0) as crew:
        pause(place, world, (), unknown_settle_minutes=0.2, d365_read_timeout_seconds=4)
        place.network.mount(world.d365.host, Closing(D365(world.d365, place.entra)))
        sleeper = crew.start()
        stopper = Stopper(place, world.d365.host, sleeper)
        place.network.on_connect = stopper.connecting
        put(place, message(world, "invoices"))
        assert stopper.stopped.wait(LONGEST_RUN)
        assert place.network.requests(method="POST", path=HEADERS) == []

        crew.start(SYNC_TIMER_INVOICES="*/3 * * * * *")
        wait_until(lambda: len(place.network.requests(method="POST", path=HEADERS)) == 4, "another writes what the sleeper had claimed")
        sleeper.thaw()
        wait_until(lambda: "run_stage ok" in sleeper.said(), "the sleeper has ended what it was at")
        assert crew.end()
        assert_once(place, world, HEADERS)

"""The runner is killed in the middle of the first cycle and started again: nothing is lost, nothing is there twice."""

import re
import signal
import subprocess
import threading
from dataclasses import dataclass

import pytest

from sandbox.avid import AvidSystem
from sandbox.d365 import D365
from sandbox.faults import ConnectionFault
from sandbox.place import Place
from sandbox.web import Request, Response, System
from sandbox.worlds.truth import compare
from tests.proof.place import LONGEST_RUN, SOON, add_customer, assert_truths_agree, firm, run_until_idle, run_until_settled, writes

HEADERS = r"^/data/VendorInvoiceHeaders\b"
PAYMENT_LINE = r"^/data/VendorPaymentJournalLines\b"
SETTLEMENT = r"^/data/VendorPaymentJournalLineSettledInvoices\b"


@dataclass(frozen=True)
class Moment:
    """The n-th POST to a path: the process dies when it has taken effect, or (`reached` False) before it has."""

    name: str
    path: str
    nth: int
    reached: bool = True


MOMENTS = (
    Moment("vendors: the second batch is stored", r"^/v1/vendors\b", 2),
    Moment("invoices: the first header is stored", HEADERS, 1),
    Moment("invoices: the fifth header is on its way", HEADERS, 5, reached=False),
    Moment("invoices: the lines of the third are stored", r"^/data/\$batch", 3),
    Moment("invoices: the second batch is acknowledged", r"exportHistories", 2),
    Moment("payments: the third line is stored", PAYMENT_LINE, 3),
    Moment("payments: the second settlement is stored", SETTLEMENT, 2),
)


class Tripwire:
    """A system that kills a process in the middle of one request."""

    def __init__(self, system: System, moment: Moment) -> None:
        self.tripped = threading.Event()
        self._system = system
        self._moment = moment
        self._seen = 0
        self._lock = threading.Lock()
        self._armed = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None

    def arm(self, process: subprocess.Popen[bytes]) -> None:
        """The process to kill."""
        self._process = process
        self._armed.set()

    def handle(self, request: Request) -> Response:
        """Answer as the system does; at the moment, kill, and let nobody hear the answer."""
        if not self._is_the_moment(request):
            return self._system.handle(request)
        if self._moment.reached:
            self._system.handle(request)
        self._kill()
        raise ConnectionFault("reset")

    def _is_the_moment(self, request: Request) -> bool:
        if request.method != "POST" or not re.search(self._moment.path, request.target):
            return False
        with self._lock:
            self._seen += 1
            return self._seen == self._moment.nth

    def _kill(self) -> None:
        assert self._armed.wait(LONGEST_RUN)
        assert self._process is not None
        self._process.kill()
        self.tripped.set()


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.name)
def test_killed_at_this_moment_and_started_again_the_truths_agree(moment: Moment) -> None:
    with Place() as place:
        place.environment["SYNC_LEASE_SECONDS"] = "10"
        world = firm()
        add_customer(place, world, **SOON)
        systems: dict[str, System] = {world.d365.host: D365(world.d365, place.entra), world.avid.host: AvidSystem(world.avid)}
        wires = [Tripwire(system, moment) for system in systems.values()]
        for host, wire in zip(systems, wires, strict=True):
            place.network.mount(host, wire)

        process = place.start_runner("--until-idle", "--visibility", "5")
        for wire in wires:
            wire.arm(process)
        assert process.wait(LONGEST_RUN) == -signal.SIGKILL
        assert any(wire.tripped.is_set() for wire in wires)
        assert not compare(world).agrees, "it died in the middle"

        run_until_settled(place)
        assert_truths_agree(place)

        written = writes(place)
        run_until_idle(place)
        assert writes(place) == written, "a further cycle writes nothing"
        assert_truths_agree(place)

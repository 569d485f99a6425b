"""The client that every request of the connector goes through: host binding, gate, sign-in, slots, and the retry decision."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from sync.errors import AnswerTooLarge, FixConfiguration, OutcomeUnknown, SignInAgain, SyncError, Throttled, TryLater
from sync.http.pace import Pace
from sync.http.retry import Decision, Outcome, backoff, decide, not_before, retry_after
from sync.http.slots import Slot, Slots
from sync.http.wire import READ_SECONDS, HttpRequest, HttpResponse, NotSent, Unclear
from sync.ports import Ports
from sync.values import utc_text

PATIENCE_SECONDS: Final = 60.0
SLOT_POLL_SECONDS: Final = 0.05
LONGEST_RETRYING: Final = timedelta(minutes=2)
"""No further attempt begins after this time: five time-outs in a row would outlive the function, and with it the slices beside it."""


class GateKeeper(Protocol):
    """The durable not-before times of hosts (`sync/ledger/gates.py`)."""

    def not_before(self, host: str) -> datetime | None:
        """No request to the host may begin before this moment (UTC); None when it is open."""
        ...

    def close(self, host: str, not_before: datetime) -> None:
        """Make the moment durable for every instance; it only ever moves later."""
        ...


class Authorizer(Protocol):
    """Signs requests of one customer to one host."""

    def headers(self) -> Mapping[str, str]:
        """The headers that carry the credentials."""
        ...

    def renew(self) -> None:
        """Forget what was refused: secrets and tokens are read anew by the next `headers`."""
        ...

    def explain(self) -> str:
        """The likely cause and the remedy, for when freshly read credentials are refused too."""
        ...


class Crowd:
    """What the clients of one process share: how many requests are under way to each host, and how fast they follow each other."""

    def __init__(self, slots: Slots | None = None) -> None:
        self.slots = Slots() if slots is None else slots
        self.pace = Pace()


@dataclass(frozen=True)
class Times:
    """How long things may take, in seconds.

    `read` is the wait for an answer. A write that has not begun within `write` is not sent any more, however its time went by (a closed
    gate, a slow connection, a process that stood still): who sends it has to look again. None: it may begin at any time.
    """

    read: float = READ_SECONDS
    write: float | None = None


class HttpClient:
    """Sends requests of one customer to one host, and to no other (design §3.9).

    `system` names the other side in sentences (`D365`). `authorizer` None: requests carry no credentials and a 401 is the caller's.
    Clients that share a `crowd` share the concurrency and the pace of each host. `courtesy_cap` is the number of requests to the host in
    any five minutes that is not exceeded; None leaves it to the host's 429.
    """

    def __init__(
        self,
        host: str,
        system: str,
        ports: Ports,
        gates: GateKeeper,
        authorizer: Authorizer | None,
        *,
        times: Times = Times(),
        courtesy_cap: int | None = None,
        crowd: Crowd | None = None,
    ) -> None:
        self.host = host
        self.system = system
        self._ports = ports
        self._gates = gates
        self._authorizer = authorizer
        self._times = times
        self._courtesy_cap = courtesy_cap
        crowd = Crowd() if crowd is None else crowd
        self._slots, self._pace = crowd.slots, crowd.pace

    def send(self, request: HttpRequest, *, repeatable: bool) -> HttpResponse:
        """The answer: any status that the retry table hands to the caller (2xx, 3xx, most 4xx).

        Raises Throttled (429: the gate is closed first, and writes are not sent again), TryLater (attempts used up, surely no write
        landed), SignInAgain (a write met 401; the sign-in is renewed), FixConfiguration (another host, refused credentials),
        AnswerTooLarge (a read or an upsert) and OutcomeUnknown (a write that may have landed).
        """
        self._refuse_other_hosts(request.url)
        if not repeatable and self._times.write is not None:
            request = replace(request, may_begin=self._only_within(self._times.write))
        attempt, renewed, late_at = 1, False, self._ports.clock.now() + LONGEST_RETRYING
        while True:
            outcome, response = self._exchange(request, attempt)
            decision = decide(repeatable, outcome, attempt, renewed=renewed, late=self._ports.clock.now() >= late_at)
            if response is not None and (decision is Decision.ANSWER or (response.status == 401 and self._authorizer is None)):
                return response
            if decision is Decision.RENEW:
                self._renew()
                renewed = True
            elif decision is Decision.RETRY:
                self._back_off(response, attempt)
                attempt += 1
            elif decision is Decision.WAIT:
                attempt += 1
            else:
                raise self._error(decision, outcome, request)

    def throttled(self, response: HttpResponse, attempt: int = 1) -> Throttled:
        """Close the host's gate as this 429 asks, and give the error to raise. Also for a 429 inside a batch answer."""
        moment = not_before(response.headers.get("retry-after"), self._ports.clock.now(), attempt)
        self._gates.close(self.host, moment)
        return self._busy_until(moment)

    def sign_in_again(self) -> SignInAgain:
        """Renew the sign-in after a 401 that met a write, and give the error to raise."""
        self._renew()
        return SignInAgain(f"{self.system} refused the sign-in; it is renewed, and the write is looked up before it is sent again.")

    def _refuse_other_hosts(self, url: str) -> None:
        plain = url.isprintable() and "\\" not in url and " " not in url
        if not plain or not url.startswith(f"https://{self.host}/"):
            raise FixConfiguration(
                f"A request of {self.system} points away from the configured host {self.host}: nothing was sent. "
                "Check the host in the connection document; if it is right, the other side returned a foreign link.",
                field="host",
            )

    def _exchange(self, request: HttpRequest, attempt: int) -> tuple[Outcome, HttpResponse | None]:
        signed = replace(request, headers={**request.headers, **self._credentials()}, read_seconds=self._times.read)
        slot = self._slot_behind_open_gate()
        was_throttled = False
        try:
            signed.may_begin()
            response = self._ports.transport.send(signed)
            if response.status == 429:
                self.throttled(response, attempt)
                was_throttled = True
        except (NotSent, Unclear) as error:
            return error, None
        finally:
            self._slots.give_back(slot, throttled=was_throttled)
        return response.status, response

    def _only_within(self, seconds: float) -> Callable[[], None]:
        """What raises TryLater once that many seconds have passed from now."""
        last = self._ports.clock.now() + timedelta(seconds=seconds)

        def may_begin() -> None:
            if self._ports.clock.now() > last:
                raise TryLater(
                    f"A write to {self.system} could not begin within {seconds:.0f} seconds: it is not sent before another look."
                )

        return may_begin

    def _credentials(self) -> Mapping[str, str]:
        return {} if self._authorizer is None else self._authorizer.headers()

    def _renew(self) -> None:
        if self._authorizer is not None:
            self._authorizer.renew()

    def _slot_behind_open_gate(self) -> Slot:
        """A slot, taken while the gate is open and when it is our turn. Throttled or TryLater when that is only after our patience ends."""
        deadline = self._ports.clock.now() + timedelta(seconds=PATIENCE_SECONDS)
        while True:
            self._wait_for_gate(deadline)
            slot = self._slots.take(self.host)
            if slot is None:
                self._ports.sleep(SLOT_POLL_SECONDS)
                continue
            wait = self._turn()
            if not wait:
                return slot
            self._slots.put_back(slot)
            self._wait_for_turn(wait, deadline)

    def _turn(self) -> float:
        """0 when it is our turn by the courtesy cap, else the seconds to wait."""
        return self._pace.take(self.host, self._courtesy_cap, self._ports.clock.now()) if self._courtesy_cap else 0.0

    def _wait_for_turn(self, wait: float, deadline: datetime) -> None:
        if self._ports.clock.now() + timedelta(seconds=wait) > deadline:
            raise TryLater(f"So many requests wait for {self.system} that the courtesy cap lets no more go now.", delay=wait)
        self._ports.sleep(wait)

    def _wait_for_gate(self, deadline: datetime) -> None:
        while (moment := self._gates.not_before(self.host)) is not None:
            wait = (moment - self._ports.clock.now()).total_seconds()
            if wait <= 0:
                return
            if moment > deadline:
                raise self._busy_until(moment)
            self._ports.sleep(wait)

    def _back_off(self, response: HttpResponse | None, attempt: int) -> None:
        now = self._ports.clock.now()
        seconds = backoff(attempt, self._ports.randomness.fraction())
        asked = retry_after(response.headers.get("retry-after"), now) if response is not None else None
        if asked is not None:
            seconds = max(seconds, (asked - now).total_seconds())
        if seconds > PATIENCE_SECONDS:
            raise TryLater(f"{self.system} asks to come back in {seconds:.0f} seconds.", delay=seconds)
        self._ports.sleep(seconds)

    def _busy_until(self, moment: datetime) -> Throttled:
        return Throttled(f"{self.system} is busy and asks for no request before {utc_text(moment)}.", host=self.host, not_before=moment)

    def _error(self, decision: Decision, outcome: Outcome, request: HttpRequest) -> SyncError:
        ending = f"answered {outcome}" if isinstance(outcome, int) else str(outcome)
        detail = f"{request.method} {request.url.split('?')[0]}: {ending}"
        if decision is Decision.THROTTLED:
            return self._busy_until(self._gates.not_before(self.host) or self._ports.clock.now())
        if decision is Decision.SIGN_IN:
            return self.sign_in_again()
        if decision is Decision.REFUSED and self._authorizer is not None:
            return FixConfiguration(self._authorizer.explain(), field="credentials", detail=detail)
        if decision is Decision.TOO_LARGE:
            megabytes = request.max_bytes / 1024 / 1024
            sentence = f"{self.system}'s answer is larger than the {megabytes:g} MB that are taken; nothing of it was used."
            return AnswerTooLarge(sentence, detail=detail)
        if decision is Decision.LOOK:
            return OutcomeUnknown(
                f"{self.system} gave no clear answer to a write; it is looked up before anything is sent again.", detail=detail
            )
        return TryLater(f"{self.system} cannot be reached or does not answer now ({ending}).", detail=detail)

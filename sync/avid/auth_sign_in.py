"""Signing in to AvidXchange for a token, without ever locking an account (contracts/avidxchange.md §1 and §4).

At most two requests for a token, the second only with secrets that were changed meanwhile; what was refused is not sent again for an hour,
by no process of the deployment.
No body of these calls, sent or received, reaches a log, an error or a repr: an answer may echo the password.
"""

import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol
from urllib.parse import urlencode

from sync.avid.jsontext import Unreadable, read_json
from sync.avid.profile import Profile
from sync.avid.refusals import is_busy
from sync.errors import FixConfiguration, OutcomeUnknown, Throttled, TryLater
from sync.http.client import HttpClient
from sync.http.tokens import Token, Tokens
from sync.http.wire import HttpRequest, HttpResponse
from sync.ports import Ports
from sync.values import canonical, digest

REFUSED_FOR: Final = timedelta(hours=1)
UNWELL_FOR: Final = timedelta(minutes=1)
"""How long nobody signs in after a sign-in that was not answered, so that a run of thousands of calls does not try thousands of times."""
UNTOLD_LIFETIME: Final = timedelta(hours=12)
"""How long a token is used whose answer says no lifetime; a 401 ends it earlier."""
RENEW_BEFORE: Final = timedelta(minutes=5)
LARGEST_ANSWER: Final = 1_000_000
REFUSALS: Final = frozenset({400, 401, 403, 422})


@dataclass(frozen=True)
class Credentials:
    """What one sign-in sends."""

    headers: Mapping[str, str] = field(repr=False)
    form: Mapping[str, str] = field(repr=False)

    @property
    def mark(self) -> str:
        """A digest by which changed credentials are told from those that were refused."""
        return digest(canonical([dict(self.headers), dict(self.form)]))


@dataclass(frozen=True)
class Failure:
    """A sign-in that came to nothing. `mark` is empty when no credentials are to blame; `entry` is the field to mend, empty: none."""

    sentence: str
    until: datetime
    mark: str = field(default="", repr=False)
    entry: str = ""

    def error(self, now: datetime) -> FixConfiguration | TryLater:
        """The error to raise, made anew each time."""
        if self.entry:
            return FixConfiguration(self.sentence, field=self.entry)
        return TryLater(self.sentence, delay=max(1.0, (self.until - now).total_seconds()))


class RefusalBook(Protocol):
    """What every instance knows of refused credentials (`sync/ledger/refusals.py`)."""

    def until(self, host: str, mark: str) -> datetime | None:
        """Until when nobody sends these credentials again (UTC); None when they were never refused."""
        ...

    def note(self, host: str, mark: str, until: datetime) -> None:
        """The host refused these credentials; durable when this returns."""
        ...


class SignIns:
    """What all sign-ins of one process share: the tokens, and what failed lately. Thread-safe. `book` is shared with other processes."""

    def __init__(self, book: RefusalBook) -> None:
        self.tokens = Tokens()
        self.book = book
        self._failures: dict[Hashable, Failure] = {}
        self._lock = threading.Lock()

    def failure(self, key: Hashable, mark: str, now: datetime) -> Failure | None:
        """Why no sign-in with these credentials is to be tried now; None when it may be."""
        with self._lock:
            failure = self._failures.get(key)
        return failure if failure is not None and now < failure.until and failure.mark in ("", mark) else None

    def note(self, key: Hashable, failure: Failure | None) -> None:
        """Keep a failure, or forget it after a success."""
        with self._lock:
            if failure is None:
                self._failures.pop(key, None)
            else:
                self._failures[key] = failure


@dataclass(frozen=True)
class Door:
    """Where one customer signs in: the address, the header that will carry the token, and what the sentences of a failure name."""

    key: Hashable
    host: str
    url: str
    header: str
    address_entry: str
    remedy: str


class TokenSource:
    """The token of one customer, fetched when it is needed. `read` gives the credentials, `forget` drops the cached secrets behind them."""

    def __init__(
        self,
        http: HttpClient,
        ports: Ports,
        door: Door,
        profile: Profile,
        memory: SignIns,
        read: Callable[[], Credentials],
        forget: Callable[[], None],
    ) -> None:
        self._http = http
        self._ports = ports
        self._door = door
        self._profile = profile
        self._memory = memory
        self._read = read
        self._forget = forget
        self._given = threading.local()

    def headers(self) -> Mapping[str, str]:
        """The header with the token. FixConfiguration when the sign-in is refused, TryLater when it is not answered."""
        headers = self._memory.tokens.get(self._door.key, self._ports, self._sign_in)
        self._given.headers = headers
        return headers

    def renew(self) -> None:
        """Drop the secrets, and the token that this thread was given last; one that another thread has fetched since stays."""
        self._forget()
        self._memory.tokens.forget(self._door.key, getattr(self._given, "headers", None))

    def _sign_in(self) -> Token:
        failure: Failure | None = None
        for read in (self._read, self._read_anew):
            credentials = read()
            failure = self._memory.failure(self._door.key, credentials.mark, self._ports.clock.now()) or self._refused(credentials)
            if failure is None:
                outcome = self._ask(credentials)
                self._memory.note(self._door.key, outcome if isinstance(outcome, Failure) else None)
                if isinstance(outcome, Token):
                    return outcome
                failure = outcome
            if not failure.mark:
                break
        assert failure is not None
        raise failure.error(self._ports.clock.now())

    def _refused(self, credentials: Credentials) -> Failure | None:
        """What another process met with these credentials."""
        until = self._memory.book.until(self._door.host, credentials.mark)
        if until is None or until <= self._ports.clock.now():
            return None
        return Failure(f"AvidXchange refused the sign-in: {self._door.remedy}.", until, credentials.mark, "avidxchange.auth")

    def _read_anew(self) -> Credentials:
        self._forget()
        return self._read()

    def _ask(self, credentials: Credentials) -> Token | Failure:
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded", **credentials.headers}
        request = HttpRequest(
            self._profile.verbs.sign_in, self._door.url, headers, urlencode(credentials.form).encode(), max_bytes=LARGEST_ANSWER
        )
        try:
            response = self._http.send(request, repeatable=False)
        except Throttled:
            raise
        except (OutcomeUnknown, TryLater):
            return self._unwell("AvidXchange did not answer the sign-in; it is tried again later.")
        return self._judged(response, credentials)

    def _judged(self, response: HttpResponse, credentials: Credentials) -> Token | Failure:
        """What an answer means. Nothing of a refusal's body is used but the gateway's code for "too many requests"."""
        status, door, until = response.status, self._door, self._ports.clock.now() + REFUSED_FOR
        if 200 <= status < 300:
            return self._token(response.body)
        if is_busy(response.body, self._profile.envelope):
            return self._unwell(f"AvidXchange is busy and did not let us sign in ({status}); it is tried again later.")
        if status in REFUSALS:
            self._memory.book.note(door.host, credentials.mark, until)
            return Failure(f"AvidXchange refuses the sign-in ({status}): {door.remedy}.", until, credentials.mark, "avidxchange.auth")
        sentence = f"AvidXchange has no sign-in at {door.url} ({status}): check {door.address_entry}."
        return Failure(sentence, until, credentials.mark, door.address_entry)

    def _token(self, body: bytes) -> Token | Failure:
        names, now = self._profile.sign_in, self._ports.clock.now()
        try:
            answer = read_json(body)
        except Unreadable:
            return self._unwell("AvidXchange answered the sign-in with something that is no JSON; it is tried again later.")
        bearer = answer.get(names.access_token) if isinstance(answer, dict) else None
        if not isinstance(bearer, str) or not bearer.strip() or not _fits_a_header(bearer.strip()):
            entry = "avidxchange.profile.sign_in.access_token"
            sentence = f"AvidXchange's answer to the sign-in holds no token under {names.access_token}: correct {entry}."
            return Failure(sentence, now + UNWELL_FOR, entry=entry)
        lifetime = _lifetime(answer.get(names.expires_in)) if isinstance(answer, dict) else UNTOLD_LIFETIME
        expires = now + lifetime
        return Token({self._door.header: f"{names.scheme} {bearer.strip()}"}, expires - min(RENEW_BEFORE, lifetime / 2), expires)

    def _unwell(self, sentence: str) -> Failure:
        return Failure(sentence, self._ports.clock.now() + UNWELL_FOR)


def _lifetime(value: object) -> timedelta:
    """Seconds as number or text; what says nothing usable is no reason to refuse the token."""
    text = str(value).strip().partition(".")[0]
    seconds = int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 0
    return timedelta(seconds=seconds) if seconds else UNTOLD_LIFETIME


def _fits_a_header(text: str) -> bool:
    return text.isascii() and text.isprintable()

"""The access tokens of all customers: fetched once per process, renewed before they expire, by one caller at a time."""

import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from sync.errors import TryLater
from sync.ports import Ports

RENEW_BEFORE: Final = timedelta(minutes=5)
NEXT_TRY: Final = timedelta(seconds=30)
POLL_SECONDS: Final = 0.05


@dataclass(frozen=True)
class Token:
    """The headers that carry a token, and its times (UTC): when the next one is fetched, and when it is worthless."""

    headers: Mapping[str, str] = field(repr=False)
    renew_at: datetime
    expires_at: datetime


def token_of(bearer: str, now: datetime, lifetime: timedelta) -> Token:
    """A token that lives so long from now on. It is renewed 5 minutes before its end, a short-lived one after half of its life."""
    expires_at = now + lifetime
    return Token({"Authorization": f"Bearer {bearer}"}, expires_at - min(RENEW_BEFORE, lifetime / 2), expires_at)


@dataclass
class _Entry:
    token: Token | None = None
    being_fetched: bool = False


class Tokens:
    """One instance serves the whole process; it is safe to use from several threads. Waiting goes through the sleep port."""

    def __init__(self) -> None:
        self._entries: dict[Hashable, _Entry] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, ports: Ports, fetch: Callable[[], Token]) -> Mapping[str, str]:
        """The headers of a token that has not expired. Raises what `fetch` raises.

        Who finds no token, or one that is due, fetches; the others go on with the old one while it lives, else they wait. When the other
        side cannot be reached while the old token lives, that is used on.
        """
        while True:
            token, is_ours = self._look(key, ports.clock.now())
            if is_ours:
                return self._fetched(key, ports, fetch).headers
            if token is not None:
                return token.headers
            ports.sleep(POLL_SECONDS)

    def forget(self, key: Hashable, used: Mapping[str, str] | None = None) -> None:
        """Fetch anew at the next `get`: the token was refused. `used`: only when these headers are still the ones that are given."""
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            if used is None or (entry.token is not None and entry.token.headers is used):
                entry.token = None

    def _look(self, key: Hashable, now: datetime) -> tuple[Token | None, bool]:
        """The token to use, if there is one, and whether the caller is the one to fetch the next."""
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            token = entry.token if entry.token is not None and now < entry.token.expires_at else None
            if entry.being_fetched or (token is not None and now < token.renew_at):
                return token, False
            entry.being_fetched = True
            return token, True

    def _fetched(self, key: Hashable, ports: Ports, fetch: Callable[[], Token]) -> Token:
        entry = self._entries[key]
        token: Token | None = None
        try:
            token = fetch()
        except TryLater:
            token = self._old(entry, ports.clock.now())
            if token is None:
                raise
        finally:
            with self._lock:
                entry.being_fetched = False
                entry.token = entry.token if token is None else token
        return token

    def _old(self, entry: _Entry, now: datetime) -> Token | None:
        """The token that is still good, to be renewed a little later; None when it expired or was refused meanwhile."""
        with self._lock:
            return replace(entry.token, renew_at=now + NEXT_TRY) if entry.token is not None and now < entry.token.expires_at else None

"""How many requests may be under way to a host at once: it halves when the host says 429 and regrows with success (design §2, Gates).

Waiting for a slot is the caller's, through the sleep port: nothing blocks here.
"""

import threading
from dataclasses import dataclass
from typing import Final

CEILING: Final = 32
SUCCESSES_PER_STEP: Final = 20


@dataclass(frozen=True)
class Slot:
    """The right to have one request under way. `era` counts the halvings before it was given."""

    host: str
    era: int


@dataclass
class _Host:
    limit: int = CEILING
    in_use: int = 0
    successes: int = 0
    era: int = 0


class Slots:
    """The slots of all hosts. One instance serves the whole process; it is safe to use from several threads."""

    def __init__(self) -> None:
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()

    def take(self, host: str) -> Slot | None:
        """A slot, or None when as many requests are under way as the host bears."""
        with self._lock:
            state = self._hosts.setdefault(host, _Host())
            if state.in_use >= state.limit:
                return None
            state.in_use += 1
            return Slot(host, state.era)

    def give_back(self, slot: Slot, *, throttled: bool) -> None:
        """End of the request. A burst of 429 halves once: only the slots given since the last halving count."""
        with self._lock:
            state = self._hosts[slot.host]
            if throttled and slot.era == state.era:
                state.limit = max(1, min(state.limit, state.in_use) // 2)
                state.successes = 0
                state.era += 1
            elif not throttled:
                self._regrow(state)
            state.in_use -= 1

    def put_back(self, slot: Slot) -> None:
        """The slot was not used after all."""
        with self._lock:
            self._hosts[slot.host].in_use -= 1

    @staticmethod
    def _regrow(state: _Host) -> None:
        state.successes += 1
        if state.successes >= SUCCESSES_PER_STEP and state.limit < CEILING:
            state.limit += 1
            state.successes = 0

    def limit(self, host: str) -> int:
        """How many requests the host is given at once now."""
        with self._lock:
            return self._hosts.get(host, _Host()).limit

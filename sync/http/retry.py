"""What to do after one exchange: a pure decision from one table (design §3.4, §4).

A request is *repeatable* when sending it twice does no harm: reads and idempotent upserts. Every other request is a write, and a write
whose outcome is unclear is never sent again here: the caller looks first.
"""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Final

from sync.http.wire import NotSent, TooLarge, Unclear

ATTEMPTS: Final = 5
BACKOFF_BASE_SECONDS: Final = 1.0
BACKOFF_CAP_SECONDS: Final = 60.0
THROTTLE_BASE_SECONDS: Final = 10.0
THROTTLE_CAP_SECONDS: Final = 600.0

Outcome = NotSent | Unclear | int
"""How an exchange ended: the transport's error, or the status of a whole answer."""


class Decision(Enum):
    """What comes next."""

    ANSWER = auto()
    """The answer is the caller's business."""
    RETRY = auto()
    """Send again after a jittered back-off."""
    WAIT = auto()
    """Send again when the host's gate opens."""
    RENEW = auto()
    """Sign in again, then send again."""
    LATER = auto()
    """Enough attempts for now; nothing was refused for good."""
    THROTTLED = auto()
    """The gate is closed; whoever waits for it looks before sending again."""
    SIGN_IN = auto()
    """Sign in again, but do not send again: a look comes first."""
    REFUSED = auto()
    """Refused again right after signing in: a person mends it."""
    TOO_LARGE = auto()
    """The answer is beyond all measure, and would be again."""
    LOOK = auto()
    """Nobody knows whether the write landed."""


_R, _L = Decision.RETRY, Decision.LOOK
# By outcome: what a repeatable request does, what a write does.
TABLE: Final[dict[str, tuple[Decision, Decision]]] = {
    "not sent": (_R, _R),
    "unclear": (_R, _L),
    "too large": (Decision.TOO_LARGE, _L),
    "401": (Decision.RENEW, Decision.SIGN_IN),
    "408": (_R, _L),
    "429": (Decision.WAIT, Decision.THROTTLED),
    "500": (_R, _L),
    "502": (_R, _L),
    "503": (_R, _L),
    "504": (_R, _L),
    "other 5xx": (Decision.ANSWER, _L),
    "other": (Decision.ANSWER, Decision.ANSWER),
}
_WHEN_EXHAUSTED: Final = {Decision.RETRY: Decision.LATER, Decision.WAIT: Decision.THROTTLED}


def decide(repeatable: bool, outcome: Outcome, attempt: int, *, renewed: bool = False, late: bool = False) -> Decision:
    """What to do after attempt number `attempt` (from 1) ended so.

    `renewed`: the sign-in was already renewed for this request. `late`: the attempts so far took so long that none is made any more.
    """
    decision = TABLE[_row(outcome)][0 if repeatable else 1]
    if decision is Decision.RENEW and renewed:
        return Decision.REFUSED
    return _WHEN_EXHAUSTED.get(decision, decision) if late or attempt >= ATTEMPTS else decision


def _row(outcome: Outcome) -> str:
    if isinstance(outcome, NotSent):
        return "not sent"
    if isinstance(outcome, TooLarge):
        return "too large"
    if isinstance(outcome, Unclear):
        return "unclear"
    if str(outcome) in TABLE:
        return str(outcome)
    return "other 5xx" if outcome >= 500 else "other"


def backoff(attempt: int, fraction: float) -> float:
    """Seconds to wait after attempt number `attempt`: full jitter, `fraction` in [0, 1)."""
    return fraction * min(BACKOFF_CAP_SECONDS, BACKOFF_BASE_SECONDS * 2.0 ** (attempt - 1))


def retry_after(header: str | None, now: datetime) -> datetime | None:
    """The moment that a Retry-After header names: seconds from `now`, or an HTTP date. Never clamped. None when absent or unreadable."""
    text = (header or "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", text):
        whole, _, fraction = text.partition(".")
        return _after(now, int(whole) + bool(fraction.strip("0")))
    if re.fullmatch(r"[0-9]+", text):
        return datetime.max.replace(tzinfo=UTC)
    try:
        moment = parsedate_to_datetime(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def not_before(header: str | None, now: datetime, attempt: int) -> datetime:
    """When a host that answered 429 may be asked again: its Retry-After, else 10 s that double with each attempt."""
    default = min(THROTTLE_CAP_SECONDS, THROTTLE_BASE_SECONDS * 2.0 ** (attempt - 1))
    return retry_after(header, now) or _after(now, default)


def _after(now: datetime, seconds: float) -> datetime:
    return now + timedelta(seconds=seconds)

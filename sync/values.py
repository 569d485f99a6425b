"""Money, dates, keys and hashes: the small values everything else is built from."""

import hashlib
import json
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Final

CENT: Final = Decimal("0.01")
EMPTY_DATE: Final = date(1900, 1, 1)


def money(text: str | int | Decimal) -> Decimal:
    """A decimal amount from text or a whole number. ValueError when it is no finite number, or when a float comes in."""
    if isinstance(text, (float, bool)):
        raise ValueError(f"{text!r} is no amount: amounts are text, int or Decimal")
    try:
        value = Decimal(text.strip() if isinstance(text, str) else text)
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is no amount") from error
    if not value.is_finite():
        raise ValueError(f"{text!r} is no amount")
    return value


def money_text(value: Decimal) -> str:
    """An amount as it is stored and shown: plain digits with at least two decimals, never an exponent. 12.5 -> 12.50"""
    exponent = value.as_tuple().exponent
    plain = value if isinstance(exponent, int) and exponent <= -2 else value.quantize(CENT)
    return f"{plain:f}"


def same_amount(one: Decimal, other: Decimal) -> bool:
    """Whether two amounts agree to the cent and beyond: no rounding hides a difference."""
    return one == other


def noon(day: date) -> str:
    """A D365 date on the wire: noon UTC, so that no time zone moves the day (contracts/d365-fo.md §2)."""
    return f"{day.isoformat()}T12:00:00Z"


def day_of(text: str) -> date | None:
    """The day of a D365 date or date-time; None when it is unset (1900-01-01 or blank). ValueError when it is no date."""
    if not text:
        return None
    day = date.fromisoformat(text[:10])
    return None if day == EMPTY_DATE else day


def utc_text(moment: datetime) -> str:
    """A moment as stored and sent: 2026-01-31T08:05:00.000000Z. It sorts as text."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def utc_moment(text: str) -> datetime:
    """The moment that `utc_text` wrote, or any ISO text; without a zone it is UTC (contracts/avidxchange.md §1)."""
    moment = datetime.fromisoformat(text.strip())
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def start_of(day: date) -> datetime:
    """Midnight UTC at the start of the day."""
    return datetime.combine(day, time(), tzinfo=UTC)


def fold(text: str) -> str:
    """A key as D365 compares keys: without case. Blanks count (contracts/d365-fo.md §2: leading blanks in ids exist)."""
    return text.casefold()


def digest(*parts: str) -> str:
    """32 hexadecimal characters that stand for the parts, in order; safe in a row key whatever the parts hold."""
    joined = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(joined.encode()).hexdigest()[:32]


def key_digest(*parts: str) -> str:
    """The digest of a natural key: its parts folded as D365 compares them."""
    return digest(*(fold(part) for part in parts))


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return money_text(value)
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no canonical form")


def canonical(document: object) -> str:
    """JSON with sorted keys, no blanks, amounts and dates as text: equal documents give equal text."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain)


def job_id(connection: str, stage: str, key: str, version: str) -> str:
    """The deterministic id of one piece of work (design §2, Job id). `key` is a key digest, `version` a payload hash."""
    return digest("job", connection, stage, key, version)

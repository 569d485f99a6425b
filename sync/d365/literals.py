"""OData literals, filters and key URLs (contracts/d365-fo.md §2, §3).

Filters are built from typed literals only, so that a value can never end a literal early. There is no `in` and no greater-than on text.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Final, NewType
from urllib.parse import quote

from sync.errors import Bug
from sync.values import noon, utc_text

NAMESPACE: Final = "Microsoft.Dynamics.DataEntities"
CHAIN: Final = 20
MAX_URL: Final = 6_000

Filter = NewType("Filter", str)
"""A condition for $filter; "" stands for all rows."""
ALL: Final = Filter("")

KeyValue = str | int | Decimal | date | datetime
"""What a key part or a compared value may be. A date travels as noon UTC, a date-time (aware) as it is."""


def literal(value: KeyValue) -> str:
    """The value as OData writes it: text in quotes with quotes doubled, amounts plain, dates at noon UTC."""
    if isinstance(value, bool):
        raise Bug("a boolean has no literal here: D365's flags are the enum NoYes")
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, datetime):
        return utc_text(value)
    if isinstance(value, date):
        return noon(value)
    return str(value) if isinstance(value, int) else f"{value:f}"


def eq(field: str, value: KeyValue) -> Filter:
    """field = value. A `*` in text is a wildcard for D365, so compare what comes back when it must be exact."""
    return Filter(f"{field} eq {literal(value)}")


def at_least(field: str, value: int | Decimal | date | datetime) -> Filter:
    """field >= value. Not for text: D365 refuses that."""
    return Filter(f"{field} ge {literal(value)}")


def at_most(field: str, value: int | Decimal | date | datetime) -> Filter:
    """field <= value. Not for text: D365 refuses that."""
    return Filter(f"{field} le {literal(value)}")


def is_member(field: str, enum: str, member: str) -> Filter:
    """field is the member of that enum; a plain string would silently find nothing."""
    return Filter(f"{field} eq {NAMESPACE}.{enum}'{member}'")


def is_yes(field: str) -> Filter:
    """The flag is Yes."""
    return is_member(field, "NoYes", "Yes")


def contains(field: str, text: str) -> Filter:
    """field contains the text."""
    return eq(field, f"*{text}*")


def all_of(*filters: Filter) -> Filter:
    """Every condition holds; empty ones are left out."""
    return Filter(" and ".join(item for item in filters if item))


def any_of(*filters: Filter) -> Filter:
    """One of the conditions holds, in brackets so that it can stand inside `all_of`. Bug without any: that would mean all rows."""
    if not filters or not all(filters):
        raise Bug("any_of needs conditions that are not empty")
    return filters[0] if len(filters) == 1 else Filter("(" + " or ".join(filters) + ")")


def any_value(field: str, values: Iterable[KeyValue]) -> Filter:
    """field is one of the values. Bug without any."""
    return any_of(*(eq(field, value) for value in values))


def chains(field: str, values: Iterable[KeyValue], *, room: int) -> Iterator[list[KeyValue]]:
    """Every value once, in lists whose `any_value` has at most 20 values and `room` characters when percent-encoded."""
    chain: list[KeyValue] = []
    size = 0
    for value in dict.fromkeys(values):
        length = len(encoded(eq(field, value))) + len(encoded(" or "))
        if chain and (len(chain) == CHAIN or size + length > room):
            yield chain
            chain, size = [], 0
        chain.append(value)
        size += length
    if chain:
        yield chain


def encoded(text: str) -> str:
    """Percent-encoded for a URL, everything but unreserved characters. What is no text (half a surrogate pair) becomes `?`."""
    return quote(text, safe="", errors="replace")


def key_path(set_name: str, keys: Mapping[str, KeyValue]) -> str:
    """`Set(key='value',…)` for a URL: quotes doubled, then percent-encoded. All key parts, in the order of the set."""
    parts = ",".join(f"{name}={encoded(literal(value))}" for name, value in keys.items())
    return f"{set_name}({parts})"

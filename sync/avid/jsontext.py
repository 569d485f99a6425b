"""JSON as AvidXchange speaks it: numbers stay exact, a hostile depth is refused, and every row has one canonical text."""

import json
from decimal import Decimal
from typing import Final, TypeAlias

from sync.errors import FixConfiguration

DEEPEST: Final = 64
MOST_VALUES: Final = 4_000_000
"""So many values fit 100,000 vendors in one answer; an answer of nothing but brackets would take memory a hundred times its size."""
_PLAIN: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"))

Json: TypeAlias = "bool | int | str | Decimal | list[Json] | dict[str, Json] | None"
Row: TypeAlias = "dict[str, Json]"


class Unreadable(ValueError):
    """An answer that is not what the contract says. The text is a sentence for a person, without the answer's content."""


def read_json(body: bytes | str) -> Json:
    """The value of a JSON text; numbers with a fraction or an exponent are Decimal. Unreadable: no JSON, too deep, too many values."""
    if _marks(body) > MOST_VALUES:
        raise Unreadable(f"the answer holds more than {MOST_VALUES} values")
    try:
        value: Json = json.loads(body, parse_float=Decimal, parse_constant=_refuse_constant)
    except RecursionError:
        raise Unreadable(f"the answer is nested more than {DEEPEST} levels deep") from None
    except (ValueError, ArithmeticError):
        raise Unreadable("the answer is not JSON") from None
    if _deeper_than(value, DEEPEST):
        raise Unreadable(f"the answer is nested more than {DEEPEST} levels deep")
    return value


def json_text(value: Json) -> str:
    """Canonical JSON: sorted keys, no blanks, ASCII, every number with the digits it came with. `read_json` gives the same value back."""
    try:
        return _PLAIN.encode(value)
    except TypeError:
        return _exact(value)


def _exact(value: Json) -> str:
    """The same text by hand, for the encoder knows no Decimal: it would take a float, and a float loses digits."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{_PLAIN.encode(key)}:{_exact(item)}" for key, item in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_exact, value)) + "]"
    return str(value) if isinstance(value, Decimal) else _PLAIN.encode(value)


def as_list(value: Json) -> list[Json]:
    """What may be an array, one object instead of an array, or absent (contracts/avidxchange.md §2)."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def put(row: Row, path: str, value: Json) -> None:
    """Set a field; a dot in its name goes into an object, which is made when it is not there. FixConfiguration when two names clash."""
    *parents, leaf = path.split(".")
    for name in parents:
        child = row.setdefault(name, {})
        if not isinstance(child, dict):
            sentence = f"avidxchange.profile.fields: {path} goes into {name}, which holds a plain value."
            raise FixConfiguration(sentence, field="avidxchange.profile.fields")
        row = child
    row[leaf] = value


def _marks(body: bytes | str) -> int:
    """At least as many as the text holds values but the first: what begins a container or another value. Those inside texts count too."""
    return sum(body.count(mark) for mark in "[{,") if isinstance(body, str) else sum(body.count(mark) for mark in b"[{,")


def _refuse_constant(name: str) -> Json:
    raise ValueError(f"{name} is no JSON number")


def _deeper_than(value: Json, levels: int) -> bool:
    """Level by level, so that no depth can exhaust the stack."""
    level = [value]
    for _ in range(levels + 1):
        if not level:
            return False
        below: list[Json] = []
        for node in level:
            if isinstance(node, dict):
                below.extend(node.values())
            elif isinstance(node, list):
                below.extend(node)
        level = below
    return True

"""JSON whose numbers are exact: decimals travel as they are, in both directions, never through a float."""

import json
import re
from decimal import Decimal

_MARKED = re.compile(r'"\\ue000(-?[0-9.]+)\\ue001"')


def dumps(value: object) -> bytes:
    """JSON text; a Decimal becomes a plain number with all its digits."""
    return _MARKED.sub(r"\1", json.dumps(value, default=_marked)).encode("ascii")


def loads(data: bytes) -> object:
    """What a body says, with Decimal for every number that is not a whole one. Raises ValueError."""
    return json.loads(data, parse_float=Decimal, parse_constant=_refuse)


def _marked(value: object) -> str:
    if not isinstance(value, Decimal):
        raise TypeError(f"{type(value).__name__} has no place in JSON")
    return f"\ue000{value:f}\ue001"


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is not JSON")

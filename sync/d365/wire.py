"""JSON as D365 speaks it: amounts are Decimal on the way in and exact JSON numbers on the way out, never floats."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, NoReturn, TypeAlias

from sync.causes import Cause
from sync.errors import Bug, FixData

Json: TypeAlias = "bool | int | Decimal | str | Sequence[Json] | Mapping[str, Json] | None"
"""Anything that JSON can say, with Decimal for numbers that are not whole."""
JsonRow: TypeAlias = dict[str, Json]
"""One row of an entity set, by the names of D365."""

GIVEN_BY_D365: Final = "(given by D365)"
"""Stands in a dry run for a number that only D365 gives."""


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def read_json(body: bytes) -> Json:
    """The document. ValueError when it is not JSON, is nested too deep, or holds NaN or Infinity."""
    try:
        document: Json = json.loads(body, parse_float=Decimal, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("JSON that is nested too deep") from None
    return document


def read_row(body: bytes) -> JsonRow:
    """The document when it is an object; else ValueError."""
    document = read_json(body)
    if not isinstance(document, dict):
        raise ValueError("JSON, but not an object")
    return document


def write_json(document: Json) -> bytes:
    """The document as UTF-8 text. Bug when it holds what JSON cannot say exactly (a float, NaN), FixData for text that is no Unicode."""
    try:
        return _text(document).encode()
    except UnicodeEncodeError as error:
        sentence = f"A text holds half a character ({error.object[error.start]!a}), which cannot be sent to D365."
        raise FixData((Cause("field-invalid", "text", sentence),)) from error


def _text(value: Json) -> str:
    if value is None or isinstance(value, (bool, int, str)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Decimal) and value.is_finite():
        return f"{value:f}"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(name, ensure_ascii=False)}:{_text(item)}" for name, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_text(item) for item in value) + "]"
    raise Bug(f"{type(value).__name__} {value!r} has no exact JSON form")

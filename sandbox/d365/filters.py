"""`$filter` of the environment: parsed, checked against the types of the set, and run through the indexes where it can be.

The rules are contracts/d365-fo.md §3: eq ne gt ge lt le and or not; no `in`, no `has`, no functions; `*` in a text of eq and ne is
a wildcard; texts have no order; an enum needs its qualified literal, and a plain text in its place finds nothing.
"""

import operator as operators
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from sandbox.d365.errors import bad_query
from sandbox.d365.schema import NAMESPACE, BadValue, EntitySet, Value, enums, fold, parse_moment, stamp
from sandbox.d365.table import Bucket, Row, Table, ordered

Check = Callable[[Row], bool]
Ordered = str | int | Decimal
ORDER: Mapping[str, Callable[[Ordered, Ordered], bool]] = {
    "eq": operators.eq,
    "ne": operators.ne,
    "gt": operators.gt,
    "ge": operators.ge,
    "lt": operators.lt,
    "le": operators.le,
}

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<enum>[A-Za-z_][\w.]*'(?:[^']|'')*')
  | (?P<text>'(?:[^']|'')*')
  | (?P<moment>\d{4}-\d\d-\d\d(?:T[0-9:.]+(?:Z|[+-]\d\d:\d\d)?)?)
  | (?P<number>-?\d+(?:\.\d+)?)
  | (?P<word>[A-Za-z_][\w./]*)
  | (?P<mark>[(),])
  )""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Literal:
    """A literal as written: its kind (text, enum, moment, number, word) and its raw text."""

    kind: str
    raw: str

    @property
    def text(self) -> str:
        """What is between the quotes of a text or an enum literal."""
        return self.raw.partition("'")[2][:-1].replace("''", "'")


def _no_index(table: Table) -> Bucket | None:
    """A condition that no index knows."""
    del table
    return None


@dataclass(frozen=True)
class Condition:
    """One part of a filter: the check of a row, and the rows that can pass at all where an index knows them."""

    check: Check
    candidates: Callable[[Table], Bucket | None] = _no_index


def select(table: Table, text: str) -> list[Row]:
    """The rows of a table that a filter lets through, oldest first; an empty filter lets all. Raises Refusal (400)."""
    if not text.strip():
        return list(table.rows.values())
    condition = parse(table.entity_set, text)
    candidates = condition.candidates(table)
    rows: Iterable[Row] = table.rows.values() if candidates is None else ordered(candidates)
    return [row for row in rows if condition.check(row)]


def parse(entity_set: EntitySet, text: str) -> Condition:
    """The condition that a filter text states. Raises Refusal (400)."""
    parser = _Parser(entity_set, _tokens(text))
    condition = parser.any_of()
    parser.end()
    return condition


def literal(text: str) -> Literal:
    """The one literal that a text is. Raises Refusal (400)."""
    found = _tokens(text)
    if len(found) != 1:
        raise bad_query(f"'{text}' is not one literal.")
    return found[0]


def _tokens(text: str) -> list[Literal]:
    found, position = [], 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise bad_query(f"Syntax error at position {position} in '{text}'.")
        found.append(Literal(match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return found


class _Parser:
    """Recursive descent; `and` binds more than `or`."""

    def __init__(self, entity_set: EntitySet, tokens: list[Literal]) -> None:
        self._entity_set = entity_set
        self._tokens = tokens
        self._position = 0

    def any_of(self) -> Condition:
        parts = [self._all_of()]
        while self._accept("or"):
            parts.append(self._all_of())
        return parts[0] if len(parts) == 1 else _any(parts)

    def end(self) -> None:
        if self._position < len(self._tokens):
            raise bad_query(f"Syntax error: '{self._tokens[self._position].raw}' is not expected here.")

    def _all_of(self) -> Condition:
        parts = [self._one()]
        while self._accept("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else _all(parts)

    def _one(self) -> Condition:
        if self._accept("not"):
            inner = self._one().check
            return Condition(lambda row: not inner(row))
        if self._accept("("):
            inside = self.any_of()
            self._expect(")")
            return inside
        return self._comparison()

    def _comparison(self) -> Condition:
        field, operator, literal = self._next(), self._next(), self._next()
        if field.kind != "word" or operator.raw not in ORDER:
            raise bad_query(f"The operator or function at '{field.raw} {operator.raw}' is not supported.")
        if field.raw not in self._entity_set.fields:
            raise bad_query(f"Could not find a property named '{field.raw}' on type '{NAMESPACE}.{self._entity_set.entity_type}'.")
        return comparison(self._entity_set, field.raw, operator.raw, literal)

    def _next(self) -> Literal:
        if self._position >= len(self._tokens):
            raise bad_query("Syntax error: the filter ends too early.")
        self._position += 1
        return self._tokens[self._position - 1]

    def _accept(self, raw: str) -> bool:
        if self._position < len(self._tokens) and self._tokens[self._position].raw == raw:
            self._position += 1
            return True
        return False

    def _expect(self, raw: str) -> None:
        if not self._accept(raw):
            raise bad_query(f"Syntax error: '{raw}' is missing.")


def comparison(entity_set: EntitySet, field: str, operator: str, literal: Literal) -> Condition:
    """One comparison of a field with a literal, by the field's type. Raises Refusal (400) when they do not go together."""
    kind = entity_set.fields[field]
    if literal.raw == "null":
        return _null(field, operator)
    if kind in enums():
        return _enum(field, kind, operator, literal)
    if kind in ("Edm.Decimal", "Edm.Int32", "Edm.Int64"):
        return _ordering(field, operator, _number(field, literal))
    if kind == "Edm.DateTimeOffset":
        return _ordering(field, operator, _moment(field, literal))
    if kind == "Edm.Boolean":
        return _ordering(field, operator, literal.raw == "true")
    return _text(field, operator, literal)


def literal_value(entity_set: EntitySet, field: str, literal: Literal) -> Value:
    """The stored form of a literal in a key. Raises Refusal (400)."""
    kind = entity_set.fields[field]
    if kind in enums():
        return _member(kind, literal)
    if kind in ("Edm.Decimal", "Edm.Int32", "Edm.Int64"):
        return _number(field, literal)
    if kind == "Edm.DateTimeOffset":
        return _moment(field, literal)
    if literal.kind != "text":
        raise bad_query(f"The key value {literal.raw} of '{field}' must be a quoted text.")
    return literal.text


def _any(parts: list[Condition]) -> Condition:
    checks = [part.check for part in parts]
    return Condition(lambda row: any(check(row) for check in checks), lambda table: _united(part.candidates(table) for part in parts))


def _all(parts: list[Condition]) -> Condition:
    checks = [part.check for part in parts]

    def fewest(table: Table) -> Bucket | None:
        known = [found for found in (part.candidates(table) for part in parts) if found is not None]
        return min(known, key=len, default=None)

    return Condition(lambda row: all(check(row) for check in checks), fewest)


def _united(buckets: Iterable[Bucket | None]) -> Bucket | None:
    united: Bucket = {}
    for bucket in buckets:
        if bucket is None:
            return None
        united.update(bucket)
    return united


def _null(field: str, operator: str) -> Condition:
    return Condition(lambda row: (row[field] is None) == (operator == "eq"))


def _enum(field: str, kind: str, operator: str, literal: Literal) -> Condition:
    if operator not in ("eq", "ne"):
        raise bad_query(f"The operator '{operator}' is not supported for the enum '{field}'.")
    if literal.kind == "text":
        return Condition(_never)
    member = _member(kind, literal)
    return Condition(lambda row: (row[field] == member) == (operator == "eq"))


def _never(row: Row) -> bool:
    del row
    return False


def _member(kind: str, literal: Literal) -> str:
    if literal.kind != "enum" or literal.raw.partition("'")[0] != f"{NAMESPACE}.{kind}" or literal.text not in enums()[kind]:
        raise bad_query(f"The literal {literal.raw} is not a value of '{NAMESPACE}.{kind}'.")
    return literal.text


def _number(field: str, literal: Literal) -> Decimal:
    if literal.kind != "number":
        raise bad_query(f"A binary operator with incompatible types was detected: '{field}' is a number, {literal.raw} is not.")
    return Decimal(literal.raw)


def _moment(field: str, literal: Literal) -> str:
    if literal.kind != "moment":
        raise bad_query(f"A binary operator with incompatible types was detected: '{field}' is a date, {literal.raw} is not.")
    try:
        return stamp(parse_moment(literal.raw))
    except BadValue as error:
        raise bad_query(str(error)) from error


def _ordering(field: str, operator: str, wanted: Decimal | str | bool) -> Condition:
    """Numbers and dates in stored form have an order; a field without a value is never in it."""
    test = ORDER[operator]
    blank_passes = operator == "ne"

    def check(row: Row) -> bool:
        value = row[field]
        return blank_passes if value is None else test(value, wanted)

    return Condition(check)


def _text(field: str, operator: str, literal: Literal) -> Condition:
    if literal.kind != "text":
        raise bad_query(f"A binary operator with incompatible types was detected: '{field}' is a string, {literal.raw} is not.")
    if operator not in ("eq", "ne"):
        raise bad_query(f"A binary operator '{operator}' is not supported for operands of the types 'Edm.String' and 'Edm.String'.")
    wanted, equal = literal.text, operator == "eq"
    if "*" in wanted:
        pattern = re.compile(".*".join(re.escape(part) for part in wanted.split("*")), re.IGNORECASE | re.DOTALL)
        return Condition(lambda row: (pattern.fullmatch(str(row[field])) is not None) == equal)
    folded = fold(wanted)

    def check(row: Row) -> bool:
        return (fold(row[field]) == folded) == equal

    return Condition(check, lambda table: table.equal(field, wanted) if equal else None)

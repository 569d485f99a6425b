"""The rows of one entity set: sparse rows that read as whole ones, found by key, and by equal text through indexes made on demand."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from sandbox.d365.schema import EntitySet, Value, fold


class Row(Mapping[str, Value]):
    """One row, read-only from outside (change it through the world). Only what differs from the empty values is stored."""

    __slots__ = ("defaults", "number", "stored", "version")

    def __init__(self, number: int, defaults: Mapping[str, Value], stored: dict[str, Value]) -> None:
        self.number = number
        self.version = 1
        self.defaults = defaults
        self.stored = stored

    def __getitem__(self, field: str) -> Value:
        stored = self.stored
        return stored[field] if field in stored else self.defaults[field]

    def __iter__(self) -> Iterator[str]:
        return iter(self.defaults)

    def __len__(self) -> int:
        return len(self.defaults)

    @property
    def etag(self) -> str:
        """The weak entity tag of this state of the row."""
        return f'W/"Jz{self.version},{self.number}"'

    def text(self, field: str) -> str:
        """A text, enum or date field. Raises TypeError for another kind."""
        value = self[field]
        if not isinstance(value, str):
            raise TypeError(f"{field} holds {value!r}, not a text")
        return value

    def amount(self, field: str) -> Decimal:
        """A decimal field. Raises TypeError for another kind."""
        value = self[field]
        if not isinstance(value, Decimal):
            raise TypeError(f"{field} holds {value!r}, not an amount")
        return value


Key = tuple[Value, ...]
Bucket = dict[int, Row]


class Table:
    """The rows of one set. `version` moves with every change, so that a cached answer can tell that it is old."""

    def __init__(self, entity_set: EntitySet) -> None:
        self.entity_set = entity_set
        self.rows: Bucket = {}
        self.version = 0
        self._by_key: dict[Key, Row] = {}
        self._indexes: dict[str, dict[Value, Bucket]] = {}

    def key_of(self, values: Mapping[str, Value]) -> Key:
        """The folded key of a row or of key fields."""
        return tuple(fold(values[name]) for name in self.entity_set.keys)

    def get(self, key: Key) -> Row | None:
        """The row with this folded key."""
        return self._by_key.get(key)

    def put(self, row: Row) -> None:
        """Store a row under its number. Raises KeyError when its key is taken."""
        key = self.key_of(row)
        if self.entity_set.unique_key and key in self._by_key:
            raise KeyError(f"{self.entity_set.name} already has a row with the key {key}")
        self._by_key.setdefault(key, row)
        late = bool(self.rows) and row.number < next(reversed(self.rows))
        self.rows[row.number] = row
        if late:
            self.rows = dict(sorted(self.rows.items()))
        self._enter(row)

    def replace(self, row: Row, stored: dict[str, Value]) -> None:
        """Give a row other values; its place among the rows stays. Raises KeyError when its new key is taken."""
        key = self.key_of({**row.defaults, **stored})
        if key != self.key_of(row) and self.entity_set.unique_key and key in self._by_key:
            raise KeyError(f"{self.entity_set.name} already has a row with the key {key}")
        self._leave(row)
        row.stored = stored
        row.version += 1
        self._by_key.setdefault(key, row)
        self._enter(row)

    def take(self, row: Row) -> None:
        """Remove a row."""
        del self.rows[row.number]
        self._leave(row)

    def equal(self, field: str, value: Value) -> Bucket:
        """The rows whose text field compares equal to `value`."""
        if field not in self._indexes:
            self._indexes[field] = self._built_index(field)
        return self._indexes[field].get(fold(value), {})

    def matching(self, fields: Mapping[str, Value]) -> list[Row]:
        """The rows that compare equal in all these fields, oldest first."""
        buckets = [self.equal(name, value) for name, value in fields.items() if isinstance(value, str)]
        found = min(buckets, key=len, default=self.rows)
        wanted = {name: fold(value) for name, value in fields.items()}
        return [row for row in ordered(found) if all(fold(row[name]) == value for name, value in wanted.items())]

    def _enter(self, row: Row) -> None:
        for field, index in self._indexes.items():
            index.setdefault(fold(row[field]), {})[row.number] = row
        self.version += 1

    def _leave(self, row: Row) -> None:
        key = self.key_of(row)
        if self._by_key.get(key) is row:
            del self._by_key[key]
            self._promote_twin(row, key)
        for field, index in self._indexes.items():
            del index[fold(row[field])][row.number]
        self.version += 1

    def _built_index(self, field: str) -> dict[Value, Bucket]:
        index: dict[Value, Bucket] = {}
        for row in self.rows.values():
            index.setdefault(fold(row[field]), {})[row.number] = row
        return index

    def _promote_twin(self, row: Row, key: Key) -> None:
        if not self.entity_set.unique_key:
            twins = (other for other in self.rows.values() if other is not row and self.key_of(other) == key)
            for twin in twins:
                self._by_key.setdefault(key, twin)


def ordered(rows: Bucket) -> list[Row]:
    """Rows in the order in which they were made."""
    return [rows[number] for number in sorted(rows)]

"""The truth of one D365 environment: the rows of every entity set, its numbering, its behaviours and what was written to it."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sandbox.d365 import posting
from sandbox.d365.schema import EntitySet, Given, Value, convert, entity_sets
from sandbox.d365.switches import D365Switches
from sandbox.d365.table import Row, Table
from sandbox.web import Now

FIRST_RECORD_ID = 5_637_144_576


@dataclass(frozen=True)
class Write:
    """One write that took effect: when, which set, POST/PATCH/DELETE, the key of the row, and the body as received."""

    time: datetime
    set_name: str
    method: str
    key: Mapping[str, Value]
    body: Mapping[str, Value]


class D365World:
    """One environment. `environment_url` is its address without a trailing slash, `tenant` and `client_id` the app it lists.

    Rows are added with `add`, read with `rows`, `find`, `one` and `get`, changed with `change` and `remove`; a row is a read-only mapping.
    `writes` is the list of what reached the environment over OData; postings and what a builder does are not in it.
    """

    def __init__(
        self,
        environment_url: str,
        tenant: str,
        client_id: str,
        now: Now,
        switches: D365Switches | None = None,
        default_company: str = "dat",
    ) -> None:
        self.environment_url = environment_url
        self.tenant = tenant
        self.listed_apps = {client_id}
        self.now = now
        self.switches = switches or D365Switches()
        self.default_company = default_company.lower()
        self.lock = threading.RLock()
        self.writes: list[Write] = []
        self.forbidden_writes: list[Write] = []
        self.locked_headers: set[tuple[str, str]] = set()
        """(company, HeaderReference) of pending invoices that a user has open: every change of them is refused."""
        self.stale_marks: dict[tuple[str, str, str], str] = {}
        """(company, vendor, invoice number) to the journal that still holds a mark on the invoice."""
        self.affinity_returned = 0
        """Requests that brought a web server's affinity cookie back and so stayed with that server."""
        self._tables: dict[str, Table] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self._row_count = 0
        self._undo: list[Callable[[], None]] | None = None

    @property
    def host(self) -> str:
        """The host name of the environment."""
        return self.environment_url.partition("://")[2]

    def table(self, set_name: str) -> Table:
        """The table of a set. Raises KeyError for a set that does not exist."""
        if set_name not in self._tables:
            self._tables[set_name] = Table(entity_sets()[set_name])
        return self._tables[set_name]

    # ---- reading the truth ----

    def rows(self, set_name: str) -> list[Row]:
        """All rows of a set, oldest first."""
        with self.lock:
            return list(self.table(set_name).rows.values())

    def find(self, set_name: str, **fields: Given) -> list[Row]:
        """The rows that compare equal (texts without case) in all these fields, oldest first."""
        with self.lock:
            table = self.table(set_name)
            return table.matching(_converted(table.entity_set, fields))

    def one(self, set_name: str, **fields: Given) -> Row:
        """The only row with these fields. Raises LookupError when there is none or more than one."""
        found = self.find(set_name, **fields)
        if len(found) != 1:
            raise LookupError(f"{set_name} has {len(found)} rows with {fields}")
        return found[0]

    def get(self, set_name: str, **keys: Given) -> Row | None:
        """The row with this whole key, or None. The fastest way to one row."""
        with self.lock:
            table = self.table(set_name)
            return table.get(table.key_of(_converted(table.entity_set, keys)))

    # ---- changing it, as the ERP's own users and builders do ----

    def add(self, set_name: str, **fields: Given) -> Row:
        """A new row; what is not given is empty. Raises KeyError for an unknown field or a taken key, BadValue for a wrong type."""
        with self.lock:
            table = self.table(set_name)
            stored = _converted(table.entity_set, fields)
            if table.entity_set.has_company:
                stored["dataAreaId"] = str(stored.get("dataAreaId") or self.default_company).lower()
            self._row_count += 1
            row = Row(self._row_count, table.entity_set.defaults, stored)
            table.put(row)
            self._on_failure(lambda: table.take(row))
            return row

    def change(self, set_name: str, key_fields: Mapping[str, Given], **changes: Given) -> Row:
        """Change fields of the row with this key. Raises LookupError when it is not there."""
        with self.lock:
            table = self.table(set_name)
            row = table.get(table.key_of(_converted(table.entity_set, key_fields)))
            if row is None:
                raise LookupError(f"{set_name} has no row {dict(key_fields)}")
            self.change_row(set_name, row, _converted(table.entity_set, changes))
            return row

    def change_row(self, set_name: str, row: Row, changes: Mapping[str, Value]) -> None:
        """Change fields of a row at hand; the values are in stored form."""
        with self.lock:
            table, before = self.table(set_name), row.stored
            table.replace(row, {**before, **changes})
            self._on_failure(lambda: table.replace(row, before))

    def remove(self, set_name: str, key_fields: Mapping[str, Given]) -> None:
        """Remove the row with this key. Raises LookupError when it is not there."""
        row = self.get(set_name, **key_fields)
        if row is None:
            raise LookupError(f"{set_name} has no row {dict(key_fields)}")
        self.remove_row(set_name, row)

    def remove_row(self, set_name: str, row: Row) -> None:
        """Remove a row at hand."""
        with self.lock:
            table = self.table(set_name)
            table.take(row)
            self._on_failure(lambda: table.put(row))

    def post_invoice(self, company: str, header_reference: str) -> Row:
        """D365 posts a pending invoice: it becomes a posted invoice and a vendor transaction. Returns the transaction."""
        with self.lock, self.all_or_nothing():
            return posting.post_invoice(self, company.lower(), header_reference)

    def post_journal(self, company: str, journal_batch_number: str) -> list[Row]:
        """D365 posts a payment journal: payments become vendor transactions and settle their invoices. Returns the transactions."""
        with self.lock, self.all_or_nothing():
            return posting.post_journal(self, company.lower(), journal_batch_number)

    # ---- numbers and transactions ----

    def next_number(self, sequence: str, company: str) -> int:
        """The next number of a sequence of a company, from 1. Numbers of failed writes are not given back."""
        with self.lock:
            number = self._numbers.get((sequence, company), 0) + 1
            self._numbers[sequence, company] = number
            return number

    def next_record_id(self) -> int:
        """A new record id, as the SourceKey of the Bi sets."""
        return FIRST_RECORD_ID + self.next_number("RecId", "")

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Everything changed inside is taken back when the block raises. Blocks may be nested; the outermost decides."""
        if self._undo is not None:
            yield
            return
        self._undo, written, forbidden = [], len(self.writes), len(self.forbidden_writes)
        try:
            yield
        except BaseException:
            undo, self._undo = self._undo, None
            for step in reversed(undo):
                step()
            del self.writes[written:], self.forbidden_writes[forbidden:]
            raise
        finally:
            self._undo = None

    def _on_failure(self, step: Callable[[], None]) -> None:
        if self._undo is not None:
            self._undo.append(step)


def _converted(entity_set: EntitySet, fields: Mapping[str, Given]) -> dict[str, Value]:
    unknown = sorted(set(fields) - set(entity_set.fields))
    if unknown:
        raise KeyError(f"{entity_set.name} has no field {', '.join(unknown)}")
    return {name: convert(entity_set, name, value) for name, value in fields.items()}

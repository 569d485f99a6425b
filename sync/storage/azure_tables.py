"""Azure Table Storage behind `sync.storage.model.Tables`: one attempt per call, `sync/storage/patient.py` retries."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, cast

from azure.core import MatchConditions
from azure.core.exceptions import ResourceNotFoundError
from azure.core.pipeline import PipelineResponse
from azure.core.rest import HttpResponse
from azure.data.tables import EdmType, EntityProperty, TableClient, TableEntity, TableServiceClient, TableTransactionError, UpdateMode

from sync.errors import Bug, TryLater
from sync.storage.azure_errors import MISSING_HOLDERS, code_of, speaking
from sync.storage.limits import check_commit
from sync.storage.model import Change, Delete, Insert, Replace, Row, Upsert, Value

PAGE: Final = 1000
LAST: Final = "\uffff"

Operation = tuple[str, Mapping[str, object]] | tuple[str, Mapping[str, object], Mapping[str, object]]


class AzureTables:
    """See `sync.storage.model.Tables`. Every TryLater of a commit leaves open whether it landed."""

    def __init__(self, service: TableServiceClient) -> None:
        self._service = service
        self._clients: dict[str, TableClient] = {}

    def create(self, name: str) -> None:
        """Make the table; one that exists is fine."""
        with speaking(f"table {name}"):
            self._service.create_table_if_not_exists(name)

    def get(self, table: str, partition: str, key: str) -> Row | None:
        """The row, or None."""
        with speaking(f"table {table}"):
            try:
                return _row(self._client(table).get_entity(partition, key))
            except ResourceNotFoundError as error:
                if code_of(error) in MISSING_HOLDERS:
                    raise
                return None

    def scan(self, table: str, partition: str, first: str = "", last: str = LAST, *, limit: int | None = None) -> Iterator[Row]:
        """Rows with first <= key < last, in key order, a page at a time; an empty page with a token only means: go on."""
        bounds = (" and RowKey ge @first" if first else "") + (" and RowKey lt @last" if last != LAST else "")
        with speaking(f"table {table}"):
            found = self._client(table).query_entities(
                f"PartitionKey eq @partition{bounds}",
                parameters={"partition": partition, "first": first, "last": last},
                results_per_page=PAGE if limit is None else min(limit, PAGE),
            )
        return _up_to(limit, self._pages(table, found.by_page()))

    def _pages(self, table: str, pages: Iterator[Iterator[TableEntity]]) -> Iterator[Row]:
        while True:
            with speaking(f"table {table}"):
                page = next(pages, None)
                rows = None if page is None else [_row(entity) for entity in page]
            if rows is None:
                return
            yield from rows

    def commit(self, table: str, partition: str, changes: Sequence[Change]) -> Mapping[str, str]:
        """All or none, in one transaction. A deletion without an etag whose row is gone is left out and the rest sent again."""
        check_commit(table, partition, changes)
        left = list(changes)
        while left:
            with speaking(f"table {table}"):
                try:
                    answers = self._client(table).submit_transaction([_operation(partition, change) for change in left])
                except TableTransactionError as error:
                    if not _met_a_missing_row(error, left):
                        raise
                    del left[error.index]
                    continue
            both = zip(left, answers, strict=True)
            return {change.row.key: str(answer["etag"]) for change, answer in both if not isinstance(change, Delete)}
        return {}

    def time(self, table: str) -> datetime:
        """The `Date` of an answer; what is asked for is a row that nobody has."""
        dates: list[str] = []

        def note(answer: PipelineResponse[object, HttpResponse]) -> None:
            dates.append(answer.http_response.headers.get("Date", ""))

        with speaking(f"table {table}"):
            try:
                self._client(table).get_entity("-", "-", raw_response_hook=note)
            except ResourceNotFoundError as error:
                if code_of(error) in MISSING_HOLDERS:
                    raise
        try:
            return parsedate_to_datetime(dates[-1]).astimezone(UTC)
        except ValueError as error:
            raise TryLater(f"Storage did not tell its time (table {table}).", detail=dates[-1]) from error

    def _client(self, table: str) -> TableClient:
        if table not in self._clients:
            self._clients[table] = self._service.get_table_client(table)
        return self._clients[table]


def _met_a_missing_row(error: TableTransactionError, changes: Sequence[Change]) -> bool:
    if error.status_code != 404 or code_of(error) in MISSING_HOLDERS:
        return False
    change = changes[error.index]
    return isinstance(change, Delete) and not change.etag


def _up_to(limit: int | None, rows: Iterable[Row]) -> Iterator[Row]:
    if limit == 0:
        return
    for number, row in enumerate(rows, 1):
        yield row
        if number == limit:
            return


def _operation(partition: str, change: Change) -> Operation:
    match change:
        case Insert(row):
            return ("create", _entity(row))
        case Upsert(row):
            return ("upsert", _entity(row), {"mode": UpdateMode.REPLACE})
        case Replace(row):
            if not row.etag:
                raise Bug(f"The row {row.key!r} is to be replaced without the etag it was read with.")
            only = {"etag": row.etag, "match_condition": MatchConditions.IfNotModified}
            return ("update", _entity(row), {"mode": UpdateMode.REPLACE, **only})
        case Delete(key, etag):
            gone = {"PartitionKey": partition, "RowKey": key}
            return ("delete", gone, {"etag": etag, "match_condition": MatchConditions.IfNotModified}) if etag else ("delete", gone)


def _entity(row: Row) -> Mapping[str, object]:
    values = {name: _sent(value) for name, value in row.values.items()}
    return {"PartitionKey": row.partition, "RowKey": row.key, **values}


def _sent(value: Value) -> object:
    """Whole numbers go as 64 bits (the SDK's default is 32), times as UTC, text as text even when it is an enumeration's."""
    if isinstance(value, bool | bytes):
        return value
    if isinstance(value, int):
        return EntityProperty(value, EdmType.INT64)
    return value.astimezone(UTC) if isinstance(value, datetime) else str(value)


def _row(entity: TableEntity) -> Row:
    values = {name: _received(name, value) for name, value in entity.items() if name not in {"PartitionKey", "RowKey"}}
    return Row(str(entity["PartitionKey"]), str(entity["RowKey"]), values, str(entity.metadata["etag"]))


def _received(name: str, value: object) -> Value:
    if isinstance(value, EntityProperty):
        return int(cast(int, value.value))
    if isinstance(value, datetime):
        # A plain datetime: the SDK's own class carries the service's text along and would send that again after any change.
        return datetime.combine(value.date(), value.timetz()).astimezone(UTC)
    if isinstance(value, (str, bytes, bool, int)):
        return value
    raise Bug(f"The property {name} is a {type(value).__name__}; the connector stores none.")

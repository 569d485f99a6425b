"""Reading a set: query options, companies, pages and next links (contracts/d365-fo.md §3)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import quote

from sandbox.d365 import filters, navigation
from sandbox.d365.errors import bad_query, no_such_row, no_such_set
from sandbox.d365.jsontext import dumps
from sandbox.d365.navigation import Expansion
from sandbox.d365.schema import EntitySet, Value, fold
from sandbox.d365.table import Row, Table
from sandbox.d365.world import D365World
from sandbox.web import Request, Response

OPTIONS = frozenset({"$filter", "$select", "$top", "$skip", "$count", "$orderby", "$expand", "$skiptoken", "cross-company"})
JSON_HEADERS: Mapping[str, str] = {"content-type": "application/json; odata.metadata=minimal; odata.streaming=true", "odata-version": "4.0"}
CACHED_QUERIES = 64

_KEYED = re.compile(r"\s*(?P<name>\w+)\s*=\s*(?P<literal>(?:[\w.]*'(?:[^']|'')*')|[^,()']+)\s*(?:,|$)")


@dataclass(frozen=True)
class Query:
    """The options of one read, decoded."""

    filter: str = ""
    select: tuple[str, ...] = ()
    orderby: str = ""
    top: int | None = None
    start: int = 0
    count: bool = False
    cross_company: bool = False
    expand: tuple[Expansion, ...] = ()


@dataclass(frozen=True)
class _Found:
    version: int
    rows: list[Row]


class Reader:
    """Answers GET requests of one world. The rows that a query finds are kept until the set changes, so that pages cost what they hold."""

    def __init__(self, world: D365World) -> None:
        self._world = world
        self._found: dict[tuple[str, str, str, bool], _Found] = {}

    def read_set(self, table: Table, request: Request) -> Response:
        """One page of a set, with the link to the next one. Raises Refusal."""
        query = parse_options(table.entity_set, request)
        found = self._rows(table, query)
        last = len(found) if query.top is None else min(len(found), query.start + query.top)
        end = min(last, query.start + self._page_size(request))
        body: dict[str, object] = {"@odata.context": f"{self._world.environment_url}/data/$metadata#{table.entity_set.name}"}
        if query.count:
            body["@odata.count"] = len(found)
        body["value"] = [self._shown(row, query) for row in found[query.start : end]]
        if end < last:
            body["@odata.nextLink"] = self._next_link(table, request, end, None if query.top is None else last - end)
        return Response(200, JSON_HEADERS, dumps(body))

    def read_row(self, table: Table, key: Mapping[str, Value], request: Request) -> Response:
        """One row by key; 404 when it is not there or belongs to another company than one may see."""
        query = parse_options(table.entity_set, request)
        row = table.get(table.key_of(key))
        if row is None or not self.visible(table.entity_set, row, query.cross_company):
            return no_such_row(self._world.switches.missing_row_body)
        context = f"{self._world.environment_url}/data/$metadata#{table.entity_set.name}/$entity"
        return Response(200, {**JSON_HEADERS, "etag": row.etag}, dumps({"@odata.context": context, **self._shown(row, query)}))

    def visible(self, entity_set: EntitySet, row: Row, cross_company: bool) -> bool:
        """Without cross-company only the default company of the user is there, by key too."""
        return cross_company or not entity_set.has_company or row["dataAreaId"] == self._world.default_company

    def _shown(self, row: Row, query: Query) -> dict[str, object]:
        """A row with what was asked for beside it: one row or null, or a list for a collection."""
        shown = render(row, query.select)
        for expansion in query.expand:
            leads = expansion.navigation
            rows = [
                found for found in navigation.related(self._world, row, leads) if self.visible(leads.target, found, query.cross_company)
            ]
            inside = [render(found, expansion.select) for found in rows]
            shown[leads.name] = inside if leads.many else inside[0] if inside else None
        return shown

    def _rows(self, table: Table, query: Query) -> list[Row]:
        name = (table.entity_set.name, query.filter, query.orderby, query.cross_company)
        found = self._found.get(name)
        if found is None or found.version != table.version:
            rows = filters.select(table, query.filter)
            rows = [row for row in rows if self.visible(table.entity_set, row, query.cross_company)]
            found = _Found(table.version, _sorted(table.entity_set, rows, query.orderby))
            self._found[name] = found
            if len(self._found) > CACHED_QUERIES:
                del self._found[next(iter(self._found))]
        return found.rows

    def _page_size(self, request: Request) -> int:
        wanted = re.search(r"odata\.maxpagesize=(\d+)", request.headers.get("prefer", ""))
        cap = self._world.switches.page_cap
        return min(cap, max(1, int(wanted[1]))) if wanted else cap

    def _next_link(self, table: Table, request: Request, position: int, top: int | None) -> str:
        switches = self._world.switches
        options = [pair for pair in request.target.partition("?")[2].split("&") if pair and not _is_position(pair)]
        options += [] if top is None else [f"$top={top}"]
        base = f"{self._world.environment_url}/data/" if switches.next_link == "absolute" else ""
        return f"{base}{table.entity_set.name}?{'&'.join([*options, f'{switches.next_link_option}={position}'])}"


def render(row: Row, select: tuple[str, ...] = ()) -> dict[str, object]:
    """A row as it travels: its weak etag and the selected (or all) fields."""
    stored, defaults = row.stored, row.defaults
    if not select:
        return {"@odata.etag": row.etag, **defaults, **stored}
    return {"@odata.etag": row.etag, **{name: stored[name] if name in stored else defaults[name] for name in select}}


def parse_options(entity_set: EntitySet, request: Request) -> Query:
    """The options of a read. Raises Refusal (400) for unknown options, fields and numbers."""
    given = dict(request.query)
    unknown = [name for name in given if name.startswith("$") and name not in OPTIONS]
    if unknown:
        raise bad_query(f"The query parameter '{unknown[0]}' is not supported.")
    select = tuple(name.strip() for name in given.get("$select", "").split(",") if name.strip())
    _known(entity_set, select)
    return Query(
        filter=given.get("$filter", ""),
        select=select,
        orderby=given.get("$orderby", ""),
        top=_number(given["$top"]) if "$top" in given else None,
        start=_number(given.get("$skip", "0")) + _number(given.get("$skiptoken", "0")),
        count=given.get("$count") == "true",
        cross_company=is_cross_company(request),
        expand=navigation.expansions(entity_set, given.get("$expand", "")),
    )


def is_cross_company(request: Request) -> bool:
    """Whether the request looks beyond the default company."""
    return dict(request.query).get("cross-company", "").lower() == "true"


def parse_key(entity_set: EntitySet, text: str) -> dict[str, Value]:
    """The key fields of `Set(...)`, decoded: every part named, apostrophes doubled. Raises Refusal (404 for a wrong set of parts)."""
    values, position = {}, 0
    while position < len(text):
        match = _KEYED.match(text, position)
        if match is None or match["name"] not in entity_set.fields:
            raise bad_query(f"The key '{text}' of {entity_set.name} cannot be read at position {position}.")
        values[match["name"]] = filters.literal_value(entity_set, match["name"], filters.literal(match["literal"].strip()))
        position = match.end()
    if set(values) != set(entity_set.keys):
        raise no_such_set(f"/data/{entity_set.name}({quote(text)})")
    return values


def key_of(entity_set: EntitySet, row: Row) -> dict[str, Value]:
    """The key fields of a row as stored."""
    return {name: row[name] for name in entity_set.keys}


def _sorted(entity_set: EntitySet, rows: list[Row], orderby: str) -> list[Row]:
    for words in reversed([part.split() for part in orderby.split(",") if part.strip()]):
        _known(entity_set, (words[0],))
        rows = sorted(rows, key=_by(words[0]), reverse=words[1:] == ["desc"])
    return rows


def _by(field: str) -> Callable[[Row], tuple[bool, str, Decimal]]:
    """Blanks first, then numbers by size and texts (dates too) by letters."""

    def rank(row: Row) -> tuple[bool, str, Decimal]:
        value = fold(row[field])
        if isinstance(value, str):
            return (True, value, Decimal(0))
        return (value is not None, "", Decimal(value or 0))

    return rank


def _known(entity_set: EntitySet, names: tuple[str, ...]) -> None:
    for name in names:
        if name not in entity_set.fields:
            raise bad_query(f"Could not find a property named '{name}' on type 'Microsoft.Dynamics.DataEntities.{entity_set.entity_type}'.")


def _is_position(pair: str) -> bool:
    name = pair.partition("=")[0].replace("%24", "$")
    return name in ("$skiptoken", "$skip", "$top")


def _number(text: str) -> int:
    if not text.isdecimal():
        raise bad_query(f"Invalid value '{text}' for a query option: it must be a whole number.")
    return int(text)

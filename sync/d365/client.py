"""Reading and writing D365's entity sets (contracts/d365-fo.md §2, §3, §8). Every request says cross-company=true."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from sync.d365.batch import CONTENT_TYPE, Operation, changeset_body, in_order, parse_batch
from sync.d365.errors import UrlTooLong, error_of_read, error_of_write
from sync.d365.literals import ALL, MAX_URL, Filter, KeyValue, all_of, any_value, chains, encoded, eq, key_path
from sync.d365.wire import Json, JsonRow, read_json, read_row, write_json
from sync.errors import FixConfiguration, OutcomeUnknown, SyncError, TryLater
from sync.http.client import HttpClient
from sync.http.wire import HttpRequest, HttpResponse
from sync.values import fold

PAGE_SIZE: Final = 5_000
SHORTEST_CHAIN: Final = 200
METADATA_BYTES: Final = 128 * 1024 * 1024
LINK_SAFE: Final = "%/:?&=$'(),;@!*+~-._"


@dataclass(frozen=True)
class Page:
    """One page of rows and where the next one is; `next_link` (absolute, our host) is "" on the last. It is an offset, not a snapshot."""

    rows: list[JsonRow]
    next_link: str


class D365Client:
    """One environment, seen with one customer's credentials. Rows are JSON objects by D365's names, numbers exact.

    All methods raise what `HttpClient.send` raises; reads also FixConfiguration (unknown set or field, no rights) and TryLater (an answer
    that is no JSON); writes also what `error_of_write` names.
    """

    def __init__(self, http: HttpClient, environment_url: str, page_size: int = PAGE_SIZE) -> None:
        self._http = http
        self._base = f"{environment_url}/data/"
        self._page_size = page_size

    def rows(
        self,
        set_name: str,
        *,
        where: Filter = ALL,
        select: Sequence[str] = (),
        company: str | None = None,
        order: Sequence[str] = (),
        page_size: int | None = None,
    ) -> Iterator[JsonRow]:
        """All rows that meet `where` (and dataAreaId = `company`), streamed page by page."""
        for page in self.pages(set_name, where=where, select=select, company=company, order=order, page_size=page_size):
            yield from page.rows
            del page  # or it would be kept until the next one is there

    def pages(
        self,
        set_name: str,
        *,
        where: Filter = ALL,
        select: Sequence[str] = (),
        company: str | None = None,
        order: Sequence[str] = (),
        page_size: int | None = None,
    ) -> Iterator[Page]:
        """As `rows`, by page, so that a crawl can be put down after any page and taken up again with `pages_from`."""
        return self._follow(self._query(set_name, where, select, company, order), page_size)

    def pages_from(self, next_link: str, *, page_size: int | None = None) -> Iterator[Page]:
        """The pages from a stored next link on. FixConfiguration, and no request, when it leads to another host."""
        return self._follow(self._own_link(next_link, self._base), page_size)

    def count(self, set_name: str, where: Filter = ALL, *, company: str | None = None) -> int:
        """How many rows meet the condition."""
        url = self._query(set_name, where, (), company, ()) + "&$count=true&$top=1"
        total = self._read_row(url, f"count {set_name}").get("@odata.count")
        if not isinstance(total, (int, str)) or not str(total).isdigit():
            raise TryLater(f"D365 did not say how many rows {set_name} has.")
        return int(total)

    def by_keys(
        self,
        set_name: str,
        field: str,
        values: Sequence[KeyValue],
        *,
        where: Filter = ALL,
        select: Sequence[str] = (),
        company: str | None = None,
    ) -> Iterator[JsonRow]:
        """The rows whose `field` is one of `values`, in OR chains that are cut where the URL gets too long, or is said to be (414).

        Text is compared as D365 does, but `*` is no wildcard.
        """
        wanted = {_comparable(value) for value in values}
        bare = self._query(set_name, all_of(where, eq(field, "")), select, company, ())
        room = max(SHORTEST_CHAIN, MAX_URL - len(bare))

        def matching(chain: Sequence[KeyValue]) -> list[JsonRow]:
            try:
                return list(self.rows(set_name, where=all_of(where, any_value(field, chain)), select=select, company=company))
            except UrlTooLong:
                if len(chain) == 1:
                    raise
            half = len(chain) // 2
            return matching(chain[:half]) + matching(chain[half:])

        for chain in chains(field, values, room=room):
            for row in matching(chain):
                found = row.get(field)
                if not isinstance(found, str) or _comparable(found) in wanted:
                    yield row

    def get(self, set_name: str, keys: Mapping[str, KeyValue], *, select: Sequence[str] = ()) -> "JsonRow | None":
        """The row with this whole key, or None.

        What the 404 of a missing row holds is unknown (contracts/d365-fo.md §12): a page of the web server is as good as the one for a set
        that does not exist, so the set is asked then.
        """
        url = self._row_url(set_name, keys) + _option("$select", ",".join(select))
        response = self._http.send(HttpRequest("GET", url, _READ_HEADERS), repeatable=True)
        if response.status == 404 and response.body.lstrip().startswith(b"<"):
            return next(self.rows(set_name, where=all_of(*(eq(name, value) for name, value in keys.items())), select=select), None)
        if response.status == 404 and not _is_unknown_set(response.body):
            return None
        return _row_of(_read(response, f"read {set_name}"), set_name)

    def metadata(self) -> bytes:
        """The description of all entity sets as XML ($metadata), for `sync/d365/metadata.py`."""
        headers = {**_READ_HEADERS, "Accept": "application/xml"}
        request = HttpRequest("GET", f"{self._base}$metadata", headers, max_bytes=METADATA_BYTES)
        return _read(self._http.send(request, repeatable=True), "read $metadata")

    def create(self, set_name: str, body: Mapping[str, Json]) -> JsonRow:
        """Create a row; the whole row comes back, with defaults and numbers. AlreadyThere when its key exists. Never sent twice here."""
        response = self._write("POST", self._set_url(set_name), body, f"create {set_name}")
        return _written_row(response, f"create {set_name}")

    def update(self, set_name: str, keys: Mapping[str, KeyValue], body: Mapping[str, Json]) -> None:
        """Change the given fields of a row. RowMissing when there is none."""
        self._write("PATCH", self._row_url(set_name, keys), body, f"update {set_name}")

    def delete(self, set_name: str, keys: Mapping[str, KeyValue]) -> None:
        """Delete a row. RowMissing when there is none."""
        self._write("DELETE", self._row_url(set_name, keys), None, f"delete {set_name}")

    def changeset(self, operations: Sequence[Operation]) -> list[JsonRow]:
        """All operations or none, in one request; the rows of the POSTs come back in order ({} for PATCH and DELETE).

        Raises what the failed operation calls for; Throttled when a part is 429; OutcomeUnknown when the answer is not whole.
        """
        if not operations:
            return []
        triples = [(item.method, self._operation_url(item), item.body) for item in operations]
        headers = {"Content-Type": CONTENT_TYPE, "Accept": "multipart/mixed", **_VERSION}
        url = f"{self._base}$batch?cross-company=true"
        response = self._http.send(HttpRequest("POST", url, headers, changeset_body(triples)), repeatable=False)
        what = f"write {len(operations)} rows to {operations[0].set_name}"
        if response.status >= 300:
            raise error_of_write(response.status, response.body, what)
        return self._changeset_rows(response, len(operations), what)

    def _changeset_rows(self, response: HttpResponse, count: int, what: str) -> list[JsonRow]:
        try:
            parts = parse_batch(response)
        except ValueError as error:
            raise _unclear(what, str(error)) from error
        failed = next((part for part in parts if part.response.status >= 300), None)
        if failed is not None:
            where = f"{what}, operation {failed.number}" if failed.number else what
            raise self._part_error(failed.response, where)
        answers = in_order(parts, count)
        if answers is None:
            raise _unclear(what, f"{len(parts)} answers to {count} operations")
        return [{} if answer.status == 204 else _written_row(answer, what) for answer in answers]

    def _part_error(self, response: HttpResponse, what: str) -> SyncError:
        if response.status == 429:
            return self._http.throttled(response)
        if response.status == 401:
            return self._http.sign_in_again()
        return error_of_write(response.status, response.body, what)

    def _write(self, method: str, url: str, body: Mapping[str, Json] | None, what: str) -> HttpResponse:
        content = b"" if body is None else write_json(body)
        response = self._http.send(HttpRequest(method, url, _WRITE_HEADERS, content), repeatable=False)
        if response.status >= 300:
            raise error_of_write(response.status, response.body, what)
        return response

    def _follow(self, url: str, page_size: int | None) -> Iterator[Page]:
        headers = {**_READ_HEADERS, "Prefer": f"odata.maxpagesize={page_size or self._page_size}"}
        seen: set[str] = set()
        while url:
            seen.add(url)
            page = self._page(url, headers)
            url = page.next_link
            if url in seen:
                raise TryLater("D365 sends the same next link again: the crawl would never end.", detail=urlsplit(url).path)
            yield page
            del page  # or it would be kept until the next one is there

    def _page(self, url: str, headers: Mapping[str, str]) -> Page:
        what = f"read {urlsplit(url).path.removeprefix('/data/')}"
        document = _row_of(_read(self._http.send(HttpRequest("GET", url, headers), repeatable=True), what), what)
        link = document.get("@odata.nextLink")
        return Page(_rows_of(document, what), self._own_link(link, url) if isinstance(link, str) and link else "")

    def _own_link(self, link: str, base: str) -> str:
        """The link as an absolute URL of our service on the configured host, its path and query as they are (design §3.9)."""
        parts = _joined(base, link)
        if parts is None or parts.netloc.removesuffix(":443").lower() != self._http.host or not parts.path.startswith("/data/"):
            raise FixConfiguration(
                f"D365 sent a next link that leads away from {self._http.host}: it was not followed. Check d365.environment_url.",
                field="d365.environment_url",
            )
        return f"https://{self._http.host}{quote(parts.path, safe=LINK_SAFE)}?{quote(parts.query, safe=LINK_SAFE)}"

    def _query(self, set_name: str, where: Filter, select: Sequence[str], company: str | None, order: Sequence[str]) -> str:
        condition = all_of(eq("dataAreaId", company), where) if company is not None else where
        options = (("$filter", condition), ("$select", ",".join(select)), ("$orderby", ",".join(order)))
        return self._set_url(set_name) + "".join(_option(name, value) for name, value in options)

    def _set_url(self, set_name: str) -> str:
        return f"{self._base}{set_name}?cross-company=true"

    def _row_url(self, set_name: str, keys: Mapping[str, KeyValue]) -> str:
        return self._set_url(key_path(set_name, keys))

    def _operation_url(self, operation: Operation) -> str:
        return self._set_url(operation.set_name) if operation.method == "POST" else self._row_url(operation.set_name, operation.keys)

    def _read_row(self, url: str, what: str) -> JsonRow:
        return _row_of(_read(self._http.send(HttpRequest("GET", url, _READ_HEADERS), repeatable=True), what), what)


_VERSION: Final = {"OData-Version": "4.0", "OData-MaxVersion": "4.0"}
_READ_HEADERS: Final = {"Accept": "application/json", **_VERSION}
_WRITE_HEADERS: Final = {**_READ_HEADERS, "Content-Type": "application/json; charset=utf-8"}


def _joined(base: str, link: str) -> SplitResult | None:
    """The link, resolved; None for what no service sends and parsers read in different ways: a backslash, https: without a host."""
    try:
        alone, parts = urlsplit(link), urlsplit(urljoin(base, link))
    except ValueError:
        return None
    return None if "\\" in link or (alone.scheme and not alone.netloc) or parts.scheme != "https" else parts


def _option(name: str, value: str) -> str:
    return f"&{name}={encoded(value)}" if value else ""


def _comparable(value: KeyValue) -> str:
    return fold(value).rstrip() if isinstance(value, str) else str(value)


def _read(response: HttpResponse, what: str) -> bytes:
    if response.status >= 300:
        raise error_of_read(response.status, response.body, what)
    return response.body


def _row_of(body: bytes, what: str) -> JsonRow:
    try:
        return read_row(body)
    except ValueError as error:
        raise TryLater(f"D365's answer cannot be read ({what}).", detail=str(error)) from error


def _rows_of(document: JsonRow, what: str) -> list[JsonRow]:
    rows = document.get("value")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise TryLater(f"D365's answer holds no rows ({what}).")
    return rows


def _written_row(response: HttpResponse, what: str) -> JsonRow:
    try:
        return read_row(response.body)
    except ValueError as error:
        raise _unclear(what, str(error)) from error


def _unclear(what: str, detail: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        "D365's answer to a write cannot be read; it is looked up before anything is sent again.", detail=f"{what}: {detail}"
    )


def _is_unknown_set(body: bytes) -> bool:
    """Whether a 404 says that the set, not the row, is unknown: its shape differs (contracts/d365-fo.md §9)."""
    try:
        document = read_json(body)
    except ValueError:
        return False
    return isinstance(document, dict) and "Message" in document

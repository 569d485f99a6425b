"""The OData service of one environment: who may come in, which row or set a URL means, and single requests."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import unquote

from sandbox.d365 import batch, metadata, writes
from sandbox.d365.errors import Refusal, bad_query, conflict, in_language, no_such_set, page
from sandbox.d365.jsontext import dumps, loads
from sandbox.d365.query import JSON_HEADERS, Reader, is_cross_company, parse_key, render
from sandbox.d365.schema import Value, entity_sets
from sandbox.d365.table import Table
from sandbox.d365.world import D365World
from sandbox.entra import Entra
from sandbox.web import Request, Response

LONGEST_URL = 8192
AFFINITY = "ARRAffinity"
JOURNAL_LINES = "VendorPaymentJournalLines"


def _at_once() -> None:
    """A line is inserted without any time in between."""


class D365:
    """One environment behind its host name.

    `while_inserting` runs in the middle of the insert of a payment journal line, outside all locks: who blocks there sees the update
    conflict of a second insert into the same journal.
    """

    def __init__(self, world: D365World, entra: Entra, while_inserting: Callable[[], None] = _at_once) -> None:
        self.world = world
        self._entra = entra
        self._while_inserting = while_inserting
        self._reader = Reader(world)
        self._busy: set[tuple[str, str]] = set()
        entra.register_resource(world.tenant, world.environment_url)

    def handle(self, request: Request) -> Response:
        """Answer one request. Every answer offers the affinity cookie of a web server (contracts/d365-fo.md §10)."""
        if AFFINITY in request.headers.get("cookie", ""):
            with self.world.lock:
                self.world.affinity_returned += 1
        response = in_language(self._answer(request), self.world.switches.labels)
        return Response(
            response.status, {**response.headers, "set-cookie": f"{AFFINITY}=server-1; path=/; HttpOnly; Secure"}, response.body
        )

    def _answer(self, request: Request) -> Response:
        if len(request.target) > LONGEST_URL:
            return page(414, "HTTP Error 414. The request URL is too long.")
        if len(request.body) > self.world.switches.largest_request:
            return page(413, "413 - Request Entity Too Large")
        if not self._signed_in(request):
            return self._unauthorized()
        try:
            if request.path == "/data/$batch" and request.method == "POST":
                with self.world.lock:
                    return batch.run(self.world.switches, self.world.all_or_nothing, request, self.single)
            with self._inserting(request):
                return self.single(request)
        except Refusal as refusal:
            return refusal.response

    def single(self, request: Request) -> Response:
        """One operation, alone or as a part of a batch. Raises Refusal."""
        if request.path in ("/data", "/data/"):
            return self._service_document()
        if request.path == "/data/$metadata":
            return metadata.response(self.world.switches.hidden_sets)
        table, key = self._resource(request)
        with self.world.lock:
            if request.method == "GET":
                return self._reader.read_set(table, request) if key is None else self._reader.read_row(table, key, request)
            if request.method == "POST" and key is None:
                return self._create(table, request)
            if request.method in ("PATCH", "DELETE") and key is not None:
                return self._change(table, key, request)
        return Response(405, {"allow": "GET, POST" if key is None else "GET, PATCH, DELETE"})

    def _signed_in(self, request: Request) -> bool:
        token = self._entra.check(request, self.world.environment_url)
        return token is not None and token.tenant == self.world.tenant and token.client_id in self.world.listed_apps

    def _unauthorized(self) -> Response:
        html = self.world.switches.unauthorized_body == "html"
        body = page(401, "401 - Unauthorized: Access is denied due to invalid credentials.") if html else Response(401)
        return Response(401, {**body.headers, "www-authenticate": "Bearer"}, body.body)

    def _create(self, table: Table, request: Request) -> Response:
        row = writes.create(self.world, table, _body(request))
        context = f"{self.world.environment_url}/data/$metadata#{table.entity_set.name}/$entity"
        return Response(201, {**JSON_HEADERS, "etag": row.etag}, dumps({"@odata.context": context, **render(row)}))

    def _change(self, table: Table, key: dict[str, Value], request: Request) -> Response:
        cross_company, if_match = is_cross_company(request), request.headers.get("if-match", "")
        if request.method == "PATCH":
            writes.change(self.world, table, key, _body(request), cross_company, if_match)
        else:
            writes.delete(self.world, table, key, cross_company, if_match)
        return Response(self.world.switches.write_status)

    def _resource(self, request: Request) -> tuple[Table, dict[str, Value] | None]:
        """The table and, where the URL has one, the key. Raises Refusal (403, 404)."""
        prefix, _, rest = unquote(request.raw_path).lstrip("/").partition("/")
        name, bracket, key = rest.partition("(")
        switches = self.world.switches
        if prefix != "data" or name not in entity_sets() or name in switches.hidden_sets:
            raise no_such_set(f"https://{request.host}{request.target}")
        if name in switches.denied_sets:
            raise Refusal(Response(403), f"no rights on {name}")
        table = self.world.table(name)
        if not bracket:
            return table, None
        if not key.endswith(")"):
            raise bad_query(f"The key of {name} is not closed.")
        return table, parse_key(table.entity_set, key[:-1])

    def _service_document(self) -> Response:
        names = [name for name in entity_sets() if name not in self.world.switches.hidden_sets]
        value = [{"name": name, "kind": "EntitySet", "url": name} for name in names]
        return Response(200, JSON_HEADERS, dumps({"@odata.context": f"{self.world.environment_url}/data/$metadata", "value": value}))

    @contextmanager
    def _inserting(self, request: Request) -> Iterator[None]:
        """Two inserts into one payment journal at the same time: the second one fails (contracts/d365-fo.md §6)."""
        if request.method != "POST" or request.path != f"/data/{JOURNAL_LINES}":
            yield
            return
        body = _body(request)
        journal = (str(body.get("dataAreaId", self.world.default_company)).lower(), str(body.get("JournalBatchNumber", "")))
        with self.world.lock:
            if journal in self._busy:
                raise conflict(entity_sets()["VendorPaymentJournalHeaders"])
            self._busy.add(journal)
        try:
            self._while_inserting()
            yield
        finally:
            with self.world.lock:
                self._busy.discard(journal)


def _body(request: Request) -> dict[str, Value]:
    try:
        body = loads(request.body)
    except ValueError as error:
        raise bad_query("The request body is not JSON.") from error
    if not isinstance(body, dict):
        raise bad_query("The request body must be one JSON object.")
    return body

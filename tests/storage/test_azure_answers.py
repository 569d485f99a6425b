"""Answers that Azurite never gives: throttling, empty pages with a token, cut connections, refused access. A small server gives them."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from azure.core.credentials import AccessToken

from sync.errors import Bug, FixConfiguration, SyncError, TryLater
from sync.storage.azure import AzureStorage, open_storage
from sync.storage.model import Row, Upsert


@dataclass
class Answer:
    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Script:
    """A storage account that answers what it is told, and hangs up when it is told nothing more."""

    storage: AzureStorage
    answers: list[Answer] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    script: Script

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.script.asked.append(f"{self.command} {self.path}")
        self.close_connection = True
        if not self.script.answers:
            return
        answer = self.script.answers.pop(0)
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body.encode())))
        self.end_headers()
        self.wfile.write(answer.body.encode())

    do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - the names that http.server looks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        return


@pytest.fixture
def script() -> Iterator[Script]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    root = f"http://127.0.0.1:{server.server_port}/account"
    key = "a2V5"
    ends = "".join(f"{name}Endpoint={root};" for name in ("Blob", "Queue", "Table"))
    Handler.script = Script(open_storage(connection_string=f"DefaultEndpointsProtocol=http;AccountName=account;AccountKey={key};{ends}"))
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield Handler.script
    server.shutdown()
    thread.join()
    server.server_close()


USES: dict[str, Callable[[AzureStorage], object]] = {
    "get": lambda storage: storage.tables.get("t", "p", "k"),
    "scan": lambda storage: [*storage.tables.scan("t", "p")],
    "commit": lambda storage: storage.tables.commit("t", "p", [Upsert(Row("p", "k", {}))]),
    "time": lambda storage: storage.tables.time("t"),
    "put": lambda storage: storage.queues.put("q", "{}"),
    "read": lambda storage: storage.blobs.read("c", "b"),
    "write": lambda storage: storage.blobs.write("c", "b", b"x"),
    "append": lambda storage: storage.blobs.append("c", "b", b"x"),
    "names": lambda storage: [*storage.blobs.names("c", "")],
    "delete": lambda storage: storage.blobs.delete("c", "b"),
}


def use(script: Script, what: str) -> None:
    USES[what](script.storage)


@pytest.mark.parametrize("what", USES)
@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_busy_service_is_asked_once_and_named_with_its_delay(script: Script, what: str, status: int) -> None:
    script.answers = [Answer(status, headers={"Retry-After": "17"})] * 5
    with pytest.raises(TryLater) as caught:
        use(script, what)
    assert caught.value.delay == 17
    assert len(script.asked) == 1, "the SDK must not try again by itself"


@pytest.mark.parametrize("what", USES)
def test_a_connection_that_is_cut_is_transient(script: Script, what: str) -> None:
    with pytest.raises(TryLater):
        use(script, what)
    assert len(script.asked) == 1


@pytest.mark.parametrize("what", USES)
@pytest.mark.parametrize(("status", "kind"), [(403, FixConfiguration), (400, Bug)])
def test_refusals_say_whose_turn_it_is(script: Script, what: str, status: int, kind: type[SyncError]) -> None:
    script.answers = [Answer(status)] * 5
    with pytest.raises(kind):
        use(script, what)
    assert len(script.asked) == 1


def test_a_scan_goes_on_after_an_empty_page_with_a_token(script: Script) -> None:
    def page(*keys: str) -> str:
        return json.dumps({"value": [{"odata.etag": 'W/"1"', "PartitionKey": "p", "RowKey": key, "A": 1} for key in keys]})

    kind = {"Content-Type": "application/json;odata=minimalmetadata"}
    more = {"x-ms-continuation-NextPartitionKey": "p", "x-ms-continuation-NextRowKey": "k", **kind}
    script.answers = [Answer(200, page("a"), more), Answer(200, page(), more), Answer(200, page(), more), Answer(200, page("z"), kind)]
    assert [row.key for row in script.storage.tables.scan("t", "p")] == ["a", "z"]
    assert len(script.asked) == 4


def test_a_service_that_does_not_tell_its_time_is_asked_again(script: Script) -> None:
    missing = '{"odata.error": {"code": "ResourceNotFound", "message": {"lang": "en", "value": "It does not exist."}}}'
    script.answers = [Answer(404, missing, {"Date": "soon", "Content-Type": "application/json"})]
    with pytest.raises(TryLater, match="did not tell its time"):
        script.storage.tables.time("t")


def test_no_usable_setting_is_an_error_that_names_it_and_no_secret() -> None:
    with pytest.raises(FixConfiguration) as nothing:
        open_storage()
    assert nothing.value.field == "AzureWebJobsStorage"
    with pytest.raises(FixConfiguration) as broken:
        open_storage(connection_string="AccountName=x;SharedSecret=hunter2")
    assert "hunter2" not in repr(broken.value) + broken.value.detail
    assert broken.value.__cause__ is None


class NoToken:
    """An identity that is never asked, for opening sends nothing."""

    def get_token(self, *scopes: str, **options: object) -> AccessToken:
        raise AssertionError(f"asked for {scopes}")


def test_an_account_is_opened_by_its_name_and_an_identity() -> None:
    storage = open_storage(account="contososync", credential=NoToken())
    with pytest.raises(AssertionError, match=r"https://storage\.azure\.com/\.default"):
        storage.tables.get("ledger", "p", "k")
    with pytest.raises(FixConfiguration):
        open_storage(account="contososync")

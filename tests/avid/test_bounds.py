"""Answers without measure are refused before they cost more than their share of memory, time or requests."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import trustme

from sandbox.simulator.seams import VirtualClock, make_ports
from sandbox.storage import LocalStorage
from sync.avid.client import AvidClient
from sync.avid.envelopes import read_page, read_results
from sync.avid.jsontext import MOST_VALUES, Unreadable, read_json
from sync.avid.profile import shipped_profile
from sync.avid.refusals import is_busy, sentence_of
from sync.errors import FixConfiguration, TryLater
from sync.http.client import HttpClient
from sync.http.retry import ATTEMPTS
from sync.http.transport import RequestsTransport
from sync.http.wire import MAX_BODY_BYTES, HttpRequest, HttpResponse
from tests.avid.support import answered, query_of, saying
from tests.http.support import MemoryGates

ENVELOPE = shipped_profile().envelope
MEGABYTE = 1024 * 1024
NESTED = b"[" * 10_000 + b"]" * 10_000


class Flood:
    """A TLS server that answers every request with a body of 200 MB. `sent` counts what the other side took of it."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.sent = 0
        self.answers = 0
        self._context = context
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                plain, _ = self._socket.accept()
            except OSError:
                return
            with plain, suppress(OSError), self._context.wrap_socket(plain, server_side=True) as stream:
                stream.recv(65_536)
                self.answers += 1
                stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (200 * MEGABYTE))
                for _ in range(200):
                    stream.sendall(b" " * MEGABYTE)
                    self.sent += MEGABYTE


@pytest.fixture
def flood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flood]:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("NO_PROXY", "localhost")
    server = Flood(context)
    yield server
    server.close()


def test_an_answer_of_200_megabytes_is_left_after_64(flood: Flood) -> None:
    clock = VirtualClock()
    host = f"localhost:{flood.port}"
    ports = make_ports(clock, RequestsTransport(), LocalStorage(clock))
    client = AvidClient(HttpClient(host, "AvidXchange", ports, MemoryGates(), None), f"https://{host}/v1", shipped_profile())
    with pytest.raises(TryLater, match="larger than"):
        client.accounting_systems()
    assert flood.answers == ATTEMPTS
    assert flood.sent < ATTEMPTS * (MAX_BODY_BYTES + 16 * MEGABYTE), "what the buffers of both sides hold comes on top"


def test_ten_thousand_nested_arrays_are_refused_by_every_reader() -> None:
    for body in (NESTED, b'{"Items":' + NESTED + b"}", b'{"Results":' + NESTED + b"}", b'{"fault":' + NESTED + b"}"):
        with pytest.raises(Unreadable, match="levels deep"):
            read_page(body, ENVELOPE)
        with pytest.raises(Unreadable, match="levels deep"):
            read_results(body, 1, ENVELOPE)
        assert sentence_of(body, ENVELOPE)
        assert not is_busy(body, ENVELOPE)
    client, http = answered(lambda _: HttpResponse(200, {}, NESTED))
    with pytest.raises(TryLater, match="levels deep"):
        client.accounting_systems()
    assert len(http.sent) == 1


@pytest.mark.parametrize("unit", [b"[],", b"{},", b"0,", b"[[[[]]]],", b'{"a":{}},'])
def test_an_answer_of_nothing_but_values_is_refused_before_it_is_taken_apart(unit: bytes) -> None:
    body = b"[" + unit * (MOST_VALUES // sum(unit.count(mark) for mark in b"[{,") + 1) + b"0]"
    assert len(body) < MAX_BODY_BYTES
    with pytest.raises(Unreadable, match="more than 4000000 values"):
        read_json(body)
    with pytest.raises(Unreadable, match="more than 4000000 values"):
        read_json(body.decode())


@pytest.mark.parametrize("way", [("2", "3", "2"), ("2", "3", "4", "3")])
def test_links_in_a_circle_end_the_list(way: tuple[str, ...]) -> None:
    leads_to = dict(zip(("1", *way), way, strict=False))

    def answer(request: HttpRequest) -> HttpResponse:
        here = query_of(request).get("pageNumber", "1")
        link = {"Rel": "next", "Href": f"/v1/accountingSystems?pageNumber={leads_to.get(here, '1')}"}
        return saying({"Items": [{"ID": here, "Name": here}], "Paging": {"Links": [link]}})

    client, http = answered(answer)
    assert [system.id for system in client.accounting_systems()] == [str(page) for page in range(1, len({*way}) + 2)]
    assert len(http.sent) == len({*way}) + 1


def test_links_that_always_lead_on_are_given_up() -> None:
    def answer(request: HttpRequest) -> HttpResponse:
        number = int(query_of(request).get("pageNumber", "1"))
        link = {"Rel": "next", "Href": f"/v1/accountingSystems?pageNumber={number + 1}"}
        return saying({"Items": [{"ID": 1, "Name": "a"}], "Paging": {"Links": [link]}})

    client, http = answered(answer)
    with pytest.raises(FixConfiguration, match="over 20000 pages"):
        client.accounting_systems()
    assert len(http.sent) == 20_000

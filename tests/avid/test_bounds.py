"""Answers without measure are refused before they cost more than their share of memory, time or requests."""

import socket
import ssl
import threading
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

import pytest
import trustme

from sandbox.simulator.seams import VirtualClock, make_ports
from sandbox.storage import LocalStorage
from sync.avid.client import AvidClient
from sync.avid.envelopes import read_page, read_results
from sync.avid.jsontext import MOST_VALUES, Unreadable, read_json
from sync.avid.profile import shipped_profile
from sync.avid.refusals import is_busy, sentence_of
from sync.errors import AnswerTooLarge, FixConfiguration, TryLater
from sync.http.client import HttpClient
from sync.http.transport import RequestsTransport
from sync.http.wire import MAX_BODY_BYTES, HttpRequest, HttpResponse
from tests.avid.support import answered, query_of, saying
from tests.http.support import MemoryGates

pytestmark = pytest.mark.shipped_names("answers without measure have no names")

ENVELOPE = shipped_profile().envelope
MEGABYTE = 1024 * 1024
NESTED = b"[" * 10_000 + b"]" * 10_000


WHOLE: Final = 200 * MEGABYTE
"""What the server would send."""
SLACK: Final = 16 * MEGABYTE
"""What the buffers of both sides may hold beside what was taken."""


class Flood:
    """A TLS server that answers every request with a body of 200 MB. `sent` counts what the other side took of it.

    `told`: the answer says its length; `chunked`: it does not; `packed`: it is small, and 200 MB when it is unpacked.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self.form = "told"
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
                for part in self._answer():
                    stream.sendall(part)
                    self.sent += len(part)

    def _answer(self) -> Iterator[bytes]:
        if self.form == "told":
            yield b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % WHOLE
            yield from [b" " * MEGABYTE] * 200
        elif self.form == "chunked":
            yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            yield from [b"%x\r\n" % MEGABYTE + b" " * MEGABYTE + b"\r\n"] * 200
        else:
            packed = _packed()
            yield b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
            yield packed


@cache
def _packed() -> bytes:
    """200 MB of blanks, made in pieces: they are never in memory together."""
    packer = zlib.compressobj(wbits=31)
    return b"".join([*(packer.compress(b" " * MEGABYTE) for _ in range(200)), packer.flush()])


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


def client_of(flood: Flood, **limits: int) -> AvidClient:
    clock = VirtualClock()
    host = f"localhost:{flood.port}"
    ports = make_ports(clock, RequestsTransport(), LocalStorage(clock))
    profile = shipped_profile().with_overrides({f"limits.{name}": value for name, value in limits.items()})
    return AvidClient(HttpClient(host, "AvidXchange", ports, MemoryGates(), None), f"https://{host}/v1", profile)


@pytest.mark.parametrize("form", ["told", "chunked", "packed"])
@pytest.mark.parametrize("megabytes", [1, 8])
def test_an_answer_of_200_megabytes_is_refused_at_once_and_costs_no_more_than_its_limit(flood: Flood, form: str, megabytes: int) -> None:
    flood.form = form
    client = client_of(flood, answer_megabytes=megabytes)
    tracemalloc.start()
    try:
        with pytest.raises(AnswerTooLarge, match=f"larger than the {megabytes} MB that are taken") as caught:
            client.accounting_systems()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.field == "avidxchange.profile.limits.answer_megabytes"
    assert flood.answers == 1, "asking again would give the same"
    assert flood.sent < megabytes * MEGABYTE + SLACK
    assert most < 3 * megabytes * MEGABYTE + SLACK


def test_the_limit_of_an_answer_is_the_profiles_and_not_larger_than_what_any_answer_may_have(flood: Flood) -> None:
    sentence = "larger than the 32 MB that are taken"
    with pytest.raises(AnswerTooLarge, match=sentence):
        client_of(flood).accounting_systems()
    assert shipped_profile().limits.answer_megabytes * MEGABYTE < MAX_BODY_BYTES
    with pytest.raises(FixConfiguration, match=r"limits\.answer_megabytes"):
        shipped_profile().with_overrides({"limits.answer_megabytes": MAX_BODY_BYTES // MEGABYTE + 1})


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

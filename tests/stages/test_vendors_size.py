"""A company with a hundred thousand vendors: in slices of a few minutes, in little memory, and a second time without a write."""

import json
import tempfile
import tracemalloc
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import IO, Final
from urllib.parse import parse_qs, urlsplit

import pytest

from sandbox.simulator.seams import PlainAuditKeys, PlainIdentity, PlainSecrets, VirtualClock, make_ports
from sandbox.storage import LocalStorage, LocalTables
from sync.app import App
from sync.connections.document import Connection, parse_connection
from sync.engine.model import End, Report, Slice
from sync.http.wire import HttpRequest, HttpResponse
from sync.settings import Settings
from sync.stages import vendors
from sync.storage.model import Change
from sync.storage.names import LEDGER, ensure

pytestmark = pytest.mark.shipped_names("its AvidXchange is a file in the shipped names")

COUNT: Final = 100_000
PAGE: Final = 5_000
AVID_PAGE: Final = 100
MINUTES: Final = 5.0
MEGABYTE: Final = 1_000_000
D365_SECONDS: Final = 1.0
"""Of virtual time that a page takes."""
AVID_SECONDS: Final = 0.6


class ForgetfulTables(LocalTables):
    """Keeps no audit rows, which would outweigh everything that is measured here. Nothing is logged twice for one vendor."""

    def commit(self, table: str, partition: str, changes: Sequence[Change]) -> Mapping[str, str]:
        """See `sync.storage.model.Tables`."""
        etags = super().commit(table, partition, changes)
        if table == LEDGER:
            for key in etags:
                self._partition(table, partition).drop(key)
        return etags


class Company:
    """D365's side: vendors and their remit-to addresses, made when they are asked for, by a page's number as the skip token."""

    def answer(self, request: HttpRequest) -> object:
        """A count, or a page."""
        parts = urlsplit(request.url)
        query = parse_qs(parts.query)
        if "$count" in query:
            return {"@odata.count": COUNT, "value": []}
        start = int(query.get("$skiptoken", ["0"])[0])
        make = self.address if "VendVendorPostalAddresses" in parts.path else self.vendor
        after = start + PAGE
        link = {"@odata.nextLink": f"https://{parts.netloc}{parts.path}?$skiptoken={after}"} if after < COUNT else {}
        return {"value": [make(number) for number in range(start, min(after, COUNT))], **link}

    def vendor(self, number: int) -> dict[str, object]:
        """A vendor with all that is asked for."""
        return {
            "@odata.etag": f'W/"{number}"',
            "dataAreaId": "big",
            "VendorAccountNumber": f"V{number:06d}",
            "VendorGroupId": "TRADE",
            "VendorOrganizationName": f"Vendor number {number} and Sons, Limited",
            "OnHoldStatus": "All" if number % 50 == 0 else "No",
            "VendorHoldReleaseDate": "1900-01-01T12:00:00Z",
            "CurrencyCode": "USD",
            "DefaultPaymentTermsName": "Net30",
            "PrimaryEmailAddress": f"accounts{number}@vendor.example",
            "PrimaryPhoneNumber": "555-0100",
            "AddressStreet": f"{number} Long Street Name\nSecond floor",
            "AddressCity": "Springfield",
            "AddressStateId": "IL",
            "AddressZipCode": "62701",
            "AddressCountryRegionId": "USA",
            "AddressCountryRegionISOCode": "US",
            "IsReportingTax1099": "No",
            "IsOneTimeVendor": "No",
        }

    def address(self, number: int) -> dict[str, object]:
        """Where it is paid."""
        return {
            "dataAreaId": "big",
            "VendorAccountNumber": f"V{number:06d}",
            "AddressLocationId": f"L{number:06d}",
            "AddressValidFrom": "2015-01-01T00:00:00Z",
            "AddressValidTo": "2154-12-31T23:59:59Z",
            "AddressLocationRoles": "Business;Remit-to",
            "AddressStreet": f"PO Box {number}",
            "AddressCity": "Springfield",
            "AddressCountryRegionISOCode": "US",
        }


class AvidFile:
    """AvidXchange's side: every vendor's last row in a file, so that it takes no memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._places = array("q", [-1] * COUNT)
        self.written = 0

    def answer(self, request: HttpRequest) -> object:
        """A page of vendors, or the results of a write."""
        if request.method == "POST":
            return {"Results": [self._take(row) for row in json.loads(request.body)]}
        number = int(parse_qs(urlsplit(request.url).query)["pageNumber"][0])
        there = [place for place in self._places[(number - 1) * AVID_PAGE : number * AVID_PAGE] if place >= 0]
        return {"Items": [self._at(place) for place in there], "Paging": {"PageNumber": number, "PageCount": COUNT // AVID_PAGE}}

    def _take(self, row: dict[str, object]) -> object:
        self._places[int(str(row["VendorExternalSystemID"])[1:])] = self._file.seek(0, 2)
        self._file.write(json.dumps(row).encode() + b"\n")
        self.written += 1
        return {"Successful": True, "Errors": []}

    def _at(self, place: int) -> object:
        self._file.seek(place)
        return json.loads(self._file.readline())


@dataclass
class BigBench:
    """The stage between the two, in virtual time."""

    avid: AvidFile
    clock: VirtualClock = field(default_factory=VirtualClock)
    listed: int = 0

    def __post_init__(self) -> None:
        storage = LocalStorage(self.clock)
        storage.tables = ForgetfulTables(storage)
        ensure(storage)
        self.storage = storage
        self.ports = make_ports(self.clock, self, storage)
        settings = Settings(storage_connection="local", key_vault_url="https://test.vault.azure.net", audit_key_secret="audit")
        secrets = PlainSecrets({"secret": "s", "company": "c", "user": "u"})
        self.app = App(self.ports, settings, secrets, PlainAuditKeys(), PlainIdentity(), stages=())
        self.connection = big_connection()

    def send(self, request: HttpRequest) -> HttpResponse:
        """See `sync.http.wire.Transport`."""
        host = urlsplit(request.url).netloc
        if host.startswith("login"):
            said: object = {"access_token": "t", "expires_in": 3_599, "token_type": "Bearer"}
        elif host.startswith("avid"):
            self.clock.advance(seconds=AVID_SECONDS)
            self.listed += request.method == "GET"
            said = self.avid.answer(request)
        else:
            self.clock.advance(seconds=D365_SECONDS)
            said = Company().answer(request)
        return HttpResponse(200, {"content-type": "application/json"}, json.dumps(said).encode())

    def slice(self, total: Report, minutes: float = MINUTES) -> End:
        """One slice; its counts are added."""
        part = Slice(
            connection=self.connection,
            stage="vendors",
            run=self.ports.ids.new(),
            ports=self.ports,
            ledger=self.app.ledger,
            progress=self.app.runs,
            systems=self.app.systems(self.connection),
            deadline=self.clock.now() + timedelta(minutes=minutes),
            beat=lambda: None,
            report=Report(),
        )
        end = vendors.stage().work(part)
        for name, count in part.report.counts.items():
            total.count(name, count)
        return end

    def run(self) -> tuple[dict[str, int], int]:
        """Slices until the stage is done: their counts together, and how many there were."""
        total, slices = Report(), 1
        while self.slice(total) is not End.DONE:
            slices += 1
            assert slices < 100, "it never ends"
        return total.counts, slices


def big_connection(**settings: object) -> Connection:
    """One company, paid at its vendors' remit-to addresses."""
    document = {
        "id": "big",
        "name": "Big",
        "d365": {
            "environment_url": "https://big.operations.dynamics.com",
            "tenant": "t",
            "client_id": "c",
            "sign_in": {"method": "client_secret", "secret": "secret"},
        },
        "avidxchange": {"host": "avid.example", "auth": {"company_token": "company", "user_token": "user"}},
        "companies": [{"id": "big", "accounting_system": "7", "payment_journal": "Pay"}],
        "code_groups": {"MainAccount": "GL Account"},
        "start_from": {"invoices": "2026-01-01", "payments": "2026-01-01"},
        "vendors": {"remit_to_role": "Remit-to", **settings},
    }
    return parse_connection(json.dumps(document))


@pytest.fixture
def bench() -> Iterator[BigBench]:
    with tempfile.TemporaryFile() as file:
        yield BigBench(AvidFile(file))


@pytest.mark.slow
def test_a_hundred_thousand_vendors(bench: BigBench) -> None:
    counts, slices = bench.run()
    assert (counts["read"], counts["sent"], counts["parked"], counts.get("drift", 0)) == (COUNT, COUNT, 0, 0)
    assert (slices > 3, bench.avid.written) == (True, COUNT)
    assert bench.listed >= COUNT // AVID_PAGE, "it was read back"
    bench.clock.advance(minutes=30)
    counts, _ = bench.run()
    assert (counts["read"], counts["sent"], counts["unchanged"], bench.avid.written) == (COUNT, 0, COUNT, COUNT)
    bench.connection = big_connection(leave_out=["phone"])
    total = Report()
    with measured() as peaks:
        assert bench.slice(total, minutes=1) is End.MORE
    assert PAGE <= total.counts["sent"] < COUNT, "a slice that sends, with all that is remembered in memory"
    assert peaks[0] < 150 * MEGABYTE, f"{peaks[0] / MEGABYTE:.0f} MB"


@contextmanager
def measured() -> Iterator[list[int]]:
    """The most memory that was in use at once, in bytes, in the list when it is over."""
    peaks: list[int] = []
    tracemalloc.start()
    try:
        yield peaks
        peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()

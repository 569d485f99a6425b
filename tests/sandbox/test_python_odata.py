"""A client that nobody here wrote reads the sandbox's D365: python-odata, told nothing but the address, over TLS behind the proxy."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urlencode

import pytest
import requests
from odata import ODataService  # type: ignore[import-untyped]  # it comes without annotations
from requests.auth import AuthBase

from sandbox import hosts
from sandbox.entra import ManagedIdentity
from sandbox.network import Network
from sandbox.tls import Sandbox
from tests.sandbox.tiny_d365 import CLIENT, SECRET, TENANT, URL, Tiny

ROWS = 25


@dataclass
class Stage:
    """The environment, its network, and the foreign client with the classes that it made from `$metadata`."""

    tiny: Tiny
    network: Network
    service: ODataService

    def reads(self) -> int:
        """How many requests were made for vendors."""
        return len(self.network.requests(self.tiny.world.host, "GET", "/data/VendorsV3"))


class AllCompanies(AuthBase):
    """Signs every request with a token of Entra ID and lets it see all companies."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["authorization"] = f"Bearer {self._token}"
        if "cross-company" not in str(request.url):
            request.prepare_url(request.url, {"cross-company": "true"})
        return request


def signed_in() -> requests.Session:
    """A session that gets ten rows at a time."""
    session = requests.Session()
    form = {"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": SECRET, "scope": f"{URL}/.default"}
    answer = session.post(
        f"https://{hosts.LOGIN}/{TENANT}/oauth2/v2.0/token",
        data=urlencode(form),
        headers={"content-type": "application/x-www-form-urlencoded"},
        timeout=10,
    )
    session.headers["prefer"] = "odata.maxpagesize=10"
    session.auth = AllCompanies(answer.json()["access_token"])
    return session


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    tiny = Tiny()
    for number in range(ROWS):
        names = {"VendorAccountNumber": f"P-{number:02}", "VendorOrganizationName": f"Ünï {number}"}
        tiny.world.add("VendorsV3", dataAreaId="usmf", **names, CreditLimit=number)
    network = Network(tiny.clock, {hosts.LOGIN: tiny.entra, tiny.world.host: tiny.system})
    identity = ManagedIdentity(tiny.entra, TENANT, "33333333-3333-3333-3333-333333333333")
    with Sandbox(network, identity) as sandbox, pytest.MonkeyPatch.context() as patch:
        for name, value in sandbox.environment().items():
            patch.setenv(name, value)
        with signed_in() as session:
            yield Stage(tiny, network, ODataService(f"{URL}/data/", session=session, reflect_entities=True, quiet_progress=True))


def test_it_makes_a_class_of_every_set(stage: Stage) -> None:
    assert set(stage.service.entities) == {str(row["name"]) for row in _service_document(stage)}
    vendor = stage.service.entities["VendorsV3"]
    keys = [prop.name for _, prop in vendor.__new__(vendor).__odata__.primary_key_properties]
    assert sorted(keys) == ["VendorAccountNumber", "dataAreaId"]


def test_it_pages_to_the_end(stage: Stage) -> None:
    before, vendor = stage.reads(), stage.service.entities["VendorsV3"]
    found = stage.service.query(vendor).filter(vendor.dataAreaId == "usmf").all()
    truth = [row["VendorAccountNumber"] for row in stage.tiny.world.find("VendorsV3", dataAreaId="usmf")]
    assert [row.VendorAccountNumber for row in found] == truth
    assert len(truth) == ROWS + 3
    assert stage.reads() - before == 3


@pytest.mark.parametrize("option", ["$skiptoken", "$skip"])
@pytest.mark.parametrize("form", ["absolute", "relative"])
def test_it_follows_next_links_of_every_form(stage: Stage, form: str, option: str) -> None:
    switches = stage.tiny.world.switches
    switches.next_link = "relative" if form == "relative" else "absolute"
    switches.next_link_option = "$skip" if option == "$skip" else "$skiptoken"
    vendor = stage.service.entities["VendorsV3"]
    assert len(stage.service.query(vendor).all()) == len(stage.tiny.world.rows("VendorsV3"))


def test_it_filters_sorts_selects_and_counts_off(stage: Stage) -> None:
    vendor = stage.service.entities["VendorsV3"]
    query = stage.service.query(vendor).filter(vendor.CreditLimit >= 20).order_by(vendor.VendorAccountNumber.desc())
    query = query.select(vendor.VendorAccountNumber)
    assert [row["VendorAccountNumber"] for row in query.limit(3).all()] == ["P-24", "P-23", "P-22"]
    assert [row["VendorAccountNumber"] for row in query.offset(3).limit(3).all()] == ["P-21", "P-20"]


def test_it_writes_and_reads_back_a_pending_invoice_with_its_line(stage: Stage) -> None:
    header_class, line_class = stage.service.entities["VendorInvoiceHeaders"], stage.service.entities["VendorInvoiceLines"]
    header = header_class()
    header.dataAreaId, header.InvoiceAccount, header.InvoiceNumber = "usmf", "V-1", "BY-HAND"
    stage.service.save(header)
    assert header.HeaderReference == "VIH0000001"
    line = line_class()
    line.dataAreaId, line.HeaderReference, line.MainAccountDisplayValue = "usmf", header.HeaderReference, "600150-001-"
    line.ReceiveNow, line.UnitPrice = Decimal(1), Decimal("12.34")
    stage.service.save(line)
    assert stage.tiny.world.one("VendorInvoiceLines", HeaderReference="VIH0000001")["Amount"] == Decimal("12.34")
    (found,) = stage.service.query(header_class).expand(header_class.VendorInvoiceLine).all()
    assert [item.MainAccountDisplayValue for item in found.VendorInvoiceLine] == ["600150-001-"]


def _service_document(stage: Stage) -> list[dict[str, object]]:
    value = stage.tiny.get("")["value"]
    assert isinstance(value, list)
    return value

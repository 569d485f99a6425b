"""The client of D365 understands every form of answer that contracts/d365-fo.md knows or leaves open, played by the sandbox."""

from collections.abc import Mapping
from decimal import Decimal
from urllib.parse import unquote

import pytest

from sandbox.d365 import D365Switches
from sandbox.faults import busy, gateway
from sandbox.network import Network
from sandbox.simulator.seams import NetworkTransport
from sync.d365.dimensions import escape, split
from sync.d365.entity import typed
from sync.d365.literals import at_least, contains, eq
from sync.d365.reference import CompanyReference
from sync.d365.rows import PendingInvoice, Vendor, VendorTransaction
from sync.d365.wire import Json
from sync.errors import FixConfiguration, FixData, OutcomeUnknown, SyncError, Throttled, TryLater
from tests.d365.support import BASE, HOST, Environment
from tests.http.support import FunctionTransport, PlainAuthorizer
from tests.sandbox.tiny_d365 import CLIENT, TENANT, Tiny

HEADERS = "VendorInvoiceHeaders"
HEADER: Mapping[str, Json] = {"dataAreaId": "usmf", "InvoiceAccount": "V-1", "InvoiceNumber": "A-1"}


class Bearer(PlainAuthorizer):
    """Credentials that stand, whatever is renewed."""

    def __init__(self, tiny: Tiny) -> None:
        super().__init__()
        self._tiny = tiny

    def headers(self) -> Mapping[str, str]:
        """See `sync.http.client.Authorizer`."""
        return {"Authorization": f"Bearer {self._tiny.token}"}


class Stand:
    """The small environment and a client of the product that is signed in to it."""

    def __init__(self) -> None:
        self.tiny = Tiny()
        self.tiny.world.environment_url = BASE
        self.tiny.entra.register_resource(TENANT, BASE)
        self.tiny.token = self.tiny.entra.issue(TENANT, CLIENT, BASE).text
        self.network = Network(self.tiny.clock, {HOST: self.tiny.system})
        self.bearer = Bearer(self.tiny)
        self.client = Environment(FunctionTransport(NetworkTransport(self.network).send), authorizer=self.bearer).client

    @property
    def switches(self) -> D365Switches:
        """How the environment behaves."""
        return self.tiny.world.switches

    def header(self, **more: Json) -> PendingInvoice:
        """A pending invoice without lines."""
        return typed(PendingInvoice, self.client.create(HEADERS, {**HEADER, **more}))


@pytest.fixture
def stand() -> Stand:
    return Stand()


# --- reading ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["empty", "odata", "html"])
def test_a_row_that_is_not_there_is_told_from_a_set_that_is_not(stand: Stand, body: str) -> None:
    stand.switches.missing_row_body = "odata" if body == "odata" else "html" if body == "html" else "empty"
    keys = {"dataAreaId": "usmf", "VendorAccountNumber": "nobody"}
    assert stand.client.get(Vendor.SET, keys) is None
    stand.switches.hidden_sets = frozenset({Vendor.SET})
    with pytest.raises(FixConfiguration, match=Vendor.SET):
        stand.client.get(Vendor.SET, keys)


@pytest.mark.parametrize("body", ["empty", "html"])
def test_a_refused_token_is_renewed_once_and_then_a_matter_of_configuration(stand: Stand, body: str) -> None:
    stand.switches.unauthorized_body = "html" if body == "html" else "empty"
    stand.tiny.entra.revoke()
    with pytest.raises(FixConfiguration, match="List the application"):
        stand.client.count(Vendor.SET)
    assert stand.bearer.number == 2
    assert len(stand.network.requests(HOST)) == 2


def test_names_of_sets_that_samples_use_are_unknown(stand: Stand) -> None:
    for name in ("FinancialDimensions", "FinancialDimensionFormats", "VendorPostalAddresses", "VendorInvoiceJournalHeaders"):
        with pytest.raises(FixConfiguration, match=name):
            list(stand.client.rows(name))


def test_leading_blanks_quotes_and_slashes_of_a_key_arrive(stand: Stand) -> None:
    for account in (" V-1", "A/B'C", "Ä ö+&%"):
        stand.tiny.world.add(Vendor.SET, dataAreaId="usmf", VendorAccountNumber=account, VendorOrganizationName=f"<{account}>")
        row = stand.client.get(Vendor.SET, {"dataAreaId": "usmf", "VendorAccountNumber": account}, select=Vendor.SELECT)
        assert row is not None
        assert typed(Vendor, row).account == account
    found = stand.client.rows(Vendor.SET, where=eq("VendorAccountNumber", " V-1"), company="usmf", select=Vendor.SELECT)
    assert [typed(Vendor, row).account for row in found] == [" V-1"]


def test_contains_and_larger_than_on_numbers(stand: Stand) -> None:
    for key in (9, 10, 5_637_144_577):
        stand.tiny.world.add(VendorTransaction.SET, dataAreaId="usmf", SourceKey=key, Invoice=f"AVX-{key}")
    rows = stand.client.rows(VendorTransaction.SET, where=at_least("SourceKey", 10), company="usmf", select=["SourceKey"])
    assert [row["SourceKey"] for row in rows] == [10, 5_637_144_577]
    rows = stand.client.rows(VendorTransaction.SET, where=contains("Invoice", "X-1"), company="usmf", select=["SourceKey"])
    assert [row["SourceKey"] for row in rows] == [10]


def test_companies_are_compared_without_case(stand: Stand) -> None:
    reference = CompanyReference(stand.client, "USMF", stand.tiny.clock.now.date())
    assert reference.vendor("V-1") is not None
    assert reference.usable_account("600150", stand.tiny.clock.now.date()) is None


def test_an_empty_crawl_of_another_company_is_not_everything(stand: Stand) -> None:
    stand.tiny.world.default_company = "frsi"
    assert stand.client.count(Vendor.SET, company="usmf") == 3
    assert {row["dataAreaId"] for row in stand.client.rows(Vendor.SET, company="usmf")} == {"usmf"}


# --- writing ------------------------------------------------------------------------------------------------------------------------


def test_a_created_row_comes_back_whole_with_its_number(stand: Stand) -> None:
    row = stand.client.create(HEADERS, {**HEADER, "ImportedAmount": Decimal("100.10")})
    assert (row["HeaderReference"], row["TermsOfPayment"], row["ImportedAmount"]) == ("VIH0000001", "Net30", Decimal("100.10"))


@pytest.mark.parametrize("status", [200, 204])
def test_changes_and_deletions_are_done_whatever_status_says_so(stand: Stand, status: int) -> None:
    stand.switches.write_status = 200 if status == 200 else 204
    stand.tiny.world.default_company = "frsi"
    keys = {"dataAreaId": "usmf", "HeaderReference": stand.header().reference}
    stand.client.update(HEADERS, keys, {"Comment": "x"})
    assert stand.tiny.world.one(HEADERS)["Comment"] == "x"
    stand.client.delete(HEADERS, keys)
    assert stand.tiny.world.rows(HEADERS) == []


def test_a_pending_invoice_that_a_user_has_open_is_for_later(stand: Stand) -> None:
    header = stand.header()
    stand.tiny.world.locked_headers.add(("usmf", header.reference))
    with pytest.raises(TryLater, match="in use"):
        stand.client.update(HEADERS, {"dataAreaId": "usmf", "HeaderReference": header.reference}, {"Comment": "x"})


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"InvoiceAccount": "X-9"}, "vendor-missing", "InvoiceAccount"),
        ({"InvoiceNumber": ""}, "field-missing", "InvoiceNumber"),
        ({"Total": 1}, "refused", "Total"),
        ({"DimensionDisplayValue": "001"}, "dimension-segments", "DimensionDisplayValue"),
        ({"TermsOfPayment": "Net31"}, "refused", "TermsOfPayment"),
    ],
)
@pytest.mark.parametrize("labels", ["en", "de"])
def test_a_refusal_names_the_field(stand: Stand, change: Mapping[str, Json], code: str, field: str, labels: str) -> None:
    stand.switches.labels = "de" if labels == "de" else "en"
    with pytest.raises(FixData) as caught:
        stand.client.create(HEADERS, {**HEADER, **change})
    (cause,) = caught.value.causes
    assert (cause.code, cause.field) == (code, field)


@pytest.mark.parametrize("labels", ["en", "de"])
def test_a_missing_key_in_the_other_wording_is_field_missing_too(stand: Stand, labels: str) -> None:
    stand.switches.labels = "de" if labels == "de" else "en"
    with pytest.raises(FixData) as caught:
        stand.client.create("VendorInvoiceLines", {"dataAreaId": "usmf", "HeaderReference": ""})
    (cause,) = caught.value.causes
    assert (cause.code, cause.field) == ("field-missing", "HeaderReference")


def test_a_write_that_is_too_large_parks_and_stores_nothing(stand: Stand) -> None:
    stand.switches.largest_request = 100
    with pytest.raises(SyncError):
        stand.header(Comment="x" * 100)
    assert stand.tiny.world.rows(HEADERS) == []


@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.parametrize("effect", [False, True])
def test_a_gateway_s_page_leaves_a_write_in_doubt_and_a_read_is_sent_again(stand: Stand, status: int, effect: bool) -> None:
    stand.network.faults.add(gateway(status, method="POST", effect=effect), gateway(status, method="GET"))
    with pytest.raises(OutcomeUnknown):
        stand.header()
    assert stand.client.count(HEADERS) == effect


@pytest.mark.parametrize("wait", ["7", "Mon, 02 Mar 2026 08:00:30 GMT", None])
def test_busy_is_for_later_in_every_form(stand: Stand, wait: str | None) -> None:
    stand.network.faults.add(busy(wait, method="POST"))
    with pytest.raises(Throttled):
        stand.header()
    assert stand.client.count(HEADERS) == 0


# --- dimension strings --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backslash", ["escapes", "plain"])
@pytest.mark.parametrize("value", ["0-7", "A--B", "-", "-A", "A-"])
def test_a_value_with_the_delimiter_is_stored_and_reads_back(stand: Stand, value: str, backslash: str) -> None:
    stand.switches.backslash = "plain" if backslash == "plain" else "escapes"
    world = stand.tiny.world
    if world.get("FinancialDimensionValues", FinancialDimension="CostCenter", LegalEntityId="", DimensionValue=value) is None:
        world.add("FinancialDimensionValues", FinancialDimension="CostCenter", DimensionValue=value)
    sent = f"001-{escape(value, '-')}"
    stored = stand.header(DimensionDisplayValue=sent).dimensions
    assert split(stored, "-") == ("001", value)


def test_requests_show_their_keys_as_the_contract_wants_them(stand: Stand) -> None:
    stand.client.get(Vendor.SET, {"dataAreaId": "usmf", "VendorAccountNumber": "O'Neil/1"})
    (exchange,) = stand.network.requests(HOST)
    assert "%2F" in exchange.target
    assert unquote(exchange.target).startswith("/data/VendorsV3(dataAreaId='usmf',VendorAccountNumber='O''Neil/1')?cross-company=true")


def test_an_enum_that_is_null_is_read(stand: Stand) -> None:
    stand.tiny.world.change(Vendor.SET, {"dataAreaId": "usmf", "VendorAccountNumber": "V-1"}, OnHoldStatus=None)
    row = stand.client.get(Vendor.SET, {"dataAreaId": "usmf", "VendorAccountNumber": "V-1"}, select=Vendor.SELECT)
    assert row is not None
    assert typed(Vendor, row).account == "V-1"

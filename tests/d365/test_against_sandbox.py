"""The client, the sign-in and the reference data against the sandbox's D365 and Entra ID: two readings of one contract that must agree."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

import pytest

from sandbox import hosts
from sandbox.faults import Fault
from sandbox.network import Network
from sandbox.simulator.seams import NetworkTransport, PlainIdentity, PlainSecrets, VirtualClock, make_ports
from sandbox.storage import LocalStorage
from sandbox.web import Response
from sync.connections.document import ClientSecret, D365Settings
from sync.d365.auth import EntraAuthorizer
from sync.d365.batch import Operation
from sync.d365.client import D365Client
from sync.d365.dimensions import read_formats
from sync.d365.entity import typed
from sync.d365.errors import AlreadyThere, RowMissing
from sync.d365.literals import at_least, contains, eq
from sync.d365.reference import CompanyReference
from sync.d365.rows import JournalLine, PendingInvoice, PendingInvoiceLine, PostedInvoice, SettledInvoice, Vendor, VendorTransaction
from sync.d365.wire import Json
from sync.errors import FixConfiguration, FixData, OutcomeUnknown, SignInAgain, Throttled, TryLater
from sync.http.client import HttpClient
from sync.values import noon
from tests.http.support import MemoryGates
from tests.sandbox.tiny_d365 import CLIENT, SECRET, TENANT, URL, Tiny

HOST = URL.removeprefix("https://")
HEADERS, LINES = "VendorInvoiceHeaders", "VendorInvoiceLines"
DAY = date(2026, 3, 1)


@dataclass
class Stand:
    """The sandbox's environment and a client of ours for it."""

    tiny: Tiny
    network: Network
    secrets: PlainSecrets
    client: D365Client
    clock: VirtualClock

    def fail(self, fault: Fault) -> None:
        """Plan a fault."""
        self.network.faults.add(fault)

    def header(self, number: str = "A-1", vendor: str = "V-1") -> PendingInvoice:
        """A pending invoice of ours without lines."""
        body: dict[str, Json] = {"dataAreaId": "usmf", "InvoiceAccount": vendor, "InvoiceNumber": number, "InvoiceDate": noon(DAY)}
        return typed(PendingInvoice, self.client.create(HEADERS, {**body, "ImportedAmount": Decimal("100.10")}))


def line(reference: str, number: int, amount: str = "50.05", **changes: Json) -> Operation:
    value = Decimal(amount)
    body: dict[str, Json] = {
        "dataAreaId": "usmf",
        "HeaderReference": reference,
        "InvoiceLineNumber": number,
        "Amount": value,
        "UnitPrice": abs(value),
    }
    tax: dict[str, Json] = {"ReceiveNow": 1, "SalesTaxGroup": "", "ItemSalesTax": ""}
    strings: dict[str, Json] = {"MainAccountDisplayValue": r"600150-001-0\-7", "DimensionDisplayValue": r"001-0\-7"}
    return Operation("POST", LINES, {**body, **tax, **strings, **changes})


@pytest.fixture
def stand() -> Stand:
    tiny, clock = Tiny(), VirtualClock()
    network = Network(clock.now, {HOST: tiny.system, hosts.LOGIN: tiny.entra})
    tiny.entra.now = clock.now
    ports = make_ports(clock, NetworkTransport(network), LocalStorage(clock))
    secrets, gates = PlainSecrets({"d365-secret": SECRET}), MemoryGates()
    settings = D365Settings(
        environment_url=URL, tenant=TENANT, client_id=CLIENT, sign_in=ClientSecret(method="client_secret", secret="d365-secret")
    )
    http = HttpClient(HOST, "D365", ports, gates, EntraAuthorizer(ports, gates, secrets, PlainIdentity(), settings))
    return Stand(tiny, network, secrets, D365Client(http, URL, page_size=2), clock)


# --- reading and signing in -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["absolute", "relative"])
@pytest.mark.parametrize("option", ["$skiptoken", "$skip"])
def test_pages_in_every_form(stand: Stand, form: str, option: str) -> None:
    for number in range(7):
        stand.tiny.world.add("VendorsV3", dataAreaId="usmf", VendorAccountNumber=f"P{number}", VendorOrganizationName=f"Ünï {number}")
    stand.tiny.world.switches.next_link = "relative" if form == "relative" else "absolute"
    stand.tiny.world.switches.next_link_option = "$skip" if option == "$skip" else "$skiptoken"
    found = [typed(Vendor, row) for row in stand.client.rows(Vendor.SET, select=Vendor.SELECT, company="usmf")]
    truth = [row["VendorAccountNumber"] for row in stand.tiny.world.find(Vendor.SET, dataAreaId="usmf")]
    assert sorted(vendor.account for vendor in found) == sorted(str(account) for account in truth)
    assert stand.client.count(Vendor.SET, company="usmf") == len(truth) > 8
    first, *_ = stand.client.pages(Vendor.SET, select=Vendor.SELECT, company="usmf")
    assert sum(len(page.rows) for page in stand.client.pages_from(first.next_link)) == len(truth) - 2


def test_keys_with_quotes_and_slashes(stand: Stand) -> None:
    keys = {"dataAreaId": "usmf", "VendorAccountNumber": "O'Neil/1"}
    row = stand.client.get(Vendor.SET, keys, select=Vendor.SELECT)
    assert row is not None
    assert typed(Vendor, row).account == "O'Neil/1"
    assert stand.client.get(Vendor.SET, {**keys, "VendorAccountNumber": "nobody"}) is None
    found = stand.client.by_keys(Vendor.SET, "VendorAccountNumber", ["o'neil/1", "V-1", "V-2"], company="usmf")
    assert {str(item["VendorAccountNumber"]) for item in found} == {"O'Neil/1", "V-1"}


def test_an_unknown_set_or_field_is_named(stand: Stand) -> None:
    with pytest.raises(FixConfiguration, match="FinancialDimensions"):
        list(stand.client.rows("FinancialDimensions"))
    with pytest.raises(FixConfiguration, match="FinancialDimensions"):
        stand.client.get("FinancialDimensions", {"DimensionName": "x"})
    with pytest.raises(FixConfiguration, match="Foo"):
        list(stand.client.rows(Vendor.SET, where=eq("Foo", "1")))


def test_a_right_that_is_missing(stand: Stand) -> None:
    stand.tiny.world.switches.denied_sets = frozenset({PostedInvoice.SET})
    with pytest.raises(FixConfiguration, match="403"):
        list(stand.client.rows(PostedInvoice.SET, select=PostedInvoice.SELECT))


def test_a_revoked_and_an_expired_token_are_renewed(stand: Stand) -> None:
    assert stand.client.count(Vendor.SET) > 0
    stand.tiny.entra.revoke()
    assert stand.client.count(Vendor.SET) > 0
    stand.clock.advance(hours=2)
    assert stand.client.count(Vendor.SET) > 0
    assert len(stand.network.requests(hosts.LOGIN)) == 3


def test_a_wrong_secret_is_named_and_not_shown(stand: Stand) -> None:
    stand.secrets.values["d365-secret"] = "not-the-secret"
    with pytest.raises(FixConfiguration) as caught:
        stand.client.count(Vendor.SET)
    assert caught.value.field == "d365.sign_in"
    assert "not-the-secret" not in caught.value.sentence + caught.value.detail


# --- reference data -------------------------------------------------------------------------------------------------------------------


def test_formats_and_reference(stand: Stand) -> None:
    formats = read_formats(stand.client)
    assert formats.ledger_string("600150", {"BusinessUnit": "001", "CostCenter": "0-7"}) == r"600150-001-0\-7"
    reference = CompanyReference(stand.client, "usmf", DAY)
    assert reference.usable_account("600150", DAY) is None
    assert reference.usable_account("1", DAY) == "missing"
    assert reference.usable_value("CostCenter", "0-7", DAY) is None
    assert reference.usable_value("CostCenter", "OLD", DAY) == "suspended"
    assert reference.terms == {"Net30"}
    assert reference.vendor("v-1") is not None
    assert reference.bad == []


# --- writing --------------------------------------------------------------------------------------------------------------------------


def test_an_invoice_written_changed_posted(stand: Stand) -> None:
    header = stand.header()
    assert (header.company, header.number, header.day, header.imported_amount) == ("usmf", "A-1", DAY, Decimal("100.10"))
    rows = stand.client.changeset([line(header.reference, number) for number in (1, 2)])
    written = [typed(PendingInvoiceLine, row) for row in rows]
    assert [(item.number, item.amount, item.quantity) for item in written] == [(Decimal(n), Decimal("50.05"), Decimal(1)) for n in (1, 2)]
    assert {read_formats(stand.client).parse(item.main_account) for item in written} == {("600150", "001", "0-7")}
    stand.client.update(HEADERS, {"dataAreaId": "usmf", "HeaderReference": header.reference}, {"Comment": "ours: AVX-7"})
    (found,) = stand.client.rows(HEADERS, where=contains("Comment", "AVX-7"), select=PendingInvoice.SELECT, company="usmf")
    assert typed(PendingInvoice, found).reference == header.reference
    stand.tiny.world.post_invoice("usmf", header.reference)
    (posted,) = stand.client.rows(PostedInvoice.SET, where=at_least("InvoiceDate", DAY), select=PostedInvoice.SELECT, company="usmf")
    assert typed(PostedInvoice, posted).amount == Decimal("100.10")
    (row,) = stand.client.rows(VendorTransaction.SET, where=eq("Invoice", "A-1"), select=VendorTransaction.SELECT, company="usmf")
    transaction = typed(VendorTransaction, row)
    assert (transaction.amount, transaction.remaining, transaction.is_open) == (Decimal("-100.10"), Decimal("100.10"), True)


def test_a_payment_line_and_what_it_settles(stand: Stand) -> None:
    stand.tiny.world.post_invoice("usmf", stand.tiny.invoice())
    batch = stand.tiny.journal()
    account = read_formats(stand.client).escape_account("V-1")
    created = stand.client.create(JournalLine.SET, {**_fields(stand, batch), "AccountDisplayValue": account})
    assert typed(JournalLine, created).debit == Decimal("100.10")
    stand.tiny.post(SettledInvoice.SET, **stand.tiny.settlement_fields(batch))
    (row,) = stand.client.rows(SettledInvoice.SET, where=eq("JournalLineNumber", Decimal(1)), select=SettledInvoice.SELECT)
    settled = typed(SettledInvoice, row)
    assert (settled.journal, settled.line_number, settled.invoice, settled.amount) == (batch, Decimal(1), "A-1", Decimal("100.10"))


def _fields(stand: Stand, batch: str) -> dict[str, Json]:
    fields: dict[str, Json] = {}
    for name, value in stand.tiny.payment_fields(batch).items():
        assert isinstance(value, (str, int, Decimal))
        fields[name] = value
    return fields


def test_a_changeset_is_all_or_nothing(stand: Stand) -> None:
    header = stand.header()
    with pytest.raises(FixData) as caught:
        stand.client.changeset([line(header.reference, 1), line(header.reference, 2, MainAccountDisplayValue="999999-001-")])
    assert caught.value.causes[0].field == "MainAccountDisplayValue"
    assert list(stand.client.rows(LINES, where=eq("HeaderReference", header.reference))) == []
    stand.client.changeset([line(header.reference, 1)])
    with pytest.raises(AlreadyThere):
        stand.client.changeset([line(header.reference, 2), line(header.reference, 1)])


def test_refusals(stand: Stand) -> None:
    with pytest.raises(FixData) as caught:
        stand.header(vendor="NOBODY")
    (cause,) = caught.value.causes
    assert (cause.code, cause.subject, cause.field) == ("vendor-missing", "vendor NOBODY", "InvoiceAccount")
    with pytest.raises(FixData) as caught:
        stand.header(number="")
    assert caught.value.causes[0].code == "field-missing"
    with pytest.raises(FixData, match="Foo"):
        stand.client.create(HEADERS, {"dataAreaId": "usmf", "Foo": 1})
    header = stand.header()
    with pytest.raises(FixData, match="number of dimension values"):
        stand.client.changeset([line(header.reference, 1, MainAccountDisplayValue="600150")])


def test_delete_and_a_row_that_is_gone(stand: Stand) -> None:
    keys = {"dataAreaId": "usmf", "HeaderReference": stand.header().reference}
    stand.client.delete(HEADERS, keys)
    with pytest.raises(RowMissing):
        stand.client.delete(HEADERS, keys)
    with pytest.raises(RowMissing):
        stand.client.update(HEADERS, keys, {"Comment": "x"})


# --- faults ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["drop_reply", "cut_reply", "status_after_effect"])
def test_a_lost_reply_is_unclear_and_the_row_is_there_once(stand: Stand, kind: str) -> None:
    stand.fail(Fault("drop_reply" if kind == "drop_reply" else "cut_reply" if kind == "cut_reply" else "status_after_effect", HOST, "POST"))
    with pytest.raises(OutcomeUnknown):
        stand.header()
    assert len(list(stand.client.rows(HEADERS, where=eq("InvoiceNumber", "A-1"), company="usmf"))) == 1


def test_a_refused_connection_is_tried_again(stand: Stand) -> None:
    assert stand.client.count(Vendor.SET) > 0
    stand.fail(Fault("refuse_connection", HOST, times=2))
    assert stand.header().number == "A-1"


def test_429_outside_and_inside_a_batch(stand: Stand) -> None:
    header = stand.header()
    stand.fail(Fault("status", HOST, "POST", reply=Response(429, {"retry-after": "50"})))
    before = stand.clock.now()
    with pytest.raises(Throttled) as caught:
        stand.client.changeset([line(header.reference, 1)])
    assert caught.value.not_before == before + timedelta(seconds=50)
    assert stand.client.count(LINES) == 0
    assert stand.clock.now() >= before + timedelta(seconds=50)
    stand.tiny.world.switches.throttled_parts = 1
    with pytest.raises(Throttled):
        stand.client.changeset([line(header.reference, 1)])


def test_reads_survive_a_shaky_server(stand: Stand) -> None:
    for fault in (Fault("status", HOST, times=2), Fault("drop_reply", HOST), Fault("cut_reply", HOST)):
        stand.fail(fault)
        assert stand.client.count(Vendor.SET) > 0
    stand.fail(Fault("status", HOST, times=5))
    with pytest.raises(TryLater):
        stand.client.count(Vendor.SET)


def test_a_write_with_a_dead_token_is_looked_up_first(stand: Stand) -> None:
    stand.header("B-1")
    stand.tiny.entra.revoke()
    with pytest.raises(SignInAgain):
        stand.header("B-2")
    assert stand.header("B-2").number == "B-2"

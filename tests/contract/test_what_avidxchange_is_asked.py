"""Every request that AvidXchange gets while everything is moved, and when it gets it (contracts/avidxchange.md)."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from sandbox.avid import AvidSystem, Invoice
from sandbox.faults import Fault
from sandbox.web import Request, Response
from sandbox.worlds.model import ExpectedInvoice
from sync.connections.document import STAGES, parse_connection
from sync.engine.cases import RUNS
from sync.errors import FixConfiguration
from sync.ledger.model import BLOCKS_BATCH, NO_COMPANY, Place, State
from sync.stages.invoices.discovery import invoice_key
from tests.support.deliveries import Firm


@dataclass
class Listening:
    """AvidXchange as it is, with every request kept; `before` is called with each one."""

    system: AvidSystem
    before: Callable[[Request], None] = lambda _: None
    requests: list[Request] = field(default_factory=list)

    def handle(self, request: Request) -> Response:
        """Keep it and answer it."""
        self.requests.append(request)
        self.before(request)
        return self.system.handle(request)


def heard(firm: Firm) -> Listening:
    """The firm's AvidXchange, listening from now on."""
    listening = Listening(AvidSystem(firm.world.avid))
    firm.deployment.network.mount(firm.world.avid.host, listening)
    return listening


@pytest.fixture(scope="module")
def finished() -> tuple[Firm, Listening]:
    """The firm after two cycles."""
    firm = Firm.build()
    listening = heard(firm)
    firm.cycle()
    firm.cycle(minutes=15)
    return firm, listening


@pytest.fixture(scope="module")
def asked(finished: tuple[Firm, Listening]) -> list[Request]:
    """All requests of two cycles."""
    return finished[1].requests


# --- every request -----------------------------------------------------------------------------------------------------------------


def test_requests_go_to_the_configured_host_and_version_and_want_json(asked: list[Request]) -> None:
    assert {request.target.split("/")[1] for request in asked} == {"v1"}
    assert {request.headers["accept"] for request in asked} == {"application/json"}
    assert {request.headers["content-type"] for request in asked if request.method == "POST"} == {"application/json"}


def test_the_host_has_no_default_and_the_version_is_v1() -> None:
    firm = Firm.build()
    stored = firm.app.connections.read(firm.world.connection["id"])
    assert stored is not None
    document = json.loads(stored.text)
    assert "version" not in document["avidxchange"]
    assert parse_connection(json.dumps(document)).avidxchange.version == "v1"
    del document["avidxchange"]["host"]
    with pytest.raises(FixConfiguration, match=r"avidxchange\.host"):
        parse_connection(json.dumps(document))


def test_everything_is_polled_every_15_to_30_minutes_unless_the_customer_says_otherwise() -> None:
    firm = Firm.build()
    stored = firm.app.connections.read(firm.world.connection["id"])
    assert stored is not None
    document = json.loads(stored.text)
    del document["schedules"]
    schedules = parse_connection(json.dumps(document)).schedules
    assert all(15 <= schedules.of(stage).every_minutes <= 30 for stage in STAGES)


def test_nothing_is_ever_deleted_or_patched(asked: list[Request]) -> None:
    assert {request.method for request in asked} == {"GET", "POST"}
    posted = {request.path for request in asked if request.method == "POST"}
    assert posted == {"/v1/vendors", "/v1/enterpriseCodes", "/v1/invoices/batches/exportHistories"}


def test_days_are_written_as_the_contract_has_them_and_windows_are_short(asked: list[Request]) -> None:
    windows = [dict(request.query) for request in asked if re.search(r"closeDateFrom|lastModifiedFrom", request.target)]
    assert len(windows) > 4
    for query in windows:
        first, last = (date.fromisoformat(query[name]) for name in sorted(query) if name.endswith(("From", "To")))
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", query[name]) for name in query if name.endswith(("From", "To")))
        assert timedelta(0) <= last - first < timedelta(days=30)


def test_bank_details_never_leave_d365(finished: tuple[Firm, Listening]) -> None:
    """They are not even read: only named fields of vendors are, and no set of vendors' bank accounts."""
    firm, listening = finished
    read = [one.target for one in firm.deployment.network.requests(firm.world.d365.host, "GET") if "/data/Vendors" in one.target]
    assert len(read) > 2
    assert all("$count" in target or "$select=" in target for target in read)
    assert not any("Bank" in target for target in read)
    sent = [request.body.decode() for request in listening.requests if request.path == "/v1/vendors" and request.method == "POST"]
    assert sent
    assert not any("bank" in body.lower() or "routing" in body.lower() for body in sent)


def test_payments_are_read_again_by_id_right_before_each_is_written(asked: list[Request]) -> None:
    by_id = [request for request in asked if "paymentIds" in request.target]
    assert by_id
    assert all("," not in dict(request.query)["paymentIds"] for request in by_id), "each for itself"


# --- windows ------------------------------------------------------------------------------------------------------------------------


def first_days(listening: Listening, name: str) -> list[date]:
    return [date.fromisoformat(dict(request.query)[name]) for request in listening.requests if name in request.target]


def test_windows_begin_two_days_before_the_last_complete_run() -> None:
    firm = Firm.build()
    firm.cycle()
    listening, now = heard(firm), firm.deployment.clock.now()
    firm.cycle(minutes=15)
    assert {*first_days(listening, "closeDateFrom")} == {*first_days(listening, "lastModifiedFrom")} == {(now - timedelta(days=2)).date()}
    lasts = {dict(request.query).get("closeDateTo") for request in listening.requests if "closeDateTo" in request.target}
    assert lasts == {now.date().isoformat()}, "to today, in UTC"


def test_a_window_reaches_back_to_the_oldest_batch_that_is_not_acknowledged() -> None:
    firm = Firm.build()
    firm.deployment.network.faults.add(Fault("status", method="POST", path="exportHistories", times=10_000))
    firm.cycle()
    first = firm.world.connection["start_from"]
    closed = [batch.date_closed.date() for batch in firm.world.avid.batches.values() if batch.date_closed is not None]
    oldest = min(day for day in closed if day >= first)
    for _ in range(5):
        firm.cycle(minutes=24 * 60)
    listening = heard(firm)
    firm.cycle(minutes=15)
    assert min(first_days(listening, "closeDateFrom")) == oldest < firm.deployment.clock.now().date() - timedelta(days=5)


# --- acknowledgements ---------------------------------------------------------------------------------------------------------------


def test_when_a_batch_is_acknowledged_everything_of_it_is_in_d365_or_parked_with_its_payload() -> None:
    firm = Firm.build()
    listening, seen = heard(firm), list[State]()

    def look(request: Request) -> None:
        if request.path.endswith("exportHistories"):
            batch = firm.world.avid.batches[json.loads(request.body)["BatchId"]]
            place = place_of(firm, batch.accounting_system)
            for invoice in batch.invoices:
                record = firm.app.ledger.get(place, invoice_key(str(batch.accounting_system), str(invoice.id)))
                assert record is not None
                assert str(invoice.id) in firm.app.ledger.text(record.payload)
                assert record.state is not State.PARKED or record.causes
                seen.append(record.state)

    listening.before = look
    firm.cycle()
    assert {State.WRITTEN, State.PARKED} <= {*seen}
    assert not BLOCKS_BATCH & {*seen}


def place_of(firm: Firm, system: int) -> Place:
    facts = firm.world.connection
    company = next(company["id"] for company in facts["companies"] if company["accounting_system"] == system)
    return Place(facts["id"], "invoices", company.lower())


def test_an_acknowledgement_says_what_the_contract_says() -> None:
    firm = Firm.build()
    listening = heard(firm)
    firm.cycle()
    bodies = [json.loads(request.body) for request in listening.requests if request.path.endswith("exportHistories")]
    stamp = firm.deployment.clock.now().strftime("%Y-%m-%dT%H:%M:%S")
    assert bodies
    for body in bodies:
        batch = body.pop("BatchId")
        assert batch in firm.world.avid.batches
        assert body == {"FileId": None, "ExportedByUserId": None, "StartDate": stamp, "EndDate": stamp, "ExportHistoryStatusId": 1}


# --- one resource stops -------------------------------------------------------------------------------------------------------------

NO_PERMISSION = json.dumps({"fault": {"code": 900910, "message": "Forbidden", "description": "No permission"}}).encode()


@pytest.mark.parametrize(
    ("path", "stopped"), [("^/v1/payments", {"payments"}), ("^/v1/vendors", {"vendors"}), ("^/v1/invoices", {"invoices"})]
)
def test_a_403_stops_that_resource_and_says_so(path: str, stopped: set[str]) -> None:
    firm = Firm.build()
    firm.cycle()
    firm.app.ports.blobs.delete("crawls", f"{firm.world.connection['id']}/vendors/tqe")
    reply = Response(403, {"content-type": "application/json"}, NO_PERMISSION)
    firm.deployment.network.faults.add(Fault("status", host=firm.world.avid.host, path=path, times=1_000, reply=reply))
    firm.cycle(minutes=30)
    cases = firm.failures(Place(firm.world.connection["id"], RUNS))
    assert {case.cause.code for case in cases} == {"stage-failed"}
    assert {case.cause.subject.split()[1] for case in cases} == stopped
    assert all("No permission (403)" in case.cause.sentence for case in cases)
    for stage in {*STAGES} - stopped:
        assert firm.app.runs.progress(firm.world.connection["id"], stage, NO_COMPANY).last_error == ""


# --- identity -----------------------------------------------------------------------------------------------------------------------


def changed(firm: Firm, item: ExpectedInvoice, **values: object) -> list[Invoice]:
    return [replace(held, **values) if held.id == item.id else held for held in firm.batch_of(item)]  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize("name", ["number", "vendor_id"])
def test_the_same_id_with_another_number_or_vendor_after_the_write_is_an_exception_and_no_second_write(name: str) -> None:
    firm = Firm.build()
    item = firm.to_write()
    firm.cycle()
    other = next(each for each in firm.world.expected.invoices.values() if each.vendor_account != item.vendor_account)
    writes = len(firm.world.d365.writes)
    firm.close_again(item, changed(firm, item, **{name: "ANOTHER-1" if name == "number" else other.vendor_account}))
    firm.cycle(minutes=15)
    [cause] = firm.record(item).causes
    assert cause.code == "changed-after-write"
    assert ("number" if name == "number" else "vendor") in cause.sentence
    assert len(firm.world.d365.writes) == writes


def test_the_same_vendor_and_number_with_another_id_is_parked_and_names_both() -> None:
    firm = Firm.build()
    item = firm.to_write()
    firm.cycle()
    twin = replace(firm.world.avid.invoice(item.id), id=999_001)
    firm.close_again(item, [*firm.batch_of(item), twin])
    firm.cycle(minutes=15)
    record = firm.app.ledger.get(firm.invoice_place(item), invoice_key(str(item.accounting_system), "999001"))
    assert record is not None
    [cause] = record.causes
    assert (record.state, cause.code) == (State.PARKED, "duplicate-number")
    assert "999001" in cause.sentence
    assert str(item.id) in cause.sentence


def test_a_vendor_with_a_remit_to_suffix_is_the_vendor() -> None:
    firm = Firm.build()
    item = firm.to_write()
    held = firm.batch_of(item)
    held[:] = changed(firm, item, vendor_id=f"{item.vendor_account}|12 Main Street")
    firm.cycle()
    [header] = firm.world.d365.find("VendorInvoiceHeaders", dataAreaId=item.company.lower(), InvoiceNumber=item.number)
    assert header.text("VendorAccount") == item.vendor_account


def test_a_credit_is_written_with_negative_lines() -> None:
    firm = Firm.build()
    item = firm.to_write()
    held = firm.batch_of(item)
    lines = tuple(replace(line, amount=-abs(line.amount)) for line in firm.world.avid.invoice(item.id).distributions)
    held[:] = changed(firm, item, distributions=lines, gross=sum((line.amount for line in lines), Decimal(0)))
    firm.cycle()
    [header] = firm.world.d365.find("VendorInvoiceHeaders", dataAreaId=item.company.lower(), InvoiceNumber=item.number)
    rows = firm.world.d365.find("VendorInvoiceLines", HeaderReference=header["HeaderReference"], dataAreaId=item.company.lower())
    assert sorted(row.amount("Amount") for row in rows) == sorted(line.amount for line in lines)


# --- check numbers ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("own", "other", "counts"), [("000777", "000111", "000777"), ("", "000111", "000111")])
def test_of_two_numbers_of_a_check_avidpay_s_own_counts_and_every_zero_stays(own: str, other: str, counts: str) -> None:
    firm = Firm.build()
    item = next(item for item in firm.world.expected.payments.values() if item.fate.action == "write" and item.check_number)
    payments = firm.world.avid.payments
    payments[item.id] = replace(payments[item.id], avidpay_check_number=own, check_number=other)
    firm.cycle()
    [line] = firm.world.d365.find("VendorPaymentJournalLines", PaymentId=str(item.id))
    assert line.text("CheckNumber") == counts

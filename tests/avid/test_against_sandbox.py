"""The client on the real HTTP client against the sandbox's AvidXchange, in every form that a tenant may have."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Literal

import pytest

from sandbox.avid import AvidSwitches, Batch, Payment, Remittance
from sandbox.avid import Code as SandboxCode
from sandbox.avid import Distribution as SandboxDistribution
from sandbox.avid import Invoice as SandboxInvoice
from sandbox.avid.switches import Auth
from sandbox.faults import Fault
from sandbox.web import Response
from sync.avid.models import Address, AvidInvoice, AvidPayment, AvidVendor, BadRow, ClosedBatch, Code, Coding, PaymentKind, PaymentState
from sync.errors import FixConfiguration, FixData, Throttled
from tests.avid.tenant import AUTHS, HOST, Tenant

FORMS = [
    AvidSwitches(),
    AvidSwitches(page_size=2),
    AvidSwitches(page_size=2, paging="page_number", page_count_name="Pages", ids="text", money="text"),
    AvidSwitches(paging="none", successful="text", timestamp_separator=" ", timestamp_fraction=True),
    AvidSwitches(paging="bare", single_as_object=True, successful="text", remittances="separate"),
]


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> AvidSwitches:
    switches: AvidSwitches = request.param
    return switches


@pytest.fixture(params=AUTHS)
def tenant(request: pytest.FixtureRequest, form: AvidSwitches) -> Iterator[Tenant]:
    auth: Auth = request.param
    made = Tenant(replace(form, auth=auth))
    yield made
    assert made.sign_ins == ([] if auth == "company_user_tokens" else [True])


def vendor(number: int) -> AvidVendor:
    return AvidVendor(
        accounting_system="12",
        external_id=f" V'{number:03d}",
        name=f"Vöndor {number}",
        is_active=number % 2 == 0,
        email="a@b.example",
        terms="Net30",
        address=Address(line1="1 Main St", city="Reno", state="NV", postal_code="00501", country="USA"),
    )


def test_vendors_go_out_and_come_back(tenant: Tenant) -> None:
    tenant.world.add_vendor(13, "ELSEWHERE", "Not ours")
    vendors = [vendor(number) for number in range(5)]
    results = tenant.client.upsert_vendors([*vendors, replace(vendors[0], external_id="TOO-LONG", phone="0" * 21)])
    assert [result.ok for result in results] == [True] * 5 + [False]
    assert results[5].messages == ("PhoneNumber may have at most 20 characters.",)
    assert list(tenant.client.vendors("12")) == vendors


def test_lists_can_be_put_down_after_any_page(tenant: Tenant) -> None:
    vendors = [vendor(number) for number in range(5)]
    tenant.client.upsert_vendors(vendors)
    found: list[AvidVendor | BadRow] = []
    cursor, pages = "", 0
    while (page := next(tenant.client.vendor_pages("12", cursor), None)) is not None:
        found += page.rows
        cursor, pages = page.cursor, pages + 1
        if not cursor:
            break
    assert found == vendors
    assert pages == (3 if tenant.world.switches.page_size == 2 else 1)


def test_codes_go_out_and_come_back(tenant: Tenant) -> None:
    tenant.world.add_code_group(12, "GL", required=True)
    codes = [Code("12", "GL", f"{number:06d}", f"Account {number}", is_active=True) for number in range(5)]
    assert [result.ok for result in tenant.client.upsert_codes("12", "GL", codes)] == [True] * 5
    assert [result.ok for result in tenant.client.upsert_codes("12", "GL", codes[:1])] == [True]
    assert list(tenant.client.codes("12", "GL")) == codes
    assert [(group.name, group.is_required) for group in tenant.client.code_groups("12")] == [("GL", True)]
    assert [system.id for system in tenant.client.accounting_systems()] == ["12", "13"]


def invoice(number: int, moment: datetime) -> SandboxInvoice:
    codes = (SandboxCode("GL", "618160"), SandboxCode("Building", "B-007"))
    line = SandboxDistribution(Decimal("19.99"), "Roof", codes)
    day = date(2026, 2, 1)
    return SandboxInvoice(number, f"INV-{number}", day, day, Decimal("19.99"), "V-1|Main", "Vendor", (line,), moment, account_no="NONE")


def test_batches_their_invoices_and_the_acknowledgement(tenant: Tenant) -> None:
    batch = tenant.world.add_batch(12, [invoice(number, tenant.clock.now()) for number in range(1, 6)])
    today = tenant.clock.now().date()
    (found,) = tenant.client.closed_batches("12", today - timedelta(days=90), today)
    assert isinstance(found, ClosedBatch)
    assert (found.guid, found.invoice_count, found.total, found.date_closed) == (batch.guid, 5, Decimal("99.95"), tenant.clock.now())
    invoices = list(tenant.client.batch_invoices(found))
    assert [row.id for row in invoices] == ["1", "2", "3", "4", "5"]
    first = invoices[0]
    assert isinstance(first, AvidInvoice)
    assert (first.number, first.vendor_id, first.remit_to, first.account_no) == ("INV-1", "V-1", "Main", "")
    assert first.distributions[0].codings == (Coding("GL", "618160"), Coding("Building", "B-007"))
    assert (first.gross, first.invoice_date, first.last_changed) == (Decimal("19.99"), date(2026, 2, 1), tenant.clock.now())
    tenant.client.acknowledge(found, tenant.clock.now())
    (history,) = tenant.world.acknowledgements
    assert (history.batch_guid, history.start) == (batch.guid, tenant.clock.now())


def test_an_acknowledgement_of_a_batch_that_was_opened_again_is_refused(tenant: Tenant) -> None:
    batch: Batch = tenant.world.add_batch(12, [])
    today = tenant.clock.now().date()
    (found,) = tenant.client.closed_batches("12", today, today)
    assert isinstance(found, ClosedBatch)
    tenant.world.reopen_batch(batch.guid)
    with pytest.raises(FixData, match="not closed"):
        tenant.client.acknowledge(found, tenant.clock.now())


def payment(number: int, moment: datetime) -> Payment:
    remittance = Remittance("INV-1", "1", date(2026, 2, 1), Decimal(100), Decimal("0.10"), Decimal("99.90"))
    return Payment(
        number,
        5,
        Decimal("99.90"),
        "Cleared",
        "AvidPay Direct",
        "V-1",
        "Vendor",
        moment,
        (remittance,),
        bank_client_ids=("001",),
        ach_trace_number="021000021234567",
        payment_date=date(2026, 2, 3),
    )


def test_payments_by_window_and_by_id_with_their_remittances(tenant: Tenant) -> None:
    old = datetime(2026, 1, 5, tzinfo=UTC)
    for number in range(1, 4):
        tenant.world.add_payment(payment(number, tenant.clock.now() if number > 1 else old))
    today = tenant.clock.now().date()
    assert [row.id for row in tenant.client.payments(today - timedelta(days=100), today)] == ["1", "2", "3"]
    assert [row.id for row in tenant.client.payments(today, today)] == ["2", "3"]
    (found,) = tenant.client.payments_by_id(["3", "99"])
    assert isinstance(found, AvidPayment)
    assert (found.state, found.kind, found.ach_trace_number) == (PaymentState.SETTLED, PaymentKind.ACH, "021000021234567")
    whole = tenant.client.with_remittances(found)
    assert isinstance(whole, AvidPayment)
    assert [(paid.number, paid.external_id, paid.gross - paid.discount, paid.net) for paid in whole.remittances] == [
        ("INV-1", "1", Decimal("99.90"), Decimal("99.90"))
    ]


def test_an_accounting_system_that_is_not_there_is_a_mistake_of_the_connection() -> None:
    with pytest.raises(FixConfiguration, match="There is no accounting system 99"):
        list(Tenant(AvidSwitches()).client.vendors("99"))


@pytest.mark.parametrize("last_day_included", [True, False])
def test_no_day_of_many_windows_is_left_out(last_day_included: bool) -> None:
    """Where the last day does not count, only today's documents come a day later: the windows of the next day begin before today."""
    tenant = Tenant(AvidSwitches(last_day_included=last_day_included))
    today = tenant.clock.now()
    days = [today - timedelta(days=number) for number in range(100)]
    for number, day in enumerate(days):
        tenant.world.add_payment(payment(number, day))
        tenant.world.add_batch(12, [], day)
    first = days[-1].date()
    payments = [row.id for row in tenant.client.payments(first, today.date())]
    batches = [row.date_closed for row in tenant.client.closed_batches("12", first, today.date()) if isinstance(row, ClosedBatch)]
    missing = 0 if last_day_included else 1
    assert sorted(map(int, payments)) == [*range(missing, 100)]
    assert sorted(filter(None, batches)) == days[missing:][::-1]


@pytest.mark.parametrize("form", ["exception", "fault", "xml", "html"])
def test_a_refusal_says_why_in_every_form(form: Literal["exception", "fault", "xml", "html"]) -> None:
    with pytest.raises(FixConfiguration, match=r"There is no accounting system 99\b"):
        list(Tenant(AvidSwitches(error_bodies=form)).client.vendors("99"))


@pytest.mark.parametrize("in_order", [True, False])
def test_each_item_gets_its_own_result_where_the_profile_says_how_results_come(in_order: bool) -> None:
    tenant = Tenant(AvidSwitches(results_in_order=in_order), capabilities__results_in_order=in_order)
    vendors = [vendor(1), replace(vendor(2), phone="0" * 21), vendor(3)]
    assert [result.ok for result in tenant.client.upsert_vendors(vendors)] == [True, False, True]
    assert len(tenant.world.writes) == 3


@pytest.mark.parametrize("status", [400, 403, 404])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_gateway_s_code_for_too_many_requests_closes_the_gate_whatever_the_status(method: str, status: int) -> None:
    tenant = Tenant(AvidSwitches())
    body = json.dumps({"fault": {"code": 900800, "message": "Message throttled out", "description": "Too many"}}).encode()
    headers = {"content-type": "application/json", "retry-after": "120"}
    tenant.network.faults.add(Fault("status", method=method, reply=Response(status, headers, body)))
    opens = tenant.clock.now() + timedelta(seconds=120)
    with pytest.raises(Throttled) as caught:
        tenant.client.upsert_vendors([vendor(1)]) if method == "POST" else list(tenant.client.vendors("12"))
    assert caught.value.not_before == tenant.gates.not_before(HOST) == opens
    assert len(tenant.sent) == 1

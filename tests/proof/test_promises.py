"""What the connector promises to move, when and in which order; read from the systems' own data, not from the product's word."""

import json
import re
import sys
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest

from sandbox.avid import AvidSwitches
from sandbox.d365 import D365
from sandbox.d365.switches import D365Switches
from sandbox.d365.table import Row
from sandbox.faults import Fault
from sandbox.place import ROOT
from sandbox.runner.functions import TIMER, load_functions
from sandbox.simulator.deployment import Deployment, cycle
from sandbox.web import Request, Response
from sandbox.worlds.firm_setup import COMPANIES
from sandbox.worlds.model import WRITE, World
from sync.engine import schedule
from sync.settings import TIMERS
from tests.proof.virtual import (
    assert_truths_agree,
    deployed_contoso,
    deployed_firm,
    failures,
    post,
    run,
)

HEADERS, LINES = "VendorInvoiceHeaders", "VendorInvoiceLines"
JOURNALS, PAYMENT_LINES, SETTLED = "VendorPaymentJournalHeaders", "VendorPaymentJournalLines", "VendorPaymentJournalLineSettledInvoices"
EAST, WEST = COMPANIES[0], COMPANIES[1]


# --- what moves ------------------------------------------------------------------------------------------------------------------


def test_vendors_go_to_avidxchange(finished: tuple[Deployment, World]) -> None:
    _, world = finished
    systems = {company.area: company.accounting_system for company in COMPANIES}
    for row in world.d365.rows("VendorsV3"):
        there = world.avid.vendors.get((systems[row.text("dataAreaId")], row.text("VendorAccountNumber")))
        if row["OnHoldStatus"] == "No":
            name = row.text("VendorOrganizationName") or f"{row['PersonFirstName']} {row['PersonLastName']}"
            assert there is not None
            assert (there["VendorName"], there["IsActive"]) == (name, True)
        elif row["OnHoldStatus"] == "All" and row.text("VendorHoldReleaseDate").startswith("1900"):
            assert there is None or there["IsActive"] is False
    accounts = {account for _, account in world.avid.vendors}
    assert any(account.startswith(" ") for account in accounts)
    assert any("'" in account for account in accounts)
    assert any(account.count("-") > 1 for account in accounts)
    assert any(not account.isascii() for account in accounts)


def test_gl_accounts_go_to_avidxchange(finished: tuple[Deployment, World]) -> None:
    _, world = finished
    for row in world.d365.rows("MainAccounts"):
        number = row.text("MainAccountId")
        if row["MainAccountType"] == "Expense" and number.startswith("600"):
            for company in COMPANIES:
                code = world.avid.codes[company.accounting_system, "GL Account", number]
                assert (code["EnterpriseCodeValueDescription"], code["IsActive"]) == (row.text("Name")[:50], True)
    for unusable in ("618010", "699999", "699000", "618020", "618030", "618040"):
        assert not is_active(world, EAST.accounting_system, "GL Account", unusable)
    assert not is_active(world, EAST.accounting_system, "GL Account", "618050"), "suspended in this company"
    assert is_active(world, WEST.accounting_system, "GL Account", "618050"), "and only there"


def test_dimensions_go_to_avidxchange(finished: tuple[Deployment, World]) -> None:
    _, world = finished
    for row in world.d365.rows("FinancialDimensionValues"):
        group, value = world.connection["code_groups"][row.text("FinancialDimension")], row.text("DimensionValue")
        if value.startswith("OLD"):
            continue
        for company in COMPANIES:
            owned = row["LegalEntityId"] in ("", company.id)
            assert is_active(world, company.accounting_system, group, value) == owned
    assert not is_active(world, EAST.accounting_system, "Building", "OLD01")
    assert not is_active(world, EAST.accounting_system, "Building", "OLD06"), "suspended in this company"
    assert is_active(world, WEST.accounting_system, "Building", "OLD06"), "and only there"


def is_active(world: World, system: int, group: str, value: str) -> bool:
    code = world.avid.codes.get((system, group, value))
    return code is not None and code["IsActive"] is True


def test_approved_invoices_become_pending_vendor_invoices(finished: tuple[Deployment, World]) -> None:
    _, world = finished
    wanted = [item for item in world.expected.invoices.values() if item.fate == WRITE]
    assert len(wanted) > 3
    assert any(item.gross < 0 for item in wanted), "a credit is among them"
    for item in wanted:
        header = world.d365.one(HEADERS, dataAreaId=item.company, InvoiceAccount=item.invoice_account, InvoiceNumber=item.number)
        lines = lines_of(world, header)
        assert sum((line.amount("Amount") for line in lines), Decimal(0)) == item.gross
        coded = sorted((line.amount("Amount"), line.text("MainAccountDisplayValue")) for line in lines)
        assert coded == sorted((line.amount, line.ledger) for line in item.lines)
    assert len(world.d365.rows(HEADERS)) == len(world.beginning.headers) + len(wanted)


def lines_of(world: World, header: Row) -> list[Row]:
    return world.d365.find(LINES, dataAreaId=header["dataAreaId"], HeaderReference=header["HeaderReference"])


def test_settled_payments_become_journal_lines_with_method_check_number_and_ach_trace(finished: tuple[Deployment, World]) -> None:
    _, world = finished
    wanted = [item for item in world.expected.payments.values() if item.fate == WRITE]
    assert {"AVX-CHK", "AVX-ACH", "AVX-CARD"} <= {item.method for item in wanted}
    for item in wanted:
        line = world.d365.one(PAYMENT_LINES, PaymentId=str(item.id))
        assert (line["PaymentMethodName"], line["CheckNumber"], line["PaymentReference"]) == (
            item.method,
            item.check_number,
            item.reference,
        )
        assert (line.amount("DebitAmount"), line["OffsetAccountDisplayValue"]) == (item.amount, item.bank)
        settled = world.d365.find(SETTLED, JournalBatchNumber=line.text("JournalBatchNumber"), JournalLineCompany=item.company)
        numbers = sorted(row.text("InvoiceNumber") for row in settled if row["JournalLineNumber"] == line["LineNumber"])
        assert numbers == sorted(settlement.number for settlement in item.settlements)
    assert any(item.check_number.startswith("00") for item in wanted), "leading zeros stay"
    assert any(item.reference for item in wanted)
    assert len(world.d365.rows(PAYMENT_LINES)) == len(wanted)


def test_a_payment_lands_on_the_cost_center_of_what_it_pays() -> None:
    deployment, world = deployed_contoso()
    run(deployment)
    assert world.d365.find(PAYMENT_LINES, PaymentId="8001") == [], "its invoice is not posted yet"
    post(world, "usmf", "1001", "AO-20417")
    run(deployment)
    line = world.d365.one(PAYMENT_LINES, PaymentId="8001")
    assert line["DefaultDimensionsForAccountDisplayValue"] == "001-007-022", "business unit, cost center, department of the invoice"
    assert line["DefaultDimensionsForOffsetAccountDisplayValue"] == "001-007-022"
    assert (line["CheckNumber"], line.amount("DebitAmount")) == ("008001", Decimal("184.20"))


# --- when and in which order -----------------------------------------------------------------------------------------------------


def test_schedules_are_in_the_settings() -> None:
    sys.modules.pop("function_app", None)
    timers = [function for function in load_functions(ROOT) if function.kind == TIMER]
    sys.modules.pop("function_app", None)
    assert {function.text("schedule") for function in timers} == {f"%{name}%" for name in TIMERS}

    deployment, world = deployed_contoso()
    deployment.amend(world, lambda document: document.update(schedules={"vendors": {"every_minutes": 30}}))
    app = run(deployment)
    deployment.clock.advance(minutes=10)
    assert schedule.tick(app, "vendors") == []
    deployment.clock.advance(minutes=20)
    assert schedule.tick(app, "vendors") == ["contoso"]

    quiet = {"from_hour": deployment.clock.now().hour, "until_hour": deployment.clock.now().hour + 2}
    deployment.amend(world, lambda document: document.update(schedules={"quiet_hours": quiet}))
    deployment.clock.advance(minutes=40)
    assert schedule.tick(app, "invoices") == []
    deployment.clock.advance(hours=2)
    assert schedule.tick(app, "invoices") == ["contoso"]


def test_vendors_accounts_and_dimensions_come_before_invoices() -> None:
    deployment, world = deployed_firm()
    refused = Fault("status", host=world.avid.host, method="POST", path="^/v1/enterpriseCodes", times=1_000)
    deployment.network.faults.add(refused)
    cycle(deployment, deployment.worker())
    assert len(world.d365.rows(HEADERS)) == len(world.beginning.headers), "AvidXchange has no accounts and no dimensions yet"
    assert world.avid.vendors != world.beginning.vendors, "vendors do not wait for accounts"

    deployment.network.faults.clear()
    run(deployment)
    assert_truths_agree(deployment)
    targets = [exchange.target for exchange in deployment.network.exchanges if exchange.method == "POST"]
    first_invoice = next(index for index, target in enumerate(targets) if target.startswith(f"/data/{HEADERS}"))
    references = [index for index, target in enumerate(targets) if re.match(r"/v1/(vendors|enterpriseCodes)\b", target)]
    assert max(references) < first_invoice


@pytest.mark.parametrize("link", ["absolute", "relative"])
def test_next_links_are_followed_to_the_last_page(link: str) -> None:
    switches = D365Switches(next_link="relative" if link == "relative" else "absolute", page_cap=4)
    deployment, world = deployed_firm(d365_switches=switches, avid_switches=AvidSwitches(page_size=3))
    run(deployment)
    assert len(deployment.network.requests(host=world.d365.host, path="skiptoken")) > 20
    assert_truths_agree(deployment)


def test_a_next_link_to_another_host_gets_no_request_and_no_token() -> None:
    deployment, world = deployed_firm(d365_switches=D365Switches(page_cap=4))
    thief = Listening()
    deployment.network.mount("thief.example", thief)
    deployment.network.mount(world.d365.host, Misleading(D365(world.d365, deployment.entra), world.d365.host, "thief.example"))
    cycle(deployment, deployment.worker())
    assert thief.heard == []
    assert deployment.network.refused == []
    failed = {failure.label: failure.cause.sentence for failure in failures(deployment) if failure.cause.code == "stage-failed"}
    sentence = failed["stage vendors of thornquill"]
    assert "next link" in sentence
    assert "d365.environment_url" in sentence


@dataclass
class Listening:
    """A host that remembers what it was sent."""

    heard: list[Request] = field(default_factory=list)

    def handle(self, request: Request) -> Response:
        """Anything is welcome."""
        self.heard.append(request)
        return Response(200, {"content-type": "application/json"}, b'{"value": []}')


@dataclass
class Misleading:
    """D365 with next links that lead away."""

    system: D365
    host: str
    other: str

    def handle(self, request: Request) -> Response:
        """The system's answer with another host in its link."""
        response = self.system.handle(request)
        if b"@odata.nextLink" not in response.body:
            return response
        document = json.loads(response.body)
        document["@odata.nextLink"] = document["@odata.nextLink"].replace(self.host, self.other)
        return replace(response, body=json.dumps(document).encode())

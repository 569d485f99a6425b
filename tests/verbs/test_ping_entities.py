"""`ping` on entity sets: what `$metadata` says is compared with what the connector reads and writes."""

from datetime import date
from decimal import Decimal

import pytest

from sandbox.d365.metadata import document
from sandbox.faults import Fault
from sandbox.web import Response
from sync.d365.rows import JournalLine, PendingInvoice, PendingInvoiceLine, SettledInvoice
from sync.stages.invoices import target as invoices
from sync.stages.invoices.plan import InvoicePlan, PlannedLine
from sync.stages.payments import target as payments
from sync.stages.payments.plan import PaymentPlan, PlannedSettlement
from sync.verbs.ping_entities import WRITTEN
from tests.verbs.desk import ID, Desk

DAY = date(2026, 3, 2)


def described(desk: Desk, body: bytes, status: int = 200) -> None:
    """`$metadata` is this from now on."""
    reply = Response(status, {"content-type": "application/xml"}, body)
    desk.deployment.network.faults.add(Fault("status", method="GET", path=r"^/data/\$metadata", reply=reply, times=100))


def said(desk: Desk, verdict: str) -> tuple[int, list[str]]:
    """The exit code, and the sentences on the description with this verdict."""
    seen = desk.call("ping", ID, "--json")
    lines = [line for line in seen.document["lines"] if line["part"] == "D365 $metadata"]
    return seen.code, [f"{line['sentence']} {line['remedy']}".strip() for line in lines if line["verdict"] == verdict]


def test_everything_that_is_used_is_described(desk: Desk) -> None:
    code, good = said(desk, "ok")
    assert code == 0
    assert good == ["All 19 entity sets that are used are described, with every field that is read or written."]


def test_a_missing_set_and_a_missing_field_are_a_line_each_with_the_remedy(desk: Desk) -> None:
    body = document(frozenset({"PurchaseOrderHeadersV2"}))
    for name in (b"TransactionText", b"CheckNumber"):
        before = b'<Property Name="' + name + b'" Type="Edm.String"/>'
        assert before in body
        body = body.replace(before, b"")
    described(desk, body)
    code, wrong = said(desk, "not ok")
    assert code == 1
    assert len(wrong) == 2
    assert wrong[0].startswith("The entity set PurchaseOrderHeadersV2 is not in $metadata. Refresh the data entities in D365")
    assert "The entity set VendorPaymentJournalLines lacks the fields TransactionText, CheckNumber, which the connector" in wrong[1]


def test_a_required_field_that_is_not_filled_is_something_to_look_at(desk: Desk) -> None:
    body = document(frozenset())
    start = body.index(b'<EntityType Name="VendorInvoiceHeader"')
    note = b'<Annotation Term="Microsoft.Dynamics.OData.Core.V1.IsRequired" Bool="true"/></Property>'
    for name in (b"InvoiceNumber", b"HeaderReference", b"VendorName"):
        at = body.index(b'<Property Name="' + name + b'"', start)
        end = body.index(b"/>", at)
        body = body[:end] + b">" + note + body[end + 2 :]
    described(desk, body)
    code, look = said(desk, "to look at")
    assert code == 0
    assert len(look) == 1, "what is sent, and what D365 numbers, is filled"
    assert look[0].startswith("The field VendorName of VendorInvoiceHeaders is required, and the connector does not fill it. Make sure")


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 403, "(403)"),
        (b"<html>busy</html>", 200, "XML without entity sets"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a/>', 200, "XML with a document type declaration"),
    ],
)
def test_a_description_that_cannot_be_read_is_no_error(desk: Desk, body: bytes, status: int, says: str) -> None:
    described(desk, body, status)
    code, look = said(desk, "to look at")
    assert code == 0
    assert len(look) == 1
    assert says in look[0]
    assert "14 of 14 entity sets can be read" in desk.call("ping", ID).out


def test_the_list_of_written_fields_is_what_is_sent() -> None:
    line = PlannedLine(number=1, amount=Decimal(1), description="d", main_account="a", values={})
    invoice = InvoicePlan(
        company="c",
        vendor="v",
        invoice_account="v",
        number="n",
        amount=Decimal(1),
        currency="USD",
        invoice_day=DAY,
        posting_day=DAY,
        due_day=DAY,
        terms="t",
        method="m",
        description="d",
        document_number="n",
        comment="c",
        marker="m",
        header_dimensions="d",
        category="c",
        category_hierarchy="h",
        lines=(line,),
    )
    settlement = PlannedSettlement(invoice_account="v", number="n", due_day=DAY, gross=Decimal(1), discount=Decimal(0), net=Decimal(1))
    payment = PaymentPlan(
        payment_id="p",
        company="c",
        journal_name="j",
        bank_account="b",
        currency="USD",
        invoice_account="v",
        account_display="v",
        amount=Decimal(1),
        method="m",
        day=DAY,
        check_number="1",
        reference="r",
        text="t",
        account_dimensions="d",
        offset_dimensions="d",
        marked_invoice="n",
        settlements=(settlement,),
    )
    sent = {
        PendingInvoice.SET: invoices.header_body(invoice),
        PendingInvoiceLine.SET: invoices.line_body(invoice, "r", line),
        JournalLine.SET: payments.line_body(payment, "j", 1),
        SettledInvoice.SET: payments.settlement_body(payment, "j", 1, settlement, (Decimal(1), Decimal(0))),
    }
    assert {name: sorted(body) for name, body in sent.items()} == {name: sorted(WRITTEN[name]) for name in sent}

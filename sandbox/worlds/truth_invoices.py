"""What D365 must hold of AvidXchange's approved invoices: one document each, or none."""

from collections import Counter
from datetime import date
from decimal import Decimal
from typing import TypeAlias

from sandbox.d365.schema import day_of
from sandbox.d365.table import Row
from sandbox.worlds.model import ExpectedInvoice, World
from sandbox.worlds.report import Comparison
from sandbox.worlds.strings import same_string

Key: TypeAlias = tuple[str, str, str]
"""company, InvoiceAccount, invoice number: folded as D365 compares."""


def compare_invoices(world: World, report: Comparison) -> None:
    """Each invoice to be written is there exactly once as it must be; the others are not; what was there before is untouched."""
    pending, posted = _new_pending(world), _new_posted(world)
    wanted = {
        _key(item.company, item.invoice_account, item.number): item
        for item in world.expected.invoices.values()
        if item.fate.action == "write"
    }
    for item in world.expected.invoices.values():
        report.count(f"invoices {item.fate.action}")
    for key, item in wanted.items():
        report.add_expected("invoices", item.company, item.currency, item.gross)
        _compare_one(world, report, item, pending.pop(key, []), posted.pop(key, []))
    for key, rows in [*pending.items(), *posted.items()]:
        report.differ(f"D365 holds {len(rows)} invoice(s) {key[2]} of {key[1]} in {key[0]} that must not be there.")
    _compare_untouched(world, report)


def compare_batches(world: World, report: Comparison) -> None:
    """Every closed batch that is let in has been acknowledged since it was closed."""
    acknowledged = {(ack.batch_guid, ack.date_closed) for ack in world.avid.acknowledgements}
    for batch in world.avid.batches.values():
        if batch.date_closed is None or batch.date_closed.date() < world.connection["start_from"]:
            continue
        report.count("batches acknowledged" if (batch.guid, batch.date_closed) in acknowledged else "batches not acknowledged")
        if (batch.guid, batch.date_closed) not in acknowledged:
            report.differ(f"AvidXchange batch {batch.name} ({batch.guid}) has not been acknowledged.")


def _compare_one(world: World, report: Comparison, item: ExpectedInvoice, pending: list[Row], posted: list[Row]) -> None:
    subject = f"Invoice {item.number} of {item.invoice_account} in {item.company} (AvidXchange {item.id})"
    if len(pending) + len(posted) != 1:
        report.differ(f"{subject} is in D365 {len(pending) + len(posted)} times, expected once.")
    for row in pending:
        report.count("invoices found pending")
        _compare_pending(world, report, item, row, subject)
    for row in posted:
        report.count("invoices found posted")
        report.add_found("invoices", item.company, row.text("CurrencyCode"), row.amount("InvoiceAmount"))
        report.check(subject, "InvoiceAmount", row.amount("InvoiceAmount"), item.gross)
        report.check(subject, "InvoiceDate", day_of(row.text("InvoiceDate")), item.dated)


def _compare_pending(world: World, report: Comparison, item: ExpectedInvoice, row: Row, subject: str) -> None:
    lines = world.d365.find("VendorInvoiceLines", dataAreaId=row["dataAreaId"], HeaderReference=row["HeaderReference"])
    for line in lines:
        report.add_found("invoices", item.company, row.text("Currency"), line.amount("Amount"))
    wanted: dict[str, str | Decimal] = {
        "VendorAccount": item.vendor_account,
        "Currency": item.currency,
        "ImportedAmount": item.gross,
        "MethodOfPayment": world.company(item.company)["invoice_payment_method"],
    }
    for name, value in wanted.items():
        report.check(subject, name, row[name], value)
    for name, day in (("InvoiceDate", item.dated), ("Date", item.posted_on), ("DueDate", item.due)):
        report.check(subject, name, _day(row, name), day)
    if not same_string(row.text("DimensionDisplayValue"), item.header):
        report.check(subject, "DimensionDisplayValue of the header", row["DimensionDisplayValue"], item.header)
    _compare_lines(report, item, lines, subject)


def _compare_lines(report: Comparison, item: ExpectedInvoice, lines: list[Row], subject: str) -> None:
    """Distributions are gross: a line with both tax groups would add tax on top (contracts/d365-fo.md §5)."""
    for line in lines:
        for name in ("SalesTaxGroup", "ItemSalesTax"):
            report.check(f"{subject}, line {line['InvoiceLineNumber']}", name, line[name], "")
    found = Counter((line.amount("Amount"), line.text("MainAccountDisplayValue"), line.text("DimensionDisplayValue")) for line in lines)
    expected = Counter((line.amount, line.ledger, line.default) for line in item.lines)
    for amount, ledger, default in (expected - found).elements():
        report.differ(f"{subject}: the line {amount} on {ledger} with {default} is missing.")
    for amount, ledger, default in (found - expected).elements():
        report.differ(f"{subject}: the line {amount} on {ledger} with {default} must not be there.")


def _compare_untouched(world: World, report: Comparison) -> None:
    for (company, reference), before in world.beginning.headers.items():
        row = world.d365.get("VendorInvoiceHeaders", dataAreaId=company, HeaderReference=reference)
        if row is None or dict(row.stored) != dict(before):
            report.differ(f"The pending invoice {reference} of {company}, entered by hand, is {'gone' if row is None else 'changed'}.")


def _new_pending(world: World) -> dict[Key, list[Row]]:
    rows: dict[Key, list[Row]] = {}
    for row in world.d365.rows("VendorInvoiceHeaders"):
        if (row.text("dataAreaId"), row.text("HeaderReference")) not in world.beginning.headers:
            rows.setdefault(_key(row.text("dataAreaId"), row.text("InvoiceAccount"), row.text("InvoiceNumber")), []).append(row)
    return rows


def _new_posted(world: World) -> dict[Key, list[Row]]:
    rows: dict[Key, list[Row]] = {}
    for row in world.d365.rows("VendInvoiceJourBiEntities"):
        if row["SourceKey"] not in world.beginning.posted:
            rows.setdefault(_key(row.text("dataAreaId"), row.text("InvoiceAccount"), row.text("InvoiceId")), []).append(row)
    return rows


def _key(company: str, account: str, number: str) -> Key:
    return company.casefold(), account.casefold(), number.casefold()


def _day(row: Row, name: str) -> date:
    return day_of(row.text(name))

"""What D365 must hold of AvidXchange's payments: one journal line each with its settlement rows, or none."""

from collections import Counter
from datetime import date
from decimal import Decimal

from sandbox.d365.schema import day_of
from sandbox.d365.table import Row
from sandbox.worlds.model import ExpectedPayment, Settlement, World, line_key
from sandbox.worlds.report import Comparison
from sandbox.worlds.strings import escaped, same_string

LINES = "VendorPaymentJournalLines"
DIMENSION_FIELDS = ("DefaultDimensionsForAccountDisplayValue", "DefaultDimensionsForOffsetAccountDisplayValue")


def compare_payments(world: World, report: Comparison) -> None:
    """Each payment to be written is one journal line as it must be; nothing else is in the journals."""
    lines: dict[str, list[Row]] = {}
    for line in world.d365.rows(LINES):
        if line_key(line) not in world.beginning.lines:
            lines.setdefault(line.text("PaymentId"), []).append(line)
    for payment in world.expected.payments.values():
        report.count(f"payments {payment.fate.action}")
        if payment.fate.action == "write":
            report.add_expected("payments", payment.company, payment.currency, payment.amount)
            _compare_one(world, report, payment, lines.pop(str(payment.id), []))
    for payment_id, rows in lines.items():
        report.differ(f"D365's journals hold {len(rows)} line(s) with PaymentId '{payment_id}' that must not be there.")
    _compare_journals(world, report)


def _compare_one(world: World, report: Comparison, payment: ExpectedPayment, lines: list[Row]) -> None:
    subject = f"Payment {payment.id} in {payment.company}"
    if len(lines) != 1:
        report.differ(f"{subject} has {len(lines)} journal lines, expected one.")
    for line in lines:
        report.count("payments found")
        report.add_found(
            "payments", line.text("dataAreaId"), line.text("CurrencyCode"), line.amount("DebitAmount") - line.amount("CreditAmount")
        )
        _compare_line(report, payment, line, subject)
        _compare_settlements(world, report, payment, line, subject)


def _compare_line(report: Comparison, payment: ExpectedPayment, line: Row, subject: str) -> None:
    wanted: dict[str, str | Decimal] = {
        "dataAreaId": payment.company,
        "AccountType": "Vend",
        "AccountDisplayValue": escaped(payment.account),
        "OffsetAccountType": "Bank",
        "OffsetAccountDisplayValue": escaped(payment.bank),
        "DebitAmount": payment.amount,
        "CreditAmount": Decimal(0),
        "CurrencyCode": payment.currency,
        "PaymentMethodName": payment.method,
        "CheckNumber": payment.check_number,
        "PaymentReference": payment.reference,
    }
    for name, value in wanted.items():
        report.check(subject, name, line[name], value)
    report.check(subject, "TransactionDate", day_of(line.text("TransactionDate")), payment.dated)
    for name in DIMENSION_FIELDS:
        if not same_string(line.text(name), payment.dimensions):
            report.check(subject, name, line[name], payment.dimensions)


def _compare_settlements(world: World, report: Comparison, payment: ExpectedPayment, line: Row, subject: str) -> None:
    """Amounts and signs as the environment's switches read them; posted lines of an environment that removes the rows are passed over."""
    journal = _journal(world, line)
    if journal is not None and journal["IsPosted"] == "Yes" and world.d365.switches.settled_rows_after_posting == "remove":
        return
    rows = [
        row
        for row in world.d365.find("VendorPaymentJournalLineSettledInvoices", JournalBatchNumber=line.text("JournalBatchNumber"))
        if row["JournalLineNumber"] == line["LineNumber"] and row.text("JournalLineCompany").lower() == payment.company
    ]
    found = Counter(_settled(row) for row in rows)
    wanted = Counter(_wanted(world, settlement) for settlement in payment.settlements)
    for number, due, amount, discount in (wanted - found).elements():
        report.differ(f"{subject}: the settlement of {number!r} due {due} with {amount} and discount {discount} is missing.")
    for number, due, amount, discount in (found - wanted).elements():
        report.differ(f"{subject}: the settlement of {number!r} due {due} with {amount} and discount {discount} must not be there.")


def _settled(row: Row) -> tuple[str, date, Decimal, Decimal]:
    amount, discount = row.amount("SettlementAmountInInvoiceCurrency"), row.amount("CashDiscountToTakeInInvoiceCurrency")
    return row.text("InvoiceNumber"), day_of(row.text("InvoiceDueDate")), amount, abs(discount)


def _wanted(world: World, settlement: Settlement) -> tuple[str, date, Decimal, Decimal]:
    switches = world.d365.switches
    amount = settlement.gross if switches.settlement_amount == "gross" else settlement.net
    signed = amount if switches.settlement_sign == "as_payment" else -amount
    return settlement.number, settlement.due, signed, abs(settlement.discount)


def _compare_journals(world: World, report: Comparison) -> None:
    used = {(line.text("dataAreaId"), line.text("JournalBatchNumber")) for line in world.d365.rows(LINES)}
    for journal in world.d365.rows("VendorPaymentJournalHeaders"):
        company, batch = journal.text("dataAreaId"), journal.text("JournalBatchNumber")
        report.count("journals")
        report.check(f"Journal {batch} of {company}", "JournalName", journal["JournalName"], world.company(company)["payment_journal"])
        if (company, batch) not in used:
            report.differ(f"Journal {batch} of {company} has no lines.")


def _journal(world: World, line: Row) -> Row | None:
    return world.d365.get("VendorPaymentJournalHeaders", dataAreaId=line["dataAreaId"], JournalBatchNumber=line["JournalBatchNumber"])

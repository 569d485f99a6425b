"""Reading a written payment back (design §3.5): a cut value is a failure, the settlement rows are the truth."""

from collections.abc import Callable
from decimal import Decimal

from sync.causes import Cause
from sync.d365.rows import JournalLine, SettledInvoice
from sync.stages.payments.plan import PaymentPlan, PlannedSettlement
from sync.values import fold, money_text

Difference = tuple[str, str, str]


Stated = Callable[[PlannedSettlement], tuple[Decimal, Decimal]]
"""A settlement's amount and discount as the environment reads them."""


def differences(plan: PaymentPlan, line: JournalLine | None, settled: list[SettledInvoice], stated: Stated) -> tuple[Cause, ...]:
    """What D365 stored otherwise than was sent, one cause per field."""
    found = [("line", "written", "missing")] if line is None else _line(plan, line)
    there = {(fold(row.invoice_account), row.invoice): row for row in settled}
    for item in plan.settlements:
        row = there.get((fold(item.invoice_account), item.number))
        if row is None:
            found.append((f"settlement of invoice {item.number}", "marked", "not marked"))
        else:
            found += _settlement(item, row, stated(item))
    planned = {(fold(item.invoice_account), item.number) for item in plan.settlements}
    found += [(f"settlement of invoice {key[1]}", "not marked", "marked") for key in sorted(there.keys() - planned)]
    return tuple(_cause(plan, field, sent, kept) for field, sent, kept in found)


def _settlement(item: PlannedSettlement, row: SettledInvoice, stated: tuple[Decimal, Decimal]) -> list[Difference]:
    amount, discount = stated
    pairs = [
        (f"settlement of invoice {item.number}", money_text(amount), money_text(row.amount)),
        (f"discount of invoice {item.number}", money_text(discount), money_text(row.discount)),
        (f"due date of invoice {item.number}", str(item.due_day), str(row.due_day)),
    ]
    return [pair for pair in pairs if pair[1] != pair[2]]


def _line(plan: PaymentPlan, line: JournalLine) -> list[Difference]:
    pairs = [
        ("AccountDisplayValue", fold(plan.account_display), fold(line.account)),
        ("DebitAmount", money_text(plan.amount), money_text(line.debit)),
        ("CreditAmount", money_text(Decimal(0)), money_text(line.credit)),
        ("CurrencyCode", plan.currency, line.currency),
        ("TransactionDate", str(plan.day), str(line.day)),
        ("TransactionText", plan.text, line.text),
        ("PaymentId", plan.payment_id, line.payment_id),
        ("CheckNumber", plan.check_number, line.check_number),
        ("PaymentReference", plan.reference, line.payment_reference),
        ("PaymentMethodName", plan.method, line.payment_method),
        ("OffsetAccountDisplayValue", plan.bank_account, line.offset_account),
    ]
    chosen = [
        ("DefaultDimensionsForAccountDisplayValue", plan.account_dimensions, line.account_dimensions),
        ("DefaultDimensionsForOffsetAccountDisplayValue", plan.offset_dimensions, line.offset_dimensions),
    ]
    return [pair for pair in pairs + [pair for pair in chosen if pair[1]] if pair[1] != pair[2]]


def _cause(plan: PaymentPlan, field: str, sent: str, kept: str) -> Cause:
    sentence = f"Payment {plan.payment_id}, {field}: sent {sent or '(blank)'}, D365 holds {kept or '(blank)'}."
    return Cause("written-differs", f"payment {plan.payment_id}", sentence, field)

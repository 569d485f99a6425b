"""What a person must know of a written payment that moves afterwards (contracts/avidxchange.md §3, Payments).

Settling is the one move that is expected. Nothing is ever deleted or reversed by us.
"""

from typing import Final

from sync.avid.models import AvidPayment, PaymentState
from sync.avid.profile import Profile
from sync.causes import Cause
from sync.ledger.model import NewRecord, Record, State
from sync.stages.payments.checks import reasons_text
from sync.stages.payments.target import JOURNAL

CODE: Final = "payment-reversed"
COMPARED: Final = {"amount": "amount", "currency": "currency", "method": "method", "vendor": "supplier"}
"""The facts that make another payment of it, with their names for a person."""
MOVED_BACK: Final = frozenset({PaymentState.VOIDED, PaymentState.ERROR, PaymentState.UNKNOWN, PaymentState.PENDING, PaymentState.IN_FLIGHT})


def causes_of_moves(record: Record, document: NewRecord, payment: AvidPayment, profile: Profile) -> tuple[Cause, ...]:
    """One cause that says all in which the payment is no longer what was written; none when it only went on as expected."""
    old, new = record.facts, document.facts
    moved = [f"{said} {old.get(name, '')} → {new.get(name, '')}" for name, said in COMPARED.items() if old.get(name) != new.get(name)]
    if _moved_back(payment, profile.payment_state(old.get("status", ""))):
        reasons = f", {reasons_text(payment)}" if payment.state is PaymentState.ERROR else ""
        moved.append(f"status {old.get('status', '')} → {payment.status}{reasons}")
    if not moved:
        return ()
    return (_cause(record, f"{record.label} moved in AvidXchange after it was written ({', '.join(moved)})"),)


def _moved_back(payment: AvidPayment, before: PaymentState) -> bool:
    """Voided, failed, unknown or not paid yet; and what had settled is on its way again when the money came back."""
    return payment.state in MOVED_BACK or (before is PaymentState.SETTLED and payment.state is PaymentState.ISSUED)


def restated(record: Record) -> tuple[Cause, ...]:
    """The same causes once the journal is posted."""
    return tuple(_cause(record, cause.sentence.rpartition("; ")[0], posted=True) for cause in record.causes if cause.code == CODE)


def _cause(record: Record, moved: str, *, posted: bool = False) -> Cause:
    return Cause(CODE, record.label, f"{moved}; {_where(record, posted=posted or record.state is State.POSTED)}.")


def _where(record: Record, *, posted: bool) -> str:
    """Where the payment stands in D365: the person's next step depends on whether it is posted."""
    if record.state is State.ADOPTED:
        return f"it was entered in D365 by hand ({record.progress.get('adopted', '')})"
    if record.state is State.RESOLVED:
        return "its case had been closed here by a person"
    return f"its journal {record.progress.get(JOURNAL) or '(number not known)'} is {'posted' if posted else 'not posted'}"

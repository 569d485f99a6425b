"""What a payment line settles: its rows, written after it, once more when D365 left one away, and late when a mark was in the way."""

from collections.abc import Mapping, Sequence
from typing import Final

from sync.engine.delivery import Found, Nothing, Sight
from sync.errors import FixData
from sync.ledger.model import Record
from sync.stages.payments.plan import PaymentPlan, PlannedSettlement
from sync.stages.payments.readback import differences
from sync.stages.payments.target import JOURNAL, LINE, PaymentTarget
from sync.values import fold

MARKED_ELSEWHERE: Final = "marked-elsewhere"


class SettlementsPiece:
    """One settlement row per remittance, under one intent; rows that are there are not sent again."""

    name = "settlements"

    def __init__(self, target: PaymentTarget, plan: PaymentPlan) -> None:
        self._target = target
        self._plan = plan

    def look(self, record: Record) -> Sight:
        """Found when every row is there; a posted line has settled already."""
        return Found() if record.progress.get("posted") or not self.missing(record) else Nothing()

    def send(self, record: Record) -> Mapping[str, str]:
        """Write the missing rows, one after another."""
        for item in self.missing(record):
            self._target.create_settlement(self._plan, record.progress[JOURNAL], int(record.progress[LINE]), item)
        return {}

    def missing(self, record: Record) -> Sequence[PlannedSettlement]:
        """The rows D365 does not hold. The number must match exactly, blanks included."""
        there = {
            (fold(row.invoice_account), row.invoice)
            for row in self._target.settled(self._plan.company, record.progress[JOURNAL], int(record.progress[LINE]))
        }
        return [item for item in self._plan.settlements if (fold(item.invoice_account), item.number) not in there]


class LateSettlements(SettlementsPiece):
    """The rows that another journal's mark kept away, tried again beside the written line, and read back."""

    name = "late settlements"

    def send(self, record: Record) -> Mapping[str, str]:
        """Write the missing rows; FixData names what still differs."""
        super().send(record)
        journal, number = record.progress[JOURNAL], int(record.progress[LINE])
        lines = self._target.lines(self._plan.company, journal, number, self._plan.payment_id)
        line = next((item for item in lines if item.journal == journal and item.number == number), None)
        causes = differences(self._plan, line, self._target.settled(self._plan.company, journal, number), self._target.stated)
        if causes:
            raise FixData(causes)
        return {}

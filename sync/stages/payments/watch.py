"""What became of written payments in D365: posted with their journal, waiting, or deleted by a person (contracts/d365-fo.md §6)."""

from collections.abc import Iterator, Sequence

from sync.causes import Cause
from sync.engine.delivery import Noticed, Posted
from sync.ledger.model import Record
from sync.stages.payments.moves import restated
from sync.stages.payments.target import JOURNAL, PaymentTarget


def by_company(records: Sequence[Record]) -> dict[str, list[Record]]:
    """The records by the company they were written in."""
    grouped: dict[str, list[Record]] = {}
    for record in records:
        grouped.setdefault(record.facts["company"], []).append(record)
    return grouped


class Watch:
    """Some written payments of one company."""

    def __init__(self, target: PaymentTarget, company: str, records: Sequence[Record]) -> None:
        self._target = target
        self._company = company
        self._records = records
        self._journals: dict[str, bool] = {}

    def seen(self) -> Iterator[Posted | Noticed]:
        """Lines are asked for first, so that a journal that is posted in between shows as posted."""
        waiting = [record for record in self._records if not record.progress.get("posted")]
        lines = self._target.lines_of(self._company, [record.source_id for record in waiting])
        there = {(line.journal, line.payment_id) for line in lines}
        for record in self._records:
            journal = record.progress.get(JOURNAL, "")
            if record.progress.get("posted") or self._is_posted(journal):
                yield Posted(record, f"Posted in D365 with journal {journal or '(unknown)'}.", restated(record))
            elif (journal, record.source_id) in there:
                yield Noticed(record, f"Its line in journal {journal} is there.", _others(record))
            else:
                yield self._gone(record, journal)

    def _is_posted(self, journal: str) -> bool:
        if journal not in self._journals:
            header = self._target.journal(self._company, journal)
            self._journals[journal] = header is not None and header.is_posted
        return self._journals[journal]

    def _gone(self, record: Record, journal: str) -> Posted | Noticed:
        """Not in its journal any more: moved and posted elsewhere, or deleted."""
        if self._target.paid(self._company, record.source_id):
            return Posted(record, "Posted in D365 with another journal.", restated(record))
        sentence = f"{record.label}: its line in journal {journal} is neither there nor posted in D365 any more; it is not written again."
        return Noticed(record, sentence, (*_others(record), Cause("written-gone", record.label, sentence, "JournalBatchNumber")))


def _others(record: Record) -> tuple[Cause, ...]:
    return tuple(cause for cause in record.causes if cause.code != "written-gone")

"""Our payment journals: one per company, journal name, bank account, currency and day (or run), until it is full or posted; then a new one.

A journal is found again by the marker in its description, so that a lost reply never leaves two. Its row `j:<key>:<number>` in the
payments' partition holds the next line number, which a payment takes in the same transaction as its claim (contracts/d365-fo.md §6).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sync.connections.document import JournalPer
from sync.engine.delivery import Reservation
from sync.engine.model import Slice
from sync.errors import Blocked, FixData, OutcomeUnknown, SignInAgain, TryLater
from sync.ledger.model import Place, Record
from sync.stages.payments.plan import PaymentPlan
from sync.stages.payments.target import JOURNAL, LINE, PaymentTarget
from sync.storage.model import Insert, Replace, Row, Value
from sync.storage.names import LEDGER
from sync.values import digest, utc_moment, utc_text

MARKER: Final = "AVX"


@dataclass(frozen=True)
class Journal:
    """One journal of ours. `batch` is D365's number, "" until it is known; `closed` when nothing is added to it any more."""

    key: str
    number: int
    company: str
    name: str
    marker: str
    batch: str = ""
    next_line: int = 1
    sent_at: datetime | None = None
    looked_at: datetime | None = None
    """When the first look that counts found nothing: the second must lie apart from it."""
    closed: bool = False
    etag: str = ""

    @property
    def row_key(self) -> str:
        """Where it stands in the partition."""
        return f"j:{self.key}:{self.number:04d}"

    @property
    def description(self) -> str:
        """What D365 shows; the marker first, so that a cut text keeps it."""
        return f"{self.marker} AvidXchange payments"


class JournalBook:
    """The journals of one connection."""

    def __init__(self, slice_: Slice, place: Place, target: PaymentTarget) -> None:
        self._slice = slice_
        self._place = place
        self._target = target
        self._refused: dict[str, FixData] = {}
        """Journals that D365 refused in this slice, by marker: the payments of one bank account ask for it once."""

    def reserve(self, record: Record, plan: PaymentPlan) -> Reservation:
        """The journal and line number of a payment, fixed with its claim. What is fixed already stays, as long as it can be used.

        A number that a person's own line has taken is passed over.
        """
        if self._has_its_place(record, plan):
            return Reservation()
        journal = self._open(plan)
        number = journal.next_line
        while self._target.is_taken(plan.company, journal.batch, number):
            number += 1
        taken = replace(journal, next_line=number + 1)
        return Reservation({JOURNAL: journal.batch, LINE: str(number)}, (Replace(self._row(taken)),))

    def _has_its_place(self, record: Record, plan: PaymentPlan) -> bool:
        """Whether the place of an earlier claim is still good. It is asked right after a look that did not find the payment there."""
        batch, line = record.progress.get(JOURNAL, ""), record.progress.get(LINE, "")
        if not batch or not line:
            return False
        header = self._target.journal(plan.company, batch)
        return header is not None and not header.is_posted and not self._target.is_taken(plan.company, batch, int(line))

    def _open(self, plan: PaymentPlan) -> Journal:
        """The journal that takes this payment: known, in D365, not posted, not full. Raises Blocked while its outcome is unknown."""
        journal = self._last(plan)
        while True:
            if journal.closed or journal.next_line > self._slice.connection.policies.journal_lines:
                journal = self._next(journal)
            elif not journal.batch:
                journal = self._find_or_create(journal)
            else:
                header = self._target.journal(journal.company, journal.batch)
                if header is not None and not header.is_posted:
                    return journal
                journal = self._save(replace(journal, closed=True))

    def _last(self, plan: PaymentPlan) -> Journal:
        per_day = self._slice.connection.policies.journal_per is JournalPer.DAY
        since = self._slice.ports.clock.now().date().isoformat() if per_day else self._slice.run
        key = digest(self._slice.connection.id, plan.company, plan.journal_name, plan.bank_account, plan.currency, since)
        prefix = f"j:{key}:"
        rows = list(self._slice.ports.tables.scan(LEDGER, self._place.partition, prefix, prefix + "~"))
        return _journal(rows[-1]) if rows else self._new(key, 1, plan.company, plan.journal_name)

    def _next(self, journal: Journal) -> Journal:
        return self._new(journal.key, journal.number + 1, journal.company, journal.name)

    def _new(self, key: str, number: int, company: str, name: str) -> Journal:
        marker = f"{MARKER} {digest(key, str(number))[:16]}"
        return self._save(Journal(key, number, company, name, marker))

    # --- its header --------------------------------------------------------------------------------------------------------------

    def _find_or_create(self, journal: Journal) -> Journal:
        found = self._found(journal)
        if found is not None:
            return found
        journal = self._believe_absence(journal) if journal.sent_at is not None else journal
        refusal = self._refused.get(journal.marker)
        if refusal is not None:
            raise refusal
        return self._create(self._save(replace(journal, sent_at=self._now(), looked_at=None)))

    def _create(self, journal: Journal) -> Journal:
        """Send the header once. What surely was not written is free to be sent again; what may have been is looked for."""
        try:
            batch = self._target.create_journal(journal.company, journal.name, journal.description)
        except OutcomeUnknown as error:
            found = self._found(journal)
            if found is not None:
                return found
            sentence = f"It is not known whether the journal {journal.marker} was written: {error.sentence}"
            raise Blocked(sentence, delay=self._settle.total_seconds()) from error
        except FixData as error:
            self._refused[journal.marker] = error
            self._save(replace(journal, sent_at=None))
            raise
        except SignInAgain as error:
            self._save(replace(journal, sent_at=None))
            raise Blocked(error.sentence, delay=0) from error
        except TryLater:
            self._save(replace(journal, sent_at=None))
            raise
        return self._save(replace(journal, batch=batch, sent_at=None))

    def _found(self, journal: Journal) -> Journal | None:
        headers = self._target.journals(journal.company, journal.marker)
        return self._save(replace(journal, batch=headers[0].number, sent_at=None)) if headers else None

    def _believe_absence(self, journal: Journal) -> Journal:
        """Not found counts when the settle time has passed, on two looks (design §3.4)."""
        assert journal.sent_at is not None
        left = journal.sent_at + self._settle - self._now()
        if left > timedelta(0):
            raise Blocked(f"It is not known yet whether the journal {journal.marker} was written.", delay=left.total_seconds())
        if journal.looked_at is None:
            journal = self._save(replace(journal, looked_at=self._now()))
        assert journal.looked_at is not None
        apart = journal.looked_at + self._settle / 4 - self._now()
        if apart > timedelta(0):  # several payments ask for one journal: their looks right after each other are one
            raise Blocked(f"The journal {journal.marker} was not found; the next look decides.", delay=apart.total_seconds())
        return journal

    # --- storage -----------------------------------------------------------------------------------------------------------------

    def _save(self, journal: Journal) -> Journal:
        row = self._row(journal)
        etags = self._slice.ports.tables.commit(LEDGER, self._place.partition, [Replace(row) if row.etag else Insert(row)])
        return replace(journal, etag=etags[row.key])

    def _row(self, journal: Journal) -> Row:
        values: dict[str, Value] = {
            "Key": journal.key,
            "Number": journal.number,
            "Company": journal.company,
            "Name": journal.name,
            "Marker": journal.marker,
            "Batch": journal.batch,
            "NextLine": journal.next_line,
            "SentAt": utc_text(journal.sent_at) if journal.sent_at else "",
            "LookedAt": utc_text(journal.looked_at) if journal.looked_at else "",
            "Closed": journal.closed,
        }
        return Row(self._place.partition, journal.row_key, values, journal.etag)

    @property
    def _settle(self) -> timedelta:
        return timedelta(minutes=self._slice.connection.policies.unknown_settle_minutes)

    def _now(self) -> datetime:
        return self._slice.ports.clock.now()


def _journal(row: Row) -> Journal:
    values = row.values
    sent_at, looked_at = str(values["SentAt"]), str(values.get("LookedAt", ""))
    return Journal(
        key=str(values["Key"]),
        number=int(str(values["Number"])),
        company=str(values["Company"]),
        name=str(values["Name"]),
        marker=str(values["Marker"]),
        batch=str(values["Batch"]),
        next_line=int(str(values["NextLine"])),
        sent_at=utc_moment(sent_at) if sent_at else None,
        looked_at=utc_moment(looked_at) if looked_at else None,
        closed=bool(values["Closed"]),
        etag=row.etag,
    )

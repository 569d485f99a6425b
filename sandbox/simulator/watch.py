"""The invariants of docs/design.md §3, looked at after every step from outside the product.

A `Watch` is told of every request, its end and every operation on the storage. What it knows of the product it reads from the storage;
what is true it reads from the systems' worlds. The first thing that is wrong ends the simulation.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from urllib.parse import unquote_plus, urlsplit

from sandbox.d365.world import Write
from sandbox.simulator.crew import Process
from sandbox.storage import LocalTables, Operation
from sandbox.worlds.model import World
from sync.http.wire import HttpRequest
from sync.ledger.model import BLOCKS_BATCH, State
from sync.storage.model import Delete, Insert, Row, Value
from sync.values import utc_moment

HEADERS: Final = "VendorInvoiceHeaders"
JOURNALS: Final = "VendorPaymentJournalHeaders"
PAYMENT_LINES: Final = "VendorPaymentJournalLines"
SETTLED: Final = "VendorPaymentJournalLineSettledInvoices"
BATCH: Final = "$batch"
WATCHED: Final = (HEADERS, BATCH, JOURNALS, PAYMENT_LINES, SETTLED)
SETTLE: Final = timedelta(minutes=15)
APART: Final = timedelta(minutes=1)
"""Two requests of one look are not two looks."""
FRESH: Final = timedelta(seconds=1)
WRITTEN: Final = frozenset({State.WRITTEN, State.POSTED, State.ADOPTED})
NEVER_AFTER: Final = frozenset({State.FOUND, State.PARKED, State.RETRYING, State.CLAIMED, State.UNKNOWN, State.WITHDRAWN})
"""States that a document in the target never gets again."""


class Violation(AssertionError):
    """Something that must never be, is. The text says what, in a sentence; `kind` groups it for the report."""

    def __init__(self, kind: str, sentence: str) -> None:
        super().__init__(f"{kind}: {sentence}")
        self.kind = kind


@dataclass
class Attempt:
    """The last time that something was about to be sent, how it ended, and when it was looked for since."""

    at: datetime
    unclear: bool = True
    not_sent: bool = False
    looks: list[datetime] = field(default_factory=list)


@dataclass
class Watch:
    """The watch over one deployment. `now` is the true time."""

    now: Callable[[], datetime]
    world: World
    tables: LocalTables
    secrets: dict[str, frozenset[str]]
    """Every secret value, with the hosts to which it may go."""
    clocks_are_right: Callable[[], bool]
    records: dict[tuple[str, str], Row] = field(default_factory=dict)
    """The records as they are stored, by partition and row key."""
    sources: dict[tuple[str, str], set[tuple[str, str]]] = field(default_factory=dict)
    """Records by (stage, source id)."""
    _attempts: dict[tuple[str, ...], Attempt] = field(default_factory=dict)
    _gates: dict[str, datetime] = field(default_factory=dict)
    """Since when each gate's row is durable as it is."""
    _asked: dict[int, tuple[str, datetime]] = field(default_factory=dict)
    """What a 429 asked of a task: host and time."""
    _seen_writes: int = 0
    _seen_acknowledgements: int = 0

    # --- requests ----------------------------------------------------------------------------------------------------------------

    def before_request(self, request: HttpRequest, process: Process, task: int, began: datetime) -> tuple[str, ...] | None:
        """A request that began then is about to go out. Returns the key of what it writes, for `after_request`."""
        host = urlsplit(request.url).netloc.lower()
        self._secrets_stay_home(request, host)
        self._not_early(host, process, task, began)
        if host != self.world.d365.host:
            return None
        if request.method == "GET":
            self._looked(unquote_plus(request.url))
            return None
        return self._about_to_write(request)

    def after_request(self, key: tuple[str, ...] | None, status: int | None, *, sent: bool) -> None:
        """It ended: with this status, or with no whole answer (None); `sent` False: nothing of it went out."""
        if key is not None:
            attempt = self._attempts[key]
            attempt.not_sent = not sent
            attempt.unclear = sent and (status is None or status >= 500 or status == 408)
        self._true_to_the_cent()
        self._acknowledged_what_is_safe()

    def asked_to_wait(self, host: str, until: datetime, task: int) -> None:
        """A 429 came back to a task: it must be durable before that task's next request."""
        if self.clocks_are_right():
            self._asked[task] = (host, until)

    def _secrets_stay_home(self, request: HttpRequest, host: str) -> None:
        shown = "\n".join([request.url, *request.headers.values(), request.body.decode(errors="replace")])
        for secret, homes in self.secrets.items():
            if host not in homes and secret in shown:
                raise Violation("secret", f"A secret of {', '.join(sorted(homes))} went to {host}.")

    def _not_early(self, host: str, process: Process, task: int, began: datetime) -> None:
        row = self.tables.peek("gates", host, "gate")
        closed = row.values["NotBefore"] if row else None
        asked_host, asked = self._asked.pop(task, ("", None))
        if asked is not None and asked_host == host and (not isinstance(closed, datetime) or closed < asked):
            raise Violation("early", f"{host} asked for no request before {asked}, and that is not durable at the next request.")
        if not isinstance(closed, datetime) or began >= closed or process.skew:
            return
        if began - self._gates[host] > FRESH:
            raise Violation("early", f"A request to {host} began at {began}, before its gate opens at {closed}.")

    # --- writes to D365 ----------------------------------------------------------------------------------------------------------

    def _about_to_write(self, request: HttpRequest) -> tuple[str, ...] | None:
        name = urlsplit(request.url).path.removeprefix("/data/").partition("(")[0]
        if request.method != "POST" or name not in WATCHED:
            return None
        body = _lines_of(request.body) if name == BATCH else json.loads(request.body, parse_float=Decimal)
        key = _key(name, body)
        intended = self._intended(name, body)
        self._was_looked_for(key)
        self._attempts[key] = Attempt(intended)
        return key

    def _intended(self, name: str, body: dict[str, object]) -> datetime:
        """Intent before effect: a durable row says that exactly this is about to be written (invariant 3), since this time.

        The settle time counts from it: how long after it a request may begin is bound by what is left.
        """
        stage = "invoices" if name in (HEADERS, BATCH) else "payments"
        if name == JOURNALS:
            rows = [row for row in self.tables.peek_all("ledger") if row.key.startswith("j:") and row.values.get("SentAt")]
        else:
            rows = [row for (partition, _), row in self.records.items() if f"|{stage}|" in partition and _means(name, row, body)]
            rows = [row for row in rows if row.values.get("SentAt") or name == SETTLED]
        if not rows:
            raise Violation("intent", f"A write to {name} was sent without a durable intent: {_shown(body)}.")
        sent = [_moment(row.values.get("SentAt")) or self.now() for row in rows]
        return min(self.now(), max(sent))

    def _was_looked_for(self, key: tuple[str, ...]) -> None:
        """Every re-send of a write looks first (invariant 4)."""
        last = self._attempts.get(key)
        if last is None or last.not_sent:
            return
        if not last.looks:
            raise Violation("look", f"{' '.join(key)} was sent again without a look.")
        if last.unclear and self.clocks_are_right():
            late = [look for look in last.looks if look - last.at >= SETTLE]
            if not late or late[-1] - late[0] < APART:
                raise Violation("look", f"{' '.join(key)} was sent again without two looks, apart, later than the settle time.")

    def _looked(self, url: str) -> None:
        for key, attempt in self._attempts.items():
            if key[-1] in url:
                attempt.looks.append(self.now())

    def _true_to_the_cent(self) -> None:
        """At most one document per natural key, and no payment in part (invariants 1 and 2)."""
        writes = self.world.d365.writes
        for write in writes[self._seen_writes :]:
            if write.method == "POST":
                self._is_once(write)
        self._seen_writes = len(writes)
        if self.world.d365.forbidden_writes:
            raise Violation("forbidden", f"D365's {self.world.d365.forbidden_writes[0].set_name} was written to.")

    def _is_once(self, write: Write) -> None:
        d365, body = self.world.d365, write.body
        if write.set_name == HEADERS:
            wanted = {name: body[name] for name in ("InvoiceAccount", "InvoiceNumber")}
            count = len(d365.find(HEADERS, dataAreaId=_text(write.key["dataAreaId"]), **{name: _text(v) for name, v in wanted.items()}))
        elif write.set_name == PAYMENT_LINES:
            count = len(d365.find(PAYMENT_LINES, PaymentId=_text(body["PaymentId"])))
            payment = self.world.avid.payments.get(int(_text(body["PaymentId"])))
            if payment is None or Decimal(str(body["DebitAmount"])) != payment.amount:
                raise Violation("money", f"The journal line of payment {body['PaymentId']} has another amount than AvidXchange.")
        elif write.set_name == SETTLED:
            names = ("JournalBatchNumber", "JournalLineNumber", "InvoiceNumber", "JournalLineCompany")
            count = len(d365.find(SETTLED, **{name: body[name] for name in names}))
        else:
            return
        if count > 1:
            raise Violation("duplicate", f"{write.set_name} holds {count} rows for {_shown(body)}.")

    def _acknowledged_what_is_safe(self) -> None:
        acknowledgements = self.world.avid.acknowledgements
        for acknowledgement in acknowledgements[self._seen_acknowledgements :]:
            for invoice in acknowledgement.invoice_ids:
                states = self._states("invoices", str(invoice))
                if not states or states & BLOCKS_BATCH:
                    what = ", ".join(sorted(states)) or "not noted"
                    raise Violation("order", f"A batch was acknowledged while invoice {invoice} is {what}.")
        self._seen_acknowledgements = len(acknowledgements)

    def _states(self, stage: str, source_id: str) -> set[State]:
        found = self.sources.get((stage, source_id), set())
        return {State(_text(self.records[key].values["State"])) for key in found}

    # --- storage -----------------------------------------------------------------------------------------------------------------

    def after_commit(self, operation: Operation) -> None:
        """A transaction took place."""
        if operation.target == "gates":
            self._gates[operation.partition] = self.now()
        elif operation.target == "ledger":
            self._ledger_moved(operation)
        elif operation.target == "runs" and operation.key.startswith("progress|"):
            self._watermark_moved(operation)

    def _ledger_moved(self, operation: Operation) -> None:
        steps = {change.row.key for change in operation.changes if isinstance(change, Insert) and change.row.key.startswith("a:")}
        for change in operation.changes:
            if isinstance(change, Delete):
                if change.key.startswith("r:"):
                    raise Violation("lost", f"The record {change.key} was deleted.")
            elif change.row.key.startswith("r:"):
                self._record_moved(operation.partition, change.row, steps)

    def _record_moved(self, partition: str, row: Row, steps: set[str]) -> None:
        key, seq = _text(row.values["Key"]), int(_text(row.values["Seq"]))
        before = self.records.get((partition, row.key))
        if f"a:{key}:{seq:08d}" not in steps:
            raise Violation("audit", f"{_text(row.values['Label'])} moved without its audit row.")
        if before is not None:
            self._moved_on(before, row)
        self.records[partition, row.key] = row
        stage = partition.split("|")[1]
        self.sources.setdefault((stage, _text(row.values["SourceId"])), set()).add((partition, row.key))

    def _moved_on(self, before: Row, row: Row) -> None:
        old, new = State(_text(before.values["State"])), State(_text(row.values["State"]))
        mirror = row.partition.split("|")[1] not in ("invoices", "payments")
        if old in WRITTEN and new in NEVER_AFTER and not mirror:
            raise Violation("order", f"{_text(row.values['Label'])} was {old} and became {new}.")

    def _watermark_moved(self, operation: Operation) -> None:
        """A watermark never passes a record that is not durable (invariant 7)."""
        row = next(change.row for change in operation.changes if not isinstance(change, Delete))
        watermark = json.loads(_text(row.values.get("Checkpoint", "")) or "{}").get("watermark", "")
        if watermark and self.clocks_are_right():
            stage, company = _text(row.values["Stage"]), _text(row.values["Company"])
            for source_id, what in self._let_in(stage, company, utc_moment(watermark)):
                if not self._states(stage, source_id):
                    raise Violation("watermark", f"The watermark of {stage} passed {what} {source_id}, which is not noted.")

    def _let_in(self, stage: str, company: str, until: datetime) -> Sequence[tuple[str, str]]:
        """What moved in AvidXchange before the watermark and must be noted: id and name."""
        expected, avid = self.world.expected, self.world.avid
        if stage == "payments":
            due = [item.id for item in expected.payments.values() if item.fate.action in ("write", "park")]
            return [(str(number), "payment") for number in due if avid.payments[number].last_modified < until]
        system = next(item["accounting_system"] for item in self.world.connection["companies"] if item["id"].lower() == company)
        closed = [
            batch
            for batch in avid.batches.values()
            if batch.accounting_system == system
            and batch.date_closed is not None
            and self.world.connection["start_from"] <= batch.date_closed.date()
            and batch.date_closed < until
        ]
        return [(str(invoice.id), "invoice") for batch in closed for invoice in batch.invoices]

    def outputs_hold_no_secret(self, outputs: str) -> None:
        """No secret in anything that was stored, logged or raised (invariant 8)."""
        for secret, homes in self.secrets.items():
            if secret in outputs:
                at = outputs.index(secret)
                raise Violation(
                    "secret", f"A secret of {', '.join(sorted(homes))} is in an output, after {outputs[max(0, at - 60) : at]!r}."
                )


def _lines_of(batch: bytes) -> dict[str, object]:
    """Which lines a changeset writes: company and number of their header, and how many they are. Companies number for themselves."""
    found = re.findall(rb'"HeaderReference":\s*"([^"]+)"', batch)
    companies = re.findall(rb'"dataAreaId":\s*"([^"]+)"', batch)
    return {"Lines": len(found), "Company": companies[0].decode(), "HeaderReference": found[0].decode()}


def _key(name: str, body: dict[str, object]) -> tuple[str, ...]:
    """What is written, by its natural key; the last part is what a look must name."""
    if name == HEADERS:
        return name, str(body["dataAreaId"]), str(body["InvoiceAccount"]), str(body["InvoiceNumber"])
    if name == JOURNALS:
        return name, str(body["dataAreaId"]), " ".join(str(body["Description"]).split(" ")[:2])
    if name == PAYMENT_LINES:
        return name, str(body["PaymentId"])
    if name == BATCH:
        return name, str(body["Company"]), str(body["Lines"]), str(body["HeaderReference"])
    number = str(body["InvoiceNumber"])
    return name, str(body["JournalLineCompany"]), number, str(body["JournalLineNumber"]), str(body["JournalBatchNumber"])


def _means(name: str, row: Row, body: dict[str, object]) -> bool:
    """Whether a record is the one whose document is about to be written."""
    if name == HEADERS:
        return str(json.loads(_text(row.values["Facts"])).get("number")) == body["InvoiceNumber"]
    if name == PAYMENT_LINES:
        return row.values["SourceId"] == body["PaymentId"]
    progress = json.loads(_text(row.values["Progress"]))
    if name == BATCH:
        return bool(progress.get("header") == body["HeaderReference"])
    return (progress.get("journal"), progress.get("line")) == (body["JournalBatchNumber"], str(body["JournalLineNumber"]))


def _shown(body: object) -> str:
    return json.dumps(body, default=str)[:300]


def _moment(value: Value | None) -> datetime | None:
    return value if isinstance(value, datetime) else utc_moment(value) if isinstance(value, str) and value else None


def _text(value: Value | Decimal | object) -> str:
    return str(value)

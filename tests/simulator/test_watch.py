"""The watch of the simulator notices each thing that must never be, and nothing else."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from sandbox.avid.records import Acknowledgement
from sandbox.d365.world import Write
from sandbox.simulator.crew import Process
from sandbox.simulator.seams import VirtualClock
from sandbox.simulator.watch import SETTLE, Violation, Watch
from sandbox.storage import LocalStorage, Operation
from sandbox.worlds.contoso import build_contoso
from sync.http.wire import HttpRequest
from sync.storage.model import Change, Delete, Insert, Row, Upsert, Value
from sync.storage.names import ensure
from sync.values import utc_text

INVOICES = "contoso|invoices|usmf"
PAYMENTS = "contoso|payments|-"
HEADERS, LINES = "VendorInvoiceHeaders", "VendorPaymentJournalLines"


class Scene:
    """A watch over Contoso, and hands that do what the product would."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.world = build_contoso(self.clock.now(), now=self.clock.now)
        self.storage = LocalStorage(self.clock)
        ensure(self.storage)
        self.d365, self.avid = self.world.d365.host, self.world.avid.host
        self.process = Process(1)
        homes = {"avid-secret": frozenset({self.avid})}
        self.watch = Watch(self.clock.now, self.world, self.storage.tables, homes, lambda: not self.process.skew)
        self.invoice = next(item for item in self.world.expected.invoices.values() if item.fate.action == "write")

    def get(self, host: str, path: str = "/", task: int = 1, **headers: str) -> None:
        """One whole GET."""
        self.send(HttpRequest("GET", f"https://{host}{path}", headers), task=task)

    def send(self, request: HttpRequest, *, task: int = 1, status: int | None = 200, sent: bool = True) -> None:
        """One request and how it ended."""
        key = self.watch.before_request(request, self.process, task, self.clock.now())
        self.watch.after_request(key, status, sent=sent)

    def post(self, name: str, body: Mapping[str, object], status: int | None = 201, *, sent: bool = True) -> None:
        """One write to D365."""
        data = json.dumps(body, default=str).encode()
        self.send(HttpRequest("POST", f"https://{self.d365}/data/{name}?cross-company=true", {}, data), status=status, sent=sent)

    def commit(self, table: str, partition: str, *changes: Change) -> None:
        """One transaction, as the storage tells of it."""
        first = changes[0]
        key = first.key if isinstance(first, Delete) else first.row.key
        self.storage.tables.commit(table, partition, changes)
        self.watch.after_commit(Operation("tables", "commit", table, key, partition, changes))

    def record(self, state: str, *, seq: int = 1, partition: str = INVOICES, step: bool = True, **values: Value) -> None:
        """A record moves to a state, with its audit row."""
        own: dict[str, Value] = {
            "Key": "k1",
            "Seq": seq,
            "State": state,
            "Label": "the record",
            "SourceId": str(self.invoice.id),
            "Facts": json.dumps({"number": self.invoice.number}),
            "Progress": "{}",
        }
        row = Row(partition, "r:k1", {**own, **values})
        steps = [Insert(Row(partition, f"a:k1:{seq:08d}", {"Seq": seq}))] if step else []
        self.commit("ledger", partition, Upsert(row), *steps)

    @property
    def header(self) -> dict[str, object]:
        """The body of the invoice's header."""
        return {"dataAreaId": "usmf", "InvoiceAccount": self.invoice.invoice_account, "InvoiceNumber": self.invoice.number}

    def claim(self, seq: int = 1) -> None:
        """The invoice's intent is durable."""
        self.record("claimed", seq=seq, SentAt=self.clock.now())

    def look(self) -> None:
        """The invoice is looked for."""
        self.get(self.d365, f"/data/{HEADERS}?$filter=InvoiceNumber eq '{self.invoice.number}'")


@pytest.fixture
def scene() -> Scene:
    return Scene()


def close_gate(scene: Scene, until: datetime) -> None:
    scene.commit("gates", scene.d365, Upsert(Row(scene.d365, "gate", {"NotBefore": until})))


def test_a_secret_goes_home_only(scene: Scene) -> None:
    scene.get(scene.avid, CompanyToken="avid-secret")
    with pytest.raises(Violation, match="secret: A secret of"):
        scene.get(scene.d365, CompanyToken="avid-secret")


def test_no_request_begins_before_the_gate_opens(scene: Scene) -> None:
    close_gate(scene, scene.clock.now() + timedelta(seconds=60))
    scene.clock.advance(seconds=1)
    scene.get(scene.d365)
    scene.get(scene.avid)
    scene.clock.advance(seconds=1)
    with pytest.raises(Violation, match="early: A request to"):
        scene.get(scene.d365)
    scene.clock.advance(seconds=58)
    scene.get(scene.d365)


def test_a_429_is_durable_before_the_next_request_of_who_got_it(scene: Scene) -> None:
    until = scene.clock.now() + timedelta(seconds=75)
    scene.watch.asked_to_wait(scene.d365, until, 1)
    scene.get(scene.d365, task=2)
    with pytest.raises(Violation, match="not durable at the next request"):
        scene.get(scene.d365, task=1)
    scene.watch.asked_to_wait(scene.d365, until, 1)
    close_gate(scene, until - timedelta(seconds=15))
    with pytest.raises(Violation, match="not durable at the next request"):
        scene.get(scene.d365, task=1)


def test_a_write_has_its_intent_in_the_ledger(scene: Scene) -> None:
    scene.record("found")
    scene.look()
    with pytest.raises(Violation, match="intent: A write to VendorInvoiceHeaders"):
        scene.post(HEADERS, scene.header)
    scene.claim(seq=2)
    scene.post(HEADERS, scene.header)
    with pytest.raises(Violation, match="intent"):
        scene.post(HEADERS, {**scene.header, "InvoiceNumber": "another"})


def test_nothing_is_sent_again_without_a_look(scene: Scene) -> None:
    scene.claim()
    scene.post(HEADERS, scene.header, 400)
    with pytest.raises(Violation, match="sent again without a look"):
        scene.post(HEADERS, scene.header)
    scene.look()
    scene.post(HEADERS, scene.header)


def test_lines_have_their_intent_and_are_not_sent_again_without_a_look(scene: Scene) -> None:
    body = b'--changeset\r\n{"dataAreaId": "usmf", "HeaderReference": "H-1", "InvoiceLineNumber": 1}\r\n{"HeaderReference": "H-1"}\r\n'
    request = HttpRequest("POST", f"https://{scene.d365}/data/$batch?cross-company=true", {}, body)
    with pytest.raises(Violation, match=r"intent: A write to \$batch"):
        scene.send(request)
    scene.record("claimed", SentAt=scene.clock.now(), Progress='{"header": "H-1"}')
    scene.send(request)
    with pytest.raises(Violation, match="sent again without a look"):
        scene.send(request)
    scene.get(scene.d365, "/data/VendorInvoiceLines?$filter=HeaderReference eq 'H-1'")
    scene.send(request)


@pytest.mark.parametrize("status", [None, 500, 503, 408])
def test_after_an_unclear_outcome_only_two_late_looks_count(scene: Scene, status: int | None) -> None:
    scene.claim()
    scene.post(HEADERS, scene.header, status)
    for _ in range(3):
        scene.look()
    scene.clock.advance(seconds=SETTLE.total_seconds())
    for _ in range(2):
        scene.look()
        with pytest.raises(Violation, match="without two looks, apart, later than the settle time"):
            scene.post(HEADERS, scene.header)
    scene.clock.advance(minutes=1)
    scene.look()
    scene.post(HEADERS, scene.header)


def test_what_never_went_out_may_be_sent_again(scene: Scene) -> None:
    scene.claim()
    scene.post(HEADERS, scene.header, None, sent=False)
    scene.post(HEADERS, scene.header)


def test_a_document_is_there_once(scene: Scene) -> None:
    for reference in ("1", "2"):
        scene.world.d365.add(HEADERS, **{**scene.header, "HeaderReference": reference})  # type: ignore[arg-type]  # texts
    body: dict[str, str | int | bool | Decimal | None] = {name: str(value) for name, value in scene.header.items()}
    scene.world.d365.writes.append(Write(scene.clock.now(), HEADERS, "POST", {"dataAreaId": "usmf", "HeaderReference": "2"}, body))
    with pytest.raises(Violation, match="duplicate: VendorInvoiceHeaders holds 2 rows"):
        scene.get(scene.avid)


@pytest.mark.parametrize("amount", ["0.01", "-0.01"])
def test_a_payment_is_true_to_the_cent(scene: Scene, amount: str) -> None:
    payment = next(iter(scene.world.avid.payments.values()))
    body: dict[str, str | int | bool | Decimal | None] = {"PaymentId": str(payment.id), "DebitAmount": payment.amount + Decimal(amount)}
    scene.world.d365.writes.append(Write(scene.clock.now(), LINES, "POST", {}, body))
    with pytest.raises(Violation, match="money: The journal line of payment"):
        scene.get(scene.avid)


def acknowledge(scene: Scene) -> None:
    now = scene.clock.now()
    scene.world.avid.acknowledgements.append(Acknowledgement(now, "guid", now, now, now, (scene.invoice.id,)))


@pytest.mark.parametrize("state", ["found", "claimed", "unknown", "retrying"])
def test_a_batch_is_acknowledged_last(scene: Scene, state: str) -> None:
    scene.record(state)
    acknowledge(scene)
    with pytest.raises(Violation, match=f"order: A batch was acknowledged while invoice .* is {state}"):
        scene.get(scene.avid)


def test_a_batch_with_an_invoice_that_nobody_noted_is_not_acknowledged(scene: Scene) -> None:
    acknowledge(scene)
    with pytest.raises(Violation, match="is not noted"):
        scene.get(scene.avid)


def test_a_batch_whose_invoices_are_safe_is_acknowledged(scene: Scene) -> None:
    scene.record("parked")
    acknowledge(scene)
    scene.get(scene.avid)


def test_a_record_moves_with_its_audit_row(scene: Scene) -> None:
    with pytest.raises(Violation, match="audit: the record moved without its audit row"):
        scene.record("found", step=False)


@pytest.mark.parametrize("state", ["found", "claimed", "parked", "withdrawn"])
def test_what_is_written_stays_written(scene: Scene, state: str) -> None:
    scene.record("written")
    scene.record("posted", seq=2)
    with pytest.raises(Violation, match=f"order: the record was posted and became {state}"):
        scene.record(state, seq=3)


def test_a_record_is_never_deleted(scene: Scene) -> None:
    scene.record("found")
    with pytest.raises(Violation, match="lost: The record r:k1 was deleted"):
        scene.commit("ledger", INVOICES, Delete("r:k1"))


def watermark(scene: Scene, until: datetime) -> None:
    values: dict[str, Value] = {"Stage": "invoices", "Company": "usmf", "Checkpoint": json.dumps({"watermark": utc_text(until)})}
    scene.commit("runs", "contoso", Upsert(Row("contoso", "progress|invoices|usmf", values)))


def test_a_watermark_passes_nothing_that_is_not_noted(scene: Scene) -> None:
    batch = next(batch for batch in scene.world.avid.batches.values() if scene.invoice.id in {item.id for item in batch.invoices})
    for other in scene.world.avid.batches.values():
        other.invoices = [item for item in other.invoices if item.id == scene.invoice.id]
    assert batch.date_closed is not None
    watermark(scene, batch.date_closed)
    with pytest.raises(Violation, match=f"watermark: The watermark of invoices passed invoice {scene.invoice.id}"):
        watermark(scene, batch.date_closed + timedelta(seconds=1))
    scene.record("found")
    watermark(scene, batch.date_closed + timedelta(seconds=2))


def test_nothing_may_be_written_to_the_chart_of_accounts(scene: Scene) -> None:
    scene.world.d365.forbidden_writes.append(Write(scene.clock.now(), "MainAccounts", "POST", {}, {}))
    with pytest.raises(Violation, match="forbidden: D365's MainAccounts"):
        scene.get(scene.avid)


def test_no_output_holds_a_secret(scene: Scene) -> None:
    scene.watch.outputs_hold_no_secret("all is well")
    with pytest.raises(Violation, match=r"secret: A secret of .* is in an output, after 'token='"):
        scene.watch.outputs_hold_no_secret("token=avid-secret")


def test_a_wrong_clock_is_not_judged_by_times(scene: Scene) -> None:
    scene.process.skew = timedelta(minutes=20)
    close_gate(scene, scene.clock.now() + timedelta(seconds=60))
    scene.clock.advance(seconds=2)
    scene.get(scene.d365)

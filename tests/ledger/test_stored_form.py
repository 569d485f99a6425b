"""How things lie in the tables. What one version stored the next must find and read: a change here must say what becomes of it."""

import hmac
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sync.ledger.audit import Head, chained
from sync.ledger.gates import Gates
from sync.ledger.leases import Leases
from sync.ledger.model import AuditRow, Place, State, Step
from sync.ledger.runs import RunStore
from sync.ledger.store import LogEntry
from sync.storage.model import Tables, Value
from sync.storage.names import GATES, LEDGER, RUNS
from tests.ledger.bench import NOTED, VENDOR, WENT_ON, Bench, PlainKeys, new

AT = datetime(2026, 3, 5, 8, 30, 0, 123456, tzinfo=UTC)
"""When the clock of these tests starts."""
LATER = AT + timedelta(minutes=1)
JOB = "73e636434f6814b76f7a18cf3a8aba0d"


def stored(tables: Tables, table: str, partition: str) -> dict[str, dict[str, Value]]:
    """All rows of a partition by their keys."""
    return {row.key: dict(row.values) for row in tables.scan(table, partition)}


def test_a_record_with_its_steps_work_failures_and_keys(bench: Bench) -> None:
    [record] = bench.ledger.note(bench.place, [new("k1", batch="b/7")], "run1", NOTED)
    bench.clock.forward(60)
    moved = bench.ledger.move(
        record,
        WENT_ON,
        run="run2",
        state=State.PARKED,
        causes=(VENDOR,),
        alias="n1",
        owner="me",
        sent_at=LATER,
        looks=1,
        attempts=2,
        plan=bench.ledger.keep("plan"),
        progress={"header": "H-1"},
        due=LATER + timedelta(minutes=5),
    )
    first, second = (step.mac for step in bench.ledger.history(bench.place, "k1"))
    assert second == moved.mac
    assert stored(bench.tables, LEDGER, "contoso|invoices|usmf") == {
        "r:k1": {
            "Key": "k1",
            "Label": "invoice k1",
            "SourceId": "id-k1",
            "State": "parked",
            "Version": "v1",
            "Job": JOB,
            "Payload": "={}",
            "Facts": '{"amount":"12.50"}',
            "Batch": "b/7",
            "Plan": "=plan",
            "Progress": '{"header":"H-1"}',
            "Alias": "n1",
            "Owner": "me",
            "Looks": 1,
            "Attempts": 2,
            "Causes": '=[["vendor-missing","vendor US-101","Vendor US-101 does not exist in USMF.","vendor"]]',
            "Seq": 2,
            "Mac": second,
            "SentAt": LATER,
            "Due": LATER + timedelta(minutes=5),
            "CreatedAt": AT,
            "UpdatedAt": LATER,
        },
        "a:k1:00000001": {
            "Key": "k1",
            "Seq": 1,
            "At": AT,
            "Run": "run1",
            "Job": JOB,
            "State": "found",
            "Name": "found",
            "Note": "Found in AvidXchange.",
            "Detail": "{}",
            "Mac": first,
            "KeyId": "one",
        },
        "a:k1:00000002": {
            "Key": "k1",
            "Seq": 2,
            "At": LATER,
            "Run": "run2",
            "Job": JOB,
            "State": "parked",
            "Name": "went-on",
            "Note": "Went on.",
            "Detail": '{"amount":"12.50"}',
            "Mac": second,
            "KeyId": "one",
        },
        "d:20260305:k1:00000001": {"Key": "k1", "Seq": 1, "Mac": first},
        "d:20260305:k1:00000002": {"Key": "k1", "Seq": 2, "Mac": second},
        "f:2vendor-missing:vendor-us-101-8fd7d8a58f67:k1": {
            "Key": "k1",
            "Label": "invoice k1",
            "Code": "vendor-missing",
            "Subject": "vendor US-101",
            "Sentence": "Vendor US-101 does not exist in USMF.",
            "Field": "vendor",
            "Since": LATER,
            "State": "parked",
            "Job": JOB,
            "Amount": "12.50",
            "Currency": "",
        },
        "m:~5a371c610a044c599146ac70c946d975:k1": {"Key": "k1"},
        "n:n1": {"Key": "k1"},
        "w:20260305T083600123456Z:k1": {"Key": "k1", "Due": LATER + timedelta(minutes=5), "State": "parked", "Batch": "b/7"},
    }


def test_the_code_of_a_step_covers_all_of_it() -> None:
    row = AuditRow(Place("contoso", "invoices", "USMF"), "k1", 0, AT, "run1", JOB, State.FOUND, Step("found", "Found.", {"a": "1"}), mac="")
    covered = (
        '{"at":"2026-03-05T08:30:00.123456Z","detail":{"a":"1"},"job":"73e636434f6814b76f7a18cf3a8aba0d","key":"k1","name":"found",'
        '"note":"Found.","partition":"contoso|invoices|usmf","previous":"before","run":"run1","seq":8,"state":"found"}'
    )
    link = chained(PlainKeys(), Head(7, "before"), row)
    assert (link.row.seq, link.key_id) == (8, "one")
    assert link.row.mac == hmac.new(b"first key", covered.encode(), "sha256").hexdigest()


def test_the_head_of_a_chain_without_a_record(bench: Bench) -> None:
    entry = LogEntry("v1", "vendor v1", "job-1", State.WRITTEN, Step("sent", "Sent.", {"version": "h1"}), "h1")
    bench.ledger.log(bench.place, [entry], "run3")
    rows = stored(bench.tables, LEDGER, "contoso|invoices|usmf")
    mac = rows["a:v1:00000001"]["Mac"]
    assert list(rows) == ["a:v1:00000001", "d:20260305:v1:00000001", "h:v1"]
    assert rows["h:v1"] == {"Label": "vendor v1", "Version": "h1", "State": "written", "Seq": 1, "Mac": mac, "UpdatedAt": AT}


def test_progress_runs_and_leases(bench: Bench) -> None:
    Leases(bench.ports).take("contoso", "invoices", "token-1", 60)
    store = RunStore(bench.ports)
    empty = store.progress("contoso", "invoices", "USMF")
    store.save(
        replace(empty, checkpoint="page 2", completed_at=AT, last_started=AT, last_finished=LATER, last_error="Busy.", counts={"read": 12})
    )
    run = store.start("contoso", "invoices", "run1")
    bench.clock.forward(60)
    store.finish(run, {"read": 12}, "Busy.")
    assert stored(bench.tables, RUNS, "contoso") == {
        "lease|invoices": {"Token": "token-1", "Until": LATER, "Fence": 1, "Waiting": False},
        "progress|invoices|usmf": {
            "Stage": "invoices",
            "Company": "usmf",
            "Checkpoint": "page 2",
            "LastError": "Busy.",
            "Counts": '{"read":12}',
            "CompletedAt": AT,
            "LastStarted": AT,
            "LastFinished": LATER,
        },
        "run|invoices|8227300599876544|run1": {
            "Stage": "invoices",
            "Id": "run1",
            "StartedAt": AT,
            "Counts": '{"read":12}',
            "Error": "Busy.",
            "FinishedAt": LATER,
        },
    }


def test_a_lease_that_was_given_back_has_no_token(bench: Bench) -> None:
    leases = Leases(bench.ports)
    held = leases.take("contoso", "invoices", "token-1", 60)
    assert held is not None
    assert leases.held_until("contoso", "invoices") == LATER
    leases.release(held)
    assert stored(bench.tables, RUNS, "contoso") == {"lease|invoices": {"Token": "", "Until": AT, "Fence": 1, "Waiting": False}}
    assert leases.held_until("contoso", "invoices") is None
    assert leases.held_until("contoso", "payments") is None


def test_a_gate(bench: Bench) -> None:
    Gates(bench.ports).close("h.operations.dynamics.com", AT)
    assert stored(bench.tables, GATES, "h.operations.dynamics.com") == {"gate": {"NotBefore": AT}}


def test_the_words_of_the_states() -> None:
    assert " ".join(State) == "found parked retrying claimed unknown written posted adopted withdrawn out_of_scope resolved"

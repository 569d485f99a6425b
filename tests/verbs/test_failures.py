"""`failures`: grouped by the thing to mend, root causes first, with the stages and messages that fail."""

import json
from dataclasses import replace

import pytest

from sync.engine.cases import NO_CONNECTION
from sync.engine.retries import keep_poison
from sync.engine.schedule import new_run
from sync.messages import encode
from sync.storage.model import Replace, Row
from sync.storage.names import RECORD_RETRIES, REPLAYS, STAGE_RUNS
from tests.verbs.desk import ID, Desk


def add_alike(desk: Desk, invoice_id: int, count: int) -> None:
    """More invoices like one that is there, in a batch of their own."""
    original = desk.world.avid.invoice(invoice_id)
    truth = next(item for item in desk.world.expected.invoices.values() if item.id == invoice_id)
    alike = [replace(original, id=invoice_id + 1_000 * (n + 1), number=f"{original.number}-{n}") for n in range(count)]
    desk.world.avid.add_batch(truth.accounting_system, alike, name="Alike")


def gone(desk: Desk) -> int:
    """The id of the invoice whose vendor does not exist."""
    return next(item.id for item in desk.world.expected.invoices.values() if item.vendor_account.startswith("GONE-"))


def test_root_causes_come_first_and_waiting_last(worked: Desk) -> None:
    document = worked.call("failures", ID, "--json").document
    ranks = [group["rank"] for group in document["groups"]]
    assert ranks == sorted(ranks)
    assert (document["groups"][0]["code"], document["groups"][0]["companies"]) == ("vendor-missing", ["tqn"])
    assert document["groups"][-1]["code"] == "not-settled"
    assert document["records"] == 8


def test_what_one_thing_holds_up_is_one_group_and_its_cause_lists_all(desk: Desk) -> None:
    add_alike(desk, gone(desk), 5)
    desk.cycle()
    short = desk.call("failures", ID).out
    amount = 6 * desk.world.avid.invoice(gone(desk)).gross
    assert f"The vendor does not exist in D365: 6 cases, {amount:,.2f} CAD [vendor-missing]" in short
    assert f"  vendor GONE-700004 in tqn: 6 cases, {amount:,.2f} CAD since" in short
    assert "    - and 3 more\n" in short
    assert "  To do: Create the vendor in this company in D365, or correct the vendor in AvidXchange." in short
    assert "  Who:   whoever keeps vendors, accounts and dimensions in D365" in short
    assert "== Vendors, accounts and dimension values" in short
    whole = desk.call("failures", ID, "--cause", "vendor-missing", "--json").document
    assert [len(group["examples"]) for group in whole["groups"]] == [6]


def test_a_stage_that_cannot_run_and_a_poison_message_are_in_it(desk: Desk) -> None:
    desk.deployment.secrets.values[f"{ID}-d365-client-secret"] = "wrong"
    desk.cycle()
    keep_poison(desk.works, "stage-runs", encode(new_run(desk.works, ID, "vendors")))
    codes = [group["code"] for group in desk.call("failures", ID, "--json").document["groups"]]
    assert codes == ["stage-failed", "stage-failed", "stage-failed", "poison"]


def test_a_message_of_no_connection_is_shown_among_all(desk: Desk) -> None:
    keep_poison(desk.works, "replays", "{ no JSON")
    assert "message of replays" in desk.call("failures").out
    assert "Nothing fails" in desk.call("failures", ID).out


BODIES = {
    STAGE_RUNS: (ID, json.dumps({"connection": ID, "stage": "no such stage"})),
    RECORD_RETRIES: (NO_CONNECTION, "no JSON \x1b[31m at all"),
    REPLAYS: (ID, json.dumps({"connection": ID, "reason": "x" * 5_000})),
}


@pytest.mark.parametrize("queue", BODIES)
def test_a_poison_message_is_shown_with_its_body_and_resolve_closes_it(desk: Desk, queue: str) -> None:
    owner, body = BODIES[queue]
    keep_poison(desk.works, queue, body)
    [group] = desk.call("failures", "--json").document["groups"]
    [example] = group["examples"]
    assert (group["code"], group["connection"], example["body"]) == ("poison", owner, body)
    shown = " ".join(desk.call("failures", owner).out.split())
    assert body[:40].replace("\x1b", "�").rstrip() in shown
    assert (f"({len(body)} characters, all of it with --json)" in shown) == (queue == REPLAYS)
    assert f"python -m sync resolve {owner} --record {example['key']}" in shown

    closed = desk.call("resolve", owner, "--record", example["key"], "--as", "ignored", "--reason", "sent by hand", "--yes")
    assert closed.code == 0
    assert desk.call("failures", "--json").document["groups"] == []
    life = desk.call("audit", owner, "--record", example["key"], "--verify")
    assert (life.code, "sent by hand" in life.out) == (0, True)


def test_two_messages_of_a_queue_are_told_apart_by_their_keys(desk: Desk) -> None:
    for body in ("one", "two"):
        keep_poison(desk.works, STAGE_RUNS, body)
    keys = {one["body"]: one["key"] for one in desk.call("failures", "--json").document["groups"][0]["examples"]}
    seen = desk.call("resolve", "-", "--record", "message of stage-runs", "--as", "ignored", "--reason", "both", "--yes")
    assert (seen.code, all(key in seen.err for key in keys.values())) == (2, True)
    assert desk.call("resolve", "-", "--record", keys["one"], "--as", "ignored", "--reason", "one", "--yes").code == 0
    assert [one["body"] for one in desk.call("failures", "-", "--json").document["groups"][0]["examples"]] == ["two"]


def test_a_broken_document_still_shows_its_case(desk: Desk) -> None:
    text = desk.call("connections", "show", ID).out.replace('"name"', '"nmae"')
    tables = desk.app.ports.tables
    row = tables.get("connections", "connections", ID)
    assert row is not None
    tables.commit("connections", "connections", [Replace(Row(row.partition, row.key, {"Parts": 1, "Document0": text}, row.etag))])
    desk.cycle()
    assert "nmae" in desk.call("failures", ID).out
    assert "nmae" in desk.call("status").out
    assert desk.call("run", ID).code == 2


def test_an_unknown_cause_is_refused(desk: Desk) -> None:
    assert desk.call("failures", ID, "--cause", "nonsense").code == 2

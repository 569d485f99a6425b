"""`ping --write-check`: one invoice of a cent goes to D365, what became of it is said, and it is gone again or said loudly to be left."""

import json
from typing import Any

import pytest

from sandbox.d365.world import D365World
from sandbox.faults import Fault
from sandbox.web import Response
from sync.verbs.finding import stored_connection
from tests.verbs.desk import ID, Desk, Seen

HEADERS, LINES = "VendorInvoiceHeaders", "VendorInvoiceLines"
CATEGORY = {"procurement_category": "Property services", "procurement_hierarchy": "Procurement"}


def d365(desk: Desk) -> D365World:
    """The environment."""
    return desk.world.d365


def company(desk: Desk, **changes: object) -> None:
    """Store the document with entries of its first company replaced."""
    document = json.loads(stored_connection(desk.app, ID).text)
    first, *others = document["companies"]
    desk.app.connections.put(json.dumps({**document, "companies": [{**first, **changes}, *others]}))


def fault(desk: Desk, kind: Any, method: str, path: str, text: str = "", **more: Any) -> None:  # Any: fields of Fault
    """Something goes wrong with requests to D365. `text` is the Infolog of a 400."""
    body = json.dumps({"error": {"code": "", "message": "An error has occurred.", "innererror": {"message": text}}}).encode()
    reply = Response(400, {"content-type": "application/json"}, body)
    desk.deployment.network.faults.add(Fault(kind, method=method, path=path, reply=reply, **more))


def check(desk: Desk, *argv: str) -> tuple[Seen, dict[str, list[str]]]:
    """The command without a question, and the sentences of the write check by verdict."""
    seen = desk.call("ping", ID, "--write-check", "--yes", "--json", *argv)
    said: dict[str, list[str]] = {"ok": [], "to look at": [], "not ok": []}
    for line in seen.document["lines"]:
        if line["part"] == "write check":
            said[line["verdict"]].append(f"{line['sentence']} {line['remedy']}".strip())
    return seen, said


def sent(desk: Desk, method: str, path: str) -> int:
    """How many such requests reached the network."""
    return sum(item.method == method and path in item.target for item in desk.deployment.network.exchanges)


def left(desk: Desk) -> int:
    """What the check left in D365."""
    ours = [row for row in d365(desk).find(HEADERS) if row.text("InvoiceNumber").startswith("AVX-CHECK-")]
    return len(ours) + len(d365(desk).find(LINES, LineDescription="Write check"))


def test_it_is_taken_read_back_and_gone(desk: Desk) -> None:
    seen, said = check(desk)
    assert seen.code == 0, said
    assert (said["to look at"], said["not ok"]) == ([], [])
    assert "pending invoice AVX-CHECK-" in said["ok"][0]
    assert [sentence.split(";")[0] for sentence in said["ok"][1:-1]] == [
        "D365 takes the header",
        "D365 takes a line with only an account",
        "The dimension strings are stored as they were sent.",
        "Amount, unit price and a quantity of 1 for a positive amount are stored as they were sent.",
        "The tax groups stay blank.",
        "The Comment is stored whole.",
    ]
    assert said["ok"][-1].endswith("are deleted again, and gone.")
    assert left(desk) == 0
    assert [(write.method, write.set_name) for write in d365(desk).writes] == [
        ("POST", HEADERS),
        ("POST", LINES),
        ("DELETE", LINES),
        ("DELETE", HEADERS),
    ], "nothing else was touched"


def test_nothing_is_written_before_the_person_agrees(desk: Desk) -> None:
    desk.answer = "n"
    seen = desk.call("ping", ID, "--write-check")
    assert seen.code == 1
    assert "Nothing was changed." in seen.err
    assert "for vendor TQE-000-A in company tqe (account string 600100-RES-100-OPS-ALD0027" in seen.err
    assert desk.writes() == 0


@pytest.mark.parametrize(
    "switches",
    [
        {"own_header_reference": "accept"},
        {"duplicate_invoice": "reject"},
        {"write_status": 200},
        {"missing_row_body": "html"},
        {"missing_row_body": "odata"},
        {"segment_count": "tolerate", "backslash": "plain"},
        {"next_link": "relative", "page_cap": 3},
        {"user_time_zone_hours": 11},
    ],
    ids=str,
)
def test_what_fits_in_every_environment(desk: Desk, switches: dict[str, object]) -> None:
    for name, value in switches.items():
        setattr(d365(desk).switches, name, value)
    seen, said = check(desk)
    assert (seen.code, said["not ok"], left(desk)) == (0, [], 0)
    ours = "is the one that was sent." if "own_header_reference" in switches else "is its own, whatever is sent."
    assert said["ok"][1].endswith(ours)


@pytest.mark.parametrize("status", [400, 500])
def test_where_a_category_is_needed_the_setting_is_named(desk: Desk, status: Any) -> None:
    d365(desk).switches.account_only_lines = "refuse"
    d365(desk).switches.changeset_failure_status = status
    seen, said = check(desk)
    assert (seen.code, left(desk)) == (1, 0)
    assert len(said["not ok"]) == 1
    assert "Set companies.procurement_category and companies.procurement_hierarchy" in said["not ok"][0]
    assert said["ok"][-1].endswith("are deleted again, and gone.")


def test_the_category_of_the_document_is_tried_where_it_is_needed(desk: Desk) -> None:
    d365(desk).switches.account_only_lines = "refuse"
    company(desk, **CATEGORY)
    seen, said = check(desk)
    assert (seen.code, left(desk)) == (0, 0), said
    assert said["to look at"][0].startswith("D365 refuses a line with only an account:")
    assert "D365 takes a line with the procurement category Property services of Procurement." in said["ok"]


def test_what_is_stored_otherwise_is_said(desk: Desk) -> None:
    d365(desk).switches.blank_dimension_stores = 3
    d365(desk).switches.text_lengths = {"Comment": 40}
    seen, said = check(desk)
    assert (seen.code, left(desk)) == (1, 0)
    assert any(
        "line 1: MainAccountDisplayValue: sent 600100-" in sentence and "D365 holds (blank)" in sentence for sentence in said["not ok"]
    )
    assert any(", Comment: sent AVX-CHECK-" in sentence for sentence in said["not ok"])
    assert "The tax groups stay blank." in said["ok"]
    assert said["ok"][-1].endswith("are deleted again, and gone.")


@pytest.mark.parametrize("kind", ["drop_reply", "cut_reply", "status_after_effect", "late_effect"])
@pytest.mark.parametrize("path", [r"/data/VendorInvoiceHeaders\?", r"/data/\$batch"])
def test_an_answer_that_is_lost_is_looked_up_and_the_document_deleted(desk: Desk, kind: str, path: str) -> None:
    fault(desk, kind, "POST", path, "Write failed.")
    seen, said = check(desk)
    assert (seen.code, left(desk)) == (0, 0), said
    assert "although it answered otherwise" in said["to look at"][0]
    assert (sent(desk, "POST", HEADERS), sent(desk, "POST", "$batch")) == (1, 1), "nothing was sent twice"
    assert said["ok"][-1].endswith("are deleted again, and gone.")


def test_a_header_that_never_arrives_is_looked_for_and_not_sent_again(desk: Desk) -> None:
    fault(desk, "drop_request", "POST", r"/data/VendorInvoiceHeaders\?")
    seen, said = check(desk)
    assert (seen.code, sent(desk, "POST", HEADERS), left(desk)) == (1, 1, 0)
    assert said["not ok"][0].startswith("D365 does not show the header, and it is not sent again:")
    assert "look for invoice AVX-CHECK-" in said["not ok"][0]


def test_a_line_that_never_arrives_leaves_no_header_behind(desk: Desk) -> None:
    fault(desk, "drop_request", "POST", r"/data/\$batch")
    seen, said = check(desk)
    assert (seen.code, sent(desk, "POST", "$batch"), left(desk)) == (1, 1, 0)
    assert said["not ok"][0].startswith("D365 does not show the line, and it is not sent again:")
    assert said["ok"][-1].endswith("are deleted again, and gone.")


def test_what_cannot_be_looked_up_after_a_refusal_is_not_sent_again(desk: Desk) -> None:
    fault(desk, "status", "POST", r"/data/VendorInvoiceHeaders\?", "Something is wrong.")
    fault(desk, "status", "GET", r"/data/VendorInvoiceHeaders\?", after=2, times=100)
    seen, said = check(desk)
    assert (seen.code, sent(desk, "POST", HEADERS)) == (1, 1)
    assert "It cannot be looked up" in said["not ok"][0]


def test_an_environment_that_refuses_a_number_of_ours_gets_none(desk: Desk) -> None:
    fault(desk, "status", "POST", r"/data/VendorInvoiceHeaders\?", "Number is not manual.")
    seen, said = check(desk)
    assert (seen.code, left(desk)) == (0, 0), said
    assert said["to look at"] == ["D365 refuses the header with a HeaderReference of ours: Number is not manual."]


@pytest.mark.parametrize("method", ["drop_reply", "late_effect"])
def test_a_deletion_without_an_answer_is_looked_up(desk: Desk, method: str) -> None:
    fault(desk, method, "DELETE", HEADERS)
    seen, said = check(desk)
    assert (seen.code, left(desk)) == (0, 0), said


def test_a_document_that_cannot_be_deleted_is_said_loudly(desk: Desk) -> None:
    fault(desk, "status", "DELETE", HEADERS, "Cannot edit a record: an update conflict occurred.", times=100)
    seen, said = check(desk)
    assert seen.code == 1
    number = d365(desk).find(HEADERS)[-1].text("InvoiceNumber")
    loud = f"PENDING INVOICE {number} (HeaderReference VIH0000001) OF VENDOR TQE-000-A IN COMPANY tqe IS STILL IN D365:"
    assert said["not ok"][0].startswith(loud)
    assert said["not ok"][0].endswith("Delete it by hand: Accounts payable, Invoices, Pending vendor invoices.")
    assert sent(desk, "DELETE", HEADERS) == 3


def test_a_document_that_has_left_draft_is_not_touched(desk: Desk) -> None:
    def submit() -> None:
        for row in d365(desk).find(HEADERS):
            key = {"dataAreaId": row["dataAreaId"], "HeaderReference": row["HeaderReference"]}
            d365(desk).change(HEADERS, key, VendorInvoiceReviewStatus="InReview")

    desk.while_waiting(submit)
    seen, said = check(desk)
    assert (seen.code, sent(desk, "DELETE", HEADERS)) == (1, 0)
    assert "IS STILL IN D365: it is no draft of this check any more" in said["not ok"][-1]


def test_what_is_not_usable_is_passed_over(desk: Desk) -> None:
    world = d365(desk)
    for set_name, fields, change in (
        ("VendorsV3", {"dataAreaId": "tqe", "VendorAccountNumber": "TQE-000-A"}, {"OnHoldStatus": "All"}),
        ("MainAccounts", {"MainAccountId": "600100"}, {"IsSuspended": "Yes"}),
        ("FinancialDimensionValues", {"FinancialDimension": "BusinessUnit", "DimensionValue": "RES"}, {"IsSuspended": "Yes"}),
    ):
        row = world.one(set_name, **fields)
        world.change(set_name, {name: row[name] for name in world.table(set_name).entity_set.keys}, **change)
    seen, said = check(desk)
    assert (seen.code, left(desk)) == (0, 0), said
    assert not [old for old in ("TQE-000-A", "600100-", "RES-") if old in said["ok"][0]], said["ok"][0]


def test_a_company_without_a_usable_account_gets_nothing(desk: Desk) -> None:
    world = d365(desk)
    for row in world.find("MainAccounts"):
        world.change("MainAccounts", {name: row[name] for name in ("ChartOfAccounts", "MainAccountId")}, IsSuspended="Yes")
    seen, said = check(desk)
    assert (seen.code, desk.writes()) == (1, 0)
    assert said["not ok"] == ["Company tqe has no main account that can be posted to."]


def test_company_and_vendor_are_chosen(desk: Desk) -> None:
    vendor = d365(desk).find("VendorsV3", dataAreaId="tqw", OnHoldStatus="No")[-1].text("VendorAccountNumber")
    seen, said = check(desk, "--company", "TQW", "--vendor", vendor.lower())
    assert seen.code == 0, said
    assert f"for vendor {vendor} " in said["ok"][0]
    assert "in company tqw is written" in said["ok"][0]
    assert {str(write.key["dataAreaId"]).lower() for write in d365(desk).writes} == {"tqw"}


@pytest.mark.parametrize(
    ("argv", "code", "says"),
    [
        (("--write-check", "--company", "nope"), 2, "Company nope is not in the connection"),
        (("--write-check", "--vendor", "nope"), 1, "Vendor nope is not in company tqe: correct --vendor."),
        (("--vendor", "nope"), 2, "add --write-check"),
        (("--company", "tqe"), 2, "add --write-check"),
    ],
)
def test_a_wrong_choice_writes_nothing(desk: Desk, argv: tuple[str, ...], code: int, says: str) -> None:
    seen = desk.call("ping", ID, "--yes", *argv)
    assert seen.code == code
    assert says in " ".join((seen.out + seen.err).split())
    assert desk.writes() == 0


def test_without_a_sign_in_there_is_no_write_check(desk: Desk) -> None:
    desk.deployment.secrets.values[f"{ID}-d365-client-secret"] = "wrong"
    seen, said = check(desk)
    assert (seen.code, desk.writes()) == (1, 0)
    assert said == {"ok": [], "to look at": [], "not ok": []}

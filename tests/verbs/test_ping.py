"""`ping`: what fits, what does not, with its remedy; nothing stops at the first problem, and nothing is written."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.faults import Fault
from sandbox.web import Response
from sync.verbs.finding import stored_connection
from tests.verbs.desk import ID, Desk


def change(desk: Desk, **changes: object) -> None:
    """Store the connection document with some entries replaced."""
    document = json.loads(stored_connection(desk.app, ID).text)
    desk.app.connections.put(json.dumps({**document, **changes}))


def first_company(desk: Desk, **changes: object) -> None:
    """Store the document with entries of its first company replaced."""
    document = json.loads(stored_connection(desk.app, ID).text)
    first, *others = document["companies"]
    change(desk, companies=[{**first, **changes}, *others])


def set_row(desk: Desk, set_name: str, keys: dict[str, Any], **fields: Any) -> None:  # Any: values of any type
    """Change a row of D365."""
    desk.world.d365.change(set_name, keys, **fields)


JOURNAL = {"dataAreaId": "tqe", "Name": "AVXPAY"}
CHECK = {"dataAreaId": "tqe", "Name": "AVX-CHK"}
GROUPS = {"MainAccount": "GL Account", "BusinessUnit": "Business Unit", "CostCenter": "Cost Center", "Department": "Department"}
Setting = Callable[[Desk], None]

WRONG: dict[str, tuple[Setting, str]] = {
    "unknown company": (lambda desk: first_company(desk, id="nope"), "Company nope is not in D365 (there are: tqe, tqn, tqw)"),
    "no ledger": (lambda desk: desk.world.d365.remove("Ledgers", {"LegalEntityId": "TQE"}), "Company tqe has no ledger"),
    "dimension not in the formats": (
        lambda desk: change(desk, code_groups={**GROUPS, "Building": "Building", "Project": "Building 2"}),
        "The mapped dimension Project is not in the active ledger and default format",
    ),
    "no journal": (lambda desk: first_company(desk, payment_journal="NOPE"), "(vendor payment journals: AVXPAY)"),
    "journal of another type": (lambda desk: first_company(desk, payment_journal="APINV"), "is of the type VendInvoiceRegister"),
    "journal deletes its lines": (lambda desk: set_row(desk, "JournalNames", JOURNAL, DeleteLinesAfterPosting="Yes"), "deletes its lines"),
    "journal prints checks": (
        lambda desk: set_row(desk, "JournalNames", JOURNAL, GeneratePaymentsBeforePosting="Yes"),
        "a second check may be printed",
    ),
    "no method": (lambda desk: first_company(desk, invoice_payment_method="NOPE"), "Method of payment NOPE does not exist in tqe"),
    "no bank": (
        lambda desk: first_company(desk, payment_methods={"check": {"d365_method": "AVX-CHK", "bank_account": "NOPE"}}),
        "Bank account NOPE does not exist in tqe (there are: CARD, OPER, PAYRL)",
    ),
    "no accounting system": (lambda desk: first_company(desk, accounting_system="1"), "(there are: 4101, 4102, 4103)"),
    "no code group": (
        lambda desk: change(desk, code_groups={**GROUPS, "Building": "Buildings"}),
        "Company tqe: the code group Buildings of Building does not exist",
    ),
    "required group not mapped": (lambda desk: change(desk, code_groups=GROUPS), "the code group Building is required on invoices"),
    "posted invoices cannot be read": (
        lambda desk: desk.deployment.network.faults.add(
            Fault("status", method="GET", path=r"^/data/VendInvoiceJourBiEntities\b", reply=Response(403, {}, b"{}"), times=100)
        ),
        "Without it, invoices and payments do not start.",
    ),
    "secret missing": (lambda desk: drop_secret(desk, "avid-user-token"), "The secret thornquill-avid-user-token does not exist."),
}
TO_LOOK_AT: dict[str, tuple[Setting, str]] = {
    "fixed offset": (
        lambda desk: set_row(desk, "JournalNames", JOURNAL, IsFixedOffsetAccount="Yes", OffsetAccountDisplayValue="OPER"),
        "fixed offset account OPER",
    ),
    "workflow": (lambda desk: set_row(desk, "JournalNames", JOURNAL, IsWorkflowApprovalActive="Yes"), "has an approval workflow"),
    "export format": (
        lambda desk: set_row(
            desk,
            "VendorPaymentMethods",
            CHECK,
            ExportFormatClassName="VendOutPaym",
            BridgingPostingEnabled="Yes",
            ValidateCheckNumberIsMandatory="Yes",
        ),
        "has the export format VendOutPaym, posts over a bridging account, wants a check number",
    ),
    "no policy": (
        lambda desk: first_company(desk, payment_methods={"ach": {"d365_method": "AVX-ACH", "bank_account": "OPER"}}),
        "ach has no policy of its own, so on_settled holds",
    ),
    "other currency": (lambda desk: first_company(desk, currency="EUR"), "Company tqe keeps its books in USD"),
}


def drop_secret(desk: Desk, name: str) -> None:
    """Take a secret out of the vault."""
    del desk.deployment.secrets.values[f"{ID}-{name}"]


def test_a_customer_that_fits(desk: Desk) -> None:
    before = desk.storage_versions()
    seen = desk.call("ping", ID)
    assert seen.code == 0, seen.out
    assert "thornquill fits: 55 ok, 0 to look at, 0 not ok." in seen.out
    assert "Company tqe: 4 invoices in 2 batches closed since 2026-02-05 are let in." in seen.out
    assert "8 payments since 2026-02-05 are let in: 1 issued, 6 settled, 1 voided." in seen.out
    assert desk.writes() == 0
    assert int(desk.storage_versions()) == int(before) + 1, "nothing was stored"


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_said_and_the_rest_goes_on(desk: Desk, name: str) -> None:
    setting, says = WRONG[name]
    setting(desk)
    seen = desk.call("ping", ID, "--json")
    wrong = [line["sentence"] for line in seen.document["lines"] if line["verdict"] == "not ok"]
    assert any(says in sentence for sentence in wrong), wrong
    assert (seen.code, seen.document["fits"]) == (1, False)
    parts = {line["part"] for line in seen.document["lines"]}
    assert {"D365 entities", "policies"} <= parts, "the checks after it were made"


@pytest.mark.parametrize("name", TO_LOOK_AT)
def test_what_a_person_should_know_is_no_error(desk: Desk, name: str) -> None:
    setting, says = TO_LOOK_AT[name]
    setting(desk)
    seen = desk.call("ping", ID, "--json")
    look = [line["sentence"] for line in seen.document["lines"] if line["verdict"] == "to look at"]
    assert any(says in sentence for sentence in look), look
    assert seen.code == 0


def test_a_wrong_client_secret_leaves_avidxchange_to_be_checked(desk: Desk) -> None:
    desk.deployment.secrets.values[f"{ID}-d365-client-secret"] = "wrong-and-secret"
    seen = desk.call("ping", ID)
    assert seen.code == 1
    assert "the client secret is wrong; store the secret's value" in " ".join(seen.out.split())
    assert "Nothing else of D365 could be checked" in seen.out
    assert "3 accounting systems" in seen.out
    assert "wrong-and-secret" not in seen.out + seen.err


def test_wrong_tokens_leave_d365_to_be_checked(desk: Desk) -> None:
    desk.deployment.secrets.values[f"{ID}-avid-user-token"] = "wrong-and-secret"
    seen = desk.call("ping", ID)
    assert seen.code == 1
    assert "Nothing else of AvidXchange could be checked" in seen.out
    assert "14 of 14 entity sets can be read" in seen.out
    assert "wrong-and-secret" not in seen.out + seen.err

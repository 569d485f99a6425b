"""`ping` against an AvidXchange whose dialect differs in one place: the entry to correct is named, and the other checks go on."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from sandbox.avid import AvidSystem
from sandbox.web import Request, Response
from sync.avid.profile import shipped_profile
from sync.errors import FixConfiguration
from tests.verbs.desk import ID, Desk
from tests.verbs.test_ping import GROUPS, change, first_company

Json = Any  # Any: JSON

FIELDS = shipped_profile().model_dump(mode="json")["fields"]
ANSWERS = {
    "accounting_system": (r"/accountingSystems$", "Items"),
    "vendor": (r"/vendors$", "Items"),
    "code_group": (r"/enterpriseCodeGroups$", "Items"),
    "code": (r"/enterpriseCodes$", "Items"),
    "batch": (r"/closed/acctgSysId/", "Items"),
    "invoice": (r"/fullDetails$", "Items"),
    "distribution": (r"/fullDetails$", "Distributions"),
    "payment": (r"/payments$", "Items"),
    "remittance": (r"/payments$", "Remittances"),
}
"""Section of the profile's fields to the address of the answer and the name under which its rows stand."""
INSIDE = {
    "distribution.code_value": "EnterpriseCodes",
    "distribution.code_groups": "EnterpriseCodes",
    "distribution.code_group_name": "EnterpriseCodeGroups",
}
"""Entries whose rows stand deeper."""
NOT_SHOWN = {
    *("vendor.doing_business_as", "vendor.tax_id"),
    *("invoice.posting_date", "payment.accounting_system", "payment.external_payment_id"),
    *("payment.exception_id", "payment.exception_description"),
    "payment.card_last_four",
}
"""Names that the small world's answers do not have."""
ENTRIES = [f"{section}.{entry}" for section in ANSWERS for entry in FIELDS[section] if f"{section}.{entry}" not in NOT_SHOWN]


@dataclass
class Renamed:
    """An AvidXchange that calls one field otherwise: in the objects under `container`, in answers of addresses like `path`."""

    system: AvidSystem
    path: str
    container: str
    old: str
    new: str
    struck: int = field(default=0, init=False)

    def handle(self, request: Request) -> Response:
        """See `sandbox.web.System`."""
        response = self.system.handle(request)
        if not re.search(self.path, request.path) or response.status != 200:
            return response
        value = json.loads(response.body)
        for row in under(value, self.container) if self.container else [value]:
            if self.old in row:
                self.struck += 1
                row[self.new] = row.pop(self.old)
        return replace(response, body=json.dumps(value).encode())


def under(value: Json, name: str) -> Iterator[dict[str, Json]]:
    """The objects that stand under a name, at any depth."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if key == name:
            yield from (row for row in (item if isinstance(item, list) else [item]) if isinstance(row, dict))
        yield from under(item, name)


def renamed(desk: Desk, path: str, container: str, old: str, new: str) -> Renamed:
    """The customer's AvidXchange, speaking so from now on."""
    system = Renamed(AvidSystem(desk.world.avid), path, container, old, new)
    desk.deployment.network.mount(desk.world.avid.host, system)
    return system


ADDRESS = {"Line1": "1 Mill Lane", "Line2": "", "Line3": "", "Line4": "", "City": "Brackenford", "State": "OH", "PostalCode": "43001"}


@pytest.fixture
def filled(desk: Desk) -> Desk:
    """AvidXchange has a vendor with all its fields, as after a first run."""
    address = {**ADDRESS, "CountryCode": "USA"}
    texts = {"AccountNo": "1", "EmailAddress": "a@b.example", "PhoneNumber": "1", "TermType": {"termTypeName": "Net30"}}
    row = {**texts, "Is1099": False, "Address": address, "RemitToAddress": address}
    for company in desk.world.connection["companies"]:
        desk.world.avid.add_vendor(company["accounting_system"], "FULL", "Full Vendor", **row)  # type: ignore[arg-type]  # objects too
    return desk


def lines(desk: Desk, verdict: str) -> list[str]:
    """What ping says with this verdict, sentence and remedy, of AvidXchange."""
    seen = desk.call("ping", ID, "--json")
    return [f"{line['sentence']} {line['remedy']}" for line in seen.document["lines"] if line["verdict"] == verdict]


NEEDED = (
    *("accounting_system.id", "vendor.external_id", "vendor.name", "vendor.is_active", "code_group.name", "code_group.is_required"),
    *("code.value", "code.is_active", "batch.guid", "batch.date_closed", "batch.links", "invoice.id", "invoice.number"),
    *("invoice.vendor_id", "invoice.invoice_date", "invoice.gross", "invoice.distributions", "distribution.amount", "distribution.codes"),
    *("distribution.code_value", "distribution.code_groups", "distribution.code_group_name", "payment.id", "payment.amount"),
    *("payment.status", "payment.method", "payment.payee_id", "payment.payment_date", "payment.bank_client_ids"),
    *("remittance.number", "remittance.gross", "remittance.net"),
)
"""Entries without which documents would be parked, or taken for something else."""


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_entry_of_a_field_with_another_name_is_named_with_what_stands_there(filled: Desk, entry: str) -> None:
    section, _, name = entry.partition(".")
    path, container = ANSWERS[section]
    *inside, leaf = FIELDS[section][name].split(".")
    at = (container, inside[0]) if entry == "remittance.external_id" else (inside[-1] if inside else INSIDE.get(entry, container), leaf)
    system = renamed(filled, path, *at, "Other")
    seen = filled.call("ping", ID, "--json")
    assert system.struck, "the small world has such a field"
    said = [f"{line['verdict']}: {line['sentence']} {line['remedy']}" for line in seen.document["lines"]]
    remedy = f"Correct avidxchange.profile.fields.{entry}." if entry in NEEDED else f"(fields.{entry})"
    about = [line for line in said if remedy in line and "Other" in line]
    assert about, [line for line in said if not line.startswith("ok")]
    assert {line.partition(":")[0] for line in about} == {"not ok" if entry in NEEDED else "to look at"}
    assert seen.code == (1 if entry in NEEDED else 0)
    assert {"policies", "start_from", "capabilities"} <= {line["part"] for line in seen.document["lines"]}, "the checks after it were made"


ENVELOPES = {
    "rows under another name": (r"/payments$", "", "Items", "Correct avidxchange.profile.envelope.items."),
    "another name in a list without pages": (r"/accountingSystems$", "", "Items", "Correct avidxchange.profile.envelope.items."),
    "links under another name": (r"/closed/", "Items", "Links", "Correct avidxchange.profile.fields.batch.links."),
    "another name for a relation": (r"/closed/", "Links", "Rel", "Correct avidxchange.profile: envelope.details"),
    "another name for an address": (r"/closed/", "Links", "Href", "Correct avidxchange.profile: envelope.details"),
}


@pytest.mark.parametrize("name", ENVELOPES)
def test_an_envelope_with_another_name_does_not_fit(filled: Desk, name: str) -> None:
    path, container, old, says = ENVELOPES[name]
    renamed(filled, path, container, old, f"New{old}")
    assert any(says in line for line in lines(filled, "not ok")), lines(filled, "not ok")


def overridden(desk: Desk, **entries: object) -> None:
    """The profile says something else than the sandbox's AvidXchange; dots are written as two underscores."""
    profile = {name.replace("__", "."): value for name, value in entries.items()}
    change(desk, avidxchange={**connection(desk)["avidxchange"], "profile": profile})


def connection(desk: Desk) -> Json:
    """The stored document."""
    return json.loads(desk.call("connections", "show", ID).out)


NOT_FITTING: dict[str, tuple[Callable[[Desk], None], str]] = {
    "path of accounting systems": (
        lambda desk: overridden(desk, paths__accounting_systems="/books"),
        "avidxchange.profile.paths.accounting_systems",
    ),
    "path of vendors": (lambda desk: overridden(desk, paths__vendors="/suppliers"), "avidxchange.profile.paths.vendors"),
    "path of code groups": (lambda desk: overridden(desk, paths__code_groups="/groups"), "avidxchange.profile.paths.code_groups"),
    "path of codes": (lambda desk: overridden(desk, paths__codes="/codes"), "avidxchange.profile.paths.codes"),
    "path of batches": (
        lambda desk: overridden(desk, paths__closed_batches="/batches/{system}"),
        "avidxchange.profile.paths.closed_batches",
    ),
    "path of payments": (lambda desk: overridden(desk, paths__payments="/paid"), "avidxchange.profile.paths.payments"),
    "name of the accounting system in queries": (
        lambda desk: overridden(desk, query__accounting_system="system"),
        "acctgSysId is required",
    ),
    "name of the code group in queries": (
        lambda desk: overridden(desk, query__code_group="group"),
        "Correct avidxchange.profile.query.code_group.",
    ),
    "name of the close dates": (lambda desk: overridden(desk, query__closed_from="from"), "the names under avidxchange.profile.query"),
    "name of the days of payments": (lambda desk: overridden(desk, query__modified_to="to"), "the names under avidxchange.profile.query"),
    "name of the payment ids": (lambda desk: overridden(desk, query__payment_ids="ids"), "the names under avidxchange.profile.query"),
    "what stands between payment ids": (
        lambda desk: overridden(desk, query__id_separator=";"),
        "the names under avidxchange.profile.query",
    ),
    "the relation of the details": (
        lambda desk: overridden(desk, envelope__details="details"),
        "Correct avidxchange.profile: envelope.details",
    ),
    "a required group that is not mapped": (
        lambda desk: change(desk, code_groups=GROUPS),
        "Map its D365 dimension in code_groups to 'Building'",
    ),
}


@pytest.mark.parametrize("name", NOT_FITTING)
def test_an_entry_that_does_not_fit_is_named(filled: Desk, name: str) -> None:
    setting, says = NOT_FITTING[name]
    setting(filled)
    assert any(says in line for line in lines(filled, "not ok")), lines(filled, "not ok")


def test_two_companies_on_one_accounting_system_are_refused_with_the_document(desk: Desk) -> None:
    with pytest.raises(FixConfiguration, match=r"companies\.accounting_system: 4102 stands twice"):
        first_company(desk, accounting_system="4102")


def test_remittances_at_their_own_path_are_found_or_the_capability_is_named(desk: Desk) -> None:
    payments = desk.world.avid.payments
    payments.update({number: replace(payment, remittances_listed=False) for number, payment in payments.items()})
    assert any("Remittances are found at their own path (/payments/{payment}/remittances)." in line for line in lines(desk, "ok"))
    overridden(desk, capabilities__remittances_by_payment=False)
    assert any("Set avidxchange.profile.capabilities.remittances_by_payment to true." in line for line in lines(desk, "not ok"))
    overridden(desk, paths__remittances="/remittances/{payment}")
    assert any("avidxchange.profile.paths.remittances" in line for line in lines(desk, "not ok"))


def test_a_page_size_that_is_not_heeded_is_seen(desk: Desk) -> None:
    overridden(desk, query__page_size="pageSize", limits__page_size=2)
    assert any("Asked for pages of 2 (pageSize), AvidXchange gives 8." in line for line in lines(desk, "to look at"))
    overridden(desk, query__page_size="pageSize", limits__page_size=100)
    assert any("The page size is asked for (pageSize=100) and not exceeded." in line for line in lines(desk, "ok"))


def test_what_tells_of_further_pages_is_named_when_it_is_not_known(desk: Desk) -> None:
    overridden(desk, envelope__links="Next", envelope__page_count="Count")
    assert any("Compare envelope.links and envelope.page_count" in line for line in lines(desk, "to look at"))


def test_vendor_updates_that_were_not_taken_over_are_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    desk = Desk(capsys)
    desk.world.avid.switches = replace(desk.world.avid.switches, vendor_updates="active_only")
    desk.deployment.network.mount(desk.world.avid.host, AvidSystem(desk.world.avid))
    assert any("Whether updates of vendors are taken over is read back by the runs" in line for line in lines(desk, "ok"))
    desk.cycle()
    assert any(
        "it may not take over updates. See python -m sync failures thornquill --cause drift." in line for line in lines(desk, "to look at")
    )


def test_statuses_and_methods_that_are_not_known_are_named_as_they_are_to_be_entered(desk: Desk) -> None:
    first, second, *_ = desk.world.avid.payments
    desk.world.avid.set_status(first, "Awaiting Courier")
    desk.world.avid.change_method(second, "Wire")
    [line] = [line for line in lines(desk, "to look at") if "is not known" in line]
    assert line.endswith("Say under avidxchange.profile what these mean: payment_methods.Wire, payment_statuses.Awaiting Courier.")


def test_lists_without_rows_are_said_to_be_not_compared(desk: Desk) -> None:
    desk.world.avid.payments.clear()
    desk.world.avid.batches.clear()
    look = lines(desk, "to look at")
    assert sum("there are none, so their fields could not be compared. Ping again when there are some." in line for line in look) == 4
    assert any("payments by id and remittances could not be tried" in line for line in look)
    assert desk.call("ping", ID).code == 0

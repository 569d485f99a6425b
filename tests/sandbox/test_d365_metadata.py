"""The sandbox's D365 describes itself from the entity file, and expands one level (contracts/d365-fo.md sections 1 to 3)."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from sandbox.d365 import schema
from sandbox.d365.metadata import EDM, EDMX
from sandbox.d365.navigation import navigations
from tests.sandbox.tiny_d365 import Json, Tiny, body_of, inner_message, url

NS = "Microsoft.Dynamics.DataEntities"
NAMES = {"edmx": EDMX, "edm": EDM}
FILE = json.loads(Path(schema.__file__).with_name("entities.json").read_text(encoding="utf-8"))


@pytest.fixture
def tiny() -> Tiny:
    return Tiny()


def schema_of(tiny: Tiny) -> ET.Element:
    response = tiny.send("GET", "/data/$metadata")
    assert (response.status, response.headers["content-type"]) == (200, "application/xml")
    found = ET.fromstring(response.body).find("edmx:DataServices/edm:Schema", NAMES)  # noqa: S314 - our own document
    assert found is not None
    return found


def rows_in(row: Json, name: str) -> list[Json]:
    value = row[name]
    assert isinstance(value, list)
    return value


def test_the_document_says_what_the_entity_file_says(tiny: Tiny) -> None:
    found = schema_of(tiny)
    assert found.attrib["Namespace"] == NS
    (container,) = found.findall("edm:EntityContainer", NAMES)
    sets = {item.attrib["Name"]: item.attrib["EntityType"] for item in container.findall("edm:EntitySet", NAMES)}
    assert container.attrib["Name"] == "Resources"
    assert sets == {name: f"{NS}.{item['entityType']}" for name, item in FILE["entitySets"].items()}
    types = {f"{NS}.{item.attrib['Name']}": item for item in found.findall("edm:EntityType", NAMES)}
    for name, item in FILE["entitySets"].items():
        element = types[sets[name]]
        assert [key.attrib["Name"] for key in element.findall("edm:Key/edm:PropertyRef", NAMES)] == item["keys"]
        fields = {field.attrib["Name"]: field.attrib["Type"].removeprefix(f"{NS}.") for field in element.findall("edm:Property", NAMES)}
        assert fields == item["fields"]
        links = {link.attrib["Name"]: link.attrib["Type"] for link in element.findall("edm:NavigationProperty", NAMES)}
        assert set(links) == set(item["navigation"])
        assert all(kind.startswith("Collection(") == item["navigation"][link].endswith("[]") for link, kind in links.items())
    enums = {
        item.attrib["Name"]: [member.attrib["Name"] for member in item.findall("edm:Member", NAMES)]
        for item in found.findall("edm:EnumType", NAMES)
    }
    assert enums == FILE["enums"]


def test_there_is_no_action_and_no_function(tiny: Tiny) -> None:
    found = schema_of(tiny)
    assert not found.findall("edm:Action", NAMES)
    assert not found.findall("edm:Function", NAMES)
    for target in (f"{NS}.post", f"VendorInvoiceHeaders/{NS}.post", f"VendorPaymentJournalHeaders/{NS}.PostJournal"):
        assert tiny.send("POST", f"/data/{target}?cross-company=true", {}).status == 404


def test_hidden_sets_are_not_in_it_and_neither_is_what_leads_there(tiny: Tiny) -> None:
    tiny.world.switches.hidden_sets = frozenset({"VendorInvoiceLines"})
    text = tiny.send("GET", "/data/$metadata").body
    assert b'Name="VendorInvoiceHeaders"' in text
    assert b'"VendorInvoiceLine"' not in text
    assert b'"VendorInvoiceLines"' not in text


def test_it_is_for_those_who_sign_in(tiny: Tiny) -> None:
    assert tiny.send("GET", "/data/$metadata", headers={"authorization": ""}).status == 401


def test_every_navigation_joins_fields_that_exist() -> None:
    joined = 0
    for item in schema.entity_sets().values():
        for navigation in navigations(item):
            joined += bool(navigation.pairs)
            assert all(own in item.fields and theirs in navigation.target.fields for own, theirs in navigation.pairs)
    assert joined > 25


def test_one_level_is_expanded_both_ways(tiny: Tiny) -> None:
    reference = tiny.invoice()
    tiny.invoice("A-2")
    header = tiny.values("VendorInvoiceHeaders", expand="VendorInvoiceLine($select=Amount,InvoiceLineNumber)", select="InvoiceNumber")[0]
    (line,) = rows_in(header, "VendorInvoiceLine")
    assert set(line) == {"@odata.etag", "Amount", "InvoiceLineNumber"}
    assert "HeaderReference" not in header
    (back, _) = tiny.values("VendorInvoiceLines", expand="VendorInvoiceHeader,")
    assert isinstance(back["VendorInvoiceHeader"], dict)
    assert back["VendorInvoiceHeader"]["HeaderReference"] == reference


def test_a_key_expands_too_and_nothing_is_null_or_an_empty_list(tiny: Tiny) -> None:
    batch = tiny.journal()
    key = f"/data/VendorPaymentJournalHeaders(dataAreaId='usmf',JournalBatchNumber='{batch}')?cross-company=true"
    assert body_of(tiny.send("GET", f"{key}&$expand=VendorPaymentJournalLine"))["VendorPaymentJournalLine"] == []
    tiny.world.post_invoice("usmf", tiny.invoice())
    tiny.post("VendorPaymentJournalLines", **tiny.payment_fields(batch))
    tiny.post("VendorPaymentJournalLineSettledInvoices", **tiny.settlement_fields(batch))
    role = "VendorPaymentJournalLineEntityRole"
    (line,) = tiny.values("VendorPaymentJournalLines", expand=f"{role},Currency,VendorPaymentJournalLinePaymentMethodEntityRole")
    assert [row["InvoiceNumber"] for row in rows_in(line, role)] == ["A-1"]
    assert isinstance(line["Currency"], dict)
    assert line["VendorPaymentJournalLinePaymentMethodEntityRole"] is None


def test_what_is_expanded_is_of_a_company_that_one_may_see(tiny: Tiny) -> None:
    tiny.invoice()
    tiny.world.default_company = "usmf"
    assert tiny.values("VendorInvoiceHeaders", cross_company=False, expand="VendorInvoiceLine")[0]["VendorInvoiceLine"] != []
    tiny.world.add("VendorGroups", dataAreaId="usmf", VendorGroupId="10", DefaultPaymentTermName="Net30")
    (group,) = tiny.values("VendorGroups", cross_company=False, expand="DefaultPaymentTerm,ClearingPeriodPaymentTerm")
    assert isinstance(group["DefaultPaymentTerm"], dict)
    assert (group["DefaultPaymentTerm"]["Name"], group["ClearingPeriodPaymentTerm"]) == ("Net30", None)


@pytest.mark.parametrize(
    ("expand", "clause"),
    [
        ("Nope", "'Nope'"),
        ("VendorInvoiceLine($expand=VendorInvoiceHeader)", "$expand"),
        ("VendorInvoiceLine($select=Nope)", "'Nope'"),
        ("VendorInvoiceLine($select=Amount", "one level"),
        ("VendorInvoiceLine/VendorInvoiceHeader", "one level"),
    ],
)
def test_other_expansions_are_refused(tiny: Tiny, expand: str, clause: str) -> None:
    response = tiny.send("GET", url("VendorInvoiceHeaders", expand=expand))
    assert response.status == 400
    assert clause in inner_message(response)


def test_a_navigation_whose_join_nobody_knows_is_refused(tiny: Tiny) -> None:
    assert tiny.send("GET", url("JournalNames", expand="BankAccount")).status == 400

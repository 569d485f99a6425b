"""The entries of the connection document that invoices and payments read: what is wrong is named, what is left out changes nothing."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.worlds.connection import connection_document
from sync.connections.document import Connection, JournalPer, Settlement, SettlementSign, parse_connection
from sync.errors import FixConfiguration
from tests.support.deliveries import Firm

pytestmark = pytest.mark.shipped_names("documents alone, without an AvidXchange")

Document = dict[str, Any]  # Any: JSON


@pytest.fixture(scope="module")
def text() -> str:
    return json.dumps(connection_document(Firm.build().world.connection), default=str)


def changed(text: str, change: Callable[[Document], object]) -> Connection:
    document: Document = json.loads(text)
    change(document)
    return parse_connection(json.dumps(document))


def test_what_is_left_out_is_as_it_was(text: str) -> None:
    connection = parse_connection(text)
    policies = connection.policies
    assert (policies.settlement_sign, policies.settlement, policies.journal_per) == (
        SettlementSign.AS_PAYMENT,
        Settlement.CHILD_ROWS,
        JournalPer.DAY,
    )
    assert connection.avidxchange.image_hosts == ()
    assert {company.sales_tax_group for company in connection.companies} == {""}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda it: it["policies"].update(settlement_sign="minus"), "policies.settlement_sign"),
        (lambda it: it["policies"].update(settlement="rows"), "policies.settlement"),
        (lambda it: it["policies"].update(journal_per="week"), "policies.journal_per"),
        (lambda it: it["policies"].update(image_megabytes=0), "policies.image_megabytes"),
        (lambda it: it["policies"].update(image_megabytes=21), "policies.image_megabytes"),
        (lambda it: it["avidxchange"].update(image_hosts=["https://images.example"]), "avidxchange.image_hosts.0"),
        (lambda it: it["avidxchange"].update(image_hosts=["*.example"]), "avidxchange.image_hosts.0"),
        (lambda it: it["companies"][0].update(procurement_category="Services"), "procurement_hierarchy are named together"),
        (lambda it: it["companies"][0].update(procurement_hierarchy="Procurement"), "procurement_hierarchy are named together"),
        (lambda it: it["companies"][0].update(sales_tax="NY"), "companies.0.sales_tax"),
    ],
)
def test_what_is_wrong_is_named(text: str, change: Callable[[Document], object], words: str) -> None:
    with pytest.raises(FixConfiguration, match=words):
        changed(text, change)

"""The whole firm in every pair of the forms that an AvidXchange can have: the truths agree in each (contracts/avidxchange.md)."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from sandbox.avid import AvidSwitches
from sandbox.worlds.model import ExpectedInvoice, ExpectedPayment
from sandbox.worlds.truth import compare
from tests.support.deliveries import Firm
from tests.support.pairwise import pairwise

ABSENT = frozenset({"PostingDate", "LastModifiedDate", "LastChangedDate", "VirtualCard"})
"""What no document needs; without CurrencyCode a profile has one currency for all."""
FORMS: Mapping[str, Sequence[Any]] = {
    "page_size": (100, 3),
    "paging": ("links", "page_number", "none", "bare"),
    "page_count_name": ("PageCount", "Pages"),
    "successful": ("boolean", "text"),
    "single_as_object": (False, True),
    "ids": ("number", "text"),
    "money": ("number", "text"),
    "timestamp_separator": ("T", " "),
    "timestamp_fraction": (False, True),
    "remittances": ("inline", "separate"),
    "acknowledged_batches_listed": (True, False),
    "payments_name_accounting_system": (False, True),
    "left_out": (frozenset[str](), ABSENT),
    "last_day_included": (True, False),
}
COMBINATIONS = pairwise(FORMS)


@pytest.mark.parametrize("values", COMBINATIONS, ids=range(len(COMBINATIONS)))
def test_everything_arrives_whatever_forms_avidxchange_has(values: Mapping[str, Any]) -> None:
    firm = Firm.build(avid=AvidSwitches(**values))
    firm.cycle()
    firm.cycle(minutes=24 * 60)
    assert compare(firm.world).agrees, compare(firm.world).differences
    written = len(firm.world.d365.writes) + len(firm.world.avid.writes)
    firm.cycle(minutes=15)
    assert len(firm.world.d365.writes) + len(firm.world.avid.writes) == written, "a further cycle writes nothing"


@pytest.mark.shipped_names("it gives an entry of its own")
@pytest.mark.parametrize("currency", ["USD", "CAD"])
def test_where_documents_name_no_currency_the_profile_does(currency: str) -> None:
    firm = Firm.build(avid=AvidSwitches(left_out=frozenset({"CurrencyCode"})))
    firm.configure(avidxchange={"profile": {"values.default_currency": currency}} if currency != "USD" else {})
    firm.cycle()
    usual = {company["id"].lower(): company["currency"] for company in firm.world.connection["companies"]}
    assert {*usual.values()} == {"USD", "CAD"}
    expected = firm.world.expected
    documents: list[ExpectedInvoice | ExpectedPayment] = [*expected.invoices.values(), *expected.payments.values()]
    for item in documents:
        if item.fate.action == "write":
            differs = {cause.code for cause in firm.record(item).causes} == {"currency-differs"}
            assert differs == (usual[item.company.lower()] != currency)

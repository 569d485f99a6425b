"""What the connector sends to D365 in a whole cycle, held against contracts/d365-fo.md: bodies, URLs and headers of every request."""

import re
from collections.abc import Iterator
from decimal import Decimal
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from sandbox.d365 import Write
from sandbox.d365.dimensions import active_format, split
from sandbox.d365.schema import WRITABLE_SETS, entity_sets
from sandbox.network import Exchange
from sandbox.worlds.model import ExpectedInvoice
from tests.proof.virtual import deployed_firm
from tests.support.deliveries import Firm

SEED = 6
EVERYWHERE = ("Invoice eq '", "InvoiceNumber eq '")
"""Conditions that look for the invoice of a payment in all companies, so as to tell an invoice of another company from a missing one."""
HEADERS, LINES = "VendorInvoiceHeaders", "VendorInvoiceLines"
JOURNALS, PAYMENTS, SETTLED = "VendorPaymentJournalHeaders", "VendorPaymentJournalLines", "VendorPaymentJournalLineSettledInvoices"


@pytest.fixture(scope="module")
def firm() -> Firm:
    """A firm with every kind of document after its first two cycles."""
    deployment, world = deployed_firm(SEED)
    built = Firm(deployment, world, deployment.worker())
    built.cycle()
    built.cycle(minutes=20)
    return built


def sent(firm: Firm, set_name: str) -> list[Write]:
    """What was created in a set."""
    found = [write for write in firm.world.d365.writes if (write.method, write.set_name) == ("POST", set_name)]
    assert found
    return found


def requests(firm: Firm) -> list[Exchange]:
    return firm.deployment.network.requests(firm.world.d365.host)


def options(exchange: Exchange) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(exchange.target).query).items()}


def invoice_of(firm: Firm, write: Write) -> ExpectedInvoice:
    """The expected invoice of a written header."""
    key = (str(write.body["dataAreaId"]), write.body["InvoiceAccount"], write.body["InvoiceNumber"])
    (item,) = (
        item
        for item in firm.world.expected.invoices.values()
        if (item.company.lower(), item.invoice_account, item.number) == key and item.fate.action == "write"
    )
    return item


# --- the wire -----------------------------------------------------------------------------------------------------------------------


def test_every_request_looks_across_companies_and_companies_are_filtered(firm: Firm) -> None:
    reads = 0
    for exchange in requests(firm):
        assert options(exchange).get("cross-company") == "true" or "/data/$batch" in unquote(exchange.target)
        name = unquote(urlsplit(exchange.target).path).removeprefix("/data/")
        if exchange.method == "GET" and name in entity_sets() and entity_sets()[name].has_company:
            condition = options(exchange)["$filter"]
            reads += 1
            assert "dataAreaId eq '" in condition or condition.startswith(EVERYWHERE), exchange.target
    assert reads > 20


def test_pages_are_asked_for_by_preference_and_cookies_are_dropped(firm: Firm) -> None:
    crawls = [exchange for exchange in requests(firm) if exchange.target.startswith("/data/VendorsV3?") and "$count" not in exchange.target]
    assert crawls
    assert all(re.search(r"odata\.maxpagesize=\d+", exchange.headers["prefer"]) for exchange in crawls)
    assert firm.world.d365.affinity_returned == 0


def test_look_ups_are_chains_of_twenty_at_most(firm: Firm) -> None:
    chains = [len(re.findall(r" or ", options(exchange).get("$filter", ""))) for exchange in requests(firm)]
    assert max(chains) < 20
    assert any(chains)
    assert max(len(exchange.target) for exchange in requests(firm)) < 8_000


def test_conditions_use_only_what_d365_knows(firm: Firm) -> None:
    conditions = [options(exchange)["$filter"] for exchange in requests(firm) if "$filter" in options(exchange)]
    plain = [re.sub(r"'(?:[^']|'')*'", "''", condition) for condition in conditions]
    assert plain
    assert not [condition for condition in plain if re.search(r"\b(in|has)\b|\w\(|\b(gt|lt|ge|le) ''", condition)]
    flags = [condition for condition in plain if "IsActive" in condition]
    assert flags
    assert all("Microsoft.Dynamics.DataEntities.NoYes''" in condition for condition in flags)


def test_nothing_but_the_six_sets_is_written_and_nothing_is_posted(firm: Firm) -> None:
    assert firm.world.d365.forbidden_writes == []
    for exchange in requests(firm):
        name = re.split(r"[?(]", unquote(exchange.target).removeprefix("/data/"))[0]
        assert exchange.method == "GET" or name in WRITABLE_SETS | {"$batch"}
    assert {row["IsPosted"] for row in firm.world.d365.rows(JOURNALS)} == {"No"}


def test_dates_travel_at_noon_and_companies_in_lower_case(firm: Firm) -> None:
    dates = 0
    for write in firm.world.d365.writes:
        fields = entity_sets()[write.set_name].fields
        for name, value in write.body.items():
            if fields[name] == "Edm.DateTimeOffset":
                dates += 1
                assert re.fullmatch(r"\d{4}-\d\d-\d\dT12:00:00Z", str(value)), (name, value)
        company = str(write.body.get("dataAreaId", ""))
        assert company == company.lower()
    assert dates > 10


def test_currency_codes_are_upper_case(firm: Firm) -> None:
    invoices, payments = sent(firm, HEADERS), sent(firm, PAYMENTS)
    codes = {str(write.body["Currency"]) for write in invoices} | {str(write.body["CurrencyCode"]) for write in payments}
    assert "USD" in codes
    assert all(code == code.upper() for code in codes)


# --- pending invoices ---------------------------------------------------------------------------------------------------------------


def test_a_header_names_the_account_that_is_paid_and_the_vendor(firm: Firm) -> None:
    others = 0
    for write in sent(firm, HEADERS):
        item = invoice_of(firm, write)
        assert write.body["VendorAccount"] == item.vendor_account
        others += item.vendor_account != item.invoice_account
    assert others, "the firm has a vendor that is invoiced under another account"


def test_a_header_holds_no_total_and_no_approval(firm: Firm) -> None:
    for write in sent(firm, HEADERS):
        assert not {"VendorInvoiceReviewStatus", "IsApproved", "ApproverPersonnelNumber", "Total", "HeaderReference"} & set(write.body)
        assert write.body["ImportedAmount"] == invoice_of(firm, write).gross
        assert {"InvoiceNumber", "InvoiceDate", "Date", "Currency"} <= set(write.body)
        names = list(write.body)
        if "DueDate" in names and "TermsOfPayment" in names:
            assert names.index("TermsOfPayment") < names.index("DueDate")


def test_lines_come_in_changesets_after_their_header_with_signed_amounts(firm: Firm) -> None:
    numbers = [write.key["HeaderReference"] for write in sent(firm, HEADERS)]
    signs = set()
    for write in sent(firm, LINES):
        body = write.body
        amount, price, quantity = (Decimal(str(body[name])) for name in ("Amount", "UnitPrice", "ReceiveNow"))
        assert body["HeaderReference"] in numbers
        assert (price, quantity) == (abs(amount), Decimal(1 if amount >= 0 else -1))
        assert "InvoiceLineNumber" in body
        assert "LineNumber" not in body
        signs.add(amount > 0)
    assert signs == {True, False}
    assert not [exchange for exchange in requests(firm) if exchange.method == "POST" and exchange.target.startswith(f"/data/{LINES}")]
    assert any("$batch" in unquote(exchange.target) for exchange in requests(firm))


def test_tax_groups_are_sent_even_when_they_are_empty(firm: Firm) -> None:
    assert all({"SalesTaxGroup", "ItemSalesTax"} <= set(write.body) for write in sent(firm, LINES))
    assert {write.body["SalesTaxGroup"] for write in sent(firm, LINES)} == {""}


def strings(firm: Firm, set_name: str, field: str) -> Iterator[str]:
    return (str(write.body[field]) for write in sent(firm, set_name) if write.body.get(field))


def test_dimension_strings_have_exactly_the_segments_of_their_format(firm: Firm) -> None:
    world = firm.world.d365
    ledger, default = (len(active_format(world, kind)) for kind in ("DataEntityLedgerDimensionFormat", "DataEntityDefaultDimensionFormat"))
    mark = "-"
    assert {len(split(text, mark)) for text in strings(firm, LINES, "MainAccountDisplayValue")} == {ledger}
    assert {len(split(text, mark)) for text in strings(firm, LINES, "DimensionDisplayValue")} == {default}
    assert any("\\" in text for text in strings(firm, LINES, "DimensionDisplayValue")), "a value holds the delimiter"


# --- payment journals ---------------------------------------------------------------------------------------------------------------


def test_a_journal_carries_its_marker_and_is_looked_for_by_it(firm: Firm) -> None:
    for write in sent(firm, JOURNALS):
        marker = re.match(r"AVX [0-9a-f]{16}\b", str(write.body["Description"]))
        assert marker
        assert write.body["JournalName"]
        assert any(f"Description eq '*{marker[0]}*'" in options(exchange).get("$filter", "") for exchange in requests(firm))


def test_a_line_pays_a_vendor_from_a_bank_with_the_payment_s_own_numbers(firm: Firm) -> None:
    payments = {str(item.id): item for item in firm.world.expected.payments.values()}
    escaped = 0
    for write in sent(firm, PAYMENTS):
        body, item = write.body, payments[str(write.body["PaymentId"])]
        assert (body["AccountType"], body["OffsetAccountType"], body["DebitAmount"]) == ("Vend", "Bank", item.amount)
        assert str(body["AccountDisplayValue"]).replace("\\", "") == item.account
        escaped += "\\-" in str(body["AccountDisplayValue"])
        assert str(body["TransactionText"]).startswith(f"AvidPay {item.id}")
        assert {"LineNumber", "CurrencyCode", "JournalBatchNumber"} <= set(body)
    assert escaped, "a vendor account holds the delimiter"


def test_a_settlement_names_its_discount_and_every_remittance_has_one(firm: Firm) -> None:
    assert all("CashDiscountToTakeInInvoiceCurrency" in write.body for write in sent(firm, SETTLED))
    expected = sum(len(item.settlements) for item in firm.world.expected.payments.values() if item.fate.action == "write")
    assert len(sent(firm, SETTLED)) == expected


def test_settlement_rows_are_read_by_journal_and_line_and_not_by_company(firm: Firm) -> None:
    reads = [options(exchange).get("$filter", "") for exchange in requests(firm) if exchange.target.startswith(f"/data/{SETTLED}?")]
    by_line = [text for text in reads if "JournalBatchNumber eq" in text and "JournalLineNumber eq" in text]
    assert by_line
    assert not [text for text in by_line if "JournalLineCompany" in text]


def test_lines_of_one_journal_go_one_after_another(firm: Firm) -> None:
    for journal in {write.body["JournalBatchNumber"] for write in sent(firm, PAYMENTS)}:
        lines = [write for write in sent(firm, PAYMENTS) if write.body["JournalBatchNumber"] == journal]
        by_company: dict[object, list[Decimal]] = {}
        for write in lines:
            by_company.setdefault(write.body["dataAreaId"], []).append(Decimal(str(write.body["LineNumber"])))
        assert all(numbers == [Decimal(number) for number in range(1, len(numbers) + 1)] for numbers in by_company.values())

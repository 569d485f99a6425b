"""The plan of an invoice and its read-back, for any invoice."""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.avid.models import AvidInvoice, Coding, Distribution
from sync.avid.profile import shipped_profile
from sync.d365.entity import typed
from sync.d365.rows import PendingInvoice, PendingInvoiceLine
from sync.d365.wire import Json, read_row, write_json
from sync.stages.invoices.checks import shared_values, total_causes
from sync.stages.invoices.plan import InvoicePlan, PlannedLine
from sync.stages.invoices.readback import differences
from sync.stages.invoices.target import header_body, line_body
from sync.values import money_text

pytestmark = pytest.mark.shipped_names("plans alone, without an AvidXchange")

texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=12)
filled = texts.filter(bool)
days = st.dates(date(2000, 1, 1), date(2100, 1, 1))
cents = st.integers(-(10**12), 10**12).map(lambda number: Decimal(number).scaleb(-2))

lines = st.builds(
    PlannedLine,
    number=st.just(1),
    amount=cents,
    description=texts,
    main_account=filled,
    values=st.dictionaries(st.sampled_from(["A", "B"]), filled),
    account_string=filled,
    dimension_string=texts,
    tax_group=texts,
    item_tax_group=texts,
)
plans = st.builds(
    InvoicePlan,
    company=filled,
    vendor=filled,
    invoice_account=filled,
    number=filled,
    amount=cents,
    currency=st.just("USD"),
    invoice_day=days,
    posting_day=days,
    due_day=days | st.none(),
    terms=texts,
    method=texts,
    description=texts,
    document_number=texts,
    comment=filled,
    marker=filled,
    header_dimensions=texts,
    category=texts,
    category_hierarchy=texts,
    image_url=texts,
    lines=st.lists(lines, min_size=1, max_size=4).map(
        lambda found: tuple(line.model_copy(update={"number": number}) for number, line in enumerate(found, start=1))
    ),
)


@given(plans)
def test_a_plan_survives_json(plan: InvoicePlan) -> None:
    again = InvoicePlan.model_validate_json(plan.model_dump_json())
    assert again == plan
    assert (again.alias, again.model_dump_json()) == (plan.alias, plan.model_dump_json())


def stored(plan: InvoicePlan) -> tuple[dict[str, Json], list[dict[str, Json]]]:
    """What D365 holds of the plan when it takes everything as it was sent: the bodies, over the wire."""
    header = read_row(write_json({"HeaderReference": "H1", **header_body(plan)}))
    return dict(header), [dict(read_row(write_json(line_body(plan, "H1", line)))) for line in plan.lines]


def compared(plan: InvoicePlan, header: Mapping[str, Json], rows: list[dict[str, Json]]) -> list[str]:
    found = differences(plan, typed(PendingInvoice, dict(header)), [typed(PendingInvoiceLine, row) for row in rows])
    return [cause.field for cause in found]


def complete(header: Mapping[str, Json]) -> dict[str, Json]:
    """Fields that we leave to D365 are there too."""
    return {"DueDate": None, "TermsOfPayment": "N30", "MethodOfPayment": "CHECK", **header}


@given(plans)
def test_what_d365_took_as_it_was_sent_shows_no_difference(plan: InvoicePlan) -> None:
    header, rows = stored(plan)
    assert compared(plan, complete(header), rows) == []


OTHER: Mapping[type, Callable[[Json], Json]] = {
    str: lambda value: "2101-02-03T12:00:00Z" if str(value)[10:] == "T12:00:00Z" else f"{value}x",
    int: lambda value: int(str(value)) + 1,
    Decimal: lambda value: Decimal(str(value)) + Decimal("0.01"),
}
NOT_COMPARED = {"dataAreaId", "HeaderReference", "ProcurementCategoryName", "ProcurementCategoryHierarchyName"}
"""The key, and the category: a setting of ours that D365 may complete by itself."""


@given(plans, st.data())
def test_any_single_field_that_d365_changed_is_found(plan: InvoicePlan, data: st.DataObject) -> None:
    header, rows = stored(plan)
    row = data.draw(st.sampled_from([header, *rows]))
    field = data.draw(st.sampled_from(sorted(row.keys() - NOT_COMPARED)))
    row[field] = OTHER[type(row[field])](row[field])
    found = compared(plan, complete(header), rows)
    assert found, f"{field} was changed unseen"
    if field != "InvoiceLineNumber":
        assert [name.rpartition(": ")[2] for name in found] == [field]


@given(plans, st.data())
def test_a_missing_or_additional_line_is_found(plan: InvoicePlan, data: st.DataObject) -> None:
    header, rows = stored(plan)
    taken = data.draw(st.integers(0, len(rows) - 1))
    assert compared(plan, complete(header), rows[:taken] + rows[taken + 1 :]) == ["lines", f"line {taken + 1}"]
    assert compared(plan, complete(header), [*rows, {**rows[0], "InvoiceLineNumber": 99}]) == ["lines"]


@given(st.lists(cents, min_size=1, max_size=8), st.integers(-2, 2))
def test_lines_add_up_to_the_cent_or_the_invoice_is_parked(amounts: list[Decimal], off: int) -> None:
    gross = sum(amounts, Decimal(0)) + Decimal(off).scaleb(-2)
    causes = [cause for cause in causes_of(gross, amounts) if cause[0] == "sum-differs"]
    assert bool(causes) == (off != 0)
    assert all(money_text(gross) in sentence for _, sentence in causes)


@given(st.lists(cents, min_size=1, max_size=4), st.integers(1, 9))
def test_fractions_of_a_cent_are_never_rounded_away(amounts: list[Decimal], mill: int) -> None:
    odd = [amounts[0] + Decimal(mill).scaleb(-3), *amounts[1:]]
    assert "field-invalid" in {code for code, _ in causes_of(sum(odd, Decimal(0)), odd)}


def causes_of(gross: Decimal, amounts: list[Decimal]) -> list[tuple[str, str]]:
    invoice = AvidInvoice(
        id="1",
        number="N1",
        vendor_id="V1",
        remit_to="",
        vendor_name="",
        account_no="",
        invoice_date=date(2026, 1, 2),
        due_date=None,
        posting_date=None,
        gross=gross,
        currency="USD",
        po_number="",
        memo="",
        terms="",
        image_url="",
        distributions=tuple(Distribution(amount, "", (Coding("GL", "1"),)) for amount in amounts),
        last_changed=None,
        text="{}",
    )
    return [(cause.code, cause.sentence) for cause in total_causes(invoice, "Invoice N1", shipped_profile().fields)]


@given(st.lists(st.dictionaries(st.sampled_from("ABC"), st.sampled_from("12")), min_size=1, max_size=5))
def test_the_header_carries_what_all_lines_share_and_nothing_else(values: list[dict[str, str]]) -> None:
    found = shared_values([PlannedLine(number=1, amount=Decimal(1), description="", main_account="1", values=each) for each in values])
    assert all(each.get(name) == value for each in values for name, value in found.items())
    left = {name for each in values for name in each} - found.keys()
    assert all(len({each.get(name, "") for each in values}) > 1 for name in left)

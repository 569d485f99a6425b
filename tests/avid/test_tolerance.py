"""The same content in every form that is met reads the same, and no content of any form breaks a reader."""

import json
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from string import ascii_letters

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.avid import AvidSwitches
from sandbox.web import Request, Response
from sync.avid.envelopes import read_page, read_results
from sync.avid.jsontext import Json, Row, json_text, read_json
from sync.avid.models import BadRow, ClosedBatch, Code, CodeGroup, Remittance
from sync.avid.profile import shipped_profile
from sync.avid.reading import RowReader
from sync.avid.rows import read_accounting_system, read_batch, read_code, read_code_group, read_remittance, read_vendor
from sync.errors import FixConfiguration, TryLater
from tests.avid.tenant import Tenant

PROFILE = shipped_profile()
ENVELOPE = PROFILE.envelope

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.decimals(allow_nan=False, allow_infinity=False))
anything: st.SearchStrategy[Json] = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)), max_leaves=6
)

pytestmark = pytest.mark.shipped_names("answers in the shipped names, read without a client")
names = st.text(ascii_letters, min_size=1, max_size=8).filter(lambda name: name not in {"Items", "Paging"})
rows = st.dictionaries(names, texts, min_size=1)
amounts = st.decimals(min_value=-(10**9), max_value=10**9, places=2)


class Saying:
    """A system that gives one body to every request."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def handle(self, _: Request) -> Response:
        """See `sandbox.web.System`."""
        return Response(200, {}, self._answer)


def body(document: object) -> bytes:
    return json.dumps(document).encode()


@given(st.lists(rows, min_size=1, max_size=4))
def test_rows_are_the_same_in_every_envelope(items: list[dict[str, str]]) -> None:
    forms: list[object] = [items, {"Items": items}, {"Items": items, "Paging": None}]
    forms += [{"Items": items, "Paging": {"PageCount": "1"}}]
    if len(items) == 1 and not {*items[0]} & {"exception", "fault"}:
        forms += [items[0], {"Items": items[0]}]
    for form in forms:
        assert read_page(body(form), ENVELOPE).items == items


@given(st.lists(st.tuples(st.booleans(), st.lists(st.text(ascii_letters, min_size=1), max_size=2)), min_size=1, max_size=4), st.data())
def test_results_are_the_same_in_every_envelope(outcomes: list[tuple[bool, list[str]]], data: st.DataObject) -> None:
    def errors(messages: list[str]) -> object:
        listed = [{"Message": message} for message in messages]
        return listed[0] if len(listed) == 1 and data.draw(st.booleans()) else listed or data.draw(st.sampled_from([[], None]))

    results = [
        {"Successful": data.draw(st.sampled_from([done, str(done), str(done).lower()])), "Item": {}, "Errors": errors(messages)}
        for done, messages in outcomes
    ]
    sent: object = results[0] if len(results) == 1 and data.draw(st.booleans()) else results
    read = read_results(body({"Results": sent}), len(outcomes), ENVELOPE)
    assert [result.ok for result in read] == [done for done, _ in outcomes]
    for result, (done, messages) in zip(read, outcomes, strict=True):
        assert result.messages == tuple(messages) or not (done or messages)


@given(st.integers(0, 6), st.integers(0, 6))
def test_every_item_gets_a_result_whatever_number_comes_back(sent: int, received: int) -> None:
    read = read_results(body({"Results": [{"Successful": True}] * received}), sent, ENVELOPE)
    assert len(read) == sent
    assert sum(result.ok for result in read) == min(sent, received)
    assert all(result.ok or result.messages for result in read)


def changed(row: Row, changes: dict[str, Json]) -> Json:
    return read_json(json_text({**row, **changes}))


VENDOR: Row = {"VendorExternalSystemID": "V-1", "VendorName": "V", "IsActive": True, "Address": {"Line1": "1 Main"}, "TermType": {}}
CODE: Row = {"CodeGroupName": "GL", "EnterpriseCodeValue": "1", "EnterpriseCodeValueDescription": "", "IsActive": True}
BATCH: Row = {"BatchGUID": "b", "BatchName": "B", "InvoiceCount": 1, "BatchTotal": 1, "DateClosed": "2026-03-01T00:00:00", "Links": []}
REMITTANCE: Row = {"Number": "1", "ExternalId": {"Value": "2"}, "Date": "2026-03-01", "Gross": 1, "Discount": 0, "Net": 1}


@given(st.dictionaries(st.sampled_from([*VENDOR, *CODE, *BATCH, *REMITTANCE]), anything, max_size=4))
def test_no_row_breaks_the_reading(changes: dict[str, Json]) -> None:
    read = [
        read_vendor(changed(VENDOR, changes), PROFILE, "12"),
        read_code(changed(CODE, changes), PROFILE, "12", "GL"),
        read_batch(changed(BATCH, changes), PROFILE, "12"),
        read_remittance(changed(REMITTANCE, changes), PROFILE),
        read_accounting_system(changed({"ID": 1, "Name": "a"}, changes), PROFILE),
        read_code_group(changed({"Id": 1, "CodeGroupName": "GL", "IsRequired": 1}, changes), PROFILE),
    ]
    assert all(row.sentence and read_json(row.raw) for row in read if isinstance(row, BadRow))


@given(anything)
def test_what_is_no_row_is_a_bad_row(value: Json) -> None:
    if not isinstance(value, dict):
        assert isinstance(read_vendor(read_json(json_text(value)), PROFILE, "12"), BadRow)


@given(st.integers(0, 10**9), amounts, amounts)
def test_ids_and_amounts_read_the_same_as_number_and_as_text(number: int, gross: Decimal, net: Decimal) -> None:
    plain = read_remittance({"Number": number, "ExternalId": {"Value": number}, "Gross": gross, "Net": net}, PROFILE)
    quoted: Row = {"Number": f"{number}", "ExternalId": {"Value": f"{number}"}, "Gross": f"{gross:f}", "Net": f" {net:f} "}
    assert plain == read_remittance(quoted, PROFILE)
    assert isinstance(plain, Remittance)
    assert (plain.number, plain.gross, plain.net) == (str(number), gross, net)


@given(st.booleans(), st.sampled_from(["{}", " {} "]))
def test_a_flag_reads_the_same_in_every_form(flag: bool, form: str) -> None:
    for value in (flag, int(flag), form.format(flag), form.format(flag).lower(), form.format(flag).upper()):
        group = read_code_group({"Id": 1, "CodeGroupName": "GL", "IsRequired": value}, PROFILE)
        assert group == CodeGroup("1", "GL", flag)
        code = read_code({"EnterpriseCodeValue": "1", "IsActive": value}, PROFILE, "12", "GL")
        assert code == Code("12", "GL", "1", "", flag)


@given(st.integers(0, 250_000_000_000), st.sampled_from("T "), st.integers(-14, 14))
def test_a_close_time_is_the_same_moment_in_every_form(seconds: int, separator: str, hours: int) -> None:
    whole = datetime(1901, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    for text in (f"{whole:%Y-%m-%d}{separator}{whole:%H:%M:%S}", f"{whole:%Y-%m-%d}{separator}{whole:%H:%M:%S}.000Z"):
        batch = read_batch({**BATCH, "DateClosed": f" {text}"}, PROFILE, "12")
        assert isinstance(batch, ClosedBatch)
        assert batch.date_closed == whole
    reader = RowReader({"at": f"2026-03-01T12:00:00{hours:+03d}:00"})
    seen = reader.moment("at")
    assert seen is not None
    assert (datetime(2026, 3, 1, 12, tzinfo=UTC) - seen).total_seconds() == hours * 3_600
    assert reader.day("at") == date(2026, 3, 1)


@given(st.one_of(st.binary(max_size=40), anything.map(lambda value: json_text({"access_token": value, "expires_in": value}).encode())))
def test_no_answer_to_a_sign_in_breaks_it(answer: bytes) -> None:
    tenant = Tenant(AvidSwitches(auth="two_layer"))
    tenant.network.mount(tenant.http.host, Saying(answer))
    with suppress(FixConfiguration, TryLater):
        headers = tenant.authorizer.headers()
        assert all(value.isascii() and value.isprintable() for value in headers.values())

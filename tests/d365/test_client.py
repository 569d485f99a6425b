"""Reading and writing entity sets."""

import re
from decimal import Decimal
from urllib.parse import urlsplit

import pytest

from sync.d365.errors import AlreadyThere, RowMissing, UrlTooLong
from sync.d365.literals import eq, is_yes
from sync.d365.wire import Json
from sync.errors import FixConfiguration, FixData, OutcomeUnknown, SignInAgain, SyncError, Throttled, TryLater
from sync.http.wire import HttpRequest, HttpResponse, NotSent, Unclear
from tests.d365.support import BASE, Environment, answer, options_of, page, path_of, refusal, scripted
from tests.http.support import Answer, FunctionTransport

CREATED = answer(201, {"dataAreaId": "usmf", "HeaderReference": "000042", "ImportedAmount": Decimal("10.10")})
KEYS = {"dataAreaId": "usmf", "HeaderReference": "O'1"}


# --- reading --------------------------------------------------------------------------------------------------------------------------


def test_a_query() -> None:
    it = scripted(page({"VendorAccountNumber": "1001"}))
    rows = list(it.client.rows("VendorsV3", where=is_yes("IsX"), select=("A", "B"), company="usmf", order=("A", "B desc"), page_size=7))
    assert rows == [{"VendorAccountNumber": "1001"}]
    (request,) = it.sent
    assert path_of(request) == "/data/VendorsV3"
    assert options_of(request) == {
        "cross-company": "true",
        "$filter": "dataAreaId eq 'usmf' and IsX eq Microsoft.Dynamics.DataEntities.NoYes'Yes'",
        "$select": "A,B",
        "$orderby": "A,B desc",
    }
    assert request.headers["Prefer"] == "odata.maxpagesize=7"


def test_a_set_without_company_or_condition() -> None:
    it = scripted(page())
    assert list(it.client.rows("MainAccounts")) == []
    assert it.sent[0].url == f"{BASE}/data/MainAccounts?cross-company=true"


def test_amounts_are_decimals_and_never_floats() -> None:
    body = b'{"value":[{"A": 0.1, "B": 12345678901234567.89, "C": 3, "D": 1e2}]}'
    it = scripted(HttpResponse(200, {}, body))
    (row,) = it.client.rows("X")
    assert row == {"A": Decimal("0.1"), "B": Decimal("12345678901234567.89"), "C": 3, "D": Decimal(100)}
    assert not any(isinstance(value, float) for value in row.values())


@pytest.mark.parametrize(
    "link",
    [
        f"{BASE}/data/X?cross-company=true&$skiptoken=ab%2Bc%20d",
        f"{BASE}:443/data/X?cross-company=true&$skiptoken=ab%2Bc%20d",
        f"{BASE.upper().replace('HTTPS', 'https').replace('/DATA', '/data')}/data/X?cross-company=true&$skiptoken=ab%2Bc%20d",
        "X?cross-company=true&$skiptoken=ab%2Bc%20d",
        "/data/X?cross-company=true&$skiptoken=ab%2Bc%20d",
    ],
)
def test_next_links_absolute_and_relative_are_followed_verbatim(link: str) -> None:
    it = scripted(page({"n": 1}, link=link), page(), page({"n": 2}))
    pages = it.client.pages("X")
    first = next(pages)
    assert list(first.rows) == [{"n": 1}]
    assert first.next_link == f"{BASE}/data/X?cross-company=true&$skiptoken=ab%2Bc%20d"
    assert [row for following in pages for row in following.rows] == []
    assert it.sent[1].url == first.next_link
    assert it.sent[1].headers["Prefer"] == "odata.maxpagesize=100"
    assert [row for taken_up in it.client.pages_from(first.next_link) for row in taken_up.rows] == [{"n": 2}]


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/data/X?$skip=1",
        "//evil.example/data/X",
        "http://contoso.operations.dynamics.com/data/X",
        "https://contoso.operations.dynamics.com:8443/data/X",
        "https://contoso.operations.dynamics.com.evil.example/data/X",
        "https://contoso.operations.dynamics.com@evil.example/data/X",
        "https://me@contoso.operations.dynamics.com/data/X",
        "https://[evil/data/X",
        "javascript:alert(1)",
    ],
)
def test_a_link_to_another_host_gets_no_request(link: str) -> None:
    it = scripted(page({"n": 1}, link=link))
    with pytest.raises(FixConfiguration, match="leads away"):
        list(it.client.rows("X"))
    with pytest.raises(FixConfiguration, match="leads away"):
        list(it.client.pages_from(link))
    assert len(it.sent) == 1


def test_a_repeated_link_ends_the_crawl_with_an_error() -> None:
    it = scripted(page({"n": 1}, link="X?$skip=1"), page({"n": 2}, link="X?$skip=2"), page({"n": 3}, link="X?$skip=1"))
    with pytest.raises(TryLater, match="same next link"):
        list(it.client.rows("X"))


def test_an_empty_page_with_a_link_is_not_the_end() -> None:
    it = scripted(page(link="X?$skip=0"), page({"n": 1}))
    assert list(it.client.rows("X")) == [{"n": 1}]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"value": 1}', b'{"value": [1]}'])
def test_an_answer_that_holds_no_rows(body: bytes) -> None:
    with pytest.raises(TryLater):
        list(scripted(HttpResponse(200, {}, body)).client.rows("X"))


def test_a_refused_read_is_a_matter_of_configuration() -> None:
    with pytest.raises(FixConfiguration, match="read X"):
        list(scripted(refusal("Could not find a property named 'Foo' on type 'Y'.")).client.rows("X"))


def test_count() -> None:
    it = scripted(answer(200, {"@odata.count": 1234, "value": []}), answer(200, {"value": []}))
    assert it.client.count("X", eq("A", "b"), company="usmf") == 1234
    assert options_of(it.sent[0])["$count"] == "true"
    with pytest.raises(TryLater):
        it.client.count("X")


def test_look_ups_are_chunked_deduplicated_and_exact() -> None:
    asked: list[str] = []

    def serve(request: HttpRequest) -> Answer:
        asked.append(options_of(request)["$filter"])
        assert len(request.url) <= 6_000
        return page({"K": "V1 "}, {"K": "v2"}, {"K": "V3-by-wildcard"}) if len(asked) == 1 else page()

    it = Environment(FunctionTransport(serve))
    values = [f"V{number}" for number in range(45)]
    found = list(it.client.by_keys("X", "K", [*values, *values], where=eq("A", "1"), company="usmf"))
    assert [row["K"] for row in found] == ["V1 ", "v2"]
    assert [condition.count("K eq ") for condition in asked] == [20, 20, 5]
    assert all(condition.startswith("dataAreaId eq 'usmf' and A eq '1' and (K eq 'V") for condition in asked)


def test_long_look_ups_keep_the_url_short() -> None:
    it = Environment(FunctionTransport(lambda request: page() if len(request.url) <= 6_000 else HttpResponse(414)))
    assert list(it.client.by_keys("X", "K", ["é" * 100 + str(number) for number in range(40)], select=["F"] * 200)) == []


@pytest.mark.parametrize("longest", [2_000, 700, 320])
def test_a_look_up_that_is_said_to_be_too_long_is_cut_again(longest: int) -> None:
    def serve(request: HttpRequest) -> Answer:
        if len(request.url) > longest:
            return HttpResponse(414, {}, b"<h2>HTTP Error 414. The request URL is too long.</h2>")
        return page(*({"K": value} for value in re.findall(r"K eq '([^']*)'", options_of(request)["$filter"])))

    it = Environment(FunctionTransport(serve))
    values = [f"VENDOR-{number:03}" for number in range(45)]
    assert [row["K"] for row in it.client.by_keys("X", "K", values)] == values
    with pytest.raises(UrlTooLong):
        list(it.client.by_keys("X", "K", ["V" * longest]))


def test_nothing_to_look_up_is_no_request() -> None:
    it = scripted()
    assert list(it.client.by_keys("X", "K", [])) == []


def test_get_by_key() -> None:
    it = scripted(answer(200, {"A": 1}))
    assert it.client.get("VendorInvoiceHeaders", KEYS, select=("A",)) == {"A": 1}
    assert (
        it.sent[0].url
        == f"{BASE}/data/VendorInvoiceHeaders(dataAreaId=%27usmf%27,HeaderReference=%27O%27%271%27)?cross-company=true&$select=A"
    )


@pytest.mark.parametrize("missing", [HttpResponse(404), answer(404, {"error": {"message": "Not found"}}), HttpResponse(404, {}, b"{")])
def test_a_missing_row_is_none(missing: HttpResponse) -> None:
    assert scripted(missing).client.get("X", KEYS) is None


UNKNOWN_SET = answer(404, {"Message": "No HTTP resource was found"})
PAGE = HttpResponse(404, {}, b" <html>gone</html>")


@pytest.mark.parametrize("answers", [(UNKNOWN_SET,), (PAGE, UNKNOWN_SET), (PAGE, PAGE)])
def test_a_missing_set_is_not_a_missing_row(answers: tuple[HttpResponse, ...]) -> None:
    with pytest.raises(FixConfiguration):
        scripted(*answers).client.get("X", KEYS)


def test_a_page_in_place_of_a_row_lets_the_set_decide() -> None:
    it = scripted(PAGE, page())
    assert it.client.get("X", KEYS) is None
    assert options_of(it.sent[1])["$filter"] == "dataAreaId eq 'usmf' and HeaderReference eq 'O''1'"
    assert scripted(PAGE, page({"A": 1})).client.get("X", KEYS, select=("A",)) == {"A": 1}


# --- writing --------------------------------------------------------------------------------------------------------------------------


def test_create_sends_exact_numbers_and_gives_the_row() -> None:
    it = scripted(CREATED)
    body: dict[str, Json] = {"dataAreaId": "usmf", "ImportedAmount": Decimal("10.10")}
    assert it.client.create("VendorInvoiceHeaders", body)["HeaderReference"] == "000042"
    (request,) = it.sent
    assert (request.method, request.url) == ("POST", f"{BASE}/data/VendorInvoiceHeaders?cross-company=true")
    assert request.body == b'{"dataAreaId":"usmf","ImportedAmount":10.10}'


@pytest.mark.parametrize("status", [200, 204])
def test_update_and_delete_take_200_and_204(status: int) -> None:
    it = scripted(HttpResponse(status), HttpResponse(status))
    it.client.update("X", KEYS, {"A": "b"})
    it.client.delete("X", KEYS)
    assert [(request.method, options_of(request), request.body) for request in it.sent] == [
        ("PATCH", {"cross-company": "true"}, b'{"A":"b"}'),
        ("DELETE", {"cross-company": "true"}, b""),
    ]
    assert path_of(it.sent[0]) == "/data/X(dataAreaId='usmf',HeaderReference='O''1')"


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (Unclear("reset"), OutcomeUnknown),
        (HttpResponse(500, {}, b"{}"), OutcomeUnknown),
        (HttpResponse(503, {}, b"<html>"), OutcomeUnknown),
        (HttpResponse(201, {}, b'{"Header'), OutcomeUnknown),
        (HttpResponse(201), OutcomeUnknown),
        (HttpResponse(429), Throttled),
        (HttpResponse(401), SignInAgain),
        (HttpResponse(403), FixConfiguration),
        (HttpResponse(302, {"location": "https://evil.example"}), FixConfiguration),
        (refusal("Something is wrong."), FixData),
        (refusal("Cannot create a record. The record already exists."), AlreadyThere),
        (refusal("No resources were found when selecting for update."), RowMissing),
        (refusal("An update conflict occurred due to another user process"), TryLater),
    ],
)
def test_a_write_is_sent_once_and_says_what_comes_next(given: Answer, kind: type[SyncError]) -> None:
    it = scripted(given)
    with pytest.raises(kind) as caught:
        it.client.create("VendorInvoiceHeaders", {})
    assert type(caught.value) is kind
    assert len(it.sent) == 1


def test_a_write_that_surely_was_not_sent_goes_again() -> None:
    assert scripted(NotSent("refused"), CREATED).client.create("X", {})["dataAreaId"] == "usmf"


def test_every_request_says_cross_company_and_stays_on_the_host() -> None:
    it = Environment(FunctionTransport(lambda request: page() if request.method == "GET" else HttpResponse(204)))
    list(it.client.rows("X"))
    it.client.get("X", KEYS)
    it.client.update("X", KEYS, {})
    it.client.delete("X", KEYS)
    for request in it.sent:
        assert options_of(request)["cross-company"] == "true"
        assert urlsplit(request.url).netloc == "contoso.operations.dynamics.com"

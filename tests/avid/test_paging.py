"""From page to page: only on our host, never without end, nothing left out in silence."""

from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.avid.envelopes import Page
from sync.avid.jsontext import Json
from sync.avid.paging import Site, walk
from sync.avid.profile import shipped_profile
from sync.errors import FixConfiguration
from sync.values import canonical
from tests.avid.support import BASE, HOST

pytestmark = pytest.mark.shipped_names("pages in the shipped names, walked without a client")

SITE = Site(BASE)
QUERY = shipped_profile().query
FIRST = f"{BASE}/vendors?acctgSysId=1&pageNumber=1"


def walked_in_pieces(pages: Mapping[str, Page], host: str = HOST) -> tuple[list[Json], list[str]]:
    """As `walked`, but every page is read by a walk of its own, from the cursor of the page before."""
    asked: list[str] = []

    def read(url: str) -> Page:
        asked.append(url)
        number = dict(parse_qsl(urlsplit(url).query)).get("pageNumber", urlsplit(url).path)
        return pages.get(number, Page([]))

    items: list[Json] = []
    cursor = ""
    site = Site(f"https://{host}/v1")
    while (leaf := next(walk(read, site, FIRST, QUERY, cursor), None)) is not None:
        items += leaf.items
        cursor = leaf.cursor
        if not cursor:
            break
    return items, asked


def walked(pages: Mapping[str, Page]) -> tuple[list[Json], list[str]]:
    """All items of a walk over pages by their pageNumber (or a link's path), and the addresses asked for."""
    asked: list[str] = []

    def read(url: str) -> Page:
        asked.append(url)
        number = dict(parse_qsl(urlsplit(url).query)).get("pageNumber", urlsplit(url).path)
        return pages.get(number, Page([]))

    return [item for leaf in walk(read, SITE, FIRST, QUERY) for item in leaf.items], asked


def link(number: int, host: str = HOST) -> str:
    return f"https://{host}/v1/vendors?acctgSysId=1&pageNumber={number}"


def test_the_next_link_leads_to_the_end() -> None:
    items, asked = walked({"1": Page([1], link(2), 2, True), "2": Page([2], "", 2, True)})
    assert items == [1, 2]
    assert asked == [FIRST, link(2)]


def test_a_relative_link_is_followed_on_our_host() -> None:
    items, asked = walked({"1": Page([1], "/v1/more?x=1", None, True), "/v1/more": Page([2])})
    assert items == [1, 2]
    assert asked[1] == f"https://{HOST}/v1/more?x=1"


def test_without_a_link_the_page_number_goes_up_and_the_rest_of_the_query_stays() -> None:
    items, asked = walked({"1": Page([1], "", 3, True), "2": Page([2], "", 3, True), "3": Page([3], "", 3, True)})
    assert items == [1, 2, 3]
    assert asked == [FIRST, link(2), link(3)]


def test_a_link_to_another_host_is_not_followed_but_counted_past() -> None:
    items, asked = walked({"1": Page([1], link(2, "evil.example"), None, True), "2": Page([2], link(3, "evil.example"), None, True)})
    assert items == [1, 2]
    assert all(urlsplit(url).netloc == HOST for url in asked)


def test_no_paging_is_one_page() -> None:
    assert walked({"1": Page([1]), "2": Page([2])}) == ([1], [FIRST])


@pytest.mark.parametrize("back_to", [1, 2])
def test_a_repeated_link_ends_the_list(back_to: int) -> None:
    items, _ = walked({"1": Page([1], link(2), None, True), "2": Page([2], link(back_to), None, True)})
    assert items == [1, 2]


def test_a_repeated_link_is_known_by_its_meaning_not_its_spelling() -> None:
    spelled = f"https://{HOST.upper()}/v1/vendors?pageNumber=1&acctgSysId=1"
    assert walked({"1": Page([1], spelled, None, True)})[0] == [1]


def test_an_empty_page_ends_the_list() -> None:
    items, asked = walked({"1": Page([1], link(2), None, True), "2": Page([], link(3), None, True), "3": Page([3])})
    assert (items, len(asked)) == ([1], 2)


def test_a_page_number_that_is_not_heeded_is_an_error_when_rows_would_be_lost() -> None:
    same = Page([1], "", 3, True)
    with pytest.raises(FixConfiguration, match="pageNumber") as caught:
        walked({"1": same, "2": same, "3": same})
    assert caught.value.field == "avidxchange.profile.query.page_number"


def test_a_page_number_that_is_not_heeded_ends_a_list_of_unknown_length() -> None:
    same = Page([1], "", None, True)
    assert walked({"1": same, "2": same})[0] == [1]


def test_a_list_without_end_is_stopped() -> None:
    def read(url: str) -> Page:
        number = int(dict(parse_qsl(urlsplit(url).query))["pageNumber"])
        return Page([number], link(number + 1), None, True)

    with pytest.raises(FixConfiguration, match="20000 pages"):
        for _ in walk(read, SITE, FIRST, QUERY):
            pass


FORMS: dict[str, Callable[[int, int], Page]] = {
    "links": lambda number, last: Page([number], link(number + 1) if number < last else "", None, True),
    "numbers": lambda number, last: Page([number], "", last, True),
    "numbers without an end": lambda number, _: Page([number], "", None, True),
    "links and numbers": lambda number, last: Page([number], link(number + 1) if number % 2 else "", last, True),
    "a link back": lambda number, last: Page([number], link(number + 1 if number < last else 1), None, True),
}


@pytest.mark.parametrize("form", FORMS)
@given(last=st.integers(1, 9))
def test_a_list_can_be_put_down_after_any_page(form: str, last: int) -> None:
    pages = {str(number): FORMS[form](number, last) for number in range(1, last + 1)}
    assert walked_in_pieces(pages) == walked(pages)
    assert walked(pages)[0] == [*range(1, last + 1)]


def test_a_page_number_that_is_not_heeded_shows_also_when_the_list_was_put_down() -> None:
    same = Page([1], "", 3, True)
    with pytest.raises(FixConfiguration, match="pageNumber"):
        walked_in_pieces({"1": same, "2": same, "3": same})
    endless = Page([1], "", None, True)
    assert walked_in_pieces({"1": endless, "2": endless})[0] == [1]


def test_a_list_without_end_is_stopped_also_when_it_was_put_down() -> None:
    asked = 0

    def read(url: str) -> Page:
        nonlocal asked
        asked += 1
        number = int(dict(parse_qsl(urlsplit(url).query))["pageNumber"])
        return Page([number], link(1 + number % 3), None, True)

    def in_pieces() -> None:
        cursor = start()
        while cursor:
            cursor = next(walk(read, SITE, f"{BASE}/vendors?other=1", QUERY, cursor)).cursor

    with pytest.raises(FixConfiguration, match="20000 pages"):
        in_pieces()
    assert asked < 20_010


def start() -> str:
    """A cursor on the first page of a circle that the first page of the list is no part of."""
    return canonical({"url": link(1), "number": 2, "before": ""})


def test_a_cursor_to_another_host_is_not_followed() -> None:
    cursor = canonical({"url": link(2, "evil.example"), "number": 2, "before": ""})
    asked: list[str] = []

    def read(url: str) -> Page:
        asked.append(url)
        return Page([])

    assert list(walk(read, SITE, FIRST, QUERY, cursor)) == []
    assert asked == [FIRST]


@pytest.mark.parametrize(
    ("received", "followed"),
    [
        (f"https://{HOST}/v1/x?a=b%20c&d=1", f"https://{HOST}/v1/x?a=b%20c&d=1"),
        (f"http://{HOST}/v1/x", f"https://{HOST}/v1/x"),
        (f"https://{HOST}:443/v1/x", f"https://{HOST}/v1/x"),
        (f"HTTPS://{HOST.upper()}/v1/x", f"https://{HOST}/v1/x"),
        (f"//{HOST}/v1/x", f"https://{HOST}/v1/x"),
        ("/v2/x y", f"https://{HOST}/v2/x%20y"),
        ("x", f"{BASE}/x"),
        ("https://evil.example/v1/x", ""),
        (f"https://{HOST}.evil.example/", ""),
        (f"https://{HOST}@evil.example/", ""),
        (f"https://evil.example@{HOST}/", ""),
        (f"https://{HOST}:8443/v1/x", ""),
        (f"https://{HOST}\\@evil.example/x", ""),
        (f"https://{HOST}:port/", ""),
        ("https://[bad/", ""),
        ("//evil.example/v1", ""),
        ("ftp://api.avid.example/x", ""),
        ("javascript:alert(1)", ""),
        ("mailto:a@b", ""),
    ],
)
def test_a_link_stays_on_the_configured_host(received: str, followed: str) -> None:
    assert SITE.own(received) == followed


@given(st.one_of(st.text(), st.text(alphabet="htps:/\\@.?#[]%\r\n\t evil")))
def test_no_link_leads_elsewhere(received: str) -> None:
    followed = SITE.own(received)
    plain = followed.isascii() and followed.isprintable() and "\\" not in followed and " " not in followed
    assert followed == "" or (followed.startswith(f"https://{HOST}/") and plain)

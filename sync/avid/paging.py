"""From page to page of a list, never to another host and never without end (contracts/avidxchange.md §2; design §3, invariant 9)."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit

from sync.avid.envelopes import Page
from sync.avid.jsontext import Json, json_text
from sync.avid.profile import Query
from sync.errors import FixConfiguration
from sync.values import canonical, digest

MOST_PAGES: Final = 20_000
SAFE_IN_PATH: Final = "/:@!$&'()*+,;=~%"


class Site:
    """The one place where requests go. `base_url` is `https://{host}/{version}`."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url.rstrip("/")
        self.host = urlsplit(base_url).netloc

    def url(self, path: str, query: Mapping[str, str]) -> str:
        """The address of a path of the profile."""
        return self._base_url + path + (f"?{urlencode(query)}" if query else "")

    def own(self, link: str, page: str = "") -> str:
        """A received link as an https address on the configured host; empty when it leads to another host.

        The address is put together anew from our host and the link's path and query, so that no trick in the link moves the host.
        """
        try:
            parts = urlsplit(urljoin(page or f"{self._base_url}/", link))
            port = parts.port
        except ValueError:
            return ""
        if parts.scheme not in {"https", "http"} or parts.hostname is None or parts.username is not None:
            return ""
        host = parts.hostname if port in {None, 443, 80} else f"{parts.hostname}:{port}"
        if host != self.host.lower().removesuffix(":443"):
            return ""
        query = quote(parts.query, safe=SAFE_IN_PATH + "?")
        return f"https://{self.host}{quote(parts.path, safe=SAFE_IN_PATH) or '/'}" + (f"?{query}" if query else "")


@dataclass(frozen=True)
class Leaf:
    """The items of one page. `cursor` leads `walk` to the page after it; empty after the last."""

    items: list[Json]
    cursor: str


@dataclass(frozen=True)
class _Place:
    """Where a page is. `before` stands for the items of the page before it when its address was made by counting, else it is empty."""

    url: str
    number: int = 1
    before: str = ""


def walk(read: Callable[[str], Page], site: Site, first: str, query: Query, cursor: str = "") -> Iterator[Leaf]:
    """All pages of the list at the address `first`, from the cursor of one of its pages on; `read` fetches and reads one.

    Ends at a link that was followed before, at an empty page, and where neither a link nor the page count leads on. FixConfiguration
    when the page number is not heeded, or after 20,000 pages. A cursor that leads to another host starts anew.
    """
    place = _place(cursor, site) or _Place(first)
    seen = {_same(first), _same(place.url)}
    for number in range(place.number, MOST_PAGES + 1):
        page = read(place.url)
        if not page.items or (place.before and _stands_still(page, place, query)):
            return
        link = site.own(page.next_link, place.url) if page.next_link else ""
        url = link or _numbered(page, place.url, number + 1, query)
        if not url or _same(url) in seen:
            yield Leaf(page.items, "")
            return
        seen.add(_same(url))
        place = _Place(url, number + 1, "" if link else _stamp(page))
        yield Leaf(page.items, canonical(vars(place)))
    path = urlsplit(first).path
    raise FixConfiguration(f"AvidXchange's list at {path} has over {MOST_PAGES} pages: ask for larger ones (profile.limits.page_size).")


def _place(cursor: str, site: Site) -> _Place | None:
    """What a cursor says; None without one, or when it leads to another host."""
    place = _Place(**json.loads(cursor)) if cursor else _Place("")
    return place if place.url and site.own(place.url) else None


def _stamp(page: Page) -> str:
    return digest(json_text(page.items))


def _numbered(page: Page, url: str, number: int, query: Query) -> str:
    """The address of page `number` by its number; empty when the list ends before it."""
    if not page.paged or (page.page_count is not None and number > page.page_count):
        return ""
    parts = urlsplit(url)
    pairs = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != query.page_number]
    return parts._replace(query=urlencode([*pairs, (query.page_number, str(number))])).geturl()


def _stands_still(page: Page, place: _Place, query: Query) -> bool:
    """Whether the page number was not heeded: the end of a list that never said how long it is, else an error, for rows would be lost."""
    if _stamp(page) != place.before:
        return False
    if page.page_count is not None and page.page_count >= place.number:
        name = "avidxchange.profile.query.page_number"
        raise FixConfiguration(f"AvidXchange gives the same page again and again: correct {name} ({query.page_number}).", field=name)
    return True


def _same(url: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    parts = urlsplit(url)
    return parts.path, tuple(sorted(parse_qsl(parts.query, keep_blank_values=True)))

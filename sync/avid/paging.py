"""From page to page of a list, never to another host and never without end (contracts/avidxchange.md §2; design §3, invariant 9)."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit

from sync.avid.envelopes import Page
from sync.avid.jsontext import Json
from sync.avid.profile import Query
from sync.errors import FixConfiguration

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


def walk(read: Callable[[str], Page], site: Site, first: str, query: Query) -> Iterator[list[Json]]:
    """The items of all pages from the address `first` on, page by page; `read` fetches and reads one.

    Ends at a link that was followed before, at an empty page, and where neither a link nor the page count leads on. FixConfiguration
    when the page number is not heeded, or after 20,000 pages.
    """
    url, number, by_number, seen, before = first, 1, False, {_same(first)}, Page([])
    for _ in range(MOST_PAGES):
        page = read(url)
        if not page.items or (by_number and _stands_still(page, before, number, query)):
            return
        yield page.items
        number, before = number + 1, page
        link = site.own(page.next_link, url) if page.next_link else ""
        by_number = not link
        url = link or _numbered(page, url, number, query)
        if not url or _same(url) in seen:
            return
        seen.add(_same(url))
    path = urlsplit(first).path
    raise FixConfiguration(f"AvidXchange's list at {path} has over {MOST_PAGES} pages: ask for larger ones (profile.limits.page_size).")


def _numbered(page: Page, url: str, number: int, query: Query) -> str:
    """The address of page `number` by its number; empty when the list ends before it."""
    if not page.paged or (page.page_count is not None and number > page.page_count):
        return ""
    parts = urlsplit(url)
    pairs = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != query.page_number]
    return parts._replace(query=urlencode([*pairs, (query.page_number, str(number))])).geturl()


def _stands_still(page: Page, before: Page, number: int, query: Query) -> bool:
    """Whether the page number was not heeded: the end of a list that never said how long it is, else an error, for rows would be lost."""
    if page.items != before.items:
        return False
    if page.page_count is not None and page.page_count >= number:
        name = "avidxchange.profile.query.page_number"
        raise FixConfiguration(f"AvidXchange gives the same page again and again: correct {name} ({query.page_number}).", field=name)
    return True


def _same(url: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    parts = urlsplit(url)
    return parts.path, tuple(sorted(parse_qsl(parts.query, keep_blank_values=True)))

"""Calls to AvidXchange: lists, upserts and single writes, each answer in its class of what to do (contracts/avidxchange.md §4)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Protocol
from urllib.parse import quote

from sync.avid.envelopes import Page, read_page, read_results
from sync.avid.jsontext import Json, Row, Unreadable, json_text, read_json
from sync.avid.paging import Leaf, Site, walk
from sync.avid.profile import Profile
from sync.avid.refusals import is_busy, refusal_in, sentence_of
from sync.causes import Cause
from sync.errors import FixConfiguration, FixData, OutcomeUnknown, SignInAgain, SyncError, Throttled, TryLater
from sync.http.wire import HttpRequest, HttpResponse
from sync.outcomes import ItemResult

DATA_STATUSES: Final = frozenset({400, 409, 413, 422})
"""What is wrong is in the body that was sent."""
SPLITS: Final = 30
"""How often a refused upsert is halved to find the item at fault, before the rest is given up as refused."""


class Http(Protocol):
    """What is asked of `sync.http.client.HttpClient`."""

    def send(self, request: HttpRequest, *, repeatable: bool) -> HttpResponse:
        """The answer; raises Throttled, TryLater, SignInAgain, FixConfiguration and, for a write, OutcomeUnknown."""
        ...

    def throttled(self, response: HttpResponse) -> Throttled:
        """Close the host's gate as the answer asks, and give the error to raise."""
        ...


class Calls:
    """Requests to one AvidXchange. `what` is what a sentence calls the resource, `entry` the profile entry of its path.

    `entry` empty, or a link: a 404 means that there are no rows.
    """

    def __init__(self, http: Http, base_url: str, profile: Profile) -> None:
        self._http = http
        self._site = Site(base_url)
        self._profile = profile

    def path(self, template: str, part: str) -> str:
        """A path of the profile with its one brace filled in."""
        return template[: template.index("{")] + quote(part, safe="") + template[template.index("}") + 1 :]

    def read(self, what: str, entry: str, path: str, query: Mapping[str, str]) -> Iterator[Json]:
        """The rows of all pages of a list."""
        for leaf in self.pages(what, entry, path, query):
            yield from leaf.items

    def pages(self, what: str, entry: str, path: str, query: Mapping[str, str], cursor: str = "") -> Iterator[Leaf]:
        """The pages of a list, from the cursor of one of them on."""
        return self._walk(what, entry, self._site.url(path, query), cursor)

    def follow(self, what: str, link: str) -> Iterator[Json]:
        """The rows of all pages behind a received link, on our host only. TryLater when nothing is there any more."""
        return (item for leaf in self._walk(what, "link", self._own(what, link)) for item in leaf.items)

    def first(self, what: str, entry: str, path: str, query: Mapping[str, str]) -> Json:
        """The first answer of a list as it came, its envelope around it; None when it is empty. TryLater when it is no JSON."""
        return self._json(what, self._get(what, entry, self._site.url(path, query)))

    def first_behind(self, what: str, link: str) -> Json:
        """The same behind a received link, on our host only."""
        return self._json(what, self._get(what, "link", self._own(what, link)))

    def _json(self, what: str, response: HttpResponse | None) -> Json:
        try:
            return None if response is None else read_json(response.body)
        except Unreadable as error:
            raise TryLater(f"AvidXchange's answer for the {what} cannot be used: {error}.") from None

    def _own(self, what: str, link: str) -> str:
        """The address of a received link. FixConfiguration when there is none, or when it leads to another host."""
        url = self._site.own(link) if link else ""
        if not url:
            why = "leads to another host" if link else "is missing"
            sentence = f"AvidXchange's link to the {what} {why}: nothing was asked for. Check avidxchange.host."
            raise FixConfiguration(sentence, field="avidxchange.host")
        return url

    def upsert(self, what: str, entry: str, path: str, rows: Sequence[Row], size: int) -> list[ItemResult]:
        """Send rows, at most `size` a call. OutcomeUnknown without a clear answer: read back before sending them again."""
        step = size if self._profile.capabilities.results_in_order else 1
        results: list[ItemResult] = []
        for start in range(0, len(rows), step):
            results += _Upsert(self, what, entry, self._site.url(path, {})).send(rows[start : start + step])
        return results

    def post(self, url: str, body: Json, *, repeatable: bool) -> HttpResponse:
        """Send a JSON body."""
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        return self._http.send(HttpRequest("POST", url, headers, json_text(body).encode()), repeatable=repeatable)

    def results(self, what: str, response: HttpResponse, count: int) -> list[ItemResult]:
        """The results of a write. OutcomeUnknown when they cannot be read."""
        try:
            return read_results(response.body, count, self._profile.envelope)
        except Unreadable as error:
            raise OutcomeUnknown(f"AvidXchange's answer about the {what} cannot be used: {error}.") from None

    def write_once(self, what: str, entry: str, path: str, row: Row) -> None:
        """Send a write that must not be sent twice; 409: done before. OutcomeUnknown without a clear answer, FixData when refused."""
        response = self.post(self._site.url(path, {}), row, repeatable=False)
        if response.status == 409:
            return
        if response.status in DATA_STATUSES | {404} and not self.is_busy(response):
            raise _refused(what, self.sentence(response))
        if not 200 <= response.status < 300:
            raise self.error(what, entry, response)
        self._confirm(what, response)

    def _confirm(self, what: str, response: HttpResponse) -> None:
        """A 2xx is a success unless the body says otherwise; a body that says nothing needs 201 or 204 to be one."""
        if not response.body.strip() and response.status in {201, 204}:
            return
        try:
            value = read_json(response.body)
            envelope = self._profile.envelope
            if isinstance(value, dict) and envelope.results not in value and envelope.successful not in value:
                if refusal := refusal_in(value, envelope):
                    raise _refused(what, refusal)
                return
            result = read_results(response.body, 1, envelope)[0]
        except Unreadable as error:
            raise OutcomeUnknown(f"Nobody knows whether AvidXchange took the acknowledgement of {what}: {error}.") from None
        if not result.ok:
            raise _refused(what, "; ".join(result.messages))

    def is_busy(self, response: HttpResponse) -> bool:
        """Whether the gateway says "too many requests", whatever the status."""
        return is_busy(response.body, self._profile.envelope)

    def sentence(self, response: HttpResponse) -> str:
        """What an error answer says, with its status."""
        return f"{sentence_of(response.body, self._profile.envelope)} ({response.status})"

    def error(self, what: str, entry: str, response: HttpResponse) -> SyncError:
        """The error of an answer that is no success (contracts/avidxchange.md §4)."""
        status, sentence, field = response.status, self.sentence(response), f"avidxchange.profile.{entry}"
        if self.is_busy(response):
            return self._http.throttled(response)
        if status == 429 or status >= 500:
            return TryLater(f"AvidXchange is busy or not well and did not answer for the {what}: {sentence}.")
        if status == 401:
            return SignInAgain(f"AvidXchange refused the sign-in for the {what}: {sentence}.")
        if status == 403:
            remedy = "give the user of the tokens the permission in AvidSuite"
            return FixConfiguration(f"AvidXchange does not let us use the {what}: {sentence}; {remedy}.", field="avidxchange.auth")
        if 300 <= status < 400:
            remedy = "correct avidxchange.host or avidxchange.version"
            return FixConfiguration(f"AvidXchange sends us elsewhere for the {what} ({status}): {remedy}.", field="avidxchange.host")
        if status == 404:
            remedy = f"check companies.accounting_system, avidxchange.version and {field}"
            return FixConfiguration(f"AvidXchange does not know the {what}: {sentence}; {remedy}.", field=field)
        remedy = f"check {field} and the names under avidxchange.profile.query"
        return FixConfiguration(f"AvidXchange refused to answer for the {what}: {sentence}; {remedy}.", field=field)

    def _walk(self, what: str, entry: str, url: str, cursor: str = "") -> Iterator[Leaf]:
        return walk(lambda address: self._page(what, entry, address), self._site, url, self._profile.query, cursor)

    def _get(self, what: str, entry: str, url: str) -> HttpResponse | None:
        """The answer; None when there is nothing."""
        response = self._http.send(HttpRequest("GET", url, {"Accept": "application/json"}), repeatable=True)
        if response.status == 204 or (response.status == 404 and not entry):
            return None
        if response.status == 404 and entry == "link":
            raise TryLater(f"AvidXchange no longer has the {what}; the next run sees what became of them.")
        if not 200 <= response.status < 300:
            raise self.error(what, entry, response)
        return response

    def _page(self, what: str, entry: str, url: str) -> Page:
        response = self._get(what, entry, url)
        try:
            return Page([]) if response is None else read_page(response.body, self._profile.envelope)
        except Unreadable as error:
            raise TryLater(f"AvidXchange's answer for the {what} cannot be used: {error}.") from None


class _Upsert:
    """One call's rows, halved when the call is refused as a whole, so that one bad item does not hold up the others.

    A call that is refused for its sign-in did nothing: it is sent once more with secrets that were read again.
    """

    def __init__(self, calls: Calls, what: str, entry: str, url: str) -> None:
        self._calls = calls
        self._what = what
        self._entry = entry
        self._url = url
        self._splits = SPLITS

    def send(self, rows: Sequence[Row]) -> list[ItemResult]:
        """One result for each row."""
        response = self._post(rows)
        if 200 <= response.status < 300:
            return self._calls.results(self._what, response, len(rows))
        if response.status not in DATA_STATUSES or self._calls.is_busy(response):
            raise self._calls.error(self._what, self._entry, response)
        if len(rows) == 1 or not self._splits:
            sentence = f"AvidXchange refused it: {self._calls.sentence(response)}"
            return [ItemResult(False, (sentence,), is_known=response.status == 409)] * len(rows)
        self._splits -= 1
        middle = len(rows) // 2
        return self.send(rows[:middle]) + self.send(rows[middle:])

    def _post(self, rows: Sequence[Row]) -> HttpResponse:
        try:
            return self._calls.post(self._url, [*rows], repeatable=False)
        except SignInAgain:
            pass
        try:
            return self._calls.post(self._url, [*rows], repeatable=False)
        except SignInAgain as error:
            sentence = f"AvidXchange refuses the sign-in for the {self._what}, also with secrets that were read again; check them."
            raise FixConfiguration(sentence, field="avidxchange.auth", detail=error.detail) from error


def _refused(what: str, sentence: str) -> FixData:
    return FixData((Cause("refused", what, f"AvidXchange refused the acknowledgement of {what}: {sentence}."),))

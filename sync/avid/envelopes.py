"""The envelopes of AvidXchange's answers, read tolerantly (contracts/avidxchange.md §2)."""

from dataclasses import dataclass

from sync.avid.jsontext import Json, Row, Unreadable, as_list, read_json
from sync.avid.profile import Envelope
from sync.avid.reading import HALF_CHARACTER
from sync.avid.refusals import line_of, refusal_in
from sync.outcomes import ItemResult

NO_RESULT = "AvidXchange gave no result for this item."
NO_REASON = "AvidXchange refused this item without saying why."


@dataclass(frozen=True)
class Page:
    """One page of a list. `next_link` is as received (empty: none), `page_count` None when not told, `paged` whether there is a Paging."""

    items: list[Json]
    next_link: str = ""
    page_count: int | None = None
    paged: bool = False


def read_page(body: bytes, envelope: Envelope) -> Page:
    """A page from Items with or without Paging, a bare object or a bare array. Unreadable when it is none, or an error in disguise."""
    value = read_json(body)
    if isinstance(value, list):
        return Page(value)
    if value is None:
        return Page([])
    if not isinstance(value, dict):
        raise Unreadable("the answer is neither an object nor an array")
    paging = value.get(envelope.paging)
    if envelope.items in value or envelope.paging in value:
        items = as_list(value.get(envelope.items))
        return _page(items, paging, envelope) if isinstance(paging, dict) else Page(items)
    if sentence := refusal_in(value, envelope):
        raise Unreadable(f"the answer is an error: {sentence}")
    return Page([value] if value else [])


def link_of(links: Json, relation: str, envelope: Envelope) -> str:
    """The address of the first link with that relation that can be one, as received; empty when there is none."""
    for link in as_list(links):
        if isinstance(link, dict) and str(link.get(envelope.link_relation)).strip().casefold() == relation.casefold():
            address = link.get(envelope.link_address)
            if isinstance(address, str) and address.strip() and not HALF_CHARACTER.search(address):
                return address.strip()
    return ""


def read_results(body: bytes, count: int, envelope: Envelope) -> list[ItemResult]:
    """What became of `count` items: result i belongs to item i; an item without a result failed. Unreadable when it is no write answer."""
    value = read_json(body)
    if isinstance(value, dict) and envelope.results in value:
        results = as_list(value[envelope.results])
    elif isinstance(value, dict) and (sentence := refusal_in(value, envelope)):
        raise Unreadable(f"the answer is an error: {sentence}")
    elif isinstance(value, list) or (isinstance(value, dict) and envelope.successful in value):
        results = as_list(value)
    else:
        raise Unreadable("the answer says nothing about the items sent")
    read = [_result(result, envelope) for result in results[:count]]
    return read + [ItemResult(False, (NO_RESULT,))] * (count - len(read))


def _result(result: Json, envelope: Envelope) -> ItemResult:
    if not isinstance(result, dict):
        return ItemResult(False, (NO_RESULT,))
    messages = tuple(message for error in as_list(result.get(envelope.errors)) if (message := _message(error, envelope)))
    if _is_true(result.get(envelope.successful)):
        return ItemResult(True, messages)
    return ItemResult(False, messages or (NO_REASON,))


def _message(error: Json, envelope: Envelope) -> str:
    text = error.get(envelope.message) if isinstance(error, dict) else error
    return "" if text is None or isinstance(text, (dict, list)) else line_of(str(text))


def _is_true(value: Json) -> bool:
    return value is True or (isinstance(value, str) and value.strip().casefold() == "true")


def _page(items: list[Json], paging: Row, envelope: Envelope) -> Page:
    return Page(items, link_of(paging.get(envelope.links), envelope.next, envelope), _page_count(paging, envelope), paged=True)


def _page_count(paging: Row, envelope: Envelope) -> int | None:
    for name in envelope.page_count:
        text = str(paging.get(name, "")).strip()
        if text.isascii() and text.isdecimal() and len(text) < 10:
            return int(text)
    return None

"""Error bodies of AvidXchange and of its gateway as one sentence: JSON envelopes, XML, HTML or nothing (contracts/avidxchange.md §2)."""

import html
import re
from typing import Final

from sync.avid.jsontext import Json, Row, Unreadable, as_list, read_json
from sync.avid.profile import Envelope

LONGEST: Final = 300
SCANNED: Final = 4_000


def sentence_of(body: bytes, envelope: Envelope) -> str:
    """What an error body says, at most 300 characters on one line; never empty."""
    try:
        value = read_json(body)
    except Unreadable:
        return _markup(body[:SCANNED].decode("utf-8", "replace"))
    if isinstance(value, dict):
        found = refusal_in(value, envelope) or _results(value, envelope) or _first_common(value, envelope)
        return found or "no explanation"
    return line_of(value if isinstance(value, str) else "") or "no explanation"


def refusal_in(value: Row, envelope: Envelope) -> str:
    """What the application's or the gateway's error envelope says; empty when there is neither."""
    for name, texts in ((envelope.exception, envelope.exception_texts), (envelope.fault, envelope.fault_texts)):
        inner = value.get(name)
        if isinstance(inner, dict):
            return _texts(inner, texts) or "an error without a text"
        if isinstance(inner, str) and inner.strip():
            return line_of(inner)
    return ""


def is_busy(body: bytes, envelope: Envelope) -> bool:
    """Whether the gateway says "too many requests" in a body whose status says something else (contracts/avidxchange.md §4)."""
    try:
        value = read_json(body)
    except Unreadable:
        return False
    fault = value.get(envelope.fault) if isinstance(value, dict) else None
    return isinstance(fault, dict) and str(fault.get(envelope.fault_code)).strip() in envelope.fault_busy_codes


def _results(value: Row, envelope: Envelope) -> str:
    results = [result for result in as_list(value.get(envelope.results)) if isinstance(result, dict)]
    errors = [error for result in results for error in as_list(result.get(envelope.errors)) if isinstance(error, dict)]
    return line_of("; ".join(str(error.get(envelope.message, "")) for error in errors))


def _first_common(value: Row, envelope: Envelope) -> str:
    return next((text for name in envelope.other_texts if (text := _texts(value, (name,)))), "")


def _texts(value: Row, names: tuple[str, ...]) -> str:
    return line_of(": ".join(text for name in names if (text := _plain(value.get(name)))))


def _plain(value: Json) -> str:
    return "" if value is None or isinstance(value, (dict, list, bool)) else str(value).strip()


def _markup(text: str) -> str:
    """The words of XML, HTML or plain text, found without a parser: what comes here is anybody's."""
    if not text.strip():
        return "an empty answer"
    if title := re.search(r"<title[^>]*>([^<]*)", text, re.IGNORECASE):
        return line_of(html.unescape(title[1])) or "a web page"
    words = re.sub(r"<(script|style)\b[^<]*", " ", text, flags=re.IGNORECASE)
    return line_of(html.unescape(re.sub(r"<[^<>]*>", " ", words))) or "markup without a text"


def line_of(text: str) -> str:
    """Anybody's text as one printable line of at most 300 characters."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text[:SCANNED]).split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"

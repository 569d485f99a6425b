"""Documents of other dialects than the shipped one, as plain data: what a portal with other names for everything would write down.

The sandbox knows the shipped dialect by its text alone (`sync/avid/avid-v1.json`), never by the connector's code.
"""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

Document = dict[str, Any]  # Any: JSON
SHIPPED: Final = Path(__file__).resolve().parents[2] / "sync/avid/avid-v1.json"
TEXT_SECTIONS: Final = ("payment_statuses", "payment_methods")
"""Sections whose keys are AvidXchange's texts; their values are the connector's own words."""
UNKNOWN: Final = "unknown"
"""The connector's word for a text that means nothing: so an override takes a shipped text away."""
CAPABILITIES: Final = "capabilities"
SYLLABLES: Final = ("ba", "do", "ge", "ki", "lu", "ma", "nö", "pi", "ra", "so", "tu", "ve", "wi", "xo", "zé")
LEAST: Final = {"window_days": 7, "overlap_days": 3, "payment_ids": 2, "answer_megabytes": 16}
"""Limits are drawn between these (else 20) and the shipped ones."""


@cache
def _shipped_text() -> str:
    return SHIPPED.read_text(encoding="utf-8")


def shipped_document() -> Document:
    """The dialect that the sandbox's AvidXchange speaks by itself."""
    document: Document = json.loads(_shipped_text())
    return document


def scrambled_document(seed: int) -> Document:
    """A dialect in which every path, verb, name, text, id and limit is another one, the same for the same seed."""
    return _Scrambler(seed).document()


def overrides_between(shipped: Mapping[str, Any], spoken: Mapping[str, Any]) -> dict[str, str | int | bool]:
    """What a connection document names under `avidxchange.profile` so that the connector speaks the second dialect and only that."""
    overrides: dict[str, str | int | bool] = {}
    for section in TEXT_SECTIONS:
        gone = [text for text in shipped[section] if text not in spoken[section]]
        overrides |= {f"{section}.{text}": UNKNOWN for text in gone}
        overrides |= {f"{section}.{text}": meaning for text, meaning in spoken[section].items()}
    before = dict(leaves(shipped))
    for name, value in leaves(spoken):
        if not name.startswith(TEXT_SECTIONS) and value != before[name]:
            overrides[name] = ",".join(value) if isinstance(value, list) else value
    return overrides


def leaves(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every entry by its dotted name; a list is one entry."""
    for key, value in document.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


class _Scrambler:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._used: set[str] = set()

    def document(self) -> Document:
        return {section: self._section(section, entries) for section, entries in shipped_document().items()}

    def _section(self, section: str, entries: Document) -> Document:
        if section == "fields":
            return {resource: self._fields(names) for resource, names in entries.items()}
        if section in TEXT_SECTIONS:
            return {self._text(text): meaning for text, meaning in entries.items()}
        makers: dict[str, Callable[[str, Any], Any]] = {
            "headers": self._header,
            "paths": self._path,
            "verbs": self._verb,
            "limits": self._limit,
            "values": self._valued,
        }
        make = makers.get(section, self._named)
        return {name: make(name, value) for name, value in entries.items()}

    def _word(self, *, ascii_only: bool = False) -> str:
        """A new word, never used before in this document."""
        while True:
            word = "".join(self._random.choice(SYLLABLES) for _ in range(self._random.randint(3, 5)))
            word = word.encode("ascii", "ignore").decode() if ascii_only else word
            if word not in self._used:
                self._used.add(word)
                return word

    def _header(self, _: str, __: str) -> str:
        return f"X-{self._word(ascii_only=True).title()}"

    def _path(self, _: str, shipped: str) -> str:
        brace = [part for part in shipped.split("/") if part.startswith("{")]
        return "/" + "/".join([self._word(ascii_only=True), *brace, self._word(ascii_only=True)])

    def _verb(self, _: str, shipped: str) -> str:
        return self._random.choice([verb for verb in ("POST", "PUT", "PATCH") if verb != shipped])

    def _limit(self, name: str, shipped: int) -> int:
        return self._random.choice([number for number in range(LEAST.get(name, 20), max(shipped, 4)) if number != shipped])

    def _valued(self, name: str, shipped: Any) -> Any:  # Any: a value of the document
        """Ids stay numbers, a currency stays three letters, and what is not set stays so."""
        if name == "default_currency":
            return "".join(self._random.choice("QXYZ") for _ in range(3))
        if name == "vendor_separator":
            return self._random.choice("~^§")
        if isinstance(shipped, int):
            return shipped + self._random.randint(100, 999)
        return shipped if shipped is None else self._named(name, shipped)

    def _named(self, name: str, shipped: Any) -> Any:  # Any: a value of the document
        """Numbers stay numbers, flags stay flags; all else is a word."""
        if isinstance(shipped, list):
            return [self._named(name, item) for item in shipped]
        if not isinstance(shipped, str):
            return shipped
        if name == "scheme":
            return self._word(ascii_only=True)
        if name == "id_separator":
            return self._random.choice(";~")
        return self._number(int(shipped)) if shipped.isdecimal() else self._word()

    def _number(self, shipped: int) -> str:
        """A number as text, never used before in this document."""
        number = str(shipped + self._random.randint(1_000, 9_999))
        while number in self._used:
            number = str(shipped + self._random.randint(1_000, 9_999))
        self._used.add(number)
        return number

    def _text(self, shipped: str) -> str:
        return f"{self._word()} {self._word()}".capitalize() + ("*" if shipped.endswith("*") else "")

    def _fields(self, names: Document) -> Document:
        """Some fields go into objects, one or two deep, whatever the shipped ones do; objects are shared, as the shipped ones are."""
        parents = ["", "", f"{self._word()}.", f"{self._word()}.{self._word()}."]
        return {name: f"{self._random.choice(parents)}{self._word()}" for name in names}

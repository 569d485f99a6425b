"""Single entries of a profile replaced by their dotted names, and what is wrong with them in words (`avidxchange.profile`).

Names as in `headers.company_token`; the rule that a customer corrects data and no code: contracts/avidxchange.md, introduction.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

from pydantic import ValidationError

from sync.errors import FixConfiguration

OPEN_SECTIONS: Final = ("payment_statuses", "payment_methods")
"""Sections whose keys are AvidXchange's own texts, so that an override may add one."""
Override = str | int | bool
Problem = tuple[str, str]
"""The dotted name of an entry, and what is wrong with it, with the remedy."""


def replaced(document: dict[str, object], overrides: Mapping[str, Override]) -> list[Problem]:
    """Put every value in its place in a profile's document. Returns the names that are no entry of it."""
    names = entries_of(document)
    return [problem for name, value in overrides.items() if (problem := _replace(document, names, name, value))]


def entries_of(document: Mapping[str, object], prefix: str = "") -> list[str]:
    """The dotted names of all entries, those of the open sections too."""
    names: list[str] = []
    for key, value in document.items():
        names += entries_of(value, f"{prefix}{key}.") if isinstance(value, dict) else [f"{prefix}{key}"]
    return names


def problems_in(error: ValidationError) -> list[Problem]:
    """What the sections of the profile found."""
    return [
        (".".join(str(part) for part in item["loc"]), item["msg"].removeprefix("Value error, "))
        for item in error.errors(include_url=False, include_input=False)
    ]


def wrong(problems: list[Problem]) -> FixConfiguration:
    """The error that names every entry that is wrong; its field is the first of them."""
    sentences = [f"avidxchange.profile.{name}: {message}." for name, message in problems]
    return FixConfiguration(" ".join(sentences), field=f"avidxchange.profile.{problems[0][0]}")


def _replace(document: dict[str, object], names: list[str], name: str, value: Override) -> Problem | None:
    """Only a section of AvidXchange's own texts takes a new entry."""
    section, _, text = name.partition(".")
    if section in OPEN_SECTIONS and text.strip():
        _name_text(document[section], text.strip(), value)
        return None
    if name not in names:
        return name, _unknown(names, name)
    *path, leaf = name.split(".")
    place: object = document
    for part in path:
        place = place[part] if isinstance(place, dict) else None
    assert isinstance(place, dict)
    place[leaf] = [part.strip() for part in value.split(",")] if isinstance(place[leaf], list) and isinstance(value, str) else value
    return None


def _name_text(texts: object, text: str, value: Override) -> None:
    """A text of AvidXchange's, in whatever cases it was listed before."""
    assert isinstance(texts, dict)
    for known in [known for known in texts if known.casefold() == text.casefold()]:
        del texts[known]
    texts[text] = value


def _unknown(names: list[str], name: str) -> str:
    inside = [known for known in names if known.startswith(f"{name}.")] if name else []
    if inside:
        return f"it is a section, not an entry; name one of its entries, such as {inside[0]}"
    close = get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]}? The" if close else "the"
    return f"there is no such entry; {hint} entries are those of sync/avid/avid-v1.json, written with dots"

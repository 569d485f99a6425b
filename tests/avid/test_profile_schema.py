"""The schema that a customer's editor checks overrides by: up to date, and of one mind with the validator."""

import re
from typing import Any

import pytest

from devtools import profile_schema
from sync.avid.overrides import OPEN_SECTIONS, entries_of
from sync.avid.profile import shipped_profile
from sync.errors import FixConfiguration

pytestmark = pytest.mark.shipped_names("the shipped document itself")

SCHEMA = profile_schema.schema()
TYPES = {"string": str, "integer": int, "boolean": bool}
KEYWORDS = {"type", "pattern", "minLength", "maxLength", "minimum", "maximum", "enum", "description", "default"}
PROFILE = shipped_profile()
LONG = "x" * 201
TEXTS = ["", " ", "X", "a b", "a.b", ".a", "a..b", "/a", "/a/{system}", "/a/{payment}/b", "a/b", "https://x.example/a", "POST", "GET"]
TRIED: list[Any] = [*TEXTS, "USD", "settled", "check", LONG, 0, 1, 64, 65, 30, 31, 10_000, 10_001, -1, True, False]


def fits(rule: dict[str, Any], value: Any) -> bool:
    """What JSON Schema says of a value, for the keywords that are used here."""
    assert rule.keys() <= KEYWORDS
    if type(value) is not TYPES[rule["type"]]:
        return False
    if isinstance(value, str):
        length = rule.get("minLength", 0) <= len(value) <= rule.get("maxLength", len(value))
        return length and re.search(rule.get("pattern", ""), value) is not None and value in rule.get("enum", [value])
    return bool(rule.get("minimum", value) <= value <= rule.get("maximum", value))


def taken(name: str, value: Any) -> bool:
    """What the validator says of the entry; that two of them are the same is nothing that a rule of one entry can say."""
    try:
        PROFILE.with_overrides({name: value})
    except FixConfiguration as error:
        return "names of their own" in error.sentence
    return True


def test_the_file_is_up_to_date() -> None:
    assert profile_schema.PAGE.read_text(encoding="utf-8") == profile_schema.text(), "run python -m devtools.profile_schema"


def test_it_has_every_entry_and_nothing_else() -> None:
    names = {name for name in entries_of(PROFILE.model_dump(mode="json")) if not name.startswith(OPEN_SECTIONS)}
    assert SCHEMA["properties"].keys() == names
    assert SCHEMA["additionalProperties"] is False
    assert all(any(re.search(pattern, f"{section}.Any Text") for pattern in SCHEMA["patternProperties"]) for section in OPEN_SECTIONS)


@pytest.mark.parametrize("name", SCHEMA["properties"])
def test_it_takes_what_the_validator_takes(name: str) -> None:
    rule = SCHEMA["properties"][name]
    assert rule["default"] in (None, "") or fits(rule, rule["default"])
    values = [value for value in TRIED if value != LONG or rule.get("pattern") != profile_schema.LIST]
    assert {repr(value): fits(rule, value) for value in values} == {repr(value): taken(name, value) for value in values}


@pytest.mark.parametrize("name", ["payment_statuses.Any Text", "payment_methods.Any Text"])
def test_a_text_of_avidxchange_has_one_of_our_meanings(name: str) -> None:
    [rule] = [rule for pattern, rule in SCHEMA["patternProperties"].items() if re.search(pattern, name)]
    assert {repr(value): fits(rule, value) for value in TRIED} == {repr(value): taken(name, value) for value in TRIED}

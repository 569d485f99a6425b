"""The JSON Schema of `avidxchange.profile`, made from the profile's own rules, so that an editor can check overrides as they are typed.

`python -m devtools.profile_schema` writes docs/avidxchange-profile.schema.json, `--check` only looks; it ends with 1 when it is not true.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from sync.avid.overrides import OPEN_SECTIONS
from sync.avid.profile import Profile, shipped_profile

PAGE: Final = Path(__file__).resolve().parents[1] / "docs/avidxchange-profile.schema.json"
LIST: Final = r"^\s*[^,\s][^,]*(,\s*[^,\s][^,]*)*$"
"""Texts with commas between them, none of them blank."""
Schema = dict[str, Any]  # Any: JSON


def schema() -> Schema:
    """The schema of the object of overrides: one property for each dotted name, with its rule, its section's words and what is shipped."""
    whole = Profile.model_json_schema()
    shipped = shipped_profile().model_dump(mode="json")
    entries = dict(_entries(whole, whole, shipped, ""))
    texts = {f"^{section}\\..*\\S": _resolved(whole, whole["properties"][section]["additionalProperties"]) for section in OPEN_SECTIONS}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "avidxchange.profile: the entries of the dialect avid-v1 that differ in your portal",
        "description": "Made by `python -m devtools.profile_schema` from sync/avid/profile.py; do not edit.",
        "type": "object",
        "properties": entries,
        "patternProperties": texts,
        "additionalProperties": False,
    }


def text() -> str:
    """The file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _entries(whole: Schema, node: Schema, shipped: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Schema]]:
    for name, entry in node["properties"].items():
        if name in OPEN_SECTIONS:
            continue
        rule = _resolved(whole, entry)
        if "properties" in rule:
            yield from _entries(whole, rule, shipped[name], f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _override(rule, shipped[name], node.get("description", ""))


def _override(rule: Schema, shipped: Any, description: str) -> Schema:  # Any: JSON
    """A list is written as one text, its entries separated by commas."""
    told = {"type": "string", "pattern": LIST} if rule.get("type") == "array" else _without_null(rule)
    default = ", ".join(shipped) if isinstance(shipped, list) else shipped
    return {**told, "description": description.split("\n\n", maxsplit=1)[0], "default": default}


def _without_null(rule: Schema) -> Schema:
    """What is not set by default is left out, not written as null."""
    kinds = [kind for kind in rule.get("anyOf", []) if kind != {"type": "null"}]
    told = kinds[0] if kinds else rule
    return {name: value for name, value in told.items() if name != "title"}


def _resolved(whole: Schema, node: Schema) -> Schema:
    reference = node.get("$ref", "")
    found: Schema = whole["$defs"][reference.removeprefix("#/$defs/")] if reference else node
    return {name: value for name, value in found.items() if name not in ("title", "default")} if "properties" not in found else found


def main(arguments: list[str]) -> int:
    """Write the file, or look at it."""
    if "--check" not in arguments:
        PAGE.write_text(text(), encoding="utf-8")
        return 0
    if PAGE.read_text(encoding="utf-8") == text():
        return 0
    print(f"{PAGE.name} is not up to date: run python -m devtools.profile_schema.")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

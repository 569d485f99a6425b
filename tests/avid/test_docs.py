"""The page a customer fills the profile by: its examples are valid, what it names exists, and no section is left out."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from sync.avid.profile import shipped_profile
from sync.connections.document import AvidAuth, AvidSettings

pytestmark = pytest.mark.shipped_names("the page of the shipped names")

PAGE = (Path(__file__).resolve().parents[2] / "docs/avidxchange.md").read_text(encoding="utf-8")
EXAMPLES = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
ENTRIES = shipped_profile().model_dump()


def test_every_way_to_sign_in_has_an_example_that_is_valid() -> None:
    auths = [AvidSettings.model_validate({"host": "avid.example", "auth": example}).auth for example in EXAMPLES[:-1]]
    assert [type(auth) for auth in auths] == [*get_args(AvidAuth)]
    assert all(f"### `{auth.method}`" in PAGE for auth in auths)


def test_the_example_of_overrides_is_valid() -> None:
    assert shipped_profile().with_overrides(EXAMPLES[-1]) != shipped_profile()


@pytest.mark.parametrize("section", ENTRIES)
def test_every_section_of_the_profile_is_in_the_table(section: str) -> None:
    assert f"\n| `{section}` |" in PAGE


def test_every_entry_that_the_page_names_exists() -> None:
    named = re.findall(r"`(\w+)\.(\w+)`", PAGE)
    entries = [(section, name) for section, name in named if section in ENTRIES]
    assert len(entries) > 10
    assert [(section, name) for section, name in entries if name not in ENTRIES[section]] == []

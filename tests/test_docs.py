"""The pages a reader starts from: what they name exists, and their examples are valid."""

import json
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

import dev
from devtools import reliability
from sync.connections.document import Connection, parse_connection
from sync.verbs.arguments import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/*.md")])
CONNECTIONS = (ROOT / "docs/connections.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_pages_name_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert {name for name in re.findall(r"dev\.py ([a-z]+)", text) if name not in dev.COMMANDS} == set()
    verbs = {command.name.split()[0] for command in COMMANDS}
    assert {name for name in re.findall(r"python -m sync ([a-z]+)", text) if name not in verbs} == set()


def test_the_readme_says_in_its_first_screen_what_it_is_for_whom_and_the_two_commands() -> None:
    first_screen = "\n".join((ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:25])
    for words in ("Dynamics 365", "AvidXchange", "accounts-payable", "python3 dev.py demo", "python3 dev.py test"):
        assert words in first_screen


def test_the_example_of_a_connection_document_is_valid() -> None:
    example = re.search(r"```json\n(.*?)```", CONNECTIONS, re.DOTALL)
    assert example is not None
    document = json.loads(example[1])
    document["avidxchange"]["host"] = "avidxchange.example"
    assert parse_connection(json.dumps(document)).id == "harbor"


def test_the_figures_of_the_page_on_reliability_are_those_of_the_reports() -> None:
    page = reliability.PAGE.read_text(encoding="utf-8")
    assert reliability.filled(page) == page, "write them anew with python -m devtools.reliability"


def test_a_part_of_the_page_on_reliability_stands_there_once() -> None:
    page = "<!-- seeds -->\nold\n<!-- end of seeds -->\n"
    assert reliability.put(page, "seeds", "new") == "<!-- seeds -->\nnew\n<!-- end of seeds -->\n"
    with pytest.raises(ValueError, match="2 places for seeds"):
        reliability.put(page * 2, "seeds", "new")


def names_of(model: type[BaseModel]) -> set[str]:
    """The entries of a document, by their own names."""
    return set(model.model_fields)


def test_every_entry_of_the_connection_document_is_explained() -> None:
    entries = names_of(Connection)
    for name in ("d365", "avidxchange", "companies", "policies"):
        field = Connection.model_fields[name].annotation
        inner = getattr(field, "__args__", (field,))[0]
        assert isinstance(inner, type)
        assert issubclass(inner, BaseModel)
        entries |= names_of(inner)
    assert sorted(name for name in entries if f"{name}`" not in CONNECTIONS and f'"{name}"' not in CONNECTIONS) == []

"""What the modules may import, and what the product must never hold: the rules of docs/architecture.md, kept true."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = sorted([*ROOT.glob("sync/**/*.py"), ROOT / "function_app.py"])

LAYERS = {
    "sync/values.py": (),
    "sync/cause_kinds.py": (),
    "sync/causes.py": ("sync.cause_kinds",),
    "sync/errors.py": ("sync.causes",),
    "sync/storage": ("sync.storage", "sync.errors", "sync.ports", "sync.values"),
    "sync/http": ("sync.http", "sync.errors", "sync.ports", "sync.values"),
    "sync/ledger": ("sync.ledger", "sync.storage", "sync.causes", "sync.errors", "sync.ports", "sync.values"),
    "sync/connections": ("sync.connections", "sync.storage", "sync.errors", "sync.ports", "sync.values"),
    "sync/d365": (
        "sync.d365",
        "sync.http",
        "sync.connections.document",
        "sync.secrets",
        "sync.causes",
        "sync.errors",
        "sync.ports",
        "sync.values",
    ),
    "sync/avid": (
        "sync.avid",
        "sync.outcomes",
        "sync.http",
        "sync.connections.document",
        "sync.secrets",
        "sync.causes",
        "sync.errors",
        "sync.ports",
        "sync.values",
    ),
}
"""Folder or file to the modules of the product that it may import."""


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def files_of(place: str) -> list[Path]:
    path = ROOT / place
    return [path] if path.is_file() else sorted(path.glob("**/*.py"))


@pytest.mark.parametrize("place", LAYERS)
def test_a_layer_imports_only_what_lies_below_it(place: str) -> None:
    allowed = LAYERS[place]
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files_of(place)
        for name in imports(path)
        if name.split(".")[0] == "sync" and not any(name == item or name.startswith(item + ".") for item in allowed)
    ]
    assert files_of(place), f"{place} is gone: mend this table"
    assert not wrong


def test_engines_know_no_stage_and_no_system_beyond_their_doors() -> None:
    doors = {"sync/engine/model.py"}
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files_of("sync/engine")
        for name in imports(path)
        if name.startswith(("sync.stages", "sync.d365", "sync.avid")) and path.relative_to(ROOT).as_posix() not in doors
    ]
    assert not wrong, "adding a stage must not touch the engines"


def test_the_product_knows_nothing_of_the_sandbox_or_of_tests() -> None:
    for path in PRODUCT:
        text = path.read_text(encoding="utf-8").lower()
        assert not [word for word in ("sandbox", "azurite", "pytest", "127.0.0.1", "localhost") if word in text], path
        assert not [name for name in imports(path) if name.split(".")[0] in ("sandbox", "tests")], path


def test_nothing_of_the_product_makes_a_float_of_anything() -> None:
    """Amounts are Decimal; seconds are floats from the start, so no conversion to float is needed anywhere."""
    for path in PRODUCT:
        calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        assert not [call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id == "float"], path


def test_json_numbers_are_never_read_as_floats() -> None:
    """Whoever reads amounts reads them with parse_float=Decimal; the others read documents of ours, in which amounts are text."""
    for folder in ("sync/d365", "sync/avid"):
        for path in files_of(folder):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                ours = any(name in ast.unparse(node) for name in ("avid-v1.json", "(cursor)"))
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "json.loads" and not ours:
                    assert any(item.arg == "parse_float" for item in node.keywords), f"{path}:{node.lineno}"

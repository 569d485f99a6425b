"""What the code wants of a deployment: the settings it reads, and the tables, queues and containers it uses."""

import ast
import importlib.util
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from azure.functions import FunctionApp

from sync.settings import Settings
from sync.storage.names import CONTAINERS, QUEUES, TABLES

ROOT: Final = Path(__file__).parents[2]
READERS: Final = {"environment", "environ"}

Trigger = Mapping[str, str]
"""A trigger's binding as the host sees it: `type`, `schedule`, `queueName`, `connection` ..."""


@dataclass(frozen=True)
class CodeSide:
    """The names that the code uses. A connection is the prefix of several settings."""

    settings: frozenset[str]
    connections: frozenset[str]
    tables: frozenset[str]
    queues: frozenset[str]
    containers: frozenset[str]


def read_code() -> CodeSide:
    """The names of this product, from its constants, its settings, its source and its triggers."""
    product = [ROOT / "function_app.py", *sorted((ROOT / "sync").rglob("*.py"))]
    return code_side(read_triggers(ROOT / "function_app.py"), [path.read_text(encoding="utf-8") for path in product])


def read_triggers(path: Path) -> list[Trigger]:
    """The triggers of an app's file, as the Functions SDK indexes them. A copy of the module is loaded: an app is indexed once only."""
    spec = importlib.util.spec_from_file_location(f"indexed_by_{__name__}", path)
    assert spec is not None, path
    assert spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    app = module.app
    assert isinstance(app, FunctionApp), path
    return [json.loads(binding) for function in app.get_functions() for binding in function.get_raw_bindings()]


def code_side(triggers: Iterable[Trigger], sources: Iterable[str]) -> CodeSide:
    """The names that these triggers and sources use, with the constants and the settings of the product."""
    settings = {str(field.alias) for field in Settings.model_fields.values()}
    for text in sources:
        settings |= environment_names(text)
    bindings = list(triggers)
    schedules = [binding.get("schedule", "") for binding in bindings]
    return CodeSide(
        settings=frozenset(settings | {schedule.strip("%") for schedule in schedules if schedule.startswith("%")}),
        connections=frozenset(binding["connection"] for binding in bindings if binding.get("connection")),
        tables=frozenset(TABLES),
        queues=frozenset(QUEUES) | {binding["queueName"] for binding in bindings if binding.get("queueName")},
        containers=frozenset(CONTAINERS),
    )


def environment_names(text: str) -> set[str]:
    """The settings that a source reads by name: `environment.get("X")`, `os.environ["X"]`, `os.getenv("X")`."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(func=ast.Attribute(value=reader, attr="get" | "pop" | "setdefault"), args=[ast.Constant(value=str(name)), *_]):
                found |= {name} if _reads_environment(reader) else set()
            case ast.Subscript(value=reader, slice=ast.Constant(value=str(name))):
                found |= {name} if _reads_environment(reader) else set()
            case ast.Call(func=ast.Attribute(attr="getenv") | ast.Name(id="getenv"), args=[ast.Constant(value=str(name)), *_]):
                found.add(name)
    return found


def _reads_environment(node: ast.expr) -> bool:
    return (isinstance(node, ast.Name) and node.id in READERS) or (isinstance(node, ast.Attribute) and node.attr in READERS)

"""Every check of invoices and every state of payments has a case in the demo's worlds, and ends with exactly the causes that it must."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import sync
from sync.cause_kinds import KINDS

SYNC = Path(sync.__file__).parent


def codes_in(*places: str) -> set[str]:
    """The codes of causes that the product's modules name."""
    return {node.value for path in files(*places) for node in ast.walk(ast.parse(path.read_text())) if is_code(node)}  # type: ignore[attr-defined]


def files(*places: str) -> Iterator[Path]:
    for place in places:
        yield from [SYNC / place] if place.endswith(".py") else sorted((SYNC / place).glob("*.py"))


def is_code(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value in KINDS if isinstance(getattr(node, "value", None), str) else False

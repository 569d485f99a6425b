"""The value of a Bicep expression, as far as it can be told without Azure."""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from tree_sitter import Node

Value: TypeAlias = str | int | bool | list["Value"] | dict[str, "Value"]
"""A value of the template. What Azure alone knows stays text: the expression in `${}`."""


def nodes(node: Node) -> Iterator[Node]:
    """The node and everything below it."""
    yield node
    for child in node.children:
        yield from nodes(child)


def source(node: Node) -> str:
    """The text of a node."""
    return (node.text or b"").decode()


def evaluate(node: Node, scope: Mapping[str, Value]) -> Value:
    """The value of an expression with the symbols of `scope`; what cannot be told stays the expression in `${}`."""
    inner = [child for child in node.named_children if child.type != "comment"]
    value = _literal(node, inner, scope)
    if value is None:
        value = _told(node, inner, scope)
    return f"${{{source(node)}}}" if value is None else value


def _literal(node: Node, inner: list[Node], scope: Mapping[str, Value]) -> Value | None:
    match node.type:
        case "number":
            return int(source(node))
        case "boolean":
            return source(node) == "true"
        case "string":
            return "".join(_piece(child, scope) for child in inner)
        case "array":
            return [evaluate(child, scope) for child in inner]
        case "object":
            return {_key(entry, scope): evaluate(entry.named_children[-1], scope) for entry in inner}
    return None


def _told(node: Node, inner: list[Node], scope: Mapping[str, Value]) -> Value | None:
    """The value of what refers, asks or calls; None when it cannot be told."""
    match node.type:
        case "identifier":
            return scope.get(source(node))
        case "parenthesized_expression":
            return evaluate(inner[0], scope)
        case "call_expression":
            return _called(source(inner[0]), [evaluate(child, scope) for child in inner[1].named_children])
    match node.type, evaluate(inner[0], scope) if inner else None:
        case "member_expression", dict(base):
            return base.get(source(inner[1]))
        case "unary_expression", bool(operand):
            return not operand if source(node).startswith("!") else None
        case "ternary_expression", bool(condition):
            return evaluate(inner[1 if condition else 2], scope)
    return None


def _called(name: str, arguments: list[Value]) -> Value | None:
    """The functions that are told here: `string` of a number, `empty` of a text, list or object, `subscriptionResourceId` as a path."""
    match name, arguments:
        case "string", [int(number)]:
            return str(number)
        case "empty", [str() | list() | dict() as value]:
            return not value
        case "subscriptionResourceId", [str(kind), str(identifier)]:
            return f"/{kind}/{identifier}"
    return None


def _piece(node: Node, scope: Mapping[str, Value]) -> str:
    return str(evaluate(node.named_children[0], scope)) if node.type == "interpolation" else source(node)


def _key(entry: Node, scope: Mapping[str, Value]) -> str:
    key = entry.named_children[0]
    return source(key) if key.type == "identifier" else str(evaluate(key, scope))

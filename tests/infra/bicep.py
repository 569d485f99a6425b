"""What a Bicep template declares, read from its parse tree: parameters, variables, resources and outputs, with their values as far as they
can be told without Azure.

Two parsers read every template: tree-sitter-bicep for the tree, pycep as a second opinion on syntax and on what is declared. Neither knows
property names or API versions.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import tree_sitter_bicep
from lark.exceptions import LarkError
from pycep import BicepParser
from tree_sitter import Language, Node, Parser

from tests.infra.values import Value, evaluate, nodes, source

LANGUAGE: Final = Language(tree_sitter_bicep.language())
PYCEP: Final = BicepParser()
DECLARATIONS: Final = {
    "parameter_declaration": "parameters",
    "variable_declaration": "variables",
    "resource_declaration": "resources",
    "output_declaration": "outputs",
}


class Unreadable(Exception):
    """The template does not parse, or its structure cannot be told; the message says where."""


@dataclass(frozen=True)
class Declaration:
    """A parameter, variable, resource or output: its symbol, its decorators' calls, and the expression it stands for (if any)."""

    kind: str
    symbol: str
    decorators: Mapping[str, Value]
    node: Node
    body: Node | None


@dataclass(frozen=True)
class Resource:
    """One resource as it will be deployed (a loop gives several): symbol, type, API version, and its body."""

    symbol: str
    type: str
    version: str
    body: Mapping[str, Value]


@dataclass(frozen=True)
class Template:
    """A template that both parsers read."""

    root: Node
    declarations: tuple[Declaration, ...]

    def of(self, kind: str) -> dict[str, Declaration]:
        """The declarations of one kind (`parameters`, `variables`, `resources`, `outputs`) by symbol."""
        return {declaration.symbol: declaration for declaration in self.declarations if declaration.kind == kind}

    def values(self, given: Mapping[str, Value] | None = None) -> dict[str, Value]:
        """The parameters (as `given`, else their defaults) and the variables, by symbol."""
        scope: dict[str, Value] = {}
        for declaration in [*self.of("parameters").values(), *self.of("variables").values()]:
            if given and declaration.symbol in given:
                scope[declaration.symbol] = given[declaration.symbol]
            elif declaration.body is not None:
                scope[declaration.symbol] = evaluate(declaration.body, scope)
        return scope

    def resources(self, given: Mapping[str, Value] | None = None) -> list[Resource]:
        """The resources that the template makes with these parameters. Unreadable when the items of a loop cannot be told."""
        scope = self.values(given)
        return [resource for declaration in self.of("resources").values() for resource in _resources(declaration, scope)]


def parse(text: str) -> Template:
    """The template. Unreadable with line and column when a parser refuses it, or when the two do not see the same declarations."""
    root = Parser(LANGUAGE).parse(text.encode()).root_node
    for node in nodes(root):
        if node.is_error or node.is_missing:
            raise Unreadable(f"{_place(node)}: not valid Bicep: {source(node)[:60]!r}")
    template = Template(root, tuple(_declarations(root)))
    seen = _second_opinion(text)
    for kind in DECLARATIONS.values():
        if set(template.of(kind)) != seen[kind]:
            raise Unreadable(f"the two parsers see different {kind}: {sorted(set(template.of(kind)) ^ seen[kind])}")
    return template


def parse_parameters(text: str) -> dict[str, Value]:
    """The values of a parameter file (`using` and `param name = value`). Neither parser knows that form, so it is read as variables."""
    lines = [line.replace("param ", "var ", 1) if line.startswith("param ") else line for line in text.splitlines()]
    uses = [line for line in lines if line.startswith("using ")]
    if len(uses) != 1:
        raise Unreadable("a parameter file names its template once: using './main.bicep'")
    return parse("\n".join(line for line in lines if line not in uses) + "\n").values()


def _resources(declaration: Declaration, scope: dict[str, Value]) -> Iterator[Resource]:
    type_and_version = next(child for child in declaration.node.named_children if child.type == "string")
    kind, _, version = str(evaluate(type_and_version, {})).partition("@")
    assert declaration.body is not None, "a resource has a body"
    for body in _bodies(declaration.body, scope):
        yield Resource(declaration.symbol, kind, version, body)


def _bodies(node: Node, scope: dict[str, Value]) -> Iterator[Mapping[str, Value]]:
    """The bodies of a resource: one, none when its condition is false, or one for each item of its loop."""
    inner = [child for child in node.named_children if child.type != "comment"]
    if node.type == "for_statement":
        items = evaluate(inner[1], scope)
        if not isinstance(items, list):
            raise Unreadable(f"{_place(node)}: the items of the loop cannot be told: {source(inner[1])}")
        for item in items:
            yield from _bodies(inner[2], {**scope, source(inner[0]): item})
    elif node.type == "if_statement":
        condition = evaluate(inner[0], scope)
        if not isinstance(condition, bool):
            raise Unreadable(f"{_place(node)}: the condition cannot be told: {source(inner[0])}")
        if condition:
            yield from _bodies(inner[1], scope)
    else:
        body = evaluate(node, scope)
        assert isinstance(body, dict), "a resource's body is an object"
        yield body


def _declarations(root: Node) -> Iterator[Declaration]:
    """The declarations of a template, each with the decorators that stand above it."""
    decorators: dict[str, Value] = {}
    for node in root.named_children:
        if node.type == "decorators":
            decorators = dict(_decorator(child) for child in node.named_children if child.type == "decorator")
        elif node.type in DECLARATIONS:
            symbol = next(child for child in node.named_children if child.type == "identifier")
            equals = [child.end_byte for child in node.children if child.type == "="]
            body = node.named_children[-1] if equals and node.named_children[-1].start_byte >= equals[0] else None
            yield Declaration(DECLARATIONS[node.type], source(symbol), decorators, node, body)
            decorators = {}


def _decorator(node: Node) -> tuple[str, Value]:
    name, arguments = node.named_children[0].named_children
    values = [evaluate(child, {}) for child in arguments.named_children]
    return source(name), values[0] if values else True


def _second_opinion(text: str) -> dict[str, set[str]]:
    """What pycep sees declared, by kind. Unreadable when it refuses the text."""
    try:
        seen = PYCEP.parse(text=text)
    except LarkError as error:
        raise Unreadable(f"the second parser refuses it: {error}") from error
    return {
        "parameters": set(seen.get("parameters", {})),
        "variables": set(seen.get("variables", {})),
        "resources": set(seen.get("resources", {})),
        "outputs": set(seen.get("outputs", {})),
    }


def _place(node: Node) -> str:
    return f"line {node.start_point.row + 1}, column {node.start_point.column + 1}"

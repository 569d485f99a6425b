"""The small faults: what is done to which node of a syntax tree.

The set is the usual one (comparisons, logic, arithmetic, constants, conditions, deleted statements) and, because much of this product is
tables and keyword arguments, the loss of one element, entry or argument. Annotations, decorators, docstrings and sentences (texts with a
blank) are left alone: how something is said is no behaviour.
"""

import ast
from collections.abc import Callable, Iterator
from copy import copy
from typing import Any, Final, TypeVar

Item = TypeVar("Item")
Fault = tuple[str, ast.AST]
"""The operator's name and the node that stands in for the old one."""

COMPARISONS: Final[dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
NAMES: Final = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list"}
METHODS: Final = {"startswith": "endswith", "endswith": "startswith", "lower": "upper", "upper": "lower", "partition": "rpartition"}


def _with(node: ast.AST, **fields: object) -> Any:  # a copy of whatever node it is given
    changed = copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _without(items: list[Item], index: int) -> list[Item]:
    return [*items[:index], *items[index + 1 :]]


def _compare(node: ast.Compare) -> Iterator[Fault]:
    for index, operator in enumerate(node.ops):
        for other in COMPARISONS[type(operator)]:
            yield "comparison", _with(node, ops=[*node.ops[:index], other(), *node.ops[index + 1 :]])


def _logic(node: ast.BoolOp) -> Iterator[Fault]:
    yield "logic", _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    for index in range(len(node.values)):
        rest = _without(node.values, index)
        yield "clause lost", rest[0] if len(rest) == 1 else _with(node, values=rest)


def _unary(node: ast.UnaryOp) -> Iterator[Fault]:
    if isinstance(node.op, ast.Not | ast.USub):
        yield "sign or not lost", node.operand


def _arithmetic(node: ast.BinOp | ast.AugAssign) -> Iterator[Fault]:
    other = ARITHMETIC.get(type(node.op))
    if other:
        yield "arithmetic", _with(node, op=other())
    if isinstance(node, ast.AugAssign):
        yield "statement lost", ast.Pass()


def _constant(node: ast.Constant) -> Iterator[Fault]:
    match node.value:
        case bool():
            yield "constant", _with(node, value=not node.value)
        case int() | float():
            yield "constant", _with(node, value=node.value + 1)
        case str() if " " not in node.value:
            yield "text", _with(node, value=f"XX{node.value}XX")
        case bytes():
            yield "text", _with(node, value=b"XX" + node.value)
        case _:
            pass


def _condition(node: ast.If | ast.IfExp) -> Iterator[Fault]:
    for value in (True, False):
        yield "condition", _with(node, test=ast.Constant(value))


def _loop(node: ast.For | ast.While) -> Iterator[Fault]:
    nothing: ast.expr = ast.Tuple([], ast.Load())
    yield "loop never runs", _with(node, iter=nothing) if isinstance(node, ast.For) else _with(node, test=ast.Constant(False))


def _filter(node: ast.comprehension) -> Iterator[Fault]:
    for index in range(len(node.ifs)):
        yield "filter lost", _with(node, ifs=_without(node.ifs, index))


def _call(node: ast.Call) -> Iterator[Fault]:
    for index, keyword in enumerate(node.keywords):
        if keyword.arg:
            yield "argument lost", _with(node, keywords=_without(node.keywords, index))
    match node.func:
        case ast.Name(name) if name in NAMES:
            yield "other function", _with(node, func=ast.Name(NAMES[name], ast.Load()))
        case ast.Attribute(attr=name) if name in METHODS:
            yield "other function", _with(node, func=_with(node.func, attr=METHODS[name]))
        case _:
            pass


def _display(node: ast.List | ast.Tuple) -> Iterator[Fault]:
    for index in range(len(node.elts)):
        if isinstance(node.ctx, ast.Load):
            yield "element lost", _with(node, elts=_without(node.elts, index))


def _set(node: ast.Set) -> Iterator[Fault]:
    for index in range(len(node.elts)):
        nothing = ast.Call(ast.Name("set", ast.Load()), [], [])
        yield "element lost", _with(node, elts=_without(node.elts, index)) if len(node.elts) > 1 else nothing


def _dict(node: ast.Dict) -> Iterator[Fault]:
    for index in range(len(node.values)):
        yield "element lost", _with(node, keys=_without(node.keys, index), values=_without(node.values, index))


def _deleted(_: ast.stmt) -> Iterator[Fault]:
    yield "statement lost", ast.Pass()


def _expression(node: ast.Expr) -> Iterator[Fault]:
    if not isinstance(node.value, ast.Constant):
        yield "statement lost", ast.Pass()


def _assignment(node: ast.Assign | ast.AnnAssign) -> Iterator[Fault]:
    target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
    if node.value and isinstance(target, ast.Attribute | ast.Subscript):
        yield "statement lost", ast.Pass()


def _return(node: ast.Return) -> Iterator[Fault]:
    if node.value is None:
        yield "statement lost", ast.Pass()
    elif not (isinstance(node.value, ast.Constant) and node.value.value is None):
        yield "returns None", ast.Return(ast.Constant(None))


def _handler(node: ast.ExceptHandler) -> Iterator[Fault]:
    if node.type is not None:
        yield "handler off", _with(node, type=ast.Tuple([], ast.Load()))


def _match(node: ast.Match) -> Iterator[Fault]:
    for index in range(len(node.cases)):
        if len(node.cases) > 1:
            yield "case lost", _with(node, cases=_without(node.cases, index))


def _case(node: ast.match_case) -> Iterator[Fault]:
    if node.guard is not None:
        yield "condition", _with(node, guard=None)


OPERATORS: Final[dict[type[ast.AST], Callable[[Any], Iterator[Fault]]]] = {
    ast.Compare: _compare,
    ast.BoolOp: _logic,
    ast.UnaryOp: _unary,
    ast.BinOp: _arithmetic,
    ast.AugAssign: _arithmetic,
    ast.Constant: _constant,
    ast.If: _condition,
    ast.IfExp: _condition,
    ast.For: _loop,
    ast.While: _loop,
    ast.comprehension: _filter,
    ast.Call: _call,
    ast.List: _display,
    ast.Set: _set,
    ast.Tuple: _display,
    ast.Dict: _dict,
    ast.Raise: _deleted,
    ast.Delete: _deleted,
    ast.Assert: _deleted,
    ast.Break: _deleted,
    ast.Continue: _deleted,
    ast.Expr: _expression,
    ast.Assign: _assignment,
    ast.AnnAssign: _assignment,
    ast.Return: _return,
    ast.ExceptHandler: _handler,
    ast.Match: _match,
    ast.match_case: _case,
}


def faults_of(node: ast.AST) -> Iterator[Fault]:
    """What can be done to this node itself, in a fixed order."""
    operator = OPERATORS.get(type(node))
    if operator:
        yield from operator(node)

"""Every mutant of the code that is tried, and a sample of them that a seed decides."""

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Final

from bench.mutation.operators import faults_of

ROOT: Final = Path(__file__).resolve().parents[2]
LEFT_ALONE: Final = frozenset({"annotation", "returns", "decorator_list", "type_params", "bases", "format_spec"})
"""Fields of nodes that are not run as the product's logic."""


@dataclass(frozen=True)
class Area:
    """A part of the product, and how many of 100 sampled mutants come from it. `files` are patterns below the root."""

    name: str
    share: int
    files: tuple[str, ...]

    def paths(self, root: Path) -> list[str]:
        """Its files, relative to the root."""
        return sorted(path.relative_to(root).as_posix() for pattern in self.files for path in root.glob(pattern))


PAYMENTS: Final = "sync/stages/payments"
AREAS: Final = (
    Area("engines", 40, ("sync/engine/*.py",)),
    Area("ledger", 24, ("sync/ledger/*.py",)),
    Area("retry decision", 12, ("sync/http/retry.py", "sync/http/client.py", "sync/http/pace.py")),
    Area("dimension strings", 8, ("sync/d365/dimensions.py",)),
    Area("settlement", 16, tuple(f"{PAYMENTS}/{name}.py" for name in ("settlements", "books", "checks", "plan", "readback", "target"))),
)


@dataclass(frozen=True)
class Mutant:
    """One fault at one place.

    `before` and `after` are the changed line as Python would print it; `number` tells equal ones apart; `index` is its place among all of
    the file. `unit` is the function of a module or class around it, "" when there is none, and `offset` its line therein; `source` is the
    digest of the function, or of the statement of the module or class.
    """

    area: str
    path: str
    scope: str
    line: int
    operator: str
    before: str
    after: str
    number: int
    index: int
    source: str
    unit: str
    offset: int

    @property
    def key(self) -> str:
        """The same in every run while this place of the code is the same, wherever it moves in its file."""
        words = (self.path, self.scope, self.operator, self.before, self.after, str(self.number))
        return sha256("\n".join(words).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class _Around:
    """What is around a node: the names of functions and classes, the statement, and the unit with the number of names to it."""

    scope: tuple[str, ...]
    statement: ast.AST
    unit: ast.AST
    depth: int = 0


@dataclass(frozen=True)
class _Site:
    """A node with its place in its parent, and what is around it."""

    node: ast.AST
    parent: ast.AST
    field: str
    index: int | None
    around: _Around

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def _sites(parent: ast.AST, around: _Around) -> Iterator[_Site]:
    for field, value in ast.iter_fields(parent):
        if field in LEFT_ALONE or (isinstance(parent, ast.ClassDef) and field == "keywords"):
            continue
        for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(node, ast.AST) and not _is_left_alone(node, parent, around.scope):
                within = _within(node, parent, around)
                yield _Site(node, parent, field, index, within)
                yield from _sites(node, within)


def _within(node: ast.AST, parent: ast.AST, around: _Around) -> _Around:
    scope = (*around.scope, node.name) if isinstance(node, ast.FunctionDef | ast.ClassDef) else around.scope
    if not isinstance(node, ast.stmt):
        return around
    if isinstance(parent, ast.Module | ast.ClassDef):
        return _Around(scope, node, node, len(scope))
    return replace(around, scope=scope, statement=node)


def _sites_of(tree: ast.Module) -> Iterator[_Site]:
    return _sites(tree, _Around((), tree, tree))


def _is_left_alone(node: ast.AST, parent: ast.AST, scope: tuple[str, ...]) -> bool:
    """Docstrings, imports, types, and the words of a sentence that is put together."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
        return True
    if isinstance(parent, ast.JoinedStr) and isinstance(node, ast.Constant):
        return any(isinstance(part, ast.Constant) and " " in str(part.value) for part in parent.values)
    if isinstance(node, ast.Tuple | ast.Constant) and isinstance(parent, ast.Subscript) and not scope:
        return True
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr) and not scope


def mutants_of(source: str, path: str, area: str = "") -> list[Mutant]:
    """All mutants of a file, in the order of its syntax tree."""
    return [*_mutations(ast.parse(source), path, area)]


def mutated(source: str, index: int) -> ast.Module:
    """The syntax tree of the file with its mutant number `index`."""
    tree = ast.parse(source)
    faults = ((site, replacement) for site in _sites_of(tree) for _, replacement in faults_of(site.node))
    site, replacement = next(islice(faults, index, None))
    site.put(ast.copy_location(replacement, site.node))
    return ast.fix_missing_locations(tree)


def _mutations(tree: ast.Module, path: str, area: str) -> Iterator[Mutant]:
    seen: Counter[tuple[str, ...]] = Counter()
    index = 0
    for site in _sites_of(tree):
        for operator, replacement in faults_of(site.node):
            before, after = _difference(site, replacement)
            scope = ".".join(site.around.scope)
            same = (scope, operator, before, after)
            source = sha256(ast.dump(site.around.unit).encode()).hexdigest()[:12]
            line = getattr(site.node, "lineno", getattr(site.around.statement, "lineno", 1))
            unit = ".".join(site.around.scope[: site.around.depth]) if isinstance(site.around.unit, ast.FunctionDef) else ""
            offset = line - getattr(site.around.unit, "lineno", line)
            yield Mutant(area, path, scope, line, operator, before, after, seen[same], index, source, unit, offset)
            seen[same] += 1
            index += 1


def _difference(site: _Site, replacement: ast.AST) -> tuple[str, str]:
    """The first line that the fault changes, before and after it."""
    place = site.parent if site.around.statement is site.node else site.around.statement
    before = ast.unparse(place).splitlines()
    site.put(ast.copy_location(replacement, site.node))
    after = ast.unparse(ast.fix_missing_locations(place)).splitlines()
    site.put(site.node)
    pairs = ((old, new) for old, new in zip([*before, ""], [*after, ""], strict=False) if old != new)
    old, new = next(pairs, ("", ""))
    return old.strip(), new.strip()


def units_of(source: str) -> dict[int, tuple[str, int]]:
    """For each line of a file that is in a function of the module or of a class: the function's name and the line's place in it."""
    found: dict[int, tuple[str, int]] = {}
    for site in _sites_of(ast.parse(source)):
        node = site.node
        if isinstance(node, ast.FunctionDef) and node is site.around.unit:
            lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
            found |= {line: (".".join(site.around.scope), line - node.lineno) for line in lines}
    return found


def every_mutant(root: Path = ROOT, areas: Iterable[Area] = AREAS) -> list[Mutant]:
    """All mutants of all areas."""
    files = ((area.name, path) for area in areas for path in area.paths(root))
    return [mutant for area, path in files for mutant in mutants_of((root / path).read_text(encoding="utf-8"), path, area)]


def sample(mutants: Sequence[Mutant], size: int, seed: int, areas: Sequence[Area] = AREAS) -> list[Mutant]:
    """`size` mutants, each area's share of them; the seed decides which. A change elsewhere in the code leaves the others in the sample."""

    def rank(mutant: Mutant) -> str:
        return sha256(f"{seed} {mutant.key}".encode()).hexdigest()

    chosen: list[Mutant] = []
    for area in areas:
        own = sorted((mutant for mutant in mutants if mutant.area == area.name), key=rank)
        chosen += own[: -(-size * area.share // 100)]
    return sorted(chosen, key=lambda mutant: (mutant.path, mutant.index))

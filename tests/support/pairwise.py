"""Few combinations in which every value of every parameter meets every value of every other one."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from random import Random

Choice = tuple[str, int]
"""A parameter and the index of one of its values."""
ORDERS = 8
"""Orders of the parameters that are tried for each combination."""


def pairwise(parameters: Mapping[str, Sequence[object]]) -> list[dict[str, object]]:
    """Combinations that hold every pair of values of every two parameters: greedy, and the same at every call."""
    missing = {frozenset(pair) for pair in _pairs(parameters)}
    chance = Random(0)
    rows: list[dict[str, object]] = []
    while missing:
        candidates = [_row(parameters, chance.sample([*parameters], len(parameters)), missing) for _ in range(ORDERS)]
        best = max(candidates, key=lambda row: len(missing & _held(row)))
        missing -= _held(best)
        rows.append({name: parameters[name][best[name]] for name in parameters})
    return rows


def _pairs(parameters: Mapping[str, Sequence[object]]) -> Iterator[tuple[Choice, Choice]]:
    for one, other in combinations(parameters, 2):
        for first in range(len(parameters[one])):
            for second in range(len(parameters[other])):
                yield (one, first), (other, second)


def _held(row: Mapping[str, int]) -> set[frozenset[Choice]]:
    return {frozenset(pair) for pair in combinations(row.items(), 2)}


def _row(parameters: Mapping[str, Sequence[object]], order: Sequence[str], missing: set[frozenset[Choice]]) -> dict[str, int]:
    """Begin with a pair that is missing; then each parameter takes the value that meets the most missing pairs."""
    chosen = dict(min(missing, key=sorted))
    for name in order:
        if name not in chosen:
            chosen[name] = max(range(len(parameters[name])), key=lambda index: (_met(name, index, chosen, missing), -index))
    return chosen


def _met(name: str, index: int, chosen: Mapping[str, int], missing: set[frozenset[Choice]]) -> int:
    return sum(frozenset(((name, index), other)) in missing for other in chosen.items())

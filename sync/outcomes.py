"""What became of the items of a write that takes many at once."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ItemResult:
    """What became of one item. Not ok: `messages` has at least one sentence; `is_known`: it was refused because it is there already."""

    ok: bool
    messages: tuple[str, ...] = ()
    is_known: bool = False

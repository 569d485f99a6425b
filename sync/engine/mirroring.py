"""What a mirror stage declares: what D365 holds as AvidXchange should hold it, what AvidXchange does hold, and how to send.

The engine (`sync/engine/mirror.py`) owns the crawl, the memory and every decision; a declaration maps, counts, reads and sends.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from sync.causes import Cause
from sync.connections.document import Company
from sync.engine.model import Slice
from sync.outcomes import ItemResult

T = TypeVar("T")


@dataclass(frozen=True)
class Target(Generic[T]):
    """One row as AvidXchange should hold it, or does. `key` is its natural key in its accounting system, `label` what a person reads."""

    key: tuple[str, ...]
    label: str
    item: T


@dataclass(frozen=True)
class Unfit:
    """A row of D365 that cannot be mapped, for all these causes. `text` is the row as JSON."""

    key: tuple[str, ...]
    label: str
    text: str = field(repr=False)
    causes: tuple[Cause, ...]


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page of the crawl. `read` counts D365's rows, those left out by the declaration too; `cursor` leads on, empty after the last."""

    rows: Sequence[Target[T] | Unfit]
    read: int
    cursor: str


@dataclass(frozen=True)
class Held(Generic[T]):
    """One page of what AvidXchange holds. `cursor` leads on, empty after the last."""

    rows: Sequence[Target[T]]
    cursor: str


class Flow(Protocol[T]):
    """One company's part of a mirror stage, opened for one slice."""

    batch: int
    """Items of one `send` at most."""

    def count(self) -> int:
        """How many rows D365 says it has."""
        ...

    def pages(self, cursor: str) -> Iterator[Page[T]]:
        """The rows from a page on; from the start when the cursor is empty. One page is held at a time."""
        ...

    def existing(self, cursor: str) -> Iterator[Held[T]]:
        """What AvidXchange holds, from a page on, in the form in which it would be sent: equal content gives an equal `body`."""
        ...

    def body(self, item: T) -> Mapping[str, object]:
        """The JSON object that is sent."""
        ...

    def public(self, item: T) -> T:
        """The item as anybody may see it, without what AvidXchange is told and never shows; the item itself when there is no such thing."""
        ...

    def respelled(self, item: T, key: tuple[str, ...]) -> T:
        """The same under a key that differs in its cases only."""
        ...

    def inactive(self, item: T) -> T:
        """The same, not active."""
        ...

    def send(self, items: Sequence[T]) -> list[ItemResult]:
        """Upsert; result i belongs to item i. OutcomeUnknown without a clear answer."""
        ...


class Mirroring(Protocol[T]):
    """One mirror stage."""

    name: str
    after: tuple[str, ...]

    def open(self, slice_: Slice, company: Company) -> Flow[T]:
        """The company's part. Raises FixConfiguration when the company or a map is not set up."""
        ...

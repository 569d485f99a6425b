"""What the crawl of one company and the clearing of its gone rows stand on together."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from sync.connections.document import Company
from sync.engine import memory as memories
from sync.engine.memory import Memory
from sync.engine.mirror_effects import Hands
from sync.engine.mirroring import Flow, Held, Target
from sync.engine.model import Slice
from sync.ledger.model import Place
from sync.values import canonical, digest, key_digest

T = TypeVar("T")

SPELLING: Final = 8
"""Characters of a version that stand for the spelling of the key."""
VISIBLE: Final = 20
"""Characters of a version that stand for what AvidXchange shows too; the others for what it is told and never shows."""
IN_A_DRY_RUN: Final = {"sent": "would_send", "parked": "would_park", "deactivated": "would_deactivate", "withdrawn": "would_withdraw"}


def place_of(slice_: Slice, company: Company) -> Place:
    """The company's part of the ledger and of the memories."""
    return Place(slice_.connection.id, slice_.stage, company.id)


def same_spelling(version: str, other: str) -> bool:
    """Whether the targets of two versions write their key in the same cases."""
    return version[:SPELLING] == other[:SPELLING]


def same_to_see(version: str, other: str) -> bool:
    """Whether the targets of two versions agree in all that AvidXchange shows."""
    return version[:VISIBLE] == other[:VISIBLE]


@dataclass
class Ground(Generic[T]):
    """One company, for one slice."""

    slice_: Slice
    company: Company
    flow: Flow[T]
    hands: Hands[T]
    memory: Memory = field(default_factory=Memory)
    due: frozenset[str] = frozenset()
    """Keys of parked rows that are to be looked at again although nothing changed: their time came, or an operator asked."""

    @property
    def place(self) -> Place:
        """The company's part of the ledger and of the memories."""
        return place_of(self.slice_, self.company)

    @property
    def guard_key(self) -> str:
        """The ledger key of the report that too many rows are gone: no row's own key, which has two parts or three."""
        return key_digest(self.company.accounting_system, "", "", "deactivation guard")

    @property
    def drift_key(self) -> str:
        """The ledger key of the report that rows were not taken over as sent."""
        return key_digest(self.company.accounting_system, "", "", "drift")

    @property
    def must_stop(self) -> bool:
        """Whether the slice is to end at the next page boundary. A dry run is not cut: it keeps nothing to go on from."""
        return self.slice_.out_of_time and not self.slice_.dry_run

    def held(self, cursor: str = "") -> Iterator[Held[T]]:
        """What AvidXchange holds, page by page from a cursor on, the lease kept."""
        for page in self.flow.existing(cursor):
            yield page
            self.slice_.beat()

    def rows_held(self) -> Iterator[Target[T]]:
        """All that AvidXchange holds."""
        return (target for page in self.held() for target in page.rows)

    def held_as(self, versions: Mapping[str, str]) -> set[str]:
        """The keys of what AvidXchange holds in these versions. It cannot be asked for a few: they are looked for in the whole list."""
        wanted, there = dict(versions), set[str]()
        for target in self.rows_held() if wanted else ():
            key = self.key(target.key)
            if wanted.pop(key, "") == self.version(target):
                there.add(key)
            if not wanted:
                break
        return there

    def key(self, parts: tuple[str, ...]) -> str:
        """The digest of a natural key (design §1: accounting system, then what the stage declares)."""
        return key_digest(self.company.accounting_system, *parts)

    def version(self, target: Target[T]) -> str:
        """The hash of what is sent: a changed mapping changes it. It begins with how the key is written and with what can be seen."""
        public = self.flow.public(target.item)
        whole = digest(canonical(self.flow.body(target.item)))
        visible = whole if public is target.item else digest(canonical(self.flow.body(public)))
        return digest(*target.key)[:SPELLING] + visible[SPELLING:VISIBLE] + whole[VISIBLE:]

    def count(self, name: str, by: int = 1) -> None:
        """Count in the report; a dry run only says what it would do."""
        self.slice_.report.count(IN_A_DRY_RUN.get(name, name) if self.slice_.dry_run else name, by)

    def save(self) -> None:
        """Make the memory durable."""
        if not self.slice_.dry_run:
            memories.save(self.slice_.ports.blobs, self.place, self.memory)

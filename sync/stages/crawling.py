"""How the mirror stages crawl one entity set of D365 page by page, and what they do with texts that are too long."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Generic, Protocol, TypeVar

from sync.causes import Cause
from sync.d365.client import D365Client
from sync.d365.entity import BadRow, Entity, read_rows, typed
from sync.d365.literals import Filter
from sync.d365.wire import JsonRow
from sync.engine.mirroring import Page, Target, Unfit
from sync.errors import FixData
from sync.values import canonical, digest, fold

E = TypeVar("E", bound=Entity)
T = TypeVar("T")
EntityIn_contra = TypeVar("EntityIn_contra", bound=Entity, contravariant=True)

log = logging.getLogger(__name__)

NEVER_KEPT: Final = frozenset({"Tax1099FederalTaxId", "TaxExemptNumber"})
"""Fields that no list, log or dry run shows."""


class Mapping(Protocol[EntityIn_contra, T]):
    """How the rows of a set become what AvidXchange should hold."""

    def wanted(self, row: JsonRow) -> bool:
        """Whether the row is to be there at all, from its JSON: one that is left out need not be readable."""
        ...

    def target(self, row: EntityIn_contra) -> Target[T] | None:
        """The row mapped; None leaves it out. FixData with all causes when it does not fit."""
        ...

    def key(self, row: JsonRow) -> tuple[str, ...]:
        """The key that the row's target has, from its JSON: a row that cannot be read must not be taken for gone."""
        ...

    def label(self, key: tuple[str, ...]) -> str:
        """What a person reads."""
        ...


class EntityCrawl(Generic[E]):
    """All rows of a set that meet a condition, in the order of `order`, so that pages do not overlap while nothing moves.

    `company` restricts to its dataAreaId. D365's pages are offsets, not snapshots (contracts/d365-fo.md §3).
    """

    def __init__(self, client: D365Client, model: type[E], where: Filter, order: Sequence[str], company: str | None = None) -> None:
        self._client = client
        self._model = model
        self._where = where
        self._order = order
        self._company = company

    def count(self) -> int:
        """How many rows D365 says there are."""
        return self._client.count(self._model.SET, self._where, company=self._company)

    def pages(self, cursor: str, mapping: "Mapping[E, T]") -> Iterator[Page[T]]:
        """Mapped pages from the cursor (a next link) on."""
        if cursor:
            pages = self._client.pages_from(cursor)
        else:
            select = self._model.SELECT
            pages = self._client.pages(self._model.SET, where=self._where, select=select, company=self._company, order=self._order)
        for page in pages:
            mapped = (self._mapped(row, mapping) for row in page.rows)
            yield Page([row for row in mapped if row is not None], len(page.rows), page.next_link)

    def _mapped(self, row: JsonRow, mapping: "Mapping[E, T]") -> Target[T] | Unfit | None:
        if not mapping.wanted(row):
            return None
        try:
            return mapping.target(typed(self._model, row))
        except FixData as error:
            text = canonical({name: value for name, value in row.items() if name not in NEVER_KEPT and not name.startswith("@")})
            key = mapping.key(row)
            named = key if key[-1] else (*key[:-1], f"without a key, {digest(text)}")
            return Unfit(named, mapping.label(named), text, error.causes)


class Fitting:
    """Fits texts into the lengths that AvidXchange takes: `subject` is the row for sentences, `cut` whether longer texts are shortened."""

    def __init__(self, subject: str, *, cut: bool) -> None:
        self.causes: list[Cause] = []
        self.shortened = 0
        self._subject = subject
        self._cut = cut

    def text(self, field: str, text: str, limit: int, *, cut: bool | None = None) -> str:
        """The text, or what fits of it. One that may not be cut is a cause."""
        if len(text) <= limit:
            return text
        if self._cut if cut is None else cut:
            self.shortened += 1
            return text[:limit]
        sentence = f"{self._subject}: {field} has {len(text)} characters, AvidXchange takes {limit}."
        self.causes.append(Cause("field-too-long", self._subject, sentence, field))
        return text

    def done(self) -> None:
        """FixData with every cause, when there is one."""
        if self.causes:
            raise FixData(tuple(self.causes))


def folded(*parts: str) -> tuple[str, ...]:
    """A key as D365 compares it."""
    return tuple(fold(part) for part in parts)


def rows_by(client: D365Client, model: type[E], where: Filter, key: Callable[[E], tuple[str, ...]]) -> dict[tuple[str, ...], E]:
    """The rows of a small set by their folded keys. One that cannot be read is logged and left out."""
    rows = read_rows(model, client.rows(model.SET, where=where, select=model.SELECT), _left_out)
    return {folded(*key(row)): row for row in rows}


def _left_out(bad: BadRow) -> None:
    log.warning("left out: %s", bad.sentence)

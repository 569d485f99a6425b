"""Dimensions: a company's values of every mapped financial dimension to codes of the dimension's group (contracts/d365-fo.md §1)."""

from collections.abc import Iterator

from sync.avid.models import Code
from sync.connections.document import Company
from sync.d365.literals import all_of, any_of, eq
from sync.d365.reference import active_value
from sync.d365.rows import DimensionOverride, DimensionValue
from sync.d365.wire import JsonRow
from sync.engine.mirror import Mirror
from sync.engine.mirroring import Page, Target
from sync.engine.model import Slice, Stage
from sync.stages.codes import CodeFlow
from sync.stages.crawling import EntityCrawl, folded, rows_by


class Dimensions:
    """The declaration of the stage."""

    name = "dimensions"
    after: tuple[str, ...] = ()

    def open(self, slice_: Slice, company: Company) -> "DimensionFlow":
        """See `Mirroring.open`."""
        return DimensionFlow(slice_, company)


class DimensionFlow(CodeFlow):
    """The dimension values of one company: its own and those of all companies, where its own row wins."""

    def __init__(self, slice_: Slice, company: Company) -> None:
        dimensions = slice_.connection.dimensions
        self._groups = {folded(name)[0]: slice_.connection.code_groups[name] for name in dimensions}
        super().__init__(slice_, company, {slice_.connection.code_groups[name]: name for name in dimensions})
        self._inactive_when = slice_.connection.dimension_values.inactive_when
        self._crawl: EntityCrawl[DimensionValue] | None = None
        if dimensions:
            client = slice_.systems.d365
            mapped = any_of(*(eq("FinancialDimension", name) for name in dimensions))
            own = all_of(mapped, eq("LegalEntityId", company.id))
            valid = all_of(mapped, any_of(eq("LegalEntityId", company.id), eq("LegalEntityId", "")))
            self._overrides = rows_by(client, DimensionOverride, own, lambda row: (row.dimension, row.value))
            self._own = rows_by(client, DimensionValue, own, lambda row: (row.dimension, row.value)).keys()
            self._crawl = EntityCrawl(client, DimensionValue, valid, ("FinancialDimension", "DimensionValue", "LegalEntityId"))

    def count(self) -> int:
        """Of all mapped dimensions."""
        return self._crawl.count() if self._crawl else 0

    def pages(self, cursor: str) -> Iterator[Page[Code]]:
        """Of all mapped dimensions."""
        return self._crawl.pages(cursor, self) if self._crawl else iter(())

    def target(self, row: DimensionValue) -> Target[Code] | None:
        """See `Mapping`, as below."""
        key = folded(row.dimension, row.value)
        if not row.company and key in self._own:
            return None
        is_active = active_value(row, self._overrides.get(key), self._today, self._inactive_when)
        return self.code(self._groups[key[0]], row.value, row.description, is_active=is_active)

    def key(self, row: JsonRow) -> tuple[str, ...]:
        """The group and the value."""
        dimension = folded(str(row.get("FinancialDimension") or ""))[0]
        return (self._groups.get(dimension, dimension), str(row.get("DimensionValue") or ""))


def stage() -> Stage:
    """The stage."""
    return Mirror(Dimensions())

"""What the two code stages share: AvidXchange's codes, by group (contracts/avidxchange.md §3, GL accounts and dimensions are codes)."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from sync.avid.models import BadRow, Code
from sync.avid.rows import code_row
from sync.connections.document import Company
from sync.d365.wire import JsonRow
from sync.engine.mirroring import Held, Page, Target
from sync.engine.model import Slice
from sync.outcomes import ItemResult
from sync.stages.crawling import Fitting
from sync.values import canonical


class CodeFlow(ABC):
    """The codes of some groups for one company. `label` says what a code of a group is to a person: `main account`, `Department`."""

    def __init__(self, slice_: Slice, company: Company, labels: Mapping[str, str]) -> None:
        self._avid = slice_.systems.avid
        self._profile = self._avid.profile
        self._system = company.accounting_system
        self._labels = labels
        self._report = slice_.report
        self._today = slice_.ports.clock.now().date()
        self.batch = self._profile.limits.code_batch

    @abstractmethod
    def count(self) -> int:
        """See `Flow`, as all below."""

    @abstractmethod
    def pages(self, cursor: str) -> Iterator[Page[Code]]:
        """The rows of D365 as codes."""

    def existing(self, cursor: str) -> Iterator[Held[Code]]:
        """The codes of AvidXchange, group by group. The cursor is the group and the cursor in it."""
        groups = [*self._labels]
        current, inner = json.loads(cursor) if cursor else ("", "")
        start = groups.index(current) if current in groups else 0
        for number, group in enumerate(groups[start:], start + 1):
            after = groups[number] if number < len(groups) else ""
            for page in self._avid.code_pages(self._system, group, inner if group == current else ""):
                codes = [code for code in page.rows if not isinstance(code, BadRow)]
                if len(codes) < len(page.rows):
                    self._report.count("unreadable", len(page.rows) - len(codes))
                leads_on = (group, page.cursor) if page.cursor else (after, "")
                yield Held([self._target_of(code) for code in codes], canonical(leads_on) if leads_on[0] else "")

    def body(self, item: Code) -> Mapping[str, object]:
        """The row."""
        return code_row(item, self._profile)

    def public(self, item: Code) -> Code:
        """The code: nothing of it is secret."""
        return item

    def updated(self, item: Code) -> Code:
        """The code: all of it is taken over."""
        return item

    def respelled(self, item: Code, key: tuple[str, ...]) -> Code:
        """The code under AvidXchange's spelling of its value."""
        return replace(item, value=key[1])

    def inactive(self, item: Code) -> Code:
        """The code, not active."""
        return replace(item, is_active=False)

    def send(self, items: Sequence[Code]) -> list[ItemResult]:
        """Upsert, a call for each group."""
        results: list[ItemResult | None] = [None] * len(items)
        for group in self._labels:
            places = [number for number, item in enumerate(items) if item.group == group]
            sent = self._avid.upsert_codes(self._system, group, [items[number] for number in places]) if places else []
            for number, result in zip(places, sent, strict=True):
                results[number] = result
        return [result for result in results if result is not None]

    def wanted(self, row: JsonRow) -> bool:
        """See `Mapping`: every row."""
        return True

    def label(self, key: tuple[str, ...]) -> str:
        """`main account 600150`."""
        return f"{self._labels.get(key[0], key[0])} {key[1]}"

    def code(self, group: str, value: str, name: str, *, is_active: bool) -> Target[Code]:
        """The code as AvidXchange should hold it. Its description may be cut: invoices are coded with the value."""
        fitting = Fitting(f"{self._labels[group]} {value}", cut=True)
        description = fitting.text("Name", name, self._profile.lengths.code_description)
        if fitting.shortened:
            self._report.count("shortened")
        return self._target_of(Code(self._system, group, value, description, is_active))

    def _target_of(self, code: Code) -> Target[Code]:
        key = (code.group, code.value)
        return Target(key, self.label(key), code)

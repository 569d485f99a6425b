"""What a comparison of the two truths found: counts, totals to the cent, and every difference in a sentence."""

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True)
class Total:
    """What AvidXchange says must be in D365, and what is there, of one kind of document in one company and currency."""

    expected: Decimal = Decimal(0)
    found: Decimal = Decimal(0)


@dataclass
class Comparison:
    """The reconciliation of both truths. `totals` is keyed by (invoices or payments, company, currency)."""

    counts: Counter[str] = field(default_factory=Counter)
    totals: dict[tuple[str, str, str], Total] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """Whether both truths are the same, to the cent."""
        return not self.differences and all(total.expected == total.found for total in self.totals.values())

    def count(self, what: str) -> None:
        """One more of something."""
        self.counts[what] += 1

    def differ(self, sentence: str) -> None:
        """One difference."""
        self.differences.append(sentence)

    def check(self, subject: str, field_name: str, found: object, wanted: object) -> None:
        """A difference when a field does not hold what it must."""
        if found != wanted:
            self.differ(f"{subject}: {field_name} is {_shown(found)}, expected {_shown(wanted)}.")

    def add_expected(self, what: str, company: str, currency: str, amount: Decimal) -> None:
        """Add to the expected side of a total."""
        total = self.totals.get((what, company, currency), Total())
        self.totals[what, company, currency] = Total(total.expected + amount, total.found)

    def add_found(self, what: str, company: str, currency: str, amount: Decimal) -> None:
        """Add to the found side of a total."""
        total = self.totals.get((what, company, currency), Total())
        self.totals[what, company, currency] = Total(total.expected, total.found + amount)


def _shown(value: object) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)

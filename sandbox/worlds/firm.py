"""The firm while it is being built: both systems, its master data, the truth so far, and the small decisions every document needs."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from sandbox.avid import AvidWorld
from sandbox.d365.world import D365World
from sandbox.worlds.firm_ledger import Ledger
from sandbox.worlds.firm_setup import ISSUE_COMPANY, Company
from sandbox.worlds.firm_vendors import Vendor
from sandbox.worlds.model import Expected

START_DAYS = 25
"""The connector lets in what is at most so many days old."""

BLOCKS_INVOICES = ("Invoice", "All")


@dataclass
class Firm:
    """The builder's view. `today` is the world's first day."""

    d365: D365World
    avid: AvidWorld
    rng: Random
    today: date
    ledger: Ledger
    vendors: list[Vendor]
    cases: bool = False
    """Whether it is to have a case of every cause (see `sandbox.worlds.firm_setup`: some companies are set up for that)."""
    expected: Expected = field(default_factory=Expected)
    paid: set[tuple[int, int]] = field(default_factory=set)
    """The AvidXchange invoices that a payment already pays, by (accounting system, Id)."""
    _numbers: set[str] = field(default_factory=set)
    _free: dict[tuple[str, tuple[str, ...]], list[Vendor]] = field(default_factory=dict)

    @property
    def start(self) -> date:
        """The start_from date of invoices and payments."""
        return self.today - timedelta(days=START_DAYS)

    @property
    def first_open_day(self) -> date:
        """The first open day of the company with a closed period: two days after the start, so that payments can lie before it."""
        return self.start + timedelta(days=2)

    def writes_issued(self, company: Company) -> bool:
        """Whether its payments are written when they are issued."""
        return self.cases and company == ISSUE_COMPANY

    def amount(self) -> Decimal:
        """What such a firm pays for one thing: mostly hundreds, sometimes tens of thousands; in cents' precision."""
        ranges = ((4_500, 40_000), (40_000, 300_000), (40_000, 300_000), (300_000, 4_800_000))
        return Decimal(self.rng.randint(*self.rng.choice(ranges))).scaleb(-2)

    def number(self) -> str:
        """An invoice number nobody had yet, whatever its case."""
        while True:
            digits = self.rng.randint(1_000, 99_999)
            number = self.rng.choice(
                (f"INV-{digits}", f"{digits}", f"{self.today.year}/{digits}", f"A{digits}", f"{digits % 100}-{digits}x")
            )
            if number.casefold() not in self._numbers:
                self._numbers.add(number.casefold())
                return number

    def vendor(self, company: Company | None = None, *kinds: str) -> Vendor:
        """A vendor that is free for invoices and payments; of a company, of one of the kinds, where given."""
        area = "" if company is None else company.area
        if (area, kinds) not in self._free:
            free = [vendor for vendor in self.vendors if not vendor.held(self.today, *BLOCKS_INVOICES, "Payment")]
            self._free[area, kinds] = [v for v in free if area in ("", v.company.area) and (not kinds or v.kind in kinds)]
        return self.rng.choice(self._free[area, kinds])

    def vendor_on_hold(self, *reasons: str) -> Vendor:
        """A vendor that is on hold today for one of these reasons."""
        return self.rng.choice([vendor for vendor in self.vendors if vendor.held(self.today, *reasons)])

    def vendor_of_kind(self, kind: str) -> Vendor:
        """A vendor of a kind, whatever its hold."""
        return self.rng.choice([vendor for vendor in self.vendors if vendor.kind == kind])

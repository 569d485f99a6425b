"""What is usable in one company: vendors, main accounts, dimension values, terms (contracts/d365-fo.md §1).

The rules are pure functions, used by the mirror stages too; `CompanyReference` reads and keeps what a run needs of them.
"""

from collections.abc import Collection, Iterable, Iterator
from datetime import date
from typing import Final, Literal, TypeVar

from sync.d365.client import D365Client
from sync.d365.dimensions import DimensionFormats, read_formats
from sync.d365.entity import BadRow, Entity, read_rows
from sync.d365.literals import all_of, eq
from sync.d365.rows import DimensionOverride, DimensionValue, Ledger, MainAccount, MainAccountOverride, PaymentTerm, Vendor
from sync.d365.wire import JsonRow
from sync.errors import FixConfiguration
from sync.values import fold

E = TypeVar("E", bound=Entity)

Reason = Literal["missing", "suspended", "total", "not yet active", "expired", "manual entry blocked", "other company"]
"""Why an account or a value cannot be used."""

NOT_ACTIVE_HOLDS: Final = frozenset({"Invoice", "All", "Payment"})
INVOICE_HOLDS: Final = frozenset({"Invoice", "All"})
PAYMENT_HOLDS: Final = frozenset({"Payment", "All"})
NOT_POSTABLE: Final = frozenset({"Total", "Reporting"})
RULES: Final[dict[Reason, str]] = {
    "total": "total",
    "suspended": "suspended",
    "not yet active": "out_of_date",
    "expired": "out_of_date",
    "manual entry blocked": "manual_entry_blocked",
}
"""What the connection document calls the reasons (accounts.inactive_when, dimension_values.inactive_when)."""
EVERY_RULE: Final = frozenset(RULES.values())


def _held(vendor: Vendor, holds: frozenset[str], day: date) -> bool:
    released = vendor.hold_release_day is not None and day >= vendor.hold_release_day
    return vendor.on_hold in holds and not released


def active_vendor(vendor: Vendor, today: date, holds: frozenset[str] = NOT_ACTIVE_HOLDS) -> bool:
    """Active in AvidXchange: unless on one of the holds, until the day it is released (design §1: Invoice, All or Payment)."""
    return not _held(vendor, holds, today)


def blocked_for_invoices(vendor: Vendor, day: date) -> bool:
    """Whether D365 would not take an invoice of this vendor: on hold for Invoice or All, until the day it is released."""
    return _held(vendor, INVOICE_HOLDS, day)


def on_payment_hold(vendor: Vendor, day: date) -> bool:
    """Whether D365 would not propose payments to this vendor: on hold for Payment or All, until the day it is released."""
    return _held(vendor, PAYMENT_HOLDS, day)


def _out_of_date(item: MainAccount | MainAccountOverride | DimensionValue | DimensionOverride, day: date) -> Reason | None:
    if item.active_from is not None and day < item.active_from:
        return "not yet active"
    return "expired" if item.active_to is not None and day > item.active_to else None


def account_reason(account: MainAccount, override: MainAccountOverride | None, day: date) -> Reason | None:
    """Why nothing can be posted to the account by hand on that day in the company of the override; None when it can."""
    return next(_account_reasons(account, override, day), None)


def _account_reasons(account: MainAccount, override: MainAccountOverride | None, day: date) -> Iterator[Reason]:
    if account.type in NOT_POSTABLE:
        yield "total"
    if account.is_suspended or (override is not None and override.is_suspended):
        yield "suspended"
    if reason := _out_of_date(account, day) or (_out_of_date(override, day) if override is not None else None):
        yield reason
    if account.no_manual_entry or (override is not None and override.no_manual_entry):
        yield "manual entry blocked"


def value_reason(value: DimensionValue, override: DimensionOverride | None, day: date) -> Reason | None:
    """Why the dimension value cannot be used on that day in the company of the override; None when it can."""
    return next(_value_reasons(value, override, day), None)


def _value_reasons(value: DimensionValue, override: DimensionOverride | None, day: date) -> Iterator[Reason]:
    if value.is_total:
        yield "total"
    if value.is_suspended or (override is not None and override.is_suspended):
        yield "suspended"
    if reason := _out_of_date(value, day) or (_out_of_date(override, day) if override is not None else None):
        yield reason
    if value.no_manual_entry:
        yield "manual entry blocked"


def active_account(
    account: MainAccount, override: MainAccountOverride | None, today: date, inactive_when: Collection[str] = EVERY_RULE
) -> bool:
    """Active in AvidXchange (design §1), by the rules that count."""
    return not any(RULES[reason] in inactive_when for reason in _account_reasons(account, override, today))


def active_value(
    value: DimensionValue, override: DimensionOverride | None, today: date, inactive_when: Collection[str] = EVERY_RULE
) -> bool:
    """Active in AvidXchange (design §1), by the rules that count."""
    return not any(RULES[reason] in inactive_when for reason in _value_reasons(value, override, today))


def chart_of(client: D365Client, company: str) -> str:
    """The chart of accounts of a company. FixConfiguration when D365 has no ledger for it."""
    for row in client.rows(Ledger.SET, select=Ledger.SELECT):
        if fold(str(row.get("LegalEntityId", ""))) == fold(company) and row.get("ChartOfAccounts"):
            return str(row["ChartOfAccounts"])
    raise FixConfiguration(f"D365 has no ledger with a chart of accounts for company {company}: check companies.id.", field="companies.id")


class CompanyReference:
    """What a run checks documents of one company against. Read when first asked for and kept: make a new one for each run.

    `today` is the day that vendors' holds are judged by. `bad` collects the rows that do not validate; they count as missing.
    """

    def __init__(self, client: D365Client, company: str, today: date) -> None:
        self.company = company
        self.today = today
        self.bad: list[BadRow] = []
        self._client = client
        self._vendors: dict[str, Vendor | None] = {}
        self._accounts: dict[str, tuple[MainAccount, MainAccountOverride | None]] | None = None
        self._values: dict[str, dict[str, list[tuple[DimensionValue, DimensionOverride | None]]]] = {}
        self._terms: frozenset[str] | None = None
        self._formats: DimensionFormats | None = None
        self._formats_used: set[DimensionFormats] = set()

    def prefetch_vendors(self, accounts: Iterable[str]) -> None:
        """Read the vendors that are not known yet, some twenty a request."""
        wanted = [account for account in dict.fromkeys(accounts) if fold(account) not in self._vendors]
        rows = self._client.by_keys(Vendor.SET, "VendorAccountNumber", wanted, select=Vendor.SELECT, company=self.company)
        found = {fold(vendor.account): vendor for vendor in self._rows(Vendor, rows)}
        self._vendors.update({fold(account): found.get(fold(account)) for account in wanted})

    def warm(self, dimensions: Iterable[str]) -> None:
        """Read accounts, the values of the dimensions, terms and formats now, where they are not known yet."""
        if self._accounts is None:
            self._accounts = self._read_accounts()
        for dimension in dimensions:
            if dimension not in self._values:
                self._values[dimension] = self._read_values(dimension)
        _ = (self.terms, self.formats)

    def vendor(self, account: str) -> Vendor | None:
        """The vendor, or None."""
        if fold(account) not in self._vendors:
            self.prefetch_vendors([account])
        return self._vendors[fold(account)]

    def usable_account(self, main_account: str, day: date) -> Reason | None:
        """Why the main account cannot be posted to on that day; None when it can."""
        if self._accounts is None:
            self._accounts = self._read_accounts()
        found = self._accounts.get(fold(main_account))
        return "missing" if found is None else account_reason(*found, day)

    def usable_value(self, dimension: str, value: str, day: date) -> Reason | None:
        """Why the value of the dimension cannot be used on that day; None when it can. The company's own row wins over the shared one."""
        if dimension not in self._values:
            self._values[dimension] = self._read_values(dimension)
        found = self._values[dimension].get(fold(value), [])
        own = [item for item in found if fold(item[0].company) == fold(self.company)]
        shared = [item for item in found if not item[0].company]
        for item in (*own, *shared):
            return value_reason(*item, day)
        return "other company" if found else "missing"

    def blocked_for_invoices(self, vendor: Vendor) -> bool:
        """Whether D365 would not take an invoice of this vendor today."""
        return blocked_for_invoices(vendor, self.today)

    def on_payment_hold(self, vendor: Vendor) -> bool:
        """Whether D365 would not propose payments to this vendor today."""
        return on_payment_hold(vendor, self.today)

    @property
    def terms(self) -> frozenset[str]:
        """The names of the company's terms of payment, exactly as D365 has them."""
        if self._terms is None:
            rows = self._client.rows(PaymentTerm.SET, select=PaymentTerm.SELECT, company=self.company)
            self._terms = frozenset(term.name for term in self._rows(PaymentTerm, rows))
        return self._terms

    @property
    def formats(self) -> DimensionFormats:
        """The environment's dimension formats."""
        if self._formats is None:
            self._formats = read_formats(self._client)
        return self._formats

    def formats_changed(self) -> bool:
        """Read the formats anew, because a write complained about segments. Whether they are others than those used before."""
        if self._formats is not None:
            self._formats_used.add(self._formats)
        self._formats = None
        return self._formats_used != {self.formats}

    def _read_accounts(self) -> dict[str, tuple[MainAccount, MainAccountOverride | None]]:
        chart = eq("ChartOfAccounts", chart_of(self._client, self.company))
        own = all_of(chart, eq("LegalEntityId", self.company))
        override_rows = self._client.rows(MainAccountOverride.SET, where=own, select=MainAccountOverride.SELECT)
        overrides = {fold(row.account): row for row in self._rows(MainAccountOverride, override_rows)}
        rows = self._client.rows(MainAccount.SET, where=chart, select=MainAccount.SELECT)
        return {fold(row.account): (row, overrides.get(fold(row.account))) for row in self._rows(MainAccount, rows)}

    def _read_values(self, dimension: str) -> dict[str, list[tuple[DimensionValue, DimensionOverride | None]]]:
        named = eq("FinancialDimension", dimension)
        own = all_of(named, eq("LegalEntityId", self.company))
        override_rows = self._client.rows(DimensionOverride.SET, where=own, select=DimensionOverride.SELECT)
        overrides = {fold(row.value): row for row in self._rows(DimensionOverride, override_rows)}
        values: dict[str, list[tuple[DimensionValue, DimensionOverride | None]]] = {}
        for row in self._rows(DimensionValue, self._client.rows(DimensionValue.SET, where=named, select=DimensionValue.SELECT)):
            values.setdefault(fold(row.value), []).append((row, overrides.get(fold(row.value))))
        return values

    def _rows(self, model: type[E], rows: Iterable[JsonRow]) -> list[E]:
        return list(read_rows(model, rows, self.bad.append))

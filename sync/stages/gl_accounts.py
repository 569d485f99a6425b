"""GL accounts: the MainAccounts of a company's chart to codes of the group mapped for MainAccount (contracts/d365-fo.md §1)."""

from collections.abc import Iterator

from sync.avid.models import Code
from sync.connections.document import MAIN_ACCOUNT, Company
from sync.d365.literals import all_of, eq
from sync.d365.reference import active_account, chart_of
from sync.d365.rows import MainAccount, MainAccountOverride
from sync.d365.wire import JsonRow
from sync.engine.mirror import Mirror
from sync.engine.mirroring import Page, Target
from sync.engine.model import Slice, Stage
from sync.stages.codes import CodeFlow
from sync.stages.crawling import EntityCrawl, folded, rows_by


class GlAccounts:
    """The declaration of the stage."""

    name = "gl_accounts"
    after: tuple[str, ...] = ()

    def open(self, slice_: Slice, company: Company) -> "AccountFlow":
        """See `Mirroring.open`. FixConfiguration when D365 has no chart for the company."""
        return AccountFlow(slice_, company)


class AccountFlow(CodeFlow):
    """The main accounts of one company. They belong to its chart, which companies may share; suspension is the company's own."""

    def __init__(self, slice_: Slice, company: Company) -> None:
        self._group = slice_.connection.code_groups[MAIN_ACCOUNT]
        super().__init__(slice_, company, {self._group: "main account"})
        self._inactive_when = slice_.connection.accounts.inactive_when
        client = slice_.systems.d365
        chart = eq("ChartOfAccounts", chart_of(client, company.id))
        own = all_of(chart, eq("LegalEntityId", company.id))
        self._overrides = rows_by(client, MainAccountOverride, own, lambda row: (row.account,))
        self._crawl = EntityCrawl(client, MainAccount, chart, ("MainAccountId",))

    def count(self) -> int:
        """Of the whole chart."""
        return self._crawl.count()

    def pages(self, cursor: str) -> Iterator[Page[Code]]:
        """Of the whole chart."""
        return self._crawl.pages(cursor, self)

    def target(self, row: MainAccount) -> Target[Code]:
        """See `Mapping`, as below."""
        is_active = active_account(row, self._overrides.get(folded(row.account)), self._today, self._inactive_when)
        return self.code(self._group, row.account, row.name, is_active=is_active)

    def key(self, row: JsonRow) -> tuple[str, ...]:
        """The group and the account."""
        return (self._group, str(row.get("MainAccountId") or ""))


def stage() -> Stage:
    """The stage."""
    return Mirror(GlAccounts())

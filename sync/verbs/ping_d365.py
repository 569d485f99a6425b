"""What `ping` asks of D365 (contracts/d365-fo.md §6, §7): companies, charts, dimensions, journals, methods, banks."""

from collections.abc import Iterator
from functools import partial
from typing import Final

from sync.connections.document import MAIN_ACCOUNT, Company, Connection
from sync.d365.client import D365Client
from sync.d365.dimensions import read_formats
from sync.d365.entity import typed
from sync.d365.literals import eq
from sync.d365.rows import JournalName, Ledger, MainAccount, PaymentMethodRow
from sync.values import fold
from sync.verbs.lines import Line, guarded, look, not_ok, ok
from sync.verbs.ping_entities import EntityChecks

VENDOR_PAYMENT: Final = "Payment"
"""LedgerJournalType of a vendor payment journal; customers' payments are `CustPayment`."""
ACTIVE_BANK: Final = "ActiveForAllTransactions"


class D365Checks:
    """The checks of one customer's environment. Reads only."""

    def __init__(self, connection: Connection, d365: D365Client) -> None:
        self._connection = connection
        self._d365 = d365

    def lines(self) -> Iterator[Line]:
        """All of them; a failed one is a line, and the others go on."""
        yield from guarded("D365 companies", self._companies)
        yield from guarded("D365 dimensions", self._dimensions)
        for company in self._connection.companies:
            yield from guarded("D365 journal", partial(self._journal, company))
            yield from guarded("D365 methods", partial(self._methods, company))
            yield from guarded("D365 banks", partial(self._banks, company))
        yield from EntityChecks(self._connection, self._d365).lines()

    # --- companies and charts ----------------------------------------------------------------------------------------------------

    def _companies(self) -> Iterator[Line]:
        entities = {fold(str(row.get("LegalEntityId", ""))) for row in self._d365.rows("LegalEntities", select=("LegalEntityId",))}
        yield ok("D365 environment", f"{self._connection.d365.environment_url} answers; it has {len(entities)} legal entities.")
        areas = {fold(str(row.get("DataArea", ""))): str(row.get("Name", "")) for row in self._d365.rows("Companies")}
        rows = (typed(Ledger, row) for row in self._d365.rows(Ledger.SET, select=Ledger.SELECT))
        ledgers = {fold(ledger.company): ledger for ledger in rows}
        for company in self._connection.companies:
            if fold(company.id) not in entities or fold(company.id) not in areas:
                known = ", ".join(sorted(areas)) or "none"
                yield not_ok("D365 companies", f"Company {company.id} is not in D365 (there are: {known}).", "Correct companies.id.")
            else:
                yield from self._chart(company, areas[fold(company.id)], ledgers.get(fold(company.id)))

    def _chart(self, company: Company, name: str, ledger: Ledger | None) -> Iterator[Line]:
        if ledger is None or not ledger.chart:
            yield not_ok("D365 companies", f"Company {company.id} has no ledger with a chart of accounts.", "Set up its ledger in D365.")
            return
        accounts = self._d365.count(MainAccount.SET, eq("ChartOfAccounts", ledger.chart))
        sentence = f"Company {company.id} ({name}) has the chart {ledger.chart} with {accounts} main accounts."
        if accounts:
            yield ok("D365 companies", sentence)
        else:
            yield not_ok("D365 companies", sentence, "Give the connector's user in D365 the rights to read MainAccounts.")
        if ledger.currency and ledger.currency != company.currency:
            yield look(
                "D365 companies",
                f"Company {company.id} keeps its books in {ledger.currency}; the connection document says {company.currency}.",
                "Check companies.currency.",
            )

    # --- dimensions --------------------------------------------------------------------------------------------------------------

    def _dimensions(self) -> Iterator[Line]:
        formats = read_formats(self._d365)
        shown = f"ledger format {', '.join(formats.ledger_names)}; default format {', '.join(formats.default_names)}"
        yield ok("D365 dimensions", f"The active formats: {shown}; the delimiter is {formats.delimiter}")
        missing = formats.missing(self._connection.dimensions)
        for name in missing:
            lacking = [kind for kind, names in (("ledger", formats.ledger_names), ("default", formats.default_names)) if name not in names]
            yield not_ok(
                "D365 dimensions",
                f"The mapped dimension {name} is not in the active {' and '.join(lacking)} format: D365 would drop its values.",
                "Add it under Financial dimension configuration for integrating applications, or correct code_groups.",
            )
        fitting = [name for name in self._connection.dimensions if name not in missing]
        if fitting:
            yield ok("D365 dimensions", f"In both formats: {', '.join(fitting)}.")
        unmapped = [name for name in formats.ledger_names if name not in self._connection.code_groups and name != MAIN_ACCOUNT]
        if unmapped:
            yield look(
                "D365 dimensions", f"Not mapped, so left blank on what is written: {', '.join(unmapped)}.", "Map them in code_groups."
            )

    # --- journals, methods, banks ------------------------------------------------------------------------------------------------

    def _journal(self, company: Company) -> Iterator[Line]:
        part, shown = "D365 journal", f"Journal name {company.payment_journal} of {company.id}"
        rows = [typed(JournalName, row) for row in self._d365.rows(JournalName.SET, select=JournalName.SELECT, company=company.id)]
        journal = next((row for row in rows if fold(row.name) == fold(company.payment_journal)), None)
        if journal is None:
            fitting = ", ".join(row.name for row in rows if row.type == VENDOR_PAYMENT) or "none"
            yield not_ok(part, f"{shown} does not exist (vendor payment journals: {fitting}).", "Correct companies.payment_journal.")
            return
        problems = [*_journal_problems(journal)]
        for problem, remedy in problems:
            yield not_ok(part, f"{shown} {problem}.", remedy)
        if not problems:
            yield ok(part, f"{shown} is a vendor payment journal; it keeps its lines and generates no payments.")
        if journal.has_fixed_offset:
            yield look(part, f"{shown} has the fixed offset account {journal.offset_account}: it replaces the bank account of our lines.")
        if journal.has_workflow:
            yield look(part, f"{shown} has an approval workflow: journals are posted when it is done.")

    def _methods(self, company: Company) -> Iterator[Line]:
        part = "D365 methods"
        rows = self._d365.rows(PaymentMethodRow.SET, select=PaymentMethodRow.SELECT, company=company.id)
        methods = {fold(method.name): method for method in (typed(PaymentMethodRow, row) for row in rows)}
        wanted = {method.d365_method: f"payment_methods.{kind}" for kind, method in company.payment_methods.items()}
        if company.invoice_payment_method:
            wanted.setdefault(company.invoice_payment_method, "invoice_payment_method")
        fitting: list[str] = []
        for name, field in wanted.items():
            method = methods.get(fold(name))
            if method is None:
                yield not_ok(part, f"Method of payment {name} does not exist in {company.id}.", f"Correct companies.{field}, or create it.")
                continue
            fitting.append(name)
            special = _special(method)
            if special:
                yield look(
                    part, f"Method of payment {name} of {company.id} {', '.join(special)}.", "Check that D365 pays nothing by itself."
                )
        if fitting:
            yield ok(part, f"Methods of payment of {company.id} exist: {', '.join(fitting)}.")
        if not company.invoice_payment_method:
            yield look(
                part,
                f"Invoices of {company.id} get no method of payment of their own: D365's payment proposals would pay them again.",
                "Set companies.invoice_payment_method to a method that your payment proposals leave out.",
            )

    def _banks(self, company: Company) -> Iterator[Line]:
        part, fields = "D365 banks", ("BankAccountId", "CurrencyCode", "BankAccountStatus")
        rows = self._d365.rows("BankAccounts", select=("dataAreaId", *fields), company=company.id)
        banks = {fold(str(row.get("BankAccountId", ""))): row for row in rows}
        wanted = dict.fromkeys(method.bank_account for method in company.payment_methods.values())
        fitting: list[str] = []
        for name in wanted:
            bank = banks.get(fold(name))
            if bank is None:
                known = ", ".join(sorted(str(row.get("BankAccountId")) for row in banks.values())) or "none"
                remedy = "Correct bank_account under companies.payment_methods."
                yield not_ok(part, f"Bank account {name} does not exist in {company.id} (there are: {known}).", remedy)
                continue
            fitting.append(name)
            status, currency = str(bank.get("BankAccountStatus") or ACTIVE_BANK), str(bank.get("CurrencyCode") or company.currency)
            if status != ACTIVE_BANK:
                yield look(part, f"Bank account {name} of {company.id} is {status}.", "Activate it in D365, or map another one.")
            if currency != company.currency:
                yield look(part, f"Bank account {name} of {company.id} is in {currency}, the company's payments are in {company.currency}.")
        if fitting:
            yield ok(part, f"Bank accounts of {company.id} exist: {', '.join(fitting)}.")


def _journal_problems(journal: JournalName) -> Iterator[tuple[str, str]]:
    """What must not be, with its remedy (contracts/d365-fo.md §6)."""
    if journal.type != VENDOR_PAYMENT:
        yield f"is of the type {journal.type}, not a vendor payment journal", "Name a journal of the type Vendor disbursement."
    if journal.deletes_lines_after_posting:
        yield "deletes its lines after posting, so they cannot be found again", "Set Delete lines after posting to No."
    if journal.generates_payments:
        yield "generates payments before posting: a second check may be printed", "Set Generate payments before posting to No."


def _special(method: PaymentMethodRow) -> list[str]:
    """What a person should know of a method of payment."""
    facts = (
        (method.export_format, f"has the export format {method.export_format}"),
        (method.uses_electronic_reporting, "makes payment files by electronic reporting"),
        (method.status not in {"", "None"}, f"sets the payment status {method.status}"),
        (method.has_bridging, "posts over a bridging account"),
        (method.check_number_mandatory, "wants a check number"),
        (method.reference_mandatory, "wants a payment reference"),
    )
    return [text for applies, text in facts if applies]

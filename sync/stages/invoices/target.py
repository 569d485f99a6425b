"""One pending invoice in D365: looking for it, writing its header and lines, reading it back (contracts/d365-fo.md §5)."""

from collections.abc import Iterable, Mapping
from typing import Final

from sync.causes import Cause
from sync.d365.batch import Operation
from sync.d365.client import D365Client
from sync.d365.entity import typed
from sync.d365.errors import AlreadyThere, RowMissing
from sync.d365.literals import all_of, eq
from sync.d365.rows import PendingInvoice, PendingInvoiceLine, PostedInvoice
from sync.d365.wire import Json
from sync.engine.delivery import Foreign, Found, Nothing, Sight
from sync.errors import FixData
from sync.ledger.model import Record
from sync.stages.invoices.plan import InvoicePlan, PlannedLine
from sync.values import fold, money_text, noon

HEADERS: Final = PendingInvoice.SET
LINES: Final = PendingInvoiceLine.SET
POSTED: Final = PostedInvoice.SET
HEADER_REFERENCE: Final = "header"
LINES_A_CHANGESET: Final = 500
DRAFT: Final = "Draft"
ATTACHMENTS: Final = "VendorInvoiceDocumentAttachments"
CATEGORY_FIELDS: Final = frozenset({"ProcurementCategoryName", "ProcurementCategoryHierarchyName"})


class InvoiceTarget:
    """The D365 side of invoices."""

    def __init__(self, d365: D365Client) -> None:
        self._d365 = d365

    def pending(self, company: str, invoice_account: str, number: str) -> list[PendingInvoice]:
        """The unposted invoices with this number of this account. D365 compares without case and takes `*` for a wildcard."""
        where = all_of(eq("InvoiceAccount", invoice_account), eq("InvoiceNumber", number))
        rows = self._d365.rows(HEADERS, where=where, select=PendingInvoice.SELECT, company=company)
        return [item for row in rows if fold((item := typed(PendingInvoice, row)).number) == fold(number)]

    def posted(self, company: str, invoice_account: str, number: str) -> list[PostedInvoice]:
        """The posted invoices with this number of this account."""
        where = all_of(eq("InvoiceAccount", invoice_account), eq("InvoiceId", number))
        rows = self._d365.rows(POSTED, where=where, select=PostedInvoice.SELECT, company=company)
        return [item for row in rows if fold((item := typed(PostedInvoice, row)).number) == fold(number)]

    def posted_among(self, company: str, numbers: Iterable[str]) -> list[PostedInvoice]:
        """The posted invoices that have one of these numbers, of any account."""
        rows = self._d365.by_keys(POSTED, "InvoiceId", sorted(set(numbers)), select=PostedInvoice.SELECT, company=company)
        return [typed(PostedInvoice, row) for row in rows]

    def header(self, company: str, reference: str) -> PendingInvoice | None:
        """The header with this number."""
        row = self._d365.get(HEADERS, {"dataAreaId": company, "HeaderReference": reference}, select=PendingInvoice.SELECT)
        return None if row is None else typed(PendingInvoice, row)

    def still_pending(self, company: str, references: Iterable[str]) -> frozenset[str]:
        """Those of the header numbers that D365 still holds, folded; some twenty a request."""
        wanted = sorted(set(references))
        rows = self._d365.by_keys(HEADERS, "HeaderReference", wanted, select=("dataAreaId", "HeaderReference"), company=company)
        return frozenset(fold(str(row["HeaderReference"])) for row in rows)

    def lines(self, company: str, reference: str) -> list[PendingInvoiceLine]:
        """The lines of a pending invoice, by number."""
        rows = self._d365.rows(LINES, where=eq("HeaderReference", reference), select=PendingInvoiceLine.SELECT, company=company)
        return sorted((typed(PendingInvoiceLine, row) for row in rows), key=lambda line: line.number)

    def create_header(self, plan: InvoicePlan) -> str:
        """Write the header; returns the number D365 gave it."""
        try:
            row = self._d365.create(HEADERS, header_body(plan))
        except AlreadyThere as error:
            raise FixData((refusal(plan, error.sentence),), detail=error.detail) from error
        return typed(PendingInvoice, row).reference

    def create_lines(self, plan: InvoicePlan, reference: str, missing: Iterable[PlannedLine]) -> None:
        """Write lines, each changeset all or nothing."""
        operations = [Operation("POST", LINES, body=line_body(plan, reference, line)) for line in missing]
        try:
            for start in range(0, len(operations), LINES_A_CHANGESET):
                self._d365.changeset(operations[start : start + LINES_A_CHANGESET])
        except AlreadyThere as error:
            raise FixData((refusal(plan, error.sentence),), detail=error.detail) from error
        except FixData as error:
            raise FixData(tuple(_named_setting(plan, cause) for cause in error.causes), detail=error.detail) from error

    def attachments(self, company: str, reference: str) -> frozenset[str]:
        """The names of the attachments of a header."""
        rows = self._d365.rows(ATTACHMENTS, where=eq("HeaderReference", reference), select=("dataAreaId", "Name"), company=company)
        return frozenset(str(row.get("Name", "")) for row in rows)

    def attach(self, plan: InvoicePlan, reference: str, file_type: str, contents: str) -> None:
        """Attach a file to the header, named after the marker; `contents` is base64."""
        body: Mapping[str, Json] = {
            "dataAreaId": plan.company,
            "HeaderReference": reference,
            "Name": plan.marker,
            "FileName": plan.marker,
            "FileType": file_type,
            "FileContents": contents,
        }
        self._d365.create(ATTACHMENTS, body)

    def delete_draft(self, company: str, reference: str) -> bool:
        """Delete a header of ours that is still Draft and has no lines. Whether it is gone now."""
        header = self.header(company, reference)
        if header is None:
            return True
        if header.review_status != DRAFT or self.lines(company, reference):
            return False
        try:
            self._d365.delete(HEADERS, {"dataAreaId": company, "HeaderReference": reference})
        except RowMissing:
            return True
        return self.header(company, reference) is None


def refusal(plan: InvoicePlan, sentence: str) -> Cause:
    """D365 refused the document."""
    return Cause("refused", f"invoice {plan.number} of {plan.invoice_account}", f"Invoice {plan.number}: D365 refused it: {sentence}")


def _named_setting(plan: InvoicePlan, cause: Cause) -> Cause:
    """Where D365 takes no line with only an account, the company's default category is what is missing (contracts/d365-fo.md §5)."""
    if cause.field not in CATEGORY_FIELDS or plan.category:
        return cause
    sentence = (
        f"D365 takes no lines with only an account in company {plan.company}: {cause.sentence} "
        "Set companies.procurement_category and companies.procurement_hierarchy, then replay."
    )
    return Cause("not-mapped", f"procurement category of company {plan.company}", sentence, "companies.procurement_category")


def header_body(plan: InvoicePlan) -> Mapping[str, Json]:
    """The header as it is sent. An empty optional field is left to D365's defaults."""
    optional: dict[str, Json] = {
        "TermsOfPayment": plan.terms,
        "DueDate": noon(plan.due_day) if plan.due_day else "",
        "MethodOfPayment": plan.method,
        "InvoiceDescription": plan.description,
        "DocumentNumber": plan.document_number,
        "DimensionDisplayValue": plan.header_dimensions,
    }
    return {
        "dataAreaId": plan.company,
        "InvoiceAccount": plan.invoice_account,
        "VendorAccount": plan.vendor,
        "InvoiceNumber": plan.number,
        "InvoiceDate": noon(plan.invoice_day),
        "Date": noon(plan.posting_day),
        "Currency": plan.currency,
        "ImportedAmount": plan.amount,
        "Comment": plan.comment,
        **{name: value for name, value in optional.items() if value},
    }


def line_body(plan: InvoicePlan, reference: str, line: PlannedLine) -> Mapping[str, Json]:
    """A line as it is sent: tax groups always, even empty, or the vendor's defaults add tax on top."""
    category: dict[str, Json] = {"ProcurementCategoryName": plan.category, "ProcurementCategoryHierarchyName": plan.category_hierarchy}
    return {
        "dataAreaId": plan.company,
        "HeaderReference": reference,
        "InvoiceLineNumber": line.number,
        "ReceiveNow": -1 if line.amount < 0 else 1,
        "UnitPrice": abs(line.amount),
        "Amount": line.amount,
        "LineDescription": line.description,
        "MainAccountDisplayValue": line.account_string,
        "DimensionDisplayValue": line.dimension_string,
        "SalesTaxGroup": line.tax_group,
        "ItemSalesTax": line.item_tax_group,
        **{name: value for name, value in category.items() if value},
    }


class HeaderPiece:
    """The header. What is looked for is the whole natural key, pending and posted."""

    name = "header"

    def __init__(self, target: InvoiceTarget, plan: InvoicePlan) -> None:
        self._target = target
        self._plan = plan
        self.created = ""
        """The number of the header when this object wrote it."""

    def look(self, record: Record) -> Sight:
        """Ours by its marker; another's agrees in amount and date, or is a conflict."""
        plan = self._plan
        pending = self._target.pending(plan.company, plan.invoice_account, plan.number)
        ours = [header for header in pending if plan.marker in header.comment]
        if ours:
            return Found({HEADER_REFERENCE: ours[0].reference})
        posted = self._target.posted(plan.company, plan.invoice_account, plan.number)
        if posted:
            return self._posted(posted[0], record)
        return self._entered_by_hand(pending[0]) if pending else Nothing()

    def _posted(self, posted: PostedInvoice, record: Record) -> Sight:
        """A posted invoice no longer shows our marker: it is ours when we had sent it and it agrees."""
        agrees = posted.amount == self._plan.amount and posted.day == self._plan.invoice_day
        if agrees and record.sent_at is not None:
            return Found({HEADER_REFERENCE: "", "posted": posted.voucher or "posted"})
        shown = f"posted invoice {posted.number} of {posted.invoice_account}"
        return Foreign(shown, () if agrees else (self._conflict(shown, money_text(posted.amount), str(posted.day)),))

    def _entered_by_hand(self, header: PendingInvoice) -> Sight:
        lines = self._target.lines(self._plan.company, header.reference)
        total = sum((line.amount for line in lines), start=header.imported_amount * 0)
        agrees = total == self._plan.amount and header.day == self._plan.invoice_day
        shown = f"pending invoice {header.reference} ({header.number} of {header.invoice_account})"
        return Foreign(shown, () if agrees else (self._conflict(shown, money_text(total), str(header.day)),))

    def _conflict(self, shown: str, amount: str, day: str) -> Cause:
        plan = self._plan
        sentence = (
            f"Invoice {plan.number} of {plan.invoice_account} is {money_text(plan.amount)} of {plan.invoice_day} in AvidXchange; "
            f"D365 holds the {shown} with {amount} of {day}."
        )
        return Cause("conflict", f"invoice {plan.number} of {plan.invoice_account}", sentence)

    def send(self, record: Record) -> Mapping[str, str]:
        """Write the header."""
        self.created = self._target.create_header(self._plan)
        return {HEADER_REFERENCE: self.created}


class LinesPiece:
    """All lines, in changesets; what is there already is not sent again."""

    name = "lines"

    def __init__(self, target: InvoiceTarget, plan: InvoicePlan, header: HeaderPiece) -> None:
        self._target = target
        self._plan = plan
        self._header = header
        self._missing: list[PlannedLine] | None = None

    def look(self, record: Record) -> Sight:
        """Found when every line number is there. A posted invoice has its lines; a header made just now has none."""
        reference = record.progress[HEADER_REFERENCE]
        if record.progress.get("posted"):
            return Found()
        if self._missing is None and self._header.created == reference:
            self._missing = list(self._plan.lines)
        else:
            there = {line.number for line in self._target.lines(self._plan.company, reference)}
            self._missing = [line for line in self._plan.lines if line.number not in there]
        return Nothing() if self._missing else Found()

    def send(self, record: Record) -> Mapping[str, str]:
        """Write what the look found missing."""
        assert self._missing is not None
        self._target.create_lines(self._plan, record.progress[HEADER_REFERENCE], self._missing)
        return {}

"""What `ping` asks of D365's entity sets (contracts/d365-fo.md §1, §12): described in `$metadata`, readable, nothing left to fill."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from sync.connections.document import Connection
from sync.d365.addresses import Postal
from sync.d365.client import D365Client
from sync.d365.entity import Entity
from sync.d365.metadata import Metadata, NotMetadata, read_metadata
from sync.d365.rows import (
    DimensionOverride,
    DimensionSettings,
    DimensionValue,
    IntegrationFormat,
    JournalHeader,
    JournalLine,
    JournalName,
    Ledger,
    MainAccount,
    MainAccountOverride,
    PaymentMethodRow,
    PaymentTerm,
    PendingInvoice,
    PendingInvoiceLine,
    PostedInvoice,
    PurchaseOrder,
    SettledInvoice,
    Vendor,
    VendorTransaction,
)
from sync.errors import SyncError
from sync.stages.invoices.target import ATTACHMENTS
from sync.verbs.lines import Line, look, not_ok, ok

DESCRIBED: Final = "D365 $metadata"
READABLE: Final = "D365 entities"
USED_SETS: Final[Sequence[type[Entity]]] = (
    Vendor,
    MainAccount,
    MainAccountOverride,
    DimensionValue,
    DimensionOverride,
    PaymentTerm,
    PurchaseOrder,
    PendingInvoice,
    PendingInvoiceLine,
    PostedInvoice,
    VendorTransaction,
    JournalHeader,
    JournalLine,
    SettledInvoice,
)
"""What the stages read row by row."""
SET_UP: Final[Sequence[type[Entity]]] = (Ledger, IntegrationFormat, DimensionSettings, PaymentMethodRow, JournalName)
"""What is read of the set-up; whether it can be read shows in the checks of it."""
GATE_KEEPERS: Final = frozenset({PostedInvoice.SET, VendorTransaction.SET})
"""Without these, invoices and payments do not start (contracts/d365-fo.md §5)."""
WRITTEN: Final[Mapping[str, tuple[str, ...]]] = {
    PendingInvoice.SET: (
        "dataAreaId",
        "InvoiceAccount",
        "VendorAccount",
        "InvoiceNumber",
        "InvoiceDate",
        "Date",
        "Currency",
        "ImportedAmount",
        "Comment",
        "TermsOfPayment",
        "DueDate",
        "MethodOfPayment",
        "InvoiceDescription",
        "DocumentNumber",
        "DimensionDisplayValue",
    ),
    PendingInvoiceLine.SET: (
        "dataAreaId",
        "HeaderReference",
        "InvoiceLineNumber",
        "ReceiveNow",
        "UnitPrice",
        "Amount",
        "LineDescription",
        "MainAccountDisplayValue",
        "DimensionDisplayValue",
        "SalesTaxGroup",
        "ItemSalesTax",
        "ProcurementCategoryName",
        "ProcurementCategoryHierarchyName",
    ),
    ATTACHMENTS: ("dataAreaId", "HeaderReference", "Name", "FileName", "FileType", "FileContents"),
    JournalHeader.SET: ("dataAreaId", "JournalName", "Description"),
    JournalLine.SET: (
        "dataAreaId",
        "JournalBatchNumber",
        "LineNumber",
        "AccountType",
        "AccountDisplayValue",
        "Company",
        "OffsetAccountType",
        "OffsetAccountDisplayValue",
        "OffsetCompany",
        "CurrencyCode",
        "DebitAmount",
        "PaymentId",
        "PaymentMethodName",
        "TransactionDate",
        "TransactionText",
        "CheckNumber",
        "PaymentReference",
        "DefaultDimensionsForAccountDisplayValue",
        "DefaultDimensionsForOffsetAccountDisplayValue",
        "MarkedInvoice",
        "MarkedInvoiceCompany",
        "SettleVoucher",
    ),
    SettledInvoice.SET: (
        "JournalLineCompany",
        "JournalBatchNumber",
        "JournalLineNumber",
        "InvoiceNumber",
        "InvoiceCompany",
        "InvoiceDueDate",
        "SettlementAmountInInvoiceCurrency",
        "CashDiscountToTakeInInvoiceCurrency",
        "invoiceAccount",
    ),
}
"""The fields that are sent, by set."""
GIVEN_BY_D365: Final = frozenset({(PendingInvoice.SET, "HeaderReference"), (JournalHeader.SET, "JournalBatchNumber")})
PUBLISHED: Final = "Refresh the data entities in D365 and check its version and that the entity is public."


def used_fields(connection: Connection) -> dict[str, tuple[str, ...]]:
    """Every set that this connection uses, with the fields that are read or written."""
    optional: tuple[type[Entity], ...] = (Postal,) if connection.vendors.remit_to_role else ()
    fields = {entity.SET: entity.SELECT for entity in (*USED_SETS, *SET_UP, *optional)}
    for name, written in WRITTEN.items():
        if name != ATTACHMENTS or connection.avidxchange.image_hosts:
            fields[name] = tuple(dict.fromkeys((*fields.get(name, ()), *written)))
    return fields


class EntityChecks:
    """The checks of one environment's entity sets. Reads only."""

    def __init__(self, connection: Connection, d365: D365Client) -> None:
        self._used = used_fields(connection)
        self._d365 = d365

    def lines(self) -> Iterator[Line]:
        """What is described, then what can be read."""
        yield from self._described()
        yield from self._readable()

    def _described(self) -> Iterator[Line]:
        """The rows are the truth, so a description that cannot be had is only something to look at."""
        try:
            metadata = read_metadata(self._d365.metadata())
        except (SyncError, NotMetadata) as error:
            said = error.sentence if isinstance(error, SyncError) else f"it is {error}."
            yield look(DESCRIBED, f"The description of the entity sets cannot be read, so fields were not compared: {said}")
            return
        missing = list(self._missing(metadata))
        yield from missing
        if not missing:
            yield ok(DESCRIBED, f"All {len(self._used)} entity sets that are used are described, with every field that is read or written.")
        yield from self._unfilled(metadata)

    def _missing(self, metadata: Metadata) -> Iterator[Line]:
        for name, fields in self._used.items():
            if name not in metadata.sets:
                yield not_ok(DESCRIBED, f"The entity set {name} is not in $metadata.", PUBLISHED)
                continue
            lacking = metadata.missing_fields(name, fields)
            if lacking:
                shown = f"The entity set {name} lacks the field{'s' if len(lacking) > 1 else ''} {', '.join(lacking)}"
                yield not_ok(DESCRIBED, f"{shown}, which the connector reads or writes.", PUBLISHED)

    def _unfilled(self, metadata: Metadata) -> Iterator[Line]:
        for name, written in WRITTEN.items():
            for field in metadata.required_fields(name) if name in self._used else ():
                if field not in written and (name, field) not in GIVEN_BY_D365:
                    yield look(
                        DESCRIBED,
                        f"The field {field} of {name} is required, and the connector does not fill it.",
                        "Make sure that D365 gives it a default: else what is written there is refused.",
                    )

    def _readable(self) -> Iterator[Line]:
        """One row of every set that the stages read, with the fields that they ask for."""
        readable = 0
        for entity in USED_SETS:
            try:
                next(self._d365.rows(entity.SET, select=entity.SELECT, page_size=1), None)
            except SyncError as error:
                stops = " Without it, invoices and payments do not start." if entity.SET in GATE_KEEPERS else ""
                yield not_ok(READABLE, f"{entity.SET}: {error.sentence}{stops}")
            else:
                readable += 1
        if readable:
            yield ok(READABLE, f"{readable} of {len(USED_SETS)} entity sets can be read, with every field that is used.")

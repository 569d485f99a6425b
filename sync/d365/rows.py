"""Rows of the entity sets we read, with our names (contracts/d365-fo.md §1; fields in d365_entities.json).

Fields that a decision rests on have no default: a row without them is a bad row, never a guess. `…day` is a date, None when unset.
"""

from decimal import Decimal

from pydantic import Field

from sync.d365.entity import Amount, Day, Entity, Flag, LineNumber, Moment, Text


class Vendor(Entity):
    """A vendor of one company, with its primary address."""

    SET = "VendorsV3"
    KEYS = ("company", "account")

    company: Text = Field(alias="dataAreaId")
    account: Text = Field(alias="VendorAccountNumber", min_length=1)
    group: Text = Field("", alias="VendorGroupId")
    organization_name: Text = Field("", alias="VendorOrganizationName")
    first_name: Text = Field("", alias="PersonFirstName")
    middle_name: Text = Field("", alias="PersonMiddleName")
    last_name: Text = Field("", alias="PersonLastName")
    search_name: Text = Field("", alias="VendorSearchName")
    doing_business_as: Text = Field("", alias="Tax1099DoingBusinessAsName")
    invoice_vendor: Text = Field("", alias="InvoiceVendorAccountNumber")
    our_account_number: Text = Field("", alias="OurAccountNumber")
    on_hold: Text = Field(alias="OnHoldStatus")
    hold_release_day: Day = Field(None, alias="VendorHoldReleaseDate")
    currency: Text = Field("", alias="CurrencyCode")
    payment_terms: Text = Field("", alias="DefaultPaymentTermsName")
    payment_method: Text = Field("", alias="DefaultVendorPaymentMethodName")
    email: Text = Field("", alias="PrimaryEmailAddress")
    phone: Text = Field("", alias="PrimaryPhoneNumber")
    street: Text = Field("", alias="AddressStreet")
    city: Text = Field("", alias="AddressCity")
    state: Text = Field("", alias="AddressStateId")
    zip_code: Text = Field("", alias="AddressZipCode")
    country: Text = Field("", alias="AddressCountryRegionId")
    country_iso: Text = Field("", alias="AddressCountryRegionISOCode")
    is_1099: Flag = Field(False, alias="IsReportingTax1099")
    tax_id: Text = Field("", alias="Tax1099FederalTaxId", repr=False)
    tax_exempt_number: Text = Field("", alias="TaxExemptNumber", repr=False)
    is_one_time: Flag = Field(False, alias="IsOneTimeVendor")
    sales_tax_group: Text = Field("", alias="SalesTaxGroupCode")

    @property
    def name(self) -> str:
        """The organisation's name, else the person's, else the search name."""
        person = " ".join(part for part in (self.first_name, self.middle_name, self.last_name) if part)
        return self.organization_name or person or self.search_name

    @property
    def invoice_account(self) -> str:
        """The account that invoices and payments are booked on (contracts/d365-fo.md §5)."""
        return self.invoice_vendor or self.account


class Ledger(Entity):
    """Which chart of accounts a company has."""

    SET = "Ledgers"
    KEYS = ("company",)

    company: Text = Field(alias="LegalEntityId")
    chart: Text = Field(alias="ChartOfAccounts")
    currency: Text = Field("", alias="AccountingCurrency")


class MainAccount(Entity):
    """A GL account of a chart."""

    SET = "MainAccounts"
    KEYS = ("chart", "account")

    chart: Text = Field(alias="ChartOfAccounts")
    account: Text = Field(alias="MainAccountId", min_length=1)
    name: Text = Field("", alias="Name")
    type: Text = Field(alias="MainAccountType")
    is_suspended: Flag = Field(alias="IsSuspended")
    no_manual_entry: Flag = Field(alias="DoNotAllowManualEntry")
    active_from: Day = Field(alias="ActiveFrom")
    active_to: Day = Field(alias="ActiveTo")


class MainAccountOverride(Entity):
    """What one company changes about a GL account."""

    SET = "MainAccountLegalEntities"
    KEYS = ("company", "account")

    company: Text = Field(alias="LegalEntityId")
    chart: Text = Field(alias="ChartOfAccounts")
    account: Text = Field(alias="MainAccountId", min_length=1)
    is_suspended: Flag = Field(alias="IsSuspended")
    no_manual_entry: Flag = Field(False, alias="DoNotAllowManualEntry")
    active_from: Day = Field(alias="ActiveFrom")
    active_to: Day = Field(alias="ActiveTo")


class DimensionValue(Entity):
    """A value of a financial dimension; `company` is "" when all companies share it."""

    SET = "FinancialDimensionValues"
    KEYS = ("dimension", "company", "value")

    dimension: Text = Field(alias="FinancialDimension")
    company: Text = Field(alias="LegalEntityId")
    value: Text = Field(alias="DimensionValue", min_length=1)
    description: Text = Field("", alias="Description")
    is_suspended: Flag = Field(alias="IsSuspended")
    is_total: Flag = Field(alias="IsTotal")
    no_manual_entry: Flag = Field(alias="IsBlockedForManualEntry")
    active_from: Day = Field(alias="ActiveFrom")
    active_to: Day = Field(alias="ActiveTo")


class DimensionOverride(Entity):
    """What one company changes about a dimension value."""

    SET = "FinancialDimensionValueLegalEntityOverridesV2"
    KEYS = ("dimension", "company", "value")

    dimension: Text = Field(alias="FinancialDimension")
    company: Text = Field(alias="LegalEntityId")
    value: Text = Field(alias="DimensionValue", min_length=1)
    is_suspended: Flag = Field(alias="IsSuspended")
    active_from: Day = Field(alias="ActiveFrom")
    active_to: Day = Field(alias="ActiveTo")


class IntegrationFormat(Entity):
    """A dimension format for integrating applications: dimension names in order, joined by the delimiter."""

    SET = "DimensionIntegrationFormats"
    KEYS = ("name", "type")

    name: Text = Field(alias="DimensionFormatName")
    type: Text = Field(alias="DimensionFormatType")
    format: Text = Field(alias="FinancialDimensionFormat", min_length=1)
    is_active: Flag = Field(alias="IsActive")


class DimensionSettings(Entity):
    """The environment's delimiter between segments, by name (Hyphen, DoubleBar …)."""

    SET = "DimensionParameters"
    KEYS = ("key",)

    key: int = Field(alias="Key")
    delimiter: Text = Field(alias="DimensionSegmentDelimiter")


class PaymentTerm(Entity):
    """Terms of payment of a company."""

    SET = "PaymentTerms"
    KEYS = ("company", "name")

    company: Text = Field(alias="dataAreaId")
    name: Text = Field(alias="Name")
    description: Text = Field("", alias="Description")


class PaymentMethodRow(Entity):
    """A vendor method of payment of a company, with what `ping` reports about it."""

    SET = "VendorPaymentMethods"
    KEYS = ("company", "name")

    company: Text = Field(alias="dataAreaId")
    name: Text = Field(alias="Name")
    description: Text = Field("", alias="Description")
    export_format: Text = Field("", alias="ExportFormatClassName")
    uses_electronic_reporting: Flag = Field(False, alias="UseGERConfiguration")
    status: Text = Field("", alias="PaymentStatus")
    has_bridging: Flag = Field(False, alias="BridgingPostingEnabled")
    check_number_mandatory: Flag = Field(False, alias="ValidateCheckNumberIsMandatory")
    reference_mandatory: Flag = Field(False, alias="ValidatePaymentReferenceIsMandatory")
    payment_id_mandatory: Flag = Field(False, alias="ValidatePaymentIdIsMandatory")
    account_type: Text = Field("", alias="AccountType")
    account: Text = Field("", alias="PaymentAccountDisplayValue")


class JournalName(Entity):
    """A journal name of a company, with what could print a second check or change our lines."""

    SET = "JournalNames"
    KEYS = ("company", "name")

    company: Text = Field(alias="dataAreaId")
    name: Text = Field(alias="Name")
    description: Text = Field("", alias="Description")
    type: Text = Field(alias="Type")
    deletes_lines_after_posting: Flag = Field(alias="DeleteLinesAfterPosting")
    generates_payments: Flag = Field(alias="GeneratePaymentsBeforePosting")
    has_fixed_offset: Flag = Field(False, alias="IsFixedOffsetAccount")
    offset_account: Text = Field("", alias="OffsetAccountDisplayValue")
    has_workflow: Flag = Field(False, alias="IsWorkflowApprovalActive")


class PendingInvoice(Entity):
    """A pending vendor invoice's header. There is no total on it."""

    SET = "VendorInvoiceHeaders"
    KEYS = ("company", "reference")

    company: Text = Field(alias="dataAreaId")
    reference: Text = Field(alias="HeaderReference", min_length=1)
    invoice_account: Text = Field(alias="InvoiceAccount")
    vendor_account: Text = Field("", alias="VendorAccount")
    number: Text = Field(alias="InvoiceNumber")
    day: Day = Field(alias="InvoiceDate")
    posting_day: Day = Field(alias="Date")
    due_day: Day = Field(alias="DueDate")
    currency: Text = Field(alias="Currency")
    payment_terms: Text = Field("", alias="TermsOfPayment")
    payment_method: Text = Field("", alias="MethodOfPayment")
    description: Text = Field("", alias="InvoiceDescription")
    document_number: Text = Field("", alias="DocumentNumber")
    comment: Text = Field("", alias="Comment")
    imported_amount: Amount = Field(alias="ImportedAmount")
    imported_sales_tax: Amount = Field(Decimal(0), alias="ImportedSalesTax")
    dimensions: Text = Field("", alias="DimensionDisplayValue")
    review_status: Text = Field("", alias="VendorInvoiceReviewStatus")
    purchase_order: Text = Field("", alias="PurchaseOrderNumber")


class PendingInvoiceLine(Entity):
    """A line of a pending vendor invoice. `amount` is signed."""

    SET = "VendorInvoiceLines"
    KEYS = ("company", "reference", "number")

    company: Text = Field(alias="dataAreaId")
    reference: Text = Field(alias="HeaderReference")
    number: LineNumber = Field(alias="InvoiceLineNumber")
    quantity: Amount = Field(alias="ReceiveNow")
    unit_price: Amount = Field(alias="UnitPrice")
    amount: Amount = Field(alias="Amount")
    description: Text = Field("", alias="LineDescription")
    main_account: Text = Field(alias="MainAccountDisplayValue")
    dimensions: Text = Field(alias="DimensionDisplayValue")
    sales_tax_group: Text = Field("", alias="SalesTaxGroup")
    item_sales_tax: Text = Field("", alias="ItemSalesTax")


class PostedInvoice(Entity):
    """A posted vendor invoice."""

    SET = "VendInvoiceJourBiEntities"
    KEYS = ("company", "source_key")

    company: Text = Field(alias="dataAreaId")
    source_key: int = Field(alias="SourceKey")
    invoice_account: Text = Field(alias="InvoiceAccount")
    order_account: Text = Field("", alias="OrderAccount")
    number: Text = Field(alias="InvoiceId")
    amount: Amount = Field(alias="InvoiceAmount")
    currency: Text = Field(alias="CurrencyCode")
    day: Day = Field(alias="InvoiceDate")
    due_day: Day = Field(None, alias="DueDate")
    voucher: Text = Field("", alias="LedgerVoucher")
    document_number: Text = Field("", alias="DocumentNum")
    purchase_order: Text = Field("", alias="PurchId")
    modified: Moment = Field(None, alias="SysModifiedDateTime")


class VendorTransaction(Entity):
    """A vendor transaction: invoices negative, credits and payments positive; `closed` is the day it was settled in full."""

    SET = "VendTransBiEntities"
    KEYS = ("company", "source_key")

    company: Text = Field(alias="dataAreaId")
    source_key: int = Field(alias="SourceKey")
    account: Text = Field(alias="AccountNum")
    invoice: Text = Field(alias="Invoice")
    amount: Amount = Field(alias="AmountCur")
    settled: Amount = Field(alias="SettleAmountCur")
    closed: Day = Field(alias="Closed")
    currency: Text = Field(alias="CurrencyCode")
    day: Day = Field(alias="TransDate")
    due_day: Day = Field(alias="DueDate")
    voucher: Text = Field("", alias="Voucher")
    type: Text = Field("", alias="TransType")
    payment_id: Text = Field("", alias="PaymId")
    payment_reference: Text = Field("", alias="PaymReference")
    payment_method: Text = Field("", alias="PaymMode")
    journal: Text = Field("", alias="JournalNum")
    document_number: Text = Field("", alias="DocumentNum")
    modified: Moment = Field(None, alias="SysModifiedDateTime")

    @property
    def is_open(self) -> bool:
        """Not settled in full yet."""
        return self.closed is None

    @property
    def remaining(self) -> Decimal:
        """What is still to be settled, as a positive amount (contracts/d365-fo.md §6)."""
        return abs(self.amount) - abs(self.settled)


class JournalHeader(Entity):
    """A vendor payment journal."""

    SET = "VendorPaymentJournalHeaders"
    KEYS = ("company", "number")

    company: Text = Field(alias="dataAreaId")
    number: Text = Field(alias="JournalBatchNumber", min_length=1)
    name: Text = Field(alias="JournalName")
    description: Text = Field(alias="Description")
    is_posted: Flag = Field(alias="IsPosted")


class JournalLine(Entity):
    """A line of a vendor payment journal."""

    SET = "VendorPaymentJournalLines"
    KEYS = ("company", "journal", "number")

    company: Text = Field(alias="dataAreaId")
    journal: Text = Field(alias="JournalBatchNumber")
    number: LineNumber = Field(alias="LineNumber")
    account_type: Text = Field(alias="AccountType")
    account: Text = Field(alias="AccountDisplayValue")
    offset_account_type: Text = Field(alias="OffsetAccountType")
    offset_account: Text = Field(alias="OffsetAccountDisplayValue")
    debit: Amount = Field(alias="DebitAmount")
    credit: Amount = Field(alias="CreditAmount")
    currency: Text = Field(alias="CurrencyCode")
    day: Day = Field(alias="TransactionDate")
    text: Text = Field("", alias="TransactionText")
    payment_id: Text = Field(alias="PaymentId")
    payment_reference: Text = Field("", alias="PaymentReference")
    check_number: Text = Field("", alias="CheckNumber")
    payment_method: Text = Field("", alias="PaymentMethodName")
    account_dimensions: Text = Field("", alias="DefaultDimensionsForAccountDisplayValue")
    offset_dimensions: Text = Field("", alias="DefaultDimensionsForOffsetAccountDisplayValue")
    marked_invoice: Text = Field("", alias="MarkedInvoice")
    marked_invoice_company: Text = Field("", alias="MarkedInvoiceCompany")
    voucher: Text = Field("", alias="Voucher")


class SettledInvoice(Entity):
    """An invoice that a payment line is marked to settle. Its company is not always the line's dataAreaId."""

    SET = "VendorPaymentJournalLineSettledInvoices"
    KEYS = ("company", "journal", "line_number", "invoice")

    company: Text = Field(alias="JournalLineCompany")
    journal: Text = Field(alias="JournalBatchNumber")
    line_number: LineNumber = Field(alias="JournalLineNumber")
    invoice: Text = Field(alias="InvoiceNumber")
    invoice_company: Text = Field(alias="InvoiceCompany")
    due_day: Day = Field(alias="InvoiceDueDate")
    amount: Amount = Field(alias="SettlementAmountInInvoiceCurrency")
    discount: Amount = Field(alias="CashDiscountToTakeInInvoiceCurrency")
    invoice_account: Text = Field(alias="invoiceAccount")


class PurchaseOrder(Entity):
    """A purchase order, to check that an invoice names one of its own vendor."""

    SET = "PurchaseOrderHeadersV2"
    KEYS = ("company", "number")

    company: Text = Field(alias="dataAreaId")
    number: Text = Field(alias="PurchaseOrderNumber", min_length=1)
    vendor: Text = Field(alias="OrderVendorAccountNumber")
    invoice_vendor: Text = Field(alias="InvoiceVendorAccountNumber")
    status: Text = Field("", alias="PurchaseOrderStatus")
    currency: Text = Field("", alias="CurrencyCode")

"""The names that AvidXchange gives to fields, as typed entries of the profile. A dot goes into an object: `BuyerVendor.VendorName`.

Which names are known and which assumed: contracts/avidxchange.md §3. The names themselves stand in `avid-v1.json`.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Text = Annotated[str, StringConstraints(min_length=1, max_length=200, strict=True)]


class Entries(BaseModel):
    """A section of the profile: an unknown entry and a wrong type are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class AccountingSystemFields(Entries):
    """An accounting system."""

    id: Text
    name: Text


class VendorFields(Entries):
    """A vendor, as sent and as read."""

    accounting_system: Text
    external_id: Text
    name: Text
    doing_business_as: Text
    account_no: Text
    is_active: Text
    is_1099: Text
    email: Text
    phone: Text
    terms: Text
    address: Text
    remit_to: Text
    tax_id: Text
    last_changed: Text


class AddressFields(Entries):
    """An address of a vendor."""

    line1: Text
    line2: Text
    line3: Text
    line4: Text
    city: Text
    state: Text
    postal_code: Text
    country: Text


class CodeGroupFields(Entries):
    """A code group."""

    id: Text
    name: Text
    is_required: Text


class CodeFields(Entries):
    """A code, as sent and as read."""

    accounting_system: Text
    group: Text
    value: Text
    description: Text
    is_active: Text


class BatchFields(Entries):
    """A closed batch."""

    guid: Text
    name: Text
    invoice_count: Text
    total: Text
    date_closed: Text
    links: Text


class AcknowledgementFields(Entries):
    """What tells AvidXchange that a batch was taken over."""

    batch: Text
    file: Text
    exported_by: Text
    start: Text
    end: Text
    status: Text


class InvoiceFields(Entries):
    """An approved invoice."""

    id: Text
    number: Text
    vendor_id: Text
    vendor_name: Text
    account_no: Text
    invoice_date: Text
    due_date: Text
    posting_date: Text
    gross: Text
    currency: Text
    po_number: Text
    memo: Text
    terms: Text
    image_url: Text
    distributions: Text
    last_changed: Text


class DistributionFields(Entries):
    """A line of an invoice and its codes."""

    amount: Text
    description: Text
    codes: Text
    code_value: Text
    code_groups: Text
    code_group_name: Text


class PaymentFields(Entries):
    """A payment."""

    id: Text
    batch_id: Text
    accounting_system: Text
    amount: Text
    currency: Text
    status: Text
    method: Text
    check_number: Text
    avidpay_check_number: Text
    ach_trace_number: Text
    card_last_four: Text
    payment_date: Text
    cleared_date: Text
    last_modified: Text
    payee_id: Text
    payee_name: Text
    bank_client_ids: Text
    external_payment_ids: Text
    external_payment_id: Text
    exceptions: Text
    exception_id: Text
    exception_description: Text
    remittances: Text


class RemittanceFields(Entries):
    """One paid invoice of a payment."""

    number: Text
    external_id: Text
    day: Text
    gross: Text
    discount: Text
    net: Text
    customer_account_number: Text


class Fields(Entries):
    """All field names, by resource."""

    accounting_system: AccountingSystemFields
    vendor: VendorFields
    address: AddressFields
    code_group: CodeGroupFields
    code: CodeFields
    batch: BatchFields
    acknowledgement: AcknowledgementFields
    invoice: InvoiceFields
    distribution: DistributionFields
    payment: PaymentFields
    remittance: RemittanceFields

"""The names that AvidXchange gives to fields, as typed entries of the profile. A dot goes into an object: `BuyerVendor.VendorName`.

Which names are known and which assumed: contracts/avidxchange.md §3. The names themselves stand in `avid-v1.json`.
"""

from itertools import permutations
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

Text = Annotated[str, StringConstraints(min_length=1, max_length=200, strict=True)]
FieldName = Annotated[str, StringConstraints(pattern=r"^[^.\s][^.]*(\.[^.\s][^.]*)*$", max_length=200, strict=True)]
"""The name of a field, or names with dots between them; no part is empty or begins with a blank."""


class Entries(BaseModel):
    """A section of the profile: an unknown entry and a wrong type are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Written(Entries):
    """Fields that go into one object: no two may have the same place, and none may lie inside another's."""

    @model_validator(mode="after")
    def _places_of_their_own(self) -> Self:
        for (one, its_name), (other, other_name) in permutations(self, 2):
            if f"{other_name}.".startswith(f"{its_name}."):
                raise ValueError(
                    f"{one} ({its_name}) and {other} ({other_name}) need places of their own, for both go into the same object"
                )
        return self


class AccountingSystemFields(Entries):
    """An accounting system."""

    id: FieldName
    name: FieldName


class VendorFields(Written):
    """A vendor, as sent and as read."""

    accounting_system: FieldName
    external_id: FieldName
    name: FieldName
    doing_business_as: FieldName
    account_no: FieldName
    is_active: FieldName
    is_1099: FieldName
    email: FieldName
    phone: FieldName
    terms: FieldName
    address: FieldName
    remit_to: FieldName
    tax_id: FieldName
    last_changed: FieldName


class AddressFields(Written):
    """An address of a vendor."""

    line1: FieldName
    line2: FieldName
    line3: FieldName
    line4: FieldName
    city: FieldName
    state: FieldName
    postal_code: FieldName
    country: FieldName


class CodeGroupFields(Entries):
    """A code group."""

    id: FieldName
    name: FieldName
    is_required: FieldName


class CodeFields(Written):
    """A code, as sent and as read."""

    accounting_system: FieldName
    group: FieldName
    value: FieldName
    description: FieldName
    is_active: FieldName


class BatchFields(Entries):
    """A closed batch."""

    guid: FieldName
    name: FieldName
    invoice_count: FieldName
    total: FieldName
    date_closed: FieldName
    links: FieldName


class AcknowledgementFields(Written):
    """What tells AvidXchange that a batch was taken over."""

    batch: FieldName
    file: FieldName
    exported_by: FieldName
    start: FieldName
    end: FieldName
    status: FieldName


class InvoiceFields(Entries):
    """An approved invoice."""

    id: FieldName
    number: FieldName
    vendor_id: FieldName
    vendor_name: FieldName
    account_no: FieldName
    invoice_date: FieldName
    due_date: FieldName
    posting_date: FieldName
    gross: FieldName
    currency: FieldName
    po_number: FieldName
    memo: FieldName
    terms: FieldName
    image_url: FieldName
    distributions: FieldName
    last_changed: FieldName


class DistributionFields(Entries):
    """A line of an invoice and its codes."""

    amount: FieldName
    description: FieldName
    codes: FieldName
    code_value: FieldName
    code_groups: FieldName
    code_group_name: FieldName


class PaymentFields(Entries):
    """A payment."""

    id: FieldName
    batch_id: FieldName
    accounting_system: FieldName
    amount: FieldName
    currency: FieldName
    status: FieldName
    method: FieldName
    check_number: FieldName
    avidpay_check_number: FieldName
    ach_trace_number: FieldName
    card_last_four: FieldName
    payment_date: FieldName
    cleared_date: FieldName
    last_modified: FieldName
    payee_id: FieldName
    payee_name: FieldName
    bank_client_ids: FieldName
    external_payment_ids: FieldName
    external_payment_id: FieldName
    exceptions: FieldName
    exception_id: FieldName
    exception_description: FieldName
    remittances: FieldName


class RemittanceFields(Entries):
    """One paid invoice of a payment."""

    number: FieldName
    external_id: FieldName
    day: FieldName
    gross: FieldName
    discount: FieldName
    net: FieldName
    customer_account_number: FieldName


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

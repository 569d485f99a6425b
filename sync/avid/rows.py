"""AvidXchange's rows to models and back, by the field names of the profile (contracts/avidxchange.md §3)."""

from collections.abc import Mapping
from decimal import Decimal

from sync.avid.envelopes import link_of
from sync.avid.jsontext import Json, Row, put, read_json
from sync.avid.models import (
    AccountingSystem,
    Address,
    AvidInvoice,
    AvidPayment,
    AvidVendor,
    BadRow,
    ClosedBatch,
    Code,
    CodeGroup,
    Coding,
    Distribution,
    PaymentException,
    PaymentState,
    Remittance,
)
from sync.avid.profile import Profile
from sync.avid.reading import ModelT, RowReader, read_row


def parse_invoice(text: str, profile: Profile) -> AvidInvoice:
    """The invoice from its stored text (`AvidInvoice.text`). ValueError with a sentence when it is none."""
    return _parsed(read_invoice(read_json(text), profile))


def parse_payment(text: str, profile: Profile) -> AvidPayment:
    """The payment from its stored text (`AvidPayment.text`). ValueError with a sentence when it is none."""
    return _parsed(read_payment(read_json(text), profile))


def _parsed(read: ModelT | BadRow) -> ModelT:
    if isinstance(read, BadRow):
        raise ValueError(read.sentence)
    return read


def read_accounting_system(value: Json, profile: Profile) -> AccountingSystem | BadRow:
    """An accounting system."""
    names = profile.fields.accounting_system
    return read_row("accounting systems", value, names.id, lambda row: AccountingSystem(row.needed(names.id), row.text(names.name)))


def read_code_group(value: Json, profile: Profile) -> CodeGroup | BadRow:
    """A code group."""
    names = profile.fields.code_group
    return read_row(
        "code groups",
        value,
        names.name,
        lambda row: CodeGroup(row.text(names.id), row.needed(names.name), row.flag(names.is_required, absent=False)),
    )


def read_code(value: Json, profile: Profile, system: str, group: str) -> Code | BadRow:
    """A code of the system and the group that were asked for, where the row does not name its own."""
    names = profile.fields.code

    def build(row: RowReader) -> Code:
        return Code(
            accounting_system=row.text(names.accounting_system) or system,
            group=row.text(names.group) or group,
            value=row.needed(names.value),
            description=row.text(names.description),
            is_active=row.flag(names.is_active, absent=True),
        )

    return read_row("codes", value, names.value, build)


def read_vendor(value: Json, profile: Profile, system: str) -> AvidVendor | BadRow:
    """A vendor of the system that was asked for, where the row does not name its own."""
    names = profile.fields.vendor

    def build(row: RowReader) -> AvidVendor:
        return AvidVendor(
            accounting_system=row.text(names.accounting_system) or system,
            external_id=row.needed(names.external_id),
            name=row.text(names.name),
            is_active=row.flag(names.is_active, absent=True),
            doing_business_as=row.text(names.doing_business_as),
            account_no=_account_no(row.text(names.account_no), profile),
            is_1099=row.flag(names.is_1099, absent=False),
            email=row.text(names.email),
            phone=row.text(names.phone),
            terms=row.text(names.terms),
            address=_address(row.inner(names.address), profile),
            remit_to=_address(row.inner(names.remit_to), profile),
            last_changed=row.moment(names.last_changed),
        )

    return read_row("vendors", value, names.external_id, build)


def read_batch(value: Json, profile: Profile, system: str) -> ClosedBatch | BadRow:
    """A closed batch of the system that was asked for."""
    names, envelope = profile.fields.batch, profile.envelope

    def build(row: RowReader) -> ClosedBatch:
        return ClosedBatch(
            guid=row.needed(names.guid),
            name=row.text(names.name),
            accounting_system=system,
            invoice_count=row.whole(names.invoice_count),
            total=row.optional_amount(names.total),
            date_closed=row.moment(names.date_closed),
            details_link=link_of(row.value(names.links), envelope.details, envelope),
        )

    return read_row("closed batches", value, names.guid, build)


def read_invoice(value: Json, profile: Profile) -> AvidInvoice | BadRow:
    """An invoice. Only its id and its amounts must be there; what else is missing is for the stage's checks."""
    names = profile.fields.invoice

    def build(row: RowReader) -> AvidInvoice:
        vendor_id, _, remit_to = row.text(names.vendor_id).partition(profile.values.vendor_separator)
        return AvidInvoice(
            id=row.needed(names.id),
            number=row.text(names.number),
            vendor_id=vendor_id,
            remit_to=remit_to,
            vendor_name=row.text(names.vendor_name),
            account_no=_account_no(row.text(names.account_no), profile),
            invoice_date=row.day(names.invoice_date),
            due_date=row.day(names.due_date),
            posting_date=row.day(names.posting_date),
            gross=row.amount(names.gross),
            currency=row.text(names.currency).strip() or profile.values.default_currency,
            po_number=row.text(names.po_number),
            memo=row.text(names.memo),
            terms=row.text(names.terms),
            image_url=row.text(names.image_url),
            distributions=tuple(_distribution(line, profile) for line in row.rows(names.distributions)),
            last_changed=row.moment(names.last_changed),
            text=row.canonical(),
        )

    return read_row("invoices", value, names.id, build)


def read_payment(value: Json, profile: Profile) -> AvidPayment | BadRow:
    """A payment. Only its id and its amounts must be there; an unlisted status or method is `unknown`."""
    names = profile.fields.payment

    def build(row: RowReader) -> AvidPayment:
        status, method = row.text(names.status), row.text(names.method)
        state = profile.payment_state(status)
        reasons = row.rows(names.exceptions)
        external = [item.text(names.external_payment_id) for item in row.rows(names.external_payment_ids)]
        exceptions = tuple(PaymentException(item.text(names.exception_id), item.text(names.exception_description)) for item in reasons)
        clearing = {reason.id for reason in exceptions} <= {*profile.values.self_clearing_reasons}
        return AvidPayment(
            id=row.needed(names.id),
            batch_id=row.text(names.batch_id),
            accounting_system=row.text(names.accounting_system),
            amount=row.amount(names.amount),
            currency=row.text(names.currency).strip() or profile.values.default_currency,
            status=status,
            state=state,
            method=method,
            kind=profile.payment_kind(method),
            check_number=row.text(names.check_number),
            avidpay_check_number=row.text(names.avidpay_check_number),
            ach_trace_number=row.text(names.ach_trace_number),
            card_last_four=row.text(names.card_last_four),
            payment_date=row.day(names.payment_date),
            cleared_date=row.day(names.cleared_date),
            last_modified=row.moment(names.last_modified),
            payee_id=row.text(names.payee_id),
            payee_name=row.text(names.payee_name),
            bank_client_ids=row.texts(names.bank_client_ids),
            external_payment_ids=tuple(number for number in external if number.strip()),
            exceptions=exceptions,
            clears_by_itself=state is PaymentState.ERROR and bool(exceptions) and clearing,
            remittances=tuple(_remittance(item, profile) for item in row.rows(names.remittances)),
            text=row.canonical(),
        )

    return read_row("payments", value, names.id, build)


def read_remittance(value: Json, profile: Profile) -> Remittance | BadRow:
    """One paid invoice of a payment."""
    return read_row("remittances", value, profile.fields.remittance.number, lambda row: _remittance(row, profile))


def vendor_row(vendor: AvidVendor, profile: Profile) -> Row:
    """The vendor as it is sent: an empty text goes out as null, and the tax id only when there is one."""
    names, row = profile.fields.vendor, dict[str, Json]()
    texts = {
        names.external_id: vendor.external_id,
        names.name: vendor.name,
        names.doing_business_as: vendor.doing_business_as,
        names.account_no: vendor.account_no,
        names.email: vendor.email,
        names.phone: vendor.phone,
        names.terms: vendor.terms,
        **({names.tax_id: vendor.tax_id} if vendor.tax_id else {}),
    }
    put(row, names.accounting_system, system_id(vendor.accounting_system))
    _put_texts(row, texts)
    put(row, names.is_active, vendor.is_active)
    put(row, names.is_1099, vendor.is_1099)
    put(row, names.address, _address_row(vendor.address, profile))
    put(row, names.remit_to, _address_row(vendor.remit_to, profile))
    return row


def code_row(code: Code, profile: Profile) -> Row:
    """The code as it is sent."""
    names, row = profile.fields.code, dict[str, Json]()
    put(row, names.accounting_system, system_id(code.accounting_system))
    _put_texts(row, {names.group: code.group, names.value: code.value, names.description: code.description})
    put(row, names.is_active, code.is_active)
    return row


def system_id(text: str) -> Json:
    """An accounting system's id as it is sent: a number where it is one (contracts/avidxchange.md §3)."""
    return int(text) if text.isascii() and text.isdecimal() and str(int(text)) == text else text


def _put_texts(row: Row, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        put(row, name, text or None)


def _address_row(address: Address, profile: Profile) -> Json:
    names, row = profile.fields.address, dict[str, Json]()
    if address == Address():
        return None
    for ours, theirs in names:
        put(row, theirs, getattr(address, ours) or None)
    return row


def _address(row: RowReader, profile: Profile) -> Address:
    return Address(**{ours: row.text(theirs) for ours, theirs in profile.fields.address})


def _account_no(text: str, profile: Profile) -> str:
    return "" if text.strip().casefold() in {word.casefold() for word in profile.values.no_account_number} else text


def _distribution(row: RowReader, profile: Profile) -> Distribution:
    names = profile.fields.distribution
    codings: list[Coding] = []
    for code in row.rows(names.codes):
        value, groups = code.text(names.code_value), [group.text(names.code_group_name) for group in code.rows(names.code_groups)]
        if value and not any(groups):
            code.wrong(names.code_groups, "names no code group, so nobody knows what the code is for")
        codings += [Coding(group, value) for group in groups if group and value]
    return Distribution(row.amount(names.amount), row.text(names.description), tuple(codings))


def _remittance(row: RowReader, profile: Profile) -> Remittance:
    names = profile.fields.remittance
    return Remittance(
        number=row.text(names.number),
        external_id=row.text(names.external_id),
        day=row.day(names.day),
        gross=row.amount(names.gross),
        discount=row.optional_amount(names.discount) or Decimal(0),
        net=row.amount(names.net),
        customer_account_number=row.text(names.customer_account_number),
    )

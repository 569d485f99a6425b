"""The data of the sandbox's AvidXchange, what changes it, and its independent records of what the outside wrote."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from threading import RLock

from sandbox.avid.access import Access
from sandbox.avid.records import Acknowledgement, Batch, Invoice, Payment
from sandbox.avid.switches import AvidSwitches
from sandbox.avid.wire import Row
from sandbox.web import Now


@dataclass(frozen=True)
class CodeGroup:
    """An enterprise code group of an accounting system."""

    id: int
    accounting_system: int
    name: str
    required: bool


@dataclass(frozen=True)
class AvidWrite:
    """One item that a caller wrote: what was there before (None: nothing) and what is there now; refused items keep their errors."""

    at: datetime
    resource: str
    key: tuple[str, ...]
    sent: Row
    before: Row | None
    after: Row | None
    errors: tuple[str, ...] = ()


@dataclass
class AvidWorld:
    """Everything one AvidXchange host knows. `now` gives timezone-aware UTC; times of changes come from it."""

    host: str
    company_token: str
    user_token: str
    now: Now
    switches: AvidSwitches = field(default_factory=AvidSwitches)
    access: Access = field(default_factory=Access)
    accounting_systems: dict[int, str] = field(default_factory=dict)
    vendors: dict[tuple[int, str], Row] = field(default_factory=dict)
    code_groups: list[CodeGroup] = field(default_factory=list)
    codes: dict[tuple[int, str, str], Row] = field(default_factory=dict)
    batches: dict[str, Batch] = field(default_factory=dict)
    payments: dict[int, Payment] = field(default_factory=dict)
    acknowledgements: list[Acknowledgement] = field(default_factory=list)
    writes: list[AvidWrite] = field(default_factory=list)
    lock: AbstractContextManager[bool] = field(default_factory=RLock, repr=False, compare=False)
    """Held while a request is answered and while the world changes, so that neither sees half of the other."""

    def rotate(self, **values: str) -> None:
        """Replace tokens of the world or secrets of its `access`, by name; what rests on the old ones answers 401 from now on."""
        with self.lock:
            for name, value in values.items():
                owner = self if name in ("company_token", "user_token") else self.access
                assert hasattr(owner, name), name
                setattr(owner, name, value)
            self.access.tokens.clear()

    def add_code_group(self, accounting_system: int, name: str, required: bool = False) -> None:
        """Add an enterprise code group to an accounting system."""
        self.code_groups.append(CodeGroup(len(self.code_groups) + 1, accounting_system, name, required))

    def groups_of(self, accounting_system: int) -> list[CodeGroup]:
        """The code groups of one accounting system."""
        return [group for group in self.code_groups if group.accounting_system == accounting_system]

    def add_vendor(self, accounting_system: int, external_id: str, name: str, **fields: str | bool) -> None:
        """Put in a vendor that AvidXchange already has before anything is sent (not recorded as a write)."""
        row: Row = {"AccountingSystemId": accounting_system, "VendorExternalSystemID": external_id, "VendorName": name, "IsActive": True}
        self.vendors[accounting_system, external_id] = {**row, **fields, "LastChangedDate": self.now().strftime("%Y-%m-%dT%H:%M:%S")}

    def add_code(self, accounting_system: int, group: str, value: str, description: str, active: bool = True) -> None:
        """Put in a code that AvidXchange already has before anything is sent (not recorded as a write)."""
        self.codes[accounting_system, group, value] = {
            "AccountingSystemId": accounting_system,
            "CodeGroupName": group,
            "EnterpriseCodeValue": value,
            "EnterpriseCodeValueDescription": description,
            "IsActive": active,
        }

    def add_batch(self, accounting_system: int, invoices: Iterable[Invoice], closed: datetime | None = None, name: str = "") -> Batch:
        """A batch with its invoices, closed at a time (default: now)."""
        with self.lock:
            number = len(self.batches) + 1
            guid = f"b47c0000-0000-4000-8000-{number:012d}"
            batch = Batch(guid, name or f"Batch {number}", accounting_system, closed or self.now(), list(invoices))
            self.batches[guid] = batch
            return batch

    def reopen_batch(self, guid: str) -> None:
        """Take a closed batch back to work: it is not listed until it is closed again."""
        with self.lock:
            self.batches[guid].date_closed = None

    def close_batch(self, guid: str, invoices: Sequence[Invoice] | None = None) -> None:
        """Close a reopened batch now; given invoices replace its content, and those that differ get a new LastChangedDate."""
        with self.lock:
            batch = self.batches[guid]
            if invoices is not None:
                known = {invoice.id: invoice for invoice in batch.invoices}
                batch.invoices = [item if known.get(item.id) == item else replace(item, last_changed=self.now()) for item in invoices]
            batch.date_closed = self.now()

    def invoice(self, invoice_id: int) -> Invoice:
        """An invoice by its Id; KeyError when no batch holds it."""
        for batch in self.batches.values():
            for invoice in batch.invoices:
                if invoice.id == invoice_id:
                    return invoice
        raise KeyError(invoice_id)

    def add_payment(self, payment: Payment) -> None:
        """Put in a payment as it is."""
        with self.lock:
            self.payments[payment.id] = payment

    def set_status(self, payment_id: int, status: str, exceptions: tuple[tuple[int, str], ...] = ()) -> None:
        """Move a payment to a status now, with the reasons that AvidXchange gives."""
        self._change(replace(self.payments[payment_id], status=status, exceptions=exceptions))

    def settle_payment(self, payment_id: int, cleared: date, payment_date: date | None = None) -> None:
        """The payment reads Cleared from now on; a given payment date replaces its own."""
        payment = self.payments[payment_id]
        paid = payment_date or payment.payment_date
        self._change(replace(payment, status="Cleared", exceptions=(), cleared_date=cleared, payment_date=paid))

    def void_payment(self, payment_id: int) -> None:
        """The payment reads Void from now on."""
        self.set_status(payment_id, "Void")

    def change_method(self, payment_id: int, method: str, check_number: str = "", ach_trace: str = "", card_last_four: str = "") -> None:
        """Another method (a virtual card becomes a check) with its own numbers; the numbers of the old one are gone."""
        changed = replace(self.payments[payment_id], method=method, avidpay_check_number=check_number)
        self._change(replace(changed, ach_trace_number=ach_trace, card_last_four=card_last_four))

    def change_amount(self, payment_id: int, amount: Decimal) -> None:
        """Another amount, remittances left as they are."""
        self._change(replace(self.payments[payment_id], amount=amount))

    def _change(self, payment: Payment) -> None:
        with self.lock:
            self.payments[payment.id] = replace(payment, last_modified=self.now())

"""Why a record is parked: every cause has a code, a rank (root causes first), a title an AP clerk understands, and a remedy.

A cause points at its subject (`vendor US-101`), so that `failures` can group a hundred invoices under the one vendor that is missing.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Kind:
    """A kind of cause.

    `rank` orders `failures`: written money that moved 0, configuration 1, master data 2, the document itself 3, waiting 4.
    """

    rank: int
    title: str
    remedy: str


KINDS: Final[dict[str, Kind]] = {
    "not-mapped": Kind(1, "Not mapped in the connection document", "Add the entry to the connection document."),
    "vendor-missing": Kind(
        2, "Vendor does not exist in D365", "Create the vendor in D365, or correct the vendor on the invoice in AvidXchange."
    ),
    "vendor-on-hold": Kind(2, "Vendor is on hold in D365", "Release the vendor in D365."),
    "account-missing": Kind(
        2, "Main account does not exist in the company's chart", "Recode the invoice in AvidXchange, or create the account in D365."
    ),
    "account-not-usable": Kind(2, "Main account cannot be posted to", "Recode the invoice in AvidXchange, or open the account in D365."),
    "dimension-missing": Kind(
        2, "Financial dimension value does not exist", "Recode the invoice in AvidXchange, or create the value in D365."
    ),
    "dimension-not-usable": Kind(
        2, "Financial dimension value cannot be used", "Recode the invoice in AvidXchange, or open the value in D365."
    ),
    "dimension-not-in-format": Kind(
        1, "Dimension is not in the active integration format", "Add the dimension to D365's active dimension format."
    ),
    "dimension-segments": Kind(
        1, "D365 refuses the number of dimension segments", "Check D365's active dimension formats, then replay the record."
    ),
    "code-missing": Kind(3, "A required code is missing on a line", "Code the line in AvidXchange."),
    "code-twice": Kind(3, "A line carries two codes of one group", "Leave one code of the group on the line in AvidXchange."),
    "sum-differs": Kind(3, "The lines do not add up to the invoice total", "Correct the lines in AvidXchange."),
    "no-lines": Kind(3, "The invoice has no lines", "Code the invoice in AvidXchange."),
    "field-missing": Kind(3, "A required field is empty", "Fill the field in the system the record comes from."),
    "field-invalid": Kind(3, "A field holds what cannot be used", "Correct the field in the system the record comes from."),
    "field-too-long": Kind(3, "A field is longer than the other system takes", "Shorten the field in the system the record comes from."),
    "currency-differs": Kind(3, "The currency is not the one expected", "Check the currency of the document and of the company."),
    "purchase-order": Kind(3, "The invoice names a purchase order", "Enter it in D365 against the purchase order, or set po_policy."),
    "period-closed": Kind(
        3, "The posting date is before the first open day", "Enter it in D365, or set posting_date_policy to first_open_day."
    ),
    "duplicate-number": Kind(
        3, "Another invoice has the same vendor and number", "Decide in AvidXchange which one is right, then resolve the other here."
    ),
    "conflict": Kind(3, "D365 holds a different document with this number", "Compare the two, correct one, then replay or resolve."),
    "refused": Kind(3, "The other system refused the record", "Read its message, correct the record, then replay."),
    "changed-after-write": Kind(
        3, "Changed in AvidXchange after it was written to D365", "Correct the D365 document by hand, then resolve."
    ),
    "written-gone": Kind(
        3, "A written document is not in D365 any more", "Ask who deleted it in D365, enter it there by hand if it is due, then resolve."
    ),
    "written-differs": Kind(3, "D365 stored something else than was sent", "Correct the D365 document by hand, then resolve."),
    "invoice-not-posted": Kind(3, "A paid invoice is not posted in D365 yet", "Post the invoice in D365; the payment follows by itself."),
    "invoice-unknown": Kind(
        3, "A paid invoice is not in D365", "Find the invoice of the remittance, or record the payment by hand and resolve."
    ),
    "already-settled": Kind(
        3, "A paid invoice is already settled in D365", "Check whether the payment was recorded by hand, then resolve."
    ),
    "marked-elsewhere": Kind(3, "A paid invoice is marked by another journal", "Remove the mark in D365, then replay."),
    "remaining-too-small": Kind(3, "The payment is larger than what remains of the invoice", "Check the remittance and the invoice."),
    "settlement-mode": Kind(
        3,
        "The payment cannot be settled with MarkedInvoice",
        "Record the payment in D365 by hand and resolve, or set settlement to child_rows.",
    ),
    "due-dates": Kind(3, "The invoice has several due dates", "Record the payment in D365 by hand and resolve."),
    "company-unclear": Kind(1, "The company of the payment is not clear", "Complete the bank map, or check the invoices it pays."),
    "payment-status": Kind(3, "The payment's status is not one we know", "Ask AvidXchange what the status means."),
    "payment-reversed": Kind(0, "A written payment was voided, failed or changed", "Reverse or correct the journal in D365, then resolve."),
    "outcome-unknown": Kind(4, "D365 gave no clear answer to a write", "Nothing at first; if it stays, look in D365, then resolve."),
    "not-settled": Kind(4, "The payment is issued and not settled yet", "Nothing to do: it follows by itself when AvidXchange settles it."),
    "vendor-payment-hold": Kind(
        4,
        "A payment was made to a vendor on payment hold",
        "Nothing stops: the payment is recorded. Ask why the vendor was paid, then resolve.",
    ),
    "attachment": Kind(
        4,
        "The invoice's image is not attached in D365",
        "It is tried again while the invoice is pending; else attach it by hand, then resolve.",
    ),
    "dimensions-mixed": Kind(
        3, "The payment's invoices carry different dimension values", "Record the payment by hand, or set mixed_dimensions."
    ),
    "issued-too-long": Kind(3, "The payment has been issued for long without clearing", "Ask AvidXchange about the payment."),
    "payment-error-clears": Kind(
        4,
        "AvidXchange reports an error that clears by itself",
        "Nothing to do: it follows by itself when AvidXchange has cleared the error.",
    ),
    "payment-error": Kind(3, "AvidXchange reports an error for the payment", "Read its reasons in AvidXchange."),
    "internal-error": Kind(1, "The connector met an error of its own", "Read the log, report it, then replay the record."),
    "poison": Kind(1, "A queue message failed again and again", "Read the message and the log, then replay the record."),
    "too-many-gone": Kind(
        1, "Too many rows are gone from D365 at once", "Check the source; if it is right, raise deactivation_guard_percent."
    ),
    "drift": Kind(
        4,
        "AvidXchange does not show what was sent",
        "Ask AvidXchange which fields your tenant takes over, correct them there, or leave them out with vendors.leave_out.",
    ),
    "stage-failed": Kind(1, "The stage could not run", "Mend the setting that the message names, then run the stage."),
}


@dataclass(frozen=True, order=True)
class Cause:
    """One reason why a record cannot go on. `subject` is the thing to mend (`vendor US-101`), `field` the field of the record."""

    code: str
    subject: str
    sentence: str
    field: str = ""

    def __post_init__(self) -> None:
        if self.code not in KINDS:
            raise ValueError(f"unknown cause code {self.code!r}: add it to sync/causes.py")

    @property
    def kind(self) -> Kind:
        """The kind of this cause."""
        return KINDS[self.code]

"""The kinds of causes: each code with its rank, a title an AP clerk understands, the remedy, and who can do it. The one list of them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Who(StrEnum):
    """Who can put something right, as a person is called in an AP department."""

    AP = "accounts payable"
    MASTER = "whoever keeps vendors, accounts and dimensions in D365"
    ADMIN = "the D365 administrator"
    OPERATOR = "whoever looks after this connector"
    NOBODY = "nobody has to do anything"


RANKS: Final[dict[int, str]] = {
    0: "Already in D365, and not as it was: look at these first",
    1: "Settings: one correction here can free many documents",
    2: "Vendors, accounts and dimension values",
    3: "Single documents",
    4: "To know: these go on by themselves, or hold up nothing",
}
"""What the causes of a rank have in common, in the order in which a person looks at them."""


@dataclass(frozen=True)
class Kind:
    """A kind of cause. `rank`: a key of RANKS. `remedy`: what `who` does about it, in full sentences."""

    rank: int
    who: Who
    title: str
    remedy: str


KINDS: Final[dict[str, Kind]] = {
    "payment-reversed": Kind(
        0,
        Who.AP,
        "A payment that is in D365 already was voided, failed or changed in AvidXchange",
        "Find out from AvidXchange what became of the money. While its journal is not posted, correct or delete the line there; "
        "when it is posted, reverse it in D365. Nothing was reversed for you. Then close the case with `resolve`.",
    ),
    "changed-after-write": Kind(
        0,
        Who.AP,
        "An invoice that is in D365 already was changed or taken back in AvidXchange",
        "Correct or delete the invoice in D365 by hand (nothing there was touched), then close the case with `resolve`.",
    ),
    "written-gone": Kind(
        0,
        Who.AP,
        "A document that this connector entered is not in D365 any more",
        "Ask who deleted it in D365. It is not entered again by itself: enter it by hand if it is due, then close the case with `resolve`.",
    ),
    "written-differs": Kind(
        0,
        Who.AP,
        "D365 holds something else than was sent",
        "Compare the document in D365 with the one in AvidXchange and correct it by hand, then close the case with `resolve`.",
    ),
    "internal-error": Kind(
        1,
        Who.OPERATOR,
        "The connector met an error of its own",
        "Read the log, report the error, then try the document again with `replay`. AP has to do nothing.",
    ),
    "poison": Kind(
        1,
        Who.OPERATOR,
        "A message of the connector failed again and again",
        "Read the message and the log, then try again with `replay`.",
    ),
    "stage-failed": Kind(
        1,
        Who.OPERATOR,
        "A part of the synchronization could not run at all",
        "Mend what the message names, then start it with `run`. Nothing is lost: what waits goes on then.",
    ),
    "too-many-gone": Kind(
        1,
        Who.OPERATOR,
        "So many vendors or codes are gone from D365 at once that none was deactivated",
        "Check in D365 whether they really are gone. If so, raise policies.deactivation_guard_percent for one run.",
    ),
    "not-mapped": Kind(
        1,
        Who.OPERATOR,
        "Something is not mapped in the customer's settings",
        "Add the named entry to the connection document. What waits for it goes on by itself.",
    ),
    "company-unclear": Kind(
        1,
        Who.OPERATOR,
        "It is not clear which company made the payment",
        "Add the payment's bank account to companies.bank_client_ids, or check whose invoices it pays: "
        "the bank account and every invoice must name one and the same company.",
    ),
    "dimension-not-in-format": Kind(
        1,
        Who.ADMIN,
        "A financial dimension is missing in D365's active dimension formats",
        "Add the dimension to both active formats for data entities in D365, or take it out of code_groups.",
    ),
    "dimension-segments": Kind(
        1,
        Who.ADMIN,
        "D365 expects another number of dimensions than its formats show",
        "Check D365's active dimension formats for data entities, then try the document again with `replay`.",
    ),
    "vendor-missing": Kind(
        2,
        Who.MASTER,
        "The vendor does not exist in D365",
        "Create the vendor in this company in D365, or correct the vendor in AvidXchange. What waits for it goes on by itself.",
    ),
    "vendor-on-hold": Kind(
        2,
        Who.MASTER,
        "The vendor is on hold in D365",
        "Release the vendor in D365 when its invoices may be entered. What waits for it goes on by itself.",
    ),
    "account-missing": Kind(
        2,
        Who.MASTER,
        "The main account does not exist in the company's chart of accounts",
        "Reopen the batch and recode the invoice in AvidXchange, or create the account in D365.",
    ),
    "account-not-usable": Kind(
        2,
        Who.MASTER,
        "The main account cannot be posted to",
        "Reopen the batch and recode the invoice in AvidXchange, or open the account in D365.",
    ),
    "dimension-missing": Kind(
        2,
        Who.MASTER,
        "The financial dimension value does not exist in D365",
        "Reopen the batch and recode the invoice in AvidXchange, or create the value in D365.",
    ),
    "dimension-not-usable": Kind(
        2,
        Who.MASTER,
        "The financial dimension value cannot be used",
        "Reopen the batch and recode the invoice in AvidXchange, or open the value in D365.",
    ),
    "code-missing": Kind(
        3,
        Who.AP,
        "A line of the invoice lacks a required code",
        "Reopen the batch in AvidXchange, code the line, and close it again.",
    ),
    "code-twice": Kind(
        3,
        Who.AP,
        "A line of the invoice carries two codes of one kind",
        "Reopen the batch in AvidXchange, leave one of the two codes, and close it again.",
    ),
    "sum-differs": Kind(
        3,
        Who.AP,
        "The amounts of the document do not add up",
        "Correct the amounts in AvidXchange. Nothing is entered in part.",
    ),
    "no-lines": Kind(
        3,
        Who.AP,
        "The invoice has no lines",
        "Reopen the batch in AvidXchange, code the invoice, and close it again.",
    ),
    "field-missing": Kind(
        3,
        Who.AP,
        "A field that is needed is empty",
        "Fill the field in the system the record comes from: AvidXchange for invoices and payments, D365 for vendors and codes.",
    ),
    "field-invalid": Kind(
        3,
        Who.AP,
        "A field holds what cannot be used",
        "Correct the field in the system the record comes from: AvidXchange for invoices and payments, D365 for vendors and codes. "
        "When every record has the same trouble, a name in the profile is wrong: see `ping`.",
    ),
    "field-too-long": Kind(
        3,
        Who.MASTER,
        "A text is longer than AvidXchange takes",
        "Shorten the text in D365. Texts are cut only where the customer allows it (policies.truncate_long_texts).",
    ),
    "currency-differs": Kind(
        3,
        Who.AP,
        "The document is in an unexpected currency",
        "Correct the currency in AvidXchange; if it is right, enter the document in D365 by hand and close the case with `resolve`.",
    ),
    "purchase-order": Kind(
        3,
        Who.AP,
        "The invoice names a purchase order",
        "Match it to the purchase order in D365 by hand and close the case with `resolve`, or correct the number in AvidXchange.",
    ),
    "period-closed": Kind(
        3,
        Who.AP,
        "The document would post into a closed period",
        "Enter it in D365 by hand and close the case with `resolve`; or let such documents post on the first open day "
        "(policies.posting_dates).",
    ),
    "duplicate-number": Kind(
        3,
        Who.AP,
        "Two invoices in AvidXchange have the same vendor and number",
        "Decide which one is right. Take the other one out of its batch in AvidXchange, or close its case with `resolve`.",
    ),
    "conflict": Kind(
        3,
        Who.AP,
        "D365 holds a different document with the same number",
        "Compare the two and correct the one that is wrong, or close the case with `resolve` if the one in D365 is right.",
    ),
    "refused": Kind(
        3,
        Who.AP,
        "The other system refused the record",
        "Read its answer, put right what it names, then try again with `replay`.",
    ),
    "invoice-not-posted": Kind(
        3,
        Who.AP,
        "A paid invoice waits in D365 to be posted",
        "Post the invoice in D365. The payment follows by itself.",
    ),
    "invoice-unknown": Kind(
        3,
        Who.AP,
        "A paid invoice is not in D365",
        "Find the invoice that the payment names: it may be waiting in this list. If it never comes, "
        "record the payment by hand and close the case with `resolve`.",
    ),
    "already-settled": Kind(
        3,
        Who.AP,
        "A paid invoice is already settled in D365",
        "Check whether the payment was recorded by hand. If so, close the case with `resolve`; if not, someone was paid twice.",
    ),
    "marked-elsewhere": Kind(
        3,
        Who.AP,
        "A paid invoice is marked for settlement by another journal",
        "Take the mark off in the named journal in D365, or post that journal. The payment follows by itself.",
    ),
    "remaining-too-small": Kind(
        3,
        Who.AP,
        "The payment is larger than what is left of the invoice",
        "Compare the payment with the invoice in D365: a credit or a part payment may have been settled with it.",
    ),
    "settlement-mode": Kind(
        3,
        Who.AP,
        "The payment is not one whole invoice, and this company settles only those",
        "Record the payment in D365 by hand and close the case with `resolve`, "
        "or let payments be settled invoice by invoice (policies.settlement: child_rows).",
    ),
    "due-dates": Kind(
        3,
        Who.AP,
        "It is not clear which instalment of the invoice the payment settles",
        "Record the payment in D365 by hand and close the case with `resolve`.",
    ),
    "dimensions-mixed": Kind(
        3,
        Who.AP,
        "The payment's invoices are coded to different dimension values",
        "Record the payment in D365 by hand and close the case with `resolve`, or change policies.mixed_dimensions.",
    ),
    "payment-status": Kind(
        3,
        Who.AP,
        "AvidXchange shows a payment status that is not known here",
        "Ask AvidXchange what the status means. It is not entered as long as nobody knows; "
        "a new status is added under avidxchange.profile (payment_statuses).",
    ),
    "payment-error": Kind(
        3,
        Who.AP,
        "AvidXchange could not make the payment",
        "Read the reasons below and put them right with AvidXchange. The payment is entered when it clears.",
    ),
    "issued-too-long": Kind(
        3,
        Who.AP,
        "The payment went out long ago and has not cleared",
        "Ask AvidXchange or the supplier whether it arrived. It is entered when it clears.",
    ),
    "payment-error-clears": Kind(
        4,
        Who.NOBODY,
        "AvidXchange reports an error that it clears by itself",
        "Wait. The payment is entered when it clears; if it stays here for days, ask AvidXchange.",
    ),
    "outcome-unknown": Kind(
        4,
        Who.NOBODY,
        "D365 gave no clear answer when the document was sent",
        "Wait: it is looked up until it is found or surely not there. If it stays here for hours, look in D365.",
    ),
    "not-settled": Kind(
        4,
        Who.NOBODY,
        "The payment is on its way to the supplier",
        "Wait. It is entered when AvidXchange shows it as cleared.",
    ),
    "vendor-payment-hold": Kind(
        4,
        Who.AP,
        "A vendor on payment hold was paid",
        "The payment is recorded, nothing stopped. Ask why the vendor was paid, then close the case with `resolve`.",
    ),
    "attachment": Kind(
        4,
        Who.AP,
        "The image of the invoice is not attached in D365",
        "It is tried again as long as the invoice is pending. If it stays here, attach it by hand and close the case with `resolve`.",
    ),
    "drift": Kind(
        4,
        Who.OPERATOR,
        "AvidXchange does not show what was sent",
        "Ask AvidXchange which fields your tenant takes over. Correct the others there by hand, or leave them out (vendors.leave_out).",
    ),
}

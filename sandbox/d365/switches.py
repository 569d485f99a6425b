"""How this environment behaves where the contract leaves room: one switch per behaviour marked L or U (contracts/d365-fo.md)."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal


@dataclass
class D365Switches:
    """The behaviours of one environment; they can be changed while it runs. The counters lose the next n of something and then stop."""

    duplicate_invoice: Literal["accept", "warn", "reject"] = "accept"
    """AP parameter for a second invoice with the same vendor and number; `warn` stores it and is not seen over OData (§5)."""
    repeated_line_number: Literal["refuse", "accept"] = "refuse"
    """A second payment line with the same LineNumber: refused, or stored under the next free one (§6)."""
    account_only_lines: Literal["accept", "refuse"] = "accept"
    """Invoice lines with an account but no procurement category (§5)."""
    settlement_amount: Literal["gross", "net"] = "gross"
    """Whether SettlementAmountInInvoiceCurrency includes the cash discount (§6)."""
    settlement_sign: Literal["as_payment", "as_invoice"] = "as_payment"
    """`as_payment`: positive settles an invoice, negative a credit; `as_invoice`: the sign of VendTrans.AmountCur (§6)."""
    next_link: Literal["absolute", "relative"] = "absolute"
    next_link_option: Literal["$skiptoken", "$skip"] = "$skiptoken"
    page_cap: int = 10_000
    segment_count: Literal["refuse", "tolerate"] = "refuse"
    """A dimension string with fewer or more segments than the active format (§7)."""
    unknown_dimension: Literal["error", "blank"] = "error"
    """A dimension value that does not exist: an error, or silently stored blank (§7)."""
    blank_dimension_stores: int = 0
    """The next n written dimension strings are stored blank although the answer is 201 (§7)."""
    silent_settlements: int = 0
    """The next n settlement rows answer 201 and are not stored (§6)."""
    silent_marks: int = 0
    """The next n payment lines lose their MarkedInvoice without a word (§6)."""
    child_settlements: Literal["accept", "refuse"] = "accept"
    """Whether settlement rows can be posted at all; where not, MarkedInvoice is the way (§6)."""
    settled_rows_after_posting: Literal["keep", "remove"] = "keep"
    write_status: Literal[200, 204] = 204
    """What PATCH and DELETE answer (§2)."""
    own_header_reference: Literal["ignore", "accept"] = "ignore"
    """Whether a HeaderReference sent by the client is taken (§5)."""
    several_attachments: Literal["accept", "refuse"] = "accept"
    stale_if_match: Literal[412, 400] = 412
    changeset_failure_status: Literal[400, 500] = 500
    """Status of the one part that answers a failed changeset (§8)."""
    throttled_parts: int = 0
    """The next n parts of batches are answered 429 inside the 200, without effect (§8)."""
    user_time_zone_hours: int = -6
    """A date sent at another time than noon moves to the day in this time zone (§2)."""
    sales_tax_rate: Decimal = Decimal("0.0825")
    """Added at posting to lines that carry both tax groups (§5)."""
    own_cash_discount_rate: Decimal = Decimal("0.02")
    """What D365 takes by itself when a settlement row names no discount (§6)."""
    hidden_sets: frozenset[str] = frozenset()
    """Sets that this environment does not expose (404)."""
    denied_sets: frozenset[str] = frozenset()
    """Sets that the mapped user has no rights on (403)."""

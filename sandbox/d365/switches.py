"""How this environment behaves where the contract leaves room: one switch per behaviour marked L or U (contracts/d365-fo.md)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    """The form of a link to the next page (§3)."""
    next_link_option: Literal["$skiptoken", "$skip"] = "$skiptoken"
    """What holds the position in a link to the next page (§3)."""
    page_cap: int = 10_000
    """Rows of a page at most (§3)."""
    segment_count: Literal["refuse", "tolerate"] = "refuse"
    """A dimension string with fewer or more segments than the active format (§7)."""
    unknown_dimension: Literal["error", "blank"] = "error"
    """A dimension value that does not exist: an error, or silently stored blank (§7)."""
    backslash: Literal["escapes", "plain"] = "escapes"
    """Whether a backslash takes any letter after it, itself included, or only the delimiter (§7)."""
    total_accounts: Literal["refuse", "accept"] = "refuse"
    """Postings to main accounts of the types Total and Reporting (§1)."""
    line_signs: Literal["match", "free"] = "match"
    """Whether the amount of an invoice line must have the sign of its quantity (§5)."""
    text_lengths: Mapping[str, int] = field(default_factory=dict)
    """The longest text of a field, by field name, where this environment has a limit (§6, §12)."""
    too_long: Literal["cut", "refuse"] = "cut"
    """A text beyond its length: silently cut, or refused (§6)."""
    blank_dimension_stores: int = 0
    """The next n written dimension strings are stored blank although the answer is 201 (§7)."""
    silent_settlements: int = 0
    """The next n settlement rows answer 201 and are not stored (§6)."""
    silent_marks: int = 0
    """The next n payment lines lose their MarkedInvoice without a word (§6)."""
    child_settlements: Literal["accept", "refuse"] = "accept"
    """Whether settlement rows can be posted at all; where not, MarkedInvoice is the way (§6)."""
    settled_rows_after_posting: Literal["keep", "remove"] = "keep"
    """Whether the settlement rows of a journal can still be read once it is posted (§6)."""
    mandatory_payment_fields: Literal["insert", "posting"] = "insert"
    """When the check number or reference that a method of payment demands is asked for: at the line, or when the journal is posted (§6)."""
    write_status: Literal[200, 204] = 204
    """What PATCH and DELETE answer (§2)."""
    own_header_reference: Literal["ignore", "accept"] = "ignore"
    """Whether a HeaderReference sent by the client is taken (§5)."""
    several_attachments: Literal["accept", "refuse"] = "accept"
    """A second attachment of one invoice (§5)."""
    stale_if_match: Literal[412, 400, 204] = 412
    """What a write with an entity tag of yesterday answers; 204 means that the tag is not looked at (§2)."""
    missing_row_body: Literal["empty", "odata", "html"] = "empty"
    """The body of the 404 for a row that is not there (§12)."""
    unauthorized_body: Literal["empty", "html"] = "empty"
    """The body of a 401 (§9)."""
    labels: Literal["en", "de"] = "en"
    """The language of the connector's user, in which refusals name fields (§9)."""
    largest_request: int = 30_000_000
    """Bytes of a request's body at most; more is 413 (§12)."""
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

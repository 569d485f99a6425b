"""Where the contract leaves AvidXchange's form open, a switch says which form this sandbox shows."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeAlias

Auth: TypeAlias = Literal["company_user_tokens", "two_layer", "client_credentials"]


@dataclass(frozen=True)
class AvidSwitches:
    """The forms of one tenant (contracts/avidxchange.md §1-§3). The defaults are the plain ones; each switch is a quirk that exists or may.
    They are chosen before the AvidSystem is made.

    paging: `links` gives Paging with a `next` link, `page_number` gives Paging without links, `none` gives Items without Paging (one page),
    `bare` gives the array itself (one page).
    """

    auth: Auth = "company_user_tokens"
    company_token_header: str = "CompanyToken"
    user_token_header: str = "UserToken"
    gateway_key_header: str = "Authorization"
    session_header: str = "AvidAuthorization"
    access_token_header: str = "Authorization"
    company_header: str = "X-Company-Id"
    sign_in_path: str = "/authorizations"
    token_lifetime: timedelta = timedelta(hours=1)
    token_lifetime_told: bool = True
    """False: the answer to a sign-in holds the token alone."""
    refusals_until_locked: int = 3
    """After so many refused sign-ins in a row the account is locked, and the right password is refused too."""
    page_size: int = 100
    paging: Literal["links", "page_number", "none", "bare"] = "links"
    page_count_name: Literal["PageCount", "Pages"] = "PageCount"
    successful: Literal["boolean", "text"] = "boolean"
    single_as_object: bool = False
    """Results and Errors that hold one entry come as that object instead of an array."""
    ids: Literal["number", "text"] = "number"
    money: Literal["number", "text"] = "number"
    timestamp_separator: Literal["T", " "] = "T"
    timestamp_fraction: bool = False
    remittances: Literal["inline", "separate"] = "inline"
    """`separate`: payments carry no Remittances, only /payments/{id}/remittances does."""
    vendor_updates: Literal["all", "active_only"] = "all"
    """`active_only`: an existing vendor takes over nothing but IsActive, and still answers Successful."""
    acknowledged_batches_listed: bool = True
    payments_name_accounting_system: bool = False
    left_out: frozenset[str] = frozenset()
    """Fields that the contract marks L or A and that this tenant's invoices and payments do not have, such as `PaymentDate`."""
    known_vendors: Literal["update", "conflict"] = "update"
    """`conflict`: a call that holds a vendor which is there already is answered 409 as a whole, and nothing of it is taken."""
    error_bodies: Literal["exception", "fault", "xml", "html"] = "exception"
    """How a refusal looks: the application's envelope, its gateway's, XML or a web page."""
    results_in_order: bool = True
    """False: the results of a write come in the opposite order of its items."""
    last_day_included: bool = True
    """False: a window of days ends before its last day."""

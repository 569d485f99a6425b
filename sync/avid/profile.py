"""The dialect `avid-v1` as data: everything that the contract only assumes or thinks likely, and that a customer may have to correct.

The dialect stands in `avid-v1.json`; a connection overrides single entries by their dotted names (`avidxchange.profile`), such as
`headers.company_token` or `payment_statuses.ACH Settled`. Rule: contracts/avidxchange.md, introduction.
"""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, model_validator

from sync.avid.fields import Entries, Fields, Text
from sync.avid.models import PaymentKind, PaymentState
from sync.avid.overrides import Override, Problem, problems_in, replaced, wrong

MeaningT = TypeVar("MeaningT")
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,100}$", strict=True)]
Count = Annotated[int, Field(ge=1, le=10_000, strict=True)]
Texts = Annotated[tuple[Text, ...], Field(strict=False)]
Optional = Annotated[str, StringConstraints(max_length=100, strict=True)]
Verb = Literal["POST", "PUT", "PATCH"]
State = Annotated[PaymentState, Field(strict=False)]
Kind = Annotated[PaymentKind, Field(strict=False)]


PART = "[A-Za-z0-9._~/-]"
PLAIN, OF_SYSTEM, OF_PAYMENT = f"^/{PART}+$", f"^/{PART}*{{system}}{PART}*$", f"^/{PART}*{{payment}}{PART}*$"


def _path(pattern: str, holds: str) -> AfterValidator:
    def check(path: str) -> str:
        if not re.fullmatch(pattern, path):
            raise ValueError(f"write a path that starts with / and holds {holds}, without host, blanks and query")
        return path

    return AfterValidator(check)


PlainPath = Annotated[Text, _path(PLAIN, "no braces"), Field(json_schema_extra={"pattern": PLAIN})]
SystemPath = Annotated[Text, _path(OF_SYSTEM, "{system} once"), Field(json_schema_extra={"pattern": OF_SYSTEM})]
PaymentPath = Annotated[Text, _path(OF_PAYMENT, "{payment} once"), Field(json_schema_extra={"pattern": OF_PAYMENT})]


class Headers(Entries):
    """Header names: of `company_user_tokens` the first two, of `two_layer` the next two, of `client_credentials` the last two."""

    company_token: HeaderName
    user_token: HeaderName
    gateway_key: HeaderName
    session: HeaderName
    access_token: HeaderName
    company: HeaderName

    @model_validator(mode="after")
    def _one_value_a_header(self) -> Self:
        for one, other in (("company_token", "user_token"), ("gateway_key", "session"), ("access_token", "company")):
            if getattr(self, one).casefold() == getattr(self, other).casefold():
                raise ValueError(f"{one} and {other} need names of their own, for both go into the same call")
        return self


class SignIn(Entries):
    """The sign-in for a token: the word before a token in its header, names and values of the form, names in the answer."""

    scheme: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,40}$", strict=True)]
    grant: Text
    password_grant: Text
    username: Text
    password: Text
    client_grant: Text
    client_id: Text
    client_secret: Text
    scope: Text
    access_token: Text
    expires_in: Text


class Paths(Entries):
    """Paths behind the base address; `{system}` and `{payment}` are filled in."""

    sign_in: PlainPath
    accounting_systems: PlainPath
    vendors: PlainPath
    vendor_upsert: PlainPath
    code_groups: PlainPath
    codes: PlainPath
    code_upsert: PlainPath
    closed_batches: SystemPath
    acknowledgement: PlainPath
    payments: PlainPath
    remittances: PaymentPath


class Verbs(Entries):
    """The methods of the requests that write, and of the sign-in. Reads are always GET."""

    sign_in: Verb
    vendor_upsert: Verb
    code_upsert: Verb
    acknowledgement: Verb


class Query(Entries):
    """Query names. `page_size` empty: the page size is not asked for."""

    accounting_system: Text
    code_group: Text
    page_number: Text
    page_size: Optional
    closed_from: Text
    closed_to: Text
    modified_from: Text
    modified_to: Text
    payment_ids: Text
    id_separator: Text

    @model_validator(mode="after")
    def _one_value_a_name(self) -> Self:
        for questions in (
            ("accounting_system", "code_group", "page_number", "page_size"),
            ("closed_from", "closed_to"),
            ("modified_from", "modified_to", "page_number", "page_size"),
            ("payment_ids", "page_number", "page_size"),
        ):
            names = [name for question in questions if (name := getattr(self, question))]
            if len({*names}) < len(names):
                raise ValueError(f"{', '.join(questions)} need names of their own, for they go into the same call")
        return self


class Envelope(Entries):
    """Names of the envelopes of reads, writes and errors (contracts/avidxchange.md §2).

    `other_texts`: where the text of an error stands that has neither envelope. `sent_vendors` and `sent_codes`: the name under which the
    rows of an upsert are sent; empty: the array itself is the body.
    """

    items: Text
    paging: Text
    page_count: Texts
    links: Text
    link_relation: Text
    link_address: Text
    next: Text
    details: Text
    results: Text
    successful: Text
    errors: Text
    message: Text
    exception: Text
    exception_texts: Texts
    fault: Text
    fault_code: Text
    fault_texts: Texts
    fault_busy_codes: Texts
    other_texts: Texts
    sent_vendors: Optional
    sent_codes: Optional


class Values(Entries):
    """Values with a meaning. A list may be overridden by one text, its entries separated by commas.

    `failed_status` acknowledges a batch that holds parked invoices; AvidXchange's id for it is unknown, and without one none is sent.
    """

    default_currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$", strict=True)]
    no_account_number: Texts
    vendor_separator: Text
    exported_status: Annotated[int, Field(strict=True)]
    failed_status: Annotated[int, Field(strict=True)] | None
    self_clearing_reasons: Texts


class Limits(Entries):
    """Sizes: rows of a page (when asked for), items of an upsert, ids of a query, days of a window and of the overlap, MB of an answer."""

    page_size: Count
    vendor_batch: Count
    code_batch: Count
    payment_ids: Count
    window_days: Count
    overlap_days: Annotated[int, Field(ge=0, le=30, strict=True)]
    answer_megabytes: Annotated[int, Field(ge=1, le=64, strict=True)]


class Lengths(Entries):
    """The most characters that AvidXchange takes."""

    vendor_external_id: Count
    vendor_name: Count
    email: Count
    phone: Count
    address_line: Count
    city: Count
    state: Count
    postal_code: Count
    code_description: Count


class Capabilities(Entries):
    """What the tenant can do.

    `results_in_order`: result i of a write belongs to request i; without it items are sent one by one. `vendor_updates`: what is known of a
    vendor can be changed; without it only new vendors and the active flag are taken over.
    """

    results_in_order: bool
    remittances_by_payment: bool
    vendor_updates: bool


class Profile(Entries):
    """One dialect. Get the shipped one from `shipped_profile()`."""

    headers: Headers
    sign_in: SignIn
    paths: Paths
    verbs: Verbs
    query: Query
    envelope: Envelope
    fields: Fields
    payment_statuses: Mapping[Text, State]
    payment_methods: Mapping[Text, Kind]
    values: Values
    limits: Limits
    lengths: Lengths
    capabilities: Capabilities

    def with_overrides(self, overrides: Mapping[str, Override]) -> "Profile":
        """The profile with single entries replaced, by dotted name. FixConfiguration names every entry that is unknown or wrong."""
        document = self.model_dump(mode="json")
        return _checked(document, replaced(document, overrides))

    def payment_state(self, status: str) -> PaymentState:
        """The state of a payment's status text, without case; an unlisted text is `unknown` and is never written."""
        return _meaning(status, self.payment_statuses, PaymentState.UNKNOWN)

    def payment_kind(self, method: str) -> PaymentKind:
        """The kind of a payment's method text, without case; an unlisted text is `unknown`."""
        return _meaning(method, self.payment_methods, PaymentKind.UNKNOWN)


@cache
def shipped_profile() -> Profile:
    """The dialect `avid-v1` as shipped, read once."""
    return _checked(json.loads(Path(__file__).with_name("avid-v1.json").read_text(encoding="utf-8")))


def _checked(document: object, problems: Sequence[Problem] = ()) -> Profile:
    try:
        profile = Profile.model_validate(document)
    except ValidationError as error:
        raise wrong([*problems, *problems_in(error)]) from None
    if problems:
        raise wrong([*problems])
    return profile


def _meaning(text: str, meanings: Mapping[str, MeaningT], otherwise: MeaningT) -> MeaningT:
    """What a text means: the whole text first, then the longest listed beginning (`Void*`)."""
    folded = text.strip().casefold()
    listed = {key.strip().casefold(): meaning for key, meaning in meanings.items()}
    if folded in listed:
        return listed[folded]
    beginnings = [key for key in listed if key.endswith("*") and folded.startswith(key[:-1])]
    return listed[max(beginnings, key=len)] if beginnings else otherwise

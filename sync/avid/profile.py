"""The dialect `avid-v1` as data: everything that the contract only assumes or thinks likely, and that a customer may have to correct.

The dialect stands in `avid-v1.json`; a connection overrides single entries by their dotted names (`avidxchange.profile`), such as
`headers.company_token` or `payment_statuses.ACH Settled`. Rule: contracts/avidxchange.md, introduction.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Self, TypeVar

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, model_validator

from sync.avid.fields import Entries, Fields, Text
from sync.avid.models import PaymentKind, PaymentState
from sync.errors import FixConfiguration

OPEN_SECTIONS = ("payment_statuses", "payment_methods")
"""Sections whose keys are AvidXchange's own texts, so that an override may add one."""

MeaningT = TypeVar("MeaningT")
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,100}$", strict=True)]
Count = Annotated[int, Field(ge=1, le=10_000, strict=True)]
Texts = Annotated[tuple[Text, ...], Field(strict=False)]
State = Annotated[PaymentState, Field(strict=False)]
Kind = Annotated[PaymentKind, Field(strict=False)]


def _path(*braces: str) -> AfterValidator:
    def check(path: str) -> str:
        if not re.fullmatch(r"/[A-Za-z0-9._~/{}-]+", path) or re.findall(r"[{}][^{}]*}?", path) != [*braces]:
            raise ValueError(f"write a path that starts with / and holds {' '.join(braces) or 'no braces'}, without host, blanks and query")
        return path

    return AfterValidator(check)


PlainPath = Annotated[Text, _path()]
SystemPath = Annotated[Text, _path("{system}")]
PaymentPath = Annotated[Text, _path("{payment}")]


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


class Query(Entries):
    """Query names. `page_size` empty: the page size is not asked for."""

    accounting_system: Text
    code_group: Text
    page_number: Text
    page_size: Annotated[str, StringConstraints(max_length=100, strict=True)]
    closed_from: Text
    closed_to: Text
    modified_from: Text
    modified_to: Text
    payment_ids: Text
    id_separator: Text


class Envelope(Entries):
    """Names of the envelopes of reads, writes and errors (contracts/avidxchange.md §2)."""

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


class Values(Entries):
    """Values with a meaning. A list may be overridden by one text, its entries separated by commas."""

    default_currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$", strict=True)]
    no_account_number: Texts
    vendor_separator: Text
    exported_status: Annotated[int, Field(strict=True)]
    self_clearing_reasons: Texts


class Limits(Entries):
    """Sizes: rows of a page (when asked for), items of an upsert, ids of a query, days of a window and of the overlap of payments."""

    page_size: Count
    vendor_batch: Count
    code_batch: Count
    payment_ids: Count
    window_days: Count
    overlap_days: Annotated[int, Field(ge=0, le=30, strict=True)]


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
    """What the tenant can do. `results_in_order`: result i of a write belongs to request i; without it items are sent one by one."""

    results_in_order: bool
    remittances_by_payment: bool


class Profile(Entries):
    """One dialect. Get the shipped one from `shipped_profile()`."""

    headers: Headers
    sign_in: SignIn
    paths: Paths
    query: Query
    envelope: Envelope
    fields: Fields
    payment_statuses: Mapping[Text, State]
    payment_methods: Mapping[Text, Kind]
    values: Values
    limits: Limits
    lengths: Lengths
    capabilities: Capabilities

    def with_overrides(self, overrides: Mapping[str, str | int | bool]) -> "Profile":
        """The profile with single entries replaced, by dotted name. FixConfiguration names the entry that is unknown or of a wrong type."""
        document = self.model_dump(mode="json")
        for name, value in overrides.items():
            _replace(document, name, value)
        return _checked(document)

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


def _checked(document: object) -> Profile:
    try:
        return Profile.model_validate(document)
    except ValidationError as error:
        item = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(part) for part in item["loc"])
        message = item["msg"].removeprefix("Value error, ")
        raise _wrong(name, message) from None


def _replace(document: dict[str, object], name: str, value: str | int | bool) -> None:
    """Put the value in its place; only a section of AvidXchange's own texts takes a new entry."""
    section, _, text = name.partition(".")
    if section in OPEN_SECTIONS and text.strip():
        texts = document[section]
        assert isinstance(texts, dict)
        for known in [known for known in texts if known.casefold() == text.strip().casefold()]:
            del texts[known]
        texts[text.strip()] = value
        return
    *path, leaf = name.split(".")
    place: object = document
    for part in path:
        place = place.get(part) if isinstance(place, dict) else None
    if not isinstance(place, dict) or leaf not in place or isinstance(place[leaf], dict):
        raise _wrong(name, "there is no such entry; the entries are those of sync/avid/avid-v1.json, written with dots")
    place[leaf] = [part.strip() for part in value.split(",")] if isinstance(place[leaf], list) and isinstance(value, str) else value


def _wrong(name: str, message: str) -> FixConfiguration:
    field = f"avidxchange.profile.{name}"
    return FixConfiguration(f"{field}: {message}.", field=field)


def _meaning(text: str, meanings: Mapping[str, MeaningT], otherwise: MeaningT) -> MeaningT:
    """What a text means: the whole text first, then the longest listed beginning (`Void*`)."""
    folded = text.strip().casefold()
    listed = {key.strip().casefold(): meaning for key, meaning in meanings.items()}
    if folded in listed:
        return listed[folded]
    beginnings = [key for key in listed if key.endswith("*") and folded.startswith(key[:-1])]
    return listed[max(beginnings, key=len)] if beginnings else otherwise

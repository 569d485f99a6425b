"""The connection document: everything about one customer but the values of its secrets.

It is JSON, checked whole before it is stored and whenever it is read. Every error names the field as the person wrote it and the remedy.
"""

import re
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, ValidationError, field_validator, model_validator

from sync.connections.mirrored import CodeSettings, VendorSettings
from sync.connections.strict import Name, Strict
from sync.errors import FixConfiguration

SecretName = Annotated[str, StringConstraints(pattern=r"^[0-9a-zA-Z-]{1,127}$")]
"""The name of a secret in Key Vault, never its value."""
ConnectionId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{1,39}$")]
Host = Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]+$", min_length=3, max_length=253)]

MAIN_ACCOUNT = "MainAccount"
STAGES = ("vendors", "gl_accounts", "dimensions", "invoices", "payments")


class ClientSecret(Strict):
    """The application proves itself with a client secret, whose name stands here."""

    method: Literal["client_secret"]
    secret: SecretName


class Certificate(Strict):
    """The application proves itself with a certificate: the named secret holds private key and certificate as PEM text."""

    method: Literal["certificate"]
    certificate: SecretName


class Federated(Strict):
    """The application trusts the identity that this deployment runs under; no secret is kept."""

    method: Literal["federated"]


class D365Settings(Strict):
    """How to reach the customer's F&O environment (contracts/d365-fo.md §4)."""

    environment_url: str
    tenant: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z.-]{1,100}$")]
    client_id: Name
    sign_in: Annotated[ClientSecret | Certificate | Federated, Field(discriminator="method")]
    authority_host: Host = "login.microsoftonline.com"
    page_size: Annotated[int, Field(ge=100, le=10_000)] = 5_000
    courtesy_requests_per_5_minutes: Annotated[int, Field(ge=100)] | None = None

    @field_validator("environment_url")
    @classmethod
    def _environment(cls, url: str) -> str:
        if not re.fullmatch(r"https://[a-z0-9.-]+", url):
            raise ValueError("write it as https://<environment>.operations.dynamics.com, lower case, without a path or a trailing slash")
        return url

    @property
    def host(self) -> str:
        """The environment's host name."""
        return self.environment_url.removeprefix("https://")

    @property
    def secret(self) -> str:
        """The name of the secret that the sign-in rests on; "" when it needs none."""
        if isinstance(self.sign_in, ClientSecret):
            return self.sign_in.secret
        return self.sign_in.certificate if isinstance(self.sign_in, Certificate) else ""

    @property
    def scope(self) -> str:
        """The token scope of the environment."""
        return f"{self.environment_url}/.default"


class CompanyUserTokens(Strict):
    """AvidXchange's Company Token and User Token, each the name of a secret (contracts/avidxchange.md §1)."""

    method: Literal["company_user_tokens"] = "company_user_tokens"
    company_token: SecretName
    user_token: SecretName

    @property
    def secrets(self) -> Mapping[str, str]:
        """Each entry that names a secret, with that name."""
        return {"company_token": self.company_token, "user_token": self.user_token}


class TwoLayer(Strict):
    """A gateway key on every call, and a user token that username and password are exchanged for (contracts/avidxchange.md §1)."""

    method: Literal["two_layer"]
    gateway_key: SecretName
    username: Name
    password: SecretName

    @property
    def secrets(self) -> Mapping[str, str]:
        """Each entry that names a secret, with that name."""
        return {"gateway_key": self.gateway_key, "password": self.password}


class ClientCredentials(Strict):
    """A token that client id and client secret are exchanged for at `token_url`; `company` goes into a header of every call (§1)."""

    method: Literal["client_credentials"]
    token_url: Annotated[str, StringConstraints(pattern=r"^https://[a-z0-9.-]{3,253}/[A-Za-z0-9._~/-]*$")]
    client_id: Name
    client_secret: SecretName
    company: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,100}$")]
    scope: Annotated[str, StringConstraints(max_length=500)] = ""

    @property
    def secrets(self) -> Mapping[str, str]:
        """Each entry that names a secret, with that name."""
        return {"client_secret": self.client_secret}

    @property
    def token_host(self) -> str:
        """The host name of `token_url`."""
        return self.token_url.removeprefix("https://").partition("/")[0]


AvidAuth = CompanyUserTokens | TwoLayer | ClientCredentials


class AvidSettings(Strict):
    """How to reach the customer's AvidXchange. `profile` overrides single entries of the dialect `avid-v1`."""

    host: Host
    version: Name = "v1"
    auth: Annotated[AvidAuth, Field(discriminator="method")]
    """How its calls are signed; without a `method` by Company Token and User Token."""
    profile: dict[str, str | int | bool] = Field(default_factory=dict)
    image_hosts: tuple[Host, ...] = ()
    """The hosts from which invoice images may be fetched; empty: images are left alone (contracts/avidxchange.md §5)."""

    @field_validator("profile", mode="before")
    @classmethod
    def _plain_values(cls, profile: object) -> object:
        wrong = [str(name) for name, value in profile.items() if type(value) not in {str, int, bool}] if isinstance(profile, dict) else []
        if wrong:
            raise ValueError(f"{', '.join(wrong)}: write a text, a whole number, true or false; a list is one text with commas")
        return profile

    @field_validator("auth", mode="before")
    @classmethod
    def _usual_method(cls, auth: object) -> object:
        return {"method": "company_user_tokens", **auth} if isinstance(auth, dict) else auth


class Policy(StrEnum):
    """When a payment is written: once it is settled, or already when it is issued."""

    ON_SETTLED = "on_settled"
    ON_ISSUE = "on_issue"


class PaymentMethod(Strict):
    """What one AvidXchange payment method is in D365 for one company."""

    d365_method: Name
    bank_account: Name
    policy: Policy = Policy.ON_SETTLED


PaymentKind = Literal["check", "ach", "virtual_card", "internal"]


class Company(Strict):
    """One legal entity and the accounting system that stands for it (one to one, contracts/avidxchange.md §3)."""

    id: Name
    accounting_system: Name
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = "USD"
    payment_journal: Name
    invoice_payment_method: str = ""
    payment_methods: dict[PaymentKind, PaymentMethod] = Field(default_factory=dict)
    bank_client_ids: tuple[str, ...] = ()
    first_open_day: date | None = None
    procurement_category: str = ""
    procurement_hierarchy: str = ""
    sales_tax_group: str = ""
    """The sales tax group of lines that carry an item sales tax group; empty: the vendor's own."""

    @field_validator("id")
    @classmethod
    def _lower(cls, value: str) -> str:
        return value.lower()

    @model_validator(mode="after")
    def _category_and_hierarchy(self) -> Self:
        if bool(self.procurement_category) != bool(self.procurement_hierarchy):
            raise ValueError("procurement_category and procurement_hierarchy are named together or not at all")
        return self


class PurchaseOrders(StrEnum):
    """What happens to an invoice that names a purchase order (contracts/d365-fo.md §5)."""

    PARK = "park"
    REFERENCE = "reference"


class PostingDates(StrEnum):
    """What happens to a posting date before the first open day."""

    PARK = "park"
    FIRST_OPEN_DAY = "first_open_day"


class MixedDimensions(StrEnum):
    """What a payment line gets for a dimension whose paid distributions differ (contracts/d365-fo.md §6)."""

    BLANK = "blank"
    LARGEST = "largest"
    PARK = "park"


class SettlementAmount(StrEnum):
    """Which reading of SettlementAmountInInvoiceCurrency the environment takes (unknown: contracts/d365-fo.md §6)."""

    GROSS = "gross"
    NET = "net"


class SettlementSign(StrEnum):
    """Which sign SettlementAmountInInvoiceCurrency has for an invoice: plus, or that of its vendor transaction (minus)."""

    AS_PAYMENT = "as_payment"
    AS_INVOICE = "as_invoice"


class Settlement(StrEnum):
    """How a payment line says what it settles: rows of their own, or, where these are refused, its MarkedInvoice."""

    CHILD_ROWS = "child_rows"
    MARKED_INVOICE = "marked_invoice"


class JournalPer(StrEnum):
    """How long payments are added to one journal (as long as it is not posted and not full)."""

    DAY = "day"
    RUN = "run"


class Policies(Strict):
    """The customer's decisions."""

    purchase_orders: PurchaseOrders = PurchaseOrders.PARK
    posting_dates: PostingDates = PostingDates.PARK
    mixed_dimensions: MixedDimensions = MixedDimensions.BLANK
    settlement_amount: SettlementAmount = SettlementAmount.GROSS
    settlement_sign: SettlementSign = SettlementSign.AS_PAYMENT
    settlement: Settlement = Settlement.CHILD_ROWS
    journal_per: JournalPer = JournalPer.DAY
    image_megabytes: Annotated[int, Field(ge=1, le=20)] = 10
    dimensions_on_account: bool = True
    dimensions_on_offset: bool = True
    send_tax_ids: bool = False
    truncate_long_texts: bool = False
    unknown_settle_minutes: Annotated[float, Field(gt=0, le=1_440)] = 15
    d365_read_timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 120
    issued_too_long_days: Annotated[int, Field(ge=1)] = 10
    journal_lines: Annotated[int, Field(ge=1, le=500)] = 500
    concurrency: Annotated[int, Field(ge=1, le=32)] = 4
    deactivation_guard_percent: Annotated[int, Field(ge=0, le=100)] = 5
    deactivation_guard_rows: Annotated[int, Field(ge=0)] = 10

    @property
    def write_seconds(self) -> float:
        """What may pass from a claim to its sending, and again until the write begins; with the time-out it fits the settle time."""
        return (self.unknown_settle_minutes * 60 - self.d365_read_timeout_seconds) / 2

    @model_validator(mode="after")
    def _settle_outlives_the_client(self) -> Self:
        if self.unknown_settle_minutes * 60 <= self.d365_read_timeout_seconds:
            raise ValueError(
                "unknown_settle_minutes must be longer than d365_read_timeout_seconds, or a late write is taken for a lost one"
            )
        return self


class StageSchedule(Strict):
    """When a stage is due. `every_minutes` 0 means at every tick of its timer."""

    every_minutes: Annotated[int, Field(ge=0, le=10_080)]
    paused: bool = False


class QuietHours(Strict):
    """Hours of the day (UTC) in which nothing starts; `until` may lie on the next day."""

    from_hour: Annotated[int, Field(ge=0, le=23)]
    until_hour: Annotated[int, Field(ge=0, le=23)]


class Schedules(Strict):
    """One interval per stage (design §2, Timers)."""

    vendors: StageSchedule = StageSchedule(every_minutes=30)
    gl_accounts: StageSchedule = StageSchedule(every_minutes=30)
    dimensions: StageSchedule = StageSchedule(every_minutes=30)
    invoices: StageSchedule = StageSchedule(every_minutes=15)
    payments: StageSchedule = StageSchedule(every_minutes=15)
    quiet_hours: QuietHours | None = None

    def of(self, stage: str) -> StageSchedule:
        """The schedule of a stage by its name."""
        schedule = getattr(self, stage)
        assert isinstance(schedule, StageSchedule)
        return schedule


class StartFrom(Strict):
    """The first day each deliver stage lets in: invoices by their batch's close date, payments by their date. No default (design §1)."""

    invoices: date
    payments: date


class Connection(Strict):
    """One customer."""

    id: ConnectionId
    name: Name
    paused: bool = False
    d365: D365Settings
    avidxchange: AvidSettings
    companies: Annotated[tuple[Company, ...], Field(min_length=1)]
    code_groups: dict[Name, Name]
    """D365 name (MainAccount or a financial dimension) to the AvidXchange code group that holds its values."""
    null_placeholder: str = ""
    """The code that stands for "no value" where a code group insists on one."""
    sales_tax_code_group: str = ""
    """The code group whose codes are D365 item sales tax groups; empty: lines carry no tax."""
    ignored_code_groups: tuple[Name, ...] = ()
    """Code groups of AvidXchange that mean nothing to D365."""
    vendors: VendorSettings = VendorSettings()
    accounts: CodeSettings = CodeSettings()
    dimension_values: CodeSettings = CodeSettings()
    start_from: StartFrom
    policies: Policies = Policies()
    schedules: Schedules = Schedules()

    @model_validator(mode="after")
    def _maps_are_one_to_one(self) -> Self:
        for what, values in (
            ("companies.id", [company.id for company in self.companies]),
            ("companies.accounting_system", [company.accounting_system for company in self.companies]),
            ("code_groups", [*self.code_groups.values()]),
            ("companies.bank_client_ids", [bank for company in self.companies for bank in company.bank_client_ids]),
        ):
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                raise ValueError(f"{what}: {', '.join(twice)} stands twice; each must be named once")
        if MAIN_ACCOUNT not in self.code_groups:
            raise ValueError("code_groups: MainAccount is not mapped; name the code group that holds the GL accounts")
        return self

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The mapped financial dimensions, without the main account."""
        return tuple(name for name in self.code_groups if name != MAIN_ACCOUNT)

    def company(self, company_id: str) -> Company:
        """The company by its id, without case. FixConfiguration when the document has none."""
        for company in self.companies:
            if company.id == company_id.lower():
                return company
        raise FixConfiguration(f"Company {company_id} is not in the connection {self.id}: add it under companies.", field="companies")

    def company_of_system(self, accounting_system: str) -> Company:
        """The company of an accounting system. FixConfiguration when the document has none."""
        for company in self.companies:
            if company.accounting_system == accounting_system:
                return company
        raise FixConfiguration(
            f"Accounting system {accounting_system} is not mapped in the connection {self.id}: add it under companies.",
            field="companies.accounting_system",
        )


def parse_connection(text: str) -> Connection:
    """The document from JSON text. FixConfiguration lists every field that is wrong, each with what to do."""
    try:
        return Connection.model_validate_json(text)
    except ValidationError as error:
        problems = [
            _problem(".".join(str(part) for part in item["loc"]), item["msg"])
            for item in error.errors(include_url=False, include_input=False)
        ]
        raise FixConfiguration("The connection document is not valid: " + "; ".join(problems), field=problems[0].split(":")[0]) from None


def _problem(place: str, message: str) -> str:
    return f"{place or 'document'}: {message.removeprefix('Value error, ')}"

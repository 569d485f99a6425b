"""The settings of a deployment: app settings, read once and checked. What belongs to one customer is in the connection document instead."""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from sync.connections.document import SecretName
from sync.errors import FixConfiguration

STORAGE: Final = "AzureWebJobsStorage"

AccountName = Annotated[str, StringConstraints(pattern=r"^([a-z0-9]{3,24})?$")]

SHORTEST_RETENTION: Final = 366
"""A whole year: what is younger was typed by mistake (a number of years or months)."""

TIMERS: Final[Mapping[str, str]] = {
    "SYNC_TIMER_VENDORS": "0 */5 * * * *",
    "SYNC_TIMER_GL_ACCOUNTS": "0 */5 * * * *",
    "SYNC_TIMER_DIMENSIONS": "0 */5 * * * *",
    "SYNC_TIMER_INVOICES": "0 */5 * * * *",
    "SYNC_TIMER_PAYMENTS": "0 */5 * * * *",
    "SYNC_TIMER_HOUSEKEEPING": "0 20 * * * *",
}
"""The schedules of the timer triggers (six fields, UTC) and what they usually are. The host reads them, so each must be set."""


class Settings(BaseModel):
    """What one deployment is told from outside. Each field is read from the app setting that its alias names; times are in seconds."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, hide_input_in_errors=True)

    storage_connection: str = Field(default="", alias="AzureWebJobsStorage", repr=False)
    storage_account: AccountName = Field(default="", alias="AzureWebJobsStorage__accountName")
    storage_client_id: str = Field(default="", alias="AzureWebJobsStorage__clientId")
    key_vault_url: str = Field(alias="KEY_VAULT_URL")
    audit_key_secret: SecretName = Field(alias="AUDIT_KEY_SECRET")
    slice_seconds: int = Field(default=180, alias="SYNC_SLICE_SECONDS", ge=1, le=480)
    lease_seconds: int = Field(default=90, alias="SYNC_LEASE_SECONDS", ge=10, le=600)
    audit_retention_days: int = Field(default=2_557, alias="SYNC_AUDIT_RETENTION_DAYS", ge=0, le=36_525)
    """Seven years; 0 keeps audit steps for ever."""

    @field_validator("key_vault_url")
    @classmethod
    def _vault(cls, url: str) -> str:
        if not re.fullmatch(r"https://[A-Za-z0-9.-]+/?", url):
            raise ValueError("write it as https://<vault>.vault.azure.net")
        return url.rstrip("/")

    @field_validator("audit_retention_days")
    @classmethod
    def _not_by_mistake(cls, days: int) -> int:
        if 0 < days < SHORTEST_RETENTION:
            raise ValueError(f"it is in days: write {SHORTEST_RETENTION} or more, or 0 to keep audit steps for ever")
        return days

    @model_validator(mode="after")
    def _one_storage(self) -> Self:
        if not self.storage_connection and not self.storage_account:
            raise ValueError(f"{STORAGE}: set it to a connection string, or set {STORAGE}__accountName to use the app's identity")
        return self


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings from app settings (environment variables). FixConfiguration lists every setting that is missing or wrong."""
    names = {str(field.alias) for field in Settings.model_fields.values()}
    given = {name: value.strip() for name, value in environment.items() if name in names and value.strip()}
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        problems = [_problem(item["type"], ".".join(map(str, item["loc"])), item["msg"]) for item in error.errors(include_url=False)]
        raise FixConfiguration("The app settings are not valid: " + "; ".join(problems), field=problems[0].split(":")[0]) from None


def _problem(kind: str, name: str, message: str) -> str:
    text = "it is missing; add it to the app settings" if kind == "missing" else message.removeprefix("Value error, ")
    return f"{name}: {text}" if name else text

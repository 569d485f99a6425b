"""App settings: what is missing or wrong is named with its remedy, and never shown."""

import logging

import pytest
from azure.identity import AzureCliCredential, EnvironmentCredential, ManagedIdentityCredential

from sync.app import credential_of
from sync.errors import FixConfiguration
from sync.logs import bound, masked
from sync.settings import read_settings

GOOD = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "KEY_VAULT_URL": "https://v.vault.azure.net/",
    "AUDIT_KEY_SECRET": "audit-keys",
}


def test_the_usual_values_of_what_is_not_set() -> None:
    settings = read_settings({**GOOD, "UNRELATED": "x"})
    assert (settings.slice_seconds, settings.lease_seconds, settings.key_vault_url) == (180, 90, "https://v.vault.azure.net")
    assert settings.audit_retention_days == 2_557, "seven years"


def test_storage_by_identity_needs_no_connection_string() -> None:
    settings = read_settings(
        {**GOOD, "AzureWebJobsStorage": "", "AzureWebJobsStorage__accountName": "acct1", "AzureWebJobsStorage__clientId": "c"}
    )
    assert (settings.storage_account, settings.storage_client_id) == ("acct1", "c")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"AzureWebJobsStorage": ""}, "AzureWebJobsStorage__accountName"),
        ({"KEY_VAULT_URL": ""}, "KEY_VAULT_URL: it is missing"),
        ({"KEY_VAULT_URL": "http://v.vault.azure.net"}, "KEY_VAULT_URL: write it as https://"),
        ({"AUDIT_KEY_SECRET": "not a name"}, "AUDIT_KEY_SECRET"),
        ({"SYNC_SLICE_SECONDS": "long"}, "SYNC_SLICE_SECONDS"),
        ({"SYNC_SLICE_SECONDS": "481"}, "SYNC_SLICE_SECONDS"),
        ({"SYNC_LEASE_SECONDS": "9"}, "SYNC_LEASE_SECONDS"),
        ({"SYNC_AUDIT_RETENTION_DAYS": "7"}, "SYNC_AUDIT_RETENTION_DAYS: it is in days: write 366 or more, or 0"),
        ({"SYNC_AUDIT_RETENTION_DAYS": "-1"}, "SYNC_AUDIT_RETENTION_DAYS"),
    ],
)
def test_a_wrong_setting_is_named(changes: dict[str, str], says: str) -> None:
    with pytest.raises(FixConfiguration) as error:
        read_settings({**GOOD, **changes})
    assert says in error.value.sentence


def test_all_wrong_settings_are_named_at_once_and_no_value_is_shown() -> None:
    with pytest.raises(FixConfiguration) as error:
        read_settings({"AzureWebJobsStorage": "AccountKey=topsecret", "SYNC_SLICE_SECONDS": "topsecret"})
    assert all(name in error.value.sentence for name in ("KEY_VAULT_URL", "AUDIT_KEY_SECRET", "SYNC_SLICE_SECONDS"))
    assert "topsecret" not in error.value.sentence
    assert "topsecret" not in repr(read_settings({**GOOD, "AzureWebJobsStorage": "AccountKey=topsecret"}))


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        ({"IDENTITY_ENDPOINT": "http://127.0.0.1/", "IDENTITY_HEADER": "h", "AZURE_CLIENT_ID": "c"}, ManagedIdentityCredential),
        ({"AZURE_CLIENT_ID": "c", "AZURE_TENANT_ID": "t", "AZURE_CLIENT_SECRET": "s"}, EnvironmentCredential),
        ({}, AzureCliCredential),
    ],
)
def test_what_is_set_decides_who_the_app_is(environment: dict[str, str], kind: type) -> None:
    assert isinstance(credential_of(environment, read_settings(GOOD)), kind)


def test_a_log_line_says_where_it_belongs_in_text_and_fields(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        bound("sync.test", connection="contoso", run="r1", job="").info("100%% of %d", 5)
        bound("sync.test", connection="contoso").info("100% plain")
    assert [record.getMessage() for record in caplog.records] == [
        "100% of 5 [connection=contoso run=r1]",
        "100% plain [connection=contoso]",
    ]
    assert caplog.records[0].__dict__["run"] == "r1"


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer SECRET",
        "x;AccountKey=SECRET;y",
        "https://a/b?sig=SECRET&x=1",
        "client_secret=SECRET",
        "client_assertion=SECRET&x=1",
        "password: SECRET",
    ],
)
def test_what_looks_like_a_credential_is_masked(text: str) -> None:
    assert "SECRET" not in masked(text)

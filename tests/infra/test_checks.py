"""Each check sees what it is there for: a copy of the template (or of the code's side) with one thing broken."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest

from tests.infra import checks
from tests.infra.bicep import Template, Unreadable, parse, parse_parameters
from tests.infra.code_side import ROOT, code_side, environment_names, read_code
from tests.infra.reviewed import parse_reviewed

TEXT: Final = (ROOT / "infra/main.bicep").read_text(encoding="utf-8")
REVIEWED: Final = parse_reviewed((ROOT / "infra/settings.json").read_text(encoding="utf-8"))
CODE: Final = read_code()


def broken(old: str, new: str) -> str:
    """The template with one thing changed."""
    assert old in TEXT, f"the template no longer has {old!r}: change this test"
    return TEXT.replace(old, new, 1)


def settings(template: Template) -> list[str]:
    return checks.setting_problems(template, CODE, REVIEWED)


def storage(template: Template) -> list[str]:
    return checks.storage_problems(template, CODE)


CASES: Final[list[tuple[Callable[[Template], list[str]], str, str, str]]] = [
    (checks.undefined_symbols, "value: '${storage.properties", "value: '${storge.properties", "storge is not defined"),
    (checks.undefined_symbols, "    storageRoles\n  ]", "    storageRole\n  ]", "storageRole is not defined"),
    (checks.undefined_symbols, "name: container\n", "name: queue\n", "queue is not defined"),
    (checks.undefined_symbols, "string(sliceSeconds)", "strng(sliceSeconds)", "strng is not defined"),
    (checks.undefined_symbols, "@minLength(3)", "@minLenght(3)", "minLenght is not defined"),
    (checks.unused_symbols, "retentionInDays: logRetentionDays", "retentionInDays: 90", "logRetentionDays is declared and not used"),
    (
        checks.unused_symbols,
        "SYNC_TIMER_VENDORS: vendorsTimer",
        "SYNC_TIMER_VENDORS: invoicesTimer",
        "vendorsTimer is declared and not used",
    ),
    (checks.undescribed, "@description('Memory of one instance in MB.')\n", "", "instanceMemoryMB has no description"),
    (
        checks.not_plain,
        "userAssignedIdentities@2023-01-31",
        "userAssignedIdentities@2023-07-31-preview",
        "2023-07-31-preview is not a stable",
    ),
    (checks.not_plain, "queues@2024-01-01' = [for", "queues@2023-05-01' = [for", "Microsoft.Storage stands in two API versions"),
    (storage, ", 'replays']", "]", "queue replays-poison: the code uses it, the template does not deploy it"),
    (storage, "'${queue}-poison'", "'${queue}-dead'", "queue replays-dead: the template deploys it, the code does not use it"),
    (storage, "'connections', 'ledger'", "'connections'", "table ledger: the code uses it, the template does not deploy it"),
    (storage, "'runs', 'gates'", "'runs', 'gates', 'extra'", "table extra: the template deploys it, the code does not use it"),
    (storage, "'payloads', 'crawls'", "'payloads', 'payloads'", "container payloads: the template deploys it twice"),
    (storage, "blob}${deploymentContainerName}", "blob}packages", "container packages: the code uses it, the template does not deploy it"),
    (settings, "    KEY_VAULT_URL:", "    KEYVAULT_URL:", "setting KEY_VAULT_URL: the code uses it, the template does not deploy it"),
    (
        settings,
        "    KEY_VAULT_URL:",
        "    DEBUG: '1'\n    KEY_VAULT_URL:",
        "setting DEBUG: the template deploys it, the code does not use it",
    ),
    (settings, "    SYNC_TIMER_INVOICES: invoicesTimer\n", "", "setting SYNC_TIMER_INVOICES: the code uses it"),
    (settings, "    KEY_VAULT_URL:", "    WEBSITE_TIME_ZONE: 'UTC'\n    KEY_VAULT_URL:", "WEBSITE_TIME_ZONE: Not supported on Flex"),
    (settings, "__credential:", "__credentials:", "setting AzureWebJobsStorage__credential: a trigger's connection by identity needs it"),
    (settings, "THREAD_COUNT: '8'", "THREAD_COUNT: '5'", "setting PYTHON_THREADPOOL_THREAD_COUNT: less than 8"),
    (
        checks.role_problems,
        "roles.storageTableDataContributor]",
        "roles.storageBlobDataContributor]",
        "0319b160aaa3 on storage: the identity needs",
    ),
    (
        checks.role_problems,
        "roles.storageBlobDataOwner,",
        "roles.storageBlobDataOwner, roles.keyVaultSecretsOfficer,",
        "identity does not need it",
    ),
    (checks.role_problems, "  scope: keyVault\n", "  scope: storage\n", "on keyVault: the identity needs it"),
    (checks.posture_problems, "allowSharedKeyAccess: false", "allowSharedKeyAccess: true", "allowSharedKeyAccess is True, not False"),
    (checks.posture_problems, "    enablePurgeProtection: true\n", "", "enablePurgeProtection is None, not True"),
    (checks.posture_problems, "'Microsoft.KeyVault/vaults@", "'Microsoft.KeyVault/managedHSMs@", "there is no Microsoft.KeyVault/vaults"),
    (checks.posture_problems, "version: '3.13'", "version: '3.12'", "runtime.version is '3.12', not '3.13'"),
]


@pytest.mark.parametrize(("check", "old", "new", "sentence"), CASES)
def test_a_broken_copy_is_seen(check: Callable[[Template], list[str]], old: str, new: str, sentence: str) -> None:
    problems = check(parse(broken(old, new)))
    assert any(sentence in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: 'default'\n}", "name: 'default'\n"),
        ("param tags object = {}", "param tags object = {"),
        ("resource plan '", "resorce plan '"),
        ("[for table in tableNames:", "[for table in unheardOf:"),
    ],
)
def test_what_does_not_parse_is_refused(old: str, new: str) -> None:
    with pytest.raises(Unreadable):
        parse(broken(old, new)).resources()


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("  X: storage.listKeys().keys[0].value", "a call that fetches keys"),
        ("  X: listKeys(storage.id, '2024-01-01').keys[0].value", "a call that fetches keys"),
        ("  X: 'DefaultEndpointsProtocol=https;AccountName=a;AccountKey=abc'", "a connection string with a key"),
        ("  X: 'https://a.blob.core.windows.net/c?sv=1&sig=abc'", "a signed address"),
        (f"  X: '{'k3Y' * 14}=='", "a value that looks like a key"),
        ("resource s 'Microsoft.KeyVault/vaults/secrets@2023-07-01' = {", "a secret that the template writes"),
    ],
)
def test_a_secret_is_seen(line: str, what: str) -> None:
    assert checks.secret_problems(f"\n{line}\n") == [f"line 2: {what}"]


def test_a_module_is_seen() -> None:
    text = f"{TEXT}\nmodule more 'br/public:avm/res/storage/storage-account:0.9.0' = {{\n  name: 'more'\n}}\n"
    assert checks.not_plain(parse(text)) == [f"line {len(TEXT.splitlines()) + 2}: a module"]


def test_a_trigger_that_the_template_does_not_know_is_seen() -> None:
    triggers = [
        {"type": "queueTrigger", "queueName": "exports", "connection": "ExportStorage"},
        {"type": "timerTrigger", "schedule": "%SYNC_TIMER_EXPORTS%"},
    ]
    code = code_side(triggers, [])
    template = parse(TEXT)
    assert "queue exports: the code uses it, the template does not deploy it" in checks.storage_problems(template, code)
    problems = checks.setting_problems(template, code, REVIEWED)
    assert "setting SYNC_TIMER_EXPORTS: the code uses it, the template does not deploy it" in problems
    assert "setting ExportStorage__accountName: a trigger's connection by identity needs it" in problems


@pytest.mark.parametrize(
    "line", ['environment.get("NEW", "x")', 'os.environ["NEW"]', 'os.environ.get("NEW")', 'os.getenv("NEW")', 'self.environment["NEW"]']
)
def test_a_setting_that_the_source_reads_is_seen(line: str) -> None:
    assert environment_names(f"value = {line}") == {"NEW"}


def test_the_real_source_is_read() -> None:
    assert {"AZURE_CLIENT_ID", "KEY_VAULT_URL", "SYNC_TIMER_PAYMENTS"} <= CODE.settings
    assert CODE.connections == {"AzureWebJobsStorage"}


def test_reviewed_settings_that_are_stale_are_seen() -> None:
    unread = replace(REVIEWED, not_deployed={**REVIEWED.not_deployed, "OLD": "Nothing has read it for a long time."})
    undeployed = replace(REVIEWED, platform={**REVIEWED.platform, "PYTHON_OLD": "The platform used to need this."})
    assert checks.setting_problems(parse(TEXT), CODE, unread) == ["setting OLD: not_deployed in settings.json, but nothing reads it"]
    assert checks.setting_problems(parse(TEXT), CODE, undeployed) == [
        "setting PYTHON_OLD: the code uses it, the template does not deploy it"
    ]


@pytest.mark.parametrize("text", ['{"platform": {}}', '{"platform": {"A": ""}, "not_deployed": {}, "refused": {}}'])
def test_a_reviewed_list_without_reasons_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"settings\.json"):
        parse_reviewed(text)


def test_wrong_parameters_are_seen() -> None:
    given = parse_parameters("using './main.bicep'\n\nparam storageSku = 'Standard_GRS'\nparam colour = 'blue'\n")
    template = parse(TEXT.replace("param name string = 'avidsync'", "param name string"))
    assert checks.parameter_problems(template, given) == [
        "parameter colour: the template has none",
        "parameter name: it has no default and must be given",
        "parameter storageSku: 'Standard_GRS' is not allowed",
    ]

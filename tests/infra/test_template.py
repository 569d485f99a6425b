"""The template of this repository: it parses, it is whole, and it names what the code names."""

from typing import Final

import pytest

from sandbox.runner import ncrontab
from sync.settings import TIMERS, Settings, read_settings
from tests.infra import checks
from tests.infra.bicep import Template, parse, parse_parameters
from tests.infra.code_side import ROOT, read_code
from tests.infra.reviewed import parse_reviewed

INFRA: Final = ROOT / "infra"
TEXT: Final = (INFRA / "main.bicep").read_text(encoding="utf-8")
PARAMETERS: Final = (INFRA / "main.bicepparam").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def template() -> Template:
    """The template as both parsers read it."""
    return parse(TEXT)


def test_every_symbol_is_defined_and_used(template: Template) -> None:
    assert checks.undefined_symbols(template) == []
    assert checks.unused_symbols(template) == []


def test_parameters_and_outputs_say_what_they_are(template: Template) -> None:
    assert checks.undescribed(template) == []


def test_only_plain_resources_in_stable_versions(template: Template) -> None:
    assert checks.not_plain(template) == []


def test_tables_queues_and_containers_are_the_code_s(template: Template) -> None:
    assert checks.storage_problems(template, read_code()) == []


def test_settings_are_the_code_s_and_the_reviewed_ones(template: Template) -> None:
    reviewed = parse_reviewed((INFRA / "settings.json").read_text(encoding="utf-8"))
    assert checks.setting_problems(template, read_code(), reviewed) == []


def test_identity_has_the_roles_it_needs_and_no_other(template: Template) -> None:
    assert checks.role_problems(template) == []


def test_keys_are_off_and_protection_is_on(template: Template) -> None:
    assert checks.posture_problems(template) == []


def test_no_secret_in_it() -> None:
    assert checks.secret_problems(TEXT) == []
    assert checks.secret_problems(PARAMETERS) == []


def test_example_parameters_fit(template: Template) -> None:
    given = parse_parameters(PARAMETERS)
    assert checks.parameter_problems(template, given) == []
    assert checks.parameter_problems(template, {}) == []


def test_operators_get_roles_only_when_they_are_named(template: Template) -> None:
    def granted(operator: str) -> int:
        principals = [
            checks.at(resource.body, "properties.principalId") for resource in template.resources({"operatorPrincipalId": operator})
        ]
        return principals.count(operator)

    assert granted("") == 0
    assert granted("a-group") == 4


def test_the_code_accepts_the_settings(template: Template) -> None:
    of_azure = {"AzureWebJobsStorage__accountName": "storageaccount", "KEY_VAULT_URL": "https://vault.vault.azure.net/"}
    settings = read_settings({**{name: str(value) for name, value in checks.app_settings(template).items()}, **of_azure})
    assert settings.storage_connection == ""


def test_defaults_and_limits_are_the_code_s(template: Template) -> None:
    deployed = checks.app_settings(template)
    assert {name: deployed[name] for name in TIMERS} == TIMERS
    of_parameters = {"sliceSeconds": "slice_seconds", "leaseSeconds": "lease_seconds", "auditRetentionDays": "audit_retention_days"}
    for parameter, field in of_parameters.items():
        declared, model = template.of("parameters")[parameter].decorators, Settings.model_fields[field]
        assert deployed[str(model.alias)] == str(model.default)
        assert {
            bound for limit in model.metadata for bound in (getattr(limit, "ge", None), getattr(limit, "le", None)) if bound is not None
        } == {
            declared["minValue"],
            declared["maxValue"],
        }


def test_schedules_are_valid(template: Template) -> None:
    for name in TIMERS:
        ncrontab.parse(str(checks.app_settings(template)[name]))

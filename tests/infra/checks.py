"""What must be true of the template. Each check returns sentences, one for each thing that is wrong; none is good."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from tree_sitter import Node

from tests.infra.bicep import Resource, Template
from tests.infra.code_side import CodeSide
from tests.infra.reviewed import Reviewed
from tests.infra.values import Value, nodes, source

STORAGE: Final = "Microsoft.Storage/storageAccounts"
TABLE: Final = f"{STORAGE}/tableServices/tables"
QUEUE: Final = f"{STORAGE}/queueServices/queues"
CONTAINER: Final = f"{STORAGE}/blobServices/containers"
SITE: Final = "Microsoft.Web/sites"
ROLE: Final = "Microsoft.Authorization/roleAssignments"
IDENTITY: Final = "${identity.properties.principalId}"

FUNCTIONS: Final = frozenset(
    {"empty", "guid", "resourceGroup", "string", "subscription", "subscriptionResourceId", "tenant", "uniqueString"}
)
"""The Bicep functions that the template uses; another one is added here after looking it up."""
DECORATORS: Final = frozenset({"allowed", "description", "maxLength", "maxValue", "minLength", "minValue"})

SECRET_SHAPES: Final[Mapping[str, str]] = {
    "a call that fetches keys": r"\blist(Keys|AccountSas|ServiceSas|Secrets)\s*\(|\bgetSecret\s*\(",
    "a connection string with a key": r"(?i)(AccountKey|SharedAccessKey|SharedAccessSignature|InstrumentationKey)\s*=",
    "a signed address": r"[?&]sig=",
    "a value that looks like a key": r"'[A-Za-z0-9+/_~.-]{36,}={0,2}'",
    "a private key": r"-----BEGIN",
    "a secret that the template writes": r"'Microsoft\.KeyVault/vaults/secrets",
}
GUID: Final = r"'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'"
RESOURCE_TYPE: Final = r"'Microsoft\.(?!KeyVault/vaults/secrets)[A-Za-z/.]+(@\d{4}-\d{2}-\d{2})?'"

POSTURE: Final[Mapping[tuple[str, str], Value]] = {
    (STORAGE, "properties.allowSharedKeyAccess"): False,
    (STORAGE, "properties.allowBlobPublicAccess"): False,
    (STORAGE, "properties.supportsHttpsTrafficOnly"): True,
    (STORAGE, "properties.minimumTlsVersion"): "TLS1_2",
    (CONTAINER, "properties.publicAccess"): "None",
    ("Microsoft.KeyVault/vaults", "properties.enableRbacAuthorization"): True,
    ("Microsoft.KeyVault/vaults", "properties.enableSoftDelete"): True,
    ("Microsoft.KeyVault/vaults", "properties.enablePurgeProtection"): True,
    ("Microsoft.Insights/components", "properties.DisableLocalAuth"): True,
    ("Microsoft.Insights/components", "properties.WorkspaceResourceId"): "${logAnalytics.id}",
    ("Microsoft.Web/serverfarms", "sku.name"): "FC1",
    (SITE, "identity.type"): "UserAssigned",
    (SITE, "properties.httpsOnly"): True,
    (SITE, "properties.functionAppConfig.runtime.name"): "python",
    (SITE, "properties.functionAppConfig.runtime.version"): "3.13",
    (SITE, "properties.functionAppConfig.deployment.storage.authentication.type"): "UserAssignedIdentity",
}
"""What every resource of a type must say."""

APP_ROLES: Final = frozenset(
    {
        ("storage", "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"),  # Storage Blob Data Owner
        ("storage", "974c5e8b-45b9-4653-ba55-5f855dd0fb88"),  # Storage Queue Data Contributor
        ("storage", "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3"),  # Storage Table Data Contributor
        ("keyVault", "4633458b-17de-408a-b874-0445c86b69e6"),  # Key Vault Secrets User
        ("applicationInsights", "3913510d-42f4-4e42-8a64-420c390055eb"),  # Monitoring Metrics Publisher
    }
)


def undefined_symbols(template: Template) -> list[str]:
    """Names that nothing declares, functions and decorators that are not known here."""
    declared = {declaration.symbol for declaration in template.declarations if declaration.kind != "outputs"}
    return [f"line {node.start_point.row + 1}: {source(node)} is not defined" for node in _undefined(template.root, frozenset(declared))]


def _undefined(node: Node, known: frozenset[str]) -> Iterator[Node]:
    """The identifiers at and below the node that refer to nothing; the item of a loop is known inside it only."""
    inner = node.named_children
    if node.type == "identifier" and source(node) not in known:
        yield node
    elif node.type == "call_expression":
        decorates = node.parent is not None and node.parent.type == "decorator"
        yield from _undefined(inner[0], DECORATORS if decorates else FUNCTIONS)
        yield from _undefined(inner[1], known)
    else:
        inside = known | {source(inner[0])} if node.type == "for_statement" else known
        for child in inner:
            if child not in naming(node):
                yield from _undefined(child, inside)


def naming(node: Node) -> list[Node]:
    """The identifiers below the node that name what stands there (a declaration, a key, a loop's item) and refer to nothing."""
    names = [child for child in node.named_children if child.type == "identifier"][:1]
    if node.type == "object_property":
        return [child for child in names if child == node.named_children[0]]
    return names if node.type.endswith("_declaration") or node.type == "for_statement" else []


def unused_symbols(template: Template) -> list[str]:
    """Parameters and variables that nothing uses."""
    everything = list(nodes(template.root))
    names = {name.id for node in everything for name in naming(node)}
    used = {source(node) for node in everything if node.type == "identifier" and node.id not in names}
    return [
        f"{symbol} is declared and not used" for kind in ("parameters", "variables") for symbol in template.of(kind) if symbol not in used
    ]


def undescribed(template: Template) -> list[str]:
    """Parameters and outputs without a description."""
    declared = [*template.of("parameters").values(), *template.of("outputs").values()]
    return [f"{declaration.symbol} has no description" for declaration in declared if not declaration.decorators.get("description")]


def not_plain(template: Template) -> list[str]:
    """Modules, preview versions, and types of one provider in different versions."""
    problems = [f"line {node.start_point.row + 1}: a module" for node in nodes(template.root) if node.type == "module_declaration"]
    versions: dict[str, str] = {}
    for resource in template.resources():
        provider = resource.type.partition("/")[0]
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", resource.version):
            problems.append(f"{resource.symbol}: the API version {resource.version} is not a stable one")
        if versions.setdefault(provider, resource.version) != resource.version:
            problems.append(f"{resource.symbol}: {provider} stands in two API versions")
    return problems


def different(what: str, deployed: Iterable[str], used: Iterable[str]) -> list[str]:
    """Names that only one side has, and names that the template deploys twice."""
    counts, wanted = Counter(deployed), set(used)
    return [
        *(f"{what} {name}: the code uses it, the template does not deploy it" for name in sorted(wanted - set(counts))),
        *(f"{what} {name}: the template deploys it, the code does not use it" for name in sorted(set(counts) - wanted)),
        *(f"{what} {name}: the template deploys it twice" for name, count in sorted(counts.items()) if count > 1),
    ]


def storage_problems(template: Template, code: CodeSide) -> list[str]:
    """Tables, queues and containers that are not the same on both sides; the container for the code's package is the template's own."""
    resources = template.resources()
    return [
        *different("table", _names(resources, TABLE), code.tables),
        *different("queue", _names(resources, QUEUE), code.queues),
        *different("container", _names(resources, CONTAINER), code.containers | {package_container(template)}),
    ]


def package_container(template: Template) -> str:
    """The container from which the app takes its code: the last part of its address in functionAppConfig."""
    for resource in template.resources():
        if resource.type == SITE:
            address = str(at(resource.body, "properties.functionAppConfig.deployment.storage.value"))
            return address.rpartition("}")[2].rpartition("/")[2]
    return ""


def app_settings(template: Template) -> dict[str, Value]:
    """The app settings of the template with their values, as far as they can be told."""
    for resource in template.resources():
        if resource.type == f"{SITE}/config" and resource.body.get("name") == "appsettings":
            settings = resource.body["properties"]
            assert isinstance(settings, dict), "app settings are an object"
            return settings
    return {}


def setting_problems(template: Template, code: CodeSide, reviewed: Reviewed) -> list[str]:
    """Settings that are not exactly: what the code reads or its triggers name, less what is not deployed, and the platform's."""
    deployed, left_out = app_settings(template), set(reviewed.not_deployed)
    wanted = (code.settings - left_out) | set(reviewed.platform)
    unread = left_out - code.settings - code.connections
    return [
        *different("setting", list(deployed), wanted),
        *(f"setting {name}: {reviewed.refused[name]}" for name in sorted(set(deployed) & set(reviewed.refused))),
        *(f"setting {name}: not_deployed in settings.json, but nothing reads it" for name in sorted(unread)),
        *(f"setting {name}: in settings.json twice" for name in sorted(set(reviewed.platform) & (left_out | set(reviewed.refused)))),
        *_connection_problems(deployed, code.connections),
        *_thread_problems(deployed),
    ]


def _connection_problems(deployed: Mapping[str, Value], connections: Iterable[str]) -> list[str]:
    parts = ("accountName", "credential", "clientId")
    missing = [f"{connection}__{part}" for connection in sorted(connections) for part in parts if f"{connection}__{part}" not in deployed]
    return [f"setting {name}: a trigger's connection by identity needs it" for name in missing]


def _thread_problems(deployed: Mapping[str, Value]) -> list[str]:
    threads = str(deployed.get("PYTHON_THREADPOOL_THREAD_COUNT", ""))
    return [] if threads.isdecimal() and int(threads) >= 8 else ["setting PYTHON_THREADPOOL_THREAD_COUNT: less than 8"]


def role_problems(template: Template) -> list[str]:
    """Roles of the app's identity that are not exactly the five it needs, each at its own resource."""
    granted = set()
    for resource in template.resources():
        if resource.type == ROLE and at(resource.body, "properties.principalId") == IDENTITY:
            found = re.search(GUID.strip("'"), str(_role_id(resource)))
            granted.add((str(resource.body.get("scope", "")).strip("${}"), found[0] if found else str(_role_id(resource))))
    return [
        *(f"role {role} on {scope}: the identity needs it" for scope, role in sorted(APP_ROLES - granted)),
        *(f"role {role} on {scope}: the identity does not need it" for scope, role in sorted(granted - APP_ROLES)),
    ]


def posture_problems(template: Template) -> list[str]:
    """Resources that do not say what they must, and types that are missing altogether."""
    resources, problems = template.resources(), []
    for (kind, path), wanted in POSTURE.items():
        found = [resource for resource in resources if resource.type == kind]
        problems += [] if found else [f"there is no {kind}"]
        for resource in found:
            if at(resource.body, path) != wanted:
                problems.append(f"{resource.symbol}: {path} is {at(resource.body, path)!r}, not {wanted!r}")
    return problems


def secret_problems(text: str) -> list[str]:
    """Lines of a template or parameter file that hold, fetch or write something secret. Role ids and resource types are not secrets."""
    return [
        f"line {number}: {what}"
        for number, line in enumerate(text.splitlines(), 1)
        for what, shape in SECRET_SHAPES.items()
        if re.search(shape, re.sub(f"{GUID}|{RESOURCE_TYPE}", "", line))
    ]


def parameter_problems(template: Template, given: Mapping[str, Value]) -> list[str]:
    """What is wrong with the values of a parameter file: unknown, missing, not allowed."""
    declared = template.of("parameters")
    missing = [symbol for symbol, declaration in declared.items() if declaration.body is None and symbol not in given]
    return [
        *(f"parameter {symbol}: the template has none" for symbol in given if symbol not in declared),
        *(f"parameter {symbol}: it has no default and must be given" for symbol in missing),
        *(
            f"parameter {symbol}: {value!r} is not allowed"
            for symbol, value in given.items()
            if symbol in declared and isinstance(allowed := declared[symbol].decorators.get("allowed"), list) and value not in allowed
        ),
    ]


def at(body: Mapping[str, Value], path: str) -> Value | None:
    """The value at a dotted path of a body, None when there is none."""
    value: Value | None = dict(body)
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _names(resources: Iterable[Resource], kind: str) -> list[str]:
    return [str(resource.body.get("name")) for resource in resources if resource.type == kind]


def _role_id(resource: Resource) -> Value | None:
    return at(resource.body, "properties.roleDefinitionId")

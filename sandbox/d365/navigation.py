"""Navigation properties: what a row names in another set, for `$metadata` and for `$expand` of one level (contracts/d365-fo.md §3)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sandbox.d365.errors import bad_query
from sandbox.d365.schema import NAMESPACE, EntitySet, Value, entity_sets
from sandbox.d365.table import Row
from sandbox.d365.world import D365World

SETTLED_LINE = {"dataAreaId": "JournalLineCompany", "LineNumber": "JournalLineNumber"}
RENAMED: Mapping[tuple[str, str], Mapping[str, str]] = {
    # Where a key of the one set has another name in the other. What is not here joins by equal names.
    ("VendorGroups", "ClearingPeriodPaymentTerm"): {"Name": "ClearingPeriodPaymentTermName"},
    ("VendorGroups", "DefaultPaymentTerm"): {"Name": "DefaultPaymentTermName"},
    ("PaymentTerms", "ClearingPeriodAssignedVendorGroups"): {"Name": "ClearingPeriodPaymentTermName"},
    ("PaymentTerms", "DefaultAssignedVendorGroups"): {"Name": "DefaultPaymentTermName"},
    ("VendorPaymentMethods", "VendorPaymentJournalLinePaymentMethodEntity"): {"Name": "PaymentMethodName"},
    ("VendorPaymentMethods", "JournalName"): {"Name": "PaymentJournalName"},
    ("JournalNames", "VendorPaymentMethod"): {"Name": "PaymentJournalName"},
    ("MainAccounts", "Currency"): {"CurrencyCode": "DefaultCurrency"},
    ("Currencies", "MainAccount"): {"CurrencyCode": "DefaultCurrency"},
    ("Ledgers", "LedgerReportingCurrency"): {"CurrencyCode": "ReportingCurrency"},
    ("Currencies", "LedgerReportingCurrency"): {"CurrencyCode": "ReportingCurrency"},
    ("Ledgers", "LedgerAccountingCurrency"): {"CurrencyCode": "AccountingCurrency"},
    ("Currencies", "LedgerAccountingCurrency"): {"CurrencyCode": "AccountingCurrency"},
    ("DimensionAttributes", "FinancialDimensionValueEntity_Role_FinancialDimension"): {"DimensionName": "FinancialDimension"},
    ("FinancialDimensionValues", "FinancialDimensionValueEntity_RelatedRole_FinancialDimension"): {"DimensionName": "FinancialDimension"},
    ("DimensionAttributes", "FinancialDimensionValueLegalEntityOverrideV2Entity_Role_FinancialDimension"): {
        "DimensionName": "FinancialDimension"
    },
    (
        "FinancialDimensionValueLegalEntityOverridesV2",
        "FinancialDimensionValueLegalEntityOverrideV2Entity_RelatedRole_FinancialDimension",
    ): {"DimensionName": "FinancialDimension"},
    ("VendorPaymentJournalLines", "VendorPaymentJournalLinePaymentMethodEntityRole"): {"Name": "PaymentMethodName"},
    ("VendorPaymentJournalHeaders", "VendorPaymentJournalHeaderEntityRole"): SETTLED_LINE,
    ("VendorPaymentJournalLines", "VendorPaymentJournalLineEntityRole"): SETTLED_LINE,
    ("VendorPaymentJournalLineSettledInvoices", "VendorPaymentJournalHeaderRelatedRole"): SETTLED_LINE,
    ("VendorPaymentJournalLineSettledInvoices", "VendorPaymentJournalLineEntityRelatedRole"): SETTLED_LINE,
}
UNKNOWN_JOINS = frozenset({("BankAccounts", "JournalName"), ("JournalNames", "BankAccount")})
"""Navigation properties of the entity file whose joining fields nobody knows: they are declared and cannot be expanded."""

_ITEM = re.compile(r"\s*(?P<name>\w+)\s*(?:\((?P<options>[^()]*)\))?\s*(?:,|$)")


@dataclass(frozen=True)
class Navigation:
    """One navigation property. `pairs` are (own field, field of the target), empty where they are not known."""

    name: str
    target: EntitySet
    many: bool
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Expansion:
    """One part of `$expand`, with what its own `$select` names (all when empty)."""

    navigation: Navigation
    select: tuple[str, ...] = ()


def navigations(entity_set: EntitySet) -> Iterator[Navigation]:
    """The navigation properties of a set."""
    for name, given in entity_set.navigation.items():
        target, many = entity_sets()[given.removesuffix("[]")], given.endswith("[]")
        yield Navigation(name, target, many, _pairs(entity_set, name, target, many))


def expansions(entity_set: EntitySet, text: str) -> tuple[Expansion, ...]:
    """What `$expand` asks for. Raises Refusal (400) for an unknown name, another option than `$select`, and a second level."""
    known, found, position = {item.name: item for item in navigations(entity_set)}, [], 0
    while position < len(text):
        match = _ITEM.match(text, position)
        if match is None:
            raise bad_query(f"The $expand '{text}' is not supported: one level, with no other option than $select.")
        navigation = known.get(match["name"])
        if navigation is None or not navigation.pairs:
            raise bad_query(f"Could not find a navigation property '{match['name']}' on '{NAMESPACE}.{entity_set.entity_type}'.")
        found.append(Expansion(navigation, _selected(navigation.target, match["options"] or "")))
        position = match.end()
    return tuple(found)


def related(world: D365World, row: Row, navigation: Navigation) -> list[Row]:
    """The rows that a navigation property of a row leads to; at most one unless it is a collection."""
    fields: dict[str, Value] = {theirs: row[own] for own, theirs in navigation.pairs}
    return world.table(navigation.target.name).matching(fields) if all(value not in (None, "") for value in fields.values()) else []


def _pairs(entity_set: EntitySet, name: str, target: EntitySet, many: bool) -> tuple[tuple[str, str], ...]:
    if (entity_set.name, name) in UNKNOWN_JOINS:
        return ()
    renamed = RENAMED.get((entity_set.name, name), {})
    if many:
        return tuple((key, renamed.get(key, key)) for key in entity_set.keys)
    return tuple((renamed.get(key, key), key) for key in target.keys)


def _selected(target: EntitySet, options: str) -> tuple[str, ...]:
    if not options.strip():
        return ()
    option, _, names = options.partition("=")
    fields = tuple(name.strip() for name in names.split(","))
    if option.strip() != "$select":
        raise bad_query(f"The option '{option}' inside $expand is not supported.")
    for field in fields:
        if field not in target.fields:
            raise bad_query(f"Could not find a property named '{field}' on type '{NAMESPACE}.{target.entity_type}'.")
    return fields

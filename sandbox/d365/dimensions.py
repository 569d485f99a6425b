"""Dimension strings as the environment reads them: format, delimiter, escapes, what each segment must be (contracts/d365-fo.md §7)."""

from collections.abc import Mapping
from typing import Literal

from sandbox.d365.errors import field_refused, mandatory, not_found_value
from sandbox.d365.schema import EMPTY_DATE, EntitySet, day_of
from sandbox.d365.table import Row
from sandbox.d365.world import D365World

DELIMITERS: Mapping[str, str] = {
    "Hyphen": "-",
    "Period": ".",
    "Underscore": "_",
    "Bar": "|",
    "Tilde": "~",
    "DoubleHyphen": "--",
    "DoublePeriod": "..",
    "DoubleUnderscore": "__",
    "DoubleBar": "||",
    "DoubleTilde": "~~",
}
MAIN_ACCOUNT = "MainAccount"
Backslash = Literal["escapes", "plain"]
FormatType = Literal["DataEntityDefaultDimensionFormat", "DataEntityLedgerDimensionFormat"]


def delimiter(world: D365World) -> str:
    """The environment's delimiter; a hyphen where nothing is set up."""
    rows = world.rows("DimensionParameters")
    return DELIMITERS[rows[0].text("DimensionSegmentDelimiter")] if rows else DELIMITERS["Hyphen"]


def active_format(world: D365World, kind: FormatType) -> list[str]:
    """The dimension names of the active format of a type, in order; empty where none is active."""
    rows = world.find("DimensionIntegrationFormats", DimensionFormatType=kind, IsActive="Yes")
    return rows[0].text("FinancialDimensionFormat").split(delimiter(world)) if rows else []


def split(text: str, mark: str, backslash: Backslash = "escapes") -> list[str]:
    """The segments of a display value; a backslash takes what comes after it (the delimiter, or anything) as part of the value."""
    segments, position = [""], 0
    while position < len(text):
        if text[position] == "\\" and position + 1 < len(text) and (backslash == "escapes" or text[position + 1] == mark[0]):
            segments[-1] += text[position + 1]
            position += 2
        elif text.startswith(mark, position):
            segments.append("")
            position += len(mark)
        else:
            segments[-1] += text[position]
            position += 1
    return segments


def join(segments: list[str], mark: str, backslash: Backslash = "escapes") -> str:
    """A display value with its delimiters escaped, and its backslashes where these escape too."""
    escaped = "".join(f"\\{letter}" for letter in mark)
    doubled = "\\\\" if backslash == "escapes" else "\\"
    return mark.join(segment.replace("\\", doubled).replace(mark, escaped) for segment in segments)


def account_number(world: D365World, text: str) -> str:
    """The account that a one-segment display value names; an unescaped delimiter cuts it, so that it is not found."""
    return split(text, delimiter(world), world.switches.backslash)[0]


def checked(world: D365World, entity_set: EntitySet, field: str, company: str, text: str) -> str:
    """What is stored of a dimension string written to a field. Raises Refusal for what D365 refuses."""
    if not text:
        return ""
    if world.switches.blank_dimension_stores > 0:
        world.switches.blank_dimension_stores -= 1
        return ""
    kind: FormatType = "DataEntityLedgerDimensionFormat" if field == "MainAccountDisplayValue" else "DataEntityDefaultDimensionFormat"
    names, mark = active_format(world, kind), delimiter(world)
    segments = split(text, mark, world.switches.backslash)
    if len(segments) != len(names) and world.switches.segment_count == "refuse":
        counts = f"The number of dimension values {len(segments)} is different from the number set up in the active format {len(names)}"
        raise field_refused(entity_set, field, f"{counts}.")
    segments = [*segments, *[""] * len(names)][: len(names)]
    return _known_segments(world, entity_set, field, company, dict(zip(names, segments, strict=True)))


def _known_segments(world: D365World, entity_set: EntitySet, field: str, company: str, named: Mapping[str, str]) -> str:
    if MAIN_ACCOUNT in named and not named[MAIN_ACCOUNT]:
        raise mandatory(entity_set, field)
    for name, value in named.items():
        row = _main_account(world, company, value) if name == MAIN_ACCOUNT else _dimension_value(world, company, name, value)
        if value and row is None and world.switches.unknown_dimension == "blank":
            return ""
        if value and row is None:
            raise not_found_value(entity_set, field, value, f"{name} values")
        trouble = _trouble(world, company, name, row) if row is not None else ""
        if trouble:
            raise field_refused(entity_set, field, f"The value '{value}' of {name} cannot be used: {trouble}.")
    return join(list(named.values()), delimiter(world), world.switches.backslash)


def _main_account(world: D365World, company: str, value: str) -> Row | None:
    ledgers = world.find("Ledgers", LegalEntityId=company)
    return world.get("MainAccounts", ChartOfAccounts=ledgers[0]["ChartOfAccounts"], MainAccountId=value) if ledgers else None


def _dimension_value(world: D365World, company: str, name: str, value: str) -> Row | None:
    everywhere = world.get("FinancialDimensionValues", FinancialDimension=name, LegalEntityId="", DimensionValue=value)
    return everywhere or world.get("FinancialDimensionValues", FinancialDimension=name, LegalEntityId=company, DimensionValue=value)


def _trouble(world: D365World, company: str, name: str, row: Row) -> str:
    """Why a value cannot be posted to, or an empty text."""
    if name == MAIN_ACCOUNT:
        override = world.get(
            "MainAccountLegalEntities", MainAccountId=row["MainAccountId"], ChartOfAccounts=row["ChartOfAccounts"], LegalEntityId=company
        )
        manual = row["DoNotAllowManualEntry"]
        total = row["MainAccountType"] in ("Total", "Reporting") and world.switches.total_accounts == "refuse"
    else:
        override = world.get(
            "FinancialDimensionValueLegalEntityOverridesV2",
            FinancialDimension=name,
            DimensionValue=row["DimensionValue"],
            LegalEntityId=company,
        )
        manual, total = row["IsBlockedForManualEntry"], row["IsTotal"] == "Yes"
    for source in (row, override):
        if source is not None and source["IsSuspended"] == "Yes":
            return "it is suspended"
        if source is not None and not _in_date(world, source):
            return "it is not active on this date"
    return "manual entry is not allowed" if manual == "Yes" else "it is a total" if total else ""


def _in_date(world: D365World, row: Row) -> bool:
    today, start, end = world.now().date(), row.text("ActiveFrom"), row.text("ActiveTo")
    return (start == EMPTY_DATE or day_of(start) <= today) and (end == EMPTY_DATE or day_of(end) >= today)

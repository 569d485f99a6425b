"""Financial dimension strings: formats, delimiter, escaping (contracts/d365-fo.md §7)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sync.causes import Cause
from sync.connections.document import MAIN_ACCOUNT
from sync.d365.client import D365Client
from sync.d365.entity import typed
from sync.d365.literals import is_yes
from sync.d365.rows import DimensionSettings, IntegrationFormat
from sync.errors import FixConfiguration, FixData

DEFAULT_FORMAT: Final = "DataEntityDefaultDimensionFormat"
LEDGER_FORMAT: Final = "DataEntityLedgerDimensionFormat"
DELIMITERS: Final[Mapping[str, str]] = {
    "Hyphen": "-",
    "Period": ".",
    "Underscore": "_",
    "Bar": "|",
    "DoubleHyphen": "--",
    "DoublePeriod": "..",
    "DoubleUnderscore": "__",
    "DoubleBar": "||",
    "Tilde": "~",
    "DoubleTilde": "~~",
}
ESCAPE: Final = "\\"


def escape(value: str, delimiter: str) -> str:
    """One segment as it stands in a string: a backslash before what would else be read as a delimiter or as an escape.

    Whether D365 reads a doubled backslash is unknown (contract §7), so one is written only where it cannot be avoided.
    """
    mark, written = delimiter[0], []
    for place, character in enumerate(value):
        rest = value[place + 1 :]
        ambiguous = character == mark and (value.startswith(delimiter, place) or not rest)
        if character == ESCAPE:
            ambiguous = not rest or rest[0] in {ESCAPE, mark}
        written.append(ESCAPE + character if ambiguous else character)
    return "".join(written)


def split(text: str, delimiter: str) -> tuple[str, ...]:
    """The segments of a string, escapes undone. `split(join(x)) == x`."""
    mark = delimiter[0]
    segments, place = [""], 0
    while place < len(text):
        following = text[place + 1 : place + 2]
        if text[place] == ESCAPE and following and following in {ESCAPE, mark}:
            segments[-1] += following
            place += 2
        elif text.startswith(delimiter, place):
            segments.append("")
            place += len(delimiter)
        else:
            segments[-1] += text[place]
            place += 1
    return tuple(segments)


@dataclass(frozen=True)
class DimensionFormats:
    """The environment's active formats: names in order; the ledger's include MainAccount."""

    ledger_names: tuple[str, ...]
    default_names: tuple[str, ...]
    delimiter: str

    def ledger_string(self, main_account: str, values: Mapping[str, str]) -> str:
        """A ledger string (`600150-001-007-022`). Unused dimensions stay as blanks. FixData names dimensions that the format lacks."""
        return self._join(self.ledger_names, {**values, MAIN_ACCOUNT: main_account}, LEDGER_FORMAT)

    def default_string(self, values: Mapping[str, str]) -> str:
        """A default dimension string (`001--022`). Unused dimensions stay as blanks. FixData names dimensions that the format lacks."""
        return self._join(self.default_names, values, DEFAULT_FORMAT)

    def parse(self, text: str) -> tuple[str, ...]:
        """The segments of a string that D365 gave, escapes undone."""
        return split(text, self.delimiter)

    def escape_account(self, account: str) -> str:
        r"""A vendor or bank account as a journal line wants it: US-108 becomes US\-108."""
        return escape(account, self.delimiter)

    def missing(self, names: Sequence[str]) -> tuple[str, ...]:
        """The dimensions of `names` that are not in both formats: D365 would drop them without a word."""
        return tuple(name for name in names if name not in self.ledger_names or name not in self.default_names)

    def _join(self, names: Sequence[str], values: Mapping[str, str], format_type: str) -> str:
        unknown = sorted(name for name, value in values.items() if value and name not in names)
        if unknown:
            raise FixData(tuple(_not_in_format(name, format_type) for name in unknown))
        return self.delimiter.join(escape(values.get(name, ""), self.delimiter) for name in names)


def _not_in_format(name: str, format_type: str) -> Cause:
    sentence = f"Dimension {name} is not in D365's active {format_type}; D365 would drop its value without a word."
    return Cause("dimension-not-in-format", f"dimension {name}", sentence, name)


def read_formats(client: D365Client) -> DimensionFormats:
    """The active formats and the delimiter. FixConfiguration when a type has no or several active formats."""
    rows = client.rows(IntegrationFormat.SET, where=is_yes("IsActive"), select=IntegrationFormat.SELECT)
    formats = [typed(IntegrationFormat, row) for row in rows]
    delimiter = _delimiter(client)
    ledger = _names(formats, LEDGER_FORMAT, delimiter)
    if MAIN_ACCOUNT not in ledger:
        raise FixConfiguration(
            f"The active {LEDGER_FORMAT} in D365 lacks {MAIN_ACCOUNT}: add it to the format.", field="D365 dimension format"
        )
    return DimensionFormats(ledger, _names(formats, DEFAULT_FORMAT, delimiter), delimiter)


def _names(formats: Sequence[IntegrationFormat], format_type: str, delimiter: str) -> tuple[str, ...]:
    active = [item for item in formats if item.type == format_type and item.is_active]
    if len(active) != 1:
        found = ", ".join(item.name for item in active) or "none"
        raise FixConfiguration(
            f"D365 needs exactly one active format of type {format_type}; found: {found}. "
            "Set it in D365 under Financial dimension configuration for integrating applications.",
            field="D365 dimension format",
        )
    return split(active[0].format, delimiter)


def _delimiter(client: D365Client) -> str:
    rows = [typed(DimensionSettings, row) for row in client.rows(DimensionSettings.SET, select=DimensionSettings.SELECT)]
    names = {row.delimiter for row in rows}
    if len(names) != 1 or not names <= DELIMITERS.keys():
        found = ", ".join(sorted(names)) or "none"
        raise FixConfiguration(f"D365's DimensionSegmentDelimiter is not one we know: {found}.", field="D365 dimension parameters")
    return DELIMITERS[names.pop()]

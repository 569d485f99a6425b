"""Rows of AvidXchange from the names of one dialect to those of another, by the `fields` of the two documents."""

from collections.abc import Callable
from typing import Any, Final

from sandbox.avid.dialects import Document
from sandbox.avid.wire import Json, Row

INSIDE: Final = {
    ("distribution", "codes"): ("code_value", "code_groups"),
    ("distribution", "code_groups"): ("code_group_name",),
    ("payment", "exceptions"): ("exception_id", "exception_description"),
    ("payment", "external_payment_ids"): ("external_payment_id",),
}
"""Lists whose objects have their names in the same section."""
SECTIONS: Final = {
    ("vendor", "address"): "address",
    ("vendor", "remit_to"): "address",
    ("invoice", "distributions"): "distribution",
    ("payment", "remittances"): "remittance",
}
"""Objects and lists of objects that have a section of their own."""
ABSENT: Final = object()


class Unspoken(Exception):
    """What was said is no word of the dialect."""


class RowTranslator:
    """Rows out of the dialect `given` into the dialect `wanted`. `links` translates a batch's links.

    `strict`: a field that is not the dialect's is Unspoken, not passed over.
    """

    def __init__(self, given: Document, wanted: Document, links: Callable[[Json], Json], *, strict: bool = False) -> None:
        self._strict = strict
        self._given = given
        self._wanted = wanted
        self._links = links
        self._names = {section: [name.split(".") for name in names.values()] for section, names in given["fields"].items()}
        self._outermost = {section: _outermost(section, [*names]) for section, names in given["fields"].items()}

    def row(self, section: str, value: Json) -> Json:
        """A row of a section; anything else than an object stays as it is."""
        if not isinstance(value, dict):
            return value
        if self._strict:
            self._check(section, value)
        row = self._object(section, self._outermost[section], value)
        if section in ("invoice", "payment"):
            self._settle_currency(section, row)
        return row

    def _check(self, section: str, value: Row) -> None:
        known = self._names[section]
        objects = {tuple(name[:depth]) for name in known for depth in range(1, len(name))}
        for path in _paths(value, objects):
            if path not in known:
                raise Unspoken(f"field {'.'.join(path)}")

    def _object(self, section: str, entries: list[str] | tuple[str, ...], value: Row) -> Row:
        made: Row = {}
        for entry in entries:
            found = _get(value, self._given["fields"][section][entry])
            if found is not ABSENT:
                _put(made, self._wanted["fields"][section][entry], self._value(section, entry, found))
        return made

    def _value(self, section: str, entry: str, value: Any) -> Json:  # Any: JSON
        if (section, entry) in SECTIONS:
            return _each(value, lambda item: self.row(SECTIONS[section, entry], item))
        if (section, entry) in INSIDE:
            return _each(value, lambda item: self._inside(section, INSIDE[section, entry], item))
        if entry == "links":
            return self._links(value)
        return self._meant(section, entry, value)

    def _inside(self, section: str, entries: tuple[str, ...], item: Json) -> Json:
        return self._object(section, entries, item) if isinstance(item, dict) else item

    def _meant(self, section: str, entry: str, value: Json) -> Json:
        """Texts and ids that have a meaning."""
        given, wanted = self._given["values"], self._wanted["values"]
        if (section, entry) == ("payment", "status"):
            return self._listed("payment_statuses", value)
        if (section, entry) == ("payment", "method"):
            return self._listed("payment_methods", value)
        if entry == "account_no":
            return _paired([*given["no_account_number"]], wanted["no_account_number"], value)
        if (section, entry) == ("payment", "exception_id"):
            return _paired(given["self_clearing_reasons"], wanted["self_clearing_reasons"], value)
        if (section, entry) == ("invoice", "vendor_id") and isinstance(value, str):
            return value.replace(given["vendor_separator"], wanted["vendor_separator"], 1)
        if (section, entry) == ("acknowledgement", "status"):
            return wanted["exported_status"] if value == given["exported_status"] else value
        return value

    def _listed(self, section: str, value: Json) -> Json:
        """A status or method; one that is not listed is said as it is."""
        text = str(value).casefold()
        for given, wanted in zip(self._given[section], self._wanted[section], strict=True):
            if given.casefold() == text:
                return str(wanted)
            if given.endswith("*") and text.startswith(given[:-1].casefold()):
                return str(wanted)[:-1] + str(value)[len(given) - 1 :]
        return value

    def _settle_currency(self, section: str, row: Row) -> None:
        """A row without a currency means the dialect's default one, which is another in each."""
        given, wanted = self._given["values"]["default_currency"], self._wanted["values"]["default_currency"]
        path = self._wanted["fields"][section]["currency"]
        said = _get(row, path)
        if said in (ABSENT, None) or not str(said).strip():
            _put(row, path, given)
        elif said == wanted:
            _put(row, path, None)


def _outermost(section: str, entries: list[str]) -> list[str]:
    """The entries of the row itself, without those of the objects in its lists."""
    inner = {name for (owner, _), names in INSIDE.items() if owner == section for name in names}
    return [entry for entry in entries if entry not in inner]


def _paired(given: list[str], wanted: list[str], value: Json) -> Json:
    text = str(value).strip().casefold()
    return next((there for here, there in zip(given, wanted, strict=True) if here.casefold() == text), value)


def _each(value: Json, change: Callable[[Json], Json]) -> Json:
    """Every entry of a list, or the one object that stands for a list."""
    return [change(item) for item in value] if isinstance(value, list) else change(value)


def _get(row: Row, path: str) -> Any:  # Any: JSON, or ABSENT
    value: Any = row
    for part in path.split("."):
        if not isinstance(value, dict) or part not in value:
            return ABSENT
        value = value[part]
    return value


def _put(row: Row, path: str, value: Json) -> None:
    *parents, leaf = path.split(".")
    for part in parents:
        child = row.setdefault(part, {})
        assert isinstance(child, dict), path
        row = child
    row[leaf] = value


def _paths(row: Row, objects: set[tuple[str, ...]], before: tuple[str, ...] = ()) -> list[list[str]]:
    """The paths of all fields; only what the dialect has as an object is gone into."""
    found: list[list[str]] = []
    for name, value in row.items():
        path = (*before, name)
        found += _paths(value, objects, path) if path in objects and isinstance(value, dict) else [[*path]]
    return found

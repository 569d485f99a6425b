"""What `$metadata` says of the entity sets (contracts/d365-fo.md §1, §12): which fields each has, and which must be filled.

The document of an environment has thousands of types, so it is read in one pass that keeps names only. It is no trusted input: a document
type declaration, and with it every entity, is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NoReturn
from xml.parsers import expat

REQUIRED: Final = "IsRequired"
EDITABLE: Final = "AllowEdit"
DEEPEST: Final = 50
"""More base types one above the other than this are a circle."""


class NotMetadata(ValueError):
    """The document is no `$metadata` that can be trusted."""


@dataclass
class FieldFacts:
    """One field: `required` and `editable` as the annotations say; without them it is free to be left out, and can be set."""

    required: bool = False
    editable: bool = True


@dataclass(frozen=True)
class Metadata:
    """The entity sets by name, each with its fields by name."""

    sets: Mapping[str, Mapping[str, FieldFacts]]

    def missing_fields(self, set_name: str, names: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the names that the set lacks; none when the set itself is missing."""
        there = self.sets.get(set_name)
        return () if there is None else tuple(name for name in names if name not in there)

    def required_fields(self, set_name: str) -> tuple[str, ...]:
        """The fields that must be filled and that a client may fill."""
        fields = self.sets.get(set_name, {})
        return tuple(name for name, facts in fields.items() if facts.required and facts.editable)


def read_metadata(document: bytes) -> Metadata:
    """The description in an EDMX document. NotMetadata when it is no XML, declares a document type, or describes no entity set."""
    reading = _Reading()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reading.start
    parser.EndElementHandler = reading.end
    parser.StartDoctypeDeclHandler = _refused
    try:
        parser.Parse(document, True)
    except expat.ExpatError as error:
        raise NotMetadata(f"no XML: {error}") from error
    if not reading.sets:
        raise NotMetadata("XML without entity sets")
    return Metadata({name: reading.fields_of(type_name) for name, type_name in reading.sets.items()})


def _refused(*_: object) -> NoReturn:
    raise NotMetadata("XML with a document type declaration")


@dataclass
class _Reading:
    """What was read so far, and where in the document the reader is."""

    types: dict[str, dict[str, FieldFacts]] = field(default_factory=dict)
    bases: dict[str, str] = field(default_factory=dict)
    sets: dict[str, str] = field(default_factory=dict)
    _type: str = ""
    _field: str = ""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        element, name = tag.rpartition(" ")[2], attributes.get("Name", "")
        if element == "EntityType":
            self._type, self._field = name, ""
            self.types.setdefault(name, {})
            self.bases[name] = _last(attributes.get("BaseType", ""))
        elif element == "Property" and self._type:
            self._field = name
            self._facts(self._type, name)
        elif element == "EntitySet":
            self.sets[name] = _last(attributes.get("EntityType", ""))
        elif element == "Annotations":
            target, _, self._field = attributes.get("Target", "").partition("/")
            self._type = _last(target)
        elif element == "Annotation" and self._type and self._field:
            self._annotation(_last(attributes.get("Term", "")), attributes.get("Bool", "true").lower() != "false")

    def end(self, tag: str) -> None:
        """An element ends."""
        element = tag.rpartition(" ")[2]
        if element in {"EntityType", "Annotations"}:
            self._type = self._field = ""
        elif element == "Property":
            self._field = ""

    def fields_of(self, type_name: str) -> Mapping[str, FieldFacts]:
        """The fields of a type, those of its base types first."""
        chain = [type_name]
        while (base := self.bases.get(chain[-1], "")) and len(chain) < DEEPEST:
            chain.append(base)
        return {name: facts for item in reversed(chain) for name, facts in self.types.get(item, {}).items()}

    def _annotation(self, term: str, holds: bool) -> None:
        facts = self._facts(self._type, self._field)
        if term == REQUIRED:
            facts.required = holds
        elif term == EDITABLE:
            facts.editable = holds

    def _facts(self, type_name: str, name: str) -> FieldFacts:
        return self.types.setdefault(type_name, {}).setdefault(name, FieldFacts())


def _last(qualified: str) -> str:
    return qualified.rpartition(".")[2]

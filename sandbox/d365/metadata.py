"""`$metadata`: the entity file as an EDMX document, as a client that was never told about D365 reads it (contracts/d365-fo.md §1, §2)."""

from collections.abc import Collection, Iterator
from functools import cache
from xml.sax.saxutils import quoteattr

from sandbox.d365.navigation import navigations
from sandbox.d365.schema import NAMESPACE, EntitySet, entity_sets, enums
from sandbox.web import Response

CONTAINER = "Resources"
EDMX = "http://docs.oasis-open.org/odata/ns/edmx"
EDM = "http://docs.oasis-open.org/odata/ns/edm"


def response(hidden: Collection[str]) -> Response:
    """The document without the sets that this environment hides."""
    return Response(200, {"content-type": "application/xml", "odata-version": "4.0"}, document(frozenset(hidden)))


@cache
def document(hidden: frozenset[str]) -> bytes:
    """The EDMX document as UTF-8."""
    shown = [item for name, item in entity_sets().items() if name not in hidden]
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        f'<edmx:Edmx Version="4.0" xmlns:edmx="{EDMX}">',
        "<edmx:DataServices>",
        f'<Schema Namespace="{NAMESPACE}" xmlns="{EDM}">',
        *_enum_types(),
        *(line for item in shown for line in _entity_type(item, hidden)),
        f"<EntityContainer Name={quoteattr(CONTAINER)}>",
        *(line for item in shown for line in _entity_set(item, hidden)),
        "</EntityContainer>",
        "</Schema>",
        "</edmx:DataServices>",
        "</edmx:Edmx>",
    ]
    return "\n".join(lines).encode()


def _enum_types() -> Iterator[str]:
    for name, members in enums().items():
        yield f"<EnumType Name={quoteattr(name)}>"
        yield from (f'<Member Name={quoteattr(member)} Value="{value}"/>' for value, member in enumerate(members))
        yield "</EnumType>"


def _entity_type(item: EntitySet, hidden: frozenset[str]) -> Iterator[str]:
    yield f"<EntityType Name={quoteattr(item.entity_type)}>"
    yield "<Key>"
    yield from (f"<PropertyRef Name={quoteattr(key)}/>" for key in item.keys)
    yield "</Key>"
    for field, kind in item.fields.items():
        yield f"<Property Name={quoteattr(field)} Type={quoteattr(_edm(kind))}{_nullable(item, field, kind)}/>"
    for navigation in navigations(item):
        if navigation.target.name not in hidden:
            target = f"{NAMESPACE}.{navigation.target.entity_type}"
            kind = f"Collection({target})" if navigation.many else target
            yield f"<NavigationProperty Name={quoteattr(navigation.name)} Type={quoteattr(kind)}/>"
    yield "</EntityType>"


def _edm(kind: str) -> str:
    return kind if kind.startswith("Edm.") else f"{NAMESPACE}.{kind}"


def _nullable(item: EntitySet, field: str, kind: str) -> str:
    """Nullability follows the type, not what must be filled: texts and enums may be null, keys and numbers may not."""
    free = kind in ("Edm.String", "Edm.Binary") or not kind.startswith("Edm.")
    return "" if free and field not in item.keys else ' Nullable="false"'


def _entity_set(item: EntitySet, hidden: frozenset[str]) -> Iterator[str]:
    yield f"<EntitySet Name={quoteattr(item.name)} EntityType={quoteattr(f'{NAMESPACE}.{item.entity_type}')}>"
    for navigation in navigations(item):
        if navigation.target.name not in hidden:
            yield f"<NavigationPropertyBinding Path={quoteattr(navigation.name)} Target={quoteattr(navigation.target.name)}/>"
    yield "</EntitySet>"

"""Reading `$metadata`: names and annotations, whatever surrounds them, and nothing that a document type could smuggle in."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.d365.metadata import document
from sandbox.d365.schema import entity_sets
from sync.d365.metadata import NotMetadata, read_metadata

TERM = "Microsoft.Dynamics.OData.Core.V1"


def edmx(inside: str, before: str = "") -> bytes:
    """An EDMX document with one set `Things` of the type `Thing`, and what else is in its schema."""
    return (
        f'<?xml version="1.0" encoding="utf-8"?>{before}<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx">'
        f'<edmx:DataServices><Schema Namespace="N.S" xmlns="http://docs.oasis-open.org/odata/ns/edm">{inside}'
        '<EntityContainer Name="Resources"><EntitySet Name="Things" EntityType="N.S.Thing"/></EntityContainer>'
        "</Schema></edmx:DataServices></edmx:Edmx>"
    ).encode()


def annotated(field: str, *notes: str) -> str:
    """A property with annotations."""
    inside = "".join(f'<Annotation Term="{TERM}.{note}"/>' for note in notes)
    return f'<Property Name="{field}" Type="Edm.String">{inside}</Property>'


def test_every_set_and_field_is_read() -> None:
    metadata = read_metadata(document(frozenset()))
    assert {name: set(fields) for name, fields in metadata.sets.items()} == {name: set(item.fields) for name, item in entity_sets().items()}
    assert all(metadata.required_fields(name) == () for name in metadata.sets), "without annotations nothing is required"


def test_hidden_sets_and_missing_fields_are_told_apart() -> None:
    metadata = read_metadata(document(frozenset({"PaymentTerms"})))
    assert "PaymentTerms" not in metadata.sets
    assert metadata.missing_fields("PaymentTerms", ("Name",)) == ()
    assert metadata.missing_fields("Ledgers", ("ChartOfAccounts", "Chart")) == ("Chart",)


def test_required_fields_are_those_that_a_client_may_fill() -> None:
    fields = (
        annotated("Plain"),
        annotated("Needed", 'IsRequired" Bool="true'),
        annotated("Tagged", "IsRequired"),
        annotated("NotNeeded", 'IsRequired" Bool="false'),
        annotated("Numbered", 'IsRequired" Bool="true', 'AllowEdit" Bool="false'),
    )
    metadata = read_metadata(edmx(f'<EntityType Name="Thing">{"".join(fields)}</EntityType>'))
    assert metadata.required_fields("Things") == ("Needed", "Tagged")


def test_annotations_beside_the_type_count_too() -> None:
    beside = f'<Annotations Target="N.S.Thing/Name"><Annotation Term="{TERM}.IsRequired" Bool="true"/></Annotations>'
    metadata = read_metadata(edmx(f'{beside}<EntityType Name="Thing"><Property Name="Name" Type="Edm.String"/></EntityType>'))
    assert metadata.required_fields("Things") == ("Name",)


def test_annotations_of_a_type_and_properties_of_complex_types_are_nobodys_field() -> None:
    complex_type = '<ComplexType Name="Other"><Property Name="Odd" Type="Edm.String"/></ComplexType>'
    note = f'<Annotation Term="{TERM}.IsRequired" Bool="true"/>'
    metadata = read_metadata(edmx(f'<EntityType Name="Thing">{annotated("Name")}{note}</EntityType>{complex_type}'))
    assert set(metadata.sets["Things"]) == {"Name"}
    assert metadata.required_fields("Things") == ()


def test_fields_of_base_types_are_fields_and_a_circle_of_types_ends() -> None:
    base = '<EntityType Name="Base" BaseType="N.S.Thing"><Property Name="Inherited" Type="Edm.String"/></EntityType>'
    metadata = read_metadata(edmx(f'{base}<EntityType Name="Thing" BaseType="N.S.Base">{annotated("Own")}</EntityType>'))
    assert set(metadata.sets["Things"]) == {"Own", "Inherited"}


@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE edmx [<!ENTITY a "b">]>',
        '<!DOCTYPE edmx SYSTEM "https://elsewhere.example/x.dtd">',
        '<!DOCTYPE edmx [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
    ],
)
def test_a_document_type_is_refused(declaration: str) -> None:
    with pytest.raises(NotMetadata, match="document type"):
        read_metadata(edmx('<EntityType Name="Thing"/>', before=declaration))


@pytest.mark.parametrize("body", [b"", b"{}", b"<html><body>busy</html>", b"<html/>", edmx("")[:-20]])
def test_what_is_no_metadata_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(NotMetadata):
        read_metadata(body)


@given(
    st.binary(max_size=300) | st.builds(lambda text, at: edmx("")[:at] + text + edmx("")[at:], st.binary(max_size=20), st.integers(0, 400))
)
def test_no_bytes_break_the_reader(body: bytes) -> None:
    with contextlib.suppress(NotMetadata):
        read_metadata(body)

"""A scrambled dialect is another one in every entry, its overrides make the connector speak it, and nothing of the shipped one is heard."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from sandbox.avid import AvidSwitches, AvidSystem
from sandbox.avid.dialect import Dialect
from sandbox.avid.dialects import TEXT_SECTIONS, leaves, overrides_between, scrambled_document, shipped_document
from sandbox.avid.switches import Auth
from sandbox.web import Request
from sync.avid.profile import shipped_profile
from sync.errors import FixConfiguration
from tests.avid.tenant import AUTHS, HOST, Tenant
from tests.support.dialects import speaking

pytestmark = pytest.mark.shipped_names("it makes its own dialects")

SEEDS = range(20)
SAME = {
    "values.failed_status": "there is none: the contract does not know it",
    **{f"lengths.{name}": "a number, not a name: the sandbox's AvidXchange has these lengths" for name in shipped_document()["lengths"]},
    **{f"capabilities.{name}": "yes or no: each has tests of its own" for name in shipped_document()["capabilities"]},
}
"""The entries that a scrambled dialect leaves as they are, and why."""


def texts(value: Any) -> Iterator[str]:
    yield from value if isinstance(value, list) else [str(value)]


@pytest.mark.parametrize("seed", SEEDS)
def test_every_entry_is_another_one(seed: int) -> None:
    shipped, spoken = shipped_document(), scrambled_document(seed)
    named = dict(leaves(spoken))
    for name, value in leaves({section: entries for section, entries in shipped.items() if section not in TEXT_SECTIONS}):
        assert (name in SAME) == (named[name] == value), name
        if name not in SAME:
            assert not {text.casefold() for text in texts(value)} & {text.casefold() for text in texts(named[name])}, name
    for section in TEXT_SECTIONS:
        assert not shipped[section].keys() & spoken[section].keys(), "AvidXchange's texts are the keys here"
        assert [*shipped[section].values()] == [*spoken[section].values()], "what they mean is the connector's own word"


def test_no_text_of_the_shipped_dialect_is_a_text_of_the_scrambled_one() -> None:
    """Not even that of another entry: so that no name can be right by chance."""
    known = {text for _, value in leaves(shipped_document()) if isinstance(value, (str, list)) for text in texts(value)}
    for seed in SEEDS:
        spoken = {name: value for name, value in scrambled_document(seed).items() if name not in (*TEXT_SECTIONS, "verbs")}
        assert not known & {text for _, value in leaves(spoken) if isinstance(value, (str, list)) for text in texts(value)} - {""}


def test_names_of_a_dialect_differ_from_resource_to_resource_and_lie_deeper_or_shallower() -> None:
    fields, shipped = scrambled_document(1)["fields"], shipped_document()["fields"]
    assert shipped["vendor"]["accounting_system"] == shipped["code"]["accounting_system"]
    assert fields["vendor"]["accounting_system"] != fields["code"]["accounting_system"]
    depths = {(shipped[section][entry].count("."), name.count(".")) for section, names in fields.items() for entry, name in names.items()}
    assert any(before < after for before, after in depths)
    assert any(before > after for before, after in depths)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_overrides_make_the_shipped_profile_the_scrambled_one(seed: int) -> None:
    document = scrambled_document(seed)
    profile = shipped_profile().with_overrides(Dialect(document).overrides)
    told = json.loads(profile.model_dump_json())
    for section in TEXT_SECTIONS:
        told[section] = {text: meaning for text, meaning in told[section].items() if meaning != "unknown"}
    assert told == document


def test_a_seed_gives_the_same_dialect_and_no_two_seeds_do() -> None:
    assert scrambled_document(1) == scrambled_document(1) != scrambled_document(2)
    assert overrides_between(shipped_document(), shipped_document()).keys() == {
        f"{section}.{text}" for section in TEXT_SECTIONS for text in shipped_document()[section]
    }


@pytest.mark.parametrize("auth", AUTHS)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_connector_is_understood_in_any_dialect(seed: int, auth: Auth) -> None:
    with speaking(Dialect.scrambled(seed)):
        tenant = Tenant(AvidSwitches(auth=auth))
    assert tenant.read() == 2
    assert [exchange.status for exchange in tenant.network.requests()] == [200] * len(tenant.sent)


@pytest.mark.parametrize("auth", AUTHS)
def test_a_connector_of_the_shipped_dialect_is_not_understood(auth: Auth) -> None:
    tenant = Tenant(AvidSwitches(auth=auth))
    tenant.network.mount(HOST, AvidSystem(tenant.world), Dialect.scrambled(1))
    with pytest.raises(FixConfiguration):
        tenant.read()
    assert all("not-in-this-dialect" in exchange.target for exchange in tenant.network.requests(HOST))


PLAIN: list[tuple[str, str, Mapping[str, str], bytes]] = [
    ("GET", "/vendors", {"acctgSysId": "12"}, b""),
    ("POST", "/vendors", {}, b"[]"),
    ("GET", "/payments", {"paymentIds": "1"}, b""),
]


@pytest.mark.parametrize(("method", "path", "query", "body"), PLAIN)
def test_a_plain_path_leads_nowhere(method: str, path: str, query: Mapping[str, str], body: bytes) -> None:
    heard, _ = Dialect.scrambled(1).heard(Request(method, "avid.example", f"/v1{path}", {}, body))
    assert heard.path.startswith("/v1/not-in-this-dialect")


def test_a_plain_name_in_a_spoken_place_is_refused() -> None:
    dialect = Dialect.scrambled(1)
    paths, verbs, envelope = (dialect.spoken[section] for section in ("paths", "verbs", "envelope"))
    for request in (
        Request("GET", "avid.example", f"/v1{paths['vendors']}?acctgSysId=12"),
        Request("GET", "avid.example", f"/v1{paths['vendors']}?paymentIds=12"),
        Request("POST", "avid.example", f"/v1{paths['vendor_upsert']}", {}, json.dumps({envelope["sent_vendors"]: []}).encode()),
        Request(verbs["vendor_upsert"], "avid.example", f"/v1{paths['vendor_upsert']}", {}, b"[]"),
        Request(
            verbs["vendor_upsert"],
            "avid.example",
            f"/v1{paths['vendor_upsert']}",
            {},
            json.dumps({envelope["sent_vendors"]: [{"VendorName": "x"}]}).encode(),
        ),
        Request(verbs["acknowledgement"], "avid.example", f"/v1{paths['acknowledgement']}", {}, b'{"BatchId": "g"}'),
    ):
        assert dialect.heard(request)[0].path.startswith("/v1/not-in-this-dialect"), request
    heard, _ = dialect.heard(Request("GET", "avid.example", f"/v1{paths['accounting_systems']}", {"companytoken": "x", "accept": "*/*"}))
    assert heard.headers == {"accept": "*/*"}

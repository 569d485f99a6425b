"""Bad input of every kind: the error names the field and the remedy, the rest goes on, nothing is lost."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from sandbox.avid import AvidSystem
from sandbox.d365 import D365
from sandbox.faults import Fault
from sandbox.place import Place, utc_now
from sandbox.simulator.deployment import Deployment
from sandbox.web import Request, Response, System
from sandbox.worlds.contoso import build_contoso
from sandbox.worlds.model import World
from sandbox.worlds.property_firm import PropertyFirmSize
from sandbox.worlds.truth import compare
from sync.engine.cases import case_places
from sync.errors import FixConfiguration
from sync.ledger.model import Failure, State
from sync.storage.model import Row, Upsert, Value
from sync.storage.names import CONNECTIONS, RECORD_RETRIES, REPLAYS, STAGE_RUNS
from tests.proof import place as places
from tests.proof.virtual import Document, assert_truths_agree, deployed_contoso, deployed_firm, failures, record, run

HEADERS = "VendorInvoiceHeaders"


def two_customers() -> tuple[Deployment, World, World]:
    """The firm and Contoso in one deployment; nothing has run yet."""
    deployment, firm = deployed_firm(size=PropertyFirmSize.small())
    contoso = build_contoso(deployment.clock.now(), now=deployment.clock.now)
    deployment.add(contoso)
    return deployment, firm, contoso


def stage_failures(deployment: Deployment, connection: str) -> list[Failure]:
    return [found for found in failures(deployment) if (found.place.connection, found.cause.code) == (connection, "stage-failed")]


# --- the connection document -----------------------------------------------------------------------------------------------------


def without_scheme(document: Document) -> None:
    document["d365"]["environment_url"] = "contoso-usmf.operations.dynamics.com/"


def without_journal(document: Document) -> None:
    del document["companies"][0]["payment_journal"]


def with_a_mistyped_key(document: Document) -> None:
    document["polices"] = {}


def with_a_system_twice(document: Document) -> None:
    document["companies"].append({**document["companies"][0], "id": "usm2", "bank_client_ids": []})


def with_a_bad_settle_time(document: Document) -> None:
    document["policies"] = {"unknown_settle_minutes": 1, "d365_read_timeout_seconds": 120}


MALFORMED: dict[str, tuple[Callable[[Document], None], str]] = {
    "environment_url": (without_scheme, r"d365\.environment_url: write it as https://"),
    "payment_journal": (without_journal, r"companies\.0\.payment_journal: Field required"),
    "a mistyped key": (with_a_mistyped_key, r"polices: "),
    "accounting_system": (with_a_system_twice, r"companies\.accounting_system: 3001 stands twice"),
    "settle time": (with_a_bad_settle_time, r"unknown_settle_minutes must be longer than d365_read_timeout_seconds"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_document_is_refused_with_the_field_and_what_to_write(name: str) -> None:
    change, sentence = MALFORMED[name]
    deployment, world = deployed_contoso()
    with pytest.raises(FixConfiguration, match=sentence):
        deployment.amend(world, change)


def test_a_malformed_document_in_the_table_is_a_failure_of_its_own_and_the_others_go_on() -> None:
    deployment, firm, _ = two_customers()
    stored = deployment.worker().connections.read("contoso")
    assert stored is not None
    broken: dict[str, Value] = {"Parts": 1, "Document0": stored.text.replace('"start_from"', '"start_form"')}
    deployment.storage.tables.commit(CONNECTIONS, "connections", [Upsert(Row("connections", "contoso", broken))])
    run(deployment)
    assert compare(firm).agrees
    app = deployment.worker()
    [found] = [item for item in app.connections.list() if item.connection is None]
    assert "start_from: Field required" in found.error
    shown = [failure for place in case_places("contoso") for failure in app.ledger.failures(place)]
    assert ["start_from: Field required" in failure.cause.sentence for failure in shown] == [True]

    app.connections.put(stored.text)
    run(deployment)
    assert_truths_agree(deployment)
    assert stage_failures(deployment, "contoso") == []


def test_a_company_that_d365_does_not_have_is_named_and_the_others_go_on() -> None:
    deployment, firm, contoso = two_customers()
    deployment.amend(firm, lambda document: document["companies"][0].update(id="tqx"))
    run(deployment)
    assert compare(contoso).agrees
    named = [failure.cause for failure in stage_failures(deployment, "thornquill") if "tqx" in failure.cause.sentence.lower()]
    assert named
    assert all("companies" in cause.field or "companies" in cause.sentence for cause in named), [cause.sentence for cause in named]
    assert not any(row["dataAreaId"] == "tqe" and not str(row["HeaderReference"]).startswith("HAND") for row in firm.d365.rows(HEADERS))

    deployment.amend(firm, lambda document: document["companies"][0].update(id="tqe"))
    run(deployment)
    assert_truths_agree(deployment)
    assert stage_failures(deployment, "thornquill") == []


# --- secrets ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["thornquill-d365-client-secret", "thornquill-avid-user-token"])
def test_a_missing_secret_is_named_and_the_others_go_on(name: str) -> None:
    deployment, firm, contoso = two_customers()
    value = deployment.secrets.values.pop(name)
    run(deployment)
    assert compare(contoso).agrees
    found = stage_failures(deployment, "thornquill")
    assert found
    assert {failure.cause.field for failure in found} == {name}
    assert all(name in failure.cause.sentence for failure in found)
    assert (firm.d365.writes, firm.avid.writes) == ([], [])

    deployment.secrets.values[name] = value
    run(deployment)
    assert_truths_agree(deployment)
    assert stage_failures(deployment, "thornquill") == []


@pytest.mark.slow
def test_a_vault_that_cannot_be_reached_delays_everything_and_loses_nothing() -> None:
    with Place(every_seconds=2) as place:
        world = build_contoso(utc_now(), now=utc_now)
        places.add_customer(place, world, **places.SOON)
        place.network.faults.add(Fault("refuse_connection", host=place.vault.host, times=1_000_000))
        runner = place.start_runner("--visibility", "60")
        places.wait_until(lambda: len(errors(place)) == 3, "every stage that can begin says why it does not")
        for sentence in errors(place):
            assert f"https://{place.vault.host}" in sentence
            assert "it is asked again later" in sentence
        assert (world.d365.writes, world.avid.writes) == ([], [])

        place.network.faults.clear()
        places.wait_until(lambda: compare(world).agrees, "it goes on by itself")
        places.stop(runner)
        places.assert_truths_agree(place)


def errors(place: Place) -> list[str]:
    """The last error of every stage."""
    return [progress.last_error for progress in places.progress(place, "contoso") if "vault" in progress.last_error]


# --- queue messages --------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_message_that_is_no_json_ends_in_the_failures_with_its_body() -> None:
    bodies = {STAGE_RUNS: "this is {no JSON", RECORD_RETRIES: '{"connection": "contoso"}', REPLAYS: "null"}
    with Place() as place:
        world = build_contoso(utc_now(), now=utc_now)
        places.add_customer(place, world, **places.SOON)
        ports = places.ports_of(place)
        for queue, body in bodies.items():
            ports.queues.put(queue, body)
        places.run_until_idle(place)
        places.assert_truths_agree(place)

        listed = json.loads(place.sync("failures", "--cause", "poison", "--json").stdout)
        found = {group["subject"]: (group["connection"], example) for group in listed["groups"] for example in group["examples"]}
        assert {subject: example["body"] for subject, (_, example) in found.items()} == {
            f"queue {queue}": body for queue, body in bodies.items()
        }
        shown = place.sync("failures", "--cause", "poison").stdout
        assert all(f"body: {body}" in shown for body in bodies.values())
        for owner, example in found.values():
            place.sync("resolve", owner, "--record", example["key"], "--as", "ignored", "--reason", "a proof", "--yes")
        assert json.loads(place.sync("failures", "--cause", "poison", "--json").stdout)["groups"] == []


# --- rows ------------------------------------------------------------------------------------------------------------------------


@dataclass
class Garbling:
    """A system whose answers have a text replaced, until it is mended."""

    system: System
    path: str
    good: bytes
    bad: bytes
    times: int = 0
    mended: bool = False

    def handle(self, request: Request) -> Response:
        """The system's answer, garbled."""
        response = self.system.handle(request)
        if self.mended or self.path not in request.target or self.good not in response.body:
            return response
        self.times += 1
        return replace(response, body=response.body.replace(self.good, self.bad))


def test_a_vendor_without_a_name_is_parked_and_the_rest_goes_on() -> None:
    deployment, world = deployed_contoso()
    garbled = Garbling(D365(world.d365, deployment.entra), "/VendorsV3", b'"Fabrikam Electronics"', b"null")
    deployment.network.mount(world.d365.host, garbled)
    run(deployment)
    assert garbled.times
    assert (3001, "US-101") not in world.avid.vendors
    assert len(world.avid.vendors) == 8
    [failure] = [failure for failure in failures(deployment) if failure.place.stage == "vendors"]
    assert "US-101" in failure.label
    assert "name" in failure.cause.sentence.lower()
    assert len(world.d365.rows(HEADERS)) == 4, "invoices do not wait for one vendor"

    garbled.mended = True
    run(deployment)
    assert_truths_agree(deployment)
    assert [failure for failure in failures(deployment) if failure.place.stage == "vendors"] == []


def test_an_invoice_with_text_as_its_amount_is_parked_and_the_rest_goes_on() -> None:
    deployment, world = deployed_contoso()
    deployment.network.mount(world.avid.host, Wording(AvidSystem(world.avid)))
    run(deployment)
    noted = record(deployment, "invoices", 9001)
    assert noted.state is State.PARKED
    [cause] = noted.causes
    assert "GrossAmount" in (cause.field, cause.sentence)
    assert world.d365.find(HEADERS, InvoiceNumber="AO-20417") == []
    assert len(world.d365.rows(HEADERS)) == 3, "the others of its batch are written"
    assert len(world.avid.acknowledgements) == 1


@dataclass
class Wording:
    """AvidXchange with words where the amount of one invoice should be."""

    system: AvidSystem

    def handle(self, request: Request) -> Response:
        """The answer with a text where a number should be."""
        response = self.system.handle(request)
        if "/fullDetails" not in request.target:
            return response
        document = json.loads(response.body)
        for item in invoices_in(document):
            if item["Id"] == 9001:
                item["GrossAmount"] = "about 184"
        return replace(response, body=json.dumps(document).encode())


def invoices_in(document: object) -> list[Document]:
    """The invoices of a batch's details, however they are wrapped."""
    if isinstance(document, list):
        return [item for each in document for item in invoices_in(each)]
    if not isinstance(document, dict):
        return []
    own = [document] if "GrossAmount" in document else []
    return own + [item for each in document.values() for item in invoices_in(each)]


def test_what_d365_refuses_is_parked_in_its_own_words_and_leaves_no_half_document() -> None:
    deployment, world = deployed_contoso()
    deployment.network.mount(world.d365.host, Closing(D365(world.d365, deployment.entra)))
    run(deployment)
    noted = record(deployment, "invoices", 9001)
    assert noted.state is State.PARKED
    [cause] = noted.causes
    assert cause.code == "refused"
    assert "606300" in cause.sentence
    assert "it is suspended" in cause.sentence
    assert world.d365.find(HEADERS, InvoiceNumber="AO-20417") == [], "its header was a draft of ours and is taken back"
    assert len(world.avid.acknowledgements) == 1


class Closing:
    """D365 in which an account is suspended in the moment between an invoice's header and its lines."""

    def __init__(self, system: D365) -> None:
        self._system = system

    def handle(self, request: Request) -> Response:
        """Answer, then suspend."""
        response = self._system.handle(request)
        if request.method == "POST" and request.path == f"/data/{HEADERS}" and b"AO-20417" in request.body:
            world = self._system.world
            world.change("MainAccounts", {"ChartOfAccounts": "Shared", "MainAccountId": "606300"}, IsSuspended="Yes")
        return response

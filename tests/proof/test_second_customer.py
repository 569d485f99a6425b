"""Customers are added while the app runs: each is served, and one with a wrong secret fails alone, loudly."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from sandbox.place import Place, utc_now
from sandbox.worlds.connection import connection_document
from sandbox.worlds.contoso import build_contoso
from sandbox.worlds.model import World
from sandbox.worlds.property_firm import PropertyFirmSize
from sandbox.worlds.truth import compare
from sync.ledger.model import Failure
from tests.proof.place import SOON, add_customer, assert_truths_agree, failures, firm, start_logged, stop, wait_until

SECRET = "wingtip-d365-client-secret"


def wingtip() -> World:
    """A third customer: Contoso's data under other names, in another tenant, at other hosts."""
    world = build_contoso(utc_now(), now=utc_now)
    world.d365.environment_url = "https://wingtip.operations.dynamics.com"
    world.d365.tenant = "3f9a7c10-24b1-4d0f-8b6e-7a5d9c1e2b44"
    world.avid.host = "avidconnect.wingtip.example"
    world.avid.company_token, world.avid.user_token = "wingtip-company-token", "wingtip-user-token"
    world.connection.update(
        {
            "id": "wingtip",
            "name": "Wingtip",
            "tenant": world.d365.tenant,
            "environment_url": world.d365.environment_url,
            "client_secret": "wingtip-client-secret-value",
            "avid_host": world.avid.host,
            "company_token": world.avid.company_token,
            "user_token": world.avid.user_token,
        }
    )
    return world


@pytest.mark.slow
def test_customers_are_added_while_the_app_runs_and_a_wrong_secret_fails_alone(tmp_path: Path) -> None:
    first, second, third = firm(size=PropertyFirmSize.small()), build_contoso(utc_now(), now=utc_now), wingtip()
    log = tmp_path / "runner.log"
    with Place(every_seconds=2) as place:
        add_customer(place, first, **SOON)
        runner = start_logged(place, log, "--visibility", "60")
        wait_until(lambda: compare(first).agrees, "the first customer is served")

        add_by_command(place, tmp_path, second)
        wait_until(lambda: compare(second).agrees, "the second customer is served")

        third_vault_value = third.connection["client_secret"]
        add_by_command(place, tmp_path, third)
        place.vault.set(SECRET, "mistyped-secret-value")
        wait_until(lambda: len(loud(place)) == 3, "every stage of the third customer that can begin says what is wrong")
        assert {failure.cause.field for failure in loud(place)} == {"d365.sign_in"}
        assert all("client secret is wrong" in failure.cause.sentence for failure in loud(place))
        assert (third.d365.writes, third.avid.writes) == ([], [])

        since = datetime.now(UTC)
        rename_a_vendor(first)
        rename_a_vendor(second)
        wait_until(lambda: compare(first).agrees and compare(second).agrees, "the others go on")
        assert {failure.place.connection for failure in failures(place) if failure.cause.code == "stage-failed"} == {"wingtip"}
        assert place.network.between(since, datetime.now(UTC), host=first.d365.host)

        place.vault.set(SECRET, third_vault_value)
        wait_until(lambda: compare(third).agrees, "the mended secret is used without a restart")
        wait_until(lambda: loud(place) == [], "what failed is not in the list any more")
        stop(runner)
        assert_truths_agree(place)
        assert_no_secret(place, log, first, second, third)


def add_by_command(place: Place, folder: Path, world: World) -> None:
    """Let a customer's systems answer, then add it as an operator does."""
    place.mount(world)
    document = folder / f"{world.connection['id']}.json"
    document.write_text(json.dumps(connection_document(world.connection, **SOON), default=str))
    assert world.connection["id"] in place.sync("connections", "add", str(document)).stdout


def loud(place: Place) -> list[Failure]:
    return [failure for failure in failures(place) if failure.place.connection == "wingtip" and failure.cause.code == "stage-failed"]


def rename_a_vendor(world: World) -> None:
    row = next(row for row in world.d365.rows("VendorsV3") if row["OnHoldStatus"] == "No" and row["VendorOrganizationName"])
    key = {"dataAreaId": row.text("dataAreaId"), "VendorAccountNumber": row.text("VendorAccountNumber")}
    world.d365.change("VendorsV3", key, VendorOrganizationName=f"{row['VendorOrganizationName']} (new owners)")


def assert_no_secret(place: Place, log: Path, *worlds: World) -> None:
    """No value of a secret, no token and no header in any log line, table, queue or blob."""
    found = log.read_text() + everything_stored(place.environment["AzureWebJobsStorage"])
    assert SECRET in found, "the names of secrets are no secrets"
    values = [world.connection[name] for world in worlds for name in ("client_secret", "company_token", "user_token")]
    for value in (*values, "mistyped-secret-value", "eyJ", "Bearer "):
        assert value not in found.replace(SECRET, ""), value


def everything_stored(connection_string: str) -> str:
    """Every row, waiting message and blob of an account, as text."""
    with TableServiceClient.from_connection_string(connection_string) as tables:
        rows = [str(dict(row)) for table in tables.list_tables() for row in tables.get_table_client(table.name).list_entities()]
    with QueueServiceClient.from_connection_string(connection_string) as queues:
        bodies = [
            base64.b64decode(str(message.content)).decode()
            for queue in queues.list_queues()
            for message in queues.get_queue_client(str(queue.name)).peek_messages(max_messages=32)
        ]
    with BlobServiceClient.from_connection_string(connection_string) as blobs:
        clients = [
            blobs.get_blob_client(str(container.name), blob.name)
            for container in blobs.list_containers()
            for blob in blobs.get_container_client(str(container.name)).list_blobs()
        ]
        texts = [client.download_blob().readall().decode(errors="replace") for client in clients]
    return "\n".join([*rows, *bodies, *texts])

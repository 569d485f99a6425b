"""One storage account of each kind, so that every promise is kept by both."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import pytest
from azure.storage.queue import QueueClient, TextBase64DecodePolicy

from sandbox.place import utc_now
from sandbox.storage import LocalStorage
from sync.storage.azure import open_storage
from sync.storage.model import Blobs, Queues, Tables
from tests.storage.support import HandClock


@dataclass
class Account:
    """A table, a queue and a container that nobody else uses."""

    tables: Tables
    queues: Queues
    blobs: Blobs
    name: str
    receive: Callable[[], str | None]
    """The body of the next visible message, which is taken for a minute."""
    now: Callable[[], datetime]
    """The time by which the account lives."""


@pytest.fixture(params=["local", "azurite"])
def account(request: pytest.FixtureRequest, unique_prefix: str) -> Iterator[Account]:
    """An account over the local storage, then over Azurite."""
    if request.param == "local":
        yield local_account(unique_prefix)
    else:
        yield azurite_account(request.getfixturevalue("azurite"), unique_prefix)


def local_account(name: str) -> Account:
    storage = LocalStorage(HandClock())
    for service in (storage.tables, storage.queues, storage.blobs):
        service.create(name)

    def receive() -> str | None:
        message = storage.queues.receive(name, 60)
        return message.body if message else None

    return Account(storage.tables, storage.queues, storage.blobs, name, receive, storage.clock.now)


def azurite_account(connection_string: str, name: str) -> Account:
    storage = open_storage(connection_string=connection_string)
    for service in (storage.tables, storage.queues, storage.blobs):
        service.create(name)

    def receive() -> str | None:
        with QueueClient.from_connection_string(connection_string, name, message_decode_policy=TextBase64DecodePolicy()) as client:
            message = client.receive_message(visibility_timeout=60)
        return str(message.content) if message else None

    return Account(storage.tables, storage.queues, storage.blobs, name, receive, utc_now)

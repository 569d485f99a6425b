"""What a runner relies on when it receives: visibility, receipts, dequeue counts. The local storage and Azurite behave alike."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.queue import QueueClient, QueueMessage

from sandbox.storage import LocalStorage, Message
from sync.errors import StorageConflict
from tests.storage.support import HandClock

SHORT = 1
"""Seconds of visibility, and a little more to wait for its end."""
PASSED = 1.3


class ReceiptLost(Exception):
    """The message is gone, or another received it."""


@dataclass(frozen=True)
class Taken:
    """A received message: its text, how often it was received, and what it is updated and deleted by."""

    body: str
    count: int
    held: Message | QueueMessage


class Queue(Protocol):
    """One queue, empty at first."""

    def put(self, body: str) -> None: ...

    def receive(self, visibility: int) -> Taken | None: ...

    def update(self, taken: Taken, visibility: int) -> Taken: ...

    def delete(self, taken: Taken) -> None: ...

    def wait(self, seconds: float) -> None: ...


class LocalQueue:
    """A queue of the local storage."""

    def __init__(self) -> None:
        self._clock = HandClock()
        self._queues = LocalStorage(self._clock).queues
        self._queues.create("q")

    def put(self, body: str) -> None:
        self._queues.put("q", body)

    def receive(self, visibility: int) -> Taken | None:
        message = self._queues.receive("q", visibility)
        return None if message is None else Taken(message.body, message.dequeue_count, message)

    def update(self, taken: Taken, visibility: int) -> Taken:
        assert isinstance(taken.held, Message)
        with losing():
            kept = self._queues.update("q", taken.held, visibility)
        return Taken(kept.body, kept.dequeue_count, kept)

    def delete(self, taken: Taken) -> None:
        assert isinstance(taken.held, Message)
        with losing():
            self._queues.delete("q", taken.held)

    def wait(self, seconds: float) -> None:
        self._clock.forward(seconds)


class AzuriteQueue:
    """A queue of Azurite."""

    def __init__(self, client: QueueClient) -> None:
        self._client = client
        client.create_queue()

    def put(self, body: str) -> None:
        self._client.send_message(body)

    def receive(self, visibility: int) -> Taken | None:
        message = self._client.receive_message(visibility_timeout=visibility)
        return None if message is None else Taken(str(message.content), message.dequeue_count or 0, message)

    def update(self, taken: Taken, visibility: int) -> Taken:
        assert isinstance(taken.held, QueueMessage)
        with losing():
            kept = self._client.update_message(taken.held.id, taken.held.pop_receipt, visibility_timeout=visibility)
        held = QueueMessage(content=taken.body, id=taken.held.id, pop_receipt=kept.pop_receipt)
        return Taken(taken.body, taken.count, held)

    def delete(self, taken: Taken) -> None:
        assert isinstance(taken.held, QueueMessage)
        with losing():
            self._client.delete_message(taken.held.id, taken.held.pop_receipt)

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)


@contextmanager
def losing() -> Iterator[None]:
    """Both ways of saying that a receipt is not good any more."""
    try:
        yield
    except StorageConflict as error:
        raise ReceiptLost from error
    except HttpResponseError as error:
        if error.status_code not in (400, 404):
            raise
        raise ReceiptLost from error


@pytest.fixture(params=["local", "azurite"])
def queue(request: pytest.FixtureRequest, unique_prefix: str) -> Iterator[Queue]:
    """A queue of the local storage, then of Azurite."""
    if request.param == "local":
        yield LocalQueue()
        return
    with QueueClient.from_connection_string(request.getfixturevalue("azurite"), unique_prefix) as client:
        yield AzuriteQueue(client)


def received(queue: Queue, visibility: int = 60) -> Taken:
    taken = queue.receive(visibility)
    assert taken is not None
    return taken


def test_a_message_that_nobody_deletes_comes_back_and_counts(queue: Queue) -> None:
    queue.put("a")
    assert received(queue, SHORT).count == 1
    assert queue.receive(SHORT) is None, "it is hidden"
    queue.wait(PASSED)
    again = received(queue)
    assert (again.body, again.count) == ("a", 2)


def test_who_lost_the_message_to_another_can_neither_delete_nor_keep_it(queue: Queue) -> None:
    queue.put("a")
    lost = received(queue, SHORT)
    queue.wait(PASSED)
    others = received(queue)
    with pytest.raises(ReceiptLost):
        queue.delete(lost)
    with pytest.raises(ReceiptLost):
        queue.update(lost, 60)
    queue.delete(others)
    with pytest.raises(ReceiptLost):
        queue.delete(others)
    assert queue.receive(SHORT) is None


def test_a_receipt_outlives_the_visibility_as_long_as_nobody_else_received_the_message(queue: Queue) -> None:
    queue.put("a")
    late = received(queue, SHORT)
    queue.wait(PASSED)
    queue.delete(late)
    assert queue.receive(SHORT) is None


def test_a_message_is_kept_hidden_under_a_new_receipt(queue: Queue) -> None:
    queue.put("a")
    first = received(queue, SHORT)
    kept = queue.update(first, 60)
    queue.wait(PASSED)
    assert queue.receive(SHORT) is None
    with pytest.raises(ReceiptLost):
        queue.delete(first)
    queue.delete(kept)


def test_a_message_that_is_given_back_is_there_at_once(queue: Queue) -> None:
    queue.put("a")
    queue.update(received(queue), 0)
    assert received(queue).count == 2


def test_messages_are_taken_one_by_one_and_none_twice(queue: Queue) -> None:
    for body in ("a", "b", "c"):
        queue.put(body)
    assert sorted(received(queue).body for _ in range(3)) == ["a", "b", "c"]
    assert queue.receive(SHORT) is None

"""One queue trigger, as the host runs it: receive a batch, invoke, then delete, give back or move to the poison queue.

- A message is hidden for `visibility` seconds when it is received and again at every half of that, while its function runs.
- At maxDequeueCount a failure moves it to `<queue>-poison`; above that it moves without being invoked; what is no base64 moves at once.
- A queue named …-poison has no poison queue: what fails there stays hidden until its visibility ends, and comes back.
- A receipt that was lost in the meantime is no error: another copy of the message runs, or has run.
"""

import base64
import binascii
import json
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.functions.meta import Datum
from azure.storage.queue import QueueClient, QueueMessage

from sandbox.runner.functions import Function
from sandbox.runner.host import QueueRules
from sandbox.runner.invocations import Invocations

POISON_SECONDS: Final = 7 * 24 * 60 * 60
"""The host's own poison copies live this long."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
"""Seconds between two looks at an empty queue. The host waits up to a minute to save requests; here nobody pays for them."""


@dataclass
class Held:
    """A received message and the newest receipt for it. `lock` guards the receipt; `done` ends its renewals."""

    message: QueueMessage
    renewed_at: float
    done: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


class QueueListener:
    """Receives for one function. `poison` is None for a queue that has no poison queue."""

    def __init__(
        self,
        function: Function,
        queue: QueueClient,
        poison: QueueClient | None,
        rules: QueueRules,
        visibility: int,
        invocations: Invocations,
    ) -> None:
        self._function = function
        self._queue = queue
        self._poison = poison
        self._rules = rules
        self._visibility = visibility
        self._invocations = invocations
        self._held: list[Held] = []

    @property
    def waiting(self) -> int:
        """How many messages the queue holds, hidden ones too; 0 when the queue does not exist."""
        try:
            return self._queue.get_queue_properties().approximate_message_count or 0
        except ResourceNotFoundError:
            return 0

    def listen(self, stop: threading.Event) -> None:
        """Receive and start messages until `stop` is set. What was started goes on."""
        pause = FIRST_PAUSE
        while not stop.is_set():
            seen = self._invocations.ended
            if len(self._held) > self._rules.new_batch_threshold:
                self._invocations.wait(seen, LONGEST_PAUSE)
                continue
            received = self._receive()
            for message in received:
                held = Held(message, time.monotonic())
                self._held.append(held)
                self._invocations.submit(self._function.name, partial(self._process, held))
            pause = FIRST_PAUSE if received else min(pause * 2, LONGEST_PAUSE, self._rules.max_polling_interval.total_seconds())
            if not received:
                self._invocations.wait(seen, pause)

    def renew(self, stopped: threading.Event) -> None:
        """Keep what is being worked on hidden, until `stopped` is set."""
        while not stopped.wait(min(1.0, self._visibility / 8)):
            for held in list(self._held):
                with held.lock:
                    if not held.done and time.monotonic() - held.renewed_at >= self._visibility / 2:
                        self._renew_one(held)

    def _renew_one(self, held: Held) -> None:
        """One that cannot be renewed now is tried again at the next look; the others go on."""
        try:
            self._hide(held, self._visibility)
        except AzureError as error:
            self._say(f"message {held.message.id} could not be kept hidden: {error}")

    def _receive(self) -> list[QueueMessage]:
        size = self._rules.batch_size
        try:
            return list(self._queue.receive_messages(max_messages=size, messages_per_page=size, visibility_timeout=self._visibility))
        except ResourceNotFoundError:
            return []
        except AzureError as error:
            self._say(f"could not be read: {error}")
            return []

    def _process(self, held: Held) -> None:
        """The whole life of one received message. Raises what the function raised, after the message was dealt with."""
        try:
            self._work_on(held)
        except BaseException:
            self._failed(held)
            raise
        finally:
            with held.lock:
                held.done = True
            self._held.remove(held)

    def _work_on(self, held: Held) -> None:
        message = held.message
        try:
            body = self._decoded(str(message.content))
        except (binascii.Error, ValueError):
            self._say(f"message {message.id} is not base64")
            self._move_to_poison(held, str(message.content).encode())
            return
        if self._poison is not None and (message.dequeue_count or 0) > self._rules.max_dequeue_count:
            self._move_to_poison(held, body)
            return
        self._function.invoke(_datum(body), _metadata(message))
        self._delete(held)

    def _failed(self, held: Held) -> None:
        if self._poison is None:
            return
        if (held.message.dequeue_count or 0) >= self._rules.max_dequeue_count:
            self._move_to_poison(held, self._decoded(str(held.message.content)))
            return
        with held.lock:
            self._hide(held, int(self._rules.visibility_timeout.total_seconds()))

    def _decoded(self, content: str) -> bytes:
        return base64.b64decode(content, validate=True) if self._rules.encoded else content.encode()

    def _move_to_poison(self, held: Held, body: bytes) -> None:
        if self._poison is None:
            return
        with suppress(ResourceExistsError):
            self._poison.create_queue()
        content = base64.b64encode(body).decode() if self._rules.encoded else body.decode()
        self._poison.send_message(content, time_to_live=POISON_SECONDS)
        self._say(f"message {held.message.id} was moved to {self._poison.queue_name}")
        self._delete(held)

    def _hide(self, held: Held, seconds: int) -> None:
        """Hide the message for that long from now (0: show it). Call it with the lock held."""
        try:
            updated = self._queue.update_message(held.message.id, held.message.pop_receipt, visibility_timeout=seconds)
        except HttpResponseError as error:
            if not _receipt_lost(error):
                raise
            held.done = True
        else:
            held.message.pop_receipt = updated.pop_receipt
            held.renewed_at = time.monotonic()

    def _delete(self, held: Held) -> None:
        with held.lock:
            held.done = True
            try:
                self._queue.delete_message(held.message.id, held.message.pop_receipt)
            except HttpResponseError as error:
                if not _receipt_lost(error):
                    raise

    def _say(self, text: str) -> None:
        print(f"{self._queue.queue_name}: {text}", file=sys.stderr, flush=True)


def _receipt_lost(error: HttpResponseError) -> bool:
    """Whether the message is gone, or was received again by somebody else."""
    return error.status_code == 404 or str(getattr(error, "error_code", "")) in ("PopReceiptMismatch", "MessageNotFound")


def _datum(body: bytes) -> Datum:
    try:
        return Datum(body.decode(), "string")
    except UnicodeDecodeError:
        return Datum(body, "bytes")


def _metadata(message: QueueMessage) -> dict[str, Datum]:
    """The trigger metadata of a queue message, in the form in which the host sends it."""
    values: dict[str, str | int] = {"Id": message.id, "DequeueCount": message.dequeue_count or 0, "PopReceipt": str(message.pop_receipt)}
    times = {"InsertionTime": message.inserted_on, "ExpirationTime": message.expires_on, "NextVisibleTime": message.next_visible_on}
    values.update({name: moment.isoformat() for name, moment in times.items() if isinstance(moment, datetime)})
    return {name: Datum(json.dumps(value), "json") for name, value in values.items()}

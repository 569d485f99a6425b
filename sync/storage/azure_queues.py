"""Azure Queue Storage behind `sync.storage.model.Queues`: one attempt per call, `sync/storage/patient.py` retries."""

import math
from typing import Final

from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueClient, QueueServiceClient, TextBase64EncodePolicy

from sync.storage.azure_errors import speaking
from sync.storage.limits import check_message

NEVER_EXPIRES: Final = -1
"""The service's default time-to-live is 7 days: silent loss."""


class AzureQueues:
    """See `sync.storage.model.Queues`. Messages are base64, as the Functions host expects."""

    def __init__(self, service: QueueServiceClient) -> None:
        self._service = service
        self._clients: dict[str, QueueClient] = {}

    def create(self, name: str) -> None:
        """Make the queue; one that exists is fine."""
        with speaking(f"queue {name}"):
            try:
                self._service.create_queue(name)
            except ResourceExistsError as error:
                if getattr(error, "error_code", "") == "QueueBeingDeleted":
                    raise

    def put(self, queue: str, body: str, *, delay: float = 0) -> None:
        """Put a message that never expires, visible after `delay` seconds (rounded up to whole ones)."""
        check_message(queue, body, delay)
        with speaking(f"queue {queue}"):
            self._client(queue).send_message(body, visibility_timeout=math.ceil(delay), time_to_live=NEVER_EXPIRES)

    def _client(self, queue: str) -> QueueClient:
        if queue not in self._clients:
            self._clients[queue] = self._service.get_queue_client(queue, message_encode_policy=TextBase64EncodePolicy())
        return self._clients[queue]

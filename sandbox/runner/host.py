"""What the host knows before it starts anything: the rules of host.json, and what an app setting holds."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from azure.identity import ManagedIdentityCredential
from azure.storage.queue import QueueClient

POISON: Final = "-poison"


class HostError(Exception):
    """The app cannot be started; the text names the setting or function and what to do."""


@dataclass(frozen=True)
class QueueRules:
    """`extensions.queues` of host.json, with the host's own defaults."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_dequeue_count: int = 5
    visibility_timeout: timedelta = timedelta()
    """How long a message stays hidden after a failed invocation; nothing else."""
    max_polling_interval: timedelta = timedelta(minutes=1)
    encoded: bool = True


@dataclass(frozen=True)
class Rules:
    """What this runner follows of host.json."""

    queues: QueueRules
    route_prefix: str = "api"


def read_rules(path: Path) -> Rules:
    """The rules of a host.json. HostError when it cannot be read or holds what the host would not take."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        extensions = document.get("extensions", {})
        return Rules(_queue_rules(extensions.get("queues", {})), extensions.get("http", {}).get("routePrefix", "api"))
    except (OSError, ValueError, AttributeError) as error:
        raise HostError(f"{path} cannot be used: {error}") from error


def _queue_rules(queues: Mapping[str, object]) -> QueueRules:
    batch_size = _whole(queues.get("batchSize", 16), "batchSize", 1, 32)
    encoding = queues.get("messageEncoding", "base64")
    if encoding not in ("base64", "none"):
        raise ValueError(f"messageEncoding: {encoding!r} is neither base64 nor none")
    return QueueRules(
        batch_size=batch_size,
        new_batch_threshold=_whole(queues.get("newBatchThreshold", batch_size // 2), "newBatchThreshold", 0, 1_000),
        max_dequeue_count=_whole(queues.get("maxDequeueCount", 5), "maxDequeueCount", 1, 1_000_000),
        visibility_timeout=time_span(str(queues.get("visibilityTimeout", "00:00:00"))),
        max_polling_interval=time_span(str(queues.get("maxPollingInterval", "00:01:00"))),
        encoded=encoding == "base64",
    )


def _whole(value: object, name: str, first: int, last: int) -> int:
    if not isinstance(value, int) or not first <= value <= last:
        raise ValueError(f"{name}: {value!r} is no whole number from {first} to {last}")
    return value


def time_span(text: str) -> timedelta:
    """A .NET time span `hh:mm:ss` or `d.hh:mm:ss`. ValueError when it is none."""
    match = re.fullmatch(r"(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2})", text)
    if match is None:
        raise ValueError(f"{text!r} is no time span such as 00:00:30")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def resolve(text: str, environment: Mapping[str, str]) -> str:
    """`text` with every %NAME% replaced by the app setting. HostError names a setting that is missing."""

    def setting(match: re.Match[str]) -> str:
        value = environment.get(match[1])
        if value is None:
            raise HostError(f"%{match[1]}% does not resolve to a value: set the app setting {match[1]}")
        return value

    return re.sub(r"%([^%]+)%", setting, text)


def queue_client(connection: str, queue: str, environment: Mapping[str, str]) -> QueueClient:
    """The queue behind a binding's `connection`: a connection string, or an account name with a managed identity."""
    text = environment.get(connection)
    if text:
        return QueueClient.from_connection_string(text, queue)
    account = environment.get(f"{connection}__accountName")
    if not account:
        raise HostError(f"No storage: set the app setting {connection} (a connection string) or {connection}__accountName")
    credential = ManagedIdentityCredential(client_id=environment.get(f"{connection}__clientId"))
    return QueueClient(f"https://{account}.queue.core.windows.net", queue, credential=credential)

"""Opening the storage account, by connection string or by identity: both are ways of production."""

from dataclasses import dataclass
from typing import Final, TypedDict

from azure.core.credentials import TokenCredential
from azure.core.pipeline.transport import RequestsTransport
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient
from requests import Session
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from sync.errors import FixConfiguration
from sync.storage.azure_blobs import AzureBlobs
from sync.storage.azure_queues import AzureQueues
from sync.storage.azure_tables import AzureTables

SETTING: Final = "AzureWebJobsStorage"


CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 30
CONNECTIONS: Final = 64
"""Kept open to one service: slices × their concurrency, and the pages they stream (the SDK's own pool keeps 10)."""


class ClientOptions(TypedDict):
    """Options that all three SDKs take: none retries by itself."""

    retry_total: int
    transport: RequestsTransport


def _options(read_seconds: float) -> ClientOptions:
    session = Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=CONNECTIONS, max_retries=Retry(total=False, redirect=False, raise_on_status=False)))
    transport = RequestsTransport(session=session, session_owner=False, connection_timeout=CONNECT_SECONDS, read_timeout=read_seconds)
    return ClientOptions(retry_total=0, transport=transport)


@dataclass(frozen=True)
class AzureStorage:
    """The three services, each call one attempt. `sync.storage.patient.patient` makes them persist."""

    tables: AzureTables
    queues: AzureQueues
    blobs: AzureBlobs


def open_storage(
    *, connection_string: str = "", account: str = "", credential: TokenCredential | None = None, read_seconds: float = READ_SECONDS
) -> AzureStorage:
    """The storage account of `connection_string`, or by name with an identity. Sends nothing. `read_seconds`: the wait for an answer.

    FixConfiguration when neither is usable.
    """
    if connection_string:
        return _by_connection_string(connection_string, read_seconds)
    if not account or credential is None:
        raise FixConfiguration(
            "No storage is configured: set AzureWebJobsStorage, or AzureWebJobsStorage__accountName with an identity.", field=SETTING
        )
    return AzureStorage(
        AzureTables(TableServiceClient(f"https://{account}.table.core.windows.net", credential=credential, **_options(read_seconds))),
        AzureQueues(QueueServiceClient(f"https://{account}.queue.core.windows.net", credential=credential, **_options(read_seconds))),
        AzureBlobs(BlobServiceClient(f"https://{account}.blob.core.windows.net", credential=credential, **_options(read_seconds))),
    )


def _by_connection_string(text: str, read_seconds: float) -> AzureStorage:
    try:
        return AzureStorage(
            AzureTables(TableServiceClient.from_connection_string(text, **_options(read_seconds))),
            AzureQueues(QueueServiceClient.from_connection_string(text, **_options(read_seconds))),
            AzureBlobs(BlobServiceClient.from_connection_string(text, **_options(read_seconds))),
        )
    except ValueError:
        # Not chained: the SDK's text may quote the connection string, which holds a key.
        raise FixConfiguration("The storage connection string is not valid: copy it whole from the account.", field=SETTING) from None

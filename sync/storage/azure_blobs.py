"""Azure Blob Storage behind `sync.storage.model.Blobs`: one attempt per call, `sync/storage/patient.py` retries."""

from collections.abc import Iterator

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobClient, BlobServiceClient

from sync.storage.azure_errors import MISSING_HOLDERS, code_of, speaking
from sync.storage.limits import check_append, check_etag
from sync.storage.model import Blob


class AzureBlobs:
    """See `sync.storage.model.Blobs`. Every TryLater of a write leaves open whether it landed."""

    def __init__(self, service: BlobServiceClient) -> None:
        self._service = service

    def create(self, name: str) -> None:
        """Make the container; one that exists is fine."""
        with speaking(f"container {name}"):
            try:
                self._service.create_container(name)
            except ResourceExistsError as error:
                if code_of(error) == "ContainerBeingDeleted":
                    raise

    def read(self, container: str, name: str) -> Blob | None:
        """The blob, or None."""
        with speaking(f"container {container}"):
            try:
                download = self._client(container, name).download_blob()
                return Blob(download.readall(), str(download.properties.etag))
            except ResourceNotFoundError as error:
                if code_of(error) in MISSING_HOLDERS:
                    raise
                return None

    def write(self, container: str, name: str, data: bytes, *, etag: str | None = None) -> str:
        """Write the whole blob under the condition that `etag` says; the new etag."""
        check_etag(f"The blob {container}/{name}", etag)
        client = self._client(container, name)
        with speaking(f"container {container}"):
            if etag:
                answer = client.upload_blob(data, overwrite=True, etag=etag, match_condition=MatchConditions.IfNotModified)
            else:
                answer = client.upload_blob(data, overwrite=etag is None)
        return str(answer["etag"])

    def append(self, container: str, name: str, data: bytes) -> None:
        """Append to the append blob, making it first when it is missing."""
        check_append(container, name, data)
        client = self._client(container, name)
        with speaking(f"container {container}"):
            try:
                client.append_block(data)
            except ResourceNotFoundError as error:
                if code_of(error) in MISSING_HOLDERS:
                    raise
                self._make_appendable(client)
                client.append_block(data)

    @staticmethod
    def _make_appendable(client: BlobClient) -> None:
        try:
            client.create_append_blob(match_condition=MatchConditions.IfMissing)
        except ResourceExistsError:
            return  # another worker made it in between

    def names(self, container: str, prefix: str) -> Iterator[str]:
        """The names that start with `prefix`, in order, a page at a time."""
        with speaking(f"container {container}"):
            pages = self._service.get_container_client(container).list_blob_names(name_starts_with=prefix).by_page()
        while True:
            with speaking(f"container {container}"):
                page = next(pages, None)
                found = None if page is None else list(page)
            if found is None:
                return
            yield from found

    def delete(self, container: str, name: str) -> None:
        """Delete the blob; a missing one is fine."""
        with speaking(f"container {container}"):
            try:
                self._client(container, name).delete_blob()
            except ResourceNotFoundError as error:
                if code_of(error) in MISSING_HOLDERS:
                    raise

    def _client(self, container: str, name: str) -> BlobClient:
        return self._service.get_blob_client(container, name)

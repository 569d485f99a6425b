"""What the storage services answer, in the words of `sync/errors.py`: the one place that reads their status and error codes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from requests import RequestException

from sync.errors import Bug, FixConfiguration, StorageConflict, SyncError, TryLater

BUSY: Final = frozenset({408, 429, 500, 502, 503, 504})
BUSY_CODES: Final = frozenset({"TableBeingDeleted", "QueueBeingDeleted", "ContainerBeingDeleted", "OperationTimedOut"})
MISSING_HOLDERS: Final = frozenset({"TableNotFound", "QueueNotFound", "ContainerNotFound"})
EXISTS_CODES: Final = frozenset({"EntityAlreadyExists", "BlobAlreadyExists"})


def code_of(error: HttpResponseError) -> str:
    """The service's own error code (`EntityAlreadyExists`), or nothing."""
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or "")


@contextmanager
def speaking(what: str) -> Iterator[None]:
    """Turn the SDK's errors of the block into ours. `what` names the thing (`table ledger`).

    Raises StorageConflict (409, 412, and 404 of a row or blob that should be there), TryLater (busy or unreachable; a write may have
    landed all the same), FixConfiguration (no access, or the table, queue or container is missing) and Bug (the request itself is wrong).
    """
    try:
        yield
    except AzureError as error:
        raise translated(error, what) from error
    except RequestException as error:
        raise TryLater(f"Storage broke off ({what}).", detail=str(error)) from error


def translated(error: AzureError, what: str) -> SyncError:
    """Our error for the SDK's."""
    detail = f"{type(error).__name__}: {error}"
    status = error.status_code if isinstance(error, HttpResponseError) else None
    if status is None:
        if isinstance(error, ClientAuthenticationError):
            return FixConfiguration(f"The identity could not sign in to storage ({what}): check the managed identity.", detail=detail)
        return TryLater(f"Storage is not reachable ({what}).", detail=detail)
    assert isinstance(error, HttpResponseError)
    return _of_status(status, code_of(error), what, detail, _retry_after(error))


def _of_status(status: int, code: str, what: str, detail: str, delay: float | None) -> SyncError:
    if status in BUSY or code in BUSY_CODES:
        return TryLater(f"Storage is busy ({what}).", delay=delay, detail=detail)
    if status in {401, 403}:
        return FixConfiguration(f"Storage refused access ({what}): give the app's identity the data roles of the account.", detail=detail)
    if code in MISSING_HOLDERS:
        return FixConfiguration(f"There is no {what}: deploy the infrastructure, or run the local set-up.", detail=detail)
    if status == 409 and code not in EXISTS_CODES:
        return Bug(f"Storage does not allow this ({what}): {code}.", detail=detail)
    if status in {404, 409, 412}:
        return StorageConflict(f"Changed by another worker ({what}).", exists=status == 409, detail=detail)
    return Bug(f"Storage refused the request ({what}): {status} {code}.", detail=detail)


def _retry_after(error: HttpResponseError) -> float | None:
    """Seconds of a Retry-After header; None when there is none or it is no number."""
    headers: Mapping[str, str] = getattr(error.response, "headers", {})
    text = headers.get("Retry-After", "").strip()
    return int(text) if text.isdecimal() else None

"""Which boundary of `sandbox/simulator/matrix.py` a step of the product is: told from the request or the storage operation alone."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from sandbox.simulator import matrix
from sandbox.simulator.matrix import Boundary, Channel
from sandbox.storage import Operation
from sync.http.wire import HttpRequest
from sync.storage.model import Change, Delete, Insert, Row

TARGETS: Final = {
    "invoices": ("VendorInvoiceHeaders", "VendorInvoiceLines", "VendInvoiceJourBiEntities", "VendorInvoiceDocumentAttachments"),
    "payments": (
        "VendorPaymentJournalHeaders",
        "VendorPaymentJournalLines",
        "VendorPaymentJournalLineSettledInvoices",
        "VendTransBiEntities",
    ),
}
"""The sets of D365 that a delivery looks in."""
FIRST_WRITES: Final = ("/data/VendorInvoiceHeaders", "/data/VendorPaymentJournalHeaders")
ACKNOWLEDGING: Final = "exportHistories"
TOKENS: Final = ("/token", "/authorizations")


@dataclass(frozen=True)
class Act:
    """One step: what a person reads of it, its channel, whose stage it is, and its boundary (None: none of those that are told apart)."""

    text: str
    channel: Channel
    stage: str
    boundary: Boundary | None
    changes: Sequence[Change] = ()


def request_act(request: HttpRequest, stage: str, d365_host: str) -> Act:
    """A request to another system."""
    parts = urlsplit(request.url)
    text = f"{request.method} {parts.netloc}{parts.path}"
    if parts.path.endswith(TOKENS):
        return Act(text, "read", stage, matrix.SIGN_IN)
    to_d365 = parts.netloc.lower() == d365_host
    if request.method == "GET":
        return Act(text, "read", stage, _reading(parts.path, stage, to_d365))
    return Act(text, "write", stage, _writing(parts.path, stage))


def _reading(path: str, stage: str, to_d365: bool) -> Boundary:
    if stage in matrix.MIRRORS:
        return matrix.PAGE_FETCHED if to_d365 else matrix.LOOK
    wanted = path.partition("/data/")[2].partition("(")[0]
    return matrix.LOOK if to_d365 and wanted in TARGETS.get(stage, ()) else matrix.PAGE_FETCHED


def _writing(path: str, stage: str) -> Boundary:
    if path.endswith(ACKNOWLEDGING):
        return matrix.ACKNOWLEDGE
    first = stage in matrix.MIRRORS or path.startswith(FIRST_WRITES)
    return matrix.HEADER_WRITE if first else matrix.LINE_WRITE


def storage_act(operation: Operation, stage: str) -> Act:
    """An operation on the storage. Messages name their own stage."""
    text = f"{operation.verb} {operation.target} {operation.key}".rstrip()
    if operation.service == "queues":
        return Act(text, "queue", stage_of(operation.body) or stage, _queueing(operation.verb))
    if operation.service == "blobs":
        return Act(text, "blob", stage, _keeping(operation))
    return Act(text, "table", stage, _committing(operation) if operation.verb == "commit" else None, operation.changes)


def stage_of(body: str) -> str:
    """The stage that a message names, "" when it names none."""
    try:
        named = json.loads(body).get("stage")
    except (ValueError, AttributeError):
        return ""
    return named if isinstance(named, str) else ""


def _queueing(verb: str) -> Boundary | None:
    return {"put": matrix.ENQUEUE, "receive": matrix.DEQUEUE, "delete": matrix.MESSAGE_DELETE}.get(verb)


def _keeping(operation: Operation) -> Boundary | None:
    if operation.verb != "write":
        return None
    return {"payloads": matrix.PAYLOAD_KEPT, "crawls": matrix.MEMORY_STORED}.get(operation.target)


def _committing(operation: Operation) -> Boundary | None:
    if operation.target == "runs":
        return {"lease": matrix.LEASE, "progress": matrix.WATERMARK}.get(operation.key.partition("|")[0])
    return _ledger(operation.changes) if operation.target == "ledger" else None


def _ledger(changes: Sequence[Change]) -> Boundary | None:
    rows = [change.row for change in changes if not isinstance(change, Delete)]
    states = {str(row.values["State"]) for row in rows if row.key.startswith("r:")}
    inserted = [change.row for change in changes if isinstance(change, Insert)]
    if any(row.key.startswith("r:") for row in inserted):
        return matrix.RECORD_NOTED
    if "claimed" in states or any(row.key.startswith("j:") for row in rows):
        return matrix.CLAIM
    if states & {"written", "parked", "posted", "adopted", "withdrawn", "out_of_scope"}:
        return matrix.OUTCOME_STORED
    return matrix.AUDIT_ROW if any(row.key.startswith("a:") for row in rows) else _batch_book(rows)


def _batch_book(rows: Sequence[Row]) -> Boundary | None:
    return matrix.WATERMARK if any(row.key.startswith("b:") for row in rows) else None

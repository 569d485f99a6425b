"""Invoice images from AvidXchange: fetched from allowed hosts only, without credentials, checked, attached to the pending invoice.

An image never holds up its invoice (contracts/d365-fo.md §5, contracts/avidxchange.md §3, Invoices 7).
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import SplitResult, urlsplit

from sync.avid.models import AvidInvoice
from sync.causes import Cause
from sync.engine.delivery import Found, Nothing, Sight
from sync.engine.model import Slice
from sync.errors import AnswerTooLarge, FixConfiguration, FixData, TryLater
from sync.http.wire import HttpRequest
from sync.ledger.model import Record
from sync.stages.invoices.plan import InvoicePlan
from sync.stages.invoices.target import HEADER_REFERENCE, InvoiceTarget
from sync.storage.names import PAYLOADS
from sync.values import digest

ATTACHMENT: Final = "attachment"
MEGABYTE: Final = 1024 * 1024
PDF_MARK_WITHIN: Final = 1024
"""Bytes: a PDF may begin with some bytes of something else."""
TYPES: Final[Mapping[bytes, str]] = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpg", b"II*\x00": "tif", b"MM\x00*": "tif"}


@dataclass(frozen=True)
class Image:
    """An image that may be attached. `file_type` is pdf, png, jpg or tif, by its content."""

    data: bytes
    file_type: str


def type_of(data: bytes) -> str:
    """The file type by content; "" for anything that is not attached."""
    if b"%PDF-" in data[:PDF_MARK_WITHIN]:
        return "pdf"
    return next((name for mark, name in TYPES.items() if data.startswith(mark)), "")


class Images:
    """The images of one slice's invoices."""

    def __init__(self, slice_: Slice) -> None:
        self._slice = slice_
        self._hosts = frozenset(slice_.connection.avidxchange.image_hosts)
        self._limit = slice_.connection.policies.image_megabytes * MEGABYTE

    @property
    def wanted(self) -> bool:
        """Whether the customer allows any host; else images are left alone."""
        return bool(self._hosts)

    def of(self, record: Record, url: str) -> Image:
        """The image, as it was kept or from its host. FixData when it may not be attached, TryLater when it is not there now."""
        kept = self._slice.ports.blobs.read(PAYLOADS, _blob(record))
        return self._checked(record, kept.data if kept is not None else self._fetched(record, url))

    def forget(self, record: Record) -> None:
        """The image is in D365; what was kept of it goes."""
        self._slice.ports.blobs.delete(PAYLOADS, _blob(record))

    def keep(self, record: Record, invoice: AvidInvoice) -> None:
        """Make the image of a parked invoice durable: its batch may not be listed again once it is acknowledged. Raises as `of`."""
        if not invoice.image_url or any(True for _ in self._slice.ports.blobs.names(PAYLOADS, _blob(record))):
            return
        image = self._checked(record, self._fetched(record, invoice.image_url))
        self._slice.ports.blobs.write(PAYLOADS, _blob(record), image.data)

    def _fetched(self, record: Record, url: str) -> bytes:
        """The bytes behind the address. Nothing but the address goes to its host; no redirect is followed."""
        host, address = self._allowed(record, url)
        client = self._slice.systems.without_credentials(host)
        try:
            response = client.send(HttpRequest("GET", address, {"Accept": "*/*"}, max_bytes=self._limit + 1), repeatable=True)
        except AnswerTooLarge:
            raise self._too_large(record) from None
        except FixConfiguration as error:
            raise self._trouble(record, error.sentence) from error
        if response.status in {408, 425} or response.status >= 500:
            raise TryLater(f"{host} answers {response.status} to the request for the image.")
        if response.status != 200:
            raise self._trouble(record, f"{host} answers {response.status}: the address may have expired.")
        return response.body

    def _allowed(self, record: Record, url: str) -> tuple[str, str]:
        """The host and the address as it is asked for: https, an allowed host, its usual port, no user in it."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = SplitResult("", "", "", "", ""), None
        host = parts.hostname or ""
        plain = parts.scheme == "https" and parts.username is None and parts.password is None and port in {None, 443}
        if not plain or host not in self._hosts:
            sentence = f"the image's address leads to {parts.scheme or '?'}://{host or '?'}, which is not one of avidxchange.image_hosts."
            raise self._trouble(record, sentence)
        return host, f"https://{host}{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"

    def _checked(self, record: Record, data: bytes) -> Image:
        if len(data) > self._limit:
            raise self._too_large(record)
        kind = type_of(data)
        if not kind:
            raise self._trouble(record, "the image is no PDF, PNG, JPEG or TIFF.")
        return Image(data, kind)

    def _too_large(self, record: Record) -> FixData:
        return self._trouble(record, f"the image has more than {self._limit // MEGABYTE} MB (policies.image_megabytes).")

    def _trouble(self, record: Record, sentence: str) -> FixData:
        field = self._slice.systems.avid.profile.fields.invoice.image_url
        return FixData((Cause(ATTACHMENT, record.label, f"{record.label}: {sentence}", field),))


class AttachmentPiece:
    """The image of a written invoice, under the name of its marker, so that it is found again."""

    name = "image"

    def __init__(self, images: Images, target: InvoiceTarget, plan: InvoicePlan) -> None:
        self._images = images
        self._target = target
        self._plan = plan

    def look(self, record: Record) -> Sight:
        """By its name."""
        there = self._target.attachments(self._plan.company, record.progress[HEADER_REFERENCE])
        return Found() if self._plan.marker in there else Nothing()

    def send(self, record: Record) -> Mapping[str, str]:
        """Fetch it and attach it."""
        image = self._images.of(record, self._plan.image_url)
        contents = base64.b64encode(image.data).decode("ascii")
        try:
            self._target.attach(self._plan, record.progress[HEADER_REFERENCE], image.file_type, contents)
        except FixData as error:
            raise FixData(tuple(replace(cause, code=ATTACHMENT) for cause in error.causes), detail=error.detail) from error
        self._images.forget(record)
        return {}


def _blob(record: Record) -> str:
    return f"image-{digest(record.place.partition, record.key, record.version)}"

"""Texts of any size by pointer: short ones in the row itself, long ones in a blob named by its content.

A pointer is `=` and the text, or `@` and the name of a blob in `payloads`. The blob is written before the row that names it, so a crash
in between leaves a blob that nobody names, never a row that names nothing.
"""

import hashlib
from contextlib import suppress
from typing import Final

from sync.errors import Bug, StorageConflict
from sync.storage.model import Blobs
from sync.storage.names import PAYLOADS

INLINE_UNITS: Final = 8_000
"""UTF-16 code units, a quarter of what a property takes."""


def keep(blobs: Blobs, text: str) -> str:
    """The pointer to the text; a long one is durable in its blob when this returns. Raises TryLater."""
    if len(text.encode("utf-16-le")) // 2 <= INLINE_UNITS:
        return f"={text}"
    data = text.encode()
    name = hashlib.sha256(data).hexdigest()
    with suppress(StorageConflict):  # the same content is there already
        blobs.write(PAYLOADS, name, data, etag="")
    return f"@{name}"


def read(blobs: Blobs, pointer: str) -> str:
    """The text of a pointer. Bug when the blob is missing or is not what its name says."""
    kind, rest = pointer[:1], pointer[1:]
    if kind == "=":
        return rest
    if kind != "@":
        raise Bug(f"{pointer[:40]!r} is no pointer to a text.")
    blob = blobs.read(PAYLOADS, rest)
    if blob is None:
        raise Bug(f"The text {rest} is not in {PAYLOADS} any more.")
    if hashlib.sha256(blob.data).hexdigest() != rest:
        raise Bug(f"The text {rest} in {PAYLOADS} is not what was stored.")
    return blob.data.decode()

"""One atomic changeset as multipart/mixed, out and in (contracts/d365-fo.md §8). The outer status is 200 whatever happens inside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email import policy
from email.message import Message
from email.parser import BytesParser
from typing import Final, Literal

from sync.d365.literals import KeyValue
from sync.d365.wire import Json, write_json
from sync.http.wire import HttpResponse

# JSON never holds a raw line break, so no body can contain a boundary line.
BATCH: Final = "batch_of_one"
CHANGESET: Final = "changeset_1"
PLAIN: Final = policy.compat32
"""Headers as plain text: the newer policies take each apart by its grammar, which is most of the time of a changeset of 500."""
CONTENT_TYPE: Final = f"multipart/mixed; boundary={BATCH}"


@dataclass(frozen=True)
class Operation:
    """One write of a changeset. `keys` are the whole key for PATCH and DELETE; a POST has none."""

    method: Literal["POST", "PATCH", "DELETE"]
    set_name: str
    body: Mapping[str, Json] = field(default_factory=dict)
    keys: Mapping[str, KeyValue] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """The answer to one operation; `number` counts operations from 1, 0 when the answer does not say."""

    number: int
    response: HttpResponse


def changeset_body(operations: Sequence[tuple[str, str, Mapping[str, Json]]]) -> bytes:
    """The request body for (method, absolute URL, body) triples; the operations are numbered by Content-ID from 1."""
    lines = [f"--{BATCH}".encode(), f"Content-Type: multipart/mixed; boundary={CHANGESET}".encode(), b""]
    for number, (method, url, body) in enumerate(operations, 1):
        lines += [f"--{CHANGESET}".encode(), b"Content-Type: application/http", b"Content-Transfer-Encoding: binary"]
        lines += [f"Content-ID: {number}".encode(), b"", f"{method} {url} HTTP/1.1".encode()]
        lines += [b"Content-Type: application/json; charset=utf-8", b"Accept: application/json", b""]
        lines += [b"" if method == "DELETE" else write_json(body)]
    lines += [f"--{CHANGESET}--".encode(), f"--{BATCH}--".encode(), b""]
    return b"\r\n".join(lines)


def parse_batch(response: HttpResponse) -> list[Part]:
    """The parts of a batch answer, in order. ValueError when it is no whole multipart document of HTTP answers."""
    content_type = response.headers.get("content-type", "")
    if not content_type.lower().startswith("multipart/"):
        raise ValueError("the batch answer is not multipart")
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    message = BytesParser(policy=PLAIN).parsebytes(head + response.body)
    parts: list[Part] = []
    for item in message.walk():
        if item.defects:
            raise ValueError(f"the batch answer is not whole: {type(item.defects[0]).__name__}")
        if not item.is_multipart():
            parts.append(_part(item))
    return parts


def _part(item: "Message[str, str]") -> Part:
    payload = item.get_payload(decode=True)
    head, _, rest = (payload if isinstance(payload, bytes) else b"").lstrip(b"\r\n").partition(b"\n")
    words = head.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise ValueError("a part of the batch answer is no HTTP answer")
    inner = BytesParser(policy=PLAIN).parsebytes(rest, headersonly=True)
    headers = {name.lower(): str(value) for name, value in inner.items()}
    content_id = str(item.get("Content-ID") or headers.get("content-id", ""))
    return Part(int(content_id) if content_id.isdigit() else 0, HttpResponse(int(words[1]), headers, _after_headers(rest)))


def _after_headers(rest: bytes) -> bytes:
    if rest.startswith((b"\r\n", b"\n")):
        return rest.lstrip(b"\r\n")
    for separator in (b"\r\n\r\n", b"\n\n"):
        if separator in rest:
            return rest.split(separator, 1)[1]
    return b""


def in_order(parts: Sequence[Part], count: int) -> list[HttpResponse] | None:
    """The answers of `count` operations in the order of the operations; None when they are not one each."""
    numbers = [part.number for part in parts]
    if sorted(numbers) == list(range(1, count + 1)):
        return [part.response for part in sorted(parts, key=lambda part: part.number)]
    return [part.response for part in parts] if len(parts) == count and not any(numbers) else None

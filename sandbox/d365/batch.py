"""`$batch`: multipart bodies in and out; a changeset is all or nothing and the outer status is always 200 (contracts/d365-fo.md §8)."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from urllib.parse import urlsplit

from sandbox.d365.errors import Refusal, bad_query, odata_error
from sandbox.d365.switches import D365Switches
from sandbox.web import Request, Response

MOST_OPERATIONS = 5000
OUTER = "batchresponse_sandbox"
INNER = "changesetresponse_sandbox"

Handle = Callable[[Request], Response]


@dataclass(frozen=True)
class Part:
    """One part of a multipart body: its header lines (lower-case names) and its content."""

    headers: dict[str, str]
    content: bytes

    @property
    def boundary(self) -> str:
        """The boundary of a part that is multipart itself, else an empty text."""
        return boundary_of(self.headers.get("content-type", ""))


def run(switches: D365Switches, all_or_nothing: Callable[[], AbstractContextManager[None]], request: Request, handle: Handle) -> Response:
    """Answer a batch: changesets and single operations in order; it ends at the first failure unless continue-on-error is preferred."""
    parts = list(split(request.body, boundary_of(request.headers.get("content-type", ""))))
    changesets = [list(split(part.content, part.boundary)) if part.boundary else [part] for part in parts]
    if sum(len(changeset) for changeset in changesets) > MOST_OPERATIONS:
        raise bad_query(f"A batch may hold {MOST_OPERATIONS} operations at most.")
    go_on = "odata.continue-on-error" in request.headers.get("prefer", "")
    answers: list[bytes] = []
    for part, operations in zip(parts, changesets, strict=True):
        answer, failed = _answer(switches, all_or_nothing, request, handle, operations if part.boundary else part)
        answers.append(answer)
        if failed and not go_on:
            break
    body = b"".join(b"--%s\r\n%s\r\n" % (OUTER.encode(), answer) for answer in answers) + f"--{OUTER}--\r\n".encode()
    return Response(200, {"content-type": f"multipart/mixed; boundary={OUTER}", "odata-version": "4.0"}, body)


def split(body: bytes, boundary: str) -> Iterator[Part]:
    """The parts of a multipart body. Raises Refusal (400) when it is none."""
    if not boundary:
        raise bad_query("The content-type of a batch must be multipart/mixed with a boundary.")
    pieces = re.split(rb"(?:\A|\r?\n)--" + re.escape(boundary.encode()) + rb"(?:--)?[ \t]*(?=\r?\n|\Z)", body)
    for piece in pieces[1:]:
        head, separator, content = re.sub(rb"\A\r?\n", b"", piece).replace(b"\r\n\r\n", b"\n\n", 1).partition(b"\n\n")
        if separator:
            yield Part(headers_of(head), content)


def boundary_of(content_type: str) -> str:
    """The boundary that a content type names."""
    found = re.search(r'multipart/mixed\s*;.*?boundary="?([^";]+)"?', content_type, re.IGNORECASE)
    return found[1].strip() if found else ""


def headers_of(head: bytes) -> dict[str, str]:
    """Header lines as a mapping with lower-case names."""
    pairs = (line.partition(":") for line in head.decode("latin-1").splitlines())
    return {name.strip().lower(): value.strip() for name, _, value in pairs if name.strip()}


def _answer(
    switches: D365Switches,
    all_or_nothing: Callable[[], AbstractContextManager[None]],
    outer: Request,
    handle: Handle,
    work: list[Part] | Part,
) -> tuple[bytes, bool]:
    """The answering part of one changeset or one operation, and whether it failed."""
    if switches.throttled_parts > 0:
        switches.throttled_parts -= 1
        return _http(Response(429, {"retry-after": "5"}), ""), True
    if isinstance(work, Part):
        response = _attempt(handle, _request(work, outer))
        return _http(response, work.headers.get("content-id", "")), response.status >= 400
    try:
        with all_or_nothing():
            answers = [_http(_done(handle(_request(part, outer))), part.headers.get("content-id", "")) for part in work]
    except Refusal as refusal:
        text = str(refusal)
        return _http(odata_error(switches.changeset_failure_status, text).response, ""), True
    inside = b"".join(b"--%s\r\n%s\r\n" % (INNER.encode(), answer) for answer in answers)
    head = f"Content-Type: multipart/mixed; boundary={INNER}\r\n\r\n".encode()
    return head + inside + f"--{INNER}--".encode(), False


def _done(response: Response) -> Response:
    """An answer of a changeset's operation, which fails the whole when it is not a success."""
    if response.status >= 400:
        raise Refusal(response)
    return response


def _attempt(handle: Handle, request: Request) -> Response:
    try:
        return handle(request)
    except Refusal as refusal:
        return refusal.response


def _request(part: Part, outer: Request) -> Request:
    """The request inside a part; its URL may be absolute, from the root, or relative to /data/. Raises Refusal."""
    head, _, body = part.content.replace(b"\r\n\r\n", b"\n\n", 1).partition(b"\n\n")
    line, _, rest = head.lstrip().partition(b"\n")
    words = line.decode("latin-1").split()
    if len(words) != 3:
        raise bad_query("A part of the batch is not an HTTP request.")
    url = urlsplit(words[1])
    path = url.path if url.path.startswith("/") else f"/data/{url.path}"
    target = f"{path}?{url.query}" if url.query else path
    return Request(words[0].upper(), outer.host, target, headers_of(rest), body, outer.arrived)


def _http(response: Response, content_id: str) -> bytes:
    """A response as a part."""
    head = ["Content-Type: application/http", "Content-Transfer-Encoding: binary"]
    head += [f"Content-ID: {content_id}"] if content_id else []
    head += ["", f"HTTP/1.1 {response.status} {'OK' if response.status < 400 else 'Error'}"]
    head += [f"{name}: {value}" for name, value in response.headers.items()]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + response.body

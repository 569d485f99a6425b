"""Broken answers of D365 by the hundred thousand, for the error parser and the batch parser: neither may crash, whatever comes.

    python -m bench.fuzz_d365 [--count 200000] [--seed 1]

Every input is made from the seed and its number, so that a crash can be repeated by itself.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from sync.d365.batch import in_order, parse_batch
from sync.d365.errors import MAX_SENTENCE, error_of_read, error_of_write, parse_problem
from sync.http.wire import HttpResponse

COUNT = 200_000
LARGEST = 20_000
TEXTS = (
    "Infolog: Error: The value 'X' in field 'Account' is not found in the related table 'Y'.; validateField failed on field 'Entity.A'.",
    "Write failed for table row of type 'LedgerJournalTransEntity'. Infolog: Error: Field 'Währung' must be filled in.",
    "Cannot create a record in Journal (LedgerJournalTable). Journal: 00042.\nThe record already exists.",
    "No resources were found when selecting for update.",
    "The property 'Foo' does not exist on type 'Microsoft.Dynamics.DataEntities.VendorInvoiceHeader'.",
    "An update conflict occurred due to another user process deleting the record or changing one or more fields in the record.",
)
ERRORS = (
    *(json.dumps({"error": {"code": "", "message": "An error has occurred.", "innererror": {"message": text}}}).encode() for text in TEXTS),
    b'{"Message":"No HTTP resource was found that matches the request URI."}',
    b'{"error":{"message":"Plain.","innererror":null}}',
    b'{"odata.error":{"message":{"lang":"en","value":"Old."}}}',
    b"<html><head><title>502 Bad Gateway</title></head><body><h1>Bad <i>Gateway</h1></body></html>",
    b"[]",
    b'"text"',
    b"",
)


def _part(status: int, body: bytes, content_id: int = 0) -> bytes:
    head = b"Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
    head += b"Content-ID: %d\r\n" % content_id if content_id else b""
    return head + b"\r\nHTTP/1.1 %d Some Reason\r\nContent-Type: application/json\r\nRetry-After: 5\r\n\r\n%s" % (status, body)


def _multipart(boundary: bytes, *parts: bytes) -> bytes:
    return b"".join(b"--%s\r\n%s\r\n" % (boundary, part) for part in parts) + b"--%s--\r\n" % boundary


ROW = b'{"dataAreaId":"usmf","InvoiceLineNumber":1,"Amount":1.10}'
CHANGESET = b"Content-Type: multipart/mixed; boundary=changesetresponse_1\r\n\r\n"
BATCHES = (
    _multipart(b"batchresponse_1", CHANGESET + _multipart(b"changesetresponse_1", _part(201, ROW, 1), _part(204, b"", 2))),
    _multipart(b"batchresponse_1", CHANGESET + _multipart(b"changesetresponse_1", _part(201, ROW), _part(201, ROW))),
    *(_multipart(b"batchresponse_1", _part(status, ERRORS[0])) for status in (400, 429, 500)),
    _multipart(b"batchresponse_1"),
    b"<html>gateway</html>",
)
TYPES = (
    "multipart/mixed; boundary=batchresponse_1",
    'multipart/mixed; boundary="batchresponse_1"; charset=utf-8',
    "Multipart/Mixed;boundary=changesetresponse_1",
    "multipart/mixed",
    "multipart/mixed; boundary*=utf-8''batch%20",
    "multipart/mixed; boundary=\u00fc\ud800",
    "multipart/mixed; boundary=",
    "message/rfc822",
    "",
)
PIECES = (
    *(
        b'"',
        b"'",
        b"\\",
        b"{",
        b"[" * 50,
        b"}",
        b"<",
        b">",
        b"\r\n",
        b"\n\n",
        b"--",
        b"--batchresponse_1",
        b"--changesetresponse_1--",
        b"\x00",
    ),
    *(
        b"\xff\xfe",
        b"HTTP/1.1 ",
        b"HTTP/1.1 \xc2\xb2 x\r\n",
        b"Content-ID: 99999999999999999999\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
    ),
    *(
        b"Content-Type: multipart/mixed; boundary=x\r\n",
        b"Content-Type: message/rfc822\r\n\r\n",
        b"'A.B'",
        b"<title>",
        b"1e999",
        b"\xe2\x80\xa8",
    ),
    *(b'"message":"', b'"innererror":', b"\\ud800", b"=?utf-8?b?AAAA?=", b"Content-ID: \xd9\xa3\r\n"),
)


@dataclass
class Findings:
    """What became of the inputs of one parser."""

    name: str
    tried: int = 0
    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    crashes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        shown = ", ".join(f"{name} {count:,}" for name, count in self.outcomes.most_common(8))
        return f"{self.name}: {self.tried:,} inputs in {self.seconds:.1f} s, {len(self.crashes)} crashes ({shown})"


def broken(chance: random.Random, seeds: tuple[bytes, ...]) -> bytes:
    """One of the seeds with up to six things done to it."""
    body = bytearray(chance.choice(seeds))
    for _ in range(chance.randint(0, 6)):
        at = chance.randint(0, len(body))
        match chance.randint(0, 6):
            case 0:
                del body[at:]
            case 1:
                del body[at : at + chance.randint(1, 20)]
            case 2 if body:
                body[min(at, len(body) - 1)] = chance.randrange(256)
            case 3:
                body[at:at] = chance.choice(PIECES)
            case 4:
                other = chance.choice(seeds)
                body[at:at] = other[chance.randint(0, len(other)) :]
            case 5:
                body[at:at] = body[: chance.randint(0, 200)]
            case _:
                body[at:at] = chance.randbytes(chance.randint(1, 8))
    return bytes(body[:LARGEST])


def try_error(chance: random.Random) -> str:
    """One broken error body; the outcome in a word. Raises whatever the parser should not."""
    body, status = broken(chance, ERRORS), chance.choice((302, 400, 403, 404, 409, 412, 414, 422, 423, 500, 501, 503))
    problem = parse_problem(body)
    if not 0 < len(problem.sentence) <= MAX_SENTENCE:
        raise AssertionError(f"a sentence of {len(problem.sentence)} characters")
    for error in (error_of_write(status, body, "create X"), error_of_read(status, body, "read X")):
        if not error.sentence:
            raise AssertionError(f"{error!r} has no sentence")
    return problem.kind.value


def try_batch(chance: random.Random) -> str:
    """One broken batch answer; the outcome in a word. Raises whatever the parser should not."""
    content_type = chance.choice(TYPES[:2]) if chance.random() < 0.9 else chance.choice(TYPES)
    try:
        parts = parse_batch(HttpResponse(200, {"content-type": content_type}, broken(chance, BATCHES)))
    except ValueError:
        return "refused"
    for part in parts:
        part.response.body.strip()
        part.response.headers.get("retry-after")
    return "whole" if in_order(parts, 2) is not None else "other parts"


def search(name: str, attempt: Callable[[random.Random], str], count: int, seed: int) -> Findings:
    """That many inputs for one parser; every crash is kept with the words that repeat it."""
    found, begun = Findings(name), time.monotonic()
    for number in range(count):
        found.tried += 1
        try:
            found.outcomes[attempt(random.Random(f"{seed} {name} {number}"))] += 1
        except Exception as error:  # noqa: BLE001 - any exception is what is looked for
            found.crashes.append(f"{name}: seed {seed}, input {number}: {type(error).__name__}: {error}")
    found.seconds = time.monotonic() - begun
    return found


PARSERS: dict[str, Callable[[random.Random], str]] = {"error parser": try_error, "batch parser": try_batch}


def main(arguments: list[str]) -> int:
    """0 when nothing crashed."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz_d365", description="Broken answers for D365's parsers.")
    parser.add_argument("--count", type=int, default=COUNT, help="inputs for each parser")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    crashes = 0
    for name, attempt in PARSERS.items():
        found = search(name, attempt, chosen.count, chosen.seed)
        print(found, *found.crashes[:20], sep="\n", flush=True)
        crashes += len(found.crashes)
    return min(1, crashes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

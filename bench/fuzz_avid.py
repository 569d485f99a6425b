"""Broken answers of AvidXchange by the hundred thousand, for the envelope, row, write and error readers: none may crash, whatever comes.

    python -m bench.fuzz_avid [--count 200000] [--seed 1]

The answers are those of the sandbox's AvidXchange in all its forms. Half of them are broken as bytes, half as documents that stay JSON.
Every input is made from the seed and its number, so that a crash can be repeated by itself.
"""

import argparse
import random
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Final

from bench.fuzz_d365 import search
from sandbox.avid import AvidSwitches, AvidSystem
from sandbox.web import Request
from sandbox.worlds.property_firm import PropertyFirmSize, build_property_firm
from sync.avid.envelopes import read_page, read_results
from sync.avid.jsontext import Json, Unreadable, json_text, read_json
from sync.avid.models import AvidInvoice, AvidPayment, BadRow, ClosedBatch
from sync.avid.paging import Site
from sync.avid.profile import shipped_profile
from sync.avid.refusals import LONGEST, is_busy, sentence_of
from sync.avid.rows import (
    parse_invoice,
    parse_payment,
    read_accounting_system,
    read_batch,
    read_code,
    read_code_group,
    read_invoice,
    read_payment,
    read_remittance,
    read_vendor,
)

Breaking = Callable[[random.Random, bytes], bytes]
"""Makes a broken answer of a whole one."""
COUNT: Final = 200_000
LARGEST: Final = 20_000
TODAY: Final = datetime(2026, 3, 2, 8, tzinfo=UTC)
PROFILE: Final = shipped_profile()
SITE: Final = Site("https://api.avid.example/v1")
READERS: Final[dict[str, Callable[[Json], object]]] = {
    "accountingSystems": lambda row: read_accounting_system(row, PROFILE),
    "vendors": lambda row: read_vendor(row, PROFILE, "1"),
    "enterpriseCodeGroups": lambda row: read_code_group(row, PROFILE),
    "enterpriseCodes": lambda row: read_code(row, PROFILE, "1", "GL"),
    "closed": lambda row: read_batch(row, PROFILE, "1"),
    "fullDetails": lambda row: read_invoice(row, PROFILE),
    "payments": lambda row: read_payment(row, PROFILE),
    "remittances": lambda row: read_remittance(row, PROFILE),
}
"""The reader of the rows of each resource, by the part of the address that names it."""
FORMS: Final = (
    AvidSwitches(page_size=2),
    AvidSwitches(page_size=2, paging="page_number", page_count_name="Pages", ids="text", money="text"),
    AvidSwitches(page_size=1, single_as_object=True, successful="text", timestamp_separator=" ", timestamp_fraction=True),
)
OTHERS: Final = (
    b'{"Results":[{"Successful":true,"Item":{},"Errors":[]},{"Successful":"false","Errors":{"Message":"too long"}}]}',
    b'{"Results":{"Successful":"true"}}',
    b'{"exception":{"reason":"Unauthorized","detail":"Token expired"}}',
    b'{"fault":{"code":900800,"message":"Message throttled out","description":"You have exceeded your quota"}}',
    b"<?xml version='1.0'?><fault><message>Runtime &amp; Error</message><code>101503</code></fault>",
    b"<html><head><title>503 Service</title><script>var x</script></head><body><p>Come back</body></html>",
)
PIECES: Final = (
    *(b'"', b"\\", b"{", b"}", b"[" * 80, b"]", b"<", b">", b"&#x110000;", b"<title>", b"<script", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf"),
    *(b"null", b"-0.0", b"\xe2\x80\xa8", b"NaN", b"-Infinity", b"1e99999", b"1E-99999"),
    *(b"9" * 400, b"\\ud800", b'"Items":', b'"Paging":null,'),
)
ODD: Final[tuple[Json, ...]] = (
    *(None, True, False, 0, -1, 7, 10**30, -(10**400), Decimal("1E+400"), Decimal("-0.00"), Decimal("1E-400"), Decimal("1.10")),
    *("", " ", "true", "FALSE", "none", "|", "a|b|c", "NaN", "Infinity", "1e5", "+1.0", "1_000", "\uff11\uff12", "1" * 40),
    *("-0", "x" * 3_000, "0001-01-01T00:00:00", "9999-12-31 23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2026-02-30"),
    *("2026-03-01T25:00:00", "20260301"),
    *("\ud800", "\x00", "\u2028", "\N{PILE OF POO}", "next", "https://elsewhere.example/", "Cleared", "Void*"),
    *(read_json(text) for text in ("[]", "{}", "[[]]", "[null]", "[{}]", '{"Value": null}', '{"Description": {}}')),
    *(read_json(text) for text in ('[{"Rel": "next", "Href": 7}]', '{"": ""}', '{"Rel": "next", "Href": "/x"}')),
)


@cache
def answers() -> tuple[tuple[str, bytes], ...]:
    """Whole answers, each with the resource whose rows it holds; empty for those that hold none."""
    found = [("", body) for body in OTHERS]
    for form in FORMS:
        avid = build_property_firm(1, TODAY, size=PropertyFirmSize.small(), avid_switches=form).avid
        system, headers = AvidSystem(avid), {"companytoken": avid.company_token, "usertoken": avid.user_token}
        number, day = min(avid.accounting_systems), TODAY.date()
        window = f"From={day - timedelta(days=29)}&{{}}To={day}"
        targets = [
            "accountingSystems",
            f"vendors?acctgSysId={number}",
            f"enterpriseCodeGroups?acctgSysId={number}",
            f"enterpriseCodes?acctgSysId={number}",
            f"invoices/batches/closed/acctgSysId/{number}?closeDate{window.format('closeDate')}",
            *(f"invoices/batches/{guid}/fullDetails" for guid in [*avid.batches][:4]),
            *(f"payments?lastModified{window.format('lastModified')}&pageNumber={page}" for page in (1, 2, 3)),
            *(f"payments/{payment}/remittances" for payment in [*avid.payments][:3]),
        ]
        for target in targets:
            response = system.handle(Request("GET", avid.host, f"/v1/{target}", headers))
            assert response.status == 200, (target, response.body)
            found.append((next(name for name in reversed(READERS) if name in target.partition("?")[0]), response.body))
    return tuple(found)


def broken_bytes(chance: random.Random, body: bytes) -> bytes:
    """The body with one to four things done to it."""
    made = bytearray(body)
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(made))
        match chance.randint(0, 4):
            case 0:
                del made[at:]
            case 1:
                del made[at : at + chance.randint(1, 20)]
            case 2 if made:
                made[min(at, len(made) - 1)] = chance.randrange(256)
            case 3:
                made[at:at] = chance.choice(PIECES)
            case _:
                made[at:at] = made[: chance.randint(0, 200)]
    return bytes(made[:LARGEST])


def broken_document(chance: random.Random, body: bytes) -> bytes:
    """The document with one to six of its values replaced, dropped, wrapped or nested; it stays JSON."""
    try:
        document: list[Json] = [read_json(body)]
    except Unreadable:
        return broken_bytes(chance, body)
    for _ in range(chance.randint(1, 6)):
        place, key = chance.choice([*_places(document)])
        odd = deepcopy(chance.choice(ODD))
        match chance.randint(0, 4):
            case 0:
                _put(place, key, [_get(place, key), odd])
            case 1:
                _put(place, key, {"Items": _get(place, key)})
            case 2 if isinstance(place, dict):
                place.pop(str(key))
            case _:
                _put(place, key, odd)
    return json_text(document[0]).encode()[:LARGEST]


def _places(node: Json) -> Iterator[tuple[list[Json] | dict[str, Json], int | str]]:
    """Every value of a document, as what holds it and where."""
    if isinstance(node, list):
        for number, item in enumerate(node):
            yield node, number
            yield from _places(item)
    elif isinstance(node, dict):
        for name, item in node.items():
            yield node, name
            yield from _places(item)


def _get(place: list[Json] | dict[str, Json], key: int | str) -> Json:
    return place[int(key)] if isinstance(place, list) else place[str(key)]


def _put(place: list[Json] | dict[str, Json], key: int | str, value: Json) -> None:
    if isinstance(place, list):
        place[int(key)] = value
    else:
        place[str(key)] = value


def try_answer(chance: random.Random) -> str:
    """One broken answer through every reader; the outcome in a word. Raises whatever the readers should not."""
    resource, body = chance.choice(answers())
    body = (broken_bytes if chance.random() < 0.5 else broken_document)(chance, body)
    _try_errors_and_results(body)
    try:
        page = read_page(body, PROFILE.envelope)
    except Unreadable as error:
        _check(bool(str(error)), "a refusal without a sentence")
        return "no page"
    SITE.own(page.next_link)
    rows = [READERS[resource](item) for item in page.items] if resource else []
    for row in rows:
        _check_row(row)
    bad = sum(isinstance(row, BadRow) for row in rows)
    return "a page without rows" if not rows else "good rows" if not bad else "bad rows" if bad == len(rows) else "good and bad rows"


def _try_errors_and_results(body: bytes) -> None:
    sentence = sentence_of(body, PROFILE.envelope)
    _check(0 < len(sentence) <= LONGEST and sentence.isprintable(), f"a sentence of {len(sentence)} characters")
    is_busy(body, PROFILE.envelope)
    try:
        results = read_results(body, 2, PROFILE.envelope)
    except Unreadable:
        return
    _check(len(results) == 2 and all(result.ok or result.messages for result in results), "an item without its result")
    for result in results:
        "".join(result.messages).encode()


def _check_row(row: object) -> None:
    """What every model promises: texts that can be stored, finite amounts, and a stored text that gives the same model."""
    for value in _values(row):
        if isinstance(value, str):
            value.encode()
        _check(not isinstance(value, Decimal) or (value.is_finite() and abs(value) < 10**15), f"the amount {value}")
    if isinstance(row, BadRow):
        _check(bool(row.sentence), "a bad row without a sentence")
    if isinstance(row, ClosedBatch):
        SITE.own(row.details_link)
    if isinstance(row, AvidInvoice):
        _check(parse_invoice(row.text, PROFILE) == row and bool(row.substance), "an invoice that its text does not give back")
    if isinstance(row, AvidPayment):
        _check(parse_payment(row.text, PROFILE) == row and bool(row.substance), "a payment that its text does not give back")


def _values(value: object) -> Iterator[object]:
    if is_dataclass(value):
        for item in fields(value):
            yield from _values(getattr(value, item.name))
    elif isinstance(value, tuple):
        for item in value:
            yield from _values(item)
    else:
        yield value


def _check(holds: bool, sentence: str) -> None:
    if not holds:
        raise AssertionError(sentence)


def main(arguments: list[str]) -> int:
    """0 when nothing crashed."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz_avid", description="Broken answers for AvidXchange's readers.")
    parser.add_argument("--count", type=int, default=COUNT, help="how many answers")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    found = search("AvidXchange's readers", try_answer, chosen.count, chosen.seed)
    print(found, *found.crashes[:20], sep="\n", flush=True)
    return min(1, len(found.crashes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

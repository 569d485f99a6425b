"""What must hold for any text, day, amount, link and error body: literals, key URLs, next links, the error parser."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from urllib.parse import urljoin, urlsplit

from hypothesis import example, given
from hypothesis import strategies as st

from sandbox.d365.query import parse_key
from sandbox.d365.schema import entity_sets
from sync.d365.entity import typed
from sync.d365.errors import MAX_SENTENCE, D365Problem, parse_problem
from sync.d365.literals import any_value, encoded, eq, key_path, literal
from sync.d365.rows import PostedInvoice
from sync.d365.wire import Json, read_json, write_json
from sync.errors import FixConfiguration, TryLater
from sync.values import EMPTY_DATE, day_of, noon, utc_moment, utc_text
from tests.d365.support import BASE, HOST, page, refusal, scripted

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
TRICKY = st.text(alphabet="'\"%/&?#=+()*\\, ;:ü\u2019\u0000\n", max_size=20) | TEXT
AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**12), max_value=10**12)
DAYS = st.dates(min_value=date(1900, 1, 2), max_value=date(2154, 12, 31))
MOMENTS = st.datetimes(min_value=datetime(1901, 1, 1), max_value=datetime(2153, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))  # noqa: DTZ001 - UTC is put on


# --- literals and key URLs ------------------------------------------------------------------------------------------------------------


@given(TRICKY)
def test_a_text_literal_ends_where_the_text_ends(text: str) -> None:
    made = literal(text)
    assert re.fullmatch(r"'(?:[^']|'')*'", made, re.DOTALL)
    assert made[1:-1].replace("''", "'") == text


@given(TRICKY, TRICKY)
def test_a_key_url_comes_back_as_the_key_in_another_s_parser(account: str, company: str) -> None:
    keys = {"dataAreaId": company, "VendorAccountNumber": account}
    path = key_path("VendorsV3", keys)
    assert path.isascii()
    assert not set(path) & set(" '\"/?#&+\\\n")
    inside = path.removeprefix("VendorsV3(").removesuffix(")")
    assert parse_key(entity_sets()["VendorsV3"], _decoded(inside)) == {**keys, "dataAreaId": company}


def _decoded(text: str) -> str:
    return re.sub(rb"%([0-9A-F]{2})", lambda match: bytes([int(match[1], 16)]), text.encode()).decode()


@given(st.lists(TRICKY, min_size=1, max_size=5))
def test_a_filter_survives_the_url(values: list[str]) -> None:
    condition = any_value("Name", values)
    assert _decoded(encoded(condition)) == condition
    assert condition.count(" eq '") >= len(values)
    for value in values:
        assert eq("Name", value) in condition


@given(DAYS, st.integers(-14, 14))
def test_a_day_survives_every_time_zone(day: date, hours: int) -> None:
    text = literal(day)
    assert text == noon(day) == f"{day.isoformat()}T12:00:00Z"
    assert day_of(text) == day
    if abs(hours) < 12:
        assert utc_moment(text).astimezone(timezone(timedelta(hours=hours))).date() == day


@given(MOMENTS)
def test_a_moment_comes_back_exactly(moment: datetime) -> None:
    assert utc_moment(literal(moment)) == utc_moment(utc_text(moment)) == moment


def test_the_empty_date_is_none() -> None:
    for text in ("1900-01-01T12:00:00Z", "1900-01-01T00:00:00Z", ""):
        assert day_of(text) is None
    assert date(1900, 1, 1) == EMPTY_DATE


@given(AMOUNTS)
@example(Decimal("-0.00"))
@example(Decimal("1E+3"))
def test_money_is_a_plain_number_in_urls_and_bodies(amount: Decimal) -> None:
    assert re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", literal(amount))
    assert Decimal(literal(amount)) == amount
    sent = write_json({"Amount": amount})
    assert read_json(sent) == {"Amount": amount}
    assert b"e" not in sent.lower().removeprefix(b'{"amount"')


@given(AMOUNTS, DAYS)
def test_a_row_holds_what_the_wire_said(amount: Decimal, day: date) -> None:
    body: Mapping[str, Json] = {"dataAreaId": "usmf", "InvoiceAmount": amount, "InvoiceDate": noon(day)}
    row = read_json(write_json({**dict.fromkeys(PostedInvoice.SELECT, ""), "SourceKey": 1, **body}))
    assert isinstance(row, dict)
    posted = typed(PostedInvoice, row)
    assert (posted.amount, posted.day) == (amount, day)


# --- next links -----------------------------------------------------------------------------------------------------------------------


HOSTS = st.sampled_from([HOST, HOST.upper(), f"{HOST}:443", "evil.example", f"{HOST}.evil.example", f"{HOST}@evil.example", f"me@{HOST}"])
LINKS = (
    st.builds(
        "{}{}{}{}".format,
        st.sampled_from(["https://", "http://", "//", "https:/", "https:\\\\", "/\\", "///", "", " https://", "ht\ntps://", "HTTPS://"]),
        HOSTS | st.just(""),
        st.sampled_from(["/data/X", "/data/../x", "\\@evil.example/", ":8443/data/X", ":/data", "/data/X%0d%0aHost: evil.example", ""]),
        st.sampled_from(["", "?$skip=1", "?$skiptoken=a'b c", "?x#@evil.example", "#//evil.example"]),
    )
    | TRICKY
)


@given(LINKS)
def test_a_next_link_is_followed_on_our_host_or_not_at_all(link: str) -> None:
    it = scripted(page({"n": 1}, link=link), page())
    try:
        list(it.client.rows("X"))
    except (FixConfiguration, TryLater):
        assert len(it.sent) == 1, "it leads away, or back to the page it stood on"
    for request in it.sent:
        parts = urlsplit(request.url)
        assert (parts.scheme, parts.netloc, parts.fragment) == ("https", HOST, "")
        assert request.url.isascii()
        assert request.url.isprintable()
        assert not set(request.url) & set(' \\"<>')


@given(st.text(alphabet="abcXYZ0129$%-._~", min_size=1, max_size=30).filter(lambda text: not re.search("%(?![0-9A-Fa-f]{2})", text)))
def test_a_link_of_ours_is_followed_verbatim(token: str) -> None:
    query = f"cross-company=true&$skiptoken={token}"
    for link in (f"{BASE}/data/X?{query}", f"/data/X?{query}", f"X?{query}", f"?{query}", f"../data/X?{query}"):
        it = scripted(page({"n": 1}, link=link), page())
        list(it.client.rows("X"))
        assert it.sent[1].url == urljoin(f"{BASE}/data/X", link)


# --- errors ---------------------------------------------------------------------------------------------------------------------------


WORDS = st.text(alphabet="abc DEF.,:;!?ü", max_size=60)
NAMES = st.text(alphabet="ABCdef_9", min_size=1, max_size=12)


@given(WORDS, NAMES, NAMES)
def test_the_last_entity_and_field_are_found_in_any_language(words: str, entity: str, field: str) -> None:
    text = f"Write failed for table row of type 'SomeEntity'. Infolog: Error: {words}; validateField failed on field '{entity}.{field}'."
    problem = parse_problem(refusal(text).body)
    assert (problem.entity, problem.field) == (entity, field)
    assert problem.sentence == " ".join(text.split())


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "message", "Message", "innererror", "value"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(DOCUMENTS)
def test_any_json_is_a_problem_with_a_sentence(document: Json) -> None:
    problem = parse_problem(write_json(document))
    assert isinstance(problem, D365Problem)
    assert 0 < len(problem.sentence) <= MAX_SENTENCE
    assert "\n" not in problem.sentence


@given(WORDS.filter(lambda text: bool(text.strip())), st.integers(0, 200))
def test_a_body_cut_anywhere_still_says_what_it_can(words: str, cut: int) -> None:
    body = refusal(words).body
    problem = parse_problem(body[: max(0, len(body) - cut)])
    assert problem.sentence
    assert len(problem.sentence) <= MAX_SENTENCE

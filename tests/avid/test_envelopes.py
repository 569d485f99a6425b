"""Answers in all the forms that are met, and in forms that nobody wants."""

import json
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.avid.envelopes import NO_REASON, NO_RESULT, Page, link_of, read_page, read_results
from sync.avid.jsontext import Json, Unreadable, json_text, read_json
from sync.avid.profile import shipped_profile
from sync.avid.refusals import is_busy, sentence_of
from sync.outcomes import ItemResult

pytestmark = pytest.mark.shipped_names("answers in the shipped names, read without a client")

ENVELOPE = shipped_profile().envelope
NEXT = {"Rel": "next", "Href": "https://api.avid.example/v1/vendors?pageNumber=2"}

scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.decimals(allow_nan=False, allow_infinity=False))
values: st.SearchStrategy[Json] = st.recursive(scalars, lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)))


def body(document: object) -> bytes:
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("document", "page"),
    [
        ({"Items": [{"Id": 1}], "Paging": {"PageCount": 3, "Links": [NEXT]}}, Page([{"Id": 1}], NEXT["Href"], 3, True)),
        ({"Items": [{"Id": 1}], "Paging": {"Pages": "3", "Links": NEXT}}, Page([{"Id": 1}], NEXT["Href"], 3, True)),
        ({"Items": [{"Id": 1}], "Paging": {"Links": None}}, Page([{"Id": 1}], "", None, True)),
        ({"Items": [{"Id": 1}], "Paging": None}, Page([{"Id": 1}])),
        ({"Items": [{"Id": 1}]}, Page([{"Id": 1}])),
        ({"Items": {"Id": 1}}, Page([{"Id": 1}])),
        ({"Items": None, "Paging": {"PageCount": 0}}, Page([], "", 0, True)),
        ({"Paging": {"TotalItems": 0}}, Page([], "", None, True)),
        ([{"Id": 1}, {"Id": 2}], Page([{"Id": 1}, {"Id": 2}])),
        ({"Id": 1}, Page([{"Id": 1}])),
        ([], Page([])),
        ({}, Page([])),
        (None, Page([])),
    ],
)
def test_a_page_is_read_in_every_form(document: object, page: Page) -> None:
    assert read_page(body(document), ENVELOPE) == page


def test_a_byte_order_mark_does_no_harm() -> None:
    assert read_page(b"\xef\xbb\xbf" + body([{"Id": 1}]), ENVELOPE).items == [{"Id": 1}]


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"<html><title>Sign in</title></html>",
        b'{"Items": [',
        b"\xff\xfe\xfa",
        b"7",
        b'"text"',
        b'{"a": NaN}',
        b'{"a": 1e99999999999999999999}',
        b"[" * 10_000 + b"]" * 10_000,
        b"[" * 200_000 + b"]" * 200_000,
        b'{"a":' * 70 + b"1" + b"}" * 70,
        body({"exception": {"reason": "Unauthorized", "detail": "no"}}),
        body({"fault": {"code": "900901", "message": "Invalid"}}),
    ],
)
def test_what_is_no_page_is_refused_with_a_sentence(bad: bytes) -> None:
    with pytest.raises(Unreadable) as caught:
        read_page(bad, ENVELOPE)
    assert str(caught.value).startswith("the answer ")


def test_sixty_levels_are_fine() -> None:
    assert read_page(b"[" * 60 + b"]" * 60, ENVELOPE).items


@given(values)
def test_no_json_document_breaks_the_readers(document: Json) -> None:
    text = json_text(document).encode()
    with suppress(Unreadable):
        read_page(text, ENVELOPE)
    with suppress(Unreadable):
        assert len(read_results(text, 2, ENVELOPE)) == 2
    assert 0 < len(sentence_of(text, ENVELOPE)) <= 300
    assert not is_busy(text, ENVELOPE)


@given(st.binary())
def test_no_bytes_break_the_readers(noise: bytes) -> None:
    assert 0 < len(sentence_of(noise, ENVELOPE)) <= 300
    with suppress(Unreadable):
        read_page(noise, ENVELOPE)


@given(values)
def test_canonical_text_gives_the_same_value_back(document: Json) -> None:
    text = json_text(document)
    again = read_json(text)
    assert again == document
    assert json_text(again) == text
    assert text.isascii()


def test_canonical_text_is_the_same_with_and_without_a_decimal() -> None:
    plain: Json = {"b": ["é\ud83d\ude00\n", True, None, -7], "a": {"z": {}, "y": []}}
    assert json_text([plain, Decimal("0.5")]) == f"[{json_text(plain)},0.5]"


def test_numbers_keep_their_digits() -> None:
    assert json_text(read_json(b'{"b": 1.10, "a": 12345678901234567890.123456789}')) == '{"a":12345678901234567890.123456789,"b":1.10}'
    assert read_json(b"0.1") == Decimal("0.1")


def test_the_link_is_found_by_its_relation() -> None:
    links: Json = [{"Rel": "self", "Href": "s"}, "no link", {"Rel": "Full-Details", "Href": " d "}, {"Rel": "full-details", "Href": "late"}]
    assert link_of(links, "full-details", ENVELOPE) == "d"
    assert link_of([{"Rel": "full-details", "Href": None}], "full-details", ENVELOPE) == ""
    assert link_of([{"Rel": "full-details", "Href": "/half/\ud800"}], "full-details", ENVELOPE) == ""


def test_a_message_of_any_kind_becomes_a_line_that_can_be_stored() -> None:
    sent = {"Results": [{"Successful": False, "Errors": [{"Message": "half \ud800 of\na line"}, {"Message": "x" * 5_000}]}]}
    assert read_results(body(sent), 1, ENVELOPE)[0].messages == ("half of a line", "x" * 299 + "…")


OK, BAD = ItemResult(True), ItemResult(False, ("too long",))


@pytest.mark.parametrize(
    ("document", "results"),
    [
        ({"Results": [{"Successful": True}, {"Successful": False, "Errors": [{"Message": "too long"}]}]}, [OK, BAD]),
        ({"Results": [{"Successful": "true"}, {"Successful": "false", "Errors": {"Message": "too long"}}]}, [OK, BAD]),
        ({"Results": [{"Successful": "True", "Errors": []}, {"Successful": "no", "Errors": "too long"}]}, [OK, BAD]),
        ([{"Successful": True}, {"Errors": [{"Message": "too long"}]}], [OK, BAD]),
        ({"Results": {"Successful": True}}, [OK, ItemResult(False, (NO_RESULT,))]),
        ({"Successful": True}, [OK, ItemResult(False, (NO_RESULT,))]),
        ({"Results": None}, [ItemResult(False, (NO_RESULT,))] * 2),
        ({"Results": [None, {"Successful": False}]}, [ItemResult(False, (NO_RESULT,)), ItemResult(False, (NO_REASON,))]),
        ({"Results": [{"Successful": True}, {"Successful": 1}, {"Successful": True}]}, [OK, ItemResult(False, (NO_REASON,))]),
    ],
)
def test_result_i_belongs_to_item_i_and_200_is_not_success(document: object, results: list[ItemResult]) -> None:
    assert read_results(body(document), 2, ENVELOPE) == results


@pytest.mark.parametrize("document", [{}, {"Id": 1}, None, 3, {"exception": {"reason": "r"}}])
def test_an_answer_without_results_is_refused(document: object) -> None:
    with pytest.raises(Unreadable):
        read_results(body(document), 1, ENVELOPE)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (body({"exception": {"reason": "Unauthorized", "detail": "Token\nexpired"}}), "Unauthorized: Token expired"),
        (body({"exception": {}}), "an error without a text"),
        (body({"exception": "broken"}), "broken"),
        (body({"fault": {"code": 900901, "message": "Invalid", "description": "Give a key"}}), "Invalid: Give a key"),
        (body({"Results": [{"Errors": {"Message": "too long"}}]}), "too long"),
        (body({"error": "invalid_grant", "error_description": "bad password"}), "bad password"),
        (body({"message": "gone"}), "gone"),
        (body({"error": {"code": "x"}}), "no explanation"),
        (body("plain"), "plain"),
        (body([1]), "no explanation"),
        (b"<?xml version='1.0'?><fault><message>Runtime &amp; Error</message><code>101503</code></fault>", "Runtime & Error 101503"),
        (b"<html><head><title>503 Service</title><script>var x</script></head></html>", "503 Service"),
        (b"<html><script>var x</script><p>Come back</p></html>", "Come back"),
        (b"<a/>", "markup without a text"),
        (b"", "an empty answer"),
        (b"upstream error", "upstream error"),
        (b"x" * 5000, "x" * 299 + "…"),
    ],
)
def test_an_error_body_becomes_one_sentence(error: bytes, sentence: str) -> None:
    assert sentence_of(error, ENVELOPE) == sentence


def test_the_gateway_is_busy_by_its_fault_code() -> None:
    assert is_busy(body({"fault": {"code": 900800, "message": "Message throttled out"}}), ENVELOPE)
    assert is_busy(body({"fault": {"code": "900800"}}), ENVELOPE)
    assert not is_busy(body({"fault": {"code": "900901"}}), ENVELOPE)

"""The retry table, tested with tuples."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.http.retry import ATTEMPTS, BACKOFF_CAP_SECONDS, Decision, Outcome, backoff, decide, not_before, retry_after
from sync.http.wire import NotSent, TooLarge, Unclear

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
D = Decision


@pytest.mark.parametrize(
    ("outcome", "read", "write"),
    [
        (NotSent("dns"), D.RETRY, D.RETRY),
        (Unclear("reset"), D.RETRY, D.LOOK),
        (TooLarge("200 MB"), D.TOO_LARGE, D.LOOK),
        (200, D.ANSWER, D.ANSWER),
        (201, D.ANSWER, D.ANSWER),
        (302, D.ANSWER, D.ANSWER),
        (400, D.ANSWER, D.ANSWER),
        (401, D.RENEW, D.SIGN_IN),
        (403, D.ANSWER, D.ANSWER),
        (404, D.ANSWER, D.ANSWER),
        (408, D.RETRY, D.LOOK),
        (409, D.ANSWER, D.ANSWER),
        (429, D.WAIT, D.THROTTLED),
        (500, D.RETRY, D.LOOK),
        (501, D.ANSWER, D.LOOK),
        (502, D.RETRY, D.LOOK),
        (503, D.RETRY, D.LOOK),
        (504, D.RETRY, D.LOOK),
    ],
)
def test_the_first_attempt(outcome: Outcome, read: Decision, write: Decision) -> None:
    assert decide(True, outcome, 1) is read
    assert decide(False, outcome, 1) is write


@pytest.mark.parametrize(("outcome", "decision"), [(503, D.LATER), (Unclear(""), D.LATER), (NotSent(""), D.LATER), (429, D.THROTTLED)])
def test_the_last_attempt_and_a_late_one_give_up_for_now(outcome: Outcome, decision: Decision) -> None:
    assert decide(True, outcome, ATTEMPTS) is decide(True, outcome, 1, late=True) is decision


def test_refused_again_after_renewing() -> None:
    assert decide(True, 401, 1, renewed=True) is D.REFUSED


@given(st.integers(100, 999), st.integers(1, 9), st.booleans())
def test_a_write_is_never_sent_again_after_it_may_have_been_seen(status: int, attempt: int, renewed: bool) -> None:
    assert decide(False, status, attempt, renewed=renewed) not in {D.RETRY, D.WAIT, D.RENEW}
    assert decide(False, Unclear(""), attempt) is D.LOOK


@given(st.integers(1, 50), st.floats(0, 1, exclude_max=True))
def test_backoff_is_full_jitter_below_its_cap(attempt: int, fraction: float) -> None:
    assert 0 <= backoff(attempt, fraction) <= min(BACKOFF_CAP_SECONDS, 2.0 ** (attempt - 1))


def test_backoff_doubles_from_a_second_to_a_minute() -> None:
    assert [backoff(attempt, 0.5) for attempt in range(1, 9)] == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_a_read_is_sent_five_times_at_most() -> None:
    assert [decide(True, 503, attempt) for attempt in range(1, 7)] == [D.RETRY] * 4 + [D.LATER] * 2


def test_without_a_retry_after_the_wait_doubles_from_ten_seconds_to_ten_minutes() -> None:
    waits = [(not_before(None, NOW, attempt) - NOW).total_seconds() for attempt in range(1, 9)]
    assert waits == [10, 20, 40, 80, 160, 320, 600, 600]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("5", 5),
        (" 120 ", 120),
        ("0", 0),
        ("1.5", 2),
        ("86400", 86_400),
        ("Mon, 02 Mar 2026 08:01:00 GMT", 60),
        ("Monday, 02-Mar-26 08:01:00 GMT", 60),
        ("Mon, 02 Mar 2026 07:00:00 GMT", -3600),
        ("Mon, 02 Mar 2026 09:01:00 +0100", 60),
    ],
)
def test_retry_after(header: str, seconds: float) -> None:
    assert retry_after(header, NOW) == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "header", [None, "", "soon", "-5", "1e3", "\u0665", "Mon, 99 Mar 2026 08:01:00 GMT", "Fri, 31 Dec 9999 23:59:59 -0100"]
)
def test_no_readable_retry_after(header: str | None) -> None:
    assert retry_after(header, NOW) is None
    assert not_before(header, NOW, 1) == NOW + timedelta(seconds=10)
    assert not_before(header, NOW, 3) == NOW + timedelta(seconds=40)


def test_retry_after_is_never_clamped() -> None:
    assert not_before("604800", NOW, 1) == NOW + timedelta(days=7)
    assert not_before("9" * 30, NOW, 1) == datetime.max.replace(tzinfo=UTC)


@given(st.text(max_size=40))
def test_any_header_is_survived(header: str) -> None:
    moment = retry_after(header, NOW)
    assert moment is None or moment.tzinfo is UTC

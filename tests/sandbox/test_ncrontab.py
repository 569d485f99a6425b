"""Schedules of timers: what each text means."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.runner.ncrontab import parse


def at(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "after", "following"),
    [
        ("0 */5 * * * *", "2026-03-01T10:00:00", "2026-03-01T10:05:00"),
        ("0 */5 * * * *", "2026-03-01T23:57:30", "2026-03-02T00:00:00"),
        ("* * * * * *", "2026-03-01T10:00:00", "2026-03-01T10:00:01"),
        ("30 0 9-17/4 * * MON-FRI", "2026-02-27T17:00:30", "2026-03-02T09:00:30"),
        ("0 0 0 29 2 *", "2026-03-01T00:00:00", "2028-02-29T00:00:00"),
        ("0 0 0 1 JAN,jul *", "2026-03-01T00:00:00", "2026-07-01T00:00:00"),
        ("0 15,45 6 * * 0", "2026-03-01T06:15:00", "2026-03-01T06:45:00"),
        ("0 0 0 13 * 5", "2026-03-14T00:00:00", "2026-11-13T00:00:00"),
        ("0 20/20 * * * *", "2026-03-01T10:40:00", "2026-03-01T11:20:00"),
    ],
)
def test_the_next_time(schedule: str, after: str, following: str) -> None:
    assert parse(schedule).next_after(at(after)) == at(following)


@given(st.integers(0, 8 * 366 * 86_400), st.sampled_from(["0 */7 * * * *", "5,6 1 2-4 * * *", "0 0 12 31 * *"]))
def test_the_next_time_is_later_and_matches_every_field(seconds: int, text: str) -> None:
    schedule = parse(text)
    moment = at("2024-01-01T00:00:00") + timedelta(seconds=seconds)
    following = schedule.next_after(moment)
    assert following > moment
    assert following.second in schedule.seconds
    assert following.minute in schedule.minutes
    assert following.hour in schedule.hours
    assert following.day in schedule.days
    assert schedule.next_after(following) > following


@pytest.mark.parametrize(
    "text", ["* * * * *", "0 60 * * * *", "0 5-3 * * * *", "0 */0 * * * *", "0 a * * * *", "0 , * * * *", "0 0 0 0 * *", "0 - * * * *"]
)
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="schedule"):
        parse(text)


def test_a_day_that_never_comes_is_said() -> None:
    with pytest.raises(ValueError, match="never"):
        parse("0 0 0 30 2 *").next_after(at("2026-01-01T00:00:00"))

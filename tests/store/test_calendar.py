"""Periods of retraining: which are allowed, and on which days they fall."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openlookout.store.calendar import midnight, next_occurrence, occurrence, period

PERIODS = st.sampled_from(["P1M", "P2M", "P12M", "P1Y", "P30D", "P45D", "P365D", "P1M15D", "P11M30D"])
DAYS = st.integers(0, 20_000).map(lambda days: datetime(1990, 1, 1, tzinfo=UTC) + timedelta(days=days))


def day(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}T00:00:00+00:00")


@pytest.mark.parametrize(
    ("text", "is_allowed"),
    [
        ("P30D", True),
        ("P29D", False),
        ("P1M", True),
        ("P365D", True),
        ("P366D", False),
        ("P1Y", True),
        ("P12M", True),
        ("P13M", False),
        ("P1Y1D", False),
        ("P2Y", False),
        ("P", False),
        ("P0Y0M0D", False),
        ("P0M30D", True),
        ("P999D", False),
        ("P99M", False),
        ("P11M30D", True),
    ],
)
def test_a_period_is_a_month_to_a_year(text: str, is_allowed: bool) -> None:
    assert period(text).is_allowed == is_allowed


def test_months_are_counted_from_the_start_date_and_clamped_to_the_months_end() -> None:
    days = [occurrence(day("2024-01-31"), period("P1M"), number) for number in range(5)]
    assert [f"{each:%m-%d}" for each in days] == ["01-31", "02-29", "03-31", "04-30", "05-31"]
    assert occurrence(day("2024-02-29"), period("P1Y"), 1) == day("2025-02-28")
    assert occurrence(day("2024-02-29"), period("P1Y"), 4) == day("2028-02-29")
    assert occurrence(day("2024-12-15"), period("P1M15D"), 2) == day("2025-03-17")


@given(start=DAYS, text=PERIODS, after=DAYS)
def test_the_next_occurrence_is_the_first_one_later(start: datetime, text: str, after: datetime) -> None:
    every = period(text)
    found = next_occurrence(start, every, after)
    assert found > after
    assert found == next(each for each in (occurrence(start, every, n) for n in range(2_000)) if each > after)


def test_a_start_date_that_lies_ahead_is_the_next_occurrence() -> None:
    assert next_occurrence(day("2026-06-01"), period("P1M"), day("2026-01-01")) == day("2026-06-01")
    assert next_occurrence(day("2026-06-01"), period("P1M"), day("2026-06-01")) == day("2026-07-01")
    with pytest.raises(OverflowError, match="the year 10000"):
        next_occurrence(day("9999-12-31"), period("P1M"), day("9999-12-31"))


def test_midnight_is_the_beginning_of_the_utc_day() -> None:
    assert midnight(datetime.fromisoformat("2026-03-01T00:30:00+02:00")) == day("2026-02-28")

"""Periods of retraining: `P1M`, `P30D`, `P1Y`, and the days on which they begin, counted from a start date.

Months are counted from the start date each time, and clamped to the month's end: from 31 January P1M gives 28 February
and then 31 March.
"""

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_PERIOD = re.compile(r"P(?:(\d)Y)?(?:(\d{1,2})M)?(?:(\d{1,3})D)?")
DAYS_MIN, DAYS_MAX = 30, 365
DAYS_A_YEAR = 365
MONTHS_A_YEAR = 12
YEAR_MAX = 9999


@dataclass(frozen=True)
class Period:
    """So many months, then so many days."""

    months: int
    days: int

    @property
    def length_days(self) -> float:
        """Its usual length: a month is a twelfth of 365 days."""
        return self.months * DAYS_A_YEAR / MONTHS_A_YEAR + self.days

    @property
    def is_allowed(self) -> bool:
        """Whether it is from 30 days to one year long (API reference, CreateRetrainingScheduler)."""
        return DAYS_MIN <= self.length_days <= DAYS_MAX


def period(text: str) -> Period:
    """Give a period of the API's pattern `P1Y2M3D`."""
    said = _PERIOD.fullmatch(text)
    assert said is not None, text
    years, months, days = (int(part or 0) for part in said.groups())
    return Period(years * MONTHS_A_YEAR + months, days)


def midnight(at: datetime) -> datetime:
    """The beginning of an instant's UTC day."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def occurrence(start: datetime, every: Period, number: int) -> datetime:
    """The day `number` periods after the start date; number 0 is the start date.

    Raises:
        OverflowError: it lies after the year 9999.
    """
    month = start.month - 1 + number * every.months
    year = start.year + month // MONTHS_A_YEAR
    if year > YEAR_MAX:
        raise OverflowError(f"the year {year} is after {YEAR_MAX}")
    month = month % MONTHS_A_YEAR + 1
    day = min(start.day, calendar.monthrange(year, month)[1])
    return start.replace(year=year, month=month, day=day) + timedelta(days=number * every.days)


def next_occurrence(start: datetime, every: Period, after: datetime) -> datetime:
    """The first occurrence later than a time; the start date itself, when that is later.

    Raises:
        OverflowError: it lies after the year 9999.
    """
    number = max(int((after - start) / timedelta(days=1) / every.length_days) - 1, 0)
    while (found := occurrence(start, every, number)) <= after:
        number += 1
    return found

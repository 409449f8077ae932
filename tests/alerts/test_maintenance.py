"""Maintenance windows are counted on the wall clock of their zone, through both changes of the clocks."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openlookout.alerts.maintenance import BadMaintenance, Maintenance, checked

BERLIN = "Europe/Berlin"


def wall(text: str) -> datetime:
    """A time on the wall clock of whatever zone."""
    return datetime.fromisoformat(text)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_night_shift_ends_at_six_also_when_the_clocks_change() -> None:
    nightly = Maintenance("night", wall("2026-03-27T22:00"), 8 * 60, BERLIN, "FREQ=DAILY")
    nights = nightly.occurrences(utc("2026-03-27T12:00"), 3)
    assert nights == [
        (utc("2026-03-27T21:00"), utc("2026-03-28T05:00")),
        (utc("2026-03-28T21:00"), utc("2026-03-29T04:00")),  # Seven hours: summer time begins.
        (utc("2026-03-29T20:00"), utc("2026-03-30T04:00")),
    ]
    autumn = nightly.occurrences(utc("2026-10-24T12:00"), 1)
    assert autumn == [(utc("2026-10-24T20:00"), utc("2026-10-25T05:00"))]  # Nine hours.


def test_a_start_that_the_clock_skips_is_when_it_would_have_been() -> None:
    once = Maintenance("wash", wall("2026-03-29T02:30"), 30, BERLIN)
    assert once.covers(utc("2026-03-29T01:30"))
    assert not once.covers(utc("2026-03-29T01:29"))


def test_once_covers_its_start_and_not_its_end() -> None:
    once = Maintenance("wash", wall("2026-07-01T10:00"), 60, BERLIN)
    times = ("2026-07-01T07:59", "2026-07-01T08:00", "2026-07-01T08:59", "2026-07-01T09:00", "2027-07-01T08:30")
    assert [once.covers(utc(at)) for at in times] == [False, True, True, False, False]


@given(
    at=st.datetimes(wall("2026-01-01"), wall("2027-12-31")),
    hour=st.integers(0, 23),
    minutes=st.integers(1, 3 * 24 * 60),
    zone=st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]),
)
def test_covers_is_what_looking_at_every_single_window_gives(at: datetime, hour: int, minutes: int, zone: str) -> None:
    weekly = Maintenance("weekly", wall(f"2025-12-04T{hour:02}:15"), minutes, zone, "FREQ=WEEKLY;BYDAY=TH,SU")
    aware, tz, found = at.replace(tzinfo=UTC), ZoneInfo(zone), False
    for day in range(800):
        start = wall(f"2025-12-04T{hour:02}:15") + timedelta(days=day)
        if start.weekday() in {3, 6}:
            first = start.replace(tzinfo=tz).timestamp()
            last = (start + timedelta(minutes=minutes)).replace(tzinfo=tz).timestamp()
            found |= first <= aware.timestamp() < (last if last > first else first + minutes * 60)
    assert weekly.covers(aware) == found


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"zone": "Berlin"}, "'Berlin' is no IANA time zone, such as Europe/Berlin or UTC"),
        ({"minutes": 0}, "a window of 0 minutes; 1 to 527040 are possible"),
        ({"recurrence": "FREQ=HOURLY"}, "the rule 'FREQ=HOURLY' is not one of days, weeks, months or years"),
        ({"recurrence": "every sunday"}, "the rule 'every sunday' is no RRULE of RFC 5545"),
        ({"recurrence": "FREQ=DAILY;UNTIL=20250101"}, "the rule 'FREQ=DAILY;UNTIL=20250101' never happens after 2026"),
        ({"start": datetime(2026, 1, 1, tzinfo=UTC)}, "the start has an offset from UTC"),
    ],
)
def test_a_window_that_cannot_be_is_refused_in_a_sentence(changed: dict[str, object], sentence: str) -> None:
    values = {"name": "w", "start": wall("2026-01-01"), "minutes": 60, "zone": BERLIN, "recurrence": "FREQ=DAILY"}
    with pytest.raises(BadMaintenance, match=sentence.replace("(", r"\(")):
        checked(Maintenance(**(values | changed)))  # type: ignore[arg-type]

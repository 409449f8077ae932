"""The agreement report says what is so: found or not, earlier or later, and nothing of times that one has not seen."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from openlookout.adopt.agreement import NEAR, compare
from openlookout.adopt.old_results import Found, Interval, intervals_of
from openlookout.adopt.report import as_html, as_json, lead_text, summary

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAYS = (START, START + timedelta(days=61))


def alarm(start: float, end: float, *leading: str) -> Interval:
    return Interval(START + start * HOUR, START + end * HOUR, leading)


def test_an_alarm_is_found_earlier_or_later_with_the_same_sensors() -> None:
    old = Found([alarm(10, 20, "a", "b", "c", "d", "e"), alarm(100, 101, "a")], [DAYS], ["results"])
    new = Found([alarm(7, 9.95, "z"), alarm(12, 30, "e", "d", "x", "y", "a"), alarm(500, 501, "a")], [DAYS])
    told = compare("pump", old, new, [(START + 5 * HOUR, START + 25 * HOUR)])
    first, second = told.alarms
    assert (first.is_found, first.lead_hours, first.n_shared, first.n_leading) == (True, 3.0, 3, 5)
    assert first.leading_now == ("e", "d", "x", "y", "a")
    assert first.label_end == START + 25 * HOUR
    assert (second.is_found, second.lead_hours, second.n_shared) == (False, None, None)
    assert (told.n_found, told.n_then, told.n_now, told.n_only_now) == (1, 2, 3, 1)
    assert round(told.a_month(told.n_then) or 0, 2) == 1.0
    assert summary(told)[1] == "Where both alarmed, this service was 3.0 hours earlier (the middle of 1)."


def test_without_a_common_time_nothing_is_compared() -> None:
    old = Found([alarm(1, 2)], [(START, START + 24 * HOUR)], ["results"])
    new = Found([alarm(100, 101)], [(START + 90 * HOUR, START + 190 * HOUR)])
    told = compare("pump", old, new, [])
    assert (told.alarms, told.spans, told.n_outside, told.a_month(1)) == ([], [], 1, None)
    assert " ".join(told.said) == (
        "The old results (2024-01-01 to 2024-01-02) and what this service has looked at (2024-01-04 to 2024-01-08) have "
        "no time in common: nothing can be compared."
    )
    assert compare("pump", Found(), new, []).said[0].startswith("No results of the old service were found")


@given(
    old=st.lists(st.tuples(st.integers(0, 400), st.integers(1, 30)), max_size=6),
    new=st.lists(st.tuples(st.integers(0, 400), st.integers(1, 30)), max_size=6),
)
def test_found_is_the_naive_overlap(old: list[tuple[int, int]], new: list[tuple[int, int]]) -> None:
    then, now = ([alarm(at, at + length) for at, length in each] for each in (old, new))
    told = compare("m", Found(then, [DAYS]), Found(now, [DAYS]), [])
    expected = sorted(
        (one.start, any(one.start <= other.end + NEAR and other.start <= one.end + NEAR for other in now))
        for one in then
    )
    assert sorted((one.start, one.is_found) for one in told.alarms) == expected


def test_rows_that_alarm_one_after_another_are_one_interval() -> None:
    at = [START + i * timedelta(minutes=5) for i in range(12)]
    rows = [(at[i], i in {2, 3, 4, 8}, {"a": 0.9, "b": 0.1}) for i in range(12)]
    first, second = intervals_of(rows)
    assert (first.start, first.end, first.leading) == (at[1], at[4], ("a", "b"))
    assert (second.start, second.end) == (at[7], at[8])


def test_the_page_needs_nothing_from_elsewhere_and_escapes_names() -> None:
    old = Found([alarm(10, 20, "<script>")], [DAYS], ["<b>"])
    told = compare("<i>", old, Found([alarm(11, 12, "a")], [DAYS]), [])
    page = as_html([told], ["file <x>: broken"], START)
    assert "<script>" not in page
    assert "<b>" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "file &lt;x&gt;: broken" in page
    assert page.count("<rect") == 3
    assert '"n_found": 1' in as_json([told], [])


def test_leads_are_told_in_words() -> None:
    assert [lead_text(hours) for hours in (0, 0.5, -3, 100)] == [
        "as early",
        "30 minutes earlier",
        "3.0 hours later",
        "100.0 hours earlier",
    ]

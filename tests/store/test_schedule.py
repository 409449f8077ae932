"""When a scheduler is due: the guide's examples, and what must hold for any time."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from openlookout.api.instants import EPOCH
from openlookout.store.durations import duration
from openlookout.store.schedule import first_due, window

FREQUENCIES = st.sampled_from(["PT5M", "PT10M", "PT15M", "PT30M", "PT1H"])
TIMES = st.integers(946_684_800, 4_102_444_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2024-03-01T{text}+00:00")


def test_the_guides_examples() -> None:
    assert first_due(at("09:58:00"), duration("PT5M"), None) == at("10:00:00")
    assert first_due(at("09:58:00"), duration("PT1H"), 0) == at("10:00:00")
    assert first_due(at("09:58:00"), duration("PT1H"), 5) == at("10:05:00")
    assert window(at("12:50:00"), duration("PT5M"), 0) == (at("12:45:00"), at("12:50:00"))
    assert window(at("10:05:00"), duration("PT1H"), 5) == (at("09:00:00"), at("10:00:00"))


@given(now=TIMES, text=FREQUENCIES, delay=st.integers(0, 60))
def test_it_is_the_next_multiple_of_the_frequency_plus_the_delay(now: datetime, text: str, delay: int) -> None:
    frequency, late = duration(text), timedelta(minutes=delay)
    due = first_due(now, frequency, delay)
    assert now < due <= now + frequency
    assert (due - late - EPOCH) % frequency == timedelta(0)
    assert window(due, frequency, delay) == (due - late - frequency, due - late)

"""When a scheduler is due: at multiples of its frequency, counted from the full hour, plus its delay.

Guide, "Scheduling inference": PT5M wakes at 10:00, 10:05 …; with a delay of 5 minutes PT1H wakes at 10:05.
"""

from datetime import datetime, timedelta

from openlookout.api.instants import EPOCH


def first_due(now: datetime, frequency: timedelta, delay_minutes: int | None) -> datetime:
    """Give the first due time after `now`."""
    delay = timedelta(minutes=delay_minutes or 0)
    return EPOCH + ((now - delay - EPOCH) // frequency + 1) * frequency + delay


def window(due: datetime, frequency: timedelta, delay_minutes: int | None) -> tuple[datetime, datetime]:
    """Give start and end of the data that a run covers, open on the left: (start, end]."""
    end = due - timedelta(minutes=delay_minutes or 0)
    return end - frequency, end

"""Maintenance windows: times on a wall clock in which a machine is worked on, once or again and again. Pure.

A window is counted on the wall clock of its zone: one from 22:00 for eight hours ends at 06:00 also in the night in
which the clocks change. A start that the clock skips is when it would have been, an hour that comes twice is its first.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from dateutil.rrule import rrulestr

MINUTES_MAX = 366 * 24 * 60
RULE_CHARACTERS_MAX = 200
# Below a day it is no maintenance, and would take for ever to look through.
NOT_TAKEN = ("FREQ=SECONDLY", "FREQ=MINUTELY", "FREQ=HOURLY", "DTSTART", "\n")


class BadMaintenance(Exception):
    """A window that cannot be; the message says why."""


@dataclass(frozen=True)
class Maintenance:
    """`start`: naive, on the wall clock of `zone`. `recurrence`: an RRULE of RFC 5545, None for once."""

    name: str
    start: datetime
    minutes: int
    zone: str
    recurrence: str | None = None

    def covers(self, at: datetime) -> bool:
        """Whether the (aware) time is in the window: the start is, the end is not."""
        return any(begin <= at < end for begin, end in self._near(at))

    def occurrences(self, after: datetime, n_max: int) -> list[tuple[datetime, datetime]]:
        """Give the next `n_max` windows (UTC) that end after a time."""
        found: list[tuple[datetime, datetime]] = []
        wall = after.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)
        for begin in self._starts(wall - self._length - timedelta(days=1)):
            aware = self._aware(begin)
            if aware[1] > after:
                found.append(aware)
            if len(found) == n_max:
                break
        return found

    @property
    def _length(self) -> timedelta:
        return timedelta(minutes=self.minutes)

    def _near(self, at: datetime) -> Iterator[tuple[datetime, datetime]]:
        wall = at.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)
        day = timedelta(days=1)  # More than clocks are ever changed by.
        for begin in self._starts(wall - self._length - day):
            if begin > wall + day:
                return
            yield self._aware(begin)

    def _starts(self, after: datetime) -> Iterator[datetime]:
        if self.recurrence is None:
            yield self.start
            return
        yield from rrulestr(self.recurrence, dtstart=self.start).xafter(after, inc=True)

    def _aware(self, begin: datetime) -> tuple[datetime, datetime]:
        zone = ZoneInfo(self.zone)
        start = begin.replace(tzinfo=zone).astimezone(UTC)
        end = (begin + self._length).replace(tzinfo=zone).astimezone(UTC)
        # A start in the skipped hour, and an end soon after it.
        return start, end if end > start else start + self._length


def checked(window: Maintenance) -> Maintenance:
    """Give the window if it can be.

    Raises:
        BadMaintenance: an unknown zone, a rule that cannot be read, no time at all, or too much of it.
    """
    if window.zone not in available_timezones():
        raise BadMaintenance(f"'{window.zone}' is no IANA time zone, such as Europe/Berlin or UTC")
    if not 1 <= window.minutes <= MINUTES_MAX:
        raise BadMaintenance(f"a window of {window.minutes} minutes; 1 to {MINUTES_MAX} are possible")
    if window.start.tzinfo is not None:
        raise BadMaintenance("the start has an offset from UTC; it is a time on the wall clock of the zone")
    if window.recurrence is None:
        return window
    text = window.recurrence.upper()
    if len(text) > RULE_CHARACTERS_MAX or any(part in text for part in NOT_TAKEN):
        raise BadMaintenance(f"the rule '{window.recurrence[:80]}' is not one of days, weeks, months or years")
    try:
        first = next(iter(rrulestr(window.recurrence, dtstart=window.start)), None)
    except (ValueError, TypeError) as error:
        raise BadMaintenance(f"the rule '{window.recurrence}' is no RRULE of RFC 5545: {error}") from None
    if first is None:
        raise BadMaintenance(f"the rule '{window.recurrence}' never happens after {window.start}")
    return window

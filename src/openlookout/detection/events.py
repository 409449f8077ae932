"""Rows that alarm -> events: from when to when, and which sensors led."""

from dataclasses import dataclass

import numpy as np

from openlookout.detection.contract import Booleans, Floats, Integers


@dataclass(frozen=True)
class Event:
    """Consecutive rows of one segment that alarm.

    `start_us` is where the first row's time begins (one step before its timestamp), `end_us` the last row's timestamp,
    both in microseconds; `first_us` the timestamp of the first row, when the alarm could be known. `rows` are the row
    numbers [first, last]. `contribution` (n_sensors,) is the mean share over the rows and sums to 1.
    """

    start_us: int
    first_us: int
    end_us: int
    rows: tuple[int, int]
    contribution: Floats


def find_events(
    timestamps: Integers, alarm: Booleans, segment: Integers, contribution: Floats, rate_us: int
) -> list[Event]:
    """Give the events in time order; arrays are (n_rows,), contribution (n_rows, n_sensors)."""
    if not alarm.any():
        return []
    begins = alarm & np.r_[True, ~alarm[:-1] | (segment[1:] != segment[:-1])]
    ends = alarm & np.r_[~alarm[1:] | (segment[1:] != segment[:-1]), True]
    events = []
    for first, last in zip(np.flatnonzero(begins), np.flatnonzero(ends), strict=True):
        shares = contribution[first : last + 1].mean(axis=0)
        events.append(
            Event(
                start_us=int(timestamps[first]) - rate_us,
                first_us=int(timestamps[first]),
                end_us=int(timestamps[last]),
                rows=(int(first), int(last)),
                contribution=shares / shares.sum(),
            )
        )
    return events

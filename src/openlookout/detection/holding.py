"""When an alarm begins and how long it lasts: from rows that are over a limit, to rows that alarm."""

import numpy as np

from openlookout.detection.contract import Booleans, Integers


def twice(over: Booleans, segment: Integers, *, before: bool) -> Booleans:
    """(n_rows,): rows that are over as the row before them is; the first of a segment by itself.

    `before`: whether the row before the first was over.
    """
    was = np.ones_like(over)
    was[1:] = over[:-1] | (segment[1:] != segment[:-1])
    was[:1] = before
    return over & was


def holding(begins: Booleans, held: Booleans, segment: Integers, *, goes_on: bool) -> Booleans:
    """(n_rows,): alarms begin where they begin and last while they are held, at most to the end of the segment.

    `goes_on`: the row before the first, of the same segment, was in an alarm.
    """
    on = begins | held
    border = ~on
    border[1:] |= segment[1:] != segment[:-1]
    stretch = np.cumsum(border)
    source = begins & on
    count = np.cumsum(source)
    before = np.concatenate([[0], count])[np.searchsorted(stretch, stretch, "left")]
    alarm: Booleans = on & ((count > before) | ((stretch == 0) & goes_on))
    return alarm

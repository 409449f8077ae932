"""Events of scored rows, each with its evidence; and the rows to remember, so that the next rows can go on from there.

Scoring at once and scoring piece by piece explain an event alike: what is judged are the rows before it and its first
ones (`evidence.py`), and those are what is remembered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openlookout.detection.contract import Booleans, Floats, Integers, Scores, Singles
from openlookout.detection.ensemble import Ensemble
from openlookout.detection.events import Event, find_events
from openlookout.detection.evidence import EVENT_ROWS, LOOKBACK_ROWS, gather
from openlookout.detection.evidence_record import Evidence
from openlookout.detection.look import Rows


@dataclass(frozen=True)
class Recent:
    """Scored rows, (n_rows,) or (n_rows, n_sensors): the last ones, and those with which an event began that lasts."""

    timestamps: Integers
    segment: Integers
    alarm: Booleans
    readings: Floats
    steady: Singles
    contribution: NDArray[np.float32]

    def arrays(self) -> dict[str, np.ndarray]:
        return dict(vars(self))


def recent_of(arrays: Mapping[str, np.ndarray]) -> Recent:
    return Recent(*(arrays[name] for name in ("timestamps", "segment", "alarm", "readings", "steady", "contribution")))


@dataclass(frozen=True)
class Explained:
    """An event with its evidence; `event.rows` count among the rows that were given."""

    event: Event
    evidence: Evidence


def explain(
    detector: Ensemble,
    rows: Recent,
    contribution: Floats,
    *,
    rate_us: int,
    names: Sequence[str],
    before: Recent | None = None,
) -> list[Explained]:
    """Find the events of the rows, with `contribution` (n_rows, n_sensors).

    `before` is what is remembered of the rows before; an event that goes on from there is explained from its begin.
    """
    events = find_events(rows.timestamps, rows.alarm, rows.segment, contribution, rate_us)
    n_before = 0 if before is None else len(before.timestamps)
    whole = rows if before is None else _joined(before, rows)
    explained = []
    for event in events:
        first, last = (n_before + row for row in event.rows)
        first = _begin(whole, first)
        start = max(first - LOOKBACK_ROWS, 0)
        start += int(np.argmax(whole.segment[start : first + 1] == whole.segment[first]))
        part = slice(start, last + 1)
        led = whole.contribution[first : min(first + EVENT_ROWS, last + 1)].mean(axis=0, dtype=np.float64)
        around = Rows(whole.timestamps[part], whole.readings[part], whole.steady[part], first - start, led)
        evidence = gather(detector.scaling, detector.expectation, around, event.contribution, names)
        explained.append(Explained(event, evidence))
    return explained


def scored_rows(timestamps: Integers, segment: Integers, readings: Floats, scores: Scores) -> Recent:
    """Rows with what was scored of them."""
    return Recent(timestamps, segment, scores.alarm, readings, scores.steady, scores.contribution.astype(np.float32))


def _joined(before: Recent, rows: Recent) -> Recent:
    pairs = zip(vars(before).values(), vars(rows).values(), strict=True)
    return Recent(*(np.concatenate(pair) for pair in pairs))


def _begin(rows: Recent, row: int) -> int:
    """The first row of the alarm that holds this one."""
    while row > 0 and rows.alarm[row - 1] and rows.segment[row - 1] == rows.segment[row]:
        row -= 1
    return row


def remembered(rows: Recent, before: Recent | None = None) -> Recent:
    """What the rows after these need to know of them, and of those before."""
    rows = rows if before is None else _joined(before, rows)
    n = len(rows.timestamps)
    if not n:
        return rows
    keep = np.zeros(n, bool)
    keep[max(n - LOOKBACK_ROWS, 0) :] = True
    if rows.alarm[-1]:
        first = _begin(rows, n - 1)
        keep[max(first - LOOKBACK_ROWS, 0) : first + EVENT_ROWS] = True
    keep &= rows.segment == rows.segment[-1]
    return Recent(*(values[keep] for values in vars(rows).values()))

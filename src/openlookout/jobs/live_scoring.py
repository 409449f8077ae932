"""From readings to scores with a memory: what an execution and a replay both do. Knows arrays; knows no file, no row.

Live equals batch, to the bit: however the time is cut into stretches, each scored with the state that the one before
gave, every row has the same score.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from openlookout.detection.contract import Scores
from openlookout.detection.recent import Explained, Recent, explain, scored_rows
from openlookout.detection.recent import remembered as remembered_rows
from openlookout.jobs.live_state import LiveState, remembered
from openlookout.jobs.version_files import VersionFiles, running_segments
from openlookout.timeseries.columnar import Readings
from openlookout.timeseries.grid import Grid, make_grid

Booleans = np.ndarray
ReadingsByComponent = Mapping[str, Readings]


@dataclass(frozen=True)
class Stretch:
    """The rows of a stretch of time, scored.

    `is_new` (n_rows,): not scored before; `segment` (n_rows,); `scores` are of the rows `is_scored`, in their order;
    `before` are scored rows that an event may go back to; `state` is what the next stretch begins with.
    """

    version: VersionFiles
    grid: Grid
    is_new: Booleans
    segment: np.ndarray
    scores: Scores
    before: Recent | None
    state: LiveState

    @property
    def is_scored(self) -> Booleans:
        """(n_rows,): new rows of a machine that is not off."""
        return self.is_new & ~self.grid.off

    def scores_of(self, rows: Booleans) -> Scores:
        """The scores of those of the rows (n_rows,) bool that are scored."""
        chosen = rows[self.is_scored]
        return self.scores.taken(chosen)

    def remembered(self, first: int, last: int, before: Recent | None) -> Recent:
        """What rows after them need to know of the rows from `first` to before `last`, and of those `before`."""
        read = self.is_scored & self.grid.is_read
        read[:first] = read[last:] = False
        scores = self.scores_of(read)
        return remembered_rows(
            scored_rows(self.grid.timestamps[read], self.segment[read], self.grid.values[read], scores), before
        )

    def explained(self, rows: Booleans, scores: Scores) -> list[Explained]:
        """The events in the rows (n_rows,) bool, with their evidence; `scores` are `scores_of` them."""
        chosen = rows & self.is_scored
        scored = scored_rows(self.grid.timestamps[chosen], self.segment[chosen], self.grid.values[chosen], scores)
        return explain(
            self.version.detector,
            scored,
            scores.contribution,
            rate_us=self.grid.rate_us,
            names=self.version.sensors,
            before=self.before,
        )


def plain_events(explained: Sequence[Explained], sensors: Sequence[str]) -> list[dict[str, Any]]:
    """Events as plain values."""
    return [
        {
            "start_us": each.event.start_us,
            "end_us": each.event.end_us,
            "n_rows": each.event.rows[1] - each.event.rows[0] + 1,
            "diagnostics": dict(zip(sensors, each.event.contribution.tolist(), strict=True)),
            "evidence": each.evidence,
        }
        for each in explained
    ]


def score_stretch(
    version: VersionFiles, state: LiveState, fresh: ReadingsByComponent, start_us: int, end_us: int
) -> Stretch:
    """Score the rows up to `end_us` that the state has not seen, from the readings in (start_us, end_us]."""
    tail = {name: _joined(state.tail.get(name), readings) for name, readings in fresh.items()}
    grid, first_new = _grid(version, state, tail, start_us, end_us)
    segment = running_segments(grid)
    if first_new and state.detector is not None:
        segment = segment + int(state.detector["segment"])
    elif state.detector is not None:
        segment = segment + int(state.detector["segment"]) + 1
    is_new = np.arange(len(grid.timestamps)) >= first_new
    scored = is_new & ~grid.off
    scores, detector = version.detector.score(grid.values[scored], segment[scored], state.detector)
    # A row that only carries readings on says nothing of its own.
    read = scored & grid.is_read
    rows = scored_rows(grid.timestamps[read], segment[read], grid.values[read], scores.taken(grid.is_read[scored]))
    known = replace(state, detector=detector, recent=remembered_rows(rows, state.recent))
    return Stretch(version, grid, is_new, segment, scores, state.recent, _next_state(version, known, tail, grid))


def _grid(
    version: VersionFiles, state: LiveState, tail: ReadingsByComponent, start_us: int, end_us: int
) -> tuple[Grid, int]:
    """Give rows after the last one scored up to the stretch's end, and the number of the first that is new.

    The last row scored comes along as row 0 when it is there: it tells whether the next continues its segment.
    """
    grid = make_grid(
        tail.values(),
        version.sensors,
        version.sampling,
        start_us=start_us if state.last_us is None else state.last_us - 1,
        end_us=end_us,
        off=version.off,
        off_before=state.off_value,
    )
    has_last = bool(len(grid.timestamps)) and int(grid.timestamps[0]) == state.last_us
    return grid, int(has_last)


def _joined(earlier: Readings | None, fresh: Readings) -> Readings:
    """The tail and what is new; a reading after the tail's end only, so that nothing is read twice."""
    if earlier is None or not len(earlier.timestamps):
        return fresh
    later = fresh.timestamps > earlier.timestamps[-1]
    return Readings(
        fresh.sensors,
        np.concatenate([earlier.timestamps, fresh.timestamps[later]]),
        np.concatenate([earlier.values, fresh.values[later]]),
    )


def _next_state(version: VersionFiles, state: LiveState, tail: ReadingsByComponent, grid: Grid) -> LiveState:
    """The state with what was read; `state` has what was scored already."""
    last_us = int(grid.timestamps[-1]) if len(grid.timestamps) else state.last_us
    # No row yet: no reading yet, so there is nothing to look back on.
    keep_from = np.iinfo(np.int64).min if last_us is None else last_us - version.sampling.history_us(2)
    off_value = state.off_value
    for readings in tail.values():
        if version.off is not None and version.off.full_name in readings.sensors:
            column = readings.values[readings.timestamps <= keep_from, readings.sensors.index(version.off.full_name)]
            there = column[~np.isnan(column)]
            off_value = float(there[-1]) if len(there) else off_value
    kept = {component: remembered(readings, keep_from) for component, readings in tail.items()}
    return replace(state, last_us=last_us, tail=kept, off_value=off_value)

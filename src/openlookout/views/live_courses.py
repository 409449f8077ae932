"""What a child does for the charts of a live event: a sensor beside what the others let expect of it, as it was scored.

Live results keep scores, not expectations: the stretch is scored once more, from the readings that inference kept and
with the version that scored them, beginning with a state that was kept before it. Where none was kept, a few days
before it let the slow levels settle. Changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openlookout.buckets.buckets import SERVICE, BucketSettings, open_buckets
from openlookout.buckets.errors import ObjectNotFoundError
from openlookout.detection.evidence import pointwise_expected
from openlookout.jobs.inference_work import open_version
from openlookout.jobs.live_scoring import score_stretch
from openlookout.jobs.live_state import LiveState, restore
from openlookout.jobs.retraining_data import AccumulatedWindow, RetrainingReadings
from openlookout.timeseries.columnar import Readings
from openlookout.views.evaluations import shown_course
from openlookout.views.live_stretches import Stretch

Floats = NDArray[np.float64]
STRETCHES_KEPT = 4  # The charts of a page are of one stretch.


@dataclass(frozen=True)
class _Scored:
    """(n_rows,) and (n_rows, n_sensors); the bands in units of the sensors, for rows `wider` times as wide."""

    sensors: tuple[str, ...]
    timestamps: NDArray[np.int64]
    measured: Floats
    expected: Floats
    wider: Floats
    low: Floats
    high: Floats


def course(
    settings: BucketSettings, _scratch: str, stretch: Stretch, sensor: str, span: tuple[int, int]
) -> dict[str, Any]:
    """Give a sensor's course over a span in microseconds, as `evaluations.course` does; {} where it is not known."""
    scored = _scored(settings, stretch)
    if sensor not in scored.sensors:
        return {}
    k = scored.sensors.index(sensor)
    inside = (scored.timestamps >= span[0]) & (scored.timestamps <= span[1])
    expected, wider = scored.expected[inside, k], scored.wider[inside, k]
    band = (expected, expected + scored.low[k] * wider, expected + scored.high[k] * wider)
    return shown_course(scored.timestamps[inside], scored.measured[inside, k], band, span)


@lru_cache(maxsize=STRETCHES_KEPT)
def _scored(settings: BucketSettings, stretch: Stretch) -> _Scored:
    buckets, version = open_buckets(settings), open_version(settings, stretch.version_prefix)
    windows = [AccumulatedWindow(*one) for one in stretch.windows]
    state = LiveState()
    if stretch.state_key is not None:
        try:
            state = restore(buckets.read(SERVICE, stretch.state_key))
        except ObjectNotFoundError:  # Forgotten meanwhile.
            state = LiveState()
    kept = RetrainingReadings(None, windows, buckets)
    begin, end = windows[0].start_us, windows[-1].end_us
    fresh = {
        one.name: _joined(one.full_names, list(kept.iterate(one.full_names, begin, end))) for one in version.schema
    }
    found = score_stretch(version, state, fresh, begin, end)
    rows, scaling, expectation = found.is_scored, version.detector.scaling, version.detector.expectation
    readings = found.grid.values[rows]
    expected, wider = pointwise_expected(scaling, expectation, readings, found.scores.steady, found.scores.alarm)
    low, high = (scaling.scale * edge * ~scaling.is_constant for edge in (expectation.low, expectation.high))
    return _Scored(version.sensors, found.grid.timestamps[rows], readings, expected, wider, low, high)


def _joined(sensors: Sequence[str], pieces: Sequence[Readings]) -> Readings:
    """The readings of a component as one piece; none are none."""
    if not pieces:
        return Readings(tuple(sensors), np.zeros(0, np.int64), np.zeros((0, len(sensors))))
    times = np.concatenate([piece.timestamps for piece in pieces])
    order = np.argsort(times, kind="stable")
    return Readings(pieces[0].sensors, times[order], np.concatenate([piece.values for piece in pieces])[order])

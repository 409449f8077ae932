"""Sampling: the step of the grid, where it is anchored, and how far a reading may be carried on.

Learned once from the training readings and kept with the model: live inference must use the same. Knows readings only.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openlookout.timeseries.columnar import Readings

# A sensor that is silent for less is carried on, and the rows are one segment: ten rows, five minutes or three native
# steps, whichever is longest. The service carried on for ever; a frozen value for weeks is no reading. Ours.
FILL_ROWS_MIN = 10
FILL_US_MIN = 5 * 60_000_000
FILL_STEPS_MIN = 3
# A sensor that reports more seldom than the rest is carried on for twice its usual interval, up to a day. Ours.
FILL_INTERVALS = 2
FILL_US_MAX = 86_400_000_000

_OCTAVE = 8
# What a jittered step is rounded to: the largest that is at most a twentieth of it.
_UNITS_US = (*(10**power for power in range(8)), 60_000_000, 600_000_000, 3_600_000_000)
_STEPS_KEPT = 100_000
_TIMES_KEPT = 100_000
_SLOTS = 1000

Times = NDArray[np.int64]


class SamplingError(Exception):
    """There are too few readings to tell how often there are readings."""


@dataclass(frozen=True)
class Sampling:
    """How readings become rows.

    Row k stands at `anchor_us + k * rate_us` and means the readings after the row before it up to itself. A sensor
    without a reading keeps its value for `fill_rows[sensor]` rows. Rows without any reading are stored for `gap_rows`;
    a longer silence ends the segment.
    """

    rate_us: int
    anchor_us: int
    gap_rows: int
    fill_rows: tuple[int, ...]

    def history_us(self, n_rows: int = 0) -> int:
        """Give how long before a window readings are needed, so that its rows and `n_rows` before it are exact."""
        return (n_rows + max(self.gap_rows, *self.fill_rows, 0) + 1) * self.rate_us


def learn_sampling(readings: Iterable[Readings], sensors: Sequence[str], rate_us: int | None) -> Sampling:
    """Learn the sampling of the sensors (full names, in the order of the grid) from all their readings.

    With a rate, rows stand at its multiples since the epoch. With None the rate is the most frequent step between
    readings of a component, whatever it is, and rows stand where readings use to be: evenly spaced readings become one
    row each with their own timestamp, whatever their phase, and jitter around it does not pair or drop them.

    Raises:
        SamplingError: no component has two readings of these sensors, and there is no rate.
    """
    index = {name: i for i, name in enumerate(sensors)}
    steps: Counter[int] = Counter()
    sample: list[Times] = []
    intervals = np.zeros((len(sensors), _OCTAVE * 64), np.int64)
    last_row: dict[tuple[str, ...], int] = {}
    last_reading = np.full(len(sensors), -1, np.int64)
    for piece in readings:
        columns = [(j, index[name]) for j, name in enumerate(piece.sensors) if name in index]
        there: NDArray[np.bool_] = ~np.isnan(piece.values)
        used = np.any(there[:, [j for j, _ in columns]], axis=1)
        times = piece.timestamps[used]
        if not len(times):
            continue
        found, counts = np.unique(_steps(times, last_row.get(piece.sensors)), return_counts=True)
        steps.update(dict(zip(found.tolist(), counts.tolist(), strict=True)))
        if len(steps) > 2 * _STEPS_KEPT:
            steps = Counter(dict(steps.most_common(_STEPS_KEPT)))
        last_row[piece.sensors] = int(times[-1])
        sample.append(times[:: max(1, len(times) // 1000)])
        if len(sample) > _TIMES_KEPT // 1000:
            sample = [np.concatenate(sample)[::2]]
        _count_intervals(intervals, last_reading, piece.timestamps, there, columns)
    native = _most_frequent(steps)
    if native is None and rate_us is None:
        raise SamplingError("there are not two readings: the sampling rate cannot be told")
    rate = rate_us or native or 1
    anchor = 0 if rate_us is not None else _anchor(np.concatenate(sample), rate)
    gap_rows = max(FILL_ROWS_MIN, -(-FILL_US_MIN // rate), -(-FILL_STEPS_MIN * (native or 0) // rate))
    longest = max(gap_rows, FILL_US_MAX // rate)
    usual = _usual_intervals(intervals)
    fill_rows = tuple(int(min(longest, max(gap_rows, -(-FILL_INTERVALS * one // rate)))) for one in usual)
    return Sampling(rate, anchor, gap_rows, fill_rows)


def _steps(times: Times, before: int | None) -> Times:
    return np.diff(times) if before is None else np.diff(times, prepend=before)


def _count_intervals(
    counts: NDArray[np.int64],
    last_us: Times,
    times: Times,
    there: NDArray[np.bool_],
    columns: Sequence[tuple[int, int]],
) -> None:
    """Add the intervals between readings of each sensor to its histogram; changes `counts` and `last_us`."""
    whole = np.all(there, axis=0)
    shared = np.bincount(_slot(np.diff(times)), minlength=counts.shape[1])
    for j, i in columns:
        own = times if whole[j] else times[there[:, j]]
        if not len(own):
            continue
        counts[i] += shared if whole[j] else np.bincount(_slot(np.diff(own)), minlength=counts.shape[1])
        if last_us[i] >= 0:
            counts[i, _slot(np.array([own[0] - last_us[i]]))[0]] += 1
        last_us[i] = own[-1]


def _slot(intervals_us: Times) -> NDArray[np.int64]:
    """Give the slot of a histogram with eight slots an octave."""
    slots: NDArray[np.int64] = np.floor(np.log2(np.maximum(intervals_us, 1)) * _OCTAVE).astype(np.int64)
    return slots


def _usual_intervals(counts: NDArray[np.int64]) -> list[int]:
    """Give the upper end of the slot below which 99 % of a sensor's intervals are; 0 without any."""
    cumulative = np.cumsum(counts, axis=1)
    slots = (cumulative >= 0.99 * cumulative[:, -1:]).argmax(axis=1)
    return [
        int(2 ** ((slot + 1) / _OCTAVE)) if total else 0 for slot, total in zip(slots, cumulative[:, -1], strict=True)
    ]


def _most_frequent(steps: Counter[int]) -> int | None:
    """Give the most frequent step; where jitter makes nearly every step its own, the usual one, rounded."""
    if not steps:
        return None
    step, count = min(steps.items(), key=lambda entry: (-entry[1], entry[0]))
    if count >= 0.2 * steps.total():
        return step
    found = np.array(sorted(steps), np.int64)
    counts = np.array([steps[one] for one in found.tolist()], np.int64)
    middle = found[np.searchsorted(np.cumsum(counts), counts.sum() / 2)]
    near = (found > middle / 2) & (found < middle * 3 / 2)
    # The mean, not the median: what one step is too long by, the next is too short.
    usual = int(np.average(found[near], weights=counts[near]))
    unit = max((unit for unit in _UNITS_US if unit <= usual // 20), default=1)
    return (usual + unit // 2) // unit * unit


def _anchor(times: Times, rate_us: int) -> int:
    """Give the phase just before the longest stretch of the step in which next to no reading falls."""
    phases = np.sort(times % rate_us)
    slots = (phases * _SLOTS // rate_us).astype(np.int64)
    counts = np.bincount(slots, minlength=_SLOTS)
    quiet = counts <= len(phases) / _SLOTS
    if quiet.all() or not quiet.any():
        return 0
    busy = np.flatnonzero(~quiet)
    stretches = np.diff(busy, append=busy[0] + _SLOTS)
    before = busy[int(stretches.argmax())]
    return int(phases[slots == before][-1])

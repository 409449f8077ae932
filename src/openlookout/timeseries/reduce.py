"""Many points as few, so that a chart looks the same: the lowest and the highest of each of some buckets of time.

Knows arrays only. What a person sees at a width of W pixels is the range of values in each column of pixels.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

BUCKETS_MAX = 2000
# A pause this many times as long as the usual step is shown as a gap.
GAP_STEPS = 10

Times = NDArray[np.int64]
Floats = NDArray[np.float64]


def reduced(times: Times, values: Floats, start: int, end: int, buckets_max: int = BUCKETS_MAX) -> tuple[Times, Floats]:
    """Give the points of a line from (n,) ascending times and values, NaN = none; at most two a bucket of [start, end].

    Few enough are given as they are. Of each bucket the lowest and the highest value, in their order of time; where a
    bucket in between has no value, a NaN breaks the line.
    """
    there = ~np.isnan(values)
    times, values = times[there], values[there]
    if len(times) <= 2 * buckets_max:
        return times, values
    width = max(1, -(-(end - start + 1) // buckets_max))
    bucket = (times - start) // width
    first = np.flatnonzero(np.diff(bucket, prepend=bucket[0] - 1))
    low, high = _extremes(values, first)
    both = np.sort(np.stack([low, high], axis=1), axis=1).ravel()
    keep = np.r_[True, both[1:] != both[:-1]]
    return times[both[keep]], values[both[keep]]


def broken(times: Times, values: Floats, gap_us: int) -> tuple[Times, Floats]:
    """Put a NaN between points that lie more than `gap_us` apart: a line must not bridge what was not measured."""
    gaps = np.flatnonzero(np.diff(times) > gap_us)
    return np.insert(times, gaps + 1, times[gaps] + 1), np.insert(values, gaps + 1, np.nan)


def lined(times: Times, values: Floats, start: int, end: int) -> tuple[list[int], list[float | None]]:
    """Give x (ms) and y of a line over [start, end], reduced; gaps break it."""
    gap_us = GAP_STEPS * int(np.median(np.diff(times))) if len(times) > 2 else end - start + 1
    x, y = reduced(times, values, start, end)
    x, y = broken(x, y, max(gap_us, 3 * (end - start) // BUCKETS_MAX))
    return (x // 1000).tolist(), listed(y)


def lined_scores(timestamps: Times, anomaly: Floats, span: tuple[int | None, int | None]) -> dict[str, Any]:
    """Give scores (n_rows,), at least one, as a chart takes them, reduced: `x` (ms) and `y` of a span in microseconds.

    With `start`, `end` (shown) and `first`, `last` (of all) in ms, and `n_rows` of the span.
    """
    first, last = int(timestamps[0]), int(timestamps[-1])
    start, end = (first if span[0] is None else span[0]), (last if span[1] is None else span[1])
    rows = slice(np.searchsorted(timestamps, start, "left"), np.searchsorted(timestamps, end, "right"))
    x, y = lined(timestamps[rows], anomaly[rows], start, end)
    edges = {"start": start // 1000, "end": end // 1000, "first": first // 1000, "last": last // 1000}
    return {**edges, "x": x, "y": y, "n_rows": int(rows.stop - rows.start)}


def listed(values: Floats) -> list[float | None]:
    """As JSON takes them: six digits, None for NaN."""
    return [None if math.isnan(value) else float(f"{value:.6g}") for value in values.tolist()]


def _extremes(values: Floats, first: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The positions of the lowest and of the highest value of each run that begins at `first`; the first of several."""
    run = np.repeat(np.arange(len(first)), np.diff(np.r_[first, len(values)]))
    found = []
    for extreme in (np.minimum, np.maximum):
        at = np.flatnonzero(values == extreme.reduceat(values, first)[run])
        found.append(at[np.r_[True, run[at][1:] != run[at][:-1]]])
    return found[0], found[1]

"""What a child does for charts of a version's evaluation. Works on objects; knows no rows."""

import json
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from openlookout.buckets import layout
from openlookout.buckets.buckets import SERVICE, Buckets, BucketSettings, open_buckets
from openlookout.buckets.errors import ObjectNotFoundError
from openlookout.timeseries.reduce import BUCKETS_MAX, lined, lined_scores, listed
from openlookout.views.local_copies import local_copy
from openlookout.views.unsteady import steadied, unsteady_rows

Span = tuple[int | None, int | None]
Times = NDArray[np.int64]
Floats = NDArray[np.float64]
# Of a version with a million rows they are 16 MB.
SCORES_KEPT = 4


def scores(settings: BucketSettings, scratch: str, prefix: str, span: Span) -> dict[str, Any]:
    """Give `start`, `end`, `first`, `last`, `x` (ms), `y` and `n_rows` of a version's scores; {} where it has none."""
    times, anomaly = _scores(settings, scratch, prefix)
    return lined_scores(times, anomaly, span) if len(times) else {}


@lru_cache(maxsize=SCORES_KEPT)
def _scores(settings: BucketSettings, scratch: str, prefix: str) -> tuple[Times, Floats]:
    """All scores of a version, which never change: who zooms asks again and again."""
    buckets, place = open_buckets(settings), layout.diagnostics(prefix)
    try:
        frames = [pl.read_parquet(local_copy(buckets, scratch, SERVICE, layout.scores(place)), columns=SCORED)]
    except ObjectNotFoundError:  # Trained by an earlier release.
        frames = _pointwise(buckets, scratch, place, SCORED, (None, None))
    if not frames:
        return np.zeros(0, np.int64), np.zeros(0)
    frame = pl.concat(frames)
    return frame["timestamp"].cast(pl.Int64).to_numpy(), frame["anomaly_score"].to_numpy()


SCORED = ["timestamp", "anomaly_score"]


def course(settings: BucketSettings, scratch: str, prefix: str, sensor: str, span: Span) -> dict[str, Any]:
    """Give a sensor's course over a stretch; {} where it is not known. Times in ms, None breaks a line."""
    buckets, place = open_buckets(settings), layout.diagnostics(prefix)
    said = _bands(buckets, scratch, place)
    if said is None or sensor not in said["bands"]:
        return {}
    columns = ["timestamp", f"measured:{sensor}", f"expected:{sensor}", f"wider:{sensor}"]
    frames = _pointwise(buckets, scratch, place, columns, span)
    if not frames:
        return {}
    frame = pl.concat(frames)
    times = frame["timestamp"].cast(pl.Int64).to_numpy()
    edges = (said["parts"][0]["first_us"], said["parts"][-1]["last_us"])
    start, end = (edge if at is None else at for edge, at in zip(edges, span, strict=True))
    start, end = max(start, edges[0]), min(end, edges[1])
    inside = (times >= start) & (times <= end)
    times = times[inside]
    measured, expected, wider = (frame[name].to_numpy()[inside].astype(np.float64) for name in columns[1:])
    below, above = said["bands"][sensor]
    return shown_course(times, measured, (expected, expected + below * wider, expected + above * wider), (start, end))


def shown_course(
    times: Times, measured: Floats, expected: tuple[Floats, Floats, Floats], span: tuple[int, int]
) -> dict[str, Any]:
    """Give a course as charts take it; `expected` is with its low and high. `unsteady`: in how many rows it jumped."""
    start, end = span
    x, y = lined(times, measured, start, end)
    there = ~np.isnan(expected[0])
    middle, low, high = (values[there] for values in expected)
    jumpy = unsteady_rows(measured[there], (middle, low, high))
    band_x, middle, low, high = _banded(times[there], steadied((middle, low, high), jumpy), start, end)
    return {
        "start": start // 1000,
        "end": end // 1000,
        "x": x,
        "measured": y,
        "band_x": (band_x // 1000).tolist(),
        "expected": listed(middle),
        "low": listed(low),
        "high": listed(high),
        "unsteady": int(jumpy.sum()),
    }


def _banded(
    times: Times, band: tuple[Floats, Floats, Floats], start: int, end: int
) -> tuple[Times, Floats, Floats, Floats]:
    """Reduce a band without NaN: of each bucket the mean of what is expected, the lowest low and the highest high."""
    expected, low, high = band
    if len(times) <= BUCKETS_MAX:
        return times, expected, low, high
    width = max(1, -(-(end - start + 1) // BUCKETS_MAX))
    first = np.flatnonzero(np.diff((times - start) // width, prepend=-1))
    count = np.diff(np.r_[first, len(times)])
    middle = np.add.reduceat(expected, first) / count
    return times[first], middle, np.minimum.reduceat(low, first), np.maximum.reduceat(high, first)


def _bands(buckets: Buckets, scratch: str, place: str) -> Any:
    try:
        return json.loads(local_copy(buckets, scratch, SERVICE, layout.bands(place)).read_bytes())
    except ObjectNotFoundError:
        return None


def _pointwise(buckets: Buckets, scratch: str, place: str, columns: list[str], span: Span) -> list[pl.DataFrame]:
    """The parts of the pointwise diagnostics that touch a stretch."""
    said = _bands(buckets, scratch, place)
    return [
        pl.read_parquet(local_copy(buckets, scratch, SERVICE, place + part["key"]), columns=columns)
        for part in ([] if said is None else said["parts"])
        if (span[0] is None or part["last_us"] >= span[0]) and (span[1] is None or part["first_us"] <= span[1])
    ]

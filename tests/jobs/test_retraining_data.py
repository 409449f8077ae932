"""The readings of a retraining: the dataset wins, window by window, and what is given is in time order."""

import itertools
import json
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from openlookout.buckets import layout
from openlookout.buckets.buckets import SERVICE, Buckets, BucketSettings, open_buckets
from openlookout.jobs.retraining_data import AccumulatedWindow, RetrainingReadings
from openlookout.jobs.version_files import DatasetReadings
from openlookout.timeseries.columnar import Readings, readings_to_parquet

SENSORS = ("pump\\flow", "pump\\heat")
WINDOW = 10


def readings(times: list[int], value: float) -> Readings:
    return Readings(SENSORS, np.array(times, np.int64), np.full((len(times), 2), value))


def dataset(buckets: Buckets, parts: list[list[int]], folder: Path) -> DatasetReadings | None:
    """A dataset whose every reading is 1.0, in parts."""
    described = []
    for number, times in enumerate(parts):
        key = f"datasets/d/{number}.parquet"
        buckets.write(SERVICE, key, readings_to_parquet(readings(times, 1.0)))
        described.append({"component": "pump", "path": key, "first_us": times[0], "last_us": times[-1]})
    if not described:
        return None
    buckets.write(SERVICE, "datasets/d/manifest.json", json.dumps({"parts": described}).encode())
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    return DatasetReadings(buckets, "datasets/d/manifest.json", folder)


@settings(max_examples=60, deadline=None)
@given(
    data=st.lists(st.integers(0, 120), unique=True, max_size=25).map(sorted),
    cuts=st.lists(st.integers(0, 25), max_size=3).map(sorted),
    windows=st.lists(st.integers(0, 11), unique=True, max_size=12).map(sorted),
    replayed=st.sets(st.integers(0, 11)),
    start=st.none() | st.integers(-5, 60),
    end=st.none() | st.integers(60, 130),
)
def test_what_is_given_is_the_naive_union(
    tmp_path_factory: object,
    data: list[int],
    cuts: list[int],
    windows: list[int],
    replayed: set[int],
    start: int | None,
    end: int | None,
) -> None:
    """`replayed` windows share one object, in which others have readings too that are not theirs any more."""
    root = tmp_path_factory.mktemp("data")  # type: ignore[attr-defined]
    buckets = open_buckets(BucketSettings(kind="folder", root=root / "buckets", objects=root / "objects"))
    bounds = [0, *cuts, len(data)]
    parts = [data[a:b] for a, b in itertools.pairwise(bounds) if data[a:b]]
    accumulated = []
    shared = layout.accumulated("m", "replay", 1)
    stale = [at for number in range(12) for at in (number * WINDOW + 1, number * WINDOW + 4, (number + 1) * WINDOW)]
    buckets.write(SERVICE, layout.accumulated_part(shared, "pump"), readings_to_parquet(readings(stale, 2.0)))
    for number in windows:
        first = number * WINDOW
        prefix = shared if number in replayed else layout.accumulated("m", str(number), 1)
        if number not in replayed:
            inside = readings([first + 1, first + 4, first + WINDOW], 2.0)
            buckets.write(SERVICE, layout.accumulated_part(prefix, "pump"), readings_to_parquet(inside))
        accumulated.append(AccumulatedWindow(first, first + WINDOW, prefix))
    source = RetrainingReadings(dataset(buckets, parts, root / "scratch"), accumulated, buckets)
    got = [
        (int(at), float(row[0]))
        for piece in source.iterate(SENSORS, start, end)
        for at, row in zip(piece.timestamps, piece.values, strict=True)
    ]
    first, last = -(10**9) if start is None else start, 10**9 if end is None else end
    seen = [at for at in data if first < at <= last]
    expected = dict.fromkeys(seen, 1.0)
    for window in accumulated:
        if not any(window.start_us < at <= window.end_us for at in seen):
            times = (window.start_us + 1, window.start_us + 4, window.end_us)
            expected |= {at: 2.0 for at in times if first < at <= last}
    assert got == sorted(expected.items())

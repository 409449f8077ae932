"""The diagnostics objects of a version, under `layout.diagnostics(prefix)`: written by training, read to be shown.

`events.json`: the events of its evaluation, `{"events": [{"start", "end", "evidence"}]}` (detection/evidence.py).
`pointwise/000000.parquet` …: for each row `timestamp`, `anomaly_score`, and for each sensor (`component\\sensor`)
`measured:<sensor>` and `expected:<sensor>` in its units, and `wider:<sensor>`, how many times wider its band is than
usual. `scores.parquet`: `timestamp` and `anomaly_score` of all rows once more, so that a chart of them reads little.
`overview.json`: all of them reduced to what a chart shows, so that the first look reads no arrays at all.
`bands.json`: `{"parts": [{"key", "first_us", "last_us"}], "bands": {sensor: [below, above]}}`: the usual band,
from expected + below to expected + above, holds 99 % of normal readings.
`detectability.json`: which faults it would find (detection/detectability.py).
"""

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from openlookout.buckets import layout
from openlookout.buckets.buckets import SERVICE, Buckets
from openlookout.detection.detectability import Detectability
from openlookout.detection.evidence import pointwise_expected
from openlookout.detection.recent import Explained, Recent
from openlookout.jobs.results import event_records
from openlookout.jobs.version_files import VersionFiles
from openlookout.timeseries.reduce import lined_scores

PART_CELLS = 2_000_000


@dataclass(frozen=True)
class Place:
    """Where diagnostics objects are written: keys are below `prefix`."""

    bucket: str
    prefix: str


def write_events(buckets: Buckets, places: Sequence[Place], explained: Sequence[Explained]) -> None:
    content = json.dumps({"events": event_records(explained)}).encode()
    for place in places:
        buckets.write(place.bucket, layout.events(place.prefix), content)


def write_scores(buckets: Buckets, prefix: str, timestamps: np.ndarray, anomaly: np.ndarray) -> None:
    """Write the scores (n_rows,) of an evaluation under a version's diagnostics."""
    out = io.BytesIO()
    columns = {"timestamp": pl.Series(timestamps).cast(pl.Datetime("us")), "anomaly_score": anomaly}
    pl.DataFrame(columns).write_parquet(out, compression="zstd")
    place = layout.diagnostics(prefix)
    buckets.write(SERVICE, layout.scores(place), out.getvalue())
    if len(timestamps):
        content = json.dumps(lined_scores(timestamps, anomaly, (None, None))).encode()
        buckets.write(SERVICE, layout.overview(place), content)


def write_detectability(buckets: Buckets, prefix: str, report: Detectability) -> None:
    buckets.write(SERVICE, layout.detectability(prefix), json.dumps(report).encode())


def write_pointwise(
    buckets: Buckets, places: Sequence[Place], version: VersionFiles, rows: Recent, anomaly: np.ndarray
) -> None:
    """Write measured and expected values of scored rows, in parts that fit into memory; then the bands.

    `anomaly` (n_rows,) are their scores.
    """
    detector, sensors = version.detector, version.sensors
    scaling, expectation = detector.scaling, detector.expectation
    parts = []
    for number, some in enumerate(_parts(len(rows.timestamps), len(sensors))):
        readings, timestamps = rows.readings[some], rows.timestamps[some]
        expected, wider = pointwise_expected(scaling, expectation, readings, rows.steady[some], rows.alarm[some])
        columns: dict[str, Any] = {
            "timestamp": pl.Series(timestamps).cast(pl.Datetime("us")),
            "anomaly_score": anomaly[some],
        }
        for k, name in enumerate(sensors):
            columns[f"measured:{name}"] = readings[:, k].astype(np.float32)
            columns[f"expected:{name}"] = expected[:, k].astype(np.float32)
            columns[f"wider:{name}"] = wider[:, k].astype(np.float32)
        out = io.BytesIO()
        pl.DataFrame(columns).write_parquet(out, compression="zstd")
        for place in places:
            buckets.write(place.bucket, layout.pointwise_part(place.prefix, number), out.getvalue())
        span = {"first_us": int(timestamps[0]), "last_us": int(timestamps[-1])}
        parts.append({"key": layout.pointwise_part("", number), **span})
    low, high = (scaling.scale * edge * ~scaling.is_constant for edge in (expectation.low, expectation.high))
    bands = {name: [float(low[k]), float(high[k])] for k, name in enumerate(sensors)}
    for place in places:
        content = json.dumps({"parts": parts, "bands": bands}).encode()
        buckets.write(place.bucket, layout.bands(place.prefix), content)


def _parts(n_rows: int, n_sensors: int) -> Iterator[slice]:
    size = max(PART_CELLS // n_sensors, 1)
    for first in range(0, n_rows, size):
        yield slice(first, min(first + size, n_rows))

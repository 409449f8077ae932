"""What a child does for pages of live results: rows out of results files, and how sensors are spread then and now."""

import json
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openlookout.buckets.buckets import BucketSettings, open_buckets
from openlookout.buckets.errors import BucketError
from openlookout.jobs.retraining_data import AccumulatedWindow, RetrainingReadings
from openlookout.jobs.version_files import DatasetReadings
from openlookout.timeseries.columnar import Readings
from openlookout.timeseries.reduce import listed

BINS = 40
# What lies beyond these of training is counted in the outermost bins.
EDGE_QUANTILES = (0.001, 0.999)
Floats = NDArray[np.float64]


def results(settings: BucketSettings, _scratch: str, places: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Give `x` (ms) and `y` of the rows of results files; those that somebody took away are counted in `n_gone`."""
    buckets, rows, n_gone = open_buckets(settings), [], 0
    for bucket, key in places:
        try:
            content = buckets.read(bucket, key)
        except BucketError:
            n_gone += 1
            continue
        rows += [_row(json.loads(line)) for line in content.decode().splitlines() if line]
    rows.sort(key=lambda row: row[0])
    return {"x": [at for at, _ in rows], "y": [score for _, score in rows], "n_gone": n_gone}


def histogram(
    settings: BucketSettings,
    scratch: str,
    sensor: str,
    training: Mapping[str, Any],
    windows: Sequence[tuple[int, int, str]],
) -> dict[str, Any]:
    """Give `edges` of bins and the shares of readings in them, of the training range (`then`) and of windows (`now`).

    `training`: `manifest_key` (None: the dataset is gone), `start` and `end` in microseconds.
    """
    buckets = open_buckets(settings)
    now = _values(RetrainingReadings(None, [AccumulatedWindow(*one) for one in windows], buckets).iterate(
        [sensor], None, None
    ), sensor) if windows else np.empty(0)  # fmt: skip
    then = np.empty(0)
    if training["manifest_key"] is not None:
        Path(scratch).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            dataset = DatasetReadings(buckets, training["manifest_key"], Path(folder))
            then = _values(dataset.iterate([sensor], training["start"], training["end"]), sensor)
    of = then if len(then) else now
    if not len(of):
        return {"edges": [], "then": [], "now": [], "n_then": 0, "n_now": 0}
    low, high = np.quantile(of, EDGE_QUANTILES)
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)
    edges = np.linspace(low, high, BINS + 1)
    return {
        "edges": listed(edges),
        "then": _shares(then, edges),
        "now": _shares(now, edges),
        "n_then": len(then),
        "n_now": len(now),
    }


def _row(said: Mapping[str, Any]) -> tuple[int, float | None]:
    at = datetime.fromisoformat(said["timestamp"]).replace(tzinfo=UTC)
    return int(at.timestamp() * 1000), said.get("anomaly_score")


def _values(pieces: Iterator[Readings], sensor: str) -> Floats:
    found = [piece.values[:, piece.sensors.index(sensor)] for piece in pieces if sensor in piece.sensors]
    values: Floats = np.concatenate([np.empty(0), *found])
    return values[~np.isnan(values)]


def _shares(values: Floats, edges: Floats) -> list[float]:
    if not len(values):
        return []
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    return [share if math.isfinite(share) else 0.0 for share in np.round(counts / len(values), 5).tolist()]

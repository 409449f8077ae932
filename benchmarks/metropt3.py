"""MetroPT-3, a metro train's air compressor, for users who have downloaded it: loader, and our detector on it.

`python benchmarks/metropt3.py FILE [--train-days 45] [--seconds 60]` fits on the first days, scores the rest and prints
which of the four failures were found, how long before their end, and the alarms a month outside of them.

Data: Davari, Veloso, Ribeiro and Gama, MetroPT-3 Dataset, UCI Machine Learning Repository, 2021, doi 10.24432/C5VW3R:
`MetroPT3(AirCompressor).csv`, a row about every ten seconds from February to August 2020, without labels. The failures
are those of the company's reports that come with it.
"""

import argparse
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

from openlookout.detection.events import find_events
from openlookout.detection.training import fit

FAILURES = (
    ("2020-04-18T00:00:00", "2020-04-18T23:59:00"),
    ("2020-05-29T23:30:00", "2020-05-30T06:00:00"),
    ("2020-06-05T10:00:00", "2020-06-07T14:30:00"),
    ("2020-07-15T14:30:00", "2020-07-15T19:00:00"),
)
GAP_ROWS_MAX = 10
DAY_US = 86_400_000_000
MONTH_DAYS = 30


@dataclass(frozen=True)
class Compressor:
    """Means over even steps: `timestamps` (n_rows,) in microseconds, `rows` (n_rows, n_sensors), `segment`, `label`
    (n_rows,) bool: in a failure.
    """

    sensors: tuple[str, ...]
    timestamps: np.ndarray
    rows: np.ndarray
    segment: np.ndarray
    label: np.ndarray


def load(path: Path, seconds: int = 60) -> Compressor:
    """Read the file; a silence of more than ten steps begins a new segment.

    Raises:
        ValueError: it has no column `timestamp`.
    """
    frame = pl.read_csv(path)
    if "timestamp" not in frame.columns:
        raise ValueError(f"{path} has no column 'timestamp'; its columns are {', '.join(frame.columns[:5])} …")
    sensors = [name for name in frame.columns if name and name not in ("timestamp", "_duplicated_0")]
    # The first column numbers the rows, and has no name.
    sensors = [name for name in sensors if not name.startswith("column_")]
    frame = (
        frame.with_columns(pl.col("timestamp").str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us"))
        .sort("timestamp")
        .group_by_dynamic("timestamp", every=f"{seconds}s", label="right")
        .agg(pl.col(sensors).cast(pl.Float64).mean())
    )
    times = frame["timestamp"].cast(pl.Int64).to_numpy()
    segment = np.cumsum(np.diff(times, prepend=times[0]) > GAP_ROWS_MAX * seconds * 1_000_000)
    label = np.zeros(len(times), bool)
    for begin, end in FAILURES:
        label |= (times >= _us(begin)) & (times <= _us(end))
    return Compressor(tuple(sensors), times, frame.select(sensors).to_numpy(), segment, label)


def _us(text: str) -> int:
    return int(np.datetime64(datetime.fromisoformat(text), "us").astype(np.int64))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--train-days", type=float, default=45)
    parser.add_argument("--seconds", type=int, default=60)
    given = parser.parse_args()
    data = load(given.file, given.seconds)
    train = data.timestamps < data.timestamps[0] + given.train_days * DAY_US
    detector = fit(data.rows[train], ~data.label[train], data.segment[train])
    times, segment = data.timestamps[~train], data.segment[~train]
    scores, _ = detector.score(data.rows[~train], segment)
    found = find_events(times, scores.alarm, segment, scores.contribution, given.seconds * 1_000_000)
    for begin, end in FAILURES:
        inside = [each.first_us for each in found if each.first_us <= _us(end) and each.end_us >= _us(begin)]
        said = "not found" if not inside else f"first alarm {(_us(end) - min(inside)) / 3.6e9:.1f} h before its end"
        print(f"failure from {begin} to {end}: {said}")
    normal = ~data.label[~train]
    months = normal.sum() * given.seconds / 86400 / MONTH_DAYS
    false = sum(not data.label[~train][each.rows[0] : each.rows[1] + 1].any() for each in found)
    print(f"{false / months:.1f} alarms a month outside of failures, {scores.alarm[normal].mean():.2%} of the rows")


if __name__ == "__main__":
    main()

"""Is the right sensor named? Faults planted into held-out normal rows of the real series, first-ranked sensor counted.

`BENCH_DATA=… python benchmarks/attribution.py` prints a line a data set: faults planted, alarms, share of the alarmed
events whose first-ranked sensor is the planted one, and chance (one over the sensors) beside. The detector is fitted on
the first four fifths of a series' normal history; the rest is scored with one fault at a time. Rows that alarm without
the fault are not counted: nothing was planted that they could name.
"""

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import numpy as np
import polars as pl

from openlookout.detection.contract import TrainingError
from openlookout.detection.training import fit

KINDS = ("drift", "step", "stuck", "noise")
SIGMAS = (3.0, 5.0, 8.0)
SENSORS, SERIES_MAX = 2, 4
EVENT_ROWS_MAX, HELD_OUT_ROWS_MAX, TRAINING_ROWS_MAX = 400, 4_000, 40_000
AROUND = ("label", "is_train", "segment", "timestamp")


def history(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The normal rows of a series, (n_rows, n_sensors), and their segments."""
    frame = pl.read_parquet(path).filter(pl.col("is_train") == 1)
    sensors = [name for name in frame.columns if name not in AROUND and frame[name].dtype.is_float()]
    rows = frame.select(sensors).to_numpy().astype(np.float64)
    seen = ~np.isnan(rows).all(axis=0)
    return rows[:, seen], frame["segment"].to_numpy().astype(np.int64)


def planted(rows: np.ndarray, sensor: int, kind: str, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """The rows with a fault of one sensor in all of them; `sigma` in the sensor's own units."""
    out = rows.copy()
    n = len(out)
    if kind == "drift":
        out[:, sensor] += np.linspace(0, sigma, n)
    elif kind == "step":
        out[:, sensor] += sigma
    elif kind == "noise":
        out[:, sensor] += rng.normal(0, sigma, n)
    else:  # Stuck at a value that it had, moved by the size: a sensor that stands still where it was is no fault yet.
        out[:, sensor] = out[0, sensor] + sigma
    return out


def cases(rows: np.ndarray, segment: np.ndarray, seed: int) -> Iterator[tuple[bool, bool]]:
    """For each planted fault: whether it alarmed, and whether its sensor came first."""
    rng = np.random.default_rng(seed)
    cut = len(rows) * 4 // 5
    first = max(cut - TRAINING_ROWS_MAX, 0)
    try:
        detector = fit(rows[first:cut], np.ones(cut - first, bool), segment[first:cut])
    except TrainingError:
        return
    held, where = rows[cut:][:HELD_OUT_ROWS_MAX], segment[cut:][:HELD_OUT_ROWS_MAX]
    n_event = min(EVENT_ROWS_MAX, len(held) // 2)
    begin = len(held) // 2 - n_event // 2
    event = slice(begin, begin + n_event)
    spread = 1.4826 * np.nanmedian(np.abs(rows[:cut] - np.nanmedian(rows[:cut], axis=0)), axis=0)
    alarms_anyway = detector.score(held, where)[0].alarm[event]
    moving = np.flatnonzero((spread > 0) & ~np.isnan(held[event]).any(axis=0))
    for sensor in rng.permutation(moving)[:SENSORS]:
        for kind in KINDS:
            for size in SIGMAS:
                faulty = held.copy()
                faulty[event] = planted(held[event], int(sensor), kind, size * spread[sensor], rng)
                scores, _ = detector.score(faulty, where)
                alarm = scores.alarm[event] & ~alarms_anyway
                share = scores.contribution[event][alarm].mean(axis=0) if alarm.any() else np.zeros(rows.shape[1])
                yield bool(alarm.any()), bool(alarm.any() and share.argmax() == sensor)


def main() -> None:
    data = Path(os.environ["BENCH_DATA"])
    firsts = []
    for folder in sorted(path for path in data.iterdir() if path.is_dir()):
        found: dict[str, list[float]] = defaultdict(list)
        for number, path in enumerate(sorted(folder.glob("*.parquet"))[:SERIES_MAX]):
            rows, segment = history(path)
            for alarmed, is_first in cases(rows, segment, number):
                found["alarmed"].append(alarmed)
                if alarmed:
                    found["first"].append(is_first)
            found["chance"].append(1 / rows.shape[1])
        n, n_alarmed = len(found["alarmed"]), len(found["first"])
        first = mean(found["first"]) if n_alarmed else float("nan")
        firsts.append(first)
        told = f"planted {n:4}, alarmed {n_alarmed:4}, first {first:.2f}, chance {mean(found['chance']):.2f}"
        print(f"{folder.name:18} {told}")
    print(f"mean of the sets   first {np.nanmean(firsts):.2f}")


if __name__ == "__main__":
    main()

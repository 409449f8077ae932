"""How long fitting and scoring take and how much memory they need: wide data, one core or as many as numpy takes.

`python benchmarks/detector_speed.py [--sensors 300] [--rows 100000]` prints the fit's seconds, the median of several
scorings of 3,600 rows (the largest inference), and the peak of resident memory.
"""

import argparse
import resource
import time
from statistics import median

import numpy as np

from openlookout.detection.training import fit

SCORED_ROWS, SCORINGS = 3_600, 7
MB_PER_KB = 1 / 1000


def plant(n_rows: int, n_sensors: int) -> np.ndarray:
    """Sensors that ten common causes drive; every tenth one wanders on its own."""
    rng = np.random.default_rng(0)
    causes = np.sin(np.arange(n_rows)[:, None] / rng.uniform(20, 400, 10)) + rng.normal(0, 0.1, (n_rows, 10))
    rows = np.asarray(causes @ rng.normal(0, 1, (10, n_sensors)) + rng.normal(0, 0.3, (n_rows, n_sensors)))
    rows[:, ::10] += np.cumsum(rng.normal(0, 0.02, (n_rows, len(range(0, n_sensors, 10)))), axis=0)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sensors", type=int, default=300)
    parser.add_argument("--rows", type=int, default=100_000)
    given = parser.parse_args()
    rows = plant(given.rows + SCORED_ROWS, given.sensors)
    segment = np.zeros(len(rows), np.int64)
    started = time.perf_counter()
    detector = fit(rows[: given.rows], np.ones(given.rows, bool), segment[: given.rows])
    print(f"fit {given.sensors} sensors x {given.rows:,} rows: {time.perf_counter() - started:.1f} s")
    seconds = []
    for _ in range(SCORINGS):
        started = time.perf_counter()
        detector.score(rows[given.rows :], segment[given.rows :])
        seconds.append(time.perf_counter() - started)
    print(
        f"score {given.sensors} sensors x {SCORED_ROWS:,} rows: {median(seconds) * 1000:.0f} ms (median of {SCORINGS})"
    )
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MB_PER_KB:,.0f} MB")


if __name__ == "__main__":
    main()

"""Simulated plants with known onset: false hours in quiet months, what is seen of a fault and how long before.

`python benchmarks/plants.py [--draws N] [--first N]` prints a line a draw and the means. Seeded;
hours are rows of one hour.

* `walks`: 20 bounded random walks without a common cause; five quiet months, a new operating mode, a slow degradation
  that ends in failure. Nothing is wrong with a sensor that wanders.
* `regimes`: 8 sensors of a machine that a load drives, with a few changes of regime in training (a repair, another
  product) and faults of a relation that last a day and a half; all regimes of the test were seen in training.
* `seasons`: the same machine over a year of training with a season and weekly shutdown-like low load; slow wear.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from statistics import mean

import numpy as np

from openlookout.detection.training import fit

MONTH = 730


@dataclass(frozen=True)
class Run:
    """`rows` (n_rows, n_sensors); the first `n_training` are trained on. `faults`: (first, last) row of each.

    `failure`: the row at which a slow degradation ends, that began at `onset`; None without one.
    """

    rows: np.ndarray
    n_training: int
    faults: list[tuple[int, int]]
    onset: int | None = None
    failure: int | None = None


def walks(rng: np.random.Generator) -> Run:
    n_training, n = 5 * MONTH, 14 * MONTH
    steps = rng.normal(0, 1, (n, 20)) * rng.uniform(0.05, 0.2, 20)
    rows = np.empty((n, 20))
    level = rng.normal(0, 3, 20)
    for i, step in enumerate(steps):
        level = np.clip(level + step, -10, 10)
        rows[i] = level
    rows += rng.normal(0, 0.2, rows.shape)
    mode = n_training + 5 * MONTH
    rows[mode : mode + 72, :6] += rng.choice([-1, 1], 6) * 12
    failure = n - 24
    onset = failure - 60 * 24
    rows[onset:failure, 10:13] += np.linspace(0, 1, failure - onset)[:, None] ** 2 * 15
    return Run(rows[:failure], n_training, [(mode, mode + 72)], onset, failure)


def _machine(load: np.ndarray, slopes: np.ndarray, offsets: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return slopes * load[:, None] + offsets + rng.normal(0, 0.2, (len(load), slopes.shape[-1]))


def regimes(rng: np.random.Generator) -> Run:
    n_training, n = 3 * MONTH, 5 * MONTH
    hours = np.arange(n)
    load = 10 + 2 * np.sin(2 * np.pi * hours / 24) + rng.normal(0, 0.3, n)
    n_regimes = int(rng.integers(2, 4))
    borders = np.sort(rng.integers(MONTH // 2, n_training - MONTH // 2, n_regimes - 1))
    regime = np.searchsorted(borders, hours, "right")
    regime[n_training:] = np.where(hours[n_training:] < n_training + MONTH, regime[n_training - 1], 0)
    slopes, offsets = rng.normal(0, 1, (n_regimes, 8)), rng.normal(0, 4, (n_regimes, 8))
    rows = _machine(load, slopes[regime], offsets[regime], rng)
    faults = []
    for first in (n_training + 10 * 24, n_training + 20 * 24, n_training + 45 * 24, n_training + 55 * 24):
        sensor, size = int(rng.integers(8)), float(rng.choice([8, 12, 16])) * 0.2
        rows[first : first + 36, sensor] += size
        faults.append((first, first + 36))
    return Run(rows, n_training, faults)


def seasons(rng: np.random.Generator) -> Run:
    n_training, n = 12 * MONTH, 18 * MONTH
    hours = np.arange(n)
    outside = 10 * np.sin(2 * np.pi * hours / (12 * MONTH)) + np.convolve(rng.normal(0, 1, n), np.ones(48) / 10, "same")
    weekend = (hours // 24) % 7 >= 5
    load = np.where(weekend, 4, 10) + rng.normal(0, 0.5, n)
    slopes = rng.normal(0, 1, 8)
    rows = _machine(load, np.tile(slopes, (n, 1)), rng.normal(0, 2, 8), rng)
    rows[:, :4] += 0.4 * outside[:, None]
    failure = n - 24
    onset = failure - 45 * 24
    rows[onset:failure, 2] += np.linspace(0, 1, failure - onset) ** 2 * 4
    return Run(rows[:failure], n_training, [], onset, failure)


KINDS: dict[str, Callable[[np.random.Generator], Run]] = {"walks": walks, "regimes": regimes, "seasons": seasons}


def judge(run: Run) -> dict[str, float]:
    """False hours in quiet time, faults found, and days of warning before a failure."""
    segment = np.zeros(len(run.rows), np.int64)
    n = run.n_training
    detector = fit(run.rows[:n], np.ones(n, bool), segment[:n])
    scores, _ = detector.score(run.rows[n:], segment[n:])
    alarm = np.concatenate([np.zeros(n, bool), scores.alarm])
    quiet = np.arange(len(alarm)) >= n
    for first, last in run.faults:
        quiet[first : last + 72] = False  # An alarm ends some rows after its cause.
    if run.onset is not None:
        quiet[run.onset :] = False
    told = {"false_hours": float(alarm[quiet].sum()), "a_month": float(alarm[quiet].sum() / quiet.sum() * MONTH)}
    if run.faults:
        told["found"] = mean(float(alarm[first : last + 1].any()) for first, last in run.faults)
    if run.onset is not None and run.failure is not None:
        after = np.flatnonzero(alarm[run.onset : run.failure])
        told["warning_days"] = (run.failure - run.onset - int(after[0])) / 24 if len(after) else 0.0
    return told


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=6)
    parser.add_argument("--first", type=int, default=0, help="the number of the first draw")
    parser.add_argument("--kind", choices=KINDS, action="append")
    given = parser.parse_args()
    draws = range(given.first, given.first + given.draws)
    for kind in given.kind or KINDS:
        told = [judge(KINDS[kind](np.random.default_rng([draw, len(kind)]))) for draw in draws]
        for number, each in zip(draws, told, strict=True):
            print(f"{kind} {number}: " + ", ".join(f"{name} {value:.2f}" for name, value in each.items()))
        print(f"{kind} mean: " + ", ".join(f"{name} {mean(each[name] for each in told):.2f}" for name in told[0]))


if __name__ == "__main__":
    main()
